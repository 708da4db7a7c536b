"""What changed between two revisions, row by row.

Nouns: a *change* is one row that was added, removed, or has other fields than before; its *identity* is what makes an
administrator call it the same row (a port's number and holder, a scope's signature, enterprise, port and provider).

Two images are walked side by side in the order of their keys, so a million equal rows cost no memory. Databases
that only follow from the tables (canonical forms, kept numbers) are left out.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from portguard.registry.hours import format_span
from portguard.registry.image import NO_LIMIT, Image

Fields = dict[str, Any]

IDENTITY: Final[dict[str, tuple[str, ...]]] = {
    "enterprises": ("id",),
    "accounts": ("system_id",),
    "ports": ("port", "holder"),
    "subleases": ("port", "lessor", "lessee"),
    "signatures": ("signature", "enterprise"),
    "scopes": ("signature", "enterprise", "port", "provider"),
    "templates": ("id",),
    "regions": ("prefix",),
    "words": ("word", "category"),
}


class Change(Struct, frozen=True):
    """`old` is empty for a row that was added, `new` for one that was removed."""

    table: str
    kind: Literal["added", "removed", "changed"]
    old: Fields
    new: Fields

    def identity(self) -> dict[str, Any]:
        row = self.new or self.old
        return {name: row[name] for name in IDENTITY[self.table]}

    def fields(self) -> Iterator[tuple[str, Any, Any]]:
        """(name, old, new) of each field that differs, where the row was changed."""
        for name, value in self.old.items() if self.new else ():
            if self.new[name] != value:
                yield name, value, self.new[name]

    def line(self, timezone: str) -> str:
        """The change as one line for people; times as dates of `timezone`."""
        zone = ZoneInfo(timezone)
        row = " ".join(str(value) for value in self.identity().values() if value != "")
        if self.kind != "changed":
            return f"{self.table}: {self.kind} {row}"
        parts = (f"{name} {_shown(name, a, zone)} -> {_shown(name, b, zone)}" for name, a, b in self.fields())
        return f"{self.table}: changed {row}: {', '.join(parts)}"


def diff(old: Image, new: Image) -> Iterator[Change]:
    """Every change that leads from `old` to `new`, table by table in the order of the keys."""
    for table in IDENTITY:
        olds, news = old.raw_records(table), new.raw_records(table)
        a, b = next(olds, None), next(news, None)
        while a is not None or b is not None:
            if b is None or (a is not None and a[0] < b[0]):
                yield from _changes(table, _rows(old, table, a), [])
                a = next(olds, None)
            elif a is None or b[0] < a[0]:
                yield from _changes(table, [], _rows(new, table, b))
                b = next(news, None)
            else:
                if a[1] != b[1]:
                    yield from _changes(table, _rows(old, table, a), _rows(new, table, b))
                a, b = next(olds, None), next(news, None)


def _rows(image: Image, table: str, pair: tuple[bytes, bytes] | None) -> list[Fields]:
    """The rows under one key, as fields by name."""
    if pair is None:
        return []
    key, record = pair[0], image.decode(table, pair[1])
    if table == "regions":
        return [{"prefix": key.decode(), "region": record}]
    if table == "words":
        return [dict(zip(("word", "category", "weight"), record, strict=True))]
    records = record if isinstance(record, list) else [record]
    return [structs.asdict(row) for row in records]


def _changes(table: str, old: list[Fields], new: list[Fields]) -> Iterator[Change]:
    """Rows of one key: equal ones drop out, the rest is paired by identity in the order of the rows."""
    left = [row for row in old if row not in new]
    arrived = [row for row in new if row not in old]
    for row in left:
        names = IDENTITY[table]
        match = next((other for other in arrived if all(other[name] == row[name] for name in names)), None)
        if match is None:
            yield Change(table, "removed", row, {})
        else:
            arrived.remove(match)
            yield Change(table, "changed", row, match)
    for row in arrived:
        yield Change(table, "added", {}, row)


def _shown(name: str, value: Any, zone: ZoneInfo) -> str:
    if name == "valid_from":
        return datetime.fromtimestamp(value, zone).date().isoformat() if value else "open"
    if name == "valid_until":
        # The record has the second after the last: a second earlier is the date that stands on file.
        return "open" if value >= NO_LIMIT else datetime.fromtimestamp(value - 1, zone).date().isoformat()
    if name == "hours":
        value = [format_span(span) for span in value]
    if isinstance(value, list):
        return "|".join(map(str, value)) or "(blank)"
    return "(blank)" if value == "" else str(value)
