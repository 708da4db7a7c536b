"""What is counted across messages and survives a reload: daily caps of scopes and rates of accounts, keyed by names.

Compiled. `day` is the local day's number (days since the epoch in the node's zone).
"""

from mypy_extensions import i64

from portguard.policy.grant import Bucket


class Limits:
    """Daily use by scope key, and a bucket by account. Both are bounded by what is on file."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.days: dict[int, dict[str, int]] = {}

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
