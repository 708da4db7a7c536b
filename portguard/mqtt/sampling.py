"""Which violations are published: so many of each rule, account and port in a second, and a count of the rest.

Seconds are those of the records, not of the clock: what is published of an hour is the same whether it is published as
it happens or after an outage. Nothing here is lost without a number: the count of those left out goes with the next one
of its key, or by itself when none comes for a while.
"""

from collections.abc import Iterable
from typing import Final

Key = tuple[str, str, str]  # rule, account, port
# Of one key: the second of its last record, how many were published in it, how many were left out since.
Seen = tuple[int, int, int]

MOST_KEYS: Final = 10_000
OVERDUE_SECONDS: Final = 10


class Sampler:
    """Its memory is bounded by MOST_KEYS."""

    def __init__(self, per_second: int, left_out: Iterable[tuple[Key, int]] = ()) -> None:
        self.per_second = per_second
        self._seen: dict[Key, Seen] = {key: (0, 0, count) for key, count in left_out}
        self._swept = 0

    def copy(self) -> "Sampler":
        """One that goes its own way from here."""
        other = Sampler(self.per_second)
        other._seen = self._seen.copy()
        other._swept = self._swept
        return other

    def take(self, key: Key, at: float) -> int:
        """-1 to leave this record out, else how many of its key were left out since the last published one."""
        second = int(at)
        before, sent, left_out = self._seen.get(key, (second, 0, 0))
        if before != second:
            sent = 0
        if sent >= self.per_second:
            self._seen[key] = (second, sent, left_out + 1)
            return -1
        self._seen[key] = (second, sent + 1, 0)
        return left_out

    def overdue(self, now: float) -> list[tuple[Key, int]]:
        """The counts of keys of which nothing has come for a while, which are forgotten with it; looked for once in a
        second of `now`."""
        second = int(now)
        if second == self._swept and len(self._seen) <= MOST_KEYS:
            return []
        self._swept = second
        # A clock that was put back leaves keys in the future; they are as stale as the old ones.
        stale = [key for key, seen in self._seen.items() if abs(second - seen[0]) >= OVERDUE_SECONDS]
        if len(self._seen) - len(stale) > MOST_KEYS:
            stale = sorted(self._seen, key=lambda key: self._seen[key][0])[: len(self._seen) - MOST_KEYS // 2]
        return [(key, count) for key in stale if (count := self._seen.pop(key)[2])]

    def left_out(self) -> list[tuple[Key, int]]:
        """What has been left out and not said yet."""
        return [(key, seen[2]) for key, seen in self._seen.items() if seen[2]]
