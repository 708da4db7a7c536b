"""What was submitted and delivered, hour by hour, by who sent it, from where and as what.

Nouns: a *key* is the account, enterprise, registered port, number, holder, signature, its owner, category and industry
of some messages; an *hour* is a whole one since the epoch; a *total* adds hours and keys up by some of their columns.

Tallies are added in memory and written by `flush`, in a thread of the caller's; a crash loses what came since. An hour
takes so many keys, half of them for what nothing was delivered of; what is beyond that goes to OTHERS, so that a sender
of ever new numbers fills no disk. Delivery by port and by signature is kept beside it for quick answers. The newest
`retention_days` times 24 hours that have traffic stay: whatever the clock does, no window loses what it looks at.
"""

import sqlite3
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from portguard.aside import set_aside
from portguard.evidence.traffic_file import COLUMNS, HOUR, TrafficError, connect, totals_question
from portguard.policy.tally import TallyRow

# As the journal has it.
OTHERS: Final = "*"
PORT: Final = "port"
SIGNATURE: Final = "signature"

_HOURS_REMEMBERED: Final = 4
_HOURS_DROPPED_AT_ONCE: Final = 24
_IDS_REMEMBERED: Final = 200_000

_FIND: Final = f"SELECT id FROM keys WHERE {' AND '.join(f'{column} = ?' for column in COLUMNS)}"
_KEYS_OF: Final = f"SELECT k.id, {', '.join(COLUMNS)} FROM traffic t JOIN keys k ON k.id = t.key WHERE t.hour = ?"
_NAMES_OF: Final = "SELECT n.id, n.kind, n.name FROM sums s JOIN names n ON n.id = s.name WHERE s.hour = ?"
_ADD: Final = """
INSERT INTO traffic VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, key) DO UPDATE SET
    submitted = submitted + excluded.submitted, refused = refused + excluded.refused,
    tagged = tagged + excluded.tagged, delivered = delivered + excluded.delivered, failed = failed + excluded.failed
"""
_ADD_SUM: Final = """
INSERT INTO sums VALUES (?, ?, ?, ?) ON CONFLICT (hour, name) DO UPDATE SET
    delivered = delivered + excluded.delivered, failed = failed + excluded.failed
"""
_ADD_HOUR: Final = """
INSERT INTO hours VALUES (?, ?, ?, ?) ON CONFLICT (hour) DO UPDATE SET
    since = min(since, excluded.since), latest = max(latest, excluded.latest), lost = lost + excluded.lost
"""
_DELIVERED: Final = """
SELECT h.since, h.latest, s.delivered - s.failed FROM names n CROSS JOIN hours h CROSS JOIN sums s
WHERE n.kind = ? AND n.name = ? AND h.hour BETWEEN ? AND ? AND s.hour = h.hour AND s.name = n.id
"""

Key = tuple[str, str, str, str, str, str, str, int, int]
K = TypeVar("K", bound=Hashable)


class Total(NamedTuple):
    """`group` has the values of the columns asked for, in their order."""

    group: tuple[str | int, ...]
    submitted: int
    refused: int
    tagged: int
    delivered: int
    failed: int


class _Pending:
    """What came since the last flush; at most `most` keys, and OTHERS."""

    def __init__(self, most: int) -> None:
        self.counts: dict[tuple[int, Key], list[int]] = {}
        self.spans: dict[int, tuple[float, float]] = {}
        self._most = most

    def add(self, hour: int, key: Key, counts: Sequence[int]) -> None:
        found = self.counts.get((hour, key))
        if found is None and len(self.counts) >= self._most:
            key = others(key)
            found = self.counts.get((hour, key))
        if found is None:
            self.counts[hour, key] = list(counts)
            return
        submitted, refused, tagged, delivered, failed = counts
        found[0] += submitted
        found[1] += refused
        found[2] += tagged
        found[3] += delivered
        found[4] += failed

    def span(self, hour: int, since: float, latest: float) -> None:
        before = self.spans.get(hour, (since, latest))
        self.spans[hour] = min(since, before[0]), max(latest, before[1])

    def merge(self, other: "_Pending") -> None:
        for (hour, key), counts in other.counts.items():
            self.add(hour, key, counts)
        for hour, span in other.spans.items():
            self.span(hour, *span)


class _Admitted(NamedTuple):
    """The ids that an hour has rows for."""

    keys: set[int]
    names: set[int]


def others(key: Key) -> Key:
    """The key of what is beyond the limit: the kind of content is all that is left."""
    return OTHERS, OTHERS, OTHERS, OTHERS, OTHERS, OTHERS, OTHERS, key[7], key[8]


class Traffic:
    """The store; any thread may ask and add. `keys_an_hour` bounds the rows of an hour (some 30 octets each) and the
    names whose delivery is kept. A broken file is set aside, as `set_aside`, and a new one begun. Raises TrafficError.
    """

    def __init__(
        self, path: Path, *, retention_days: int = 183, keys_an_hour: int = 20_000, readonly: bool = False
    ) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._hours_kept = retention_days * 24
        self._keys_an_hour = keys_an_hour
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._pending = _Pending(2 * keys_an_hour)
        self._forget_ids()
        try:
            if not readonly:
                self._writer = self._opened()
            self._reader = connect(path, readonly=readonly)
        except (sqlite3.Error, OSError) as error:
            raise TrafficError(f"{path}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return connect(self.path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.set_aside = set_aside(self.path)
            return connect(self.path)

    def _forget_ids(self) -> None:
        self._admitted: dict[int, _Admitted] = {}
        self._ids: dict[Key, int] = {}
        self._names: dict[tuple[str, str], int] = {}

    # ---- writing

    def add(self, rows: Iterable[TallyRow], at: float) -> None:
        """Count what was swept at epoch second `at`. In memory only, until `flush`."""
        hour = int(at // HOUR)
        with self._adding:
            pending = self._pending
            for row in rows:
                key = (
                    row.account, row.enterprise, row.port, row.number, row.holder, row.signature, row.owner,
                    row.category, row.industry,
                )  # fmt: skip
                pending.add(hour, key, (row.submitted, row.refused, row.tagged, row.delivered, row.failed))
            pending.span(hour, at, at)

    def flush(self) -> None:
        """Write what was added. What cannot be written waits for the next time; raises TrafficError."""
        with self._writing:
            with self._adding:
                pending, self._pending = self._pending, _Pending(2 * self._keys_an_hour)
            if not pending.spans:
                return
            try:
                with self._writer:
                    self._write(pending)
                    self._drop_old_hours()
            except sqlite3.Error as error:
                # What was given an id in the transaction has none now.
                self._forget_ids()
                with self._adding:
                    self._pending.merge(pending)
                raise TrafficError(f"{self.path}: {error}") from error

    def _write(self, pending: _Pending) -> None:
        if len(self._ids) >= _IDS_REMEMBERED or len(self._names) >= _IDS_REMEMBERED:
            self._forget_ids()
        rows: dict[tuple[int, int], list[int]] = {}
        sums: dict[tuple[int, int], list[int]] = {}
        lost = dict.fromkeys(pending.spans, 0)
        for (hour, key), counts in pending.counts.items():
            admitted = self._admitted_to(hour)
            id = self._admit(hour, key, counts[3] > 0, admitted.keys)
            if not id:
                lost[hour] += 1
                id = self._admit(hour, others(key), True, admitted.keys)
            _add(rows, (hour, id), counts)
            if counts[3] or counts[4]:
                for name in ((PORT, key[2]), (SIGNATURE, key[5])):
                    named = self._name(hour, name, admitted.names)
                    if named:
                        _add(sums, (hour, named), counts[3:])
        # In the order of the pages.
        self._writer.executemany(_ADD, ((*place, *rows[place]) for place in sorted(rows)))
        self._writer.executemany(_ADD_SUM, ((*place, *sums[place]) for place in sorted(sums)))
        self._writer.executemany(_ADD_HOUR, ((hour, *span, lost[hour]) for hour, span in pending.spans.items()))

    def _admitted_to(self, hour: int) -> _Admitted:
        """What has a row in the hour; the ids of all of it are remembered from then on."""
        found = self._admitted.get(hour)
        if found is None:
            found = self._admitted[hour] = _Admitted(set(), set())
            for id, *key in self._writer.execute(_KEYS_OF, (hour,)):
                self._ids[tuple(key)] = id
                found.keys.add(id)
            for id, kind, name in self._writer.execute(_NAMES_OF, (hour,)):
                self._names[kind, name] = id
                found.names.add(id)
            while len(self._admitted) > _HOURS_REMEMBERED:
                del self._admitted[next(iter(self._admitted))]
        return found

    def _admit(self, hour: int, key: Key, delivered: bool, admitted: set[int]) -> int:
        """The id of a key that has, or now gets, a row in the hour; 0 when the hour is full."""
        id = self._ids.get(key, 0)
        if id in admitted:
            return id
        # Without a question to the file: where it rains new keys, nearly all of them end here.
        if key[0] != OTHERS and len(admitted) >= (self._keys_an_hour if delivered else self._keys_an_hour // 2):
            return 0
        id = id or self._id(_FIND, key)
        id = id or self._inserted("INSERT INTO keys VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", key)
        self._ids[key] = id
        admitted.add(id)
        self._writer.execute("UPDATE keys SET last_hour = max(last_hour, ?) WHERE id = ?", (hour, id))
        return id

    def _name(self, hour: int, name: tuple[str, str], admitted: set[int]) -> int:
        """The id of a port or signature whose delivery is kept, 0 when it is not."""
        id = self._names.get(name, 0)
        if id in admitted:
            return id
        if not name[1] or name[1] == OTHERS or len(admitted) >= self._keys_an_hour:
            return 0
        id = id or self._id("SELECT id FROM names WHERE kind = ? AND name = ?", name)
        id = id or self._inserted("INSERT INTO names VALUES (NULL, ?, ?, 0)", name)
        self._names[name] = id
        admitted.add(id)
        self._writer.execute("UPDATE names SET last_hour = max(last_hour, ?) WHERE id = ?", (hour, id))
        return id

    def _id(self, question: str, values: Sequence[str | int]) -> int:
        row = self._writer.execute(question, values).fetchone()
        return 0 if row is None else int(row[0])

    def _inserted(self, statement: str, values: Sequence[str | int]) -> int:
        return self._writer.execute(statement, values).lastrowid or 0

    def _drop_old_hours(self) -> None:
        """Drop the oldest hours beyond those that are kept, and the keys that only they had."""
        execute = self._writer.execute
        beyond = min(self._id("SELECT count(*) FROM hours", ()) - self._hours_kept, _HOURS_DROPPED_AT_ONCE)
        if beyond <= 0:
            return
        dropped = [hour for (hour,) in execute("SELECT hour FROM hours ORDER BY hour LIMIT ?", (beyond,))]
        for table in ("traffic", "sums", "hours"):
            execute(f"DELETE FROM {table} WHERE hour <= ?", (dropped[-1],))
        for table in ("keys", "names"):
            execute(f"DELETE FROM {table} WHERE last_hour <= ?", (dropped[-1],))
        self._forget_ids()

    # ---- questions

    def delivered(self, kind: str, name: str, since: float, until: float) -> int:
        """Messages answered with status 0 and not reported failed, from a registered port (`kind` PORT) or under a
        signature (SIGNATURE), from `since` to `until` (epoch seconds). Of an hour that lies in there only in part, a
        like part is taken. What was not flushed is not seen."""
        rows = self._ask(_DELIVERED, (kind, name, int(since // HOUR), int(until // HOUR)))
        total: float = sum(count * _share(first, latest, since, until) for first, latest, count in rows)
        return max(round(total), 0)

    def known_since(self) -> float | None:
        """Epoch second of the oldest count, None when there is none."""
        found = self._ask("SELECT since FROM hours ORDER BY hour LIMIT 1", ())
        return float(found[0][0]) if found else None

    def totals(
        self,
        since: float,
        until: float,
        by: Sequence[str] = (),
        where: Mapping[str, str | int] | None = None,
        *,
        utc_offset: int = 0,
    ) -> list[Total]:
        """The hours that begin in [since, until), added up by columns of COLUMNS and TIMES (an hour as epoch seconds, a
        day as days since the epoch at `utc_offset` seconds), of those keys that have the values of `where`. ValueError
        for columns that there are not."""
        rows = self._ask(*totals_question(since, until, by, where or {}, utc_offset))
        return [Total(tuple(row[: len(by)]), *row[len(by) :]) for row in rows]

    def lost_keys(self) -> int:
        """How often a key was sent to OTHERS in the hours that are kept."""
        return int(self._ask("SELECT coalesce(sum(lost), 0) FROM hours", ())[0][0])

    def _ask(self, question: str, values: Any) -> list[Any]:
        with self._reading:
            try:
                return self._reader.execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise TrafficError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Let go of the file; what was not flushed is lost."""
        with self._writing, self._reading:
            self._reader.close()
            if hasattr(self, "_writer"):
                self._writer.close()


def _add(into: dict[K, list[int]], place: K, counts: Sequence[int]) -> None:
    found = into.get(place)
    if found is None:
        into[place] = list(counts)
        return
    for n, count in enumerate(counts):
        found[n] += count


def _share(first: float, latest: float, since: float, until: float) -> float:
    """Which part of what came from `first` to `latest` came from `since` to `until`."""
    if latest <= first:
        return 1.0 if since <= latest <= until else 0.0
    return min(max((min(latest, until) - max(first, since)) / (latest - first), 0.0), 1.0)
