"""Where the rows of a csv table stand, and new bytes for one of them.

A place is the row's octets as (start, end). A column that is missing is given to every row: the only edit that touches
more than one of them, and then by a comma.
"""

import csv
import io
from array import array
from collections.abc import Iterator
from typing import Any

from portguard.registry.formats import Columns, RawRow, read_csv
from portguard.registry.problems import Problems

Place = tuple[int, int]


class Lines(io.BytesIO):
    """Content that notes where its lines begin as they are read: `starts[n]` is the offset of line n + 1."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.starts = array("Q")

    def readline(self, size: int | None = -1, /) -> bytes:
        self.starts.append(self.tell())
        return super().readline(size)


class _Header(Columns):
    """Keeps the header of the file that is read, and where it ends."""

    def __init__(self, names: list[str], required: list[str], lines: Lines) -> None:
        super().__init__(names, required)
        self._lines = lines
        self.taken: list[str] = []
        self.end = 0

    def header(self, header: list[str], file: str, row: int, problems: Problems) -> list[str]:
        self.end = self._lines.tell()
        self.taken = super().header(header, file, row, problems)
        return self.taken


class CsvLayout:
    """Implements `edit.Layout`. Content that is empty gets a header with every field."""

    def __init__(self, file: str, content: bytes, names: list[str], required: list[str]) -> None:
        self._file = file
        self._names = names
        self._required = required
        self._content = content or ",".join(names).encode() + b"\n"
        self._header: _Header | None = None
        self._places: list[Place] = []

    def rows(self, problems: Problems) -> Iterator[tuple[int, RawRow, Place]]:
        """(line, raw row, place) of every row. Raises Unreadable."""
        lines = Lines(self._content)
        self._header, self._places = _Header(self._names, self._required, lines), []
        for number, raw in read_csv(lines, self._file, problems, self._header):
            place = lines.starts[number - 1], lines.tell()
            self._places.append(place)
            yield number, raw, place

    def added(self, fields: dict[str, Any]) -> bytes:
        """The content with one more row behind the last."""
        assert self._header is not None
        wide = self._with_columns(fields)
        if wide is not self:
            return wide.added(fields)
        end = self._places[-1][1] if self._places else self._header.end
        before = self._content[:end]
        ending = _ending(self._content[: self._header.end]) or b"\n"
        if not before.endswith(b"\n"):
            before += ending
        line = _line([_cell(fields.get(name)) for name in self._header.taken])
        return before + line + ending + self._content[end:]

    def changed(self, place: Place, fields: dict[str, Any]) -> bytes:
        """The content with other values of these fields in a row."""
        assert self._header is not None
        wide = self._with_columns(fields)
        if wide is not self:
            return wide.changed(wide._places[self._places.index(place)], fields)
        start, end = place
        row = self._content[start:end]
        cells = next(csv.reader(io.StringIO(row.decode(), newline=""), strict=True))
        for number, name in enumerate(self._header.taken):
            if name in fields:
                cells[number] = _cell(fields[name])
        return self._content[:start] + _line(cells) + _ending(row) + self._content[end:]

    def removed(self, place: Place) -> bytes:
        """The content without a row."""
        return self._content[: place[0]] + self._content[place[1] :]

    def _with_columns(self, fields: dict[str, Any]) -> "CsvLayout":
        """A layout that has a column for each of these fields: this one, or a wider one."""
        assert self._header is not None
        missing = [name for name, value in fields.items() if name not in self._header.taken and _cell(value)]
        if not missing:
            return self
        content, done = bytearray(), 0
        for end, more in [(self._header.end, missing), *((end, [""] * len(missing)) for _, end in self._places)]:
            record = self._content[done:end]
            ending = _ending(record)
            content += record[: len(record) - len(ending)] + b"," + ",".join(more).encode() + ending
            done = end
        wide = CsvLayout(self._file, bytes(content + self._content[done:]), self._names, self._required)
        for _ in wide.rows(Problems()):
            pass
        return wide


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _line(cells: list[str]) -> bytes:
    """A record without its end."""
    out = io.StringIO()
    # The writer quotes what its own line end is made of.
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n").encode()


def _ending(record: bytes) -> bytes:
    return b"\r\n" if record.endswith(b"\r\n") else b"\n" if record.endswith(b"\n") else b""
