"""Noticing that the registry folder has changed and come to rest.

The folder's *look* (names, sizes, times, inodes) is compared; watchfiles only says when to look. It misses what network
file systems and replaced folders do, so a look is taken now and then anyway.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch

LOOK_SECONDS = 5.0

Look = tuple[tuple[str, int, int, int], ...]

log = logging.getLogger("portguard.daemon")


def look(folder: Path) -> Look:
    """How the folder's files look; empty while it cannot be read."""
    found = []
    try:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                status = path.stat()
                found.append((path.name, status.st_size, status.st_mtime_ns, status.st_ino))
    except OSError:
        return ()
    return tuple(found)


async def changes(folder: Path, settle: float) -> AsyncIterator[None]:
    """Yields each time the folder looks different and has looked the same for `settle` seconds. Never ends."""
    stirred = asyncio.Event()
    watcher = asyncio.create_task(_stir(folder, stirred))
    try:
        known = look(folder)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stirred.wait()
            stirred.clear()
            now = look(folder)
            if now == known:
                continue
            known = await _settled(folder, now, settle)
            yield
    finally:
        watcher.cancel()


async def _settled(folder: Path, now: Look, settle: float) -> Look:
    while True:
        await asyncio.sleep(settle)
        later = look(folder)
        if later == now:
            return now
        now = later


async def _stir(folder: Path, stirred: asyncio.Event) -> None:
    """Set the event on every notice of the file system, for as long as there are any to be had."""
    while True:
        try:
            async for _ in awatch(folder, watch_filter=None, debounce=50, step=20, recursive=False):
                stirred.set()
        except Exception as error:
            log.debug("no file notices", extra={"reason": str(error)})
        await asyncio.sleep(LOOK_SECONDS)
