"""The office of `portguard top`: the command that gives a snapshot of the node, from what is counted anyway.

The path is asked for nothing that /metrics does not ask for, but its links: those are read again only when that has
taken less than a fiftieth of the time. Snapshots are made at most once a second, however many people look.
"""

import asyncio
import contextlib
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time
from typing import Any, Final

import msgspec

from portguard.daemon import snapshot as s
from portguard.daemon.control import Request
from portguard.daemon.desk import Desk
from portguard.daemon.orders import Session
from portguard.daemon.process import cpu_seconds, resident_bytes, running_seconds
from portguard.daemon.wiring import build_facts
from portguard.evidence.reader import Reader
from portguard.evidence.rows import VIOLATION
from portguard.telemetry.log import hide_numbers, mask
from portguard.telemetry.sources import Reading, add_up

EVERY: Final = 1.0
SHARE: Final = 50
MOST_LINKS: Final = 200
MOST_ACCOUNTS: Final = 200
MOST_RESTRAINTS: Final = 200
LATEST: Final = 20
# Of the newest records so many are looked at for violations.
LOOKED_AT: Final = 100
SHOWN: Final = (
    "at", "account", "number", "signature", "category", "rule", "code", "action", "subscriber", "status",
)  # fmt: skip


@contextlib.asynccontextmanager
async def showing(desk: Desk) -> AsyncIterator[None]:
    """Open while the node can be looked at."""
    shown = Showing(desk)

    async def top(request: Request) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(await shown.snapshot())
        return found

    desk.commands["top"] = top
    try:
        yield
    finally:
        shown.close()


class Showing:
    """`snapshot` as often as somebody looks, `close` at the end."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = asyncio.Lock()
        self._latest: s.Snapshot | None = None
        self._sessions: list[Session] = []
        self._sessions_due = 0.0
        # The journal's reader is one thread's, which may wait for the disk.
        self._thread = ThreadPoolExecutor(1, "top")
        self._reader: Reader | None = None
        self._cursor = 0
        self._violations: deque[dict[str, Any]] = deque(maxlen=LATEST)

    def close(self) -> None:
        """Let go of the journal."""
        self._thread.submit(self._close_reader).result()
        self._thread.shutdown()

    async def snapshot(self) -> s.Snapshot:
        """The node now, or as it was less than a second ago."""
        async with self._turn:
            if self._latest is None or monotonic() - self._latest.clock >= EVERY:
                self._latest = await self._take()
            return self._latest

    async def _take(self) -> s.Snapshot:
        desk, workers, settings = self._desk, self._desk.workers, self._desk.settings
        await workers.counts()
        said = await workers.status()
        sessions = await self._links()
        violations = await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        counted = Counted(add_up([desk.metrics.read(), workers.counted()]))
        now, minute = monotonic(), workers.minute.read(monotonic())
        accounts = _accounts(sessions, minute)
        sessions.sort(key=lambda link: (-link.owed, link.account, link.id))
        facts, reloader = build_facts(), desk.reloader
        history = reloader.history
        return s.Snapshot(
            at=time(), clock=now, node=settings.node.id, zone=settings.node.timezone, version=facts["version"],
            flavour=facts["flavour"], mode=settings.policy.mode, pid=os.getpid(), seconds=now - desk.started,
            draining=desk.draining(),
            registry=s.RegistryView(
                reloader.revision, history.served.get(reloader.revision, 0.0), dict(reloader.results),
                reloader.latest.result if reloader.latest is not None else "", history.rollback is not None,
            ),
            messages=counted.verdicts(), decision=counted.times("decision_seconds"),
            relay=counted.times("relay_seconds"), smsc=counted.times("smsc_response_seconds"),
            decision_errors=counted.sum("decision_errors"),
            connections_refused=counted.keyed("connections_refused"), sessions=said.sessions,
            owed=sum(link.owed for link in sessions), owed_most=settings.limits.max_outstanding,
            smscs=_smscs(said.smsc, sessions), accounts=accounts[:MOST_ACCOUNTS], accounts_in_all=len(accounts),
            links=[_link(link) for link in sessions[:MOST_LINKS]], links_in_all=len(sessions),
            journal=self._journal(counted), processes=self._processes(said.links),
            standing=dict(Counter(level for _, _, level, _ in desk.complaints.standing)),
            restraints=[
                s.RestraintView(one.kind, one.name, one.level, one.until)
                for one in workers.restraints[:MOST_RESTRAINTS]
            ],
            complaints=dict(desk.complaints.results), violations=violations,
            alerts=[_alert(fields) for fields in reversed(desk.journal.latest_alerts)], mqtt=_mqtt(counted),
            consent=_consent(counted),
        )  # fmt: skip

    async def _links(self) -> list[Session]:
        began = monotonic()
        if began >= self._sessions_due:
            self._sessions = await self._desk.workers.sessions()
            ended = monotonic()
            self._sessions_due = ended + SHARE * (ended - began)
        return self._sessions

    def _journal(self, counted: "Counted") -> s.JournalView:
        journal = self._desk.journal
        status = journal.status
        return s.JournalView(
            status.state, status.reason, status.number, status.queue, journal.waiting,
            counted.sum("evidence_waiting_bytes"), status.octets, max(journal.lives - 1, 0),
            counted.sum("evidence_unrecorded"),
        )

    def _processes(self, links: dict[int, int]) -> list[s.ProcessView]:
        workers, journal = self._desk.workers, self._desk.journal
        return [
            _process("main", os.getpid(), True, 0, 0),
            *(
                _process(member.name, member.child.pid, member.serving, links.get(member.number, 0),
                         max(member.child.lives - 1, 0)) for member in workers.members
            ),
            _process("journal", journal.pid, journal.pid > 0, 0, max(journal.lives - 1, 0)),
        ]  # fmt: skip

    # ---- in the thread

    def _look(self) -> list[dict[str, Any]]:
        """The newest violations, the newest first. A journal that cannot be read now says no more than it has."""
        try:
            if self._reader is None:
                self._reader = self._desk.journal.reader()
            latest = self._reader.latest()
            rows = self._reader.rows(max(self._cursor, latest - LOOKED_AT), LOOKED_AT)
        except OSError:
            return list(self._violations)
        for number, kind, fields in rows:
            self._cursor = number
            if kind == VIOLATION:
                self._violations.appendleft(_violation(fields))
        return list(self._violations)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()


class Counted:
    """What all processes count, by the names of /metrics without their prefix."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._by_name = {reading.name.removeprefix("portguard_"): reading for reading in readings}

    def has(self, name: str) -> bool:
        return name in self._by_name

    def rows(self, name: str) -> list[tuple[tuple[str, ...], float]]:
        """Label values and a number each; none for what is not counted here."""
        found = self._by_name.get(name)
        return found.rows if found is not None else []

    def sum(self, name: str) -> int:
        return int(sum(value for _, value in self.rows(name)))

    def keyed(self, name: str) -> dict[str, int]:
        """By the one label that it has."""
        return {labels[0]: int(value) for labels, value in self.rows(name) if value}

    def times(self, name: str) -> s.Times:
        """A histogram."""
        found = self._by_name.get(name)
        return s.Times(*found.observed) if found is not None else s.Times()

    def verdicts(self) -> list[s.Verdicts]:
        """Messages by action and rule, over all categories."""
        sums: Counter[tuple[str, str]] = Counter()
        for (action, rule, _), count in self.rows("messages"):
            sums[action, rule] += int(count)
        return [s.Verdicts(action, rule, count) for (action, rule), count in sorted(sums.items())]


def _accounts(sessions: list[Session], minute: dict[str, list[int]]) -> list[s.AccountView]:
    """Those that are bound or have sent, the busiest first."""
    links = Counter(link.account for link in sessions if link.account)
    owed: Counter[str] = Counter()
    for link in sessions:
        owed[link.account] += link.owed
    found = [
        s.AccountView(name, links[name], owed[name], *minute.get(name, ())) for name in links.keys() | minute.keys()
    ]
    found.sort(key=lambda one: (-one.submitted, -one.owed, -one.links, one.account))
    return found


def _smscs(states: dict[str, str], sessions: list[Session]) -> list[s.SmscView]:
    links = Counter(link.smsc for link in sessions)
    owed: Counter[str] = Counter()
    for link in sessions:
        owed[link.smsc] += link.owed
    return [s.SmscView(name, state, links[name], owed[name]) for name, state in states.items()]


def _link(link: Session) -> s.LinkView:
    return s.LinkView(
        link.id, link.account, link.peer, link.state, link.bound_since, link.smsc, link.owed, link.worker
    )


def _process(name: str, pid: int, serving: bool, links: int, restarts: int) -> s.ProcessView:
    """What the kernel says of a process; nothing of one that has just gone."""
    used = (0.0, 0.0, 0.0)
    with contextlib.suppress(OSError, IndexError, ValueError):
        if pid:
            used = running_seconds(pid), cpu_seconds(pid), resident_bytes(pid)
    return s.ProcessView(name, pid, serving, links, restarts, *used)


def _mqtt(counted: Counted) -> s.MqttView | None:
    if not counted.has("mqtt_connected"):
        return None
    backlog = max((int(value) for _, value in counted.rows("mqtt_backlog_records")), default=0)
    return s.MqttView(
        counted.sum("mqtt_connected") > 0, counted.sum("mqtt_links"), backlog, counted.sum("mqtt_missing"),
        counted.sum("mqtt_left_out"),
    )


def _consent(counted: Counted) -> s.ConsentView | None:
    if not counted.has("consent_optouts"):
        return None
    return s.ConsentView(counted.sum("consent_optouts"), counted.sum("consent_uncommitted"))


def _violation(fields: dict[str, Any]) -> dict[str, Any]:
    """Of a record what is shown; a subscriber's number, if it is no hash, with its middle hidden."""
    shown: dict[str, Any] = {name: fields[name] for name in SHOWN if name in fields}
    subscriber = str(shown.get("subscriber", ""))
    shown["subscriber"] = mask(subscriber) if subscriber.isdigit() else subscriber
    shown["number"] = hide_numbers(str(shown.get("number", "")))
    return shown


def _alert(fields: dict[str, Any]) -> dict[str, Any]:
    """Its name, severity and sentence."""
    return {
        "at": fields.get("at", 0.0), "alert": fields.get("alert", ""), "severity": fields.get("severity", ""),
        "summary": hide_numbers(str(fields.get("summary", ""))),
    }
