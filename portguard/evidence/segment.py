"""One segment as it grows: what is known of it beside its octets.

Noun: a *mark* is where a record's frame begins, one in a quarter of a megabyte or so, so that a reader need not begin
at the segment's head.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portguard.evidence.frames import NO_HASH, SUFFIX
from portguard.evidence.tallies import Tallies

MARK_OCTETS: Final = 256 << 10


@dataclass
class Segment:
    """`first` and `last` are the numbers of its records (`last` is before `first` while there are none); `since` and
    `until` the earliest and latest time of a record, `opened` when it was begun, all in epoch seconds. `octets` and
    `hash` are those of what is durable. `events` are the numbers and times of those that are told singly."""

    first: int
    last: int
    opened: float
    since: float = 0.0
    until: float = 0.0
    octets: int = 0
    hash: bytes = NO_HASH
    sealed: bool = False
    tallies: Tallies = field(default_factory=Tallies)
    marks: list[tuple[int, int]] = field(default_factory=list)
    marked: int = 0
    events: list[tuple[int, float]] = field(default_factory=list)

    def spans(self, at: float) -> None:
        """A record of this time is in it."""
        if not self.since or at < self.since:
            self.since = at
        if at > self.until:
            self.until = at

    def mark(self, number: int, offset: int) -> None:
        """The frame of record `number` begins at `offset`; kept if the last mark is far enough away."""
        if offset - self.marked >= MARK_OCTETS:
            self.marked = offset
            self.marks.append((number, offset))


def segments_in(folder: Path) -> list[tuple[int, Path]]:
    """(first number, file) of every segment of a journal, in order. Raises OSError."""
    found = (path for path in folder.iterdir() if path.suffix == SUFFIX and path.stem.isdecimal())
    return sorted((int(path.stem), path) for path in found)
