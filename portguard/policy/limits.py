"""What is counted across messages and survives a reload: daily caps, account rates, frequencies.

Nouns: a *Use* (`terms`) is what was counted against a scope's daily cap on one day; it knows what others have counted,
too: the other workers, and this one before it was started again.

Compiled. Knows no process: whoever keeps a `Limits` tells others what has changed.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.grant import Bucket
from portguard.policy.terms import Use

# Subscribers in each of two generations of the frequency counts: some 300 MB at the most, and only where 308 is on.
_SUBSCRIBERS_KEPT: Final = 500_000


class Limits:
    """Daily use by scope key, and a bucket by account; both are bounded by what is on file. A `day` is the local day's
    number: days since the epoch in the node's zone."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        # Uses that others have not been told of as they are now.
        self.changed: list[Use] = []
        self.days: dict[int, dict[bytes, Use]] = {}
        # (minute and count, hour and count, day and count) by signature, category and subscriber, in two generations.
        self.seen: dict[str, tuple[int, int, int, int, int, int]] = {}
        self.seen_before: dict[str, tuple[int, int, int, int, int, int]] = {}

    def bucket(self, system_id: str) -> Bucket:
        """The account's bucket, the same one under every revision."""
        found = self.buckets.get(system_id)
        if found is None:
            found = self.buckets[system_id] = Bucket()
        return found

    def use(self, key: bytes, day: i64) -> Use:
        """What is counted against the scope on that day, the same under every revision."""
        of_day = self.days.get(day)
        if of_day is None:
            of_day = self.days[day] = {}
        found = of_day.get(key)
        if found is None:
            found = of_day[key] = Use(key, day)
        return found

    def count(self, use: Use) -> None:
        """One message more."""
        use.messages += 1
        if not use.changed:
            use.changed = True
            self.changed.append(use)

    def give_back(self, use: Use) -> None:
        """A refusal by the SMSC does not use the cap up."""
        if use.messages > 0:
            use.messages -= 1
            if not use.changed:
                use.changed = True
                self.changed.append(use)

    def take_changed(self, most: i64) -> list[tuple[bytes, int, int]]:
        """Up to `most` uses that others have not been told of: (key, day, messages counted here)."""
        rows: list[tuple[bytes, int, int]] = []
        while len(self.changed) > 0 and len(rows) < most:
            use = self.changed.pop()
            use.changed = False
            rows.append((use.key, int(use.day), int(use.messages)))
        return rows

    def hear(self, rows: list[tuple[bytes, int, int]]) -> None:
        """What is counted elsewhere: (key, day, messages)."""
        for key, day, messages in rows:
            self.use(key, day).others = messages

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
