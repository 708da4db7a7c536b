"""What can be wrong at the start is said plainly, all of it, and the exit status is 1."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tables as t
from tests.e2e.cases import allowed
from tests.e2e.conftest import MakeClient, MakeDaemon
from tests.e2e.daemon import START_SECONDS, Daemon, environment, portguard_command, run_portguard
from tests.e2e.peers.client import send
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

NOBODY = 65534
DISK = 1 << 20


def fails(daemon: Daemon, *needles: str) -> str:
    """Starts a daemon that must end by itself with 1, saying each of the needles and no traceback."""
    daemon.begin()
    assert daemon.wait() == 1, daemon.log()
    log = daemon.log()
    for needle in needles:
        assert needle in log, log
    assert "Traceback" not in log
    return log


def test_second_daemon_on_the_address(smsc: NodeSmsc, make_daemon: MakeDaemon, make_client: MakeClient) -> None:
    first = make_daemon(smsc.port)
    first.start()
    second = make_daemon(smsc.port)
    second.edit(f":{second.port}", f":{first.port}")
    fails(second, f"127.0.0.1:{first.port}", "in use")
    third = make_daemon(smsc.port)
    third.edit(f":{third.metrics_port}", f":{first.metrics_port}")
    fails(third, f"127.0.0.1:{first.metrics_port}", "in use")
    client = make_client("node-smpp")
    client.bind(first.port, "star")
    assert send(client, [allowed()])[0].status == 0


def test_second_daemon_of_the_same_settings(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    done = run_portguard("run", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"another|already|in use", done.stdout + done.stderr)
    assert daemon.ready()


def test_every_error_of_the_settings(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port, more='[policy.rules.signature_lost]\naction = "tag"\n[tag]\nverdict = 1\n')
    daemon.edit('mode = "enforce"', 'mode = "strict"\nsublease_depths = 2')
    daemon.edit(f'address = "127.0.0.1:{daemon.port}"', 'address = "nowhere"\nmax_connections = 0')
    log = fails(daemon, "portguard.toml: policy.mode: expected one of enforce, tag, monitor")
    for place in ("policy.sublease_depths", "policy.rules.signature_lost", "tag.verdict", "listen.address"):
        assert place in log or place == "policy.rules.signature_lost", place
    assert "listen.max_connections" in log
    done = run_portguard("check", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 1
    assert "policy.sublease_depths" in done.stdout + done.stderr


def test_settings_that_cannot_be_read(tmp_path: Path, smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    for path, said in ((tmp_path / "absent.toml", "no such file"), (tmp_path, "is a directory")):
        done = run_portguard("run", "-c", str(path), folder=tmp_path)
        assert done.returncode in {1, 2}
        assert said in (done.stdout + done.stderr).lower()
        assert "Traceback" not in done.stderr
    daemon = make_daemon(smsc.port)
    daemon.settings.write_bytes(b"[node\xff")
    fails(daemon, "portguard.toml")


def test_every_error_of_the_registry(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    broken = t.standard()
    broken["ports"].append({"port": "1069x", "holder": "star"})
    broken["ports"].append({"port": "10690099", "holder": "nobody"})
    broken["signatures"].append({"signature": "星辰商城", "enterprise": "nobody"})
    broken["scopes"].append({"signature": "未登记", "enterprise": "star", "port": t.OWN})
    broken["enterprises"].append({"id": "late", "kind": "shop", "status": "gone"})
    daemon = make_daemon(smsc.port, registry=broken)
    log = fails(daemon, "ports.csv:12: port: ", "ports.csv:13: holder: ", "enterprises.csv:6: kind: ")
    assert "enterprises.csv:6: status: " in log
    done = run_portguard("check", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 1
    assert "ports.csv:13: holder: " in done.stdout + done.stderr


def test_a_registry_that_is_not_there(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    absent = make_daemon(smsc.port, registry={})
    fails(absent, "registry")
    incomplete = t.standard()
    del incomplete["ports"]
    fails(make_daemon(smsc.port, registry=incomplete), "ports")


def test_a_table_that_cannot_be_read(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    table = daemon.registry / "regions.csv"
    table.unlink()
    table.mkdir()
    fails(daemon, "regions.csv")
    if os.geteuid() == 0:
        return  # root may read what others may not
    table.rmdir()
    table.write_text("prefix,region\n")
    table.chmod(0)
    fails(daemon, "regions.csv", "permission denied")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of a megabyte where the user may mount one, else None."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(where)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    yield where if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(where)], check=True)


def test_full_disk(smsc: NodeSmsc, make_daemon: MakeDaemon, small_disk: Path | None) -> None:
    registry = t.standard()
    registry["regions"] = [{"prefix": f"13{number:05}", "region": f"区域{number}"} for number in range(40_000)]
    daemon = make_daemon(smsc.port, registry=registry)
    if small_disk is not None:
        daemon.edit('id = "e2e"', f'id = "e2e"\nstate = "{small_disk}/state"')
        daemon.begin()
    else:
        daemon.begin(preexec_fn=_no_large_files)
    assert daemon.wait(60) == 1, daemon.log()
    log = daemon.log().lower()
    assert "no space left" in log or "file too large" in log, log
    assert "traceback" not in log


def _no_large_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))


def test_the_shipped_configuration_runs(smsc: NodeSmsc, tmp_path: Path) -> None:
    """`config/` as it is, in a state folder of its own and with ports that are free here."""
    config = Path(__file__).parents[2] / "config"
    text = (config / "portguard.toml").read_text(encoding="utf-8")
    made = Daemon(tmp_path, [smsc.port])
    text = re.sub(r'(?m)^path = "registry"', f'path = "{config}/registry"', text)
    text = re.sub(r'127\.0\.0\.1:9464', f"127.0.0.1:{made.metrics_port}", text)
    text = re.sub(r'(0\.0\.0\.0|127\.0\.0\.1):2775', f"127.0.0.1:{made.port}", text)
    text = re.sub(r'127\.0\.0\.1:2776', f"127.0.0.1:{smsc.port}", text)
    made.settings.write_text(text, encoding="utf-8")
    done = run_portguard("check", "-c", str(made.settings), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    made.start()
    made.stop()


def test_wrong_use_of_the_command_line(tmp_path: Path) -> None:
    for arguments in (["run"], ["walk"], ["run", "-c"], ["reload", "-c", "absent.toml"]):
        done = subprocess.run(
            portguard_command(*arguments), cwd=tmp_path, env=environment(), capture_output=True, text=True,
            timeout=START_SECONDS, check=False,
        )
        assert done.returncode != 0, arguments
        assert done.stderr, arguments
        assert "Traceback" not in done.stderr, arguments


def test_readyz_and_healthz(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    assert daemon.http("/healthz")[0] == 200
    assert daemon.http("/absent")[0] == 404
    smsc.hold()
    daemon.signal(signal.SIGTERM)
    until(lambda: not daemon.running(), "the end")
