"""A position in an endless stream of PDUs that repeats: what both ends of the benchmark compare and write."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Mismatch(Exception):
    """Octets that are not what must come."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(f"{what}: {data[:200].hex()}")


class Tape:
    """PDUs joined, again and again. `starts` has the offset of each, and of the end; all rings of a tape share it."""

    def __init__(self, pdus: Iterable[bytes]) -> None:
        kept = list(pdus)
        self.octets = b"".join(kept)
        self.starts = [0, *accumulate(map(len, kept))]
        self.pdus = len(kept)


class Ring:
    """A place on a tape, known as an octet and as a PDU: what is sent need not be looked for. `pdus` counts those that
    have been taken whole."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._at = 0
        self._place = 0  # the PDU that the octet is in
        self.pdus = 0

    def take(self, count: int) -> bytes:
        """The next `count` PDUs; the ring stands between two."""
        tape, place = self._tape, self._place
        octets, starts, stop = tape.octets, tape.starts, place + count
        self.pdus += count
        if stop < tape.pdus:
            self._place, self._at = stop, starts[stop]
            return octets[starts[place] : starts[stop]]
        if not count:
            return b""
        turns, self._place = divmod(stop, tape.pdus)
        self._at = starts[self._place]
        return octets[starts[place] :] + octets * (turns - 1) + octets[: self._at]

    def matches(self, data: bytes) -> bool:
        """Is this what comes next, up to any octet? Then the ring moves on."""
        octets, at = self._tape.octets, self._at
        end = at + len(data)
        if end < len(octets):
            if not octets.startswith(data, at):
                return False
            self._stand(end, self._place)
            return True
        if not octets:
            return not data
        # Piece by piece: a tape joined to itself is megabytes, and all connections come to its end together.
        pos = len(octets) - at
        same = octets.startswith(data[:pos], at)
        while same and pos < len(data):
            piece = data[pos : pos + len(octets)]
            same = octets.startswith(piece)
            pos += len(piece)
        if same:
            turns, end = divmod(end, len(octets))
            self.pdus += turns * self._tape.pdus
            self._stand(end, 0)
        return same

    def _stand(self, at: int, behind: int) -> None:
        """At that octet, which is not before the PDU `behind`."""
        place = bisect_right(self._tape.starts, at, behind) - 1
        self.pdus += place - self._place
        self._at, self._place = at, place
