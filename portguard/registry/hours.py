"""Hours of the day on file, like `08:00-22:00`.

Nouns: a *span* is a pair of minutes of the local day, from the first until before the second; where the second is not
the greater it runs over midnight. Knows no date and no time zone: `24:00` is the end of the day.
"""

import re
from collections.abc import Iterable
from typing import Final

Span = tuple[int, int]

_SPAN: Final = re.compile(r"([0-9]{1,2}):([0-9]{2}) *[-–] *([0-9]{1,2}):([0-9]{2})")


def parse_span(text: str) -> Span:
    """`08:00-22:00` as (480, 1320), `22:00-06:00` as (1320, 360); ValueError says what was expected."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError("hours like 08:00-22:00 are expected")
    start, end = _minute(match[1], match[2]), _minute(match[3], match[4])
    if start == end:
        raise ValueError("both ends are the same; leave the field blank for the whole day")
    if start == 24 * 60:
        raise ValueError("hours cannot begin at 24:00; write 00:00")
    return start, end


def parse_hours(spans: Iterable[str]) -> list[Span]:
    """Several spans; ValueError for the first that is none."""
    return [parse_span(span) for span in spans]


def format_span(span: Span) -> str:
    """What `parse_span` reads: `08:00-22:00`."""
    start, end = span
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def _minute(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 24 * 60:
        raise ValueError(f"{hour}:{minute} is no time of day")
    return minutes


def within(spans: Iterable[Span], minute: int) -> bool:
    """True when `minute` of the local day lies in a span."""
    return any(start <= minute < end if start < end else minute >= start or minute < end for start, end in spans)
