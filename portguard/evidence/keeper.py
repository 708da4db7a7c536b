"""The journal as its writer keeps it: with its index, its retention, and what there is to say about its state.

The index follows a second behind; it is never waited for, and when it is lost or cannot be written the journal goes on.
What it lacks is counted from the segments a few thousand frames at a time, while nobody wants anything.
"""

import errno
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from portguard.evidence.index import Index, Row, broken, discard
from portguard.evidence.journal import Journal, JournalBusy, durable_in
from portguard.evidence.keys import Keys
from portguard.evidence.options import EvidenceOptions
from portguard.evidence.recover import Reading, recover
from portguard.evidence.retention import Retention, removal
from portguard.evidence.rows import JOURNAL, Event
from portguard.evidence.segment import Segment, segments_in
from portguard.evidence.wire import FAILING, FULL, OK, Status

INDEX_EVERY: Final = 1.0
HEAD_EVERY: Final = 3600.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Say = Callable[[str, str, dict[str, str | int | float]], None]


class Keeper:
    """`state` is wire.OK, FULL or FAILING and `reason` why; `busy`: there is counting to do when nothing else is."""

    def __init__(
        self, options: EvidenceOptions, keys: Keys, node: str, wall: Callable[[], float] = time.time
    ) -> None:
        self.journal = Journal(options.path, keys, node, options.segment_mb << 20, wall)
        self.state = OK
        self.reason = ""
        self.say: Say = lambda level, event, fields: None
        self._folder = options.path
        self._keys = keys
        self._node = node
        self._wall = wall
        self._retention = Retention(options.path, options.retention_days)
        self._index: Index | None = None
        self._index_at = 0.0
        self._index_failed = ""
        self._head_at = 0.0
        self._sizes: dict[int, int] = {}
        self._counting: Iterator[None] | None = None
        # Segments of which a lost index had some tallies: they are counted anew once they have ended.
        self._incomplete: set[int] = set()

    # ---- open and close

    def open(self, patience: float) -> None:
        """Take the journal, waiting up to `patience` seconds for another writer to end, and repair it. Raises
        JournalBusy, OSError."""
        until = time.monotonic() + patience
        while True:
            try:
                self.journal.lock()
                break
            except JournalBusy:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        known = durable_in(self._folder)
        try:
            self._index = Index(self._folder)
            known = max(known, self._index.last())
        except (sqlite3.Error, OSError) as error:
            self._index_failed = str(error)
        found = recover(self._folder, self._keys, self._node, known)
        self.journal.resume(found.number, found.hash, found.taken, found.segment)
        self._sizes = {first: path.stat().st_size for first, path in segments_in(self._folder)}
        for note in found.notes:
            self.journal.event(Event(JOURNAL, self._wall(), note))
        segment = found.segment
        if segment is not None:
            self._indexed(lambda index: index.replace(segment))
        self._counting = self._count_the_rest()

    def close(self, now: float) -> None:
        """The index gets what it lacks, and the files are let go."""
        self._index_at = 0.0
        self._follow(now)
        if self._index is not None:
            self._index.close()
        self.journal.close()

    # ---- the disk

    def write(self) -> bool:
        """Write the batch; False when the disk did not take it, which is said when it begins and when it ends."""
        try:
            self.journal.write()
        except OSError as error:
            state = FULL if error.errno in _FULL else FAILING
            reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror).lower()
            if (state, reason) != (self.state, self.reason):
                self.say("error", "the journal cannot be written; records wait", {"reason": reason})
            self.state, self.reason = state, reason
            return False
        if self.state != OK:
            self.state, self.reason = OK, ""
            self.say("warning", "the journal is written again", {"number": self.journal.durable})
        return True

    def status(self) -> Status:
        """What main is told."""
        journal = self.journal
        if journal.segment is not None:
            self._sizes[journal.segment.first] = journal.segment.octets
        return Status(
            self.state, self.reason, journal.waiting, journal.records, journal.durable, journal.head.hex(),
            len(self._sizes), sum(self._sizes.values()),
        )  # fmt: skip

    # ---- what has time

    @property
    def busy(self) -> bool:
        return self._counting is not None

    def turn(self, now: float, *, idle: bool) -> None:
        """Everything that is not a record: the index, a new day, old segments, the head in the log."""
        self.journal.tick()
        if not self.journal.dirty:
            self._follow(now)
            if self._retention.due(now, self._wall()):
                self._remove_old()
        if now >= self._head_at and self.journal.durable:
            self._head_at = now + HEAD_EVERY
            self.say("info", "journal head", {"number": self.journal.durable, "head": self.journal.head.hex()})
        if idle and self._counting is not None:
            try:
                next(self._counting)
            except StopIteration:
                self._counting = None

    def _follow(self, now: float) -> None:
        if now - self._index_at < INDEX_EVERY:
            return
        self._index_at = now
        journal = self.journal
        segments = [segment for segment in journal.closed if segment.first not in self._incomplete]
        if len(segments) < len(journal.closed):
            self._incomplete.clear()
            self._counting = self._count_the_rest()
        journal.closed[:] = segments
        active = journal.segment
        if active is not None and active.octets and active.first not in self._incomplete:
            segments.append(active)
        if self._indexed(lambda index: index.add(segments)):
            for segment in journal.closed:
                self._sizes[segment.first] = segment.octets
            journal.closed.clear()

    def _indexed(self, change: Callable[[Index], None]) -> bool:
        """Change the index. What it does not take is said once and left for later."""
        try:
            if self._index is None:
                self._index = Index(self._folder)
            change(self._index)
        except (sqlite3.Error, OSError) as error:
            if not self._index_failed:
                self.say("warning", "the journal's index cannot be written; the journal can", {"reason": str(error)})
            self._index_failed = str(error)
            if self._index is not None and isinstance(error, sqlite3.Error) and broken(error):
                self._index_lost()
            return False
        self._index_failed = ""
        return True

    def _index_lost(self) -> None:
        """It is made anew, and everything counted again; the current segment once it has ended, which is now."""
        journal = self.journal
        if self._index is not None:
            self._index.close()
            self._index = None
        discard(self._folder)
        self._incomplete = {segment.first for segment in journal.closed}
        if journal.segment is not None:
            self._incomplete.add(journal.segment.first)
        journal.rotate()
        self._counting = self._count_the_rest()

    def _count_the_rest(self) -> Iterator[None]:
        """Count every ended segment that the index lacks, a step at a time."""
        rows = {} if self._index is None else self._index.rows()
        for first, path in segments_in(self._folder):
            row = rows.get(first)
            if row is not None and row.sealed:
                continue
            if self.journal.segment is None or first == self.journal.segment.first:
                continue
            if any(segment.first == first for segment in self.journal.closed):
                continue
            yield from self._count_one(first, path)

    def _count_one(self, first: int, path: Path) -> Iterator[None]:
        reading = Reading(first, path, self._keys)
        try:
            yield from reading.steps()
        except OSError as error:
            self.say("warning", "a segment cannot be read", {"segment": path.name, "reason": str(error)})
            return
        segment: Segment | None = reading.segment
        if segment is not None:
            segment.sealed = True
            self._indexed(lambda index: index.replace(segment))

    def _remove_old(self) -> None:
        """Say what goes, in the journal, before it goes."""
        if self._index is None or self.journal.segment is None:
            return
        try:
            rows: dict[int, Row] = self._index.rows()
            old = self._retention.old(self._wall(), rows, self.journal.segment.first)
            for first, path in old:
                self.journal.event(Event(JOURNAL, self._wall(), removal(path, rows[first])))
            if not old or not self.write():
                return
            for first, path in old:
                path.unlink(missing_ok=True)
                self._sizes.pop(first, None)
                self._index.forget(first)
        except (sqlite3.Error, OSError) as error:
            self.say("warning", "old segments cannot be removed", {"reason": str(error)})
