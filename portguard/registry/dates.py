"""Dates on file: when two rows overlap, and the seconds between which a row is in force.

Nouns: a *period* is the inclusive pair valid_from, valid_until of a row, None where it is open; a `Calendar` turns it
into epoch seconds, from midnight of the first day until midnight after the last, in the node's time zone.
"""

import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from portguard.registry.records import NO_LIMIT


class Dated(Protocol):
    """A row with a period."""

    @property
    def valid_from(self) -> datetime.date | None: ...
    @property
    def valid_until(self) -> datetime.date | None: ...


def overlap(a: Dated, b: Dated) -> bool:
    """True when some day lies in both periods."""
    if a.valid_until is not None and b.valid_from is not None and a.valid_until < b.valid_from:
        return False
    return b.valid_until is None or a.valid_from is None or b.valid_until >= a.valid_from


class Calendar:
    """Midnights of one time zone, each worked out once."""

    def __init__(self, timezone: str) -> None:
        """Raises zoneinfo.ZoneInfoNotFoundError or ValueError for a name that is no time zone."""
        self._zone = ZoneInfo(timezone)
        self._midnights: dict[datetime.date, int] = {}

    def begins(self, valid_from: datetime.date | None) -> int:
        """The first second of the period; 0 when it is open."""
        return 0 if valid_from is None else self._midnight(valid_from)

    def ends(self, valid_until: datetime.date | None) -> int:
        """The second after the last of the period; NO_LIMIT when it is open (or as late as dates go)."""
        if valid_until is None or valid_until >= datetime.date(9999, 1, 1):
            return NO_LIMIT
        return self._midnight(valid_until + datetime.timedelta(days=1))

    def _midnight(self, day: datetime.date) -> int:
        midnight = self._midnights.get(day)
        if midnight is None:
            midnight = int(datetime.datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp())
            self._midnights[day] = midnight
        return midnight
