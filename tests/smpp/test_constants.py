"""The names of the tables and the ints of the module are the same numbers, and unknown numbers have a name too."""

from collections.abc import Callable

import pytest

from portguard.smpp import constants as c


def _named(prefix: str) -> dict[str, int]:
    return {name: number for name, number in vars(c).items() if name.startswith(prefix) and isinstance(number, int)}


def test_every_status_is_in_the_table() -> None:
    assert dict(c.STATUS_BY_NAME) == _named("ESME_")
    assert len(c.STATUS_NAME) == len(c.STATUS_BY_NAME)


def test_every_tlv_is_in_the_table() -> None:
    assert {f"TLV_{name.upper()}": tag for name, tag in c.TLV_BY_NAME.items()} == _named("TLV_")
    assert len(c.TLV_NAME) == len(c.TLV_BY_NAME)


def test_every_command_is_in_the_table_and_each_response_has_its_bit() -> None:
    for number, name in c.COMMAND_NAME.items():
        assert vars(c)[name.upper()] == number
        if name.endswith("_resp"):
            assert c.COMMAND_BY_NAME[name.removesuffix("_resp")] | c.RESP == number
    assert c.COMMAND_BY_NAME["generic_nack"] == c.RESP


@pytest.mark.parametrize(
    ("name", "number", "written"),
    [
        (c.command_name, 0x04, "submit_sm"),
        (c.command_name, 0x80000103, "data_sm_resp"),
        (c.command_name, 0x00000110, "0x00000110"),
        (c.status_name, 0x45, "ESME_RSUBMITFAIL"),
        (c.status_name, 0x421, "0x00000421"),
        (c.tlv_name, 0x0424, "message_payload"),
        (c.tlv_name, 0x1D01, "0x1D01"),
    ],
)
def test_names_and_hex(name: Callable[[int], str], number: int, written: str) -> None:
    assert name(number) == written
