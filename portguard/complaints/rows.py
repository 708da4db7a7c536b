"""The rows of an intake, and what is wrong with them.

Nouns: a *row* is a complaint as 12321 or the operator's own hotline passes it on; a *result* is what became of it:
ACCEPTED, or why it was refused. Only complaints about ports count, and one about a person's number is refused. Times
are ISO 8601, in the node's zone unless they name one; a bare date is its last second, or now.
"""

import datetime
import re
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from portguard.registry.formats import RawRow
from portguard.registry.load import Fields, described
from portguard.registry.model import SignatureText
from portguard.registry.problems import Problems, shown
from portguard.registry.subscriber import subscriber
from portguard.sms import category

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
MALFORMED: Final = "malformed"
FUTURE: Final = "future"
STALE: Final = "stale"
PERSON: Final = "person"
UNKNOWN_PORT: Final = "unknown_port"
RESULTS: Final = (ACCEPTED, DUPLICATE, MALFORMED, FUTURE, STALE, PERSON, UNKNOWN_PORT)

EXPECTED_TIME: Final = "a time like 2026-11-11T09:30:00+08:00, or a date"
UNSAID: Final = -1
LONGEST_TEXT: Final = 4000

_LONGEST_E164: Final = 15
_CLOCKS_DIFFER: Final = 300
_DAY: Final = datetime.timedelta(days=1)
_DATE: Final = len("2026-11-11")
_DIGITS: Final = re.compile(r"\d{7,}")
_MOBILE: Final = re.compile(r"(?:\+|00)?(?:86)?1[3-9]\d{9}(?!\d)")
_PERSONS: Final = ("person", "点对点")
# What a cell of a table may hold between words; nobody's number or name depends on it.
_SPACES: Final = {ord("\t"): " ", ord("\r"): None, ord("\v"): " ", ord("\f"): " "}


class ComplaintRow(Struct, forbid_unknown_fields=True, frozen=True):
    """A row as it stands. `number` is the source_addr of the message; `signature` may be left to the text, `category`
    too; `type` tells complaints about ports from those about persons, as 12321 does."""

    id: Annotated[str, Meta(pattern=r"\A\S{1,128}\Z", description="an id of 1 to 128 characters without spaces")]
    received_at: Annotated[str, Meta(max_length=40, description=EXPECTED_TIME)]
    subscriber: Annotated[
        str, Meta(pattern=r"\A\+?[0-9]{5,20}\Z", description="a subscriber's number (digits; + or 00 may precede)")
    ]
    number: Annotated[
        str, Meta(pattern=r"\A\+?[0-9]{1,24}\Z", description="the number that the message came from (digits)")
    ]
    signature: Annotated[str, Meta(max_length=66, description="a signature of 1 to 64 characters, or blank")] = ""
    text: Annotated[str, Meta(max_length=LONGEST_TEXT, description="a text of at most 4000 characters")] = ""
    type: Annotated[
        Literal["", "port", "person", "端口", "点对点"], Meta(description="port or person, or blank (端口 or 点对点)")
    ] = ""
    source: Annotated[
        str, Meta(pattern=r"\A[\w.:-]{1,64}\Z", description="a source of 1 to 64 letters, digits or _ . : -")
    ] = "12321"
    category: Annotated[str, Meta(max_length=64, description="a category, perhaps with /industry, or blank")] = ""


class Sound(Struct, frozen=True):
    """A row that is in order. `subscriber` is E.164 digits, `number` digits; `content` is category * 16 + industry, or
    UNSAID."""

    id: str
    source: str
    received_at: float
    subscriber: str
    number: str
    signature: str
    text: str
    content: int


class Masked(Problems):
    """Problems that quote no subscriber's number, in whatever column it stood."""

    def add(self, file: str, row: int, field: str, message: str) -> None:
        """Add a problem; of long numbers in it only the ends are kept, but for a port's in its own column."""
        pattern = _MOBILE if field == "number" else _DIGITS
        super().add(file, row, field, pattern.sub(lambda found: f"{found[0][:3]}****{found[0][-2:]}", message))


class Reading:
    """Makes sense of rows. `country` and `zone` are the node's; `oldest` is how many seconds a complaint may be old."""

    def __init__(self, country: str, zone: ZoneInfo, oldest: float) -> None:
        self.fields = Fields(ComplaintRow)
        self._country = country
        self._zone = zone
        self._oldest = oldest

    def sound(self, raw: RawRow, file: str, line: int, problems: Problems, now: float) -> tuple[str, Sound | None]:
        """(ACCEPTED, the row), or (why not, None) and what is wrong with it in `problems`."""
        if isinstance(text := raw.get("text"), str):
            raw["text"] = text.translate(_SPACES)
        row = self.fields.row(raw, file, line, problems)
        if not isinstance(row, ComplaintRow):
            return MALFORMED, None
        sound = self._made(row, now)
        faults = self._faults(row, sound, now)
        for _, field, message in faults:
            problems.add(file, line, field, message)
        return (faults[0][0], None) if faults else (ACCEPTED, sound)

    def _made(self, row: ComplaintRow, now: float) -> Sound:
        try:
            content = _content(row.category)
        except ValueError:
            content = UNSAID
        return Sound(
            row.id, row.source, _moment(row.received_at, self._zone, now), subscriber(row.subscriber, 0, self._country),
            row.number.removeprefix("+").removeprefix("00"), _bare(row.signature), row.text.strip(), content,
        )  # fmt: skip

    def _faults(self, row: ComplaintRow, sound: Sound, now: float) -> list[tuple[str, str, str]]:
        """(result, field, message) of each."""
        found = []
        if sound.received_at < 0:
            found.append((MALFORMED, "received_at", f"{shown(row.received_at)} is not {EXPECTED_TIME}"))
        elif sound.received_at > now + _CLOCKS_DIFFER:
            found.append((FUTURE, "received_at", f"{shown(row.received_at)} is in the future"))
        elif sound.received_at < now - self._oldest:
            days = f"{self._oldest / 86400:.0f} days (complaints.retention_days)"
            found.append((STALE, "received_at", f"{shown(row.received_at)} is older than {days}"))
        if len(sound.subscriber) > _LONGEST_E164:
            found.append((MALFORMED, "subscriber", f"{shown(row.subscriber)} is longer than any subscriber's number"))
        if sound.signature:
            try:
                msgspec.convert(sound.signature, SignatureText)
            except msgspec.ValidationError:
                found.append((MALFORMED, "signature", f"{shown(row.signature)} is not {described(SignatureText)}"))
        try:
            _content(row.category)
        except ValueError as error:
            found.append((MALFORMED, "category", str(error)))
        if row.type in _PERSONS:
            found.append((PERSON, "type", f"{shown(row.type)}: complaints about persons are not counted"))
        elif _MOBILE.fullmatch(row.number) and self._country == "86":
            found.append((PERSON, "number", f"{shown(row.number)} is a person's number, not a port's"))
        return found


def _content(name: str) -> int:
    """category * 16 + industry, UNSAID when blank. Raises ValueError."""
    if not name:
        return UNSAID
    kind, industry = category.parse(name)
    return kind * category.INDUSTRIES + industry


def _bare(signature: str) -> str:
    """A signature without the brackets that may have been written with it."""
    for opening, closing in ("【】", "[]", "［］"):
        if signature.startswith(opening) and signature.endswith(closing):
            return signature[1:-1].strip()
    return signature


def _moment(text: str, zone: ZoneInfo, now: float) -> float:
    """Epoch seconds, -1 for what is no time."""
    try:
        time = datetime.datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=zone)
        if len(text) > _DATE:
            return max(time.timestamp(), -1.0)
        begins, ends = time.timestamp(), (time + _DAY).timestamp() - 1
        return ends if ends <= now or begins > now else now
    except (ValueError, OverflowError):
        return -1.0


def raw_row(value: Any) -> RawRow | str:
    """What came as JSON, as a raw row: scalars as text, blanks left out; or what is wrong with it."""
    if not isinstance(value, dict):
        return "an object is expected for each complaint"
    raw: RawRow = {}
    for name, item in value.items():
        if isinstance(item, bool) or not isinstance(item, str | int | float | None):
            return f"{name}: a text or a number is expected"
        text = "" if item is None else str(item).strip()
        if text:
            raw[str(name)] = text
    return raw
