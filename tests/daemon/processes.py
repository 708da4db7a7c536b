"""A daemon as a process of its own over the sample registry, on ports that the kernel chooses."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import portguard
from portguard.daemon.control import ask

DEADLINE = 60.0
SAMPLE = Path(__file__).parents[2] / "config" / "registry"

# Priority: beside other tests no processor is idle, and each reload would wait until it is found to starve. That idle
# ones starve and get through is in test_builder; the demo and the benchmark reload with the default.
SETTINGS = """
[node]
id = "test"
[listen]
address = "127.0.0.1:0"
[[smsc]]
name = "away"
address = "127.0.0.1:1"
[registry]
path = "registry"
watch = false
priority = "low"
settle_ms = 50
[metrics]
address = "127.0.0.1:0"
"""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll until the condition holds; AssertionError after DEADLINE."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


class Daemon:
    """`with Daemon(folder) as daemon:` runs it; leaving ends it with SIGTERM and expects exit 0."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        self.folder = folder
        self.registry = folder / "registry"
        self.state = folder / "state"
        self.settings = folder / "portguard.toml"
        self.settings.write_text(settings, encoding="utf-8")
        if not self.registry.exists():
            shutil.copytree(SAMPLE, self.registry)
        self.own_group = False
        self.process: subprocess.Popen[str] | None = None
        self._log = folder / "log"

    def start(self) -> "Daemon":
        """Start it without waiting for anything."""
        self._log.write_text("")
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "portguard", "run", "-c", str(self.settings)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, env=environment(),
                process_group=0 if self.own_group else None,
            )
        return self

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def serving(self) -> "Daemon":
        """Wait until it serves."""
        until(lambda: "event=serving" in self.said() or self.ended(), "the daemon to serve")
        assert not self.ended(), self.said()
        return self

    def ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def wait(self) -> int:
        """Its exit code."""
        assert self.process is not None
        return self.process.wait(DEADLINE)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ask(self, command: str) -> dict[str, Any]:
        return ask(self.state, command, DEADLINE)

    def revision(self) -> str:
        return str(self.ask("status")["revision"])

    def get(self, path: str, address: str) -> tuple[int, str]:
        """Status and body of a page."""
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=DEADLINE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def field(self, name: str) -> str:
        """A field of the line that says what serves."""
        found = re.search(rf"event=serving .*\b{name}=(\S+)", self.said())
        assert found is not None, self.said()
        return found[1]

    def edit(self, table: str, old: str, new: str) -> None:
        """Replace a piece of a table of the sample."""
        text = (SAMPLE / table).read_text(encoding="utf-8")
        assert old in text
        self.put(table, text.replace(old, new))

    def restore(self, *tables: str) -> None:
        """Tables as they are in the sample."""
        for table in tables:
            self.put(table, (SAMPLE / table).read_text(encoding="utf-8"))

    def put(self, table: str, text: str) -> None:
        """Write a table in one rename, as editors do."""
        beside = self.folder / "beside"
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.registry / table)

    def __enter__(self) -> "Daemon":
        return self.start().serving()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        if not self.ended():
            self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        if kind is None:
            assert code == 0, self.said()
            assert "Traceback" not in self.said(), self.said()


def environment() -> dict[str, str]:
    """The environment in which a process finds the portguard that is tested."""
    return {**os.environ, "PYTHONPATH": str(Path(portguard.__file__).parent.parent)}
