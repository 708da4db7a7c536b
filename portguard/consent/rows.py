"""The rows of an import, and what each becomes.

Nouns: a *row* is one line of a csv or jsonl file, an opt-in (`granted_at`) or, as an export writes them, an opt-out
(`revoked_at`). Times are ISO 8601, in the node's zone unless they name one. A bare date of an opt-in is its first
second, that of an expiry or an opt-out its last: whoever was given a day has all of it, and on the day of an opt-out
no opt-in counts whose hour nobody knows.
"""

import datetime
import re
from collections.abc import Iterator
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from portguard.consent.record import NEVER, subscriber_key
from portguard.consent.standing import GRANT, REVOCATION, Attribute
from portguard.registry.model import Category, Identifier
from portguard.registry.problems import Problems, shown
from portguard.registry.subscriber import subscriber
from portguard.sms import category

EXPECTED_TIME: Final = "a time like 2026-11-11T09:30:00+08:00, or a date"

_LONGEST_E164: Final = 15
_CLOCKS_DIFFER: Final = 300
_KEPT: Final = 50_000
_DAY: Final = datetime.timedelta(days=1)
_DIGITS: Final = re.compile(r"\d{7,}")

_Time = Annotated[str, Meta(max_length=40, description=EXPECTED_TIME)]


class ConsentRow(Struct, forbid_unknown_fields=True, frozen=True):
    """A row as it stands."""

    enterprise: Identifier
    subscriber: Annotated[
        str, Meta(pattern=r"\A\+?[0-9]{5,20}\Z", description="a subscriber's number (digits; + or 00 may precede)")
    ]
    granted_at: _Time = ""
    source: Annotated[str, Meta(max_length=64, description="a source of at most 64 characters")] = ""
    categories: tuple[Category, ...] = ()
    expires_at: _Time = ""
    proof: Annotated[str, Meta(max_length=500, description="a proof of at most 500 characters")] = ""
    revoked_at: _Time = ""


class Masked(Problems):
    """Problems that quote no subscriber's number, in whatever column it stood; `rows` counts those that have some."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self._last = 0

    def add(self, file: str, row: int, field: str, message: str) -> None:
        """Add a problem; of long numbers in it only the ends are kept."""
        if row and row != self._last:
            self.rows += 1
            self._last = row
        super().add(file, row, field, _DIGITS.sub(lambda found: f"{found[0][:3]}****{found[0][-2:]}", message))


class Sound(Struct, frozen=True):
    """A row that is in order: `attribute`, `subscriber` (its key) and times as the store wants them."""

    attribute: Attribute
    subscriber: bytes
    at: int
    expires: int


class Reading:
    """Makes entries of rows. `country` and `zone` are the node's; `now` is epoch seconds."""

    def __init__(self, country: str, zone: ZoneInfo, now: float) -> None:
        self._country = country
        self._zone = zone
        self._now = now
        self._moments: dict[tuple[str, bool], int] = {}
        self._attributes: dict[tuple[str, str, tuple[str, ...]], Attribute] = {}

    def sound(self, row: ConsentRow, file: str, number: int, problems: Problems) -> Sound | None:
        """What goes on file, or None and what is wrong with the row."""
        key = subscriber_key(person) if len(person := self._person(row.subscriber)) <= _LONGEST_E164 else b""
        attribute = self._attribute(row)
        at = self._moment(row.granted_at or row.revoked_at, bool(row.revoked_at))
        expires = self._moment(row.expires_at, True) if row.expires_at else NEVER
        if row.revoked_at:
            sound = attribute is not None and not (row.granted_at or row.categories or row.expires_at or row.proof)
            at, expires = min(at, int(self._now)), 0
        else:
            sound = attribute is not None and at < expires
        if attribute is not None and key and sound and 0 < at <= self._now + _CLOCKS_DIFFER:
            return Sound(attribute, key, at, expires)
        for field, message in self._faults(row, key):
            problems.add(file, number, field, message)
        return None

    def _faults(self, row: ConsentRow, key: bytes) -> Iterator[tuple[str, str]]:
        if not key:
            yield "subscriber", f"{shown(row.subscriber)} is longer than any subscriber's number"
        if row.granted_at and row.revoked_at:
            yield "revoked_at", "a row is an opt-in or an opt-out, not both"
        elif not row.granted_at and not row.revoked_at:
            yield "granted_at", f"is blank; {EXPECTED_TIME} is expected"
        elif row.revoked_at and (row.categories or row.expires_at or row.proof):
            yield "revoked_at", "an opt-out is of all categories, for ever, and needs no proof"
        times = {name: getattr(row, name) for name in ("granted_at", "expires_at", "revoked_at") if getattr(row, name)}
        for name, text in times.items():
            moment = self._moment(text, name != "granted_at")
            if moment < 0:
                yield name, f"{shown(text)} is not {EXPECTED_TIME}"
            elif name == "granted_at" and moment > self._now + _CLOCKS_DIFFER:
                yield name, f"{shown(text)} is in the future"
            elif name == "expires_at" and moment <= self._moment(row.granted_at, False):
                yield name, f"{shown(text)} is not after granted_at"
        for name in row.categories:
            try:
                category.parse(name)
            except ValueError as error:
                yield "categories", str(error)

    def _person(self, number: str) -> str:
        return subscriber(number, 0, self._country)

    def _attribute(self, row: ConsentRow) -> Attribute | None:
        """None when there is no such category."""
        kind = REVOCATION if row.revoked_at else GRANT
        found = self._attributes.get((kind, row.source, row.categories))
        if found is None:
            try:
                names = {category.name(*category.parse(name)) for name in row.categories}
            except ValueError:
                return None
            found = Attribute(kind, row.source.lower(), tuple(sorted(names)))
            if len(self._attributes) >= _KEPT:
                self._attributes.clear()
            self._attributes[kind, row.source, row.categories] = found
        return found

    def _moment(self, text: str, last: bool) -> int:
        """Epoch seconds, at most NEVER - 2; -1 for what is no time. `last`: the last second of a bare date."""
        found = self._moments.get((text, last))
        if found is None:
            found = _read(text, last, self._zone)
            if len(self._moments) >= _KEPT:
                self._moments.clear()
            self._moments[text, last] = found
        return found


def _read(text: str, last: bool, zone: ZoneInfo) -> int:
    try:
        time = datetime.datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=zone)
        whole_day = last and len(text) <= len("2026-11-11")
        found = (time + _DAY).timestamp() - 1 if whole_day else time.timestamp()
    except (ValueError, OverflowError):
        return -1
    return min(int(found), NEVER - 2) if found > 0 else -1
