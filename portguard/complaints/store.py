"""The file of complaints: an SQLite database in WAL mode, in the state folder, readable by its owner only.

    complaints  accepted ones; the subscriber is a keyed hash, long numbers in the text are masked
    targets     what ports and signatures stand at      holds   what humans pinned
    outbox      events that nobody has taken yet        memory  what the signs remember, and other single values

It is the whole state: windows are counted by questions, so that a restart, another writer (`complaints import` while no
proxy runs) or a clock changes nothing. At most MOST_KEPT complaints are kept; the oldest go.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from portguard.aside import set_aside

PORT: Final = "port"
SIGNATURE: Final = "signature"
KINDS: Final = (SIGNATURE, PORT)
MOST_KEPT: Final = 2_000_000
MOST_EVENTS: Final = 200_000

_FORMAT: Final = 1
_BUSY_SECONDS: Final = 15.0
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS complaints (row INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, id TEXT NOT NULL,
    received_at REAL NOT NULL, taken_at REAL NOT NULL, subscriber TEXT NOT NULL, number TEXT NOT NULL,
    port TEXT NOT NULL, holder TEXT NOT NULL, signature TEXT NOT NULL, registered INTEGER NOT NULL,
    enterprises TEXT NOT NULL, chain TEXT NOT NULL, category INTEGER NOT NULL, industry INTEGER NOT NULL,
    text TEXT NOT NULL, revoked TEXT NOT NULL, UNIQUE (source, id));
CREATE INDEX IF NOT EXISTS by_port ON complaints (port, received_at, signature, subscriber);
CREATE INDEX IF NOT EXISTS by_signature ON complaints (signature, received_at, subscriber);
CREATE INDEX IF NOT EXISTS by_time ON complaints (received_at);
CREATE TABLE IF NOT EXISTS targets (kind TEXT, name TEXT, level TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
    used REAL NOT NULL, forgiven REAL NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS holds (kind TEXT, name TEXT, level TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL,
    who TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, fields BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value BLOB NOT NULL);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
# A signature that is throttled, suspended, held by a human or forgiven answers for its complaints: its port does not.
# For what it has been punished for, its port is not punished either (`fresh`).
_ANSWERED: Final = """
AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.kind = 'signature' AND t.name = c.signature
    AND ((t.level IN ('throttle', 'suspend') AND t.until > :now) OR t.forgiven >= c.received_at
        OR (:fresh AND t.used >= c.received_at)))
AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.kind = 'signature' AND h.name = c.signature AND h.until > :now)
"""


class ComplaintsError(Exception):
    """The complaints cannot be read or written; the message says why."""


class Complaint(NamedTuple):
    """An accepted one, in the order of the columns. `enterprises`, `chain` and `revoked` are lists as JSON."""

    source: str
    id: str
    received_at: float
    taken_at: float
    subscriber: str
    number: str
    port: str
    holder: str
    signature: str
    registered: bool
    enterprises: str
    chain: str
    category: int
    industry: int
    text: str
    revoked: str


class Target(NamedTuple):
    """What a port or signature stands at: `level` since `since` until `until`. Complaints received up to `used` have
    led to a penalty that is over, and count for no second one; those up to `forgiven` count for nothing."""

    kind: str
    name: str
    level: str = "none"
    since: float = 0.0
    until: float = 0.0
    used: float = 0.0
    forgiven: float = 0.0
    reason: str = ""


class Hold(NamedTuple):
    """A human's level for a target, until a time."""

    kind: str
    name: str
    level: str
    at: float
    until: float
    who: str
    why: str


class Event(NamedTuple):
    """One of the outbox."""

    number: int
    kind: str
    fields: dict[str, object]


class Store:
    """One connection, for one thread at a time. A broken file is set aside, as `set_aside`, and a new one begun. Raises
    ComplaintsError, as every method does."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.set_aside: Path | None = None
        try:
            self._connection = self._opened(readonly)
        except (sqlite3.Error, OSError) as error:
            raise ComplaintsError(f"{path}: {error}") from error

    def _opened(self, readonly: bool) -> sqlite3.Connection:
        try:
            return _connect(self.path, readonly)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if readonly:
                raise
            self.set_aside = set_aside(self.path)
            return _connect(self.path, readonly)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or nothing. Waits for another process's."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise ComplaintsError(f"{self.path}: {error}") from error

    def _ask(self, question: str, values: Any = ()) -> list[Any]:
        try:
            return self._connection.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise ComplaintsError(f"{self.path}: {error}") from error

    # ---- complaints

    def known(self, source: str, id: str) -> bool:
        """Is there a complaint of this id?"""
        return bool(self._ask("SELECT 1 FROM complaints WHERE source = ? AND id = ?", (source, id)))

    def put(self, complaint: Complaint) -> bool:
        """Put it on file; False when its id is there already."""
        places = ", ".join("?" * len(complaint))
        return bool(self._ask(f"INSERT OR IGNORE INTO complaints VALUES (NULL, {places}) RETURNING row", complaint))

    def last_row(self) -> int:
        """The number of the newest complaint, 0 when there is none."""
        return int(self._ask("SELECT coalesce(max(row), 0) FROM complaints")[0][0])

    def touched(self, after: int, upto: int, since: float) -> list[tuple[str, str, float]]:
        """(kind, name, epoch second) for each target and hour that complaints `after` to `upto` fell in, the newest of
        the hour, as far as received after `since`."""
        found: list[tuple[str, str, float]] = []
        for kind in KINDS:
            question = f"""SELECT '{kind}', {kind}, max(received_at) FROM complaints
                WHERE row > ? AND row <= ? AND received_at > ? AND {kind} <> '' GROUP BY {kind}, received_at / 3600"""
            found += self._ask(question.replace("received_at / 3600", "CAST(received_at / 3600 AS INTEGER)"),
                               (after, upto, since))  # fmt: skip
        return found

    def count(self, kind: str, name: str, since: float, until: float, now: float, *, fresh: bool = False) -> int:
        """Different subscribers who complained about the target from after `since` to `until`; of a port without those
        whose signature answers for them. `fresh`: nor those whose signature has been punished for them."""
        question = f"""SELECT count(DISTINCT c.subscriber) FROM complaints c WHERE c.{kind} = :name
            AND c.received_at > :since AND c.received_at <= :until {_ANSWERED if kind == PORT else ""}"""
        values = {"name": name, "since": since, "until": until} | ({"now": now, "fresh": fresh} if kind == PORT else {})
        return int(self._ask(question, values)[0][0])

    def names(self, kind: str, since: float) -> list[str]:
        """Targets with a complaint after `since`, those with the most first."""
        question = f"""SELECT {kind} FROM complaints WHERE received_at > ? AND {kind} <> ''
            GROUP BY {kind} ORDER BY count(*) DESC, {kind}"""
        return [name for (name,) in self._ask(question, (since,))]

    def facts(self, kind: str, name: str) -> tuple[str, str]:
        """(holder, enterprises as JSON) as the newest complaint about the target has them; "" where there is none."""
        question = f"SELECT holder, enterprises FROM complaints WHERE {kind} = ? ORDER BY received_at DESC LIMIT 1"
        found = self._ask(question, (name,))
        return (found[0][0], found[0][1]) if found else ("", "[]")

    def complaints(
        self, since: float, until: float, limit: int, port: str = "", signature: str = ""
    ) -> list[Complaint]:
        """The newest first."""
        chosen = [f"AND {kind} = :{kind}" for kind, value in ((PORT, port), (SIGNATURE, signature)) if value]
        question = f"""SELECT {", ".join(Complaint._fields)} FROM complaints WHERE received_at > :since
            AND received_at <= :until {" ".join(chosen)} ORDER BY received_at DESC, row DESC LIMIT :limit"""
        values = {"since": since, "until": until, "limit": limit, PORT: port, SIGNATURE: signature}
        return [Complaint(*row) for row in self._ask(question, values)]

    def forget(self, before: float) -> int:
        """Drop what was received before, and what is beyond MOST_KEPT; returns how many."""
        (first,) = self._ask("SELECT coalesce(min(row), 0) FROM complaints")[0]
        beyond = self.last_row() - MOST_KEPT
        gone = len(self._ask("DELETE FROM complaints WHERE received_at < ? RETURNING 1", (before,)))
        if first and first <= beyond:
            gone += len(self._ask("DELETE FROM complaints WHERE row <= ? RETURNING 1", (beyond,)))
        return gone

    # ---- targets and holds

    def target(self, kind: str, name: str) -> Target:
        """What it stands at; one at "none" when nothing is on file."""
        found = self._ask("SELECT * FROM targets WHERE kind = ? AND name = ?", (kind, name))
        return Target(*found[0]) if found else Target(kind, name)

    def targets(self) -> list[Target]:
        """All that stand at more than "none"."""
        return [Target(*row) for row in self._ask("SELECT * FROM targets WHERE level <> 'none' ORDER BY kind, name")]

    def keep(self, target: Target) -> None:
        """Put what a target stands at on file."""
        self._ask("INSERT OR REPLACE INTO targets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", target)

    def forget_targets(self, before: float) -> None:
        """Drop those at "none" about which nothing is to be remembered any more."""
        self._ask("DELETE FROM targets WHERE level = 'none' AND max(used, forgiven) < ?", (before,))

    def holds(self) -> list[Hold]:
        return [Hold(*row) for row in self._ask("SELECT * FROM holds ORDER BY kind, name")]

    def pin(self, hold: Hold) -> None:
        """Hold a target, in place of a hold that it may have."""
        self._ask("INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?, ?, ?, ?)", hold)

    def unpin(self, kind: str, name: str) -> None:
        self._ask("DELETE FROM holds WHERE kind = ? AND name = ?", (kind, name))

    # ---- outbox and memory

    def say(self, kind: str, fields: dict[str, object]) -> None:
        """Leave an event for whoever takes them."""
        self._ask("INSERT INTO outbox VALUES (NULL, ?, ?)", (kind, msgspec.json.encode(fields)))

    def events(self, limit: int) -> list[Event]:
        """The oldest events that are still there."""
        rows = self._ask("SELECT number, kind, fields FROM outbox ORDER BY number LIMIT ?", (limit,))
        return [Event(number, kind, msgspec.json.decode(fields)) for number, kind, fields in rows]

    def sent(self, number: int) -> None:
        """Whoever takes the events has all up to this one; beyond MOST_EVENTS the oldest are dropped untaken."""
        beyond = "(SELECT max(number) FROM outbox) - ?"
        self._ask(f"DELETE FROM outbox WHERE number <= max(?, {beyond})", (number, MOST_EVENTS))

    def recall(self, name: str) -> bytes:
        """What was remembered, b"" for nothing."""
        found = self._ask("SELECT value FROM memory WHERE name = ?", (name,))
        return bytes(found[0][0]) if found else b""

    def remember(self, name: str, value: bytes) -> None:
        self._ask("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, value))


def _connect(path: Path, readonly: bool) -> sqlite3.Connection:
    if not readonly:
        path.touch(mode=0o600)
    address = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
    )
    try:
        if not readonly:
            connection.execute("PRAGMA journal_mode = WAL")
            # A complaint that was acknowledged, and a suspension, are on the disk itself.
            connection.execute("PRAGMA synchronous = FULL")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0 and not readonly:
            connection.executescript(_SCHEMA)
        elif found != _FORMAT:
            raise ComplaintsError(f"{path}: its format is {found}, this version reads {_FORMAT}")
    except BaseException:
        connection.close()
        raise
    return connection
