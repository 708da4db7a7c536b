"""What a sign says."""

from collections import OrderedDict
from typing import Final, Literal, TypeVar

from msgspec import Struct

HOUR: Final = 3600.0
# So many names stand in an alert's evidence.
NAMED: Final = 20

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
