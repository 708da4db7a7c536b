"""The octets of a segment: read as they were written, and whatever was done to them."""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.evidence.frames import (
    EVENT,
    GARBAGE,
    HEADER,
    NO_HASH,
    SEAL,
    Frame,
    Header,
    Seal,
    frame,
    header_payload,
    read_header,
    read_seal,
    scan,
    seal_is_ours,
    seal_payload,
)
from portguard.evidence.keys import Keys
from tests.evidence.stage import KEYS

HEADER_OF = Header(1, "gw1", KEYS.id, 1.0, {b"c": 3})


def segment(payloads: list[bytes], sealed_every: int = 3) -> bytes:
    """A segment with these events, sealed now and then."""
    parts, hash = [NO_HASH], NO_HASH

    def add(kind: int, number: int, payload: bytes) -> None:
        nonlocal hash
        octets, hash = frame(kind, number, payload, hash)
        parts.extend((octets, hash))

    add(HEADER, 1, header_payload(HEADER_OF))
    for number, payload in enumerate(payloads, 1):
        add(EVENT, number, payload)
        if number % sealed_every == 0 or number == len(payloads):
            add(SEAL, number, seal_payload(KEYS, hash, number, Seal(2.0)))
    return b"".join(parts)


def scanned(octets: bytes) -> list[Frame]:
    with tempfile.TemporaryFile() as file:
        file.write(octets)
        file.flush()
        return list(scan(file.fileno()))


def test_what_was_written_is_read() -> None:
    found = scanned(segment([b"one", b"two", b"", b"four"]))
    assert [one.kind for one in found] == [HEADER, EVENT, EVENT, EVENT, SEAL, EVENT, SEAL]
    assert [one.payload for one in found if one.kind == EVENT] == [b"one", b"two", b"", b"four"]
    assert all(one.sound for one in found)
    assert read_header(found[0].payload) == HEADER_OF
    before = found[3].hash
    assert read_seal(found[4].payload) == Seal(2.0)
    assert seal_is_ours(KEYS, before, 3, found[4].payload)
    assert not seal_is_ours(Keys(b"x" * 32), before, 3, found[4].payload)
    assert not seal_is_ours(KEYS, before, 4, found[4].payload)
    assert not seal_is_ours(KEYS, found[2].hash, 3, found[4].payload)


def test_nothing_at_all() -> None:
    assert scanned(b"") == []
    assert scanned(NO_HASH) == []
    assert [one.kind for one in scanned(NO_HASH + b"x")] == [GARBAGE]


def test_from_any_frame_on(tmp_path: Path) -> None:
    octets = segment([b"%d" % n for n in range(20)])
    path = tmp_path / "segment"
    path.write_bytes(octets)
    descriptor = os.open(path, os.O_RDONLY)
    whole = list(scan(descriptor))
    for at, one in enumerate(whole):
        assert list(scan(descriptor, one.start)) == whole[at:]
    os.close(descriptor)


def test_frames_larger_than_what_is_read_at_once() -> None:
    payloads = [bytes([n]) * (400_000 + n) for n in range(9)]
    assert [one.payload for one in scanned(segment(payloads)) if one.kind == EVENT] == payloads


payload_lists = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


@given(payload_lists, st.data())
@settings(deadline=None)
def test_any_truncation_leaves_what_was_before_it(payloads: list[bytes], data: st.DataObject) -> None:
    octets = segment(payloads)
    whole = scanned(octets)
    size = data.draw(st.integers(0, len(octets)))
    found = scanned(octets[:size])
    kept = [one for one in whole if one.end <= size]
    assert found[: len(kept)] == kept
    rest = found[len(kept) :]
    assert [one.kind for one in rest] == ([GARBAGE] if size > (kept[-1].end if kept else 32) else [])


@given(payload_lists, st.data())
@settings(deadline=None)
def test_any_flipped_bit_is_seen(payloads: list[bytes], data: st.DataObject) -> None:
    octets = bytearray(segment(payloads))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= 1 << data.draw(st.integers(0, 7))
    found = scanned(bytes(octets))
    assert not all(one.sound for one in found)
    sound = {one.number: one.payload for one in found if one.kind == EVENT and one.sound}
    assert all(payloads[number - 1] == payload for number, payload in sound.items())


@given(payload_lists, st.binary(max_size=200), st.data())
@settings(max_examples=200, deadline=None)
def test_octets_in_between_cost_no_more_than_what_shares_a_seal(
    payloads: list[bytes], garbage: bytes, data: st.DataObject
) -> None:
    """Whatever is put in at a frame's border: everything behind the next seal is read."""
    octets = segment(payloads)
    whole = scanned(octets)
    at = data.draw(st.sampled_from(whole)).start
    found = scanned(octets[:at] + garbage + octets[at:])
    sound = [one.payload for one in found if one.kind == EVENT and one.sound]
    # The hash before a seal that stands right behind is no longer beside it.
    seal = next((one.start for one in whole if one.kind == SEAL and one.start > at), len(octets))
    behind = [one.payload for one in whole if one.kind == EVENT and one.start > seal]
    assert not behind or sound[-len(behind) :] == behind
    before = [one.payload for one in whole if one.kind == EVENT and one.end <= at]
    assert sound[: len(before)] == before


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_any_octets(octets: bytes) -> None:
    for one in scanned(octets):
        assert not one.sound or one.kind != GARBAGE
        assert 32 <= one.start < one.end <= max(len(octets), 32)
