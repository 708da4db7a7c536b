"""Sorts what does not fit into memory: an import of any size, in the order in which the store takes it best.

Nouns: a *row* here is octets of one fixed size; a *run* is as many of them as memory is given to, sorted, in a file
that has no name, so that it is gone with the process whatever ends it. Rows come back merged.

Writing records in their order fills the store's pages and touches each once; in the order of a file that knows none,
every batch would rewrite most of the store.
"""

import heapq
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

_RUN: Final = 500_000
_BLOCK: Final = 8192


class Spool:
    """A context manager; rows of `size` octets each. Raises OSError when the disk does not take it."""

    def __init__(self, folder: Path, size: int, run: int = _RUN) -> None:
        self._size = size
        self._run = run
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._runs: list[tuple[int, int]] = []
        self._end = 0
        self._rows: list[bytes] = []
        self._texts = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._texts_end = 0
        self.count = 0

    def add(self, row: bytes) -> None:
        """Take a row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= self._run:
            self._spill()

    def keep(self, text: str) -> int:
        """Put a text aside; what comes back is where, never 0."""
        raw = text.encode()
        at = self._texts_end
        self._texts.write(len(raw).to_bytes(4, "big") + raw)
        self._texts_end += 4 + len(raw)
        return at + 1

    def text(self, place: int) -> str:
        """The text at a place, "" at 0."""
        if not place:
            return ""
        self._texts.seek(place - 1)
        return self._texts.read(int.from_bytes(self._texts.read(4), "big")).decode()

    def sorted(self) -> Iterator[bytes]:
        """Every row, ascending. Nothing may be added afterwards."""
        self._rows.sort()
        if not self._runs:
            return iter(self._rows)
        return heapq.merge(*(self._read(start, end) for start, end in self._runs), self._rows)

    def _spill(self) -> None:
        self._rows.sort()
        raw = memoryview(b"".join(self._rows))
        start = self._end
        while raw:
            written = os.write(self._file.fileno(), raw)
            raw = raw[written:]
            self._end += written
        self._runs.append((start, self._end))
        self._rows = []

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        size, block = self._size, self._size * _BLOCK
        for at in range(start, end, block):
            raw = os.pread(self._file.fileno(), min(block, end - at), at)
            yield from [raw[offset : offset + size] for offset in range(0, len(raw), size)]

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._texts.close()
