"""A position in an endless stream of PDUs that repeats: what both ends of the benchmark compare and write."""

from bisect import bisect_right
from collections.abc import Iterable


class Mismatch(Exception):
    """Octets that are not what must come."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(f"{what}: {data[:200].hex()}")


class Tape:
    """PDUs joined, again and again. `ends` has the offset after each."""

    def __init__(self, pdus: Iterable[bytes]) -> None:
        kept = list(pdus)
        self.octets = b"".join(kept)
        self.ends: list[int] = []
        end = 0
        for pdu in kept:
            end += len(pdu)
            self.ends.append(end)


class Ring:
    """A place on a tape. `octets` and `pdus` count what has been taken: all octets, and the PDUs that are whole."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._at = 0
        self._turns = 0
        self.pdus = 0

    def take(self, count: int) -> bytes:
        """The next `count` PDUs; the ring stands between two."""
        ends = self._tape.ends
        start, wanted = self.pdus % len(ends) if ends else 0, count
        found = []
        while wanted > 0:
            stop = min(start + wanted, len(ends))
            found.append(self._tape.octets[ends[start - 1] if start else 0 : ends[stop - 1]])
            wanted -= stop - start
            start = 0
        self._advance(sum(map(len, found)))
        return found[0] if len(found) == 1 else b"".join(found)

    def matches(self, data: bytes) -> bool:
        """Is this what comes next, up to any octet? Then the ring moves on."""
        octets, end = self._tape.octets, self._at + len(data)
        if end <= len(octets):
            same = octets[self._at : end] == data
        elif not octets:
            return not data
        else:
            # Piece by piece: a tape joined to itself is megabytes, and all connections come to its end together.
            pos = len(octets) - self._at
            same = octets[self._at :] == data[:pos]
            while same and pos < len(data):
                piece = data[pos : pos + len(octets)]
                same = octets.startswith(piece)
                pos += len(piece)
        if same:
            self._advance(len(data))
        return same

    def _advance(self, octets: int) -> None:
        size = len(self._tape.octets)
        self._at += octets
        if self._at >= size > 0:
            self._turns += self._at // size
            self._at %= size
        self.pdus = self._turns * len(self._tape.ends) + bisect_right(self._tape.ends, self._at)
