"""One row of one table added, changed or removed in the bytes of its file; every other row keeps its own bytes.

Nouns: an *edit* says what to do; a *layout* knows where the rows of one file format stand (`edit_csv`, `edit_jsonl`,
`edit_yaml`) and makes new bytes of old ones; a *place* is where a layout found a row. The readers are those that load a
registry, so a row is found exactly where a reload would find it, and what was written is read once more: an edit that
would touch another row is refused, however the file is laid out.

Knows no folder and does not check how rows agree with each other: `edit_build` does both.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final, Literal, Protocol, get_origin

import msgspec

from portguard.registry import model
from portguard.registry.edit_csv import CsvLayout
from portguard.registry.edit_jsonl import JsonlLayout
from portguard.registry.edit_yaml import YamlLayout
from portguard.registry.formats import RawRow, Unreadable
from portguard.registry.load import Fields
from portguard.registry.problems import Problems, nearest, shown

Value = str | int | bool | list[str] | None
Kind = Literal["invalid", "absent", "ambiguous", "unchanged", "layout", "unreadable"]

_MATCHES_SHOWN: Final = 20


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`where` names the row by values of some of its fields; `line` tells apart what they do not (as errors number
    rows). `row` has the fields of a new row, or those to change; null or "" makes a field blank."""

    action: Literal["add", "change", "remove"]
    table: str
    where: dict[str, Value] = {}
    row: dict[str, Value] = {}
    line: int = 0


class Edited(msgspec.Struct, frozen=True):
    """The file's new `content`. `line` is where the row stands (or stood); `before` and `after` are its fields that are
    not blank, {} where there is none."""

    content: bytes
    line: int
    before: dict[str, Any]
    after: dict[str, Any]


class EditError(Exception):
    """Why there is no edit. `kind`: invalid (the edit itself), absent (no such row), ambiguous (several; `rows` has
    them), unchanged (nothing to do), layout (the file leaves no room for it), unreadable (the file has errors)."""

    def __init__(self, kind: Kind, message: str, field: str = "", rows: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.field = field
        self.rows = rows or []


class Layout(Protocol):
    """The rows of one file and the ways to change its bytes. `rows` is walked to its end before anything else."""

    def rows(self, problems: Problems) -> Iterator[tuple[int, RawRow, Any]]:
        """(line, raw row, place) of every row. Raises Unreadable."""

    def added(self, fields: dict[str, Any]) -> bytes:
        """The content with one more row at the end."""

    def changed(self, place: Any, fields: dict[str, Any]) -> bytes:
        """The content with other values of these fields in a row."""

    def removed(self, place: Any) -> bytes:
        """The content without a row."""


def apply(content: bytes, file: str, edit: Edit) -> Edited:
    """The edit made in the bytes of a table's file. Raises EditError."""
    check_table(edit)
    editor = _Editor(content, file, edit)
    return editor.added() if edit.action == "add" else editor.changed_or_removed()


def check_table(edit: Edit) -> None:
    """EditError where the edit is of no table."""
    if edit.table not in model.TABLES:
        hint = nearest(edit.table, model.TABLES) or f"; the tables are {', '.join(model.TABLES)}"
        raise EditError("invalid", f"{shown(edit.table)} is no table of the registry{hint}", "table")


class _Editor:
    """One edit of one file."""

    def __init__(self, content: bytes, file: str, edit: Edit) -> None:
        self._content = content
        self._file = file
        self._edit = edit
        self._fields = Fields(model.TABLES[edit.table])

    def added(self) -> Edited:
        """The edit `add`."""
        edit = self._edit
        if edit.where or edit.line:
            raise EditError("invalid", "a new row is nowhere yet; give its fields as row", "where")
        after = self._row(self._raw(edit.row, "row"), "row")
        layout = self._layout(self._content)
        for _ in self._read(layout):
            pass
        # What somebody says he wants written, even where it is what a blank field would mean.
        fields = {name: value for name, value in plain(after).items() if edit.row.get(name) not in (None, "", [])}
        content = layout.added(fields)
        return Edited(content, self._verified(content, -1, after), {}, filled(after))

    def changed_or_removed(self) -> Edited:
        """The edits `change` and `remove`."""
        edit, layout = self._edit, self._layout(self._content)
        number, line, raw, place = self._found(layout)
        before = self._row(raw, "")
        if edit.action == "remove":
            if edit.row:
                raise EditError("invalid", "a row that is removed has no new fields", "row")
            content = layout.removed(place)
            self._verified(content, number, None)
            return Edited(content, line, filled(before), {})
        if not edit.row:
            raise EditError("invalid", "says nothing to change; give the fields with their new values", "row")
        kept = {name: value for name, value in raw.items() if name not in edit.row}
        after = self._row({**kept, **self._raw(edit.row, "row")}, "row")
        old, new = plain(before), plain(after)
        fields = {name: value for name, value in new.items() if value != old[name]}
        if not fields:
            raise EditError("unchanged", f"row {line} of {self._file} says all of that already")
        content = layout.changed(place, fields)
        self._verified(content, number, after)
        return Edited(content, line, filled(before), filled(after))

    # ---- the row

    def _found(self, layout: Layout) -> tuple[int, int, RawRow, Any]:
        """The one row that `where` and `line` name: its number from 0, line, raw row and place."""
        edit = self._edit
        if not edit.where:
            raise EditError("invalid", "is empty; name the row by values of its fields", "where")
        wanted = self._wanted()
        # What a row has to have stands there as it is: most rows need no closer look.
        exact = {name: value for name, value in wanted.items() if name in self._fields.required and type(value) is str}
        found = []
        for number, (line, raw, place) in enumerate(self._read(layout)):
            if (edit.line and line != edit.line) or any(raw.get(name) != value for name, value in exact.items()):
                continue
            row = plain(self._row(raw, ""))
            if all(row[name] == value for name, value in wanted.items()):
                found.append((number, line, raw, place))
        if len(found) == 1:
            return found[0]
        said = ", ".join(f"{name} {shown(value)}" for name, value in edit.where.items())
        if not found:
            at = f" in row {edit.line}" if edit.line else ""
            raise EditError("absent", f"{self._file} has no row with {said}{at}", "where")
        rows = [{"line": line, **filled(self._row(raw, ""))} for _, line, raw, _ in found[:_MATCHES_SHOWN]]
        lines = ", ".join(str(row["line"]) for row in rows)
        message = f"{len(found)} rows of {self._file} have {said} (rows {lines}); name more fields, or the line"
        raise EditError("ambiguous", message, "where", rows)

    def _wanted(self) -> dict[str, Any]:
        """The values of `where` as a row has them; blank ones as the default of the field."""
        edit, wanted = self._edit, {}
        raw = self._raw(edit.where, "where")
        defaults = {field.name: field.default for field in msgspec.structs.fields(model.TABLES[edit.table])}
        for name in edit.where:
            kind, value = self._fields.types[name], raw.get(name)
            if isinstance(value, str) and get_origin(kind) is tuple:
                value = value.split("|")
            try:
                typed = defaults[name] if value is None else msgspec.convert(value, kind, strict=False)
            except msgspec.ValidationError:
                typed = msgspec.NODEFAULT
            if typed is msgspec.NODEFAULT:
                raise EditError("absent", f"{shown(value or '')} is no {name} that a row can have", f"where.{name}")
            wanted[name] = plain(typed)
        return wanted

    def _raw(self, values: dict[str, Value], part: str) -> RawRow:
        """Values as a file would have them: strings and lists of strings, blank ones left out."""
        found: RawRow = {}
        for name, value in values.items():
            if name not in self._fields.types:
                hint = nearest(name, self._fields.types) or f"; it has {', '.join(self._fields.types)}"
                raise EditError("invalid", f"is no field of {self._edit.table}{hint}", f"{part}.{name}")
            if written := _written(value):
                found[name] = written
        return found

    def _row(self, raw: RawRow, part: str) -> msgspec.Struct:
        """A row of its raw form. EditError with the field that is not what it should be; no `part` means the file."""
        problems = Problems()
        row = self._fields.row(dict(raw), self._file, 0, problems)
        if row is not None:
            return row
        first = problems.kept[0]
        if part:
            raise EditError("invalid", first.message, f"{part}.{first.field}")
        raise EditError("unreadable", f"{first}; mend the file first")

    # ---- the file

    def _layout(self, content: bytes) -> Layout:
        if self._file.endswith(".csv"):
            return CsvLayout(self._file, content, list(self._fields.types), self._fields.required)
        if self._file.endswith(".jsonl"):
            return JsonlLayout(self._file, content)
        return YamlLayout(self._file, content)

    def _read(self, layout: Layout) -> Iterator[tuple[int, RawRow, Any]]:
        """The rows of a file; EditError behind the last where it has errors."""
        problems = Problems()
        try:
            yield from layout.rows(problems)
        except Unreadable as error:
            problems.add(self._file, error.row, error.field, str(error))
        if problems.count:
            raise EditError("unreadable", f"{problems.lines()[0]}; mend the file first")

    def _verified(self, content: bytes, number: int, after: msgspec.Struct | None) -> int:
        """The line of the row that is now as in `after`; EditError unless every other one is what it was. `number` is
        the row's, from 0; -1 for a new one."""
        found = 0
        try:
            new = self._read(self._layout(content))
            for wanted, row in zip_longest(self._expected(number, after), new):
                if wanted is None or row is None:
                    break
                if isinstance(wanted, msgspec.Struct):
                    found = row[0]
                    if self._row(row[1], "") != wanted:
                        break
                elif row[1] != wanted:
                    break
            else:
                return found
        except EditError:
            pass
        raise EditError("layout", f"the way {self._file} is laid out there leaves no room for this; edit it by hand")

    def _expected(self, number: int, after: msgspec.Struct | None) -> Iterator[RawRow | msgspec.Struct]:
        """The rows that there should be: as they were, but for one."""
        for at, (_, raw, _) in enumerate(self._read(self._layout(self._content))):
            if at != number:
                yield raw
            elif after is not None:
                yield after
        if number < 0 and after is not None:
            yield after


def filled(row: msgspec.Struct) -> dict[str, Any]:
    """The fields of a row that say something: those that are not as when they are left blank."""
    found: dict[str, Any] = plain(row)
    for field in msgspec.structs.fields(row):
        if not field.required and found[field.name] == plain(field.default):
            del found[field.name]
    return found


def plain(value: Any) -> Any:
    """A row, or a field of one, as JSON has it."""
    value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {name: list(item) if isinstance(item, tuple) else item for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _written(value: Value) -> str | list[str]:
    """A value as csv would have it, a list as a list; "" or [] for blank."""
    if isinstance(value, list):
        return [item for part in value if (item := part.strip())]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()
