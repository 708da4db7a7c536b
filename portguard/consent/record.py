"""One record of the ledger as it lies on the disk: 18 octets, sorted by subscriber.

Nouns: a *subscriber key* is the subscriber's digits in 7 octets; an *attribute id*, 3 octets, stands for everything
that many records share (an opt-in or an opt-out, its source, its categories). The enterprise is the key under which
lmdb keeps the records, so it costs a record nothing; so does lmdb itself, because all records are of one size.

    octets 0-6    subscriber   a 1 and then the digits, as one number, big-endian
    octets 7-9    attribute    big-endian
    octets 10-13  at           granted or revoked, epoch seconds
    octets 14-17  expires      epoch seconds, NEVER, and 0 in a revocation

Knows no database.
"""

import struct
from typing import Final, NamedTuple

RECORD: Final = 18
SUBSCRIBER: Final = 7
ATTRIBUTE: Final = slice(7, 10)
LONGEST_NUMBER: Final = 16
NEVER: Final = 0xFFFFFFFF

_TIMES: Final = struct.Struct(">II")


class Record(NamedTuple):
    """A record taken apart."""

    subscriber: str
    attribute: bytes
    at: int
    expires: int


def subscriber_key(subscriber: str) -> bytes:
    """The key of E.164 digits without +; b"" when nobody can have that number (none, or more than 16 digits)."""
    if 0 < len(subscriber) <= LONGEST_NUMBER:
        # The 1 in front keeps leading zeros.
        return int("1" + subscriber).to_bytes(SUBSCRIBER, "big")
    return b""


def pack(key: bytes, attribute: bytes, at: int, expires: int) -> bytes:
    """A record; `at` and `expires` in 0..NEVER."""
    return key + attribute + _TIMES.pack(at, expires)


def times(record: bytes) -> tuple[int, int]:
    """(at, expires) of a record."""
    at, expires = _TIMES.unpack_from(record, 10)
    return at, expires


def unpack(record: bytes) -> Record:
    """The inverse of `pack`."""
    at, expires = _TIMES.unpack_from(record, 10)
    return Record(str(int.from_bytes(record[:SUBSCRIBER], "big"))[1:], record[ATTRIBUTE], at, expires)


def seconds(at: float) -> int:
    """A time as the ledger keeps it: whole seconds, in what four octets hold."""
    return min(max(int(at), 0), NEVER - 1)
