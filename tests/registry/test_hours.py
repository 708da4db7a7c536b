"""Hours of the day: what is taken, what is refused, and which minutes lie within."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.registry.hours import format_span, parse_hours, parse_span, within

minutes = st.integers(0, 1439)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("08:00-22:00", (480, 1320)),
        ("8:00-22:00", (480, 1320)),
        (" 08:00 - 22:00 ", (480, 1320)),
        ("22:00-06:30", (1320, 390)),
        ("00:00-24:00", (0, 1440)),
        ("23:59-00:00", (1439, 0)),
    ],
)
def test_taken(text: str, span: tuple[int, int]) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "08:00",
        "8-22",
        "08:00-25:00",
        "08:60-09:00",
        "24:00-08:00",
        "24:01-08:00",
        "08:00-08:00",
        "08:00-22:00|",
        "٠٨:00-22:00",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|time of day|the same|begin at"):
        parse_span(text)


@given(minutes, minutes, minutes)
def test_within_is_what_walking_the_clock_finds(start: int, end: int, minute: int) -> None:
    if start == end:
        return
    walked = set()
    at = start
    while at != end:
        walked.add(at)
        at = (at + 1) % 1440
    spans = [parse_span(format_span((start, end)))]
    assert spans == [(start, end)]
    assert within(spans, minute) == (minute in walked)


def test_several_spans() -> None:
    spans = parse_hours(["09:00-12:00", "14:00-20:00"])
    assert [within(spans, hour * 60) for hour in (8, 9, 12, 14, 20)] == [False, True, False, True, False]
    assert not within([], 600)
