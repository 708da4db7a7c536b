"""The half of steering that looks: how the node is, what it counts, messages explained; and consents.

Base of `steering`: knows how things are put on record, times as people write them, and images.
"""

import asyncio
import logging
import os
import time
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from portguard.admin import model
from portguard.admin.steering import Caller, Refusal
from portguard.admin.tables import Rollback
from portguard.consent.store import ConsentError
from portguard.daemon.consents import ConsentFault, Consents
from portguard.daemon.desk import Desk
from portguard.daemon.wiring import build_facts, revision_of
from portguard.policy import desk as policy
from portguard.policy.explanation import as_object, examine
from portguard.policy.ledger import COUNTS
from portguard.policy.restraint import Restraint, brakes
from portguard.registry.image import Image, ImageError
from portguard.registry.subscriber import subscriber
from portguard.sms.category import INDUSTRIES, parse
from portguard.telemetry.log import mask
from portguard.telemetry.sources import Reading

EXPECTED_TIME: Final = "a time like 2026-11-11T09:30:00+08:00 is expected"

log = logging.getLogger("portguard.daemon")


class Asking:
    """Over a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._zone = ZoneInfo(desk.settings.node.timezone)
        self._explaining = asyncio.Lock()
        self._judge: tuple[str, policy.Desk] | None = None

    # ---- the node

    async def status(self) -> model.NodeStatus:
        """How the node is."""
        desk = self._desk
        latest, held = desk.reloader.latest, desk.reloader.history.rollback
        said = await desk.workers.status()
        return model.NodeStatus(
            **build_facts(), node=desk.settings.node.id, pid=os.getpid(), mode=desk.settings.policy.mode,
            seconds=round(time.monotonic() - desk.started, 1), listen=desk.workers.addresses, draining=desk.draining(),
            revision=desk.reloader.revision,
            rollback=None if held is None else Rollback(held.revision, held.before, self._time(held.at), held.why),
            reloads=desk.reloader.results, latest_reload=latest.result if latest is not None else "",
            building=desk.reloader.building,
            sessions=said.sessions, smsc=said.smsc,
            workers=[
                model.WorkerStatus(member.number, member.child.pid, member.serving, max(member.child.lives - 1, 0))
                for member in desk.workers.members
            ],
        )

    async def metrics(self) -> list[model.Metric]:
        """Every number that is counted, of all processes."""
        readings = [*self._desk.metrics.read(), *await self._desk.workers.counts()]
        return [metric for reading in readings for metric in _numbers(reading)]

    # ---- messages

    async def explain(self, wanted: model.ExplainRequest) -> model.Explanation:
        """The verdict on one message under what serves, and the reasons. Rates and caps are taken as unused."""
        at = self._moment(wanted.at, "at") if wanted.at else time.time()
        message = policy.Message(
            wanted.account, wanted.source, wanted.dest, wanted.text, wanted.data_coding, at,
            pdu=bytes.fromhex(wanted.pdu),
        )
        restraints = await self.restraints()
        async with self._explaining:
            judge = self._desk_of(self._desk.reloader.revision)
            judge.engine.brakes.put(brakes(restraints))
            try:
                found = await asyncio.to_thread(examine, judge, message)
            except policy.MessageError as error:
                field, _, _ = str(error).partition(":")
                raise Refusal("invalid", str(error), field={"source_addr": "source"}.get(field, field)) from error
        return msgspec.convert(as_object(found), model.Explanation, from_attributes=True)

    def _desk_of(self, revision: str) -> policy.Desk:
        """A desk under a revision, the last one kept. Raises Refusal."""
        if self._judge is None or self._judge[0] != revision:
            before, tag = self._judge, self._desk.settings.tag
            opened = revision_of(self._opened(revision), self._desk.settings)
            self._judge = revision, policy.Desk(opened, [tag.verdict, tag.reason, tag.revision, tag.category])
            if before is not None:
                before[1].revision.image.close()
        return self._judge[1]

    # ---- consents

    async def consent(self, wanted: model.ConsentQuery) -> model.ConsentStanding:
        """Does a consent count, and what is on file."""
        consents, person = self._consents(), self._person(wanted.subscriber)
        try:
            category, industry = parse(wanted.category)
        except ValueError as error:
            raise Refusal("invalid", str(error), field="category") from error
        at = self._moment(wanted.at, "at") if wanted.at else time.time()
        try:
            found, rows = await consents.standing(wanted.enterprise, person, category * INDUSTRIES + industry, at)
        except ConsentError as error:
            raise Refusal("failed", str(error)) from error
        counts = found.answer == COUNTS
        return model.ConsentStanding(wanted.enterprise, mask(person), counts, found.reason, rows)

    async def revoke(self, caller: Caller, wanted: model.RevokeRequest) -> model.OnFile:
        """An opt-out."""
        row: dict[str, object] = {
            "enterprise": wanted.enterprise, "subscriber": wanted.subscriber, "source": wanted.source,
            "revoked_at": wanted.at or self._time(time.time()),
        }
        return await self._put(caller, "revoke consent", row)

    async def grant(self, caller: Caller, wanted: model.GrantRequest) -> model.OnFile:
        """An opt-in."""
        return await self._put(caller, "grant consent", msgspec.to_builtins(wanted))

    async def _put(self, caller: Caller, what: str, row: dict[str, object]) -> model.OnFile:
        consents = self._consents()
        target = {"enterprise": row["enterprise"], "subscriber": mask(str(row["subscriber"]))}
        try:
            changed = await consents.put(row)
        except ConsentFault as error:
            field = {"revoked_at": "at"}.get(error.field, error.field) if what == "revoke consent" else error.field
            raise self._refused(caller, what, target, Refusal("invalid", str(error), field=field)) from error
        except ConsentError as error:
            raise self._refused(caller, what, target, Refusal("failed", str(error))) from error
        self._audit(caller, what, target, "done", {"changed": changed})
        return model.OnFile(changed)

    def _consents(self) -> Consents:
        consents = self._desk.consents
        if consents is None:
            raise Refusal("unavailable", "there is no consent ledger", remedy="set [consent] in portguard.toml")
        return consents

    def _person(self, number: str) -> str:
        return subscriber(number, 0, self._desk.settings.node.country)

    # ---- what others have

    async def restraints(self) -> list[Restraint]:
        """What complaints have put on ports and signatures."""
        return list(self._desk.workers.restraints)

    # ---- for the record

    def _audit(
        self, caller: Caller, what: str, target: object, outcome: str, details: dict[str, object]
    ) -> None:
        log.info(
            "audit",
            extra={
                "who": caller.who, "what": what, "target": msgspec.json.encode(target).decode(), "outcome": outcome,
                "request": caller.request or caller.via,
            },
        )
        self._desk.journal.emit("audit", {
            "who": caller.who, "role": caller.role, "what": what, "target": target, "outcome": outcome,
            "via": caller.via, "peer": caller.peer, "request": caller.request, **details,
        })

    def _refused(self, caller: Caller, what: str, target: object, refusal: Refusal) -> Refusal:
        """The refusal, put on record."""
        self._audit(caller, what, target, "refused", {"why": refusal.detail})
        return refusal

    # ---- times and images

    def _time(self, at: float) -> str:
        return datetime.fromtimestamp(at, self._zone).isoformat(timespec="seconds")

    def _moment(self, text: str, field: str) -> float:
        """Epoch seconds. Raises Refusal."""
        try:
            time = datetime.fromisoformat(text.strip())
            return (time if time.tzinfo else time.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):
            raise Refusal("invalid", f"{text!r} is no time; {EXPECTED_TIME}", field=field) from None

    def _opened(self, revision: str) -> Image:
        """An image, the caller's to close. Raises Refusal."""
        try:
            return Image(self._desk.state.revisions / revision)
        except ImageError as error:
            raise Refusal("failed", str(error)) from error


def _numbers(reading: Reading) -> list[model.Metric]:
    """A reading's numbers; a histogram's are its sum and count."""
    if reading.kind == "histogram":
        _, counts, total = reading.observed
        seen = float(sum(counts))
        return [model.Metric(f"{reading.name}_sum", {}, total), model.Metric(f"{reading.name}_count", {}, seen)]
    name = f"{reading.name}_total" if reading.kind == "counter" else reading.name
    return [
        model.Metric(name, dict(zip(reading.labels, labels, strict=True)), value) for labels, value in reading.rows
    ]
