"""What a message asks of an image: numbers by their prefixes, signatures with their scopes, canonical forms, regions.

Nouns: a `Store` finds the octets under one key of one database; a `Reader` has those databases that messages are judged
by. A store is a hash table of buckets, 64 octets each: eight slots of eight octets (24 bits of the key's hash, 40 bits
that say where the record stands, plus one; 0 ends the search), a full bucket is continued in the next one. A record is
the length of its key in two octets, the length of its value in four, the key and the value. A store is half full, so
a key is found, or found missing, with one look at a bucket, and a second one at the record.

Compiled: together with `records`, what is not in memory yet costs two or three microseconds instead of twenty.
"""

import mmap
import zlib

from librt.strings import read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

from portguard.registry.records import (
    Cursor,
    PortEntry,
    ScopeRecord,
    SignatureEntry,
    SubleaseRecord,
    port_entry,
    scopes,
    sublease_rows,
)

# Enough for most records, so that they are read at once.
_GLANCE = 192


class Store:
    """One database of a mapped file: `index` is where its buckets begin, `buckets` a power of two, or 0."""

    def __init__(self, octets: mmap.mmap, index: i64, buckets: i64) -> None:
        self.octets = octets
        self.index = index
        self.buckets = buckets

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, None when there is none."""
        if self.buckets == 0:
            return None
        octets = self.octets
        hashed: i64 = zlib.crc32(key)
        tag = hashed >> 8
        bucket = hashed & (self.buckets - 1)
        size: i64 = len(key)
        while True:
            start = self.index + bucket * 64
            line: bytes = octets[int(start) : int(start + 64)]
            place: i64 = 0
            while place < 64:
                slot = read_i64_le(line, place)
                if slot == 0:
                    return None
                if (slot >> 40) & 0xFFFFFF == tag:
                    at = (slot & 0xFFFFFFFFFF) - 1
                    record: bytes = octets[int(at) : int(at + _GLANCE)]
                    if i64(read_i16_le(record, 0)) & 0xFFFF == size and record[6 : 6 + size] == key:
                        at += 6 + size
                        length = i64(read_i32_le(record, 2)) & 0xFFFFFFFF
                        if 6 + size + length <= _GLANCE:
                            return record[6 + size : 6 + size + length]
                        whole: bytes = octets[int(at) : int(at + length)]
                        return whole
                place += 8
            bucket = (bucket + 1) & (self.buckets - 1)


class Reader:
    """The databases, and which lengths (in digits, ascending) the numbers in them have."""

    def __init__(self, stores: dict[str, Store], ports: list[int], subleases: list[int], regions: list[int]) -> None:
        self._ports = stores["ports"]
        self._subleases = stores["subleases"]
        self._signatures = stores["signatures"]
        self._scopes = stores["scopes"]
        self._canonical = stores["canonical"]
        self._numbers = stores["numbers"]
        self._regions = stores["regions"]
        self._longest_port_first = ports[::-1]
        self._sublease_lengths = subleases
        self._longest_region_first = regions[::-1]

    def longest_port(self, number: bytes) -> PortEntry | None:
        """What is registered for the longest port that `number`, ASCII digits, begins with."""
        digits: i64 = len(number)
        for length in self._longest_port_first:
            if length <= digits:
                key = number[:length]
                raw = self._ports.get(key)
                if raw is not None:
                    return port_entry(raw, key.decode())
        return None

    def is_port(self, number: bytes) -> bool:
        """Does the number begin with a registered port?"""
        digits: i64 = len(number)
        for length in self._longest_port_first:
            if length <= digits and self._ports.get(number[:length]) is not None:
                return True
        return False

    def subleases(self, number: bytes, shortest: i64) -> list[SubleaseRecord]:
        """Subleases of the ports of at least `shortest` digits that `number` begins with, shorter ports first."""
        digits: i64 = len(number)
        found: list[SubleaseRecord] = []
        for length in self._sublease_lengths:
            if shortest <= length <= digits:
                key = number[:length]
                raw = self._subleases.get(key)
                if raw is not None:
                    found.extend(sublease_rows(raw, key.decode()))
        return found

    def signature(self, text: str) -> SignatureEntry | None:
        """The registrations of exactly this text."""
        raw = self._signatures.get(text.encode("utf-8", "surrogatepass"))
        return None if raw is None else SignatureEntry(raw, text)

    def is_signature(self, text: str) -> bool:
        """Is exactly this text registered?"""
        return self._signatures.get(text.encode("utf-8", "surrogatepass")) is not None

    def is_canonical(self, text: str) -> bool:
        """Is this text the canonical form of a registered signature that is another text, or of several?"""
        return self._canonical.get(text.encode("utf-8", "surrogatepass")) is not None

    def resembles(self, text: str) -> bool:
        """Is this text a registered signature, or the canonical form of one?"""
        return self.is_signature(text) or self.is_canonical(text)

    def scopes(self, entry: SignatureEntry, number: bytes) -> list[ScopeRecord]:
        """Scopes of a signature for the ports that `number` begins with, the longer first, those without one last."""
        if entry.apart == 0:
            return entry.covering(number)
        found: list[ScopeRecord] = []
        head = entry.signature.encode() + b"\0"
        length: i64 = len(number)
        while length >= 0:
            if (entry.apart >> length) & 1 != 0:
                raw = self._scopes.get(head + number[:length])
                if raw is not None:
                    found += scopes(entry.rows, raw, 0, b"", True)
            length -= 1
        return found

    def canonical(self, text: str) -> list[str]:
        """The registered signatures whose canonical form is `text`."""
        key = text.encode("utf-8", "surrogatepass")
        raw = self._canonical.get(key)
        if raw is None:
            # Texts that are their own canonical form, and share it with no other, are not noted again.
            return [text] if self._signatures.get(key) is not None else []
        cursor = Cursor(raw, 0)
        return [cursor.text() for _ in range(cursor.number())]

    def first_signature(self, number: bytes) -> str | None:
        """The signature that keeps this full number under a port with signature_per_extension."""
        raw = self._numbers.get(number)
        return None if raw is None else raw.decode()

    def region(self, digits: str) -> str:
        """The region of the longest prefix of `digits` (E.164 without +), "" when there is none."""
        key = digits.encode()
        known: i64 = len(key)
        for length in self._longest_region_first:
            if length <= known:
                raw = self._regions.get(key[:length])
                if raw is not None:
                    return raw.decode()
        return ""
