"""A file of databases that is written once, in the order of the keys, and never changed.

Nouns: a *database* is a run of records and the buckets that find them (`reader`); the *directory*, at the end of the
file, says where each begins. The head of the file, 64 octets, is written last: what was never finished has none.

    head        magic, format, octets of the file, place and octets of the directory, its checksum
    records     2 octets: the key's length, 4: the value's, the key, the value; in ascending order of the keys
    buckets     on the next multiple of 64
    ...         the next database
    directory   JSON
"""

import hashlib
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from portguard.registry.reader import Store

MAGIC: Final = b"portguard registry\n"
LONGEST_KEY: Final = 0xFFFF

RECORD_HEAD: Final = 6

_HEAD: Final = struct.Struct("<20sIQQQ8s")
_HEAD_OCTETS: Final = 64
_RECORD: Final = struct.Struct("<HI")
_BUCKET: Final = 64
_SLOTS: Final = 8
_BLOCK: Final = 1 << 20
_LARGEST: Final = (1 << 40) - 1


class StoreError(Exception):
    """The file is none of these, or not whole; the text says why."""


class Place(msgspec.Struct, frozen=True):
    """Where a database stands, in octets from the beginning of the file."""

    records: int
    end: int
    count: int
    index: int
    buckets: int


class Directory(msgspec.Struct, frozen=True):
    """`meta` is the writer's own."""

    databases: dict[str, Place]
    meta: msgspec.Raw


class StoreWriter:
    """Writes one file: databases one after the other, then `finish`. Raises OSError when the disk does not take it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=_BLOCK)
        self._file.write(bytes(_HEAD_OCTETS))
        self._at = _HEAD_OCTETS
        self._places: dict[str, Place] = {}
        self._hash = hashlib.blake2b(digest_size=8)

    def write(self, database: str, records: Iterable[tuple[bytes, bytes]]) -> int:
        """Append (key, value) pairs that come in ascending order of their keys; returns how many. Raises ValueError for
        others."""
        self._hash.update(b"\0" + database.encode() + b"\0")
        start, hashes, places = self._at, array("I"), array("Q")
        crc, pack, file, digest = zlib.crc32, _RECORD.pack, self._file, self._hash
        before, at, octets = b"", self._at, []
        for key, value in records:
            if key <= before and (before or places):
                raise ValueError(f"{database}: keys do not come in ascending order, {key!r} after {before!r}")
            before = key
            hashes.append(crc(key))
            places.append(at + 1)
            record = pack(len(key), len(value)) + key + value
            at += len(record)
            octets.append(record)
            if len(octets) >= 4096:
                whole = b"".join(octets)
                octets.clear()
                digest.update(whole)
                file.write(whole)
        whole = b"".join(octets)
        digest.update(whole)
        file.write(whole)
        if at > _LARGEST:
            raise ValueError(f"{database}: the file is larger than {_LARGEST:,} octets")
        end = at
        index = end + -end % _BUCKET
        file.write(bytes(index - end))
        buckets = _buckets(hashes, places)
        # One write of all of it would be 50 ms in the kernel, which whoever wakes up on that processor waits for.
        for piece in range(0, len(buckets), _BLOCK):
            file.write(memoryview(buckets)[piece : piece + _BLOCK])
        self._at = index + len(buckets)
        self._places[database] = Place(start, end, len(places), index, len(buckets) // _BUCKET)
        return len(places)

    def digest(self, *extra: str) -> str:
        """16 hex digits for everything written so far, and for what else makes the content another one."""
        final = self._hash.copy()
        final.update("\0".join(("", *extra)).encode())
        return final.hexdigest()

    def finish(self, format: int, meta: object) -> None:
        """Write the directory with `meta`, and everything to the disk itself."""
        directory = msgspec.json.encode(Directory(self._places, msgspec.Raw(msgspec.json.encode(meta))))
        self._file.write(directory)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.seek(0)
        check = hashlib.blake2b(directory, digest_size=8).digest()
        whole = self._at + len(directory)
        self._file.write(_HEAD.pack(MAGIC, format, whole, self._at, len(directory), check))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._file.close()

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _buckets(hashes: "array[int]", places: "array[int]") -> bytearray:
    """The hash table of records: 8 to 16 octets a key."""
    if not places:
        return bytearray()
    count = 1
    while count * _SLOTS < 1.5 * len(places):
        count *= 2
    slots = array("Q", bytes(count * _BUCKET))
    used = bytearray(count)
    for hashed, place in zip(hashes, places, strict=True):
        bucket = hashed & (count - 1)
        while used[bucket] == _SLOTS:
            bucket = (bucket + 1) & (count - 1)
        slots[bucket * _SLOTS + used[bucket]] = hashed >> 8 << 40 | place
        used[bucket] += 1
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        slots.byteswap()
    return bytearray(memoryview(slots).cast("B"))


class StoreFile:
    """A finished file, mapped read-only: its pages are shared with every process that maps it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, or StoreError for what is no such file or not whole."""
        with path.open("rb") as file:
            head = file.read(_HEAD_OCTETS)
            size = os.fstat(file.fileno()).st_size
            if len(head) < _HEAD_OCTETS or not head.startswith(MAGIC):
                raise StoreError("it was never finished" if not any(head) and head else "it is no such file")
            _, self.format, whole, place, octets, check = _HEAD.unpack(head[: _HEAD.size])
            if size < whole or place + octets > whole:
                raise StoreError(f"it is cut short: {size:,} of {whole:,} octets are there")
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        raw = self._map[place : place + octets]
        if hashlib.blake2b(raw, digest_size=8).digest() != check:
            self.close()
            raise StoreError("its directory is damaged")
        self._directory = msgspec.json.decode(raw, type=Directory)
        self.meta = self._directory.meta

    def store(self, database: str) -> Store:
        """A database to look keys up in; an empty one where the file has none of this name."""
        place = self._directory.databases.get(database)
        return Store(self._map, place.index, place.buckets) if place else Store(self._map, 0, 0)

    def octets(self) -> dict[str, int]:
        """The size of each database, buckets included."""
        return {
            name: place.end - place.records + place.buckets * _BUCKET
            for name, place in self._directory.databases.items()
        }

    def records(self, database: str, first: int = 0, end: int | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Every (key, value) of a database in the order of the keys, or of its octets from `first` to before `end`."""
        place = self._directory.databases.get(database)
        if place is None:
            return
        unpack, head = _RECORD.unpack_from, _RECORD.size
        start, rest = place.records + first, b""
        stop = place.end if end is None else place.records + end
        while start < stop:
            block = rest + self._map[start : min(start + _BLOCK, stop)]
            start = min(start + _BLOCK, stop)
            at, last = 0, len(block)
            while at + head <= last:
                key, value = unpack(block, at)
                middle = at + head + key
                end = middle + value
                if end > last:
                    break
                yield block[at + head : middle], block[middle:end]
                at = end
            rest = block[at:]

    def raw(self, database: str, first: int, end: int) -> bytes:
        """Octets of a database's records."""
        start = self._directory.databases[database].records
        return self._map[start + first : start + end]

    def close(self) -> None:
        """Unmap the file; nothing may be asked afterwards."""
        self._map.close()
