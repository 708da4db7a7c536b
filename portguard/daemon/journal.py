"""The evidence journal as the main process has it: its writer is a child, events go in, workers get their sockets.

Nouns: to *emit* is to put an event into the journal, without waiting; its *state* is what the writer said last. A
writer that ends is started again for as long as the daemon runs; meanwhile events wait here and records in the workers.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Callable
from time import time
from typing import Any, Final

import msgspec

from portguard.daemon.child import Child, CrashLoop, how
from portguard.daemon.member import Member
from portguard.daemon.state import StateFolder
from portguard.daemon.workers import Workers
from portguard.evidence.client import Events
from portguard.evidence.keys import KEY
from portguard.evidence.reader import Reader
from portguard.evidence.wire import FAILING, OK, Status
from portguard.evidence.writer import WriterSettings
from portguard.settings.schema import Settings
from portguard.telemetry.sources import Sources

MODULE: Final = "portguard.evidence.writer"
NAME: Final = "the journal's writer"
START_SECONDS: Final = 300.0
LAST_SECONDS: Final = 5.0
# It gives itself five seconds for what is left.
END_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 30.0
ALERTS_KEPT: Final = 20
MOST_ALERTS_WAITING: Final = 1_000
ALERTS: Final = ("evidence_full", "evidence_failing", "evidence_recovered", "mqtt_records_missing")

Fields = dict[str, object]

log = logging.getLogger("portguard.daemon")


class JournalError(Exception):
    """The journal cannot be opened; the message says why."""


class Journal:
    """`start` and `ready` before anything is served, `serve` the workers, `close` after they have ended."""

    def __init__(self, settings: Settings, state: StateFolder) -> None:
        self.path = settings.evidence.path
        # The newest of this life, whether they are on the disk by now or not.
        self.latest_alerts: deque[Fields] = deque(maxlen=ALERTS_KEPT)
        # All there may be, at nothing: a counter that begins with 1 has not risen, to Prometheus.
        self.alerts: Counter[str] = Counter(dict.fromkeys(ALERTS, 0))
        self._tell_alert: list[Callable[[Fields], None]] = []
        # Those that are not known to be on the disk, by their ids as events.
        self._alerts_waiting: deque[tuple[int, Fields]] = deque(maxlen=MOST_ALERTS_WAITING)
        self._settings = WriterSettings(settings.evidence, settings.node.id, settings.node.country, state.path / KEY)
        self._events = Events(self._heard, None)
        self._workers: Workers | None = None
        self._first: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._state = OK
        # When the last record became durable (epoch seconds), or this process began to look.
        self.advanced = time()
        self._number = 0
        self._end: socket.socket | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._child = self._new_child()
        self.lives = 0

    # ---- its life

    async def start(self) -> None:
        """Start the writer. Raises OSError."""
        await self._child.start()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def ready(self) -> None:
        """Return once the journal is open; that may take as long as reading one segment. Raises JournalError."""
        try:
            async with asyncio.timeout(START_SECONDS):
                problem = await asyncio.shield(self._first)
        except TimeoutError:
            problem = f"it is not open after {START_SECONDS:.0f} s"
        if problem:
            raise JournalError(f"evidence.path: {problem}")

    def serve(self, workers: Workers) -> None:
        """From now on every worker that serves gets a socket to the writer."""
        self._workers = workers
        workers.came_up = self._give

    async def close(self) -> list[str]:
        """Wait for what is still to be written, for some seconds, and end the writer. What is to be said when that was
        not all."""
        self._child.stopping()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._events.durable(self._events.last)
        self._events.close()
        code = await self._child.stop(END_SECONDS)
        if self._keeping is not None:
            self._keeping.cancel()
        if code or (code is None and self._events.waiting):
            why = self.status.reason or (f"{NAME} ended {how(code)}" if code else "it has no writer")
            return [f"the evidence journal lacks the last records: {why}"]
        return []

    def _new_child(self) -> Child:
        told = msgspec.json.encode(self._settings, enc_hook=str).decode()
        return Child(NAME, ["-m", MODULE, told], self._sockets, self._began, self._ended)

    async def _keep(self) -> None:
        """For ever: without a journal nothing is refused for good, but messages pass."""
        while True:
            try:
                await self._child.keep()
                return
            except CrashLoop as error:
                log.error("the journal cannot be written", extra={"reason": str(error), "seconds": AGAIN_SECONDS})
                self._events.gone(str(error))
            await asyncio.sleep(AGAIN_SECONDS)
            self._child = self._new_child()
            with contextlib.suppress(OSError):
                await self._child.start()

    def _sockets(self) -> list[socket.socket]:
        self._end, other = socket.socketpair()
        return [other]

    def _began(self) -> None:
        assert self._end is not None
        self.lives += 1
        self._events.attach(self._end)
        for member in self._workers.serving if self._workers is not None else ():
            self._give(member)

    def _ended(self, code: int) -> None:
        self._events.hear()
        if not self._first.done():
            self._first.set_result(f"{NAME} ended {how(code)}")

    def _give(self, member: Member) -> None:
        """A worker's socket to the present writer."""
        if member.channel is None:
            return
        try:
            sock = self._events.add_client(member.name)
        except OSError as error:
            log.error(f"{member.name} has no journal", extra={"reason": error.strerror})
            return
        member.channel.push("journal", None, [sock])

    # ---- events and state

    def emit(self, kind: str, fields: dict[str, object]) -> None:
        """Put an event into the journal; never blocks. `at` is added where it is absent."""
        if kind != "alert":
            self._events.emit(kind, fields)
            return
        fields = {"at": time(), **fields, "id": os.urandom(8).hex()}
        self.alerts[str(fields.get("alert", ""))] += 1
        self.latest_alerts.append(fields)
        self._alerts_waiting.append((self._events.emit(kind, fields), fields))
        self._forget_durable()
        if self._state != OK:
            self._say_at_once([fields])

    def hear_alerts(self, tell: Callable[[Fields], None]) -> None:
        """Alerts that the journal cannot take at the moment are told at once; they are in it later, with the same
        `id`."""
        self._tell_alert.append(tell)
        if self._state != OK:
            for _, fields in self._alerts_waiting:
                tell(fields)

    def _say_at_once(self, alerts: list[Fields]) -> None:
        for fields in alerts:
            level = logging.INFO if fields.get("severity") == "info" else logging.WARNING
            log.log(level, "alert, while the journal cannot be written", extra={
                name: fields[name] for name in ("alert", "severity", "summary") if name in fields
            })  # fmt: skip
            for tell in self._tell_alert:
                tell(fields)

    def _forget_durable(self) -> None:
        while self._alerts_waiting and self._alerts_waiting[0][0] <= self._events.acknowledged:
            self._alerts_waiting.popleft()

    def reader(self) -> Reader:
        """A reader of the journal, for one consumer."""
        return Reader(self.path)

    @property
    def pid(self) -> int:
        """The writer's process id, 0 while there is none."""
        return self._child.pid

    @property
    def waiting(self) -> int:
        """Octets of events that are not durable yet."""
        return self._events.waiting

    @property
    def status(self) -> Status:
        """What the writer said last."""
        return self._events.status

    def facts(self) -> dict[str, Any]:
        """What `status` shows; `number` and `head` are worth noting elsewhere, for `portguard evidence verify`."""
        status = self.status
        return {
            "state": status.state, "reason": status.reason, "number": status.number, "head": status.head,
            "records": status.records, "queue": status.queue, "segments": status.segments, "octets": status.octets,
            "restarts": max(self.lives - 1, 0),
        }  # fmt: skip

    def _heard(self, status: Status) -> None:
        if not self._first.done():
            self._first.set_result(status.reason if status.state == FAILING and not status.number else "")
        self._forget_durable()
        if status.number != self._number:
            self._number, self.advanced = status.number, time()
        if status.state == self._state:
            return
        could, self._state = self._state == OK, status.state
        if could:
            # What was emitted just before, and has not got to the disk either.
            self._say_at_once([fields for _, fields in self._alerts_waiting])
        if status.state == OK:
            fields = {"alert": "evidence_recovered", "severity": "info", "summary": "The journal is written again."}
        else:
            fields = {
                "alert": f"evidence_{status.state}", "severity": "critical",
                "summary": f"The evidence journal cannot be written ({status.reason}): records wait.",
            }  # fmt: skip
        self.emit("alert", {**fields, "subject": {}, "evidence": {"reason": status.reason, "queue": status.queue}})

    @property
    def lost(self) -> int:
        """Events that were not taken, since too many waited."""
        return self._events.lost


def journal_metrics_of(journal: Journal, metrics: Sources) -> None:
    """Add what is known of the journal."""

    def one(read: Callable[[], float]) -> Callable[[], list[tuple[tuple[str, ...], float]]]:
        return lambda: [((), read())]

    metrics.counter(
        "evidence_records", "Records that the journal's present writer has made durable", (),
        one(lambda: journal.status.records),
    )
    metrics.gauge(
        "evidence_queue_records", "Records with the journal's writer that are not durable yet", (),
        one(lambda: journal.status.queue),
    )
    metrics.gauge(
        "evidence_number", "Number of the journal's last durable record", (), one(lambda: journal.status.number)
    )
    metrics.gauge(
        "evidence_last_record_timestamp_seconds", "When the journal's last record became durable, or the daemon began",
        (), one(lambda: journal.advanced),
    )
    metrics.gauge("evidence_bytes", "Size of the journal's segments", (), one(lambda: journal.status.octets))
    metrics.gauge(
        "evidence_writable", "0 while the journal cannot be written", (), one(lambda: journal.status.state == OK)
    )
    metrics.counter(
        "alerts", "Alerts by name: complaints, signs, the journal's own", ("alert",),
        lambda: [((name,), float(count)) for name, count in sorted(journal.alerts.items())],
    )
    metrics.counter(
        "evidence_writer_restarts", "Times that the journal's writer was started again", (),
        one(lambda: max(journal.lives - 1, 0)),
    )
    metrics.counter(
        "evidence_events_lost", "Events that were not taken, since too many waited", (), one(lambda: journal.lost)
    )
