"""Any bytes at the simulated SMSC, whole or in pieces: an answer or a closed link, and no other link hurt."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.sim.behaviour import Behaviour
from portguard.sim.esme import Esme, EsmeOptions
from portguard.sim.message import Message
from portguard.sim.smsc import Smsc
from portguard.smpp import constants as c
from portguard.smpp.encode import bind, enquire_link, header

HELLO = Message("any", "106900001", "13800000001", "【示例商城】您的订单已发货。")
BIND = bind(c.BIND_TRANSCEIVER, 1, system_id=b"any")

COMMANDS = st.sampled_from(sorted(c.COMMAND_NAME)) | st.integers(0, 0xFFFFFFFF)
BODIES = st.binary(max_size=60) | st.integers(0, 80).map(lambda cut: HELLO.pdu()[16 : 16 + cut])
FRAMES = st.builds(
    lambda command_id, seq, body: header(command_id, 0, seq, len(body)) + body, COMMANDS, st.integers(0, 99), BODIES
)
STREAMS = st.lists(FRAMES | st.binary(max_size=40), max_size=8).map(b"".join)


async def exchange(smsc: Smsc, octets: bytes, piece: int) -> bytes:
    """What the simulator says to these octets before it or we close the link."""
    reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
    for start in range(0, len(octets), piece):
        writer.write(octets[start : start + piece])
    try:
        await writer.drain()
        writer.write_eof()
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


def said(octets: bytes, piece: int) -> bytes:
    """The simulator's words, after which it must still serve others."""

    async def run() -> bytes:
        failures: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        async with Smsc() as smsc, Esme(EsmeOptions(port=smsc.port)) as other:
            answer = await exchange(smsc, octets, piece)
            assert (await other.submit(HELLO)).status == 0
        assert failures == []
        return answer

    return asyncio.run(run())


def test_what_comes_behind_an_unbind_is_not_answered() -> None:
    unbind = bytes.fromhex("00000010000000060000000000000002")
    enquire = bytes.fromhex("00000010000000150000000000000003")
    assert said(BIND + unbind, 100_000) == said(BIND + unbind + enquire, 100_000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stream=STREAMS, bound=st.booleans(), piece=st.sampled_from([1, 7, 100_000]))
def test_any_bytes_are_answered_or_end_their_own_link(stream: bytes, bound: bool, piece: int) -> None:
    said((BIND if bound else b"") + stream, piece)


@pytest.mark.parametrize("length", [0, 15, 65537, 0xFFFFFFFF])
def test_a_lost_frame_is_a_generic_nack_and_the_end(length: int) -> None:
    answer = said(length.to_bytes(4, "big") + enquire_link(9)[4:] + enquire_link(10), 100_000)
    assert answer[:16] == header(c.GENERIC_NACK, c.ESME_RINVCMDLEN, 9, 0)
    assert len(answer) == 16


def test_an_unknown_command_is_a_generic_nack_and_the_link_lives() -> None:
    answer = said(header(0x00010200, 0, 5, 0) + enquire_link(6), 100_000)
    assert answer == header(c.GENERIC_NACK, c.ESME_RINVCMDID, 5, 0) + header(c.ENQUIRE_LINK_RESP, 0, 6, 0)


def test_an_ill_formed_body_is_answered_with_its_status() -> None:
    whole = HELLO.pdu()
    cut = header(c.SUBMIT_SM, 0, 7, len(whole) - 16 - 4) + whole[16:-4]
    answer = said(BIND + cut + enquire_link(8), 1)
    assert header(c.SUBMIT_SM_RESP, c.ESME_RINVMSGLEN, 7, 0) in answer
    assert answer.endswith(header(c.ENQUIRE_LINK_RESP, 0, 8, 0))


def test_nothing_but_a_bind_comes_first() -> None:
    assert said(HELLO.pdu(), 100_000) == header(c.SUBMIT_SM_RESP, c.ESME_RINVBNDSTS, 0, 0)


def test_a_refusing_smsc_says_nothing() -> None:
    async def run() -> bytes:
        async with Smsc(Behaviour(mode="refuse")) as smsc:
            return await exchange(smsc, BIND, 100_000)

    assert asyncio.run(run()) == b""
