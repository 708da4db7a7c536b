"""Tables as bytes on disk: csv, jsonl and yaml, each read into the same raw rows.

Nouns: a *raw row* is the line on which a row begins and a dict of its fields that are not blank, each a string, or a
list of strings where the format has lists. Numbers stay as they were written, so a port of 20 digits loses none of
them.

A fault of a row is recorded and the next row is read; `Unreadable` ends a file. Nothing here trusts its input: lines,
cells and files are bounded, yaml has no aliases, tags or nesting, nothing is constructed but strings. Knows no
table's fields.
"""

import csv
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import yaml

from portguard.registry.problems import Problems, shown

LONGEST_FIELD: Final = 131072
LONGEST_LINE: Final = 1 << 20
LARGEST_YAML: Final = 64 << 20
FORMATS: Final = ("csv", "jsonl", "yaml")

RawRow = dict[str, Any]

_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_YAML_NULLS: Final = ("", "~", "null", "Null", "NULL")
_Loader: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class Unreadable(Exception):
    """The rest of a file cannot be read; `row` 0 is the whole file."""

    def __init__(self, row: int, message: str, field: str = "") -> None:
        super().__init__(message)
        self.row = row
        self.field = field


def _not_utf8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"byte 0x{byte:02X} at octet {error.start + 1} is not UTF-8 (a file in GBK has to be saved as UTF-8)"


class Lines:
    """The lines of a file as text, without a byte order mark; one that is not UTF-8 is a problem and blank."""

    def __init__(self, stream: BinaryIO, file: str, problems: Problems) -> None:
        self.number = 0
        self._stream = stream
        self._file = file
        self._problems = problems

    def __iter__(self) -> Iterator[str]:
        readline = self._stream.readline
        while raw := readline(LONGEST_LINE + 1):
            self.number += 1
            if len(raw) > LONGEST_LINE:
                raise Unreadable(self.number, "the line is longer than 1 MiB; is this really a text file?")
            if self.number == 1:
                raw = _first_line(raw)
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                self._problems.add(self._file, self.number, "", _not_utf8(error))
                yield "\n"


def _first_line(raw: bytes) -> bytes:
    if raw.startswith(_UTF16):
        raise Unreadable(0, "is in UTF-16; save it as UTF-8")
    return raw.removeprefix(_BOM)


class Columns:
    """The field names a header row may have, and those it must have. `taken`: the columns of the header that was read,
    "" for those that are not taken."""

    def __init__(self, names: list[str], required: list[str]) -> None:
        self.names = names
        self.taken: list[str] = []
        self._required = required

    def header(self, header: list[str], file: str, row: int, problems: Problems) -> list[str]:
        """The header with "" for columns that are not taken; each of those is a problem."""
        taken: list[str] = []
        for name in header:
            if name in taken:
                problems.add(file, row, name, "the column is there twice")
            elif name not in self.names:
                problems.add(file, row, name, f"is no column of this table; it has {', '.join(self.names)}")
            else:
                taken.append(name)
                continue
            taken.append("")
        missing = [name for name in self._required if name not in taken]
        if missing:
            for name in missing[:-1]:
                problems.add(file, row, name, "the column is missing")
            raise Unreadable(row, "the column is missing", missing[-1])
        return taken

    def raw(self, cells: list[str]) -> RawRow | None:
        """The raw row of a row's cells, which are as many as the header's; None for a blank row."""
        values = [cell.strip() for cell in cells]
        if not any(values):
            return None
        return {name: value for name, value in zip(self.taken, values, strict=True) if value and name}


def read_csv(stream: BinaryIO, file: str, problems: Problems, columns: Columns) -> Iterator[tuple[int, RawRow]]:
    """Rows under a header row; `columns` says which names the header may have."""
    for begins, cells in read_cells(stream, file, problems, columns):
        row = columns.raw(cells)
        if row is not None:
            yield begins, row


def read_cells(stream: BinaryIO, file: str, problems: Problems, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """The same with the cells of each row as they are written, blank rows included; `columns.taken` says what they
    are."""
    lines = Lines(stream, file, problems)
    # The limit is the process's: whoever reads sets it.
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(iter(lines), strict=True)
    width = 0
    while True:
        begins = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problems.add(file, begins, "", _csv_error(error, lines.number - begins))
            continue
        if len(cells) == width:
            yield begins, cells
        elif width == 0:
            if cells:
                columns.taken = columns.header([cell.strip() for cell in cells], file, lines.number, problems)
                width = len(columns.taken)
        elif any(cell.strip() for cell in cells):
            message = f"has {len(cells)} fields, the header has {width} (quote a field that has a comma)"
            problems.add(file, begins, "", message)
    if width == 0:
        raise Unreadable(0, f"is empty: a header row is expected ({','.join(columns.names)})")


def _csv_error(error: csv.Error, more_lines: int) -> str:
    if more_lines > 0:
        return "a quote is opened here and not closed on its line"
    if "new-line" in str(error):
        return "a carriage return stands inside the line; save the file with plain line ends"
    return f"is not sound csv: {error}"


class _Duplicate(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> RawRow:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(next(name for name in names if names.count(name) > 1))
    return row


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=str, parse_float=str, parse_constant=str)


def read_jsonl(stream: BinaryIO, file: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """One object a line; blank lines are skipped."""
    lines = Lines(stream, file, problems)
    for line in lines:
        if not line.strip():
            continue
        try:
            value = _DECODER.decode(line)
        except _Duplicate as error:
            problems.add(file, lines.number, str(error), "the field is there twice")
            continue
        except json.JSONDecodeError as error:
            problems.add(file, lines.number, "", f"is not JSON: {error.msg} at column {error.colno}")
            continue
        except RecursionError:
            problems.add(file, lines.number, "", "is nested too deeply")
            continue
        if not isinstance(value, dict):
            problems.add(file, lines.number, "", "a JSON object is expected on each line")
            continue
        row = _json_row(value, file, lines.number, problems)
        if row is not None:
            yield lines.number, row


def _json_row(value: RawRow, file: str, number: int, problems: Problems) -> RawRow | None:
    row: RawRow = {}
    sound = True
    for name, field in value.items():
        items = [_json_scalar(item) for item in field] if isinstance(field, list) else _json_scalar(field)
        if items is None or (isinstance(items, list) and None in items):
            problems.add(file, number, name, "an object or a list of lists is not taken here")
            sound = False
        elif items:
            row[name] = items
    return row if sound else None


def _json_scalar(value: object) -> str | None:
    """A scalar as csv would have it; None for what csv could not have."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else None


def read_yaml(
    stream: BinaryIO, file: str, problems: Problems, events: list[Any] | None = None
) -> Iterator[tuple[int, RawRow]]:
    """A list of mappings, read event by event: aliases, tags and nesting are refused before anything is built. The
    parser's events are added to `events`, whose owner may clear it between rows."""
    raw = stream.read(LARGEST_YAML + 1)
    if len(raw) > LARGEST_YAML:
        raise Unreadable(0, "is larger than 64 MiB, too large for yaml; use csv or jsonl")
    try:
        text = _first_line(raw).decode()
    except UnicodeDecodeError as error:
        raise Unreadable(raw.count(b"\n", 0, error.start) + 1, _not_utf8(error)) from None
    reader = _YamlRows(text, file, problems, events)
    try:
        yield from reader.rows()
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Unreadable(row, f"is not sound yaml: {error.problem}") from None
    except yaml.YAMLError as error:
        raise Unreadable(0, f"is not sound yaml: {shown(str(error), 120)}") from None


class _YamlRows:
    """A recursive descent, one level deep, over the events of one document."""

    def __init__(self, text: str, file: str, problems: Problems, seen: list[Any] | None) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        self._seen = seen
        self._file = file
        self._problems = problems

    def _next(self) -> Any:
        event = next(self._events)
        row = _row_of(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Unreadable(row, "anchors and aliases (& and *) are not taken in a table")
        if getattr(event, "tag", None):
            raise Unreadable(row, f"tags (here {shown(event.tag)}) are not taken in a table")
        if self._seen is not None:
            self._seen.append(event)
        return event

    def rows(self) -> Iterator[tuple[int, RawRow]]:
        documents = 0
        for event in iter(self._next, None):
            if isinstance(event, yaml.StreamEndEvent):
                return
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Unreadable(_row_of(event), "a second document begins; a table is one list")
            elif isinstance(event, yaml.SequenceStartEvent):
                yield from self._list_of_rows()
            elif isinstance(event, yaml.ScalarEvent) and event.value in _YAML_NULLS:
                continue
            elif not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentEndEvent)):
                raise Unreadable(_row_of(event), "a list of rows is expected (- id: ...)")

    def _list_of_rows(self) -> Iterator[tuple[int, RawRow]]:
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            number = _row_of(event)
            if not isinstance(event, yaml.MappingStartEvent):
                raise Unreadable(number, "a row with its fields is expected (- id: ...)")
            row = self._row(number)
            if row is not None:
                yield number, row

    def _row(self, number: int) -> RawRow | None:
        row: RawRow = {}
        names: set[str] = set()
        sound = True
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise Unreadable(_row_of(key), "a field's name is expected")
            if key.value in names:
                self._problems.add(self._file, _row_of(key), key.value, "the field is there twice")
                sound = False
            names.add(key.value)
            value = self._value(key.value)
            if value:
                row[key.value] = value
        return row if sound else None

    def _value(self, name: str) -> str | list[str]:
        event = self._next()
        if isinstance(event, yaml.ScalarEvent):
            return _yaml_scalar(event)
        items: list[str] = []
        if isinstance(event, yaml.SequenceStartEvent):
            while isinstance(event := self._next(), yaml.ScalarEvent):
                items.append(_yaml_scalar(event))
            if isinstance(event, yaml.SequenceEndEvent):
                return items
        raise Unreadable(_row_of(event), "a mapping or a list of lists is not taken here", name)


def _row_of(event: Any) -> int:
    row: int = event.start_mark.line + 1
    return row


def _yaml_scalar(event: Any) -> str:
    if event.implicit[0] and event.value in _YAML_NULLS:
        return ""
    value: str = event.value
    return value.strip()
