"""Everything that a person may ask of this node or have it do, over HTTP and over the control socket alike.

Implements `admin.steering.Steering`. Whatever changes something is put on record as an `audit` event, with who asked
and what came of it, done or not.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from portguard.admin import model, tables
from portguard.admin.comparison import Comparison
from portguard.admin.steering import Caller, Refusal
from portguard.daemon.builder import BuildBroken, compare
from portguard.daemon.desk import Desk
from portguard.daemon.history import Rollback
from portguard.daemon.keeping import Keeping
from portguard.daemon.orders import Session
from portguard.daemon.reload import Outcome
from portguard.daemon.search import search
from portguard.daemon.shadow import framed, written
from portguard.daemon.shadow_judge import Task
from portguard.registry.edit import Edit
from portguard.registry.edit_build import Made
from portguard.registry.image import FILE, Image, ImageError
from portguard.registry.revisions import revisions

COMPARE_SECONDS: Final = 60.0


class NodeSteering(Keeping):
    """Steering of one node."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._comparing = asyncio.Lock()

    # ---- the registry

    async def registry(self) -> tables.RegistryState:
        """What serves, and what is kept."""
        reloader = self._desk.reloader
        history, kept = reloader.history, []
        for path in revisions(self._desk.state.revisions):
            counts = _counts(path)
            if counts is not None:
                served = history.served.get(path.name)
                kept.append(tables.KeptRevision(
                    path.name, path.name == reloader.revision, self._time(path.joinpath(FILE).stat().st_mtime),
                    None if served is None else self._time(served), counts,
                ))
        previous = history.previous()
        return tables.RegistryState(
            reloader.revision, previous if any(one.revision == previous for one in kept) else "",
            self._rollback(history.rollback), kept,
        )

    async def search(self, wanted: tables.Search) -> tables.Found:
        """Rows that have to do with a signature, a number, an account or an enterprise."""
        given = [name for name in ("signature", "port", "account", "enterprise") if getattr(wanted, name)]
        if len(given) != 1:
            raise Refusal(
                "invalid", f"{len(given)} things are looked for", field=given[1] if given else "signature",
                remedy="give one of signature, port, account, enterprise",
            )
        image = self._opened(self._desk.reloader.revision)
        try:
            depth = self._desk.settings.policy.sublease_depth
            return await asyncio.to_thread(search, image, wanted, depth, time.time())
        finally:
            image.close()

    async def edit(self, caller: Caller, wanted: tables.EditRequest) -> tables.EditResult:
        """Change one row, on file and in service."""
        edit = Edit(wanted.action, wanted.table, wanted.where, wanted.row, wanted.line)
        target: dict[str, object] = {"table": wanted.table, "where": wanted.where, "row": wanted.row}
        held = self._desk.reloader.history.rollback
        if held is not None and not wanted.resume and not wanted.dry_run:
            raise self._refused(caller, f"registry {wanted.action}", target, Refusal(
                "conflict", f"revision {held.revision} was brought back, and the registry folder holds {held.before}",
                field="resume", remedy="reload first, or set resume: the edit brings the whole folder into service",
            ))
        try:
            made, outcome = await self._desk.reloader.edit(edit, _why(caller), dry_run=wanted.dry_run)
        except BuildBroken as error:
            raise self._refused(caller, f"registry {wanted.action}", target, Refusal("failed", str(error))) from error
        if made.result not in ("done", "checked"):
            raise self._refused(caller, f"registry {wanted.action}", target, _of_edit(made))
        serves = outcome is None or outcome.done
        if not wanted.dry_run:
            self._audit(caller, f"registry {wanted.action}", target, "done", {
                "file": made.file, "line": made.line, "before": made.before, "after": made.after,
                "revision": self._desk.reloader.revision, "serves": serves,
            })
        return tables.EditResult(
            made.file, made.line, made.before, made.after, wanted.dry_run, serves,
            made.revision if wanted.dry_run else self._desk.reloader.revision, outcome.errors if outcome else [],
            made.warnings,
        )

    async def reload(self, caller: Caller) -> tables.ReloadResult:
        """Take the folder into service."""
        return self._result(caller, "reload", {}, await self._desk.reloader.reload(_why(caller)))

    async def rollback(self, caller: Caller, wanted: tables.RollbackRequest) -> tables.ReloadResult:
        """Bring a revision back."""
        why = f"{_why(caller)}: {wanted.why}" if wanted.why else _why(caller)
        outcome = await self._desk.reloader.rollback(wanted.revision, why)
        return self._result(caller, "rollback", {"revision": wanted.revision or "previous"}, outcome)

    async def compare(self, wanted: tables.CompareRequest) -> Comparison:
        """A candidate beside what serves."""
        if self._comparing.locked():
            raise Refusal("busy", "another comparison is under way", remedy="try again when it has ended")
        async with self._comparing:
            try:
                task = await self._task(wanted)
                frames = self._frames(task, wanted.messages)
                return await compare(frames, COMPARE_SECONDS, self._desk.settings.registry.priority)
            except (BuildBroken, OSError) as error:
                raise Refusal("failed", str(error)) from error

    async def _task(self, wanted: tables.CompareRequest) -> Task:
        """What the process of a comparison is to do."""
        desk, settings = self._desk, self._desk.settings
        revision = self._kept(wanted.revision) if wanted.revision else await self._candidate()
        folder = desk.state.revisions
        return Task(
            folder / desk.reloader.revision, folder / revision, settings.node.timezone, settings.node.country,
            settings.policy, settings.tag, settings.limits, settings.concat, settings.consent,
            await self.restraints(), most_messages=wanted.messages, seconds=COMPARE_SECONDS,
        )

    async def _frames(self, task: Task, messages: int) -> AsyncIterator[bytes]:
        """What the process reads: the task, and recent traffic as it is told."""
        yield written(task)
        async for page in self.recent(messages):
            yield framed(page)

    async def _candidate(self) -> str:
        built = await self._desk.reloader.candidate()
        if built.errors or not built.revision:
            raise Refusal(
                "conflict", f"the registry folder has errors: {len(built.errors)}", errors=built.errors,
                remedy="mend the rows that the errors name",
            )
        return built.revision

    def _kept(self, name: str) -> str:
        found = [path.name for path in revisions(self._desk.state.revisions) if path.name.startswith(name)]
        if len(found) != 1:
            known = ", ".join(found) or "none"
            raise Refusal(
                "absent" if not found else "conflict", f"{name!r} could be {known} of the revisions that are kept",
                field="revision", remedy="GET /v1/registry lists them",
            )
        return found[0]

    def _result(
        self, caller: Caller, what: str, target: dict[str, object], outcome: Outcome
    ) -> tables.ReloadResult:
        """An outcome as an answer, put on record."""
        if not outcome.done:
            remedy = "mend the rows that the errors name"
            if what == "rollback":
                remedy = "GET /v1/registry lists the revisions that are kept"
            first = outcome.errors[0] if outcome.errors else f"the {what} was {outcome.result}"
            raise self._refused(caller, what, target, Refusal(
                "conflict" if outcome.result == "refused" else "failed", first, errors=outcome.errors, remedy=remedy,
            ))
        self._audit(caller, what, target, "done", {"result": outcome.result, "revision": outcome.revision})
        return tables.ReloadResult(
            outcome.result, outcome.revision, outcome.warnings, outcome.counts, outcome.seconds
        )

    # ---- sessions

    async def sessions(self, wanted: model.SessionsQuery) -> list[model.SessionView]:
        """The links of ESMEs."""
        found = await self._desk.workers.sessions()
        found.sort(key=lambda session: (session.account, session.bound_since))
        return [self._session(one) for one in found if not wanted.account or one.account == wanted.account]

    async def close_session(self, caller: Caller, id: str) -> model.Closed:
        """End one."""
        account = next((one.account for one in await self._desk.workers.sessions() if one.id == id), "")
        target: dict[str, object] = {"session": id, "account": account}
        if not await self._desk.workers.close_session(id):
            raise self._refused(caller, "close session", target, Refusal(
                "absent", f"there is no session {id!r}", field="id", remedy="GET /v1/sessions lists them",
            ))
        self._audit(caller, "close session", target, "done", {})
        return model.Closed(id)

    def _session(self, session: Session) -> model.SessionView:
        return model.SessionView(
            session.id, session.account, session.peer, session.state, self._time(session.bound_since), session.smsc,
            session.owed, session.worker,
        )

    def _rollback(self, held: Rollback | None) -> tables.Rollback | None:
        return None if held is None else tables.Rollback(held.revision, held.before, self._time(held.at), held.why)


def _counts(path: Any) -> dict[str, int] | None:
    """Rows by table of an image, None where it cannot be used."""
    try:
        image = Image(path)
    except ImageError:
        return None
    counts = image.meta.counts
    image.close()
    return counts


def _why(caller: Caller) -> str:
    return f"{caller.who} ({caller.via})"


def _of_edit(made: Made) -> Refusal:
    """Why an edit was not made."""
    if made.result == "refused":
        return Refusal(
            "conflict", f"the registry would have {len(made.errors)} errors", errors=made.errors,
            remedy="change what the errors name, here or first",
        )
    remedies = {
        "ambiguous": "name more fields in where, or the line", "conflict": "look at the row and try again",
        "layout": "edit the file by hand", "unreadable": "mend the file first", "unchanged": "nothing is to be done",
        "unwritable": "let portguard's user write into the registry folder", "busy": "try again",
        "absent": "GET /v1/registry/search shows rows", "invalid": "see the table's fields in the documentation",
    }
    kinds = {"invalid": "invalid", "absent": "absent", "busy": "busy"}
    return Refusal(
        kinds.get(made.result, "conflict"), made.message, field=made.field, rows=made.rows,  # type: ignore[arg-type]
        remedy=remedies.get(made.result, ""),
    )
