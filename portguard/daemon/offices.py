"""The offices of the main process: whatever serves people rather than messages is opened and closed here.

What an office does may be slow; a message never waits for it.
"""

import contextlib
from collections.abc import AsyncIterator

from portguard.daemon.administering import administering
from portguard.daemon.complaining import complaining
from portguard.daemon.desk import Desk, Office, running
from portguard.daemon.publishing import publishing
from portguard.daemon.showing import showing
from portguard.daemon.watch import changes


@contextlib.asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[None]:
    """The registry's folder, when it is to be watched."""
    options = desk.settings.registry

    async def watch() -> None:
        async for _ in changes(options.path, options.settle_ms / 1000):
            desk.wish("change")

    async with running(watch() if options.watch else None):
        yield


# In the order in which they open; they close in the reverse one.
OFFICES: tuple[Office, ...] = (complaining, watching, publishing, administering, showing)


async def open_offices(desk: Desk, stack: contextlib.AsyncExitStack) -> None:
    """Open them all; they close with the stack. What an office raises ends the start; StateError says it plainly."""
    for office in OFFICES:
        await stack.enter_async_context(office(desk))
