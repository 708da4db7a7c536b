"""Where the demo plays: a folder of its own, free ports, a simulated SMSC, and portguard as a real process.

Noun: the *stage* owns all of these, and leaves nothing behind when it is taken down.
"""

import asyncio
import contextlib
import csv
import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from prometheus_client.parser import text_string_to_metric_families

from portguard.sim.behaviour import Behaviour
from portguard.sim.ports import free_port
from portguard.sim.smsc import Smsc

READY_SECONDS: Final = 20.0
RELOAD_SECONDS: Final = 15.0
STOP_SECONDS: Final = 12.0

Row = dict[str, str]
# Sample name -> its labels, sorted -> its value.
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


class DemoError(Exception):
    """The demo cannot go on; says why."""


class Stage:
    """`async with Stage(config, accounts) as stage` sets everything up and takes it down again."""

    def __init__(self, config: Path, accounts: list[str], changes: Callable[[dict[str, Any]], None]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portguard-demo-"))
        self.settings = self.folder / "portguard.toml"
        self.log = self.folder / "portguard.log"
        # Passwords of one play: eight characters are all that SMPP 3.4 §5.2.2 has room for.
        self.passwords = {account: secrets.token_hex(4) for account in accounts}
        self.smsc = Smsc(Behaviour(passwords=self.passwords))
        self.port, self._metrics_port = free_port(), free_port()
        self._config = config
        self._changes = changes
        self._process: subprocess.Popen[bytes] | None = None
        self.keep = False

    async def __aenter__(self) -> Self:
        try:
            await self.smsc.start()
            self._write()
            self._start()
            await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.to_thread(self._stop)
            await self.smsc.stop()
        finally:
            self._kill()
            if not self.keep:
                shutil.rmtree(self.folder, ignore_errors=True)

    # -- the registry

    def table(self, name: str) -> tuple[list[str], list[Row]]:
        """Heading and rows of a table of the registry."""
        with self._path(name).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            return list(reader.fieldnames or []), list(reader)

    def edit(self, **changes: Callable[[list[Row]], object]) -> None:
        """Rewrite tables, each whole and all at once, as an administrator's editor does."""
        beside = self.folder / "edited"
        beside.mkdir(exist_ok=True)
        for name, change in changes.items():
            heading, rows = self.table(name)
            change(rows)
            with (beside / f"{name}.csv").open("w", encoding="utf-8", newline="") as lines:
                writer = csv.DictWriter(lines, heading, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        for name in changes:
            (beside / f"{name}.csv").replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / "registry" / f"{name}.csv"

    # -- what the daemon says

    async def metrics(self) -> Samples:
        """The samples of /metrics."""
        text = await asyncio.to_thread(self._get, "/metrics")
        samples: Samples = {}
        for family in text_string_to_metric_families(text or ""):
            for sample in family.samples:
                samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return samples

    async def revision(self) -> str:
        """The registry revision that serves."""
        info = (await self.metrics()).get("portguard_registry_info", {})
        return next((dict(labels).get("revision", "") for labels, value in info.items() if value), "")

    async def reloads(self) -> dict[str, float]:
        """How many reloads ended how."""
        found = (await self.metrics()).get("portguard_registry_reloads_total", {})
        return {dict(labels).get("result", ""): value for labels, value in found.items()}

    async def until(self, what: str, there: Callable[[], Any]) -> None:
        """Ask again and again until `there()` (a coroutine function) is true; DemoError when it takes too long."""
        try:
            async with asyncio.timeout(RELOAD_SECONDS):
                while not await there():
                    self.check_alive()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoError(f"waited {RELOAD_SECONDS:.0f} s for {what}") from None

    async def command(self, *arguments: str) -> list[str]:
        """What a portguard command on the demo's settings prints. DemoError when it fails."""
        whole = [sys.executable, "-m", "portguard", *arguments, "-c", str(self.settings)]
        done = await asyncio.to_thread(subprocess.run, whole, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(f"portguard {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return str(done.stdout).splitlines()

    def check_alive(self) -> None:
        """DemoError with the end of its log when the daemon has gone."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise DemoError(f"portguard ended with exit code {self._process.returncode}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """The end of the daemon's log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    # -- setting up and taking down

    def _write(self) -> None:
        shutil.copytree(self._config / "registry", self.folder / "registry")
        settings = tomllib.loads((self._config / "portguard.toml").read_text("utf-8"))
        settings.setdefault("node", {})["state"] = "state"
        settings.setdefault("listen", {})["address"] = f"127.0.0.1:{self.port}"
        settings["smsc"] = [{"name": "sim", "address": self.smsc.address}]
        settings["registry"] = {"path": "registry", "watch": True, "settle_ms": 200}
        settings["metrics"] = {"address": f"127.0.0.1:{self._metrics_port}"}
        self._changes(settings)
        self.settings.write_text(toml(settings), "utf-8")

    def _start(self) -> None:
        command = [sys.executable, "-m", "portguard", "run", "-c", str(self.settings)]
        with self.log.open("wb") as log:
            # A session of its own: a Ctrl-C at the terminal is for the demo, which then stops the daemon in order.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while await asyncio.to_thread(self._get, "/readyz") is None:
                    self.check_alive()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DemoError(f"portguard was not ready after {READY_SECONDS:.0f} s:\n{self.log_tail()}") from None

    def _get(self, path: str) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._metrics_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
            return text if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        """The whole session of the daemon: a builder that it started ends with it."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def find_config() -> Path | None:
    """The sample in config/, beside the package in a clone, or under the current folder."""
    here = Path(__file__).resolve().parents[2]
    return next((path / "config" for path in (here, Path.cwd()) if (path / "config" / "portguard.toml").exists()), None)


def toml(settings: dict[str, Any], name: str = "") -> str:
    """Settings as TOML; values are strings, numbers, booleans, lists of these, tables and lists of tables."""
    plain = {key: value for key, value in settings.items() if not _is_table(value)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    if name and (lines or not settings):
        lines.insert(0, f"[{name}]")
    for key, value in settings.items():
        place = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            lines.append(toml(value, place))
        elif _is_table(value):
            lines += [toml(item, place).replace(f"[{place}]", f"[[{place}]]", 1) for item in value]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
