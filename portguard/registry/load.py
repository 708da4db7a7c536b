"""The registry's folder into rows: every table, every row, and every fault of them.

Nouns: a *table* holds the rows of one file and the line on which each begins; a *registry* is the nine tables. A
table that had faults is not `complete`, and what refers to it cannot be checked. What a row says is checked here by
itself; how rows agree with each other is `check`.

One reader for three formats: `formats` gives the same raw rows for each, and msgspec makes the Structs of `model` of
them.
"""

import os
import stat
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeVar, get_args, get_origin

import msgspec

from portguard.registry import formats, model
from portguard.registry.cells import REFERENCES, Quick
from portguard.registry.formats import RawRow, Unreadable
from portguard.registry.problems import Heard, Problems, nearest, shown
from portguard.registry.progress import UNSEEN, Progress

R = TypeVar("R", bound=msgspec.Struct)

# Too large to be kept: its rows are checked as they are read.
STREAMED: Final = frozenset({"scopes"})

_SHOWN_EVERY: Final = 1000

# Prose, where a space of another width or a joiner inside an emoji is nobody's trick.
_PROSE: Final = frozenset({"name", "filing", "text", "word"})


@dataclass(slots=True)
class Table(Generic[R]):
    """Rows of one table in the order of the file. `file` is "" when there is no such table.

    `complete` is False once a fault was found; `count` is how many sound rows there are. A table of STREAMED keeps no
    rows: they are read when `numbered` is gone through, which can be done once, and only then are these two known.
    """

    name: str
    file: str = ""
    rows: list[R] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("I"))
    complete: bool = True
    count: int = 0
    reading: Iterator[tuple[int, R]] | None = None

    def __bool__(self) -> bool:
        return bool(self.file)

    def numbered(self) -> Iterator[tuple[int, R]]:
        """(line, row) pairs."""
        if self.reading is not None:
            return self.reading
        return zip(self.lines, self.rows, strict=True)


@dataclass(slots=True)
class Registry:
    """All tables of a folder."""

    enterprises: Table[model.EnterpriseRow]
    accounts: Table[model.AccountRow]
    ports: Table[model.PortRow]
    subleases: Table[model.SubleaseRow]
    signatures: Table[model.SignatureRow]
    scopes: Table[model.ScopeRow]
    templates: Table[model.TemplateRow]
    regions: Table[model.RegionRow]
    words: Table[model.WordRow]

    def tables(self) -> Iterator[Table[Any]]:
        for name in model.TABLES:
            yield getattr(self, name)


def load(folder: Path | str, progress: Progress = UNSEEN) -> tuple[Registry, Problems]:
    """Read the registry in `folder`, but for the tables of STREAMED. Never raises for what is in it: whatever is wrong
    is in the Problems."""
    problems = Problems()
    folder = Path(folder)
    files = _table_files(folder, problems)
    progress.expect(sum(_octets(folder / name) for name in files.values()))
    tables = {}
    for name, row_type in model.TABLES.items():
        table: Table[Any] = Table(name)
        tables[name] = table
        if name in files:
            table.file = files[name]
            reading = _read_table(folder / files[name], table, row_type, problems, progress)
            if name in STREAMED:
                table.reading = reading
            else:
                for number, row in reading:
                    table.rows.append(row)
                    table.lines.append(number)
        elif name in model.REQUIRED_TABLES and files is not _NO_FILES:
            table.complete = False
            problems.add(f"{name}.csv", 0, "", f"there is no such file, nor {name}.jsonl or {name}.yaml; it is needed")
    return Registry(**tables), problems


_NO_FILES: Final[dict[str, str]] = {}


def _octets(path: Path) -> int:
    """The size of a file, 0 for what is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _table_files(folder: Path, problems: Problems) -> dict[str, str]:
    """The file of each table that is there; other files are left alone unless they look like a table."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except NotADirectoryError:
        problems.add(str(folder), 0, "", "is not a folder; the registry is a folder of tables")
        return _NO_FILES
    except OSError as error:
        problems.add(str(folder), 0, "", f"the registry cannot be read: {error.strerror}")
        return _NO_FILES
    files: dict[str, str] = {}
    for name in names:
        stem, _, extension = name.rpartition(".")
        if not stem or name.startswith("."):
            continue
        if extension not in formats.FORMATS:
            if stem in model.TABLES and extension in ("yml", "json", "xls", "xlsx", "tsv", "txt"):
                problems.add(name, 0, "", f"is not read; a table is {stem}.csv, {stem}.jsonl or {stem}.yaml")
        elif stem not in model.TABLES:
            hint = nearest(stem, model.TABLES) or f"; the tables are {', '.join(model.TABLES)}"
            problems.add(name, 0, "", f"is no table of the registry{hint}")
        elif stem in files:
            problems.add(name, 0, "", f"the table is there twice, see {files[stem]}; keep one of them")
        else:
            files[stem] = name
    return files


def _read_table(
    path: Path, table: Table[Any], row_type: type[msgspec.Struct], problems: Problems, progress: Progress
) -> Iterator[tuple[int, Any]]:
    """The sound rows of a table; afterwards the table knows how many there were, and whether those were all."""
    file, faults = path.name, Heard(problems)
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            kind = "a folder" if stat.S_ISDIR(before.st_mode) else "no plain file"
            raise Unreadable(0, f"is {kind}; a table is a file")
        with path.open("rb") as stream:
            for number, row in _rows(stream, file, Fields(row_type), faults):
                table.count += 1
                if table.count % _SHOWN_EVERY == 0:
                    progress.read(file, stream.tell())
                yield number, row
            after = os.fstat(stream.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Unreadable(0, "changed while it was read; try again when it is written")
        progress.done(file, after.st_size)
    except Unreadable as error:
        faults.add(file, error.row, error.field, str(error))
    except OSError as error:
        faults.add(file, 0, "", f"cannot be read: {error.strerror}")
    table.complete = faults.count == 0


def _rows(stream: BinaryIO, file: str, fields: "Fields", problems: Problems) -> Iterator[tuple[int, msgspec.Struct]]:
    if file.endswith(".csv"):
        yield from _csv_rows(stream, file, fields, problems)
        return
    read = formats.read_jsonl if file.endswith(".jsonl") else formats.read_yaml
    for number, raw in read(stream, file, problems):
        row = fields.row(raw, file, number, problems)
        if row is not None:
            yield number, row


def _csv_rows(
    stream: BinaryIO, file: str, fields: "Fields", problems: Problems
) -> Iterator[tuple[int, msgspec.Struct]]:
    """Most rows are made cell by cell from values that were met before; where a cell has something unusual, the row is
    looked at as a whole, which finds what is wrong with it, or nothing."""
    columns = formats.Columns(list(fields.types), fields.required)
    quick: Quick | None = None
    for number, cells in formats.read_cells(stream, file, problems, columns):
        if quick is None:
            quick = Quick(fields.row_type, columns.taken)
        row = quick.row(cells)
        if row is None:
            raw = columns.raw(cells)
            row = fields.row(raw, file, number, problems) if raw is not None else None
        if row is not None:
            yield number, row


class Fields:
    """The fields of one table: raw rows in, rows out, and a problem for every field that is not what it should be."""

    def __init__(self, row_type: type[msgspec.Struct]) -> None:
        self.row_type = row_type
        fields = msgspec.structs.fields(row_type)
        self.types = {f.name: f.type for f in fields}
        self.required = [f.name for f in fields if f.required]
        self._lists = [name for name, kind in self.types.items() if get_origin(kind) is tuple]
        # What names something of another table: the same few strings a million times over, kept once.
        self._shared = [name for name in REFERENCES if name in self.types]
        self._seen: dict[str, str] = {}

    def row(self, raw: RawRow, file: str, number: int, problems: Problems) -> msgspec.Struct | None:
        """The row, or None and what is wrong with it."""
        for name in self._shared:
            value = raw.get(name)
            if type(value) is str:
                raw[name] = self._seen.setdefault(value, value)
        for name in self._lists:
            value = raw.get(name)
            if isinstance(value, str):
                raw[name] = [part.strip() for part in value.split("|")]
        if "".join([v if type(v) is str else "".join(v) for v in raw.values()]).isprintable() or not list(
            _oddities(raw)
        ):
            try:
                return msgspec.convert(raw, self.row_type, strict=False)
            except msgspec.ValidationError:
                pass
        for name, message in self._faults(raw, file, problems):
            problems.add(file, number, name, message)
        return None

    def _faults(self, raw: RawRow, file: str, problems: Problems) -> Iterator[tuple[str, str]]:
        odd = dict(_oddities(raw))
        for name in self.required:
            if name not in raw:
                yield name, f"is blank; {described(self.types[name])} is expected"
        for name, value in raw.items():
            if name not in self.types:
                yield name, f"is no field of this table{problems.hint(file, name, self.types)}"
            elif name in odd:
                yield name, odd[name]
            else:
                yield from ((name, message) for message in _field_faults(value, self.types[name]))


def _field_faults(value: Any, kind: Any) -> Iterator[str]:
    """What is wrong with one field; nothing for one that converts."""
    if get_origin(kind) is tuple:
        for item in value:
            yield from _field_faults(item, get_args(kind)[0])
        return
    if isinstance(value, list):
        yield f"a list is not taken here; {described(kind)} is expected"
        return
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        yield f"{shown(value)} is not {described(kind)}"


def described(kind: Any) -> str:
    """What a field's type expects, in words: the description of its Meta."""
    for part in (*getattr(kind, "__metadata__", ()), *get_args(kind)):
        if isinstance(part, msgspec.Meta):
            if part.description:
                return part.description
        elif text := described(part):
            return text
    return ""


def _oddities(raw: RawRow) -> Iterator[tuple[str, str]]:
    """Fields with characters that nobody can see, which would make two names look the same."""
    for name, value in raw.items():
        for character in value if isinstance(value, str) else "".join(value):
            if character.isprintable():
                continue
            kind = unicodedata.category(character)
            if kind == "Cs":
                yield name, "holds half of a surrogate pair"
            elif character in "\r\n" and name != "text":
                yield name, "holds a line break (is a quote left open?)"
            elif kind == "Cc" and character != "\n":
                yield name, f"holds a control character, U+{ord(character):04X}"
            elif kind == "Cf" and name not in _PROSE:
                name_of_it = unicodedata.name(character, "format character")
                yield name, f"holds an invisible character, U+{ord(character):04X} {name_of_it}"
            else:
                continue
            break
