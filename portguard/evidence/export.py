"""The journal's records as a file: CSV, JSON Lines or Parquet, one row a record, as a stream.

Every format has the same columns. `record` is the record's number and `at` its time; violations fill the columns that
follow, of other kinds `fields` has everything as JSON. In CSV a text that a spreadsheet would take for a formula (it
begins with =, +, -, @, a tab or a carriage return) gets an apostrophe in front, as spreadsheets themselves mark text;
JSON Lines and Parquet have it as it is.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from portguard.evidence.reader import Found
from portguard.evidence.rows import VIOLATION

CSV: Final = "csv"
JSONL: Final = "jsonl"
PARQUET: Final = "parquet"
FORMATS: Final = (CSV, JSONL, PARQUET)

TEXTS: Final = (
    "node", "account", "enterprise", "port", "number", "holder", "signature", "owner", "category", "industry", "rule",
    "action", "revision", "digest", "subscriber", "command", "status", "fault",
)  # fmt: skip
NUMBERS: Final = ("code", "recipients", "sequence_number", "data_coding")
LISTS: Final = ("hits", "folded")
COLUMNS: Final = (
    "record", "kind", "at", "node", "account", "enterprise", "port", "number", "holder", "signature", "owner",
    "category", "industry", "rule", "code", "action", "hits", "revision", "digest", "subscriber", "recipients",
    "sequence_number", "command", "status", "data_coding", "folded", "fault", "fields",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_cells: Final = itemgetter(*COLUMNS[3:-2])
# Where a text stands that somebody else has chosen.
_FROM_OUTSIDE: Final = tuple(
    COLUMNS.index(name)
    for name in ("account", "enterprise", "port", "number", "holder", "signature", "owner", "subscriber")
)
_HITS: Final = COLUMNS.index("hits")
_FOLDED: Final = COLUMNS.index("folded")
_BATCH: Final = 20_000
_COMMON: Final = frozenset({"at", "node"})
_json: Final = msgspec.json.Encoder(enc_hook=str).encode

Progress = Callable[[Counter[str]], None]


class NoParquet(Exception):
    """pyarrow is not installed; the message says how to get it."""


class Sink(Protocol):
    """Where rows go."""

    def write(self, number: int, kind: str, fields: dict[str, Any]) -> None:
        """Take a record."""

    def close(self) -> None:
        """Write what is left; the file stays open."""


def format_of(path: Path) -> str | None:
    """The format that a file's name stands for, None for a name that stands for none."""
    ending = path.suffix.lower().removeprefix(".")
    return {"ndjson": JSONL, "pq": PARQUET}.get(ending, ending) if ending in (*FORMATS, "ndjson", "pq") else None


def sink(kind: str, stream: IO[bytes], zone: ZoneInfo) -> Sink:
    """A writer of one format. Raises NoParquet."""
    if kind == PARQUET:
        return _Parquet(stream)
    return _Csv(stream, zone) if kind == CSV else _Jsonl(stream, zone)


def export(found: Iterator[Found], into: Sink, progress: Progress, every: int = 2000) -> Counter[str]:
    """Write records; gives how many there were of each kind. Raises OSError."""
    counts: Counter[str] = Counter()
    write = into.write
    for number, kind, fields in found:
        write(number, kind, fields)
        counts[kind] += 1
        if number % every == 0:
            progress(counts)
    into.close()
    progress(counts)
    return counts


def _rest(kind: str, fields: dict[str, Any]) -> str:
    """What has no column of its own, as JSON."""
    if kind == VIOLATION:
        return ""
    return _json({name: value for name, value in fields.items() if name not in _COMMON}).decode()


class _Times:
    """Epoch seconds as ISO 8601 in a zone; whole seconds are remembered, for a second has many records."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._second = -1
        self._text = ("", "")

    def __call__(self, at: float) -> str:
        second = int(at)
        if second != self._second:
            whole = datetime.fromtimestamp(second, self._zone).isoformat()
            self._second, self._text = second, (whole[:19], whole[19:])
        return f"{self._text[0]}.{int((at - second) * 1000):03}{self._text[1]}"


class _Csv:
    def __init__(self, stream: IO[bytes], zone: ZoneInfo) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(COLUMNS)
        self._time = _Times(zone)

    def write(self, number: int, kind: str, fields: dict[str, Any]) -> None:
        time = self._time(fields["at"])
        if kind != VIOLATION:
            blanks = [""] * (len(COLUMNS) - 5)
            self._writer.writerow([number, _safe(kind), time, fields["node"], *blanks, _rest(kind, fields)])
            return
        row = [number, kind, time, *_cells(fields), fields.get("fault", ""), ""]
        for at in _FROM_OUTSIDE:
            if row[at].startswith(_FORMULA):
                row[at] = _safe(row[at])
        row[_HITS] = "|".join(map(str, row[_HITS]))
        row[_FOLDED] = "|".join(row[_FOLDED])
        self._writer.writerow(row)

    def close(self) -> None:
        self._text.flush()
        self._text.detach()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Jsonl:
    def __init__(self, stream: IO[bytes], zone: ZoneInfo) -> None:
        self._stream = stream
        self._time = _Times(zone)
        self._lines = bytearray()

    def write(self, number: int, kind: str, fields: dict[str, Any]) -> None:
        lines = self._lines
        lines += _json({"record": number, "kind": kind, **fields, "at": self._time(fields["at"])})
        lines += b"\n"
        if len(lines) > 1 << 20:
            self._stream.write(lines)
            lines.clear()

    def close(self) -> None:
        self._stream.write(self._lines)
        self._lines.clear()


class _Parquet:
    def __init__(self, stream: IO[bytes]) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise NoParquet("Parquet needs pyarrow: pip install 'portguard[parquet]'") from None
        self._arrow = pyarrow
        text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        kinds = {
            "record": pyarrow.int64(), "kind": text, "at": pyarrow.timestamp("us", tz="UTC"),
            **dict.fromkeys(("fields", "digest", "subscriber", "fault"), pyarrow.string()),
            "hits": pyarrow.list_(pyarrow.int32()), "folded": pyarrow.list_(pyarrow.string()),
            **dict.fromkeys(NUMBERS, pyarrow.int64()),
        }  # fmt: skip
        self._schema = pyarrow.schema([(name, kinds.get(name, text)) for name in COLUMNS])
        self._writer = parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}

    def write(self, number: int, kind: str, fields: dict[str, Any]) -> None:
        columns = self._columns
        columns["record"].append(number)
        columns["kind"].append(kind)
        columns["at"].append(datetime.fromtimestamp(fields["at"], UTC))
        columns["fields"].append(_rest(kind, fields) or None)
        violation = kind == VIOLATION
        for name in COLUMNS[3:-1]:
            columns[name].append(fields.get(name) if violation or name == "node" else None)
        if len(columns["record"]) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.table(self._columns, schema=self._schema))
        for column in self._columns.values():
            column.clear()

    def close(self) -> None:
        if self._columns["record"]:
            self._flush()
        self._writer.close()
