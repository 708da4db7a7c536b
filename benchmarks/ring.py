"""A position in an endless stream of PDUs that repeats: what both ends of the benchmark compare and write."""

from bisect import bisect_right
from collections.abc import Iterable


class Mismatch(Exception):
    """Octets that are not what must come."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(f"{what}: {data[:200].hex()}")


class Tape:
    """PDUs joined, again and again. `ends` has the offset after each; `least` are the octets of the shortest."""

    def __init__(self, pdus: Iterable[bytes]) -> None:
        kept = list(pdus)
        self.octets = b"".join(kept)
        self.least = min(map(len, kept), default=1)
        self.ends: list[int] = []
        end = 0
        for pdu in kept:
            end += len(pdu)
            self.ends.append(end)


class Ring:
    """A place on a tape. `pdus` counts those that have been taken whole.

    Sending and comparing a message cost as little as they do because the place is known as an octet and as a PDU: only
    where the tape begins again does anything have to be worked out.
    """

    def __init__(self, tape: Tape) -> None:
        self._octets = tape.octets
        self._starts = [0, *tape.ends]
        self._least = tape.least
        self._at = 0
        self._place = 0  # the PDU that the octet is in
        self.pdus = 0

    def take(self, count: int) -> bytes:
        """The next `count` PDUs; the ring stands between two."""
        starts = self._starts
        place = self._place
        stop = place + count
        self.pdus += count
        if stop < len(starts) - 1:
            self._place, self._at = stop, starts[stop]
            return self._octets[starts[place] : starts[stop]]
        if not count:
            return b""
        turns, self._place = divmod(stop, len(starts) - 1)
        self._at = starts[self._place]
        return self._octets[starts[place] :] + self._octets * (turns - 1) + self._octets[: self._at]

    def matches(self, data: bytes) -> bool:
        """Is this what comes next, up to any octet? Then the ring moves on."""
        octets, at = self._octets, self._at
        end = at + len(data)
        if end < len(octets):
            if not octets.startswith(data, at):
                return False
            self._at = end
            beyond = min(self._place + len(data) // self._least + 2, len(self._starts))
            self._stand(bisect_right(self._starts, end, self._place, beyond) - 1)
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
            turns, self._at = divmod(end, len(octets))
            self.pdus += turns * (len(self._starts) - 1)
            self._stand(bisect_right(self._starts, self._at) - 1)
        return same

    def _stand(self, place: int) -> None:
        self.pdus += place - self._place
        self._place = place
