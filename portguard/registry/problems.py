"""What is wrong with a registry, said so that its administrator knows where to look and what to do.

Nouns: a *problem* names a file, a row (the line in the file), a field and what was expected there; *problems* is the
list of one run, which keeps the first thousand of each file and counts the rest, so that a file in the wrong encoding
neither fills the memory nor hides what is wrong elsewhere. Knows no table.
"""

import difflib
from collections.abc import Iterable
from itertools import groupby, islice
from typing import Final

from msgspec import Struct

KEPT: Final = 1000

_LONGEST_NAME: Final = 300

# Comparing with more names than this would take seconds for a table full of misspelt ones.
_COMPARED: Final = 100


class Problem(Struct, frozen=True):
    """One fault. `row` 0 and an empty `field` mean the file, or the row, as a whole."""

    file: str
    row: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class Problems:
    """Problems in the order in which they were found; `count` also counts those beyond the ones kept of a file."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept: list[Problem] = []
        self.count = 0
        self._limit = kept
        self._by_file: dict[str, int] = {}

    def add(self, file: str, row: int, field: str, message: str) -> None:
        self.count += 1
        # What a file or a column is called comes from outside, and the line goes to a terminal.
        file = _plain(file)
        found = self._by_file[file] = self._by_file.get(file, 0) + 1
        if found <= self._limit:
            self.kept.append(Problem(file, row, _plain(field), message))

    def hint(self, file: str, name: str, known: Iterable[str]) -> str:
        """`nearest`, while a problem of this file is still kept: comparing names a million times takes hours."""
        return nearest(name, known) if self._by_file.get(file, 0) < self._limit else ""

    def lines(self) -> list[str]:
        """One line a problem, by file and row, and after a file's a line that counts those left out."""
        shown: list[str] = []
        ordered = sorted(self.kept, key=lambda problem: (problem.file, problem.row))
        for file, problems in groupby(ordered, key=lambda problem: problem.file):
            shown.extend(map(str, problems))
            left_out = self._by_file[file] - self._limit
            if left_out > 0:
                shown.append(f"{file}: ... and {left_out:,} more")
        return shown


class Heard(Problems):
    """Passes problems on, and counts those that it was told of."""

    def __init__(self, into: Problems) -> None:
        super().__init__()
        self._into = into

    def add(self, file: str, row: int, field: str, message: str) -> None:
        self.count += 1
        self._into.add(file, row, field, message)

    def hint(self, file: str, name: str, known: Iterable[str]) -> str:
        return self._into.hint(file, name, known)


def shown(value: object, longest: int = 60) -> str:
    """A value as a message quotes it: one line, printable, cut where it is long."""
    text = value if isinstance(value, str) else "|".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) > longest:
        text = f"{text[:longest]}... ({len(text):,} characters)"
    return repr(text)


def _plain(name: str) -> str:
    """A name as it is, or quoted where it could not be read or would fill the line. Folders' paths are names, too."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name, _LONGEST_NAME)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name, as the end of a sentence; "" when nothing is near."""
    names = list(islice(known, _COMPARED + 1))
    match = difflib.get_close_matches(name, names, n=1) if len(names) <= _COMPARED else []
    return f"; did you mean {match[0]}?" if match else ""
