"""A process of another world that speaks JSON lines: one object a line, octets as {"hex": "..."}."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.waiting import until

END_SECONDS = 10

Event = dict[str, Any]


class LineProcess:
    """Runs a command; every line it says is kept in `events` and handed to `heard`."""

    def __init__(self, command: Sequence[str], folder: Path, heard: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self._heard = heard
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self._reader = threading.Thread(target=self._read, name=command[1], daemon=True)
        self._reader.start()

    def say(self, **order: Any) -> None:
        """Writes one order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def expect(self, event: str, seconds: float = END_SECONDS, **fields: Any) -> Event:
        """The first event of that name whose fields are these, waited for."""
        return until(lambda: self.find(event, **fields), f"{event} {fields} from the peer", seconds)

    def find(self, event: str, **fields: Any) -> Event | None:
        """The first event of that name whose fields are these, so far."""
        wanted = {"event": event, **fields}
        return next((each for each in list(self.events) if wanted.items() <= each.items()), None)

    def running(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to the process."""
        os.kill(self._process.pid, number)

    def end(self) -> None:
        """Kills the process, stopped or not, and waits for it; a second call does nothing."""
        if self.running():
            self.signal(signal.SIGKILL)
        self._process.wait(END_SECONDS)
        self._reader.join(END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # an order that it did not live to read
                    stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line, object_hook=_octets)
            self.events.append(event)
            if self._heard is not None:
                self._heard(event)


def octets(value: bytes) -> dict[str, str]:
    """Octets as the other side reads them."""
    return {"hex": value.hex()}


def _octets(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["hex"]) if value.keys() == {"hex"} else value
