"""What is counted across messages and survives a reload: daily caps, account rates, frequencies.

Nouns: a *Use* (`terms`) is what was counted against a scope's daily cap on one day; it knows what others have counted,
too: the other workers, and this one before it was started again. A *Frequency* counts what subscribers got in natural
windows of one length; other workers are told of each message.

Compiled. Knows no process: whoever keeps a `Limits` tells others what has changed.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.grant import Bucket
from portguard.policy.terms import Use

# Windows of subscribers in each of two generations: some 100 MB at the most for each length, and only where 308 is on.
_WINDOWS_KEPT: Final = 500_000
# Messages that others have not been told of; what is beyond it they do not count.
_MOST_UNTOLD: Final = 100_000
# What keeps windows apart, in a product that has room in 63 bits.
_SPREAD: Final = 0x1E3779B1

# Messages to a subscriber in a minute, an hour and a day; 0 is no limit.
FrequencyLimits = tuple[int, int, int]
NO_LIMITS: Final[FrequencyLimits] = (0, 0, 0)
# A message to a subscriber: key, local minute since the epoch, what is limited, and 1, or -1 if it is one less.
Reached = tuple[bytes, int, FrequencyLimits, int]


class Frequency:
    """What came in natural windows of so many minutes, by a `key`; `most` to twice as many are known. `minute` is the
    local minute since the epoch; those of scheduled messages are ahead, and make no room in the present ones."""

    def __init__(self, minutes: i64, most: i64) -> None:
        self.minutes = minutes
        self.most = most
        # By a hash of key and window: one in 2^64 may be taken for another, nobody outside can tell which.
        self.recent: dict[int, int] = {}
        self.before: dict[int, int] = {}

    def of(self, key: bytes, minute: i64) -> int:
        """How many came."""
        return self._at(int(self._place(key, minute)))

    def add(self, key: bytes, minute: i64, more: int) -> None:
        """So many more. At the bound the older half is forgotten, which lets a few through rather than grow."""
        place = int(self._place(key, minute))
        count = max(self._at(place) + more, 0)
        if len(self.recent) >= self.most and place not in self.recent:
            self.before = self.recent
            self.recent = {}
        self.recent[place] = count

    def _place(self, key: bytes, minute: i64) -> i64:
        window: i64 = minute // self.minutes
        return hash(key) ^ window * _SPREAD

    def _at(self, place: int) -> int:
        found = self.recent.get(place, -1)
        return found if found >= 0 else self.before.get(place, 0)


class Limits:
    """Daily use by scope key, and a bucket by account; both are bounded by what is on file. A `day` is the local day's
    number: days since the epoch in the node's zone."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        # Uses that others have not been told of as they are now.
        self.changed: list[Use] = []
        self.days: dict[int, dict[bytes, Use]] = {}
        # Of minutes, hours and days.
        self.frequencies = [Frequency(length, _WINDOWS_KEPT) for length in (1, 60, 1440)]
        # Are there others who count? Then what they have not been told of.
        self.shared = False
        self.untold: list[Reached] = []

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
        """One message less."""
        if use.messages > 0:
            use.messages -= 1
            if not use.changed:
                use.changed = True
                self.changed.append(use)

    def undo(self, uses: list[Use], counted: list[Reached]) -> None:
        """The message was not delivered: nothing is used up by it."""
        for use in uses:
            self.give_back(use)
        for key, minute, limits, more in counted:
            self.reach((key, minute, limits, -more))

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

    def frequent(self, key: bytes, minute: i64, limits: FrequencyLimits, reached: list[tuple[bytes, str, str]]) -> bool:
        """Would one more be beyond the limits, if it goes to those who are `reached` by the same message, too?"""
        more: i64 = 0
        for other, _, _ in reached:
            if other == key:
                more += 1
        for place, limit in enumerate(limits):
            if limit > 0 and self.frequencies[place].of(key, minute) + more >= limit:
                return True
        return False

    def reach(self, row: Reached) -> None:
        """Count it, in the windows that are limited."""
        self._reach(row)
        if self.shared and len(self.untold) < _MOST_UNTOLD:
            self.untold.append(row)

    def _reach(self, row: Reached) -> None:
        key, minute, limits, more = row
        for place, limit in enumerate(limits):
            if limit > 0:
                self.frequencies[place].add(key, minute, more)

    def take_untold(self, most: i64) -> list[Reached]:
        """Up to `most` that others have not been told of, the last ones first."""
        rows = self.untold[-most:]
        del self.untold[-most:]
        return rows

    def hear_reached(self, rows: list[Reached]) -> None:
        """What went through others."""
        for row in rows:
            self._reach(row)
