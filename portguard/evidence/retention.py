"""Old segments go, whole ones, the oldest first; what went is said in the journal itself.

A clock that jumps ahead must not empty the journal: nothing is removed in the first hour, nor in an hour in which the
wall clock did not keep step with the monotonic one.
"""

from pathlib import Path
from typing import Any, Final

from portguard.evidence.index import Row
from portguard.evidence.journal import DAY
from portguard.evidence.segment import segments_in

REMOVED: Final = "removed"
EVERY: Final = 3600.0
_STEP: Final = 300.0


class Retention:
    """Asked every now and then by the writer; `days` 0 keeps everything."""

    def __init__(self, folder: Path, days: int) -> None:
        self._folder = folder
        self._days = days
        self._looked: tuple[float, float] | None = None

    def due(self, now: float, wall: float) -> bool:
        """Is it time to look, and can the clock be believed? `now` is monotonic."""
        if not self._days:
            return False
        if self._looked is None:
            self._looked = now, wall
        before, wall_before = self._looked
        if now - before < EVERY:
            return False
        self._looked = now, wall
        return abs((wall - wall_before) - (now - before)) < _STEP

    def old(self, wall: float, rows: dict[int, Row], current: int) -> list[tuple[int, Path]]:
        """(first number, file) of the segments to remove: sealed ones whose newest record is too old, up to the first
        that stays. `current` is written to and stays. Raises OSError."""
        found = []
        oldest_kept = wall - self._days * DAY
        for first, path in segments_in(self._folder):
            row = rows.get(first)
            if first == current or row is None or not row.sealed or max(row.until, row.opened) >= oldest_kept:
                break
            found.append((first, path))
        return found


def removal(path: Path, row: Row) -> dict[str, Any]:
    """The fields of the journal event that says a segment was removed: its last number and hash are what the next
    segment builds on."""
    return {
        "what": REMOVED, "segment": path.name, "first": row.first, "last": row.last, "hash": row.hash.hex(),
        "since": row.since, "until": row.until,
    }  # fmt: skip
