"""The SQLite index of a journal: its segments, marks in them, and the hourly tallies. Everything in it can be made
again from the segments; nothing is evidence.

Only the writer writes, a transaction a second at most; readers see the last one (WAL). A segment's row tells in
`counted` up to which record its tallies go; whoever reads counts the few records after it himself.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from portguard.evidence.segment import Segment
from portguard.evidence.tallies import Key

INDEX: Final = "index.sqlite"
VERSION: Final = 2
_BUSY_SECONDS: Final = 5.0
_ANOTHER: Final = "another version's"

_SCHEMA: Final = f"""
CREATE TABLE segments (first INTEGER PRIMARY KEY, last INTEGER, counted INTEGER, opened REAL, since REAL, until REAL,
                       octets INTEGER, hash BLOB, sealed INTEGER);
CREATE TABLE marks (number INTEGER PRIMARY KEY, segment INTEGER, offset INTEGER);
CREATE TABLE events (number INTEGER PRIMARY KEY, segment INTEGER, at REAL);
CREATE TABLE tallies (segment INTEGER, hour INTEGER, code INTEGER, action INTEGER, account TEXT, enterprise TEXT,
                      port TEXT, signature TEXT, content INTEGER, count INTEGER,
                      PRIMARY KEY (segment, hour, code, action, account, enterprise, port, signature, content)
                     ) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""


def broken(error: sqlite3.Error) -> bool:
    """Does this error say that the file is no index, rather than that the disk does not take a change?"""
    text = str(error)
    return _ANOTHER in text or "malformed" in text or "not a database" in text or "no such table" in text


def discard(folder: Path) -> None:
    """Remove the index. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{INDEX}{suffix}").unlink(missing_ok=True)


class Row(NamedTuple):
    """What the index knows of a segment; `segment.Segment` says what the fields mean."""

    first: int
    last: int
    counted: int
    opened: float
    since: float
    until: float
    octets: int
    hash: bytes
    sealed: int


class Index:
    """The writer's side. Raises sqlite3.Error where the disk does not take it; then nothing has changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEX
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if not broken(error):
                raise
            discard(folder)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A crash may lose the last transactions, which the segments have.
            connection.execute("PRAGMA synchronous = NORMAL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                if version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise sqlite3.DatabaseError(_ANOTHER)
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except BaseException:
            connection.close()
            raise
        self.path.chmod(0o600)
        return connection

    def close(self) -> None:
        self._connection.close()

    def rows(self) -> dict[int, Row]:
        """Every segment by its first number."""
        return {row.first: row for row in (Row(*one) for one in self._connection.execute(*_ROWS))}

    def last(self) -> int:
        """The last number that was ever told to the index."""
        return int(self._connection.execute("SELECT max(last) FROM segments").fetchone()[0] or 0)

    def add(self, segments: Iterable[Segment]) -> None:
        """What is new of segments, in one transaction. Their tallies and marks are taken only when it succeeds."""
        with self._transaction() as connection:
            for segment in segments:
                _put(connection, segment)
                _add(connection, segment)
        for segment in segments:
            _added(segment)

    def replace(self, segment: Segment) -> None:
        """A segment that was counted from its beginning: nothing of what was known of it stays."""
        with self._transaction() as connection:
            _forget(connection, segment.first)
            _put(connection, segment)
            _add(connection, segment)
        _added(segment)

    def forget(self, first: int) -> None:
        """A segment is gone."""
        with self._transaction() as connection:
            _forget(connection, first)

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)


class _Transaction:
    """BEGIN IMMEDIATE, and COMMIT or ROLLBACK."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, error: object, at: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _put(connection: sqlite3.Connection, segment: Segment) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (segment.first, segment.last, segment.last, segment.opened, segment.since, segment.until, segment.octets,
         segment.hash, int(segment.sealed)),
    )  # fmt: skip


def _add(connection: sqlite3.Connection, segment: Segment) -> None:
    first = segment.first
    _count(connection, first, segment.tallies)
    for table, rows in (("marks", segment.marks), ("events", segment.events)):
        connection.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", ((number, first, value) for number, value in rows)
        )


def _added(segment: Segment) -> None:
    segment.tallies.take()
    segment.marks.clear()
    segment.events.clear()


def _count(connection: sqlite3.Connection, first: int, tallies: Iterable[tuple[Key, int]]) -> None:
    connection.executemany(
        "INSERT INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + "
        "excluded.count",
        ((first, *key, count) for key, count in tallies),
    )


def _forget(connection: sqlite3.Connection, first: int) -> None:
    for table, column in (("segments", "first"), ("marks", "segment"), ("tallies", "segment"),
                          ("events", "segment")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (first,))


class Look:
    """A reader's side: each question is asked of the index as it is at that moment. Without an index, or with one that
    cannot be read, there is no answer to any, and the segments have to do."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX
        self._connection: sqlite3.Connection | None = None

    def _ask(self, *questions: tuple[str, tuple[object, ...]]) -> list[list[tuple[Any, ...]]]:
        """The answers to questions that are asked of one state of the index; none when they cannot be."""
        try:
            if self._connection is None:
                uri = f"{self._path.absolute().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None,
                                                   check_same_thread=False)  # fmt: skip
                if self._connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                    raise sqlite3.DatabaseError(_ANOTHER)
            self._connection.execute("BEGIN")
            try:
                return [self._connection.execute(*question).fetchall() for question in questions]
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # It may be made anew by the writer at this moment; the next question opens what is there then.
            self.close()
            return [[] for _ in questions]

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self) -> dict[int, Row]:
        """Every segment by its first number."""
        (found,) = self._ask(_ROWS)
        return {row.first: row for row in (Row(*one) for one in found)}

    def mark(self, number: int) -> tuple[int, int] | None:
        """(segment, offset of a frame) of the last mark not behind a record."""
        (found,) = self._ask((
            "SELECT segment, offset FROM marks WHERE number <= ? ORDER BY number DESC LIMIT 1", (number,)
        ))  # fmt: skip
        return (found[0][0], found[0][1]) if found else None

    def events(self, first: int, since: float, until: float) -> list[int]:
        """The numbers of a segment's events of a time, in order."""
        (found,) = self._ask((
            "SELECT number FROM events WHERE segment = ? AND at >= ? AND at < ? ORDER BY number", (first, since, until)
        ))  # fmt: skip
        return [one[0] for one in found]

    def segments_with(self, where: Mapping[str, object]) -> set[int]:
        """The segments of which a tally has these values (by the names of a Key)."""
        condition, values = _condition(where)
        (found,) = self._ask((f"SELECT DISTINCT segment FROM tallies WHERE {condition}", values))
        return {one[0] for one in found}

    def counts(
        self, by: Sequence[str], since: int, until: int, where: Mapping[str, object]
    ) -> tuple[dict[int, Row], list[tuple[Any, ...]]]:
        """(segments, rows of the values of `by` and a count) over the hours [since, until)."""
        condition, values = _condition(where)
        columns = "".join(f"{_column(name)}, " for name in by)
        group = f" GROUP BY {columns[:-2]}" if by else ""
        question = f"SELECT {columns}sum(count) FROM tallies WHERE hour >= ? AND hour < ? AND {condition}{group}"
        rows, found = self._ask(_ROWS, (question, (since, until, *values)))
        return {row.first: row for row in (Row(*one) for one in rows)}, [one for one in found if one[-1]]


_ROWS: Final = ("SELECT * FROM segments", ())


def _column(name: str) -> str:
    if name not in Key._fields:
        raise ValueError(f"{name!r} is nothing that is counted by: {', '.join(Key._fields)}")
    return name


def _condition(where: Mapping[str, object]) -> tuple[str, tuple[object, ...]]:
    parts = " AND ".join(f"{_column(name)} = ?" for name in where)
    return parts or "1", tuple(where.values())
