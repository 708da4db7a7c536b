"""Who last sent a subscriber marketing from a number, in a table of fixed size: a reply finds whom it is meant for.

Buckets of four slots, each a 64-bit hash of (number, subscriber), the enterprise's place in a list and the time, since
another process may know of a later sender; the newest of a bucket stands first and the oldest falls out. Two pairs of
one hash are as good as impossible, and the hash is keyed afresh in every process. No numbers are kept.
"""

from array import array
from typing import Final

_WAYS: Final = 4
_MASK: Final = (1 << 64) - 1


class Senders:
    """Remembers about `size` (number, subscriber), rounded down to a power of two; nothing is allocated later."""

    def __init__(self, size: int) -> None:
        slots = max(1 << (size.bit_length() - 1), _WAYS)
        self._last = slots - _WAYS
        self._hashes = array("Q", bytes(8 * slots))
        self._places = array("I", bytes(4 * slots))
        self._times = array("I", bytes(4 * slots))
        self._names = [""]
        self._place_of = {"": 0}

    def sent(self, number: str, subscriber: str, enterprise: str, at_second: int) -> None:
        """`enterprise` sends, at this epoch second."""
        place = self._place_of.get(enterprise)
        if place is None:
            place = self._place_of[enterprise] = len(self._names)
            self._names.append(enterprise)
        mark = hash((number, subscriber)) & _MASK
        first = (mark >> 7) & self._last & -_WAYS
        hashes, places, times = self._hashes, self._places, self._times
        at = first
        while at < first + _WAYS - 1 and hashes[at] != mark:
            at += 1
        while at > first:
            hashes[at] = hashes[at - 1]
            places[at] = places[at - 1]
            times[at] = times[at - 1]
            at -= 1
        hashes[first] = mark
        places[first] = place
        times[first] = at_second

    def last(self, number: str, subscriber: str) -> tuple[str, int]:
        """Who sent last and when, ("", 0) when that is not remembered."""
        mark = hash((number, subscriber)) & _MASK
        first = (mark >> 7) & self._last & -_WAYS
        for at in range(first, first + _WAYS):
            if self._hashes[at] == mark:
                return self._names[self._places[at]], self._times[at]
        return "", 0
