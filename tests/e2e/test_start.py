"""What can be wrong at the start is said plainly, all of it, and the exit status is 1."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from portguard.flavour import flavour
from portguard.smpp import constants as c
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.cases import allowed
from tests.e2e.conftest import MakeClient, MakeDaemon
from tests.e2e.daemon import START_SECONDS, Daemon, environment, portguard_command, run_portguard
from tests.e2e.peers.client import send
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

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
        assert place in log, place
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
    broken["accounts"].append({"system_id": "has a space", "enterprise": "nobody", "tps": "-1"})
    broken["ports"].append({"port": "10690099", "holder": "nobody"})
    broken["ports"].append({"port": t.OWN, "holder": "star"})
    broken["signatures"].append({"signature": "新店", "enterprise": "nobody"})
    broken["scopes"].append({"signature": "未登记", "enterprise": "star", "port": t.OWN, "hours": "25:00-26:00"})
    broken["subleases"].append({"port": t.OWN, "lessor": "sun", "lessee": "gone"})
    daemon = make_daemon(smsc.port, registry=broken)
    wanted = (
        "accounts.csv:12: system_id: ", "accounts.csv:12: tps: ", "ports.csv:12: holder: ", "ports.csv:13: port: ",
        "signatures.csv:11: enterprise: ", "scopes.csv:19: hours: ", "subleases.csv:7: lessor: ",
    )
    fails(daemon, *wanted)
    done = run_portguard("check", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 1
    assert not [each for each in wanted if each not in done.stdout + done.stderr]


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


def test_full_disk_at_the_start(smsc: NodeSmsc, make_daemon: MakeDaemon, small_disk: Path | None) -> None:
    large = t.standard()
    large["regions"] += [{"prefix": f"13{number:06}", "region": f"区域{number}"} for number in range(60_000)]
    limited = make_daemon(smsc.port, registry=large)
    limited.begin(preexec_fn=_no_large_files)
    assert limited.wait() == 1, limited.log()
    assert "disk full" in limited.log()
    if small_disk is not None:
        full = make_daemon(smsc.port, registry=large)
        full.edit('id = "e2e"', f'id = "e2e"\nstate = "{small_disk}/state"')
        fails(full, f"{small_disk}/state", "disk full")


def test_full_disk_at_a_reload(smsc: NodeSmsc, make_daemon: MakeDaemon, small_disk: Path | None) -> None:
    if small_disk is None:
        return  # what RLIMIT_FSIZE does to the builder is shown at the start
    daemon = make_daemon(smsc.port)
    daemon.edit('id = "e2e"', f'id = "e2e"\nstate = "{small_disk}/state"')
    daemon.start()
    revision = daemon.revision()
    _fill(small_disk)
    t.write_table(daemon.registry, "regions", [{"prefix": "13910", "region": "北京"}])
    until(lambda: "disk full" in daemon.log(), "the full disk in the log")
    assert daemon.revision() == revision
    link = raw.bind(daemon.port, "star")
    link.send(raw.submit(2, allowed()))
    link.expect(c.SUBMIT_SM_RESP)
    link.close()
    (small_disk / "filler").unlink()
    assert run_portguard("reload", "-c", str(daemon.settings), folder=daemon.folder).returncode == 0
    assert daemon.revision() != revision
    daemon.stop()  # before its disk is taken away


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass


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
    # The daemon of these tests is of the flavour that the tests are for.
    assert daemon.metric("portguard_build_info", flavour=flavour()) == 1
    # While it drains it is alive, and wants no new ESMEs.
    link = raw.bind(daemon.port, "star")
    smsc.hold()
    link.send(raw.submit(2, allowed()))
    smsc.wait_received(1)
    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.http("/readyz")[0] == 503, "/readyz to say that it drains")
    assert daemon.http("/healthz")[0] == 200
    smsc.release()
    link.expect(c.SUBMIT_SM_RESP)
    link.close()
    assert daemon.wait() == 0
