"""Commits revocations off the path: a thread that waits for the disk, so that nobody else does.

Nouns: revocations are *numbered* from 1 in the order in which they come; `committed` is the last number of which it and
all before it are on the disk. What came while one commit was written goes into the next one. A disk that does not take
it is said once and tried again each second; meanwhile revocations wait, and beyond `limit` of them no more are taken.

The thread never touches a view. Where the map has to change no view may be open, so it asks the views' thread to do it
(`wanted`, `mapping`).
"""

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import lmdb

from portguard.consent.edit import Edit
from portguard.consent.store import ConsentError, Store, plain

GROW: Final = "grow"
FOLLOW: Final = "follow"

_BATCH: Final = 2000
_RETRY_SECONDS: Final = 1.0
_log: Final = logging.getLogger("portguard.consent")


class Revocation(NamedTuple):
    """One opt-out on its way to the disk."""

    enterprise: str
    subscriber: str
    at: float
    source: str


class LedgerFull(ConsentError):
    """Too many revocations wait for the disk. This one was not taken: it must not be acknowledged."""


class Writer:
    """The thread and its queue; `put` is for one thread, the attributes may be read by any."""

    def __init__(self, store: Store, limit: int, on_commit: Callable[[int], None] | None) -> None:
        self.queued = 0
        self.committed = 0
        self.error = ""
        self.wanted = ""
        # Held while this thread has a transaction; whoever changes the map holds it, too.
        self.mapping = threading.Lock()
        self._store = store
        self._limit = limit
        self._on_commit = on_commit
        self._queue: SimpleQueue[Revocation | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._mapped = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consent-writer", daemon=True)
        self._thread.start()

    def put(self, revocation: Revocation) -> int:
        """Take a revocation and give its number; never blocks. Raises LedgerFull, and then has not taken it."""
        if self.queued - self.committed >= self._limit:
            why = f": {self.error}" if self.error else ""
            raise LedgerFull(f"{self._limit:,} revocations wait to be committed, no more are taken{why}")
        self.queued += 1
        self._queue.put(revocation)
        return self.queued

    def wait(self, number: int, timeout: float) -> bool:
        """Block until a revocation is committed; False when it is not after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.committed >= number, timeout)

    def remapped(self) -> None:
        """The map was changed as `wanted`."""
        self.wanted = ""
        self._mapped.set()

    @property
    def ended(self) -> bool:
        """The thread is gone; one that hangs in a dead disk still needs the store."""
        return not self._thread.is_alive()

    def close(self, timeout: float) -> bool:
        """Commit what waits and end; no view may be open any more. False when something could not be committed."""
        self._closing.set()
        self._mapped.set()
        self._queue.put(None)
        self._thread.join(timeout)
        lost = self.queued - self.committed
        if lost:
            _log.error("revocations that were never acknowledged are not committed",
                       extra={"count": lost, "reason": self.error or "the writer does not end"})  # fmt: skip
        return lost == 0

    def _run(self) -> None:
        while batch := self._next_batch():
            if not self._commit(batch):
                return
            with self._changed:
                self.committed += len(batch)
                self._changed.notify_all()
            if self._on_commit is not None:
                try:
                    self._on_commit(self.committed)
                except Exception:
                    _log.exception("whoever waits for commits failed")

    def _next_batch(self) -> list[Revocation]:
        batch: list[Revocation] = []
        while len(batch) < _BATCH:
            try:
                one = self._queue.get(block=not batch)
            except Empty:
                break
            if one is None:
                if batch:
                    self._queue.put(None)
                break
            batch.append(one)
        return batch

    def _commit(self, batch: list[Revocation]) -> bool:
        """True once the batch is on the disk, False when the ledger is closed and it cannot be."""
        while True:
            try:
                with self.mapping, Edit(self._store) as edit:
                    for one in batch:
                        edit.revoke(*one)
            except (lmdb.MapFullError, lmdb.MapResizedError) as error:
                if not self._remap(FOLLOW if isinstance(error, lmdb.MapResizedError) else GROW):
                    return False
            except Exception as error:
                # Whatever it is, the thread goes on: without it nothing would ever be committed again.
                last = self._closing.is_set()
                self._failed(plain(error, self._store.path))
                if last:
                    return False
                self._closing.wait(_RETRY_SECONDS)
            else:
                if self.error:
                    _log.warning("the consent ledger takes revocations again")
                    self.error = ""
                return True

    def _failed(self, why: str) -> None:
        if why != self.error:
            _log.error("revocations cannot be committed; they wait in memory", extra={"reason": why})
        self.error = why

    def _remap(self, wanted: str) -> bool:
        """Have the map changed; False when it cannot be."""
        if self._closing.is_set():
            try:
                self._store.follow() if wanted == FOLLOW else self._store.grow()
            except (lmdb.Error, OSError) as error:
                self._failed(plain(error, self._store.path))
                return False
            return True
        self._mapped.clear()
        self.wanted = wanted
        if self._closing.is_set():
            # Closed meanwhile: the views' thread has gone, and does not answer.
            self._mapped.set()
        self._mapped.wait()
        return True
