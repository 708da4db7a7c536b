"""The proxies under test, each a process pinned to the proxies' core that forwards to the sink.

What cannot be started is a `Failed`; what is not installed is `LeftOut`, and the message says how to get it.
"""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cpu import children, pin
from on_file import write_registry, write_settings
from portguard.sim.ports import free_port

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE.parent / "tests" / "e2e" / "node_modules"
START_SECONDS = 60.0
ROWS_A_SECOND = 5_000  # that a registry is built at, at the very least

_HAPROXY = """
global
    nbthread 1
    maxconn 5000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen smpp
    bind 127.0.0.1:{port}
    server sink 127.0.0.1:{sink}
"""


class Failed(Exception):
    """Something could not be measured, or was measured and is wrong; the message says what."""


class LeftOut(Failed):
    """Something cannot be measured on this machine: a program is missing, or too much else runs."""


@dataclass(frozen=True)
class Proxy:
    """A running proxy: where it listens, what it is, and its processes by name, `message` those that carry messages.
    `kind` is that of its permitted traffic: `reworded` where it writes sequence numbers of its own."""

    name: str
    port: int
    version: str
    pids: dict[str, list[int]]
    log: Path
    kind: str = "permitted"
    # Of portguard: its folder, where `state` is, the revision it serves, the port of /metrics, seconds to get ready.
    folder: Path = Path()
    revision: str = ""
    metrics: int = 0
    start_seconds: float = 0.0
    # Of two processes, the port of the other one; connections take turns.
    other_port: int = 0


@dataclass(frozen=True)
class Setting:
    """One way to run portguard: `rows` on file beside those that most traffic needs, each signature with so many
    scopes; `records_per_second` that the journal takes of an account, the rest being counted; and `more` sections."""

    rows: int = 1000
    scopes: int = 1
    workers: int = 1
    records_per_second: int = 1000
    more: str = ""


@dataclass
class Ground:
    """Where proxies run: a folder for their files, the sink's port, and the two cores."""

    folder: Path
    sink: int
    proxy_core: int
    load_core: int


@contextlib.contextmanager
def process(command: list[str], core: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process on one core, ended with the block."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=lambda: pin(core))
    try:
        yield running
    finally:
        end(running)


def end(running: subprocess.Popen[bytes]) -> None:
    """End a process, kindly at first."""
    running.terminate()
    try:
        running.wait(20)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def wait_for(running: subprocess.Popen[bytes], port: int, log: Path, seconds: float = START_SECONDS) -> None:
    """Until somebody listens on `port`. Raises Failed with the log if the process ends first or it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise Failed(f"{running.args!r} does not listen:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


@contextlib.contextmanager
def haproxy(ground: Ground, name: str = "haproxy") -> Iterator[Proxy]:
    """HAProxy as Debian has it, passing TCP through."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        raise LeftOut("haproxy is not installed (Debian: apt install haproxy)")
    port, settings, log = free_port(), ground.folder / f"{name}.cfg", ground.folder / f"{name}.log"
    settings.write_text(_HAPROXY.format(port=port, sink=ground.sink), encoding="utf-8")
    named = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
    with process([program, "-db", "-f", str(settings)], ground.proxy_core, log) as running:
        wait_for(running, port, log)
        yield Proxy(name, port, named, {"message": [running.pid]}, log)


@contextlib.contextmanager
def two_haproxies(ground: Ground) -> Iterator[Proxy]:
    """Two of them, which share the connections: what it costs to share a core, whoever does."""
    with haproxy(ground, "haproxy-one") as one, haproxy(ground, "haproxy-other") as other:
        pids = {"message": one.pids["message"] + other.pids["message"]}
        yield replace(one, name="two haproxies", pids=pids, other_port=other.port)


@contextlib.contextmanager
def peer(ground: Ground, name: str, command: list[str], named: str, kind: str = "permitted") -> Iterator[Proxy]:
    """A program of `peers/`, which takes its port and the sink's."""
    port, log = free_port(), ground.folder / f"{name}.log"
    with process([*command, str(port), str(ground.sink)], ground.proxy_core, log) as running:
        wait_for(running, port, log)
        yield Proxy(name, port, named, {"message": [running.pid]}, log, kind)


def relay(ground: Ground) -> contextlib.AbstractContextManager[Proxy]:
    """The plain uvloop relay."""
    command = [sys.executable, str(HERE / "peers" / "uvloop_relay.py")]
    return peer(ground, "relay", command, f"uvloop {version('uvloop')}")


def node_smpp(ground: Ground) -> contextlib.AbstractContextManager[Proxy]:
    """node-smpp as a proxy."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "smpp").is_dir():
        raise LeftOut("node-smpp is not installed (Debian: apt install nodejs npm; then: make node)")
    named = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    command = [node, str(HERE / "peers" / "node_smpp_proxy.js")]
    return peer(ground, "node-smpp", command, f"smpp 0.5.1, node {named}")


def smpp34(ground: Ground) -> contextlib.AbstractContextManager[Proxy]:
    """smpp34 as a proxy."""
    command = [sys.executable, str(HERE / "peers" / "smpp34_proxy.py")]
    return peer(ground, "smpp34", command, f"smpp34 {version('smpp34')}", "reworded")


@contextlib.contextmanager
def portguard(
    ground: Ground, name: str = "portguard", setting: Setting | None = None, again: bool = False
) -> Iterator[Proxy]:
    """`portguard run`, enforcing the full rule set. Processes that carry no messages get the core of load and sink.
    `again`: over the folder of an earlier run, with the revision that it has prepared."""
    from portguard import __version__
    from portguard.flavour import flavour, is_trained

    setting = setting or Setting()
    port, metrics, folder = free_port(), free_port(), ground.folder / name.replace(" ", "-")
    more = f"records_per_second = {setting.records_per_second}\n{setting.more}"
    if not again:
        folder.mkdir()
        write_registry(folder / "registry", setting.rows, setting.scopes)
    settings = write_settings(folder, port, ground.sink, metrics, setting.workers, more)
    log, seconds = folder / "portguard.log", START_SECONDS + setting.rows * (2 + setting.scopes) / ROWS_A_SECOND
    command = [sys.executable, "-P", "-m", "portguard", "run", "-c", str(settings)]
    began = time.monotonic()
    with process(command, ground.proxy_core, log) as running:
        wait_for(running, metrics, log, seconds)
        _until_ready(running, metrics, log, seconds)
        took = time.monotonic() - began
        pids, revision = _processes(folder, running.pid)
        for role, numbers in pids.items():
            for pid in numbers:
                for task in Path(f"/proc/{pid}/task").iterdir():
                    core = ground.proxy_core if role == "message" else ground.load_core
                    os.sched_setaffinity(int(task.name), {core})
        named = f"{__version__} {flavour()}{', trained' if is_trained() else ''}"
        yield Proxy(name, port, named, pids, log, "permitted", folder, revision, metrics, took)


def _until_ready(running: subprocess.Popen[bytes], port: int, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while running.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise Failed(f"portguard did not get ready:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def _processes(folder: Path, main: int) -> tuple[dict[str, list[int]], str]:
    """The daemon's processes by role, and the revision it serves."""
    from portguard.daemon.control import ask

    status: dict[str, Any] = ask(folder / "state", "status", 10.0)
    pids = {"message": [worker["pid"] for worker in status["workers"]], "main": [main]}
    pids["journal"] = [pid for pid in children(main) if pid not in pids["message"]]
    if not pids["message"] or not pids["journal"]:
        raise Failed(f"portguard's processes are {pids}: a worker and a writer of the journal are expected")
    return pids, str(status["revision"])


def counted(proxy: Proxy) -> tuple[int, int]:
    """(submit_sm that came from ESMEs, messages decided about) so far, as /metrics has it, over all workers. A long
    message is one, whatever the number of its parts."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.metrics, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    came, decided = (
        sum(float(line.split()[-1]) for line in lines if line.startswith(name))
        for name in ('portguard_pdus_total{command="submit_sm",leg="esme_in"}', "portguard_messages_total{")
    )
    return round(came), round(decided)


PROXIES: dict[str, Callable[[Ground], contextlib.AbstractContextManager[Proxy]]] = {
    "haproxy": haproxy, "two haproxies": two_haproxies, "relay": relay, "node-smpp": node_smpp, "smpp34": smpp34,
    "portguard": portguard,
}


def cores() -> tuple[int, int]:
    """The core of the proxies and the core of load and sink."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Failed("two cores are needed: one for the proxy, one for load and sink")
    return usable[1], usable[0]
