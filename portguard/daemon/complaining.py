"""The office of complaints: its jobs, its metrics, and its commands on the control socket.

    complaints_import  rows [[line, raw row], ...], file    complaints_list    of targets, or of single complaints
    complaints_hold    a target at a level for so long      complaints_lift    what is on a target

Who holds or lifts is in the journal, with what and why.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from portguard.complaints.desk import HoldError
from portguard.complaints.options import LEVELS, Level
from portguard.complaints.store import ComplaintsError
from portguard.daemon.complaints import MOST_ROWS, Complaints
from portguard.daemon.complaints_rooms import NoRevision
from portguard.daemon.control import Command, Request
from portguard.daemon.desk import Desk, running
from portguard.telemetry.sources import Sources

T = TypeVar("T")
Answer = dict[str, Any]
Kind = Literal["port", "signature"]


class ImportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Raw rows, each with its line."""

    rows: list[tuple[int, dict[str, str | list[str]]]]
    file: str = ""


class ListRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`of` targets: those at `least`; of complaints: those received from `since` until `until` (epoch seconds)."""

    of: Literal["targets", "complaints"] = "targets"
    kind: Kind | Literal[""] = ""
    name: str = ""
    least: Level = "none"
    since: float = 0.0
    until: float | None = None
    port: str = ""
    signature: str = ""
    limit: int = 1000


class HoldRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`hours`: how long."""

    kind: Kind
    name: str
    level: str
    hours: float
    who: str
    why: str


class LiftRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Lifts and forgives."""

    kind: Kind
    name: str
    who: str
    why: str


@contextlib.asynccontextmanager
async def complaining(desk: Desk) -> AsyncIterator[None]:
    """Open while complaints are taken in and what they lead to is in force."""
    complaints = desk.complaints
    await complaints.take_revision()
    desk.commands.update(commands_of(complaints, desk.journal.emit))
    complaints_metrics_of(complaints, desk.metrics)
    async with running(complaints.keep()):
        yield


def complaints_metrics_of(complaints: Complaints, metrics: Sources) -> None:
    """Add what is counted of complaints."""
    metrics.counter("complaints", "Rows of complaints by what became of them", ("result",),
                    lambda: _keyed(complaints.results))  # fmt: skip
    metrics.gauge("suspensions", "Ports and signatures by the level they stand at", ("kind", "level"),
                  lambda: _standing(complaints))  # fmt: skip


def _keyed(counts: dict[str, int]) -> Iterable[tuple[tuple[str, ...], float]]:
    return [((name,), float(count)) for name, count in sorted(counts.items())]


def _standing(complaints: Complaints) -> Iterable[tuple[tuple[str, ...], float]]:
    counts = {(kind, level): 0 for kind in ("port", "signature") for level in LEVELS[1:]}
    for kind, _, level, _ in complaints.standing:
        counts[kind, level] += 1
    return [(labels, float(count)) for labels, count in counts.items()]


def commands_of(complaints: Complaints, emit: Callable[[str, dict[str, object]], None]) -> dict[str, Command]:
    """The commands by name. A refusal has "ok" false and the "error"."""

    def audit(who: str, what: str, target: str, outcome: str, **details: object) -> None:
        emit("audit", {"who": who, "role": "admin", "what": what, "target": target, "outcome": outcome, **details})

    async def take(wanted: ImportRequest) -> Answer:
        if len(wanted.rows) > MOST_ROWS:
            return {"ok": False, "error": f"at most {MOST_ROWS:,} rows at once"}
        taken = await complaints.take(wanted.rows, wanted.file)
        problems = [(problem.row, problem.field, problem.message) for problem in taken.problems]
        return {"results": taken.results, "problems": problems, "revoked": taken.revoked}

    async def look(wanted: ListRequest) -> Answer:
        limit = max(1, min(wanted.limit, MOST_ROWS))
        if wanted.of == "targets":
            rows = await complaints.targets(kind=wanted.kind, name=wanted.name, least=wanted.least, limit=limit)
        else:
            rows = await complaints.complaints(
                wanted.since, wanted.until, port=wanted.port, signature=wanted.signature, limit=limit
            )
        return {"items": rows}

    async def hold(wanted: HoldRequest) -> Answer:
        target = f"{wanted.kind} {wanted.name}"
        try:
            held = await complaints.hold(
                wanted.kind, wanted.name, wanted.level, wanted.hours * 3600, wanted.who, wanted.why
            )
        except HoldError as error:
            audit(wanted.who[:64], "hold", target[:100], "refused", reason=str(error))
            return {"ok": False, "error": str(error)}
        audit(wanted.who, "hold", target, "ok", level=wanted.level, until=held.until, why=wanted.why)
        return {"until": held.until}

    async def lift(wanted: LiftRequest) -> Answer:
        target = f"{wanted.kind} {wanted.name}"
        try:
            before = await complaints.lift(wanted.kind, wanted.name, wanted.who, wanted.why)
        except HoldError as error:
            audit(wanted.who[:64], "lift", target[:100], "refused", reason=str(error))
            return {"ok": False, "error": str(error)}
        audit(wanted.who, "lift", target, "ok", before=before, why=wanted.why)
        return {"before": before}

    return {
        "complaints_import": _command(ImportRequest, take), "complaints_list": _command(ListRequest, look),
        "complaints_hold": _command(HoldRequest, hold), "complaints_lift": _command(LiftRequest, lift),
    }  # fmt: skip


def _command(kind: type[T], act: Callable[[T], Awaitable[Answer]]) -> Command:
    async def command(request: Request) -> Answer:
        try:
            return {"ok": True, **await act(msgspec.convert(request.arguments, kind))}
        except msgspec.ValidationError as error:
            return {"ok": False, "error": str(error)}
        except (ComplaintsError, NoRevision) as error:
            return {"ok": False, "error": str(error)}

    return command
