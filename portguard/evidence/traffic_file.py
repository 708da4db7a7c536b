"""The file of the traffic: an SQLite database in WAL mode, its tables, and the question that adds them up.

    keys      what messages have in common: account, enterprise, port, number, holder, signature, owner, content
    traffic   counts by hour and key                names   ports and signatures
    sums      delivery by hour and name             hours   which there are, and what of them was seen

Rows of one hour lie together, so that writing the present one and dropping an old one touch few pages.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

HOUR: Final = 3600
COLUMNS: Final = (
    "account", "enterprise", "port", "number", "holder", "signature", "owner", "category", "industry",
)  # fmt: skip
TIMES: Final = ("hour", "day")
COUNTS: Final = ("submitted", "refused", "tagged", "delivered", "failed")

_FORMAT: Final = 1
_BUSY_SECONDS: Final = 10.0
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE keys (id INTEGER PRIMARY KEY, account TEXT, enterprise TEXT, port TEXT, number TEXT, holder TEXT,
    signature TEXT, owner TEXT, category INTEGER, industry INTEGER, last_hour INTEGER, UNIQUE ({", ".join(COLUMNS)}));
CREATE TABLE traffic (hour INTEGER, key INTEGER, submitted INTEGER, refused INTEGER, tagged INTEGER, delivered INTEGER,
    failed INTEGER, PRIMARY KEY (hour, key)) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, kind TEXT, name TEXT, last_hour INTEGER, UNIQUE (kind, name));
CREATE TABLE sums (hour INTEGER, name INTEGER, delivered INTEGER, failed INTEGER, PRIMARY KEY (hour, name))
    WITHOUT ROWID;
CREATE TABLE hours (hour INTEGER PRIMARY KEY, since REAL, latest REAL, lost INTEGER);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""


class TrafficError(Exception):
    """The counts cannot be written or read at present; the message says why."""


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection for any thread, one at a time. Raises sqlite3.Error, OSError or TrafficError."""
    if not readonly:
        path.touch(mode=0o600)
    address = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        if not readonly:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0 and not readonly:
            connection.executescript(_SCHEMA)
        elif found != _FORMAT:
            raise TrafficError(f"{path}: its format is {found}, this version reads {_FORMAT}")
    except BaseException:
        connection.close()
        raise
    return connection


def totals_question(
    since: float, until: float, by: Sequence[str], where: Mapping[str, str | int], utc_offset: int
) -> tuple[str, dict[str, str | int]]:
    """SQL and its values: the columns of `by`, then the five COUNTS. ValueError for other columns than there are."""
    for names, known in ((by, COLUMNS + TIMES), (where, COLUMNS)):
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"no column {unknown[0]!r}; there are {', '.join(known)}")
    times = {"hour": f"t.hour * {HOUR}", "day": f"(t.hour * {HOUR} + {int(utc_offset)}) / 86400"}
    # Keys are far fewer than rows: unless it asks for times, the hours of each are added up before all else.
    first = [] if set(by) & set(TIMES) else ["key"]
    added = ", ".join(f"sum({name}) AS {name}" if first else name for name in COUNTS)
    inner = f"SELECT hour, key, {added} FROM traffic WHERE hour >= :since AND hour < :until"
    question = (
        f"SELECT {', '.join([*(times.get(name, f'k.{name}') for name in by), *(f'sum(t.{name})' for name in COUNTS)])}"
        f" FROM ({inner}{' GROUP BY key' if first else ''}) t JOIN keys k ON k.id = t.key"
        f" WHERE {' AND '.join(['1', *(f'k.{name} = :w_{name}' for name in where)])}"
        f" GROUP BY {', '.join(map(str, range(1, len(by) + 1))) or 'NULL'}"
    )
    window = {"since": -int(-since // HOUR), "until": -int(-until // HOUR)}
    return question, {**window, **{f"w_{name}": value for name, value in where.items()}}
