"""Frames out of a stream: whole, in parts, one octet at a time, and lost."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp.encode import header
from portguard.smpp.errors import FramingError
from portguard.smpp.framing import Framer, frame_length
from portguard.smpp.scan import be32

MAX = 200

bodies = st.lists(st.binary(max_size=MAX - 16), max_size=8)


def _pdus(parts: list[bytes]) -> list[bytes]:
    return [header(c.SUBMIT_SM, 0, number, len(body)) + body for number, body in enumerate(parts)]


@given(st.integers(0, 0xFFFFFFFF), st.binary(max_size=5))
def test_be32_is_unsigned_at_any_offset(number: int, before: bytes) -> None:
    assert be32(before + number.to_bytes(4, "big"), len(before)) == number


@pytest.mark.parametrize(("octets", "pos"), [(b"", 0), (b"abc", 0), (b"abcdef", 3), (b"abcdef", -4)])
def test_be32_reads_nothing_from_outside(octets: bytes, pos: int) -> None:
    with pytest.raises((IndexError, ValueError)):
        be32(octets, pos)


@pytest.mark.parametrize(
    ("octets", "length"),
    [
        ("", 0),
        ("000000", 0),
        ("00000010", 0),
        ("00000010" + "00" * 11, 0),
        ("00000010" + "00" * 12, 16),
        ("00000010" + "00" * 40, 16),
        ("00000011" + "00" * 12, 0),
        ("000000c8" + "00" * 196, 200),
        ("0000000f", -1),
        ("00000000" + "00" * 12, -1),
        ("000000c9", -1),
        ("80000010" + "00" * 12, -1),
        ("ffffffff", -1),
    ],
)
def test_frame_length(octets: str, length: int) -> None:
    buf = bytes.fromhex(octets)
    assert frame_length(buf, 0, len(buf), MAX) == length
    assert frame_length(b"\xff" * 3 + buf + b"\xff" * 20, 3, 3 + len(buf), MAX) == length


@given(bodies, st.data())
def test_any_cut_of_the_stream_gives_the_same_pdus(parts: list[bytes], data: st.DataObject) -> None:
    pdus = _pdus(parts)
    stream = b"".join(pdus)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    framer = Framer(MAX)
    edges = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert [pdu for chunk in chunks for pdu in framer.feed(chunk)] == pdus


@given(bodies)
def test_one_octet_at_a_time_each_pdu_comes_with_its_last_octet(parts: list[bytes]) -> None:
    framer = Framer(MAX)
    for pdu in _pdus(parts):
        for octet in pdu[:-1]:
            assert framer.feed(bytes([octet])) == []
        assert framer.feed(pdu[-1:]) == [pdu]


@given(bodies, st.one_of(st.integers(0, 15), st.integers(MAX + 1, 0xFFFFFFFF)), st.binary(max_size=30))
def test_framing_is_lost_for_good_and_what_came_before_is_not(parts: list[bytes], length: int, rest: bytes) -> None:
    pdus = _pdus(parts)
    framer = Framer(MAX)
    with pytest.raises(FramingError) as lost:
        framer.feed(b"".join(pdus) + length.to_bytes(4, "big") + rest)
    assert list(lost.value.pdus) == pdus
    assert lost.value.status == c.ESME_RINVCMDLEN
    assert lost.value.sequence_number == (int.from_bytes(rest[8:12], "big") if len(rest) >= 12 else 0)
    for more in (b"", b"x", header(c.ENQUIRE_LINK, 0, 1, 0)):
        with pytest.raises(FramingError):
            framer.feed(more)


def test_a_bad_length_is_seen_with_its_fourth_octet() -> None:
    framer = Framer(MAX)
    assert framer.feed(b"\x00\x00\x00") == []
    with pytest.raises(FramingError, match=r"command_length 201 is outside 16\.\.200"):
        framer.feed(b"\xc9")


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_any_octets_are_frames_or_a_framing_error_and_little_is_kept(chunks: list[bytes]) -> None:
    framer = Framer(MAX)
    for chunk in chunks:
        with suppress(FramingError):
            assert all(c.HEADER_LENGTH <= len(pdu) <= MAX for pdu in framer.feed(chunk))
