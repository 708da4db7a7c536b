"""The proxies under test, each a process pinned to the proxies' core that forwards to the sink."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cpu import pin
from on_file import write_registry, write_settings

HERE = Path(__file__).resolve().parent
START_SECONDS = 300.0

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


@dataclass(frozen=True)
class Proxy:
    """A running proxy: where it listens, its process, and what it is."""

    name: str
    port: int
    pid: int
    version: str


def free_port() -> int:
    """A port of the loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(command: list[str], core: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process on one core, ended with the block."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=lambda: pin(core))
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until somebody listens on `port`. Ends the program with the log if the process ends first."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    sys.exit(f"{running.args!r} does not listen:\n{log.read_text(encoding='utf-8', errors='replace')}")


@contextlib.contextmanager
def haproxy(folder: Path, sink: int, core: int) -> Iterator[Proxy]:
    """HAProxy as Debian has it, passing TCP through."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        sys.exit("haproxy is not installed (Debian: apt install haproxy)")
    port, settings = free_port(), folder / "haproxy.cfg"
    settings.write_text(_HAPROXY.format(port=port, sink=sink), encoding="utf-8")
    named = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
    with process([program, "-db", "-f", str(settings)], core, folder / "haproxy.log") as running:
        wait_for(running, port, folder / "haproxy.log")
        yield Proxy("haproxy", port, running.pid, named)


@contextlib.contextmanager
def relay(folder: Path, sink: int, core: int) -> Iterator[Proxy]:
    """The plain uvloop relay."""
    port = free_port()
    command = [sys.executable, str(HERE / "relay.py"), str(port), str(sink)]
    with process(command, core, folder / "relay.log") as running:
        wait_for(running, port, folder / "relay.log")
        yield Proxy("relay", port, running.pid, f"uvloop {version('uvloop')}")


@contextlib.contextmanager
def portguard(folder: Path, sink: int, core: int, more: int) -> Iterator[Proxy]:
    """`portguard run`, enforcing the full rule set on a registry with `more` rows than the traffic needs."""
    from portguard import __version__
    from portguard.flavour import flavour

    port, metrics = free_port(), free_port()
    settings = write_settings(folder, port, sink, metrics)
    write_registry(folder / "registry", more)
    log = folder / "portguard.log"
    with process([sys.executable, "-P", "-m", "portguard", "run", "-c", str(settings)], core, log) as running:
        wait_for(running, metrics, log)
        _until_ready(running, metrics, log)
        yield Proxy("portguard", port, running.pid, f"{__version__} {flavour()}")


def _until_ready(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while running.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    sys.exit(f"portguard did not get ready:\n{log.read_text(encoding='utf-8', errors='replace')}")


def cores() -> tuple[int, int]:
    """The core of the proxies and the core of load and sink."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("two cores are needed: one for the proxy, one for load and sink")
    return usable[1], usable[0]
