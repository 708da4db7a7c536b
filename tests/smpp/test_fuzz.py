"""The invariant: any bytes, whole or one at a time, parse or raise a protocol error, nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp.encode import header
from portguard.smpp.errors import FramingError, PduError
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode, encode

from .strategies import pdus

MAX = 600

# Frames that are sound, whatever is in them; commands that exist, so that their readers are reached.
frames = st.builds(
    lambda command_id, status, seq, body: header(command_id, status, seq, len(body)) + body,
    st.one_of(st.sampled_from(sorted(c.COMMAND_NAME)), st.integers(0, 0xFFFFFFFF)),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=80),
)
streams = st.lists(st.one_of(frames, pdus().map(encode), st.binary(max_size=40)), max_size=6).map(b"".join)


def outcome(chunks: list[bytes]) -> list[Pdu | int | str]:
    """PDUs read, statuses of those refused, and "lost" at the end of a link that lost its framing."""
    framer = Framer(MAX)
    found: list[Pdu | int | str] = []
    for chunk in chunks:
        try:
            whole, lost = tuple(framer.feed(chunk)), False
        except FramingError as error:
            whole, lost = error.pdus, True
        for octets in whole:
            assert int.from_bytes(octets[:4], "big") == len(octets) <= MAX
            try:
                pdu = decode(octets)
            except PduError as error:
                assert error.status in c.STATUS_NAME
                found.append(error.status)
            else:
                assert encode(pdu) == octets
                found.append(pdu)
        if lost:
            return [*found, "lost"]
    return found


@given(streams)
@settings(max_examples=300)
def test_any_bytes_whole_or_one_at_a_time(stream: bytes) -> None:
    whole = outcome([stream])
    assert outcome([bytes([octet]) for octet in stream]) == whole


@given(st.binary(max_size=200))
def test_any_bytes_at_all(stream: bytes) -> None:
    whole = outcome([stream])
    assert outcome([stream[:7], stream[7:]]) == whole
