"""Reloading the registry: build beside, open, swap whole; or refuse with the errors and go on as before. Going back.

One reload at a time. What arrives meanwhile waits, and then finds its content served already or reloads once more. A
rollback waits for nobody: a reload that is being built meanwhile is not taken into service afterwards.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from portguard.daemon.builder import BuildBroken, Built, build, edit, fingerprint, fingerprint_of
from portguard.daemon.history import History, Rollback
from portguard.daemon.state import StateFolder
from portguard.registry.content import content_digest
from portguard.registry.edit import Edit
from portguard.registry.edit_build import Made
from portguard.registry.image import Image, ImageError
from portguard.registry.revisions import revisions
from portguard.settings.schema import Settings

ERRORS_LOGGED = 50

log = logging.getLogger("portguard.daemon")


class ServeError(Exception):
    """A revision could not be taken into service; `lines` say why. What served before goes on."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class Outcome(msgspec.Struct, frozen=True):
    """What a reload came to. `errors` are the registry's, as `file:row: field: message`, or say what else failed.
    `held`: the folder holds what somebody has rolled back, and is left alone until it changes."""

    result: Literal["success", "unchanged", "held", "refused", "failed"]
    revision: str = ""
    errors: list[str] = []
    warnings: list[str] = []
    counts: dict[str, int] = {}
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """True when what was asked for is so now."""
        return self.result in ("success", "unchanged", "held")


class Reloader:
    """`serve` takes an opened image into service, or raises ServeError; `revision` is the one in service, "" before
    the first. `changed(before, why, outcome)` is told of each revision that is taken into service."""

    def __init__(self, settings: Settings, state: StateFolder, serve: Callable[[Image], Awaitable[None]]) -> None:
        self.revision = ""
        self.last_success = 0.0
        self.results = {"success": 0, "refused": 0, "failed": 0}
        self.latest: Outcome | None = None
        # How far a build is, like `43% reading scopes.csv`; "" while there is none.
        self.building = ""
        self.history = History(state.history)
        self.changed: Callable[[str, str, Outcome], None] = lambda before, why, outcome: None
        self._settings = settings
        self._state = state
        self._serve = serve
        self._content = ""
        self._rollbacks = 0
        self._building = asyncio.Lock()
        self._swapping = asyncio.Lock()

    async def reload(self, why: str, *, noticed: bool = False) -> Outcome:
        """Bring what is in the registry folder into service, if it can be. Never raises. `noticed`: nobody has asked
        for it, so a rollback holds while the files are what they were then."""
        async with self._building:
            return await self._outcome(why, self._attempt(noticed))

    async def rollback(self, name: str, why: str) -> Outcome:
        """Bring a revision that is kept back into service: the one before the present, or the one whose name begins
        with `name`. Never raises."""
        return await self._outcome(why, self._back(name, why), back=True)

    async def candidate(self) -> Built:
        """What a reload would take into service, built and not served. Raises BuildBroken, OSError."""
        async with self._building:
            content = await self._fingerprint()
            prepared = self._state.prepared(content)
            if prepared is not None:
                return Built(prepared, str(self._state.revisions / prepared))
            built = await self._build()
            if built.revision and not built.errors:
                await self._remember(built, content)
            return built

    async def edit(self, wanted: Edit, why: str, *, dry_run: bool = False) -> tuple[Made, Outcome | None]:
        """Make an edit in the registry folder and take it into service; no outcome where nothing was written. Raises
        BuildBroken."""
        options, node = self._settings.registry, self._settings.node
        async with self._building:
            made = await edit(
                wanted, options.path, self._state, node.timezone, node.country,
                priority=options.priority, dry_run=dry_run,
            )
            if made.result != "done":
                return made, None
            if made.content:
                # The reload finds there what this has built, unless the folder has changed once more.
                self._state.remember(fingerprint_of(made.content, node.timezone, node.country), made.revision)
            return made, await self._outcome(why, self._attempt(noticed=False))

    # ---- one attempt

    async def _outcome(self, why: str, attempt: Awaitable[Outcome], *, back: bool = False) -> Outcome:
        started, before = time.monotonic(), self.revision
        try:
            outcome = await attempt
        except BuildBroken as error:
            outcome = Outcome("failed", errors=[str(error)])
        except ServeError as error:
            outcome = Outcome("failed", errors=error.lines)
        except (OSError, ImageError) as error:
            outcome = Outcome("failed", errors=[_plain(error)])
        except Exception as error:
            log.exception("reload failed")
            outcome = Outcome("failed", errors=[f"{type(error).__name__}: {error}"])
        outcome = msgspec.structs.replace(outcome, revision=self.revision, seconds=round(time.monotonic() - started, 3))
        if back and outcome.result == "refused":
            # Nothing is wrong with the registry folder: this is no reload that was refused.
            log.warning("no rollback", extra={"why": why, "revision": self.revision, "reason": outcome.errors[0]})
        else:
            self._note(outcome, why)
        if outcome.result == "success":
            self.changed(before, why, outcome)
        return outcome

    async def _attempt(self, noticed: bool) -> Outcome:
        options, node, since = self._settings.registry, self._settings.node, self._rollbacks
        digest = await asyncio.to_thread(content_digest, options.path, self._state.digests)
        content = fingerprint_of(digest, node.timezone, node.country)
        held = self.history.rollback
        if held is not None and held.content == digest and (noticed or not self.revision):
            return await self._hold(held)
        if self.revision and content == self._content:
            return Outcome("unchanged")
        prepared = self._state.prepared(content)
        if prepared is not None:
            try:
                image = Image(self._state.revisions / prepared)
            except ImageError as error:
                log.warning("prepared revision is unusable, building it again", extra={"reason": str(error)})
            else:
                return await self._taken(image, content, since, Outcome("success", counts=image.meta.counts))
        built = await self._build()
        if built.errors or not built.revision:
            return Outcome("refused", errors=built.errors, warnings=built.warnings)
        content = await self._remember(built, content)
        outcome = Outcome("success", warnings=built.warnings, counts=built.counts)
        return await self._taken(Image(built.path), content, since, outcome)

    async def _build(self) -> Built:
        """Without hurry, unless nothing is served yet."""
        options, node = self._settings.registry, self._settings.node

        def heard(line: str) -> None:
            self.building = line

        priority = options.priority if self.revision else "normal"
        try:
            return await build(
                options.path, self._state, node.timezone, node.country, priority=priority, heard=heard
            )
        finally:
            self.building = ""

    async def _fingerprint(self) -> str:
        options, node = self._settings.registry, self._settings.node
        return await asyncio.to_thread(fingerprint, options.path, node.timezone, node.country, self._state.digests)

    async def _remember(self, built: Built, content: str) -> str:
        """Note what was built from this content, which is returned; "" when the files changed under the builder: what
        it read is sound, but is not what they hold now."""
        if await self._fingerprint() != content:
            return ""
        self._state.remember(content, built.revision)
        return content

    async def _taken(self, image: Image, content: str, since: int, outcome: Outcome) -> Outcome:
        """Take an image of the folder into service, unless it serves already or somebody went back meanwhile."""
        async with self._swapping:
            if self._rollbacks != since:
                image.close()
                return Outcome("refused", errors=["a rollback came in between: reload again to have the folder served"])
            if image.meta.digest == self.revision:
                image.close()
                self._content = content
                if self.history.rollback is not None:
                    self.history.end_rollback()
                return msgspec.structs.replace(outcome, result="unchanged")
            await self._take(image, content, None)
            return outcome

    async def _take(self, image: Image, content: str, rollback: Rollback | None) -> None:
        revision = image.meta.digest
        # After a restart the file may be on the disk only, and no message should wait for that.
        await asyncio.to_thread(image.warm)
        await self._serve(image)
        self.revision = revision
        self._content = content
        self.history.took(revision, time.time(), rollback)
        self._state.served(revision, self.history.line)

    # ---- going back

    async def _back(self, name: str, why: str) -> Outcome:
        async with self._swapping:
            revision, fault = self._kept(name)
            if fault:
                return Outcome("refused", errors=[fault])
            if revision == self.revision:
                return Outcome("unchanged")
            content = await asyncio.to_thread(content_digest, self._settings.registry.path, self._state.digests)
            try:
                image = self._opened(revision)
            except ImageError as error:
                return Outcome("refused", errors=[str(error)])
            counts = image.meta.counts
            await self._take(image, "", Rollback(revision, self.revision, content, time.time(), why))
            self._rollbacks += 1
            return Outcome("success", counts=counts)

    async def _hold(self, held: Rollback) -> Outcome:
        """The folder is what it was when somebody went back: what he wanted serves, or does again after a restart."""
        if self.revision:
            return Outcome("held")
        try:
            image = self._opened(held.revision)
        except ImageError as error:
            log.error("what was rolled back to cannot be served any more", extra={"reason": str(error)})
            self.history.end_rollback()
            return await self._attempt(noticed=False)
        async with self._swapping:
            counts = image.meta.counts
            await self._take(image, "", held)
        return Outcome("success", counts=counts)

    def _opened(self, revision: str) -> Image:
        """A revision that is kept. Raises ImageError, also when it was built for another zone or country."""
        image, node = Image(self._state.revisions / revision), self._settings.node
        if (image.meta.timezone, image.meta.country) != (node.timezone, node.country):
            image.close()
            raise ImageError(f"revision {revision} was built for another node.timezone or node.country")
        return image

    def _kept(self, name: str) -> tuple[str, str]:
        """The revision that is meant, or why there is none."""
        kept = [path.name for path in revisions(self._state.revisions)]
        if not name:
            previous = self.history.previous()
            if previous in kept:
                return previous, ""
            return "", "no revision from before the present one is kept"
        found = [revision for revision in kept if revision.startswith(name)]
        if len(found) == 1:
            return found[0], ""
        known = ", ".join(found or kept)
        return "", f"{name!r} could be any of {known}" if found else f"no revision {name!r} is kept; there are {known}"

    # ---- what is said of it

    def _note(self, outcome: Outcome, why: str) -> None:
        self.latest = outcome
        if outcome.result in self.results:
            self.results[outcome.result] += 1
        if outcome.done:
            self.last_success = time.time()
        fields = {"why": why, "revision": outcome.revision or "none", "seconds": outcome.seconds}
        if outcome.result == "success":
            log.info("registry loaded", extra={**fields, **outcome.counts})
        elif outcome.done:
            log.info(f"registry {outcome.result}", extra=fields)
        else:
            log.error("registry refused", extra={**fields, "errors": len(outcome.errors)})
        held = self.history.rollback
        if held is not None and outcome.done:
            log.warning(
                "rolled back: the registry folder is not what serves, until it changes or a reload is asked for",
                extra={"revision": held.revision, "folder": held.before, "why": held.why},
            )
        # At the start the errors end the process, and are its last words.
        for line in outcome.errors[:ERRORS_LOGGED] if self.revision else ():
            log.error("registry error", extra={"error": line})
        for line in outcome.warnings[:ERRORS_LOGGED]:
            log.warning("registry warning", extra={"warning": line})


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return str(error)
