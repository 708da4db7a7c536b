"""Reading and writing are inverses for every PDU, and anything else is a protocol error with the right status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp import fields as f
from portguard.smpp.encode import header
from portguard.smpp.errors import FramingError, PduError, SmppError
from portguard.smpp.pdu import Pdu, decode, encode

from .strategies import pdus

SUBMIT_SM = bytes.fromhex(  # a plain submit_sm with one TLV
    "00000038" "00000004" "00000000" "00000001"
    "00" "0101" "3130363900" "0101" "3133393030303000"
    "000000" "00" "00" "01" "00" "08" "00" "06" "597d0021ff01" "0204" "0002" "0007"
)  # fmt: skip


def test_a_submit_sm_octet_by_octet() -> None:
    assert decode(SUBMIT_SM) == Pdu(
        c.SUBMIT_SM,
        c.ESME_ROK,
        1,
        {
            "service_type": b"",
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": b"1069",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": b"1390000",
            "esm_class": 0,
            "protocol_id": 0,
            "priority_flag": 0,
            "schedule_delivery_time": b"",
            "validity_period": b"",
            "registered_delivery": 1,
            "replace_if_present_flag": 0,
            "data_coding": 8,
            "sm_default_msg_id": 0,
            "short_message": b"\x59\x7d\x00\x21\xff\x01",
        },
        [(c.TLV_USER_MESSAGE_REFERENCE, b"\x00\x07")],
    )


@given(pdus())
def test_round_trip(pdu: Pdu) -> None:
    octets = encode(pdu)
    assert decode(octets) == pdu
    assert encode(decode(octets)) == octets
    assert int.from_bytes(octets[:4], "big") == len(octets)


@given(pdus(), st.data())
def test_any_cut_of_a_pdu_reads_or_is_an_error(pdu: Pdu, data: st.DataObject) -> None:
    octets = encode(pdu)
    cut = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(FramingError):
        decode(octets[:cut])
    if cut >= c.HEADER_LENGTH:
        shorter = cut.to_bytes(4, "big") + octets[4:cut]
        try:
            assert encode(decode(shorter)) == shorter
        except PduError as error:
            assert error.status in c.STATUS_NAME


@given(pdus(), st.lists(st.tuples(st.integers(4, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_reads_or_is_an_error(pdu: Pdu, damage: list[tuple[int, int]]) -> None:
    octets = bytearray(encode(pdu))
    for where, what in damage:
        if where < len(octets):
            octets[where] = what
    try:
        assert encode(decode(bytes(octets))) == bytes(octets)
    except SmppError as error:
        assert error.status in c.STATUS_NAME


def _body(command_id: int, body: bytes, status: int = 0) -> bytes:
    return header(command_id, status, 7, len(body)) + body


SM_FRONT = b"\x00\x01\x011069\x00\x01\x01139\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00"


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (_body(0x110, b""), c.ESME_RINVCMDID),
        (_body(0x80000110, b"x"), c.ESME_RINVCMDID),
        (_body(c.OUTBIND | c.RESP, b""), c.ESME_RINVCMDID),
        (_body(c.SUBMIT_SM, b""), c.ESME_RINVSERTYP),
        (_body(c.SUBMIT_SM, b"CMTCM"), c.ESME_RINVSERTYP),
        (_body(c.SUBMIT_SM, b"CMTCMT\x00"), c.ESME_RINVSERTYP),
        (_body(c.SUBMIT_SM, b"\x00\x01"), c.ESME_RINVSRCADR),
        (_body(c.SUBMIT_SM, b"\x00\x01\x01" + b"1" * 20), c.ESME_RINVSRCADR),
        (_body(c.SUBMIT_SM, b"\x00\x01\x01" + b"1" * 20 + b"\x00"), c.ESME_RINVDSTADR),
        (_body(c.SUBMIT_SM, b"\x00\x01\x011\x00\x01\x012\x00\x00\x00"), c.ESME_RINVMSGLEN),
        (_body(c.SUBMIT_SM, b"\x00\x01\x01" + b"1" * 21 + b"\x00"), c.ESME_RINVSRCADR),
        (_body(c.SUBMIT_SM, b"\x00\x01\x011\x00\x01\x01" + b"1" * 21 + b"\x00"), c.ESME_RINVDSTADR),
        (_body(c.SUBMIT_SM, b"\x00\x01\x011\x00\x01\x011\x00\x00\x00\x00" + b"0" * 17 + b"\x00"), c.ESME_RINVSCHED),
        (_body(c.SUBMIT_SM, b"\x00\x01\x011\x00\x01\x011\x00\x00\x00\x00\x00" + b"0" * 17), c.ESME_RINVEXPIRY),
        (_body(c.SUBMIT_SM, SM_FRONT), c.ESME_RINVMSGLEN),
        (_body(c.SUBMIT_SM, SM_FRONT + b"\x05abcd"), c.ESME_RINVMSGLEN),
        (_body(c.SUBMIT_SM, SM_FRONT + b"\x04abcd\x04"), c.ESME_RINVOPTPARSTREAM),
        (_body(c.SUBMIT_SM, SM_FRONT + b"\x04abcd\x04\x24\x00\x03ab"), c.ESME_RINVOPTPARSTREAM),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00\x01\x03"), c.ESME_RINVDESTFLAG),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00\x01\x02" + b"l" * 21 + b"\x00"), c.ESME_RINVDLNAME),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00\x02\x01\x00\x011\x00"), c.ESME_RINVDSTADR),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00"), c.ESME_RINVMSGLEN),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00\x00" + SM_FRONT[-9:]), c.ESME_RINVNUMDESTS),
        (_body(c.SUBMIT_MULTI, b"\x00\x01\x011069\x00\xff" + b"\x02a\x00" * 255), c.ESME_RINVNUMDESTS),
        (_body(c.SUBMIT_MULTI_RESP, b"id\x00\x01\x00\x011\x00\x00\x00\x00"), c.ESME_RINVMSGLEN),
        (_body(c.BIND_TRANSMITTER, b"a" * 16 + b"\x00"), c.ESME_RINVSYSID),
        (_body(c.BIND_TRANSMITTER, b"a\x00" + b"p" * 9 + b"\x00"), c.ESME_RINVPASWD),
        (_body(c.BIND_TRANSMITTER, b"a\x00p\x00" + b"t" * 13 + b"\x00"), c.ESME_RINVSYSTYP),
        (_body(c.BIND_TRANSMITTER, b"a\x00p\x00t\x00\x34\x00\x00" + b"r" * 41), c.ESME_RINVPARLEN),
        (_body(c.QUERY_SM, b"m" * 65 + b"\x00"), c.ESME_RINVMSGID),
        (_body(c.DATA_SM, b"\x00\x01\x01" + b"1" * 65 + b"\x00"), c.ESME_RINVSRCADR),
        (_body(c.ENQUIRE_LINK, b"\x00"), c.ESME_RINVOPTPARSTREAM),
    ],
)
def test_a_bad_body_has_its_status(octets: bytes, status: int) -> None:
    with pytest.raises(PduError) as error:
        decode(octets)
    assert error.value.status == status


@pytest.mark.parametrize("octets", [b"", b"\x00" * 15, SUBMIT_SM[:-1], SUBMIT_SM + b"\x00"])
def test_octets_that_are_not_one_pdu(octets: bytes) -> None:
    with pytest.raises(FramingError):
        decode(octets)


def test_the_longest_strings_fit() -> None:
    body = b"CMTCM\x00\x01\x01" + b"1" * 20 + b"\x00\x01\x01" + b"2" * 20 + b"\x00\x00\x00\x00" + b"0" * 16 + b"\x00"
    body += b"0" * 16 + b"\x00\x00\x00\x00\x00\xff" + b"m" * 255
    pdu = decode(_body(c.SUBMIT_SM, body))
    assert (len(pdu.octets("source_addr")), len(pdu.octets("short_message"))) == (20, 255)
    assert pdu.octets("validity_period") == b"0" * 16


@pytest.mark.parametrize("command_id", [number for number in f.LAYOUT if number & c.RESP])
@pytest.mark.parametrize("status", [0, c.ESME_RSUBMITFAIL, 0x421])
def test_a_response_may_leave_its_body_out(command_id: int, status: int) -> None:
    octets = header(command_id, status, 9, 0)
    assert decode(octets) == Pdu(command_id, status, 9)
    assert encode(decode(octets)) == octets


@pytest.mark.parametrize(
    "command_id", [number for number, layout in f.LAYOUT.items() if layout and not number & c.RESP]
)
def test_a_request_may_not(command_id: int) -> None:
    with pytest.raises(PduError):
        decode(header(command_id, 0, 9, 0))


@pytest.mark.parametrize(
    ("pdu", "message"),
    [
        (Pdu(0x110), "0x00000110 is unknown"),
        (Pdu(c.UNBIND, fields={"system_id": b""}), "unbind has no system_id"),
        (Pdu(c.QUERY_SM, fields={"message_id": b"1"}), "query_sm lacks source_addr_ton, source_addr_npi, source_addr"),
        (Pdu(c.OUTBIND, fields={"system_id": b"a\x00b", "password": b""}), "system_id holds a NUL"),
        (Pdu(c.OUTBIND, fields={"system_id": b"a" * 16, "password": b""}), "system_id is longer than 15 octets"),
        (Pdu(c.OUTBIND, fields={"system_id": 4, "password": b""}), "system_id cannot be int"),
        (Pdu(c.SUBMIT_SM_RESP, fields={"message_id": b""}, tlvs=[(1, b"x" * 65536)]), "longer than 65535"),
        (Pdu(c.UNBIND, tlvs=[(0x10000, b"")]), "does not fit into two octets"),
    ],
)
def test_what_cannot_be_written(pdu: Pdu, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(pdu)


def test_reading_a_field_that_is_not_there() -> None:
    pdu = decode(SUBMIT_SM)
    assert (pdu.name, pdu.integer("data_coding"), pdu.octets("source_addr")) == ("submit_sm", 8, b"1069")
    assert (pdu.integer("message_state"), pdu.octets("message_id")) == (0, b"")
    assert pdu.tlv(c.TLV_USER_MESSAGE_REFERENCE) == b"\x00\x07"
    assert pdu.tlv(c.TLV_MESSAGE_PAYLOAD) is None


def test_every_command_of_the_protocol_has_a_layout_with_unique_names() -> None:
    assert set(f.LAYOUT) == set(c.COMMAND_NAME)
    for layout in f.LAYOUT.values():
        assert len({field.name for field in layout}) == len(layout)
