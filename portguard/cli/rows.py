"""Messages as rows of a file: csv or jsonl, read and written as a stream of constant memory.

Nouns: a *raw row* is a row as it stands, a dict that goes into the output again; a *Row* is what of it is judged; a
*BadRow* names the line and says what is wrong with it, and the next row is read. Knows no verdict.
"""

import csv
from collections.abc import Callable, Iterator
from typing import IO, Annotated, Any, Final

import msgspec
from msgspec import Meta

from portguard.registry.load import described
from portguard.registry.problems import shown

CSV: Final = "csv"
JSONL: Final = "jsonl"
FORMATS: Final = (JSONL, CSV)
LONGEST_LINE: Final = 1 << 20
NEEDED: Final = ("account",)
_FIELDS_WITHOUT_PDU: Final = ("source_addr", "destination_addr", "text")
_BOM: Final = b"\xef\xbb\xbf"

RawRow = dict[str, Any]

_Number = Annotated[str | int, Meta(description="a number in digits")]
_Text = Annotated[str, Meta(description="text")]


class Row(msgspec.Struct):
    """What of a row is judged (DESIGN §11). None is a field that the row does not have, or has blank."""

    account: Annotated[str, Meta(min_length=1, description="a system_id")]
    source_addr: _Number | None = None
    destination_addr: _Number | None = None
    text: _Text | None = None
    data_coding: Annotated[int, Meta(ge=0, le=255, description="a data_coding from 0 to 255")] | None = None
    at: Annotated[str, Meta(description="a time in ISO 8601")] | None = None
    pdu: Annotated[str, Meta(description="a PDU in hex")] | None = None


class BadRow(Exception):
    """A row that cannot be judged: `row` is its line, `faults` are pairs of field ("": the whole row) and message."""

    def __init__(self, row: int, faults: list[tuple[str, str]]) -> None:
        super().__init__(row, faults)
        self.row = row
        self.faults = faults


class Unreadable(Exception):
    """The rest of the input cannot be read; `row` is where."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


class Lines:
    """The lines of a binary stream, bounded; `number` counts them and `octets` what they hold."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.number = 0
        self.octets = 0
        self._read = stream.readline
        self._first: bytes | None = None

    def peek(self) -> bytes:
        """The first line that is not blank, which `next` will give again; before the first `next` only."""
        line = self._read(LONGEST_LINE + 1)
        while line.removeprefix(_BOM).isspace() and len(line) <= LONGEST_LINE:
            self.number += 1
            line = self._read(LONGEST_LINE + 1)
        self._first = line
        return line

    def next(self) -> bytes:
        """The next line with its end, b"" after the last. Raises Unreadable for a line over LONGEST_LINE."""
        if self._first is None:
            line = self._read(LONGEST_LINE + 1)
        else:
            line, self._first = self._first, None
        self.octets += len(line)
        self.number += 1
        if len(line) > LONGEST_LINE:
            raise Unreadable(self.number, "the line is longer than 1 MiB; is this really a file of messages?")
        if self.number == 1:
            line = line.removeprefix(_BOM)
        return line


class _Decoded:
    """An iterator of lines as text; UnicodeDecodeError for one line does not end it."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __iter__(self) -> "_Decoded":
        return self

    def __next__(self) -> str:
        line = self._lines.next()
        if not line:
            raise StopIteration
        return line.decode()


def sniff(first_line: bytes) -> str:
    """The format of input that begins with this line."""
    return JSONL if first_line.removeprefix(_BOM).lstrip().startswith(b"{") else CSV


class Reader:
    """Rows of a stream. `next` gives (line, raw row), None at the end, or raises BadRow for one row or Unreadable."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def next(self) -> tuple[int, RawRow] | None:
        raise NotImplementedError


class JsonlReader(Reader):
    """One JSON object a line; blank lines are skipped."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self._decode: Callable[[bytes], RawRow] = msgspec.json.Decoder(RawRow).decode

    def next(self) -> tuple[int, RawRow] | None:
        """The next row."""
        lines = self.lines
        while line := lines.next():
            if line.isspace():
                continue
            try:
                return lines.number, self._decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadRow(lines.number, [("", f"is no JSON object: {error}")]) from None
        return None


class CsvReader(Reader):
    """A header row, then a row a message. Raises Unreadable when the header will not do."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        csv.field_size_limit(LONGEST_LINE)
        self._rows = csv.reader(_Decoded(self.lines), strict=True)
        try:
            self.header = next(self._rows, [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise Unreadable(1, f"the header cannot be read: {_reason(error)}") from None
        missing = [name for name in NEEDED if name not in self.header]
        if "pdu" not in self.header:
            missing += [name for name in _FIELDS_WITHOUT_PDU if name not in self.header]
        if missing:
            raise Unreadable(1, f"the header has no {', '.join(missing)}; expected account, source_addr, "
                                "destination_addr, text, or account, pdu (data_coding and at may be there too)")
        twice = sorted({name for name in self.header if self.header.count(name) > 1})
        if twice:
            raise Unreadable(1, f"the header has {', '.join(twice)} twice")

    def next(self) -> tuple[int, RawRow] | None:
        """The next row; its line is the one on which it begins."""
        header = self.header
        while True:
            begins = self.lines.number + 1
            try:
                cells = next(self._rows)
            except StopIteration:
                return None
            except (csv.Error, UnicodeDecodeError) as error:
                raise BadRow(begins, [("", _reason(error))]) from None
            if len(cells) == len(header):
                return begins, dict(zip(header, cells, strict=True))
            if cells:
                raise BadRow(begins, [("", f"has {len(cells)} cells, the header has {len(header)}")])


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02X} is not UTF-8 (a file in GBK has to be saved as UTF-8)"
    return str(error)


def row_of(number: int, raw: RawRow, blank_is_absent: bool) -> Row:
    """What of a raw row is judged; BadRow names every field that is wrong.

    `blank_is_absent`: in csv a blank cell of any field but the text is no field at all.
    """
    given = {name: raw[name] for name in _NAMES if name in raw}
    if blank_is_absent:
        given = {name: value for name, value in given.items() if value or name == "text"}
    try:
        row = msgspec.convert(given, Row, strict=False)
    except msgspec.ValidationError:
        raise BadRow(number, list(_faults(given))) from None
    if row.pdu is None and (row.text is None or row.source_addr is None or row.destination_addr is None):
        faults = [(name, "is missing") for name in _FIELDS_WITHOUT_PDU if getattr(row, name) is None]
        if not blank_is_absent:
            raise BadRow(number, faults)
        # A blank address is what rule 106 is about, and csv has no other way to write it.
        row.source_addr, row.destination_addr = row.source_addr or "", row.destination_addr or ""
        row.text = row.text or ""
    return row


_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Row)}
_NAMES: Final = tuple(_TYPES)


def _faults(given: RawRow) -> Iterator[tuple[str, str]]:
    for name, kind in _TYPES.items():
        if name not in given:
            if name in NEEDED:
                yield name, "is missing"
            continue
        try:
            msgspec.convert(given[name], kind, strict=False)
        except msgspec.ValidationError:
            yield name, f"{shown(given[name])} is not {described(kind)}"


class Writer:
    """Writes rows, one after the other."""

    def write(self, raw: RawRow) -> None:
        raise NotImplementedError


class JsonlWriter(Writer):
    """An object a line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._encode = msgspec.json.Encoder().encode_into
        self._buffer = bytearray()

    def write(self, raw: RawRow) -> None:
        """Write a row."""
        buffer = self._buffer
        self._encode(raw, buffer)
        buffer += b"\n"
        self._stream.write(buffer)


class CsvWriter(Writer):
    """A header, then a row each: `header`, or when it is [] the first row's columns, and `columns` last.

    `left_out` are names that came only in later rows and have no column.
    """

    def __init__(self, stream: IO[str], header: list[str], columns: tuple[str, ...]) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._columns = columns
        self._header = [*(name for name in header if name not in columns), *columns] if header else []
        self._names = set(self._header)
        self.left_out: set[str] = set()
        if self._header:
            self._writer.writerow(self._header)

    def write(self, raw: RawRow) -> None:
        """Write a row."""
        if not self._header:
            self._header = [*(name for name in raw if name not in self._columns), *self._columns]
            self._writer.writerow(self._header)
            self._names = set(self._header)
        self._writer.writerow([raw.get(name, "") for name in self._header])
        if not raw.keys() <= self._names:
            self.left_out |= raw.keys() - self._names
