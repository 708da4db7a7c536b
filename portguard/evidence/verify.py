"""Is everything there that was written, and is it as it was written?

Each segment is read to its end; what it has to build on, and the number it has to begin with, come from the one before.
What the folder alone cannot tell, somebody has to have noted: a *head*, the number and hash that the log, `status` and
MQTT give, against which the journal can be held. `checks` has what is looked at within a segment.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from portguard.evidence.checks import (
    CHAIN,
    GONE,
    HEAD,
    REMOVED,
    TOO_OLD,
    Checks,
    Verdict,
)
from portguard.evidence.frames import HASH, NO_HASH, scan
from portguard.evidence.index import Look, Row
from portguard.evidence.journal import durable_in
from portguard.evidence.keys import Keys
from portguard.evidence.segment import segments_in

_TOLD_EVERY: Final = 4096


class Verification:
    """One pass over a journal, while it is written or not. Without `keys` seals are not checked. `heads` were noted:
    number -> hash. `progress(octets, of, records)` is told how far it is."""

    def __init__(
        self, folder: Path, keys: Keys | None, heads: Mapping[int, bytes] | None = None,
        progress: Callable[[int, int, int], None] = lambda octets, of, records: None,
    ) -> None:
        self.verdict = Verdict()
        self._folder = folder
        self._keys = keys
        self._heads = dict(heads or {})
        self._progress = progress
        self._before = 0
        self._total = 0

    def run(self) -> Verdict:
        """Read everything. Raises OSError."""
        verdict = self.verdict
        look = Look(self._folder)
        rows = look.rows()
        look.close()
        known = max([durable_in(self._folder), *(row.last for row in rows.values())])
        segments = segments_in(self._folder)
        self._total = sum(path.stat().st_size for _, path in segments)
        checks = Checks(verdict, self._keys, known, self._heads)
        for at, (first, path) in enumerate(segments):
            self._segment(checks, first, path, rows, last=at == len(segments) - 1)
        self._progress(self._total, self._total, verdict.records)
        self._beginning(checks, segments)
        if checks.number < known:
            name = segments[-1][1].name if segments else "the journal"
            what = GONE if any(row.first > checks.number for row in rows.values()) else REMOVED
            verdict.add(name, what, checks.number + 1, known, "they were durable, and the journal ends before them")
        self._unmatched(checks, segments[0][0] if segments else 1)
        verdict.head = checks.number, checks.hash
        return verdict

    def _segment(self, checks: Checks, first: int, path: Path, rows: Mapping[int, Row], *, last: bool) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            builds_on = os.pread(descriptor, HASH, 0).ljust(HASH, b"\0")
            if self.verdict.segments:
                self._between(checks, first, path.name, builds_on, rows)
            else:
                checks.begins_with = builds_on
            checks.begin(path.name, first, builds_on)
            for count, frame in enumerate(scan(descriptor)):
                checks.see(frame)
                if count % _TOLD_EVERY == 0:
                    self._progress(self._before + frame.end, self._total, self.verdict.records)
            checks.end(size, last=last)
        finally:
            os.close(descriptor)
        self._before += size
        self.verdict.segments += 1
        self.verdict.octets += size

    def _between(self, checks: Checks, first: int, name: str, builds_on: bytes, rows: Mapping[int, Row]) -> None:
        """What lies between the segment before and this one."""
        gone = checks.number + 1
        if first > gone:
            whole = [row.first for row in rows.values() if gone <= row.first < first]
            what = GONE if whole else REMOVED
            self.verdict.add(name, what, gone, first - 1, "nothing is left of what stood before this segment")
        elif builds_on != checks.hash:
            self.verdict.add(name, CHAIN, 0, 0, "it does not build on the segment before it")

    def _beginning(self, checks: Checks, segments: list[tuple[int, Path]]) -> None:
        """The oldest segment begins with the first record, or what stood before it was removed for its age."""
        if not segments:
            return
        first, path = segments[0]
        self.verdict.first = first
        if first == 1:
            if checks.begins_with != NO_HASH:
                self.verdict.add(path.name, CHAIN, 0, 0, "it builds on something, and nothing was before it")
            return
        removed = checks.removed.get(first - 1)
        if removed is None:
            self.verdict.add(path.name, GONE, 1, first - 1, "the journal does not say that they were removed")
        elif removed != checks.begins_with:
            self.verdict.add(path.name, CHAIN, 0, 0, "it does not build on what was removed before it")

    def _unmatched(self, checks: Checks, oldest: int) -> None:
        for number, hash in sorted(checks.heads.items()):
            if number < oldest - 1:
                self.verdict.add("head", TOO_OLD, number, number, "what it stands for is older than what is kept")
            else:
                noted = f"{hash.hex()[:16]}... was noted"
                self.verdict.add("head", HEAD, number, number, f"the journal has no such seal behind it: {noted}")
