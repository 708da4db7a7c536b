"""Puts what does not fit into memory in the order of its keys.

Nouns: a *row* is (key, line, octets): rows come back by key, those of one key by the line on which they stand. A *run*
is as many of them as memory is given to, sorted, in a file that has no name, so that it is gone with the process
whatever ends it.
"""

import heapq
import marshal
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

Row = tuple[bytes, int, bytes]

RUN: Final = 200_000
_BLOCK: Final = 2048


class Sorter:
    """A context manager. Raises OSError when the disk does not take it; it is asked only for more than one run."""

    def __init__(self, folder: Path | None = None, run: int = RUN) -> None:
        """The runs are put in `folder`, made if need be, or where the system has its temporary files."""
        self._folder = folder
        self._run = run
        self._file: int | None = None
        self._runs: list[list[tuple[int, int]]] = []
        self._end = 0
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Take a row."""
        self._rows.append(row)
        if len(self._rows) >= self._run:
            self._spill()

    def sorted(self) -> Iterator[Row]:
        """Every row, ascending. Nothing may be added afterwards."""
        self._rows.sort()
        if not self._runs:
            return iter(self._rows)
        return heapq.merge(*(self._read(run) for run in self._runs), self._rows)

    def _spill(self) -> None:
        if self._file is None:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                self._file = os.dup(file.fileno())
        self._rows.sort()
        blocks = []
        for first in range(0, len(self._rows), _BLOCK):
            raw = marshal.dumps(self._rows[first : first + _BLOCK])
            blocks.append((self._end, len(raw)))
            self._write(raw)
        self._runs.append(blocks)
        self._rows = []

    def _write(self, raw: bytes) -> None:
        assert self._file is not None
        left = memoryview(raw)
        while left:
            written = os.write(self._file, left)
            left = left[written:]
            self._end += written

    def _read(self, blocks: list[tuple[int, int]]) -> Iterator[Row]:
        assert self._file is not None
        for at, octets in blocks:
            yield from marshal.loads(os.pread(self._file, octets, at))

    def close(self) -> None:
        """Give memory and disk back."""
        self._rows, self._runs = [], []
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> "Sorter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
