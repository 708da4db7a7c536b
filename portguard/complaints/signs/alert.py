"""What a sign says."""

from collections import OrderedDict
from heapq import nlargest
from secrets import randbits
from typing import Final, Literal, Protocol, TypeVar
from zlib import crc32

from msgspec import Struct

HOUR: Final = 3600.0
# So many names stand in an alert's evidence.
NAMED: Final = 20
# What is touched within this time is taken for something that is there all the time.
LASTING: Final = 300.0
_MOST_HALVINGS: Final = 30
# The share of its entries that a full `Watched` drops.
_AT_ONCE: Final = 64

T = TypeVar("T")


class Alert(Struct, frozen=True):
    """The fields of an `alert` event: `subject` says what it is about, `evidence` has numbers and short texts."""

    alert: str
    severity: Literal["info", "warning", "critical"]
    subject: dict[str, str]
    summary: str
    evidence: dict[str, object]


def quiet(until: float, now: float, hours: float) -> bool:
    """Whether a cool-down of so many hours is not over; one that a clock set far ahead has begun is."""
    return 0 < until - now <= hours * HOUR


class Kept(OrderedDict[str, T]):
    """A dict of at most `most` entries; the one that was not touched for longest goes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def touch(self, key: str) -> T | None:
        """The entry, which is now the newest."""
        found = self.get(key)
        if found is not None:
            self.move_to_end(key)
        return found

    def add(self, key: str, value: T) -> T | None:
        """Add an entry; returns the one that had to go."""
        self[key] = value
        return self.popitem(last=False)[1] if len(self) > self.most else None


class Touched(Protocol):
    """What may be watched; whoever uses it says when, as `touched`."""

    touched: float


W = TypeVar("W", bound=Touched)


class Watched(dict[str, W]):
    """At most `most` entries, for what tells something only once it has been watched for long; those that were not
    touched for longest go. Where even these were touched within `lasting` seconds, there is more than can be kept, and
    each would be gone before it comes again: then half of all names are not wanted any more, drawn by a `lot` that
    nobody outside knows, and half of the rest where that is not enough (`halvings` times). A part is watched for good
    then, instead of all for a moment; and twice that part again once few of those that are kept come. Whoever keeps the
    entries keeps both numbers."""

    def __init__(self, most: int, lasting: float = LASTING) -> None:
        super().__init__()
        self.most = most
        self.lasting = lasting
        self.lot = randbits(32)
        self.halvings = 0
        self._looked = 0.0

    @property
    def mask(self) -> int:
        """The bits that the crc32 of a name, begun with the lot, has none of where the name is watched."""
        return (1 << self.halvings) - 1

    def wants(self, key: str) -> bool:
        """Is it among those that are watched?"""
        return not self.halvings or self._drawn(key) & self.mask == 0

    def relax(self, now: float) -> None:
        """Watch twice the part, once `lasting` has passed in which few of those that are kept came."""
        if self.halvings and abs(now - self._looked) >= self.lasting:
            self._looked = now
            if sum(1 for entry in self.values() if abs(now - entry.touched) < self.lasting) < self.most // 4:
                self.halvings -= 1

    def watch(self, key: str, value: W, now: float) -> list[W]:
        """Add an entry; returns those that had to go. It may be among them."""
        self[key] = value
        if len(self) <= self.most:
            return []
        oldest = self._oldest(now)
        # By the clock either way: one that was set back leaves times ahead of it.
        if self.halvings < _MOST_HALVINGS and abs(now - self[oldest[0]].touched) < self.lasting:
            self.halvings += 1
            self._looked = now
            if gone := [name for name in self if self._drawn(name) >> (self.halvings - 1) & 1]:
                return [self.pop(name) for name in gone]
        return [self.pop(name) for name in oldest]

    def make_room(self, now: float) -> list[W]:
        """Drop those that were not touched for longest; returns them."""
        return [self.pop(name) for name in self._oldest(now)]

    def _oldest(self, now: float) -> list[str]:
        """Some, since it takes a look at all to find one."""
        return nlargest(max(len(self) // _AT_ONCE, 1), self, key=lambda name: abs(now - self[name].touched))

    def _drawn(self, key: str) -> int:
        return crc32(key.encode("utf-8", "replace"), self.lot)
