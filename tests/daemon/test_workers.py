"""The worker as a process of its own: lean, started again, ended with the main process, and bound to what serves."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from portguard.daemon.channel import decode, encode
from portguard.daemon.child import CRASHES
from portguard.daemon.orders import Orders, for_a_worker
from portguard.evidence.reader import Reader
from portguard.settings.load import load
from portguard.sim.ports import free_port
from tests.daemon.processes import SETTINGS, Daemon, environment, until
from tests.daemon.test_service import port

FULL = Path(__file__).parents[2] / "config" / "portguard.toml"
REASON = f"worker 1 ended {CRASHES} times within 60 s, last by signal 9; giving up"
HEAVY = ("click", "rich", "aiohttp", "prometheus_client", "watchfiles", "yaml", "http.client", "tomllib")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


def workers(daemon: Daemon) -> list[int]:
    """Process ids of the workers that serve."""
    return [worker["pid"] for worker in daemon.ask("status")["workers"] if worker["serving"]]


def writers(daemon: Daemon) -> list[int]:
    """Process ids of the journal's writer."""
    main = daemon.ask("status")["pid"]
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return [int(pid) for pid in children if b"evidence.writer" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def crash(daemon: Daemon) -> None:
    """Kill the worker until it is given up."""
    for number in range(CRASHES):
        [pid] = until(lambda: workers(daemon), f"life {number + 1}")
        os.kill(pid, signal.SIGKILL)
        if number < CRASHES - 1:
            until(lambda gone=pid: workers(daemon) not in ([], [gone]), f"life {number + 2}")  # type: ignore[misc]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_imports_nothing_of_the_offices() -> None:
    code = (
        "import sys, portguard.daemon.worker, portguard.daemon.working\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
    assert said.stdout.strip() == "[]"


def test_orders_arrive_as_they_were_given_without_what_is_none_of_a_workers_business(tmp_path: Path) -> None:
    settings = load(FULL)
    told = for_a_worker(settings)
    assert told.metrics is None
    assert (told.listen, told.smsc, told.policy, told.registry) == (
        settings.listen, settings.smsc, settings.policy, settings.registry,
    )
    orders = Orders(1, 2, told, b"key", tmp_path / "image", True, 10)
    assert decode(encode(orders), Orders) == orders
    with pytest.raises(msgspec.ValidationError):
        decode(encode({**msgspec.to_builtins(told, enc_hook=str), "more": 1}), type(told))


@pytest.mark.slow
def test_main_and_worker_are_two_processes_and_nothing_secret_is_on_a_command_line(daemon: Daemon) -> None:
    [worker] = workers(daemon)
    assert daemon.process is not None
    assert worker != daemon.process.pid
    assert daemon.field("workers") == str(worker)
    arguments = Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")
    assert arguments[1:4] == [b"-P", b"-m", b"portguard.daemon.worker"]
    assert arguments[4].isdigit()
    assert (daemon.state / "discard.key").read_bytes() not in b" ".join(arguments)
    # The lock of the state folder is the main process's alone.
    held = [path.readlink() for path in Path(f"/proc/{worker}/fd").iterdir()]
    assert daemon.state / "lock" not in held


@pytest.mark.slow
def test_a_killed_worker_is_started_again_with_what_serves(daemon: Daemon) -> None:
    daemon.edit("enterprises.csv", "active", "suspended")
    assert daemon.ask("reload")["result"] == "success"
    [first] = workers(daemon)
    address = ("127.0.0.1", port(daemon))
    with socket.create_connection(address, 30) as client:
        until(lambda: daemon.ask("status")["sessions"]["open"] == 1, "the connection to be taken")
        os.kill(first, signal.SIGKILL)
        client.settimeout(30)
        with pytest.raises(ConnectionResetError):
            assert client.recv(1) == b""
            raise ConnectionResetError
    with socket.create_connection(address, 30):
        until(lambda: daemon.ask("status")["sessions"].get("open") == 1, "the next connection to be taken")
    status = daemon.ask("status")
    assert status["workers"][0]["restarts"] == 1
    assert workers(daemon) not in ([], [first])
    revision = status["revision"]
    daemon.restore("enterprises.csv")
    assert daemon.ask("reload")["result"] == "success"
    assert daemon.revision() != revision
    assert "worker 1 ended, starting it again" in daemon.said()
    assert "ended=\"by signal 9\"" in daemon.said()


@pytest.mark.slow
def test_a_worker_told_to_end_by_itself_is_started_again(daemon: Daemon) -> None:
    [first] = workers(daemon)
    os.kill(first, signal.SIGTERM)
    until(lambda: workers(daemon) not in ([], [first]), "another worker")
    os.kill(workers(daemon)[0], signal.SIGINT)
    os.kill(workers(daemon)[0], signal.SIGHUP)
    assert daemon.ask("reload")["result"] == "unchanged"
    assert daemon.ask("status")["workers"][0]["restarts"] == 1


@pytest.mark.slow
def test_a_crash_loop_ends_the_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start().serving()
    [writer] = writers(daemon)
    crash(daemon)
    assert daemon.wait() == 1
    assert not lives(writer)
    assert daemon.said().splitlines()[-1] == REASON
    assert "Traceback" not in daemon.said()
    with Reader(tmp_path / "evidence") as reader:
        *_, (_, kind, fields) = reader.rows(0, 1000)
    assert (kind, fields["reason"]) == ("stop", REASON)


@pytest.mark.slow
def test_a_crash_loop_waits_for_the_journal_and_says_what_it_lacks(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start().serving()
    [writer] = writers(daemon)
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (10, resource.prlimit(writer, resource.RLIMIT_FSIZE)[1]))
    crash(daemon)
    assert daemon.wait() == 1
    assert daemon.said().splitlines()[-2:] == [REASON, "the evidence journal lacks the last records: file too large"]


@pytest.mark.slow
def test_workers_end_with_a_main_process_that_is_killed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start().serving()
    [worker] = workers(daemon)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    until(lambda: not lives(worker), "the worker to end")
    assert "the main process has gone, draining" in daemon.said()
    with Daemon(tmp_path):
        pass


@pytest.mark.slow
def test_ctrl_c_reaches_the_whole_group_and_ends_in_order(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.own_group = True
    daemon.start().serving()
    assert daemon.process is not None
    with socket.create_connection(("127.0.0.1", port(daemon)), 30):
        until(lambda: daemon.ask("status")["sessions"]["open"] == 1, "the connection to be taken")
        os.killpg(daemon.process.pid, signal.SIGINT)
        assert daemon.wait() == 0
    assert "drained=yes" in daemon.said()
    assert "starting it again" not in daemon.said()
    assert "Traceback" not in daemon.said()


@pytest.mark.slow
def test_a_revision_that_a_worker_cannot_open_changes_nothing(daemon: Daemon) -> None:
    first = daemon.revision()
    [worker] = workers(daemon)
    # No descriptors left: it cannot map another file.
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (5, 4096))
    daemon.edit("enterprises.csv", "active", "suspended")
    answer = daemon.ask("reload")
    assert answer["result"] == "failed"
    assert answer["errors"][0].startswith("worker 1: ")
    assert daemon.revision() == first
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (4096, 4096))
    assert daemon.ask("reload")["result"] == "success"
    assert workers(daemon) == [worker]


@pytest.mark.slow
def test_metrics_of_a_worker_that_was_killed_stay(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = SETTINGS.replace('[metrics]\naddress = "127.0.0.1:0"', f'[metrics]\naddress = "{address}"')

    def value(name: str) -> float:
        lines = running.get("/metrics", address)[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    enquire_link = bytes.fromhex("00000010000000150000000000000001")
    with Daemon(tmp_path, settings) as running:
        with socket.create_connection(("127.0.0.1", port(running)), 30) as client:
            client.sendall(enquire_link)
            assert len(client.recv(16)) == 16
            asked = 'portguard_pdus_total{command="enquire_link",leg="esme_in"}'
            assert value(asked) == 1
            assert value("portguard_workers ") == 1
            os.kill(workers(running)[0], signal.SIGKILL)
        until(lambda: value("portguard_workers ") == 1 and value("portguard_worker_restarts") == 1, "another worker")
        assert value(asked) == 1
        with socket.create_connection(("127.0.0.1", port(running)), 30) as client:
            client.sendall(enquire_link)
            assert len(client.recv(16)) == 16
        assert value(asked) == 2
        assert value("portguard_worker_cpu_seconds_total") > 0
        assert value("portguard_worker_resident_memory_bytes") > 10_000_000
        assert value("portguard_worker_open_fds") > 5
