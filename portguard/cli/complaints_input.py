"""A file of complaints as batches of raw rows, small enough for a request on the control socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Final

import click
import msgspec

from portguard.cli.settings import standard_input
from portguard.complaints.rows import ComplaintRow, Masked
from portguard.registry import formats
from portguard.registry.formats import RawRow
from portguard.registry.load import Fields

CSV: Final = "csv"
JSONL: Final = "jsonl"
# A request has at most 64 KiB.
BATCH_OCTETS: Final = 48 * 1024
BATCH_ROWS: Final = 500

Batch = list[tuple[int, RawRow]]


class Input:
    """A context manager. `name` is the file's as problems have it; `unread` counts lines that are no rows at all."""

    def __init__(self, source: str, chosen: str | None) -> None:
        self.name = "stdin" if source == "-" else source
        self.problems = Masked()
        self.unread = 0
        self._unread_row = -1
        self.size = 0
        self._source = source
        self._chosen = chosen

    def __enter__(self) -> Input:
        if self._source == "-":
            self._stream = standard_input()
        else:
            try:
                self._stream = Path(self._source).open("rb")
                self.size = os.fstat(self._stream.fileno()).st_size
            except OSError as error:
                raise click.ClickException(f"{self._source}: {(error.strerror or str(error)).lower()}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._source != "-":
            self._stream.close()

    def place(self) -> int:
        """How many octets of it are read; 0 where nobody knows."""
        return self._stream.tell() if self._stream.seekable() else 0

    def batches(self) -> Iterator[Batch]:
        """Everything that has the form of a row."""
        batch: Batch = []
        octets = 0
        for number, raw in self._rows():
            size = len(msgspec.json.encode(raw))
            if size > BATCH_OCTETS:
                self._unread(number, "", "is longer than any complaint")
                continue
            if batch and (octets + size > BATCH_OCTETS or len(batch) >= BATCH_ROWS):
                yield batch
                batch, octets = [], 0
            batch.append((number, raw))
            octets += size + 20
        if batch:
            yield batch

    def _rows(self) -> Iterator[tuple[int, RawRow]]:
        fields, faults = Fields(ComplaintRow), _Faults(self)
        try:
            if (self._chosen or self._format()) == CSV:
                columns = formats.Columns(list(fields.types), fields.required)
                yield from formats.read_csv(self._stream, self.name, faults, columns)
            else:
                yield from formats.read_jsonl(self._stream, self.name, faults)
        except formats.Unreadable as error:
            self._unread(error.row, error.field, str(error))
        except OSError as error:
            self._unread(0, "", f"cannot be read any further: {(error.strerror or str(error)).lower()}")

    def _unread(self, row: int, field: str, message: str) -> None:
        self.unread += row != self._unread_row
        self._unread_row = row
        self.problems.add(self.name, row, field, message)

    def _format(self) -> str:
        by_name = {".csv": CSV, ".jsonl": JSONL}.get(Path(self._source).suffix.lower())
        if by_name is not None or not isinstance(self._stream, BufferedReader):
            return by_name or CSV
        try:
            first = self._stream.peek(1)
        except OSError:
            return CSV
        return JSONL if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else CSV


class _Faults(Masked):
    """What the formats find wrong, each in a line that is no row."""

    def __init__(self, read: Input) -> None:
        super().__init__()
        self._read = read

    def add(self, file: str, row: int, field: str, message: str) -> None:
        self._read._unread(row, field, message)
