"""Reading the journal, while it is written or not: what is durable, in order, by number or by time.

Nothing here writes, locks or waits for the writer. Every record's hash is checked as it is read; one that is not as it
was written is left out and counted in `damaged`: `verify` tells more.
"""

import os
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from portguard.evidence.frames import EVENT, GARBAGE, HASH, HEADER, VIOLATION, Frame, read_header, scan
from portguard.evidence.index import Look, Row
from portguard.evidence.journal import durable_in
from portguard.evidence.recover import count
from portguard.evidence.rows import (
    LEFT_OUT,
    UNDECODABLE,
    Event,
    Fields,
    Violation,
    decode_event,
    decode_violation,
    event_fields,
    violation_fields,
)
from portguard.evidence.rows import VIOLATION as VIOLATION_KIND
from portguard.evidence.segment import Segment, segments_in
from portguard.policy.reasons import RULE_BY_NAME

_PLACES: Final = 64
_NODES: Final = 10_000
FOREVER: Final = 1 << 40

Found = tuple[int, str, Fields]


@dataclass(frozen=True)
class Filter:
    """What is wanted; None wants any. Times are epoch seconds, `until` is exclusive. All but the times and `kind` are
    of violations alone; `rule` is a name, `enterprise` the account's."""

    since: float | None = None
    until: float | None = None
    kind: str | None = None
    rule: str | None = None
    account: str | None = None
    enterprise: str | None = None
    port: str | None = None
    signature: str | None = None

    def where(self) -> dict[str, object]:
        """What violations have to have, by the names of their fields."""
        found: dict[str, object] = {}
        for name in ("account", "enterprise", "port", "signature"):
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        if self.rule is not None:
            rule = RULE_BY_NAME.get(self.rule)
            found["code"] = rule.code if rule is not None else -1
        return found

    def spans(self, row: Row) -> bool:
        """May a segment have any?"""
        after = self.since is None or row.until >= self.since
        return after and (self.until is None or row.since < self.until)

    def admits(self, at: float) -> bool:
        """Is a record of this time wanted?"""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class Reader:
    """A journal's reader, for one thread at a time. A folder without a journal has no records.

    `damaged` counts what could not be read. `octets` of `total` are behind `records` while that goes on."""

    def __init__(self, folder: Path) -> None:
        self.damaged = 0
        self.octets = 0
        self.total = 0
        self._folder = folder
        self._look = Look(folder)
        # Consumers come back with the number that they were given last: where its frame ends.
        self._places: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._nodes: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index."""
        self._look.close()

    def latest(self) -> int:
        """The last durable number, 0 when there is none. Raises OSError."""
        return durable_in(self._folder)

    def oldest(self) -> int:
        """The first number that is kept, 0 when there is none. Raises OSError."""
        segments = self._segments()
        return segments[0][0] if segments else 0

    # ---- by number

    def rows(self, after: int, limit: int) -> list[Found]:
        """Up to `limit` durable records behind a number, in order: (number, kind, fields). Numbers may be missing: what
        was removed for its age, and what is damaged. Raises OSError."""
        found: list[Found] = []
        latest = self.latest()
        if limit <= 0 or after >= latest:
            return found
        for first, path, start in self._from(after):
            for one in self._frames(path, start, after, latest):
                record = _decoded(one)
                if record is None:
                    self.damaged += 1
                    continue
                found.append(_named(one.number, record, self._node(first, path)))
                if len(found) == limit or one.number == latest:
                    self._remember(one.number, first, one.end)
                    return found
        return found

    def _from(self, after: int) -> list[tuple[int, Path, int]]:
        """(first number, file, offset to begin at) of the segments that may have records behind a number."""
        segments = self._segments()
        place = self._places.get(after) or self._look.mark(after + 1)
        found = []
        for at, (first, path) in enumerate(segments):
            if at + 1 < len(segments) and segments[at + 1][0] <= after + 1:
                continue
            found.append((first, path, place[1] if place is not None and place[0] == first else HASH))
        return found

    def _remember(self, number: int, segment: int, offset: int) -> None:
        self._places[number] = segment, offset
        self._places.move_to_end(number)
        if len(self._places) > _PLACES:
            self._places.popitem(last=False)

    # ---- by time and content

    def records(self, wanted: Filter) -> Iterator[tuple[int, str, Violation | Event]]:
        """(number, node, record) of all durable records that are wanted, in order. Raises OSError."""
        latest = self.latest()
        segments = self._of_interest(wanted, wanted.where())
        self.octets, self.total = 0, sum(size for _, _, size in segments)
        for first, path, size in segments:
            before, node = self.octets, self._node(first, path)
            for number, record in self._wanted(path, wanted, latest):
                yield number, node, record
            self.octets = before + size

    def named(self, wanted: Filter) -> Iterator[Found]:
        """The same as (number, kind, fields)."""
        for number, node, record in self.records(wanted):
            yield _named(number, record, node)

    def events(self, since: float, until: float) -> Iterator[Found]:
        """Every event of a time but what was left out, in order: (number, kind, fields). The index says where they are,
        so that what lies between is hardly read. Raises OSError."""
        wanted = Filter(since, until)
        latest = self.latest()
        rows = self._look.rows()
        for first, path, _ in self._of_interest(wanted, {}):
            row = rows.get(first)
            counted = latest if row is not None and row.sealed else row.counted if row is not None else first - 1
            node = self._node(first, path)
            at = 0
            for number in self._look.events(first, since, until):
                if at < number <= counted:
                    for one in self._frames(path, self._place(first, number), at, number):
                        at = one.number
                        if one.number == number or one.kind != VIOLATION:
                            yield from self._event(one, wanted, node)
            for one in self._frames(path, self._place(first, counted + 1), max(at, counted), latest):
                yield from self._event(one, wanted, node)

    def _place(self, first: int, number: int) -> int:
        """Where to begin to read a segment for a record."""
        place = self._look.mark(number)
        return place[1] if place is not None and place[0] == first else HASH

    def _event(self, one: Frame, wanted: Filter, node: str) -> Iterator[Found]:
        if one.kind == VIOLATION:
            return
        record = _decoded(one)
        if record is None:
            self.damaged += 1
        elif isinstance(record, Event) and record.kind != LEFT_OUT and wanted.admits(record.at):
            yield _named(one.number, record, node)

    def last(self, wanted: Filter, limit: int) -> list[Found]:
        """The last `limit` records that are wanted, in order. Raises OSError."""
        latest = self.latest()
        found: list[Found] = []
        for first, path, _ in reversed(self._of_interest(wanted, wanted.where())):
            node, kept = self._node(first, path), deque[tuple[int, Violation | Event]](maxlen=limit - len(found))
            kept.extend(self._wanted(path, wanted, latest))
            found = [*(_named(number, record, node) for number, record in kept), *found]
            if len(found) >= limit:
                break
        return found

    def _wanted(self, path: Path, wanted: Filter, latest: int) -> Iterator[tuple[int, Violation | Event]]:
        """(number, record) of those of a segment that are wanted; `octets` goes along."""
        before, checks = self.octets, tuple(wanted.where().items())
        of_violations = wanted.kind in (None, VIOLATION_KIND)
        of_events = not checks and wanted.kind != VIOLATION_KIND
        for one in self._frames(path, HASH, 0, latest):
            self.octets = before + one.end
            if not (of_violations if one.kind == VIOLATION else of_events):
                continue
            record = _decoded(one)
            if record is None:
                self.damaged += 1
            elif wanted.admits(record.at) and _fits(record, checks, wanted.kind):
                yield one.number, record

    def _of_interest(self, wanted: Filter, where: Mapping[str, object]) -> list[tuple[int, Path, int]]:
        """(first number, file, octets) of the segments that may have what is wanted."""
        rows = self._look.rows()
        having = self._look.segments_with(where) if where else set()
        found = []
        for first, path in self._segments():
            row = rows.get(first)
            # Only of an ended segment the index knows all.
            if row is not None and row.sealed and not (wanted.spans(row) and (not where or first in having)):
                continue
            try:
                found.append((first, path, path.stat().st_size))
            except FileNotFoundError:
                continue
        return found

    # ---- counts

    def counts(
        self, by: Sequence[str], since: int = 0, until: int = FOREVER, where: Mapping[str, object] | None = None
    ) -> dict[tuple[Any, ...], int]:
        """How many violations there are by some of the fields of a `tallies.Key`, over the hours [since, until) since
        the epoch and where other fields have given values. Comes from the index; what that lacks is counted now. Raises
        OSError, ValueError for a field that is not counted by."""
        where = where or {}
        rows, indexed = self._look.counts(by, since, until, where)
        found: Counter[tuple[Any, ...]] = Counter()
        for *values, number in indexed:
            found[tuple(values)] += number
        latest = self.latest()
        for first, path in self._segments():
            row = rows.get(first)
            if row is not None and (row.sealed or row.counted >= latest):
                continue
            counted = row.counted if row is not None else 0
            for key, number in self._tallied(first, path, counted, latest):
                fits = since <= key.hour < until and all(getattr(key, name) == is_ for name, is_ in where.items())
                if fits:
                    found[tuple(getattr(key, name) for name in by)] += number
        return dict(found)

    def _tallied(self, first: int, path: Path, counted: int, latest: int) -> Iterator[tuple[Any, int]]:
        segment = Segment(first, first - 1, 0.0)
        place = self._look.mark(counted + 1) if counted else None
        start = place[1] if place is not None and place[0] == first else HASH
        for one in self._frames(path, start, counted, latest):
            count(segment, one)
        return iter(segment.tallies)

    # ---- segments

    def _segments(self) -> list[tuple[int, Path]]:
        try:
            return segments_in(self._folder)
        except FileNotFoundError:
            return []

    def _frames(self, path: Path, start: int, after: int, latest: int) -> Iterator[Frame]:
        """The sound records of a segment with numbers in (after, latest], each once and in order."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # Removed for its age, just now.
            return
        try:
            for one in scan(descriptor, start):
                if one.sound and one.kind in (VIOLATION, EVENT):
                    if one.number > latest:
                        return
                    if one.number > after:
                        after = one.number
                        yield one
                    if one.number == latest:
                        return
                elif not one.sound or one.kind == GARBAGE:
                    self.damaged += 1
        finally:
            os.close(descriptor)

    def _node(self, first: int, path: Path) -> str:
        """The node that wrote a segment, "" where its header cannot be read."""
        node = self._nodes.get(first)
        if node is None:
            node = ""
            try:
                with path.open("rb") as file:
                    for one in scan(file.fileno()):
                        header = read_header(one.payload) if one.kind == HEADER and one.sound else None
                        node = header.node if header is not None else ""
                        break
            except FileNotFoundError:
                pass
            if len(self._nodes) >= _NODES:
                self._nodes.clear()
            self._nodes[first] = node
        return node


def _decoded(one: Frame) -> Violation | Event | None:
    try:
        return decode_violation(one.payload) if one.kind == VIOLATION else decode_event(one.payload)
    except UNDECODABLE:
        return None


def _named(number: int, record: Violation | Event, node: str) -> Found:
    if isinstance(record, Violation):
        return number, VIOLATION_KIND, violation_fields(record, node)
    return number, record.kind, event_fields(record, node)


def _fits(record: Violation | Event, checks: tuple[tuple[str, object], ...], kind: str | None) -> bool:
    if isinstance(record, Event):
        return kind is None or record.kind == kind
    return all(getattr(record, name) == value for name, value in checks) if checks else True
