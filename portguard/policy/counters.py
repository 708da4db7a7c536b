"""What is counted on the path: plain native integers, read when somebody asks.

Nouns: a *Histogram* (bounds in seconds, cumulative only when read); *Counters*, the engine's own; *Limits*, what is
counted across messages and survives a reload: daily caps and account rates, keyed by names.

Compiled. Knows nothing of Prometheus: telemetry turns these into metrics at scrape.
"""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from portguard.policy.grant import RULES, Bucket

_CATEGORIES: Final = 5
_ACTIONS: Final = 5
# Subscribers in each of two generations of the frequency counts: some 300 MB at the most, and only where 308 is on.
_SUBSCRIBERS_KEPT: Final = 500_000


class Histogram:
    """Observations by upper bound. `counts` has one more place than `bounds`, for what is above the last."""

    def __init__(self, bounds: list[float]) -> None:
        self.bounds = bounds
        self.counts: vec[i64] = vec[i64]([0] * (len(bounds) + 1))
        self.total = 0.0

    def observe(self, value: float, times: i64) -> None:
        """`times` observations of `value` seconds each."""
        place: i64 = 0
        for bound in self.bounds:
            if value <= bound:
                break
            place += 1
        self.counts[place] = self.counts[place] + times
        self.total += value * float(times)

    def read(self) -> tuple[list[float], list[int], float]:
        """(bounds, counts by bound and above, sum of seconds)."""
        return list(self.bounds), [int(count) for count in self.counts], self.total


class Counters:
    """What the engine counts: verdicts by action, rule and category, its own time, and its errors."""

    def __init__(self) -> None:
        self.verdicts: vec[i64] = vec[i64]([0] * (_ACTIONS * (RULES + 1) * _CATEGORIES))
        self.decision = Histogram([1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2])
        self.errors: i64 = 0
        self.port_misses: i64 = 0
        self.grant_misses: i64 = 0

    def count(self, action: i64, rule: i64, category: i64) -> None:
        """One verdict; `rule` is an ordinal, -1 for none."""
        place: i64 = (action * (RULES + 1) + rule + 1) * _CATEGORIES + category
        self.verdicts[place] = self.verdicts[place] + 1

    def read(self) -> list[tuple[int, int, int, int]]:
        """(action, rule ordinal or -1, category, count) of every verdict that has occurred."""
        rows: list[tuple[int, int, int, int]] = []
        for place, count in enumerate(self.verdicts):
            if count:
                rest, category = divmod(place, _CATEGORIES)
                action, rule = divmod(rest, RULES + 1)
                rows.append((action, rule - 1, category, int(count)))
        return rows


class Limits:
    """Daily use by scope key, and a bucket by account; both are bounded by what is on file. A `day` is the local day's
    number: days since the epoch in the node's zone."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.days: dict[int, dict[str, int]] = {}
        # (minute and count, hour and count, day and count) by signature, category and subscriber, in two generations.
        self.seen: dict[str, tuple[int, int, int, int, int, int]] = {}
        self.seen_before: dict[str, tuple[int, int, int, int, int, int]] = {}

    def bucket(self, system_id: str) -> Bucket:
        """The account's bucket, the same one under every revision."""
        found = self.buckets.get(system_id)
        if found is None:
            found = self.buckets[system_id] = Bucket()
        return found

    def used(self, key: str, day: i64) -> i64:
        """Messages counted against the scope on that day."""
        of_day = self.days.get(day)
        if of_day is None:
            return 0
        return of_day.get(key, 0)

    def add(self, key: str, day: i64, messages: i64) -> None:
        """Count messages, or give them back (negative): a refusal by the SMSC does not use the cap up."""
        of_day = self.days.get(day)
        if of_day is None:
            of_day = self.days[day] = {}
        left: i64 = of_day.get(key, 0) + messages
        if left < 0:
            left = 0
        of_day[key] = left

    def forget(self, today: i64) -> None:
        """Drop days before yesterday; days to come stay (scheduled messages)."""
        for day in list(self.days):
            if day < today - 1:
                del self.days[day]

    def frequency(self, key: str, minute: i64) -> tuple[int, int, int]:
        """How many of these the subscriber got in the natural minute, hour and day that `minute` (local) lies in."""
        row = self.seen.get(key)
        if row is None:
            row = self.seen_before.get(key)
        if row is None:
            return 0, 0, 0
        hour: i64 = minute // 60
        day: i64 = hour // 24
        return (row[1] if row[0] == minute else 0, row[3] if row[2] == hour else 0, row[5] if row[4] == day else 0)

    def frequent(self, key: str, minute: i64, limits: tuple[int, int, int]) -> bool:
        """Would one more be beyond the limits a minute, an hour or a day (0: none)?"""
        counts = self.frequency(key, minute)
        return (
            (limits[0] > 0 and counts[0] >= limits[0])
            or (limits[1] > 0 and counts[1] >= limits[1])
            or (limits[2] > 0 and counts[2] >= limits[2])
        )

    def count_frequency(self, key: str, minute: i64) -> None:
        """One more. At the bound the older half is forgotten, which lets a few through rather than grow."""
        counts = self.frequency(key, minute)
        if len(self.seen) >= _SUBSCRIBERS_KEPT and key not in self.seen:
            self.seen_before = self.seen
            self.seen = {}
        hour: i64 = minute // 60
        day: i64 = hour // 24
        self.seen[key] = (int(minute), counts[0] + 1, int(hour), counts[1] + 1, int(day), counts[2] + 1)
