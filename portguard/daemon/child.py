"""A process of our own beside the main one: started, watched, started again when it ends, given up when that helps not.

Nouns: a *child* is a command line and the sockets that it inherits; a *life* is one process of it. Workers and the
evidence writer are children.
"""

import asyncio
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Final

import portguard

# So many ends within so many seconds are a crash loop.
CRASHES: Final = 6
CRASH_SECONDS: Final = 60.0
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0

log = logging.getLogger("portguard.daemon")


class CrashLoop(Exception):
    """A child ended again and again; the message says which."""


class Backoff:
    """How long to wait before the next life. Time is passed in."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque()

    def ended(self, now: float) -> float | None:
        """Seconds to wait after an end at `now` (monotonic), None when it is a crash loop."""
        self._ends.append(now)
        while now - self._ends[0] > CRASH_SECONDS:
            self._ends.popleft()
        if len(self._ends) >= CRASHES:
            return None
        return min(FIRST_DELAY * 2.0 ** (len(self._ends) - 1), LONGEST_DELAY)


class Child:
    """`command` is its argv without the program; the numbers of the descriptors that it inherits are added at its end.

    `sockets` makes what the next life inherits (closed here once it has started); `began` and `ended` are told of each
    life, `ended` with the exit code, negative for a signal. `environment` is what it finds in its own unless
    this process has it otherwise.
    """

    def __init__(
        self, name: str, command: Sequence[str], sockets: Callable[[], list[socket.socket]],
        began: Callable[[], None], ended: Callable[[int], None],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.lives = 0
        self._command = list(command)
        self._sockets = sockets
        self._began = began
        self._ended = ended
        self._environment = environment
        self._backoff = Backoff()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """Its process id, 0 while there is none."""
        return 0 if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """The first life, or the next. Raises OSError when the machine has no process to give."""
        inherited = self._sockets()
        try:
            numbers = [sock.fileno() for sock in inherited]
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", *self._command, *map(str, numbers), pass_fds=numbers,
                stdin=asyncio.subprocess.DEVNULL, env={**self._environment, **own_environment()},
            )
        finally:
            for sock in inherited:
                sock.close()
        self.lives += 1
        self._began()

    async def keep(self) -> None:
        """Watch over it until `stop`, and start it again whenever it ends. Raises CrashLoop."""
        while self._process is not None:
            code = await self._process.wait()
            self._process = None
            self._ended(code)
            if self._stopping:
                return
            delay = self._backoff.ended(monotonic())
            if delay is None:
                raise CrashLoop(
                    f"{self.name} ended {CRASHES} times within {CRASH_SECONDS:.0f} s, last {how(code)}; giving up"
                )
            log.error(f"{self.name} ended, starting it again", extra={"ended": how(code), "seconds": delay})
            await asyncio.sleep(delay)
            if not self._stopping:
                await self._start_again()

    async def _start_again(self) -> None:
        while True:
            try:
                await self.start()
                return
            except OSError as error:
                delay = self._backoff.ended(monotonic())
                if delay is None:
                    raise CrashLoop(f"{self.name} cannot be started: {error.strerror or error}") from error
                await asyncio.sleep(delay)

    def stopping(self) -> None:
        """It is about to be told to end: its end is no surprise."""
        self._stopping = True

    async def stop(self, seconds: float) -> int | None:
        """Wait for its end, and bring it about when it takes longer than that. Its exit code; None when it had ended
        before."""
        self._stopping = True
        process = self._process
        if process is None:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await process.wait()
        except TimeoutError:
            log.error(f"{self.name} did not end in time and was killed", extra={"pid": process.pid})
            self.kill()
            return await process.wait()

    def kill(self) -> None:
        """End this life at once."""
        if self.pid:
            assert self._process is not None
            self._process.kill()


def how(code: int) -> str:
    """How a process ended, in words."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def own_environment() -> dict[str, str]:
    """A process of ours runs the same portguard as this one, from wherever that was imported."""
    here = str(Path(portguard.__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{path}" if path else here}
