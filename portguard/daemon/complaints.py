"""Complaints, traffic and signs as the main process has them: one thread that waits for the disk, and its jobs.

Nouns: a *job* is done every so many seconds, one after the other; a job that fails is said once, and tried again. What
is decided goes to the workers as restraints, what is to be remembered into the journal, at least once.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time
from typing import Any, Final, TypeVar

import msgspec

from portguard.complaints.intake import Revocation, Taken
from portguard.complaints.listing import Row
from portguard.complaints.options import LEVELS, SignsOptions
from portguard.complaints.rows import RESULTS, raw_row
from portguard.complaints.store import ComplaintsError, Hold
from portguard.daemon.clock import JUMP, Clock
from portguard.daemon.complaints_rooms import Rooms
from portguard.daemon.consents import Consents
from portguard.daemon.following import Following, combined
from portguard.daemon.journal import Journal
from portguard.daemon.reload import Reloader
from portguard.daemon.state import StateError, StateFolder
from portguard.daemon.workers import Workers
from portguard.evidence.keys import KeyMissing
from portguard.evidence.traffic_file import TrafficError
from portguard.policy.restraint import Restraint
from portguard.policy.tally import TallyRow
from portguard.registry.formats import RawRow
from portguard.registry.image import Image, ImageError
from portguard.registry.problems import Problem
from portguard.settings.schema import Settings

TICK_SECONDS: Final = 1.0
TURN_SECONDS: Final = 5.0
SIGNS_SECONDS: Final = 2.0
FLUSH_SECONDS: Final = 15.0
SAVE_SECONDS: Final = 300.0
# Rows of sweeps that wait for the signs; what is beyond them the signs do not see.
MOST_WAITING: Final = 100_000
RECORDS_AT_ONCE: Final = 2000
BATCHES_AT_ONCE: Final = 10
EVENTS_AT_ONCE: Final = 500
ASK_SECONDS: Final = 5.0
REVOKE_SECONDS: Final = 60.0
MOST_ROWS: Final = 10_000

ALERTS: Final = (
    *(f"complaint_{level}" for level in LEVELS[1:]), *SignsOptions.__struct_fields__, "clock_jumped",
    "complaints_failing", "state_set_aside",
)  # fmt: skip

T = TypeVar("T")

log = logging.getLogger("portguard.daemon")


class Complaints:
    """What the control socket, the admin API and MQTT ask; every method may be awaited from anywhere in the loop.
    Raises ComplaintsError, NoRevision and HoldError, and whatever the consent ledger does."""

    def __init__(
        self, settings: Settings, state: StateFolder, workers: Workers, reloader: Reloader, journal: Journal,
        consents: Consents | None,
    ) -> None:
        self.results: Counter[str] = Counter(dict.fromkeys(RESULTS, 0))
        # (kind, name, level, until) of what is in force here.
        self.standing: list[tuple[str, str, str, float]] = []
        # What this node restrains by its own complaints or its own people.
        self.own: list[Restraint] = []
        self._others = Following()
        self._settings = settings
        self._state = state
        self._workers = workers
        self._reloader = reloader
        self._journal = journal
        journal.alerts.update(dict.fromkeys(ALERTS, 0))
        self._consents = consents
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "complaints")
        self._clock = Clock(self._jumped)
        self._reader = journal.reader()
        self._opened: Rooms | None = None
        self._image: Image | None = None
        self._revision = ""
        self._given: list[Restraint] | None = None
        self._sweeps: deque[tuple[list[TallyRow], float]] = deque()
        self._waiting = 0
        self._turning = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._failing: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._jobs: list[tuple[str, float, Callable[[], Awaitable[None]]]] = [
            ("registry", TICK_SECONDS, self.take_revision), ("turn", TURN_SECONDS, self._turn),
            ("signs", SIGNS_SECONDS, self._look), ("flush", FLUSH_SECONDS, self._flush),
            ("save", SAVE_SECONDS, self._save),
        ]  # fmt: skip

    # ---- its life

    async def open(self) -> None:
        """Open the files, and hand the workers what is in force, before they serve. Raises StateError."""
        settings, state = self._settings, self._state.path
        revoke = self._revoke if self._consents is not None else None
        try:
            self._opened = await self._run(lambda: Rooms(settings, state, revoke, self._last_sender))
            await self._turn()
        except (ComplaintsError, TrafficError, KeyMissing, OSError) as error:
            raise StateError(str(error)) from error
        self._workers.on_tallies = self._swept
        for path in (self._rooms.store.set_aside, self._rooms.traffic.set_aside):
            if path is not None:
                self._alert("state_set_aside", "critical", f"A file was broken; it is kept as {path}, and a new one "
                            "begun.", {"path": str(path)})  # fmt: skip

    async def keep(self) -> None:
        """Do the jobs, for ever."""
        while True:
            for name, seconds, job in self._jobs:
                if monotonic() >= self._due.get(name, 0.0):
                    self._due[name] = monotonic() + seconds
                    await self._try(name, job)
            await asyncio.sleep(TICK_SECONDS)

    async def close(self) -> None:
        """Write what is in memory, and let go."""
        self._workers.on_tallies = None
        if self._opened is not None:
            await self._try("signs", self._look)
            await self._run(self._opened.close)
        self._thread.shutdown()
        if self._image is not None:
            self._image.close()

    @property
    def _rooms(self) -> Rooms:
        assert self._opened is not None
        return self._opened

    async def _try(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except Exception as error:
            if name not in self._failing:
                # What a disk does needs no traceback; anything else is a fault of ours.
                known = isinstance(error, ComplaintsError | TrafficError | StateError | ImageError | OSError)
                log.error("a job on complaints failed", exc_info=not known, extra={"job": name, "reason": str(error)})
                self._alert("complaints_failing", "critical", f"A job on complaints and traffic ({name}) fails and is "
                            f"tried again: {error}", {"job": name, "reason": str(error)})  # fmt: skip
            self._failing[name] = str(error)
            return
        if self._failing.pop(name, None) is not None:
            log.info("a job on complaints works again", extra={"job": name})

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, work)

    # ---- what people ask

    async def take(self, rows: Sequence[tuple[int, RawRow]], file: str) -> Taken:
        """Take complaints in, at most MOST_ROWS as (line, raw row); each is accepted or refused by itself. When this
        returns, what was accepted is on the disk, and decided on."""
        taken = await self._run(lambda: self._rooms.take(rows, file, self._clock.now()))
        self.results.update(taken.results)
        await self._try("turn", self._turn)
        return taken

    async def take_objects(self, objects: Sequence[Any], file: str = "") -> Taken:
        """The same for objects as JSON has them; rows count from 1."""
        rows: list[tuple[int, RawRow]] = []
        problems: list[Problem] = []
        for number, value in enumerate(objects, 1):
            raw = raw_row(value)
            if isinstance(raw, str):
                problems.append(Problem(file, number, "", raw))
            else:
                rows.append((number, raw))
        taken = await self.take(rows, file)
        if problems:
            self.results["malformed"] += len(problems)
            taken.results["malformed"] = taken.results.get("malformed", 0) + len(problems)
            taken.problems = sorted([*taken.problems, *problems], key=lambda problem: problem.row)
        return taken

    async def targets(self, **wanted: Any) -> list[Row]:
        """Ports and signatures with their rates and levels; `kind`, `name`, `least` and `limit` choose."""
        return await self._run(lambda: self._rooms.targets(self._clock.now(), **wanted))

    async def complaints(self, since: float = 0.0, until: float | None = None, **wanted: Any) -> list[Row]:
        """Single complaints, the newest first; `port`, `signature` and `limit` choose."""
        last = self._clock.now() if until is None else until
        return await self._run(lambda: self._rooms.complaints(since, last, **wanted))

    async def hold(self, kind: str, name: str, level: str, seconds: float, who: str, why: str) -> Hold:
        """Pin a target to a level for so long."""
        now = self._clock.now()
        hold = Hold(kind, name, level, now, now + seconds, who, why)
        await self._run(lambda: self._rooms.hold(hold))
        await self._try("turn", self._turn)
        return hold

    async def lift(self, kind: str, name: str, who: str, why: str) -> str:
        """Lift what is on a target, and forgive the complaints so far; returns the level it was at."""
        before = await self._run(lambda: self._rooms.lift(kind, name, who, why, self._clock.now()))
        await self._try("turn", self._turn)
        return before

    def follow(self, node: str, rows: list[dict[str, Any]]) -> None:
        """What another node restrains at present; within a second it counts here, too."""
        if self._others.take(node, rows):
            self._due["turn"] = 0.0

    # ---- jobs

    async def take_revision(self) -> None:
        """Match with what serves now. Raises ImageError."""
        revision = self._reloader.revision
        if not revision or revision == self._revision:
            return
        await self._run(lambda: self._know(revision))

    def _know(self, revision: str) -> None:
        """All of it in the thread: also when nobody waits for it any more, no image is closed that is still asked."""
        image = Image(self._state.revisions / revision)
        try:
            self._rooms.know(image)
        except BaseException:
            image.close()
            raise
        before, self._image, self._revision = self._image, image, revision
        if before is not None:
            before.close()

    async def _turn(self) -> None:
        async with self._turning:
            now = self._clock.now()
            desk = self._rooms.desk
            own, at, pinned = await self._run(lambda: (self._rooms.turn(now), desk.standing(now), desk.pinned(now)))
            standing = {row[:2]: row for row in at}
            if off := self._clock.off():
                # The workers hold them against the clock as it is, and so do other nodes.
                own = [msgspec.structs.replace(one, until=one.until + off) for one in own]
            if not _alike(self.own, own):
                self.own = own
            restraints = combined(own, self._others.restraints(time()), pinned)
            standing |= {(one.kind, one.name): (one.kind, one.name, one.level, one.until) for one in restraints}
            self.standing = sorted(standing.values())
            if self._given is None or not _alike(self._given, restraints):
                await self._workers.restrain(restraints)
                self._given = restraints
        await self._send()

    async def _look(self) -> None:
        """Give the signs what came since."""
        now, sweeps = self._clock.now(), list(self._sweeps)
        self._sweeps.clear()
        self._waiting = 0
        await self._run(lambda: self._signs(sweeps, now))
        await self._send()

    def _signs(self, sweeps: list[tuple[list[TallyRow], float]], now: float) -> None:
        signs = self._rooms.signs
        for rows, at in sweeps:
            signs.tallies(rows, at)
        for _ in range(BATCHES_AT_ONCE):
            records = self._reader.rows(signs.cursor, RECORDS_AT_ONCE)
            signs.journal(records, now)
            if len(records) < RECORDS_AT_ONCE:
                break

    async def _flush(self) -> None:
        await self._run(self._rooms.traffic.flush)

    async def _save(self) -> None:
        await self._run(self._rooms.signs.save)

    async def _send(self) -> None:
        """Give the journal what is in the outbox."""
        async with self._sending:
            while events := await self._run(lambda: self._rooms.store.events(EVENTS_AT_ONCE)):
                for event in events:
                    self._journal.emit(event.kind, event.fields)
                last = events[-1].number
                await self._run(lambda last=last: self._rooms.store.sent(last))  # type: ignore[misc]

    # ---- what others say

    def _swept(self, rows: list[TallyRow]) -> None:
        now = self._clock.now()
        self._rooms.traffic.add(rows, now)
        if self._waiting < MOST_WAITING:
            self._sweeps.append((rows, now))
            self._waiting += len(rows)

    def _revoke(self, revocations: list[Revocation]) -> None:
        """Called in the thread."""
        assert self._consents is not None
        asyncio.run_coroutine_threadsafe(self._consents.revoke(revocations), self._loop).result(REVOKE_SECONDS)

    def _last_sender(self, number: str, subscriber: str) -> str:
        """Called in the thread."""
        asked = asyncio.run_coroutine_threadsafe(self._workers.last_sender(number, subscriber), self._loop)
        try:
            return asked.result(ASK_SECONDS)
        except TimeoutError:
            return ""

    def _jumped(self, seconds: float) -> None:
        log.warning("the clock jumped; it is not followed until it has stayed so for an hour", extra={"by": seconds})
        self._alert("clock_jumped", "warning", f"The clock jumped by {seconds:,.0f} s. Terms, windows and retention go "
                    "on without it for an hour.", {"seconds": round(seconds)})  # fmt: skip

    def _alert(self, name: str, severity: str, summary: str, evidence: dict[str, object]) -> None:
        self._journal.emit("alert", {
            "alert": name, "severity": severity, "subject": {}, "summary": summary, "evidence": evidence, "at": time(),
        })  # fmt: skip


def _alike(one: list[Restraint], other: list[Restraint]) -> bool:
    """The same, but for the few seconds that a clock drifts."""
    return len(one) == len(other) and all(
        abs(a.until - b.until) < JUMP and msgspec.structs.replace(a, until=b.until) == b
        for a, b in zip(one, other, strict=True)
    )
