"""A daemon of its own: `python -m portguard run` in a folder with settings and a registry, on free ports.

It runs on the flavour that the tests run on. Its log is kept, and shown when something fails; at the end it must hold
no traceback.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

import portguard
from portguard.daemon.control import ask
from portguard.sim.ports import free_port
from tests.e2e import tables
from tests.e2e.peers.client import ADDRESS
from tests.e2e.waiting import until

# All of these tests hold whatever the number: PORTGUARD_WORKERS=2 make test.
WORKERS = int(os.environ.get("PORTGUARD_WORKERS", "1"))
START_SECONDS = 20.0
END_SECONDS = 20.0
ROOM = Path(portguard.__file__).parent.parent


def environment() -> dict[str, str]:
    """The environment of a portguard process: it finds the package that the tests have imported."""
    path = os.pathsep.join(filter(None, (str(ROOM), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def portguard_command(*arguments: str) -> list[str]:
    """The command line of a portguard process."""
    return [sys.executable, "-P", "-m", "portguard", *arguments]


def run_portguard(*arguments: str, folder: Path, seconds: float = END_SECONDS) -> subprocess.CompletedProcess[str]:
    """Runs a portguard command to its end in a folder."""
    return subprocess.run(
        portguard_command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=seconds,
        check=False,
    )


def settings(listen: int, metrics: int, smscs: Sequence[int], more: str = "") -> str:
    """portguard.toml for these ports of the loopback. `more` begins with keys of [policy], then sections. What is built
    gets some of a busy processor, as they all are beside other tests."""
    found = "".join(
        f'[[smsc]]\nname = "smsc{number}"\naddress = "{ADDRESS}:{port}"\nconnect_timeout = 1.0\nbind_timeout = 1.0\n\n'
        for number, port in enumerate(smscs, 1)
    )
    return (
        f'[node]\nid = "e2e"\nworkers = {WORKERS}\n\n[listen]\naddress = "{ADDRESS}:{listen}"\n\n{found}'
        '[registry]\npath = "registry"\npriority = "low"\nsettle_ms = 100\n\n'
        f'[metrics]\naddress = "{ADDRESS}:{metrics}"\n\n'
        f'[policy]\nmode = "enforce"\n{more}'
    )


class Daemon:
    """One daemon. `edit` changes the text of its settings before the start."""

    def __init__(
        self, folder: Path, smscs: Sequence[int], more: str = "", registry: tables.Tables | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.metrics_port = free_port()
        self.settings = folder / "portguard.toml"
        self.registry = folder / "registry"
        self.settings.write_text(settings(self.port, self.metrics_port, smscs, more), encoding="utf-8")
        if registry is not None:
            tables.write(self.registry, registry)
        self._log = folder / "portguard.log"
        self._process: subprocess.Popen[bytes] | None = None

    # -- life

    def edit(self, old: str, new: str) -> None:
        """Replaces a piece of portguard.toml, which must occur once."""
        text = self.settings.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        self.settings.write_text(text.replace(old, new), encoding="utf-8")

    def begin(self, **limits: object) -> None:
        """Starts the process, and does not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                portguard_command("run", "-c", str(self.settings)), cwd=self.folder, env=environment(), stdout=log,
                stderr=subprocess.STDOUT, **limits,  # type: ignore[call-overload]
            )

    def start(self) -> None:
        """Starts the process and returns when it says that it serves."""
        self.begin()
        until(self.ready, "the daemon to be ready", START_SECONDS)

    def ready(self) -> bool:
        """True when /readyz says so. AssertionError with the log when the process has ended."""
        assert self.running(), f"the daemon ended with {self.returncode()}:\n{self.log()}"
        try:
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the daemon."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Its exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """Ends the daemon if it still runs, and looks through its log."""
        if self.running():
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.wait()
                raise AssertionError(f"SIGTERM did not end it within {END_SECONDS:g} s:\n{self.log()}") from None
        assert "Traceback" not in self.log(), self.log()

    # -- what it shows

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def http(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its HTTP endpoint."""
        connection = http.client.HTTPConnection(ADDRESS, self.metrics_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels."""
        status, text = self.http("/metrics")
        assert status == 200, text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def revision(self) -> str:
        """The revision that it serves, as registry_info says."""
        for family in text_string_to_metric_families(self.http("/metrics")[1]):
            for sample in family.samples:
                if sample.name.startswith("portguard_registry_info") and sample.value == 1:
                    return sample.labels["revision"]
        return ""

    def status(self) -> dict[str, Any]:
        """What it says on its control socket."""
        return ask(self.folder / "state", "status", END_SECONDS)

    def child(self, module: str) -> int:
        """The process id of the one child that runs a module."""
        # Unbounded: in a folder with a long name, 80 columns end before the module.
        command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = [line.split()[0] for line in listed.splitlines() if module in line]
        assert len(found) == 1, listed
        return int(found[0])

    def workers(self) -> list[int]:
        """The process ids of its workers, which the messages go through."""
        return [worker["pid"] for worker in self.status()["workers"]]

    def resident(self) -> int:
        """Resident memory of its workers in octets."""
        return sum(_resident(pid) for pid in self.workers())


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
