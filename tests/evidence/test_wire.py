"""Frames between processes: whole or octet by octet, and whatever else comes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.evidence import wire

frame_lists = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=50)), max_size=8)


@given(frame_lists, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_frames_come_whole_however_they_are_cut(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    octets = b"".join(wire.pack(*frame) for frame in frames)
    inbox, found, at = wire.Inbox(), [], 0
    while at < len(octets):
        size = cuts[at % len(cuts)]
        found += inbox.feed(octets[at : at + size])
        at += size
    assert [tuple(frame) for frame in found] == frames
    assert inbox.rest() is None


@given(frame_lists, st.binary(min_size=13, max_size=40))
def test_what_was_never_finished(frames: list[tuple[int, int, bytes]], payload: bytes) -> None:
    whole = wire.pack(1, 7, payload)
    inbox = wire.Inbox()
    inbox.feed(b"".join(wire.pack(*frame) for frame in frames) + whole[:-1])
    assert inbox.rest() == (1, 7, payload[:-1])


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_any_octets_are_frames_or_an_error(pieces: list[bytes]) -> None:
    inbox = wire.Inbox(1000)
    with contextlib.suppress(wire.WireError):
        for piece in pieces:
            for frame in inbox.feed(piece):
                assert len(frame.payload) <= 1000


def test_a_frame_that_is_too_long() -> None:
    with pytest.raises(wire.WireError, match="a frame of 4294967295 octets"):
        wire.Inbox().feed(b"\xff" * 20)
