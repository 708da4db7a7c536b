"""The live screen: asks in a thread of its own, listens to keys, draws, and leaves the terminal as it was.

Whatever ends it (q, Ctrl-C, SIGTERM, a closed terminal) only leaves a wish; one loop acts on them, as in the daemon.
"""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.live import Live as Screen

from portguard.cli.top_pace import Moment, moment
from portguard.cli.top_view import SORTS, Wishes, screen, waiting
from portguard.daemon.control import ControlError
from portguard.daemon.snapshot import Snapshot

# Messages a second that the little curve remembers.
REMEMBERED: Final = 120
AWAY_SECONDS: Final = 2.0


class Live:
    """`look` asks the daemon, which may take a while; `run` returns when whoever looks has enough."""

    def __init__(
        self, console: Console, look: Callable[[], Snapshot], interval: float, wishes: Wishes
    ) -> None:
        self._console = console
        self._look = look
        self._interval = interval
        self._wishes = wishes
        self._moment: Moment | None = None
        self._before: Snapshot | None = None
        self._heard: list[Snapshot | str] = []
        self._reading, self._waking = os.pipe()
        os.set_blocking(self._waking, False)
        self._end = threading.Event()
        self._suspended = False
        wishes.keys = sys.stdin.isatty()

    def run(self) -> None:
        """Show until q or a signal. Raises ControlError when there is nothing to show from the beginning."""
        self._take(self._look())
        threading.Thread(target=self._keep_looking, name="looking", daemon=True).start()
        with self._signals():
            while not self._end.is_set():
                with self._keyboard(), Screen(
                    console=self._console, screen=True, auto_refresh=False, redirect_stdout=False,
                    redirect_stderr=False,
                ) as drawn:
                    self._show(drawn)
                if self._suspended:
                    self._suspended = False
                    os.kill(os.getpid(), signal.SIGSTOP)

    def _show(self, drawn: Screen) -> None:
        """Until it ends, or is suspended."""
        while not self._end.is_set() and not self._suspended:
            size = self._console.size
            width, height = size.width, size.height
            picture = (
                screen(self._moment, self._wishes, width, height) if self._moment is not None
                else waiting(self._wishes, width, height)
            )
            drawn.update(picture, refresh=True)
            sources = [self._reading, *([sys.stdin.fileno()] if self._wishes.keys else [])]
            ready, _, _ = select.select(sources, [], [])
            if self._reading in ready:
                os.read(self._reading, 4096)
                while self._heard:
                    self._take(self._heard.pop(0))
            if len(ready) > (self._reading in ready):
                self._press(os.read(sys.stdin.fileno(), 1024))

    # ---- what comes in

    def _keep_looking(self) -> None:
        """In the thread: what was found, or why nothing was, is left for the loop."""
        interval = self._interval
        while not self._end.wait(interval):
            try:
                self._heard.append(self._look())
                interval = self._interval
            except ControlError as error:
                self._heard.append(str(error))
                interval = min(self._interval, AWAY_SECONDS)
            self._wake()

    def _take(self, heard: Snapshot | str) -> None:
        wishes = self._wishes
        if isinstance(heard, str):
            if not wishes.trouble:
                since = datetime.now().astimezone().strftime("%H:%M:%S")
                wishes.trouble = f"not heard of since {since}, trying again: {heard}"
                wishes.history.clear()
            return
        wishes.trouble = ""
        if self._before is not None and heard.clock == self._before.clock and heard.pid == self._before.pid:
            return
        found, self._before = moment(self._before, heard), heard
        if found.pace is not None:
            wishes.history.append(sum(found.pace.messages.values()))
            del wishes.history[:-REMEMBERED]
        if not wishes.paused:
            self._moment = found

    def _press(self, keys: bytes) -> None:
        wishes = self._wishes
        if not keys:
            # The terminal has gone.
            self._end.set()
        # An arrow or another key of several octets is none of ours.
        for key in keys if len(keys) == 1 else keys.replace(b"\x1b[", b"").replace(b"\x1bO", b""):
            match chr(key).lower():
                case "q" | "\x03":
                    self._end.set()
                case "s":
                    wishes.sort = SORTS[(SORTS.index(wishes.sort) + 1) % len(SORTS)]
                case "l":
                    wishes.links = not wishes.links
                case "p":
                    wishes.paused = not wishes.paused

    # ---- the terminal

    def _wake(self) -> None:
        # A full pipe has woken the loop already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._waking, b".")

    def _signalled(self, number: int, frame: Any) -> None:
        if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._end.set()
        elif number == signal.SIGTSTP:
            self._suspended = True
        self._wake()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH)
        before = {number: signal.signal(number, self._signalled) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _keyboard(self) -> Iterator[None]:
        """Keys come one by one and are not shown; afterwards the terminal is as it was."""
        if not self._wishes.keys:
            yield
            return
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
