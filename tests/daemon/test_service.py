"""The daemon as a process: start or say why not, reload, drain."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from portguard.daemon.control import ControlError
from portguard.sim.ports import free_port
from tests.daemon.processes import SETTINGS, Daemon, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


def refused(daemon: Daemon) -> str:
    """What a daemon that does not start says."""
    assert daemon.start().wait() == 1
    assert "Traceback" not in daemon.said()
    return daemon.said()


def port(daemon: Daemon) -> int:
    return int(daemon.ask("status")["listen"][0].rpartition(":")[2])


def test_serves_reloads_and_ends(daemon: Daemon) -> None:
    status = daemon.ask("status")
    assert status["node"] == "test"
    assert status["mode"] == "monitor"
    assert not status["draining"]
    assert "mode is monitor" in daemon.said()
    assert daemon.ask("version")["version"]
    first = daemon.revision()
    assert daemon.ask("reload")["result"] == "unchanged"

    daemon.edit("enterprises.csv", "active", "suspended")
    answer = daemon.ask("reload")
    assert answer["ok"]
    assert answer["result"] == "success"
    assert answer["revision"] == daemon.revision() != first

    second = daemon.revision()
    daemon.edit("enterprises.csv", "active", "sleeping")
    daemon.edit("accounts.csv", "active", "awake")
    answer = daemon.ask("reload")
    assert not answer["ok"]
    assert answer["result"] == "refused"
    assert answer["revision"] == daemon.revision() == second
    for table in ("enterprises.csv", "accounts.csv"):
        assert any(line.startswith(f"{table}:") for line in answer["errors"])
        assert f'error="{table}:' in daemon.said()

    daemon.restore("enterprises.csv", "accounts.csv")
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.revision() == first, "SIGHUP to bring the first revision back")
    assert daemon.ask("status")["reloads"] == {"success": 3, "refused": 1, "failed": 0}


def test_folder_is_watched(tmp_path: Path) -> None:
    with Daemon(tmp_path, SETTINGS.replace("watch = false", "watch = true")) as daemon:
        first = daemon.revision()
        daemon.edit("enterprises.csv", "active", "suspended")
        until(lambda: daemon.revision() != first, "the change to be noticed")
        daemon.edit("enterprises.csv", "active", "sleeping")
        until(lambda: daemon.ask("status")["latest_reload"] == "refused", "the error to be noticed")
        daemon.restore("enterprises.csv")
        until(lambda: daemon.revision() == first, "the repair to be noticed")


def test_builder_that_fails_changes_nothing(daemon: Daemon) -> None:
    first = daemon.revision()
    (daemon.state / "revisions").rename(daemon.state / "away")
    (daemon.state / "revisions").write_text("a file where the folder was")
    daemon.edit("enterprises.csv", "active", "suspended")
    answer = daemon.ask("reload")
    assert not answer["ok"]
    assert answer["errors"]
    assert daemon.revision() == first


def test_metrics_health_and_readiness(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = SETTINGS.replace('[metrics]\naddress = "127.0.0.1:0"', f'[metrics]\naddress = "{address}"')
    with Daemon(tmp_path, settings) as daemon:
        assert daemon.get("/healthz", address) == (200, "alive\n")
        assert daemon.get("/readyz", address) == (200, "ready\n")
        page = daemon.get("/metrics", address)[1]
        assert f'portguard_registry_info{{revision="{daemon.revision()}"}} 1.0' in page
        for name in (
            "build_info", "sessions", "decision_seconds_bucket", "relay_seconds_count", "smsc_response_seconds_sum",
            "registry_reloads_total", "registry_last_success_timestamp_seconds", "smsc_up", "connections_refused_total",
        ):
            assert f"\nportguard_{name}{{" in page or f"\nportguard_{name} " in page
        assert "\nprocess_resident_memory_bytes " in page


def test_prepared_revision_is_reused_at_the_next_start(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        first = daemon.revision()
    image = daemon.state / "revisions" / first / "registry.image"
    written = image.stat().st_mtime_ns
    # A builder would write here, and fail.
    lock = daemon.state / "revisions" / ".lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with Daemon(tmp_path) as daemon:
        assert daemon.revision() == first
        assert image.stat().st_mtime_ns == written


def test_damaged_prepared_revision_is_built_again(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        first = daemon.revision()
    (daemon.state / "revisions" / first / "registry.image").write_bytes(b"damaged")
    with Daemon(tmp_path) as daemon:
        assert daemon.revision() == first
        assert "prepared revision is unusable" in daemon.said()


def test_bad_settings_are_refused_with_every_error(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, SETTINGS.replace('id = "test"', 'id = "a b"\nworkers = 0') + "[adnim]\n")
    said = refused(daemon)
    assert f"{daemon.settings}: node.id: " in said
    assert f"{daemon.settings}: adnim: unknown section; did you mean admin?" in said


def test_bad_registry_is_refused_with_every_error(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.edit("enterprises.csv", "active", "sleeping")
    daemon.edit("accounts.csv", "active", "awake")
    lines = refused(daemon).splitlines()
    assert any(line.startswith("enterprises.csv:") for line in lines)
    assert any(line.startswith("accounts.csv:") for line in lines)


def test_absent_registry(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, SETTINGS.replace('path = "registry"', 'path = "absent"'))
    assert f"{tmp_path}/absent: no such file or directory" in refused(daemon)


def test_second_daemon_on_the_state_folder(tmp_path: Path, daemon: Daemon) -> None:
    second = Daemon(tmp_path)
    second.settings = tmp_path / "second.toml"
    second.settings.write_text(SETTINGS)
    second._log = tmp_path / "second.log"
    assert daemon.process is not None
    said = refused(second)
    assert f"another portguard (pid {daemon.process.pid}) runs with this state folder" in said
    assert daemon.ask("status")["ok"]


@pytest.mark.parametrize("section", ["listen", "metrics"])
def test_address_in_use(tmp_path: Path, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = SETTINGS.replace(f'[{section}]\naddress = "127.0.0.1:0"', f'[{section}]\naddress = "{address}"')
        assert f"{section}.address: {address}: address already in use" in refused(Daemon(tmp_path, settings))


def test_unusable_tls_files(tmp_path: Path) -> None:
    settings = SETTINGS.replace("[[smsc]]", '[listen.tls]\ncertificate = "a.crt"\nkey = "a.key"\n[[smsc]]')
    assert f"{tmp_path}/a.crt: no such file or directory" in refused(Daemon(tmp_path, settings))


def test_client_is_let_go_at_the_end_and_a_second_signal_hurries(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.create_connection(("127.0.0.1", port(daemon)), 30) as client:
        until(lambda: daemon.ask("status")["sessions"]["open"] == 1, "the connection to be taken")
        daemon.signal(signal.SIGTERM)
        client.settimeout(30)
        assert client.recv(100) == b""
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    with pytest.raises(ControlError, match="no portguard runs"):
        daemon.ask("status")


def test_signal_during_the_first_build_ends_the_process(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    (daemon.registry / "regions.csv").write_text(
        "prefix,region\n" + "".join(f"86{number},r{number % 30}\n" for number in range(1_000_000, 1_300_000))
    )
    daemon.start()
    until((daemon.state / "discard.key").exists, "the build to begin")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert "event=serving" not in daemon.said()
