"""Reloading the registry: build beside, open, swap whole; or refuse with the errors and go on as before.

One reload at a time. What arrives meanwhile waits, and then finds its content served already or reloads once more.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from portguard.daemon.builder import BuildBroken, Built, build, fingerprint
from portguard.daemon.state import StateFolder
from portguard.registry.image import Image, ImageError
from portguard.settings.schema import Settings

ERRORS_LOGGED = 50

log = logging.getLogger("portguard.daemon")


class Outcome(msgspec.Struct, frozen=True):
    """What a reload came to. `errors` are the registry's, as `file:row: field: message`, or say what else failed."""

    result: Literal["success", "unchanged", "refused", "failed"]
    revision: str = ""
    errors: list[str] = []
    warnings: list[str] = []
    counts: dict[str, int] = {}
    seconds: float = 0.0


class Reloader:
    """`serve` takes an opened image into service; `revision` is the one in service, "" before the first."""

    def __init__(self, settings: Settings, state: StateFolder, serve: Callable[[Image], Awaitable[None]]) -> None:
        self.revision = ""
        self.last_success = 0.0
        self.results = {"success": 0, "refused": 0, "failed": 0}
        self.latest: Outcome | None = None
        self._settings = settings
        self._state = state
        self._serve = serve
        self._content = ""
        self._lock = asyncio.Lock()

    async def reload(self, why: str) -> Outcome:
        """Bring what is in the registry folder into service, if it can be. Never raises."""
        async with self._lock:
            started = time.monotonic()
            try:
                outcome = await self._attempt()
            except BuildBroken as error:
                outcome = Outcome("failed", errors=[str(error)])
            except (OSError, ImageError) as error:
                outcome = Outcome("failed", errors=[_plain(error)])
            except Exception as error:
                log.exception("reload failed")
                outcome = Outcome("failed", errors=[f"{type(error).__name__}: {error}"])
            outcome = msgspec.structs.replace(
                outcome, revision=self.revision, seconds=round(time.monotonic() - started, 3)
            )
            self._note(outcome, why)
            return outcome

    async def _attempt(self) -> Outcome:
        options, node = self._settings.registry, self._settings.node
        content = await asyncio.to_thread(fingerprint, options.path, node.timezone, node.country)
        if self.revision and content == self._content:
            return Outcome("unchanged")
        prepared = self._state.prepared(content)
        if prepared is not None:
            try:
                image = Image(self._state.revisions / prepared)
            except ImageError as error:
                log.warning("prepared revision is unusable, building it again", extra={"reason": str(error)})
            else:
                await self._take(image, content)
                return Outcome("success", counts=image.meta.counts)
        built = await build(options.path, self._state, node.timezone, node.country, hurry=not self.revision)
        if built.errors or not built.revision:
            return Outcome("refused", errors=built.errors, warnings=built.warnings)
        return await self._built(built, content)

    async def _built(self, built: Built, content: str) -> Outcome:
        options, node = self._settings.registry, self._settings.node
        if await asyncio.to_thread(fingerprint, options.path, node.timezone, node.country) == content:
            self._state.remember(content, built.revision)
        else:
            # The files changed under the builder: what it read is sound, but is not what they hold now.
            content = ""
        if built.revision == self.revision:
            self._content = content
            return Outcome("unchanged", warnings=built.warnings, counts=built.counts)
        await self._take(Image(built.path), content)
        return Outcome("success", warnings=built.warnings, counts=built.counts)

    async def _take(self, image: Image, content: str) -> None:
        await self._serve(image)
        self.revision = image.meta.digest
        self._content = content
        self._state.served(self.revision)

    def _note(self, outcome: Outcome, why: str) -> None:
        self.latest = outcome
        if outcome.result in self.results:
            self.results[outcome.result] += 1
        if outcome.result in ("success", "unchanged"):
            self.last_success = time.time()
        fields = {"why": why, "revision": outcome.revision or "none", "seconds": outcome.seconds}
        if outcome.result == "success":
            log.info("registry loaded", extra={**fields, **outcome.counts})
        elif outcome.result == "unchanged":
            log.info("registry unchanged", extra=fields)
        else:
            log.error("registry refused", extra={**fields, "errors": len(outcome.errors)})
        # At the start the errors end the process, and are its last words.
        for line in outcome.errors[:ERRORS_LOGGED] if self.revision else ():
            log.error("registry error", extra={"error": line})
        for line in outcome.warnings[:ERRORS_LOGGED]:
            log.warning("registry warning", extra={"warning": line})


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return str(error)
