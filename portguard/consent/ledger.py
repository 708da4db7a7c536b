"""The ledger as the decision sees it (`policy.ledger`): a look at the map, the overlay, and a writer behind.

A process opens its `Ledger` after the fork and asks it from one thread. `tick` takes up what other processes have
committed. A revocation counts for the next `judge` at once; it may be acknowledged to whoever sent it when `committed`
has reached its number, which is `queued` just after the call.
"""

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import lmdb

from portguard.consent.edit import Edit, Entry
from portguard.consent.options import ConsentOptions
from portguard.consent.record import ATTRIBUTE, NEVER, SUBSCRIBER, seconds, subscriber_key, times
from portguard.consent.senders import Senders
from portguard.consent.standing import REVOCATION, Standing, Weighed, answer, standing, weigh, written
from portguard.consent.store import MAP_SIZE, ConsentError, Store, View, plain
from portguard.consent.writer import FOLLOW, GROW, Revocation, Writer
from portguard.policy.ledger import COUNTS, MISSING, REVOKED

RENEWED_EVERY: Final = 0.09
LONGEST_SOURCE: Final = 64
_FORGOTTEN_AT_ONCE: Final = 5000
_log: Final = logging.getLogger("portguard.consent")


class OnFile(NamedTuple):
    """One record for people. `expires` is None where there is no end; times are epoch seconds."""

    kind: str
    source: str
    categories: tuple[str, ...]
    at: int
    expires: int | None
    proof: str

    def fields(self, zone: ZoneInfo) -> dict[str, str]:
        """Those that say something, in the words of the import."""
        return {
            name: value
            for name, value in (
                ("revoked_at" if self.kind == REVOCATION else "granted_at", written(self.at, zone)),
                ("source", self.source),
                ("categories", "|".join(self.categories)),
                ("expires_at", "" if self.expires is None else written(self.expires, zone)),
                ("proof", self.proof),
            )
            if value
        }


class _AllWeighed(dict[bytes, Weighed]):
    """Attributes by id, each read and weighed once; an id means the same for ever."""

    def __init__(self, options: ConsentOptions) -> None:
        super().__init__()
        self._options = options
        self.view: View | None = None

    def __missing__(self, id: bytes) -> Weighed:
        if self.view is None:
            raise KeyError(id)
        weighed = self[id] = weigh(self.view.attribute(id), self._options)
        return weighed


class Ledger:
    """Implements `policy.ledger.Ledger`. For one thread; `committed` and `error` may be read by any.

    `readonly`: for tools that only look. A ledger that is not there yet is then an empty one. `on_commit` is called
    with `committed` by the writer's thread. Raises ConsentError.
    """

    def __init__(
        self,
        path: Path | str,
        options: ConsentOptions,
        *,
        readonly: bool = False,
        on_commit: Callable[[int], None] | None = None,
        map_size: int = MAP_SIZE,
    ) -> None:
        self._store: Store | None = None
        self._view: View | None = None
        self._writer: Writer | None = None
        self._senders = Senders(options.remembered)
        self._ids: dict[str, bytes] = {}
        self._weighed = _AllWeighed(options)
        # What this process has revoked and the view does not show: (enterprise, subscriber) -> (at, number).
        self._overlay: dict[tuple[str, str], tuple[int, int]] = {}
        self._pending: deque[tuple[int, tuple[str, str]]] = deque()
        self._renewed = float("-inf")
        self._second = int(time())
        try:
            if readonly and not (Path(path) / "data.mdb").exists():
                return
        except OSError as error:
            raise ConsentError(f"{path}: the consent ledger cannot be opened: {plain(error)}") from error
        self._store = Store(path, readonly=readonly, map_size=map_size)
        self._look()
        if not readonly:
            self._writer = Writer(self._store, options.queue, on_commit)

    # ---- on the path

    def judge(self, enterprise: str, subscriber: str, content: int, at: float) -> int:
        """COUNTS, REVOKED or MISSING; `content` is category * 16 + industry, `at` epoch seconds."""
        key = subscriber_key(subscriber)
        if not key:
            return MISSING
        revoked = -1
        if self._overlay:
            pending = self._overlay.get((enterprise, subscriber))
            if pending is not None:
                revoked = pending[0]
        id = self._ids.get(enterprise) or self._find(enterprise)
        if not id:
            return MISSING if revoked < 0 else REVOKED
        if not self._seek(id, key) or (record := self._value())[:SUBSCRIBER] != key:
            return MISSING if revoked < 0 else REVOKED
        records = [record]
        while self._next() and (more := self._value())[:SUBSCRIBER] == key:
            records.append(more)
        if len(records) == 1 and revoked < 0:
            # What most pairs come to; `answer` has the rules.
            weighed = self._weighed[record[ATTRIBUTE]]
            if weighed.accepted:
                since, expires = times(record)
                fits = since <= at and (at < expires or expires == NEVER) and weighed.permits[content] == 1
                return COUNTS if fits else MISSING
        return answer(records, revoked, self._weighed, content, at)

    def sent(self, number: str, subscriber: str, enterprise: str) -> None:
        """Marketing of this enterprise goes from this number to this subscriber."""
        self._senders.sent(number, subscriber, enterprise, self._second)

    def last_sender(self, number: str, subscriber: str) -> str:
        """Who last sent this subscriber marketing from this number, "" when that is not remembered."""
        return self._senders.last(number, subscriber)[0]

    def last_sent(self, number: str, subscriber: str) -> tuple[str, int]:
        """The same with the epoch second, for whoever compares what several processes remember."""
        return self._senders.last(number, subscriber)

    def revoke(self, enterprise: str, subscriber: str, at: float, source: str) -> None:
        """An opt-out: counts at once, and is committed by the writer. Never waits.

        Raises LedgerFull when too many wait for the disk; it does not count then and must not be acknowledged. A number
        nobody can have never has a consent that counts, and is left alone. ValueError for names that are no text and
        times that are no numbers.
        """
        if self._writer is None:
            raise ConsentError("the ledger is open for reading only")
        if not subscriber.isdecimal() or not subscriber.isascii() or not subscriber_key(subscriber):
            return
        since = seconds(at)
        # What could not be written later is refused now, while there is somebody to tell.
        (enterprise + source).encode()
        number = self._writer.put(Revocation(enterprise, subscriber, since, source.strip().lower()[:LONGEST_SOURCE]))
        pair = enterprise, subscriber
        before = self._overlay.get(pair)
        self._overlay[pair] = (since if before is None else max(since, before[0]), number)
        self._pending.append((number, pair))

    def tick(self, now: float) -> None:
        """Every 100 ms, `now` monotonic: see what was committed meanwhile, by whatever process."""
        if 0 <= now - self._renewed < RENEWED_EVERY:
            return
        self._renewed = now
        self._second = int(time())
        self._renew()

    # ---- beside the path

    @property
    def queued(self) -> int:
        """The number of the last revocation taken."""
        return 0 if self._writer is None else self._writer.queued

    @property
    def committed(self) -> int:
        """The number up to which all revocations are on the disk."""
        return 0 if self._writer is None else self._writer.committed

    @property
    def error(self) -> str:
        """Why revocations cannot be committed at present, "" when they can."""
        return "" if self._writer is None else self._writer.error

    def wait(self, number: int, timeout: float) -> bool:
        """Block until revocation `number` is committed; False when it is not after about `timeout` seconds."""
        if self._writer is None:
            return False
        for _ in range(int(timeout / 0.05) + 1):
            if self._writer.wait(number, min(timeout, 0.05)):
                return True
            self._renew()
        return False

    def put(self, entries: list[Entry]) -> int:
        """Put entries on file at once, and wait for the disk; how many pairs changed. Raises ConsentError."""
        store, writer = self._store, self._writer
        if store is None or writer is None:
            raise ConsentError("the ledger is open for reading only")
        while True:
            try:
                with writer.mapping, Edit(store) as edit:
                    changed = edit.put(entries)
            except (lmdb.MapFullError, lmdb.MapResizedError) as error:
                self._remap(store, writer, GROW if isinstance(error, lmdb.MapFullError) else FOLLOW)
            except (lmdb.Error, OSError) as error:
                raise ConsentError(f"{store.path}: {plain(error, store.path)}") from error
            else:
                self._renew()
                return changed

    def knows(self, enterprise: str) -> bool:
        """Was anything ever on file of it?"""
        return bool(self._find(enterprise))

    def look(self, enterprise: str, subscriber: str) -> list[OnFile]:
        """Everything committed of a pair, oldest first."""
        id, records = self._records(enterprise, subscriber)
        found = []
        for record in sorted(records, key=times):
            attribute = self._weighed[record[ATTRIBUTE]].attribute
            since, expires = times(record)
            proof = self._view.proof(id, record) if self._view is not None else ""
            ends = expires if 0 < expires < NEVER else None
            found.append(OnFile(attribute.kind, attribute.source, attribute.categories, since, ends, proof))
        return found

    def why(self, enterprise: str, subscriber: str, content: int, at: float, zone: ZoneInfo) -> Standing:
        """What `judge` answers, with the reason in words."""
        pending = self._overlay.get((enterprise, subscriber), (-1, 0))[0]
        _, records = self._records(enterprise, subscriber)
        return standing(records, pending, self._weighed, content, at, zone)

    def warm(self) -> None:
        """Read the whole ledger once, so that no lookup waits for the disk. Takes a while; any thread may call it."""
        if self._store is not None:
            self._store.warm()

    def close(self, timeout: float = 10.0) -> bool:
        """Commit what waits and let go of the ledger. False when something could not be committed in time."""
        done = True
        if self._view is not None:
            self._view.close()
        if self._writer is not None:
            done = self._writer.close(timeout)
        if self._store is not None and (self._writer is None or self._writer.ended):
            self._store.close()
        self._view = self._weighed.view = self._store = None
        self._ids.clear()
        return done

    def _records(self, enterprise: str, subscriber: str) -> tuple[bytes, list[bytes]]:
        id, key = self._ids.get(enterprise) or self._find(enterprise), subscriber_key(subscriber)
        if not id or not key or self._view is None:
            return b"", []
        return id, self._view.records(id, key)

    def _find(self, enterprise: str) -> bytes:
        """An enterprise's id, b"" while nothing is on file of it."""
        id = None if self._view is None else self._view.enterprise(enterprise)
        if id is None:
            return b""
        self._ids[enterprise] = id
        return id

    def _renew(self) -> None:
        store, writer = self._store, self._writer
        if store is None:
            return
        committed = self.committed
        if writer is not None and writer.wanted:
            self._remap(store, writer, writer.wanted)
        else:
            try:
                self._look()
            except lmdb.MapResizedError:
                self._remap(store, writer, FOLLOW)
        self._forget(committed)

    def _look(self) -> None:
        """A new view in place of the old one, which stays when there cannot be a new one."""
        if self._store is None:
            return
        view, old = self._store.view(), self._view
        self._view = self._weighed.view = view
        self._seek, self._value, self._next = view.seek, view.value, view.next
        if old is not None:
            old.close()

    def _remap(self, store: Store, writer: Writer | None, wanted: str) -> None:
        """Change the map while nobody uses it; when the writer is at work, at the next tick."""
        if writer is not None and not writer.mapping.acquire(blocking=False):
            return
        try:
            if self._view is not None:
                self._view.close()
                self._view = None
            try:
                store.follow() if wanted == FOLLOW else store.grow()
            except (lmdb.Error, OSError) as error:
                _log.error("the consent ledger's map cannot grow", extra={"reason": plain(error)})
            self._look()
        finally:
            if writer is not None:
                writer.mapping.release()
                writer.remapped()

    def _forget(self, committed: int) -> None:
        """What the view shows needs no overlay; a bounded number of them at a time."""
        pending = self._pending
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not pending or pending[0][0] > committed:
                return
            number, pair = pending.popleft()
            if self._overlay[pair][1] <= number:
                del self._overlay[pair]
