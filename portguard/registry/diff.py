"""What changed between two revisions, row by row.

Nouns: a *change* is one row that was added, removed, or has other fields than before; its *identity* is what makes an
administrator call it the same row (a port's number and holder, a scope's signature, enterprise, port and provider).

Two images are walked side by side in the order of their keys, so a million equal rows cost no memory. Databases
that only follow from the tables (canonical forms, kept numbers) are left out.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from portguard.registry.image import Image
from portguard.registry.on_file import on_file, readable

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
        row = " ".join(str(value) for value in self.identity().values() if value != "")
        if self.kind != "changed":
            return f"{self.table}: {self.kind} {row}"
        old, new = (on_file(fields, ZoneInfo(timezone)) for fields in (self.old, self.new))
        parts = (f"{name} {_shown(name, old)} -> {_shown(name, new)}" for name, _, _ in self.fields())
        return f"{self.table}: changed {row}: {', '.join(parts)}"


class ChangedRow(Struct, frozen=True):
    """A change as the tables have it: `old` and `new` are the fields that say something, {} where there is no row.
    `line` says it in one line."""

    table: str
    kind: Literal["added", "removed", "changed"]
    row: Fields
    old: Fields
    new: Fields
    line: str


class RegistryDiff(Struct, frozen=True):
    """What leads from one revision to another. `counts` are changes by table and kind; `changes` the first of them, in
    the order of the tables, and `left_out` how many more there are."""

    old: str
    new: str
    counts: dict[str, dict[str, int]]
    changes: list[ChangedRow]
    left_out: int = 0


def summary(old: Image, new: Image, most: int) -> RegistryDiff:
    """The difference of two images, at most `most` changes of it row by row. Dates are days of the new one's zone."""
    zone = ZoneInfo(new.meta.timezone)
    counts: dict[str, dict[str, int]] = {}
    rows: list[ChangedRow] = []
    left_out = 0
    for change in diff(old, new):
        of_table = counts.setdefault(change.table, {"added": 0, "removed": 0, "changed": 0})
        of_table[change.kind] += 1
        if len(rows) >= most:
            left_out += 1
            continue
        before, after = on_file(change.old, zone), on_file(change.new, zone)
        line = change.line(new.meta.timezone)
        rows.append(ChangedRow(change.table, change.kind, change.identity(), before, after, line))
    return RegistryDiff(old.meta.digest, new.meta.digest, counts, rows, left_out)


def diff(old: Image, new: Image) -> Iterator[Change]:
    """Every change that leads from `old` to `new`, table by table in the order of the keys."""
    for table in IDENTITY:
        if table == "scopes":
            yield from _scope_changes(old, new)
            continue
        for key, a, b in _side_by_side(old.raw_records(table), new.raw_records(table)):
            if a != b:
                yield from _changes(table, _rows(old, table, key, a), _rows(new, table, key, b))


def _side_by_side(
    olds: Iterator[tuple[bytes, bytes]], news: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """(key, old value, new value) of every key, None where there is none."""
    a, b = next(olds, None), next(news, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[0] < b[0]):
            assert a is not None
            yield a[0], a[1], None
            a = next(olds, None)
        elif a is None or b[0] < a[0]:
            yield b[0], None, b[1]
            b = next(news, None)
        else:
            yield a[0], a[1], b[1]
            a, b = next(olds, None), next(news, None)


def _scope_changes(old: Image, new: Image) -> Iterator[Change]:
    """The scopes stand with their signatures; those of one signature for one port are held against each other."""
    for key, a, b in _side_by_side(old.raw_records("signatures"), new.raw_records("signatures")):
        if a == b and old.apart(key, a) == new.apart(key, b):
            continue
        before, after = _by_port(old, key, a), _by_port(new, key, b)
        for port in sorted(before.keys() | after.keys()):
            yield from _changes("scopes", before.get(port, []), after.get(port, []))


def _by_port(image: Image, key: bytes, raw: bytes | None) -> dict[str, list[Fields]]:
    """The scopes of a signature's entry, by their ports."""
    found: dict[str, list[Fields]] = {}
    for row in [] if raw is None else image.every_scope(image.signature_entry(key, raw)):
        found.setdefault(row.port, []).append(readable(row))
    return found


def _rows(image: Image, table: str, key: bytes, raw: bytes | None) -> list[Fields]:
    """The rows under one key, as fields by name."""
    if raw is None:
        return []
    record = image.decode(table, key, raw)
    if table == "regions":
        return [{"prefix": key.decode(), "region": record}]
    if table == "words":
        return [dict(zip(("word", "category", "weight"), record, strict=True))]
    records = record if isinstance(record, list) else [record]
    return [readable(row) for row in records]


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


def _shown(name: str, row: Fields) -> str:
    value = row.get(name)
    if value is None:
        return "open" if name in ("valid_from", "valid_until") else "(blank)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)
