"""Periods and the seconds between which they are in force."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.registry.dates import Calendar, overlap
from portguard.registry.model import SignatureRow
from portguard.registry.records import NO_LIMIT

day = datetime.date(2026, 1, 1)
dates = st.none() | st.integers(0, 6).map(lambda days: day + datetime.timedelta(days))


def row(valid_from: datetime.date | None, valid_until: datetime.date | None) -> SignatureRow:
    return SignatureRow("s", "e", valid_from, valid_until)


@given(dates, dates, dates, dates)
def test_overlap_is_a_day_that_lies_in_both(
    a: datetime.date | None, b: datetime.date | None, c: datetime.date | None, d: datetime.date | None
) -> None:
    def holds(at: datetime.date, begin: datetime.date | None, end: datetime.date | None) -> bool:
        return (begin is None or begin <= at) and (end is None or at <= end)

    if (a and b and b < a) or (c and d and d < c):
        return
    days = [day + datetime.timedelta(n) for n in range(-1, 8)]
    assert overlap(row(a, b), row(c, d)) == any(holds(at, a, b) and holds(at, c, d) for at in days)


def test_valid_until_is_inclusive_in_the_nodes_time_zone() -> None:
    calendar = Calendar("Asia/Shanghai")
    assert calendar.begins(day) == datetime.datetime.fromisoformat("2026-01-01T00:00:00+08:00").timestamp()
    assert calendar.ends(day) == datetime.datetime.fromisoformat("2026-01-02T00:00:00+08:00").timestamp()
    assert calendar.begins(None) == 0
    assert calendar.ends(None) == calendar.ends(datetime.date.max) == NO_LIMIT
    assert calendar.begins(datetime.date.min) < 0


def test_a_day_of_25_hours_is_25_hours() -> None:
    calendar = Calendar("Europe/Berlin")
    change = datetime.date(2026, 10, 25)
    assert calendar.ends(change) - calendar.begins(change) == 25 * 3600


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "\0"])
def test_a_name_that_is_no_zone(name: str) -> None:
    with pytest.raises((ValueError, LookupError, OSError)):
        Calendar(name)
