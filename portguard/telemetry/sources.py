"""What is counted, as plain numbers that one process can read and another add up.

Nouns: a *source* is a callable that is read when somebody asks; a *reading* is what it said then, as data; a *fold*
says how a gauge of several processes becomes one number. Nothing here is called by the message path.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

Rows = Callable[[], Iterable[tuple[Sequence[str], float]]]
# Bounds in seconds, observations by bound and above the last, sum of seconds.
Observed = tuple[Sequence[float], Sequence[int], float]
Kind = Literal["counter", "gauge", "histogram"]
Fold = Literal["sum", "min", "max"]


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """One metric at one time: `rows` of label values and a number, or what a histogram `observed`."""

    name: str
    documentation: str
    kind: Kind
    fold: Fold
    labels: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], float]] = []
    observed: tuple[list[float], list[int], float] = ([], [], 0.0)


@dataclass(frozen=True)
class Source:
    """One metric: a counter or gauge by its `labels`, or a histogram when `observed` is given."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    rows: Rows | None = None
    observed: Callable[[], Observed] | None = None
    counter: bool = False
    fold: Fold = "sum"

    def read(self) -> Reading:
        """What it says now."""
        if self.observed is not None:
            bounds, counts, total = self.observed()
            found = list(bounds), list(counts), total
            return Reading(self.name, self.documentation, "histogram", "sum", self.labels, [], found)
        rows = [(tuple(labels), float(value)) for labels, value in self.rows()] if self.rows is not None else []
        kind: Kind = "counter" if self.counter else "gauge"
        return Reading(self.name, self.documentation, kind, self.fold, self.labels, rows)


@dataclass(eq=False)
class Sources:
    """Every metric of a process, in the order in which they were named."""

    sources: list[Source] = field(default_factory=list)

    def counter(self, name: str, documentation: str, labels: tuple[str, ...], rows: Rows) -> None:
        """A counter; its sample's name ends in _total."""
        self.sources.append(Source(f"portguard_{name}", documentation, labels, rows, counter=True))

    def gauge(
        self, name: str, documentation: str, labels: tuple[str, ...], rows: Rows, fold: Fold = "sum"
    ) -> None:
        """A gauge, and how those of several processes become one."""
        self.sources.append(Source(f"portguard_{name}", documentation, labels, rows, fold=fold))

    def histogram(self, name: str, documentation: str, observed: Callable[[], Observed]) -> None:
        self.sources.append(Source(f"portguard_{name}", documentation, observed=observed))

    def read(self) -> list[Reading]:
        """All of it, now."""
        return [source.read() for source in self.sources]


def lasting(readings: Iterable[Reading]) -> list[Reading]:
    """What still counts when the process has gone: counters and histograms. Its gauges have gone with it."""
    return [reading for reading in readings if reading.kind != "gauge"]


def add_up(processes: Iterable[Iterable[Reading]]) -> list[Reading]:
    """One reading of each metric, over all processes, in the order in which the first of them names it."""
    found: dict[str, list[Reading]] = {}
    for readings in processes:
        for reading in readings:
            found.setdefault(reading.name, []).append(reading)
    return [_one(same) for same in found.values()]


def _one(same: list[Reading]) -> Reading:
    first = same[0]
    if len(same) == 1:
        return first
    if first.kind == "histogram":
        counts = [sum(column) for column in zip(*(reading.observed[1] for reading in same), strict=True)]
        observed = first.observed[0], counts, sum(reading.observed[2] for reading in same)
        return msgspec.structs.replace(first, observed=observed)
    folded: dict[tuple[str, ...], float] = {}
    for reading in same:
        for labels, value in reading.rows:
            before = folded.get(labels)
            folded[labels] = value if before is None else _fold(first.fold, before, value)
    return msgspec.structs.replace(first, rows=list(folded.items()))


def _fold(fold: Fold, one: float, other: float) -> float:
    if fold == "sum":
        return one + other
    return min(one, other) if fold == "min" else max(one, other)
