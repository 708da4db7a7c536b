"""The octets of a segment, and how they are read again whatever has happened to them.

    segment   hash before it (32), then frames
    frame     u32 octets of the payload, u8 kind, u64 number (little-endian), payload, hash (32)

A frame's hash is SHA-256 over the hash before it and the frame, which lie side by side: one slice. `number` is a
record's own, the first of the segment in a HEADER, the last record's in a SEAL. A SEAL's payload is MAGIC, an HMAC over
the hash before it, the number and the rest, and the rest: msgpack [epoch seconds, taken]. Records without a SEAL behind
them are not finished.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from portguard.evidence.keys import SEAL as SEAL_OCTETS
from portguard.evidence.keys import Keys
from portguard.evidence.rows import UNDECODABLE

HEADER: Final = 1
VIOLATION: Final = 2
EVENT: Final = 3
SEAL: Final = 4
# What a scan says of octets that are no frame.
GARBAGE: Final = 0

HASH: Final = 32
NO_HASH: Final = bytes(HASH)
HEAD: Final = Struct("<IBQ")
HEAD_OCTETS: Final = 13
MOST_PAYLOAD: Final = 1 << 20
FORMAT: Final = 1
SUFFIX: Final = ".journal"
MAGIC: Final = b"\x93PGSEAL\n"

_BLOCK: Final = 1 << 20
_U64: Final = Struct("<Q")
# Records that changed places are frames, too.
_NEAR: Final = 4096
_BODY: Final = len(MAGIC) + SEAL_OCTETS


class Header(msgspec.Struct, array_like=True, frozen=True):
    """The first frame's payload. `taken`: the last frame of each client that is in the journal before it."""

    format: int
    node: str
    key: bytes
    at: float
    taken: dict[bytes, int] = {}


class Seal(msgspec.Struct, array_like=True, frozen=True):
    """When it was written, and the last frame of each client of which something is in the batch."""

    at: float
    taken: dict[bytes, int] = {}


class Frame(NamedTuple):
    """`start` and `end` are offsets in the segment; `before` is the hash that stands in front, `sound`: its own is
    right. Of GARBAGE only the offsets count."""

    start: int
    end: int
    kind: int
    number: int
    payload: bytes
    before: bytes
    hash: bytes
    sound: bool


_encode: Final = msgspec.msgpack.Encoder().encode
_read_header: Final = msgspec.msgpack.Decoder(Header).decode
_read_seal: Final = msgspec.msgpack.Decoder(Seal).decode


def name_of(first: int) -> str:
    """The file of the segment that begins with this record."""
    return f"{first:020}{SUFFIX}"


def frame(kind: int, number: int, payload: bytes, before: bytes) -> tuple[bytes, bytes]:
    """(octets but for the hash, hash) of a frame behind one with the hash `before`."""
    octets = HEAD.pack(len(payload), kind, number) + payload
    return octets, sha256(before + octets).digest()


def seal_payload(keys: Keys, before: bytes, number: int, seal: Seal) -> bytes:
    """The payload of a SEAL."""
    rest = _encode(seal)
    return MAGIC + keys.seal(before + _U64.pack(number) + rest) + rest


def header_payload(header: Header) -> bytes:
    """The payload of a HEADER."""
    return _encode(header)


def read_header(payload: bytes) -> Header | None:
    """What a HEADER says, None when it says nothing that this version reads."""
    try:
        found = _read_header(payload)
    except UNDECODABLE:
        return None
    return found if found.format == FORMAT else None


def read_seal(payload: bytes) -> Seal | None:
    """What a SEAL says, None when that cannot be read. Whether it is ours, `seal_is_ours` tells."""
    try:
        return _read_seal(payload[_BODY:])
    except UNDECODABLE:
        return None


def seal_is_ours(keys: Keys, before: bytes, number: int, payload: bytes) -> bool:
    """Was this SEAL, behind a frame with the hash `before`, made with our key?"""
    return keys.sealed(before + _U64.pack(number) + payload[_BODY:], payload[len(MAGIC) : _BODY])


def scan(descriptor: int, start: int = HASH) -> Iterator[Frame]:
    """The frames from an offset on, which is a frame's. What is no frame comes as GARBAGE; after it the scan goes on
    with the next SEAL, if there is one. Ends where the file ends."""
    buf, base, pos = b"", start - HASH, 0
    while True:
        # buf[pos : pos + HASH] is the hash before the frame at pos + HASH
        begin = pos + HASH
        kind = GARBAGE
        if begin + HEAD_OCTETS <= len(buf):
            octets, kind, number = HEAD.unpack_from(buf, begin)
            tail = begin + HEAD_OCTETS + octets
            end = tail + HASH
            if not HEADER <= kind <= SEAL or octets > MOST_PAYLOAD:
                kind = GARBAGE
            elif end <= len(buf):
                hash = buf[tail:end]
                sound = sha256(buf[pos:tail]).digest() == hash
                if sound or _follows(buf, end, number):
                    payload, before = buf[begin + HEAD_OCTETS : tail], buf[pos:begin]
                    yield Frame(base + begin, base + end, kind, number, payload, before, hash, sound)
                    pos = end - HASH
                    continue
                kind = GARBAGE
        more = b""
        if kind != GARBAGE or begin + HEAD_OCTETS > len(buf):
            more = os.pread(descriptor, _BLOCK, base + len(buf))
            if more:
                buf, base, pos = buf[pos:] + more, base + pos, 0
                continue
            if begin >= len(buf):
                return
        found, ended = _next_seal(descriptor, base + begin)
        yield Frame(base + begin, found or ended, GARBAGE, 0, b"", b"", b"", False)
        if not found:
            return
        buf, base, pos = b"", found - HASH, 0


def _follows(buf: bytes, at: int, number: int) -> bool:
    """Could what is at `at` be the frame after one with this number? Where the buffer ends nothing speaks against."""
    if at + HEAD_OCTETS > len(buf):
        return True
    octets, kind, next_number = HEAD.unpack_from(buf, at)
    if octets > MOST_PAYLOAD or not HEADER <= kind <= SEAL:
        return False
    tail = at + HEAD_OCTETS + octets
    return abs(next_number - number) <= _NEAR or sha256(buf[at - HASH : tail]).digest() == buf[tail : tail + HASH]


def _next_seal(descriptor: int, start: int) -> tuple[int, int]:
    """(offset of the first SEAL behind `start` whose hash is right, 0 if there is none; the end of the file)."""
    overlap = HASH + HEAD_OCTETS + MOST_PAYLOAD + HASH
    at = start
    while True:
        buf = os.pread(descriptor, 4 * overlap, at - HASH)
        base = at - HASH
        found = buf.find(MAGIC, HASH + HEAD_OCTETS)
        while found >= 0:
            begin = found - HEAD_OCTETS
            octets, kind, _ = HEAD.unpack_from(buf, begin)
            tail = found + octets
            whole = kind == SEAL and octets <= MOST_PAYLOAD and tail + HASH <= len(buf)
            if whole and sha256(buf[begin - HASH : tail]).digest() == buf[tail : tail + HASH]:
                return base + begin, 0
            found = buf.find(MAGIC, found + 1)
        if len(buf) < 4 * overlap:
            return 0, base + len(buf)
        at += 3 * overlap
