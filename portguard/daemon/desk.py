"""What an office of the main process is given, and what it is made of; `offices` lists them.

Noun: an *office* is an async context manager over the desk; it opens when it is entered and closes when it is left.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from portguard.daemon.complaints import Complaints
from portguard.daemon.consents import Consents
from portguard.daemon.control import Command
from portguard.daemon.journal import Journal
from portguard.daemon.reload import Reloader
from portguard.daemon.state import StateFolder
from portguard.daemon.workers import Workers
from portguard.settings.schema import Settings
from portguard.telemetry.collector import Metrics

log = logging.getLogger("portguard.daemon")


@dataclass(frozen=True)
class Desk:
    """What an office is given. It may add to `commands` (of the control socket) and to `metrics`; `wish(why)` asks for
    a reload of the registry, soon, and `reloader.reload(why)` for its outcome; `journal.emit` takes events, and
    `journal.reader()` has the records of the journal; `complaints` are open already. `started` is monotonic seconds."""

    settings: Settings
    state: StateFolder
    workers: Workers
    reloader: Reloader
    metrics: Metrics
    commands: dict[str, Command]
    wish: Callable[[str], None]
    journal: Journal
    complaints: Complaints
    consents: Consents | None
    started: float
    draining: Callable[[], bool]


Office = Callable[[Desk], AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    """A task (none for None) for as long as an office is open; an end of its own is an error, and said."""
    if work is None:
        yield
        return
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _ended(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("an office failed", exc_info=task.exception())
