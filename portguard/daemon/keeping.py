"""The part of steering that others keep: the journal's records, complaints, and what they have put on whom.

Base of `steering`, over `asking`. What a node is not set up for is refused as such.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from portguard.admin import model, tables
from portguard.admin.steering import Caller, Refusal
from portguard.complaints.desk import HoldError
from portguard.complaints.store import ComplaintsError
from portguard.consent.store import ConsentError
from portguard.daemon.asking import Asking
from portguard.daemon.complaints import MOST_ROWS
from portguard.daemon.complaints_rooms import NoRevision
from portguard.daemon.desk import Desk
from portguard.evidence.reader import Reader
from portguard.evidence.rows import VIOLATION
from portguard.policy.reasons import RULE_BY_NAME

# Of how many records those that are wanted are looked for, and how many are read at once.
LOOKED_AT: Final = 200_000
AT_ONCE: Final = 2_000
WATCH: Final = "watch"

T = TypeVar("T")


class Keeping(Asking):
    """Raises Refusal, as all of steering does."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        # The journal's reader is one thread's.
        self._reading = ThreadPoolExecutor(1, "journal")
        self._reader: Reader | None = None

    def close(self) -> None:
        """Let go of the journal."""
        self._reading.submit(self._close_reader).result()
        self._reading.shutdown()

    # ---- suspensions

    async def suspensions(self) -> list[model.Suspension]:
        """What ports and signatures stand at."""
        return [self._stands(row) for row in await self._complaints(self._desk.complaints.targets(least=WATCH))]

    async def suspend(self, caller: Caller, wanted: model.SuspendRequest) -> model.Suspension:
        """A human's level for a port or a signature."""
        complaints, target = self._desk.complaints, {"kind": wanted.kind, "name": wanted.name}
        try:
            held = await self._complaints(
                complaints.hold(wanted.kind, wanted.name, wanted.level, wanted.hours * 3600, caller.who, wanted.why)
            )
        except HoldError as error:
            raise self._refused(caller, "hold", target, Refusal("invalid", str(error))) from error
        self._audit(caller, "hold", target, "done", {"level": held.level, "until": held.until, "why": held.why})
        return model.Suspension(held.kind, held.name, held.level, self._time(held.until), held.why, held.who)

    async def lift(self, caller: Caller, target: model.TargetPath, why: str) -> model.Lifted:
        """Take off what is on a target, and forgive its complaints so far."""
        named = {"kind": target.kind, "name": target.name}
        try:
            before = await self._complaints(
                self._desk.complaints.lift(target.kind, target.name, caller.who, why)
            )
        except HoldError as error:
            raise self._refused(caller, "lift", named, Refusal("invalid", str(error))) from error
        self._audit(caller, "lift", named, "done", {"before": before, "why": why})
        return model.Lifted(target.kind, target.name, before)

    def _stands(self, row: dict[str, Any]) -> model.Suspension:
        until = row["until"]
        return model.Suspension(
            row["kind"], row["name"], row["level"], None if until is None else self._time(until), row["reason"],
            row["held_by"] or "complaints",
        )

    # ---- complaints

    async def take_complaints(self, caller: Caller, rows: list[dict[str, Any]]) -> model.ComplaintsTaken:
        """Complaints as an import has them."""
        if len(rows) > MOST_ROWS:
            raise Refusal("invalid", f"{len(rows):,} rows", field="rows", remedy=f"at most {MOST_ROWS:,} at once")
        taken = await self._complaints(self._desk.complaints.take_objects(rows))
        problems = [f"row {one.row}: {one.field + ': ' if one.field else ''}{one.message}" for one in taken.problems]
        self._audit(caller, "take complaints", {"rows": len(rows)}, "done", dict(taken.results))
        return model.ComplaintsTaken(taken.results, problems, taken.revoked)

    async def complaints(self, wanted: model.ComplaintsQuery) -> list[tables.Row]:
        """The newest first."""
        since = self._moment(wanted.since, "since") if wanted.since else 0.0
        until = self._moment(wanted.until, "until") if wanted.until else None
        return await self._complaints(self._desk.complaints.complaints(
            since, until, port=wanted.port, signature=wanted.signature, limit=wanted.limit
        ))

    async def targets(self) -> list[tables.Row]:
        """Complaints and rates by port and signature."""
        return await self._complaints(self._desk.complaints.targets())

    async def _complaints(self, work: Awaitable[T]) -> T:
        """What complaints answer, their faults as refusals."""
        try:
            return await work
        except NoRevision as error:
            raise Refusal("busy", str(error)) from error
        except (ComplaintsError, ConsentError) as error:
            raise Refusal("failed", str(error)) from error

    # ---- the journal

    async def violations(self, wanted: model.ViolationsQuery) -> list[model.Record]:
        """The newest first, of the newest LOOKED_AT records."""
        if wanted.rule and wanted.rule not in RULE_BY_NAME:
            raise Refusal(
                "invalid", f"{wanted.rule!r} is no rule", field="rule", remedy=f"one of {', '.join(RULE_BY_NAME)}"
            )
        fields = {name: value for name in ("account", "rule", "port", "signature") if (value := getattr(wanted, name))}
        return await self._read(lambda reader: _newest(reader, fields, wanted.limit))

    async def latest(self) -> int:
        """The number of the journal's last record."""
        return await self._read(lambda reader: reader.latest())

    async def records(self, after: int, limit: int) -> list[model.Record]:
        """Records behind a number, in order."""
        return await self._read(lambda reader: [model.Record(*row) for row in reader.rows(after, limit)])

    async def _read(self, work: Callable[[Reader], T]) -> T:
        def do() -> T:
            if self._reader is None:
                self._reader = self._desk.journal.reader()
            return work(self._reader)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, do)
        except OSError as error:
            raise Refusal("failed", f"the journal cannot be read: {(error.strerror or str(error)).lower()}") from error

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    # ---- traffic

    def recent(self, messages: int) -> AsyncIterator[bytes]:
        """What ESMEs have sent lately, for `orders.unpacked`."""
        return self._desk.workers.recent(messages)


def _newest(reader: Reader, fields: dict[str, str], limit: int) -> list[model.Record]:
    """Violations that have these fields, the newest first."""
    found: list[model.Record] = []
    end = reader.latest()
    least = max(end - LOOKED_AT, 0)
    while end > least and len(found) < limit:
        start = max(end - AT_ONCE, least)
        for number, kind, has in reversed(reader.rows(start, AT_ONCE)):
            if number <= end and kind == VIOLATION and all(has[name] == value for name, value in fields.items()):
                found.append(model.Record(number, kind, has))
        end = start
    return found[:limit]
