"""Several processes at one ledger, killed ones among them; a map that is too small; a disk that is full."""

import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portguard.consent.edit import Edit
from portguard.consent.ledger import Ledger
from portguard.consent.load import commit
from portguard.consent.store import ConsentError, Store
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from tests.consent import processes
from tests.consent.model import MARKETING, granted, judged, options, put, revoked
from tests.consent.processes import ROOT, number, output, start

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@contextmanager
def running(command: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone afterwards."""
    process = start(command, folder, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("acknowledged", [1, 60, 700])
def test_a_kill_loses_no_acknowledged_revocation(tmp_path: Path, acknowledged: int) -> None:
    with running("revoke", tmp_path) as process:
        last = 0
        while last < acknowledged:
            last = int(output(process).readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = output(process).read().split()
        last = int(rest[-1]) if rest else last
    ledger = Ledger(tmp_path, options(tmp_path), readonly=True)
    lost = [n for n in range(1, last + 1) if ledger.judge("brand", number(n), MARKETING, 300) != REVOKED]
    ledger.close()
    assert not lost
    put(tmp_path, granted("brand", number(1), 300))
    assert judged(tmp_path, "brand", number(1), MARKETING, 300) == COUNTS, "the ledger is whole, and can be written"


def test_two_processes_see_what_a_third_writes(tmp_path: Path) -> None:
    put(tmp_path, granted("other", number(1), 100))
    with running("watch", tmp_path, number(1)) as one, running("watch", tmp_path, number(1)) as two:
        ledger = Ledger(tmp_path, options(tmp_path), map_size=processes.MAP)
        assert ledger._store is not None
        assert [output(one).readline(), output(two).readline()] == [f"{MISSING}\n"] * 2
        commit(ledger._store, [granted("brand", number(1), 100)])
        assert [output(one).readline(), output(two).readline()] == [f"{COUNTS}\n"] * 2
        ledger.revoke("brand", number(1), 200, "reply")
        assert [output(one).readline(), output(two).readline()] == [f"{REVOKED}\n"] * 2
        assert [one.wait(30), two.wait(30)] == [0, 0]
        ledger.close()


def test_nobody_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    """The write lock is elsewhere: a revocation is taken and counts, reads go on; it is committed afterwards."""
    put(tmp_path, granted("brand", number(1), 100))
    ledger = Ledger(tmp_path, options(tmp_path))
    with running("hold", tmp_path) as holder:
        ledger.revoke("brand", number(1), 200, "reply")
        assert not ledger.wait(1, 0.2), "and the interpreter was free meanwhile, or this would not return"
        ledger.tick(1.0)
        assert ledger.judge("brand", number(1), MARKETING, 300) == REVOKED
        assert holder.stdin is not None
        holder.stdin.close()
        assert ledger.wait(1, 30)
        ledger.close()


def test_a_process_killed_with_the_lock_does_not_keep_it(tmp_path: Path) -> None:
    with running("hold", tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(30)
    assert put(tmp_path, granted("brand", number(1), 100)) == 1


# ---- the map grows while it is in use

def test_the_map_grows_under_the_writer(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path), map_size=1 << 16)
    for n in range(5000):
        ledger.revoke("brand", number(n), 200, "reply")
    assert ledger.wait(5000, 60)
    assert ledger._store is not None
    assert ledger._store.environment.info()["map_size"] > 1 << 16
    ledger.tick(1.0)
    assert all(ledger.judge("brand", number(n), MARKETING, 300) == REVOKED for n in (0, 2500, 4999))
    assert not ledger._overlay
    assert ledger.close()


def test_the_map_grows_as_the_ledger_is_closed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path), map_size=1 << 16)
    for n in range(5000):
        ledger.revoke("brand", number(n), 200, "reply")
    assert ledger.close(60)
    assert judged(tmp_path, "brand", number(4999), MARKETING, 300) == REVOKED


def test_another_process_grows_the_map(tmp_path: Path) -> None:
    """Import in this process, beyond what the others have mapped; they follow and see it."""
    put(tmp_path)
    with running("watch", tmp_path, number(9)) as watcher, running("revoke", tmp_path) as revoker:
        assert output(watcher).readline() == f"{MISSING}\n"
        store = Store(tmp_path, map_size=processes.MAP)
        before = store.environment.info()["map_size"]
        for at in range(0, 200_000, 50_000):
            commit(store, [granted("big", f"86150{n:08}", 100) for n in range(at, at + 50_000)])
        assert store.environment.info()["map_size"] > before
        store.close()
        assert output(watcher).readline() == f"{REVOKED}\n", "revoked by the other process, which goes on, too"
        before = int(output(revoker).readline())
        while int(output(revoker).readline()) < before + 200:
            continue


# ---- the disk

def test_a_full_disk_is_said_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands for the disk: every write beyond it fails."""
    monkeypatch.setattr("portguard.consent.writer._RETRY_SECONDS", 0.01)
    put(tmp_path, *[granted("brand", number(n), 100) for n in range(2000)])
    ledger = Ledger(tmp_path, options(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "data.mdb").stat().st_size
    with caplog.at_level(logging.WARNING, "portguard.consent"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            for n in range(2000):
                ledger.revoke("brand", number(n), 200, "reply")
            for _ in range(600):
                if ledger.error:
                    break
                ledger.wait(2000, 0.05)
            assert ledger.error == "file too large"
            assert ledger.committed < 2000
            assert ledger.judge("brand", number(1999), MARKETING, 300) == REVOKED
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert ledger.wait(2000, 60)
    assert ledger.error == ""
    assert ledger.close()
    assert [record.message for record in caplog.records] == [
        "revocations cannot be committed; they wait in memory", "the consent ledger takes revocations again",
    ]  # fmt: skip
    assert "86139" not in caplog.text
    assert judged(tmp_path, "brand", number(1999), MARKETING, 300) == REVOKED


def test_a_disk_that_stays_full_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, granted("brand", number(1), 100))
    ledger = Ledger(tmp_path, options(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        ledger.revoke("brand", number(1), 200, "reply")
        assert not ledger.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "revocations that were never acknowledged are not committed" in caplog.text
    assert judged(tmp_path, "brand", number(1), MARKETING, 300) == COUNTS


FULL = """
import sys, subprocess
from pathlib import Path
folder = Path(sys.argv[1])
if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], stderr=subprocess.DEVNULL):
    sys.exit("no tmpfs")
from portguard.consent.load import commit
from portguard.consent.store import ConsentError, Store
from tests.consent.model import granted
store = Store(folder)
try:
    for at in range(0, 200_000, 10_000):
        commit(store, [granted("brand", f"86150{n:08}", 100) for n in range(at, at + 10_000)])
except ConsentError as error:
    print(error)
print(store.view().counts()[1] % 10_000)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system of one megabyte, in a mount namespace of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["unshare", "--mount", "--map-root-user", sys.executable, "-c", FULL, str(tmp_path)]
    try:
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode and ("no tmpfs" in done.stderr or "unshare" in done.stderr):
        pytest.skip("mounting a small disk needs rights")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}: the disk is full\n0\n", "said plainly, and nothing half done"


# ---- what is no ledger

def test_what_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(ConsentError, match="the consent ledger cannot be opened"):
        Store(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConsentError, match="cannot be opened: file exists"):
        Store(file)
    with pytest.raises(ConsentError, match="cannot be opened: no such file"):
        Store(tmp_path / "none", readonly=True)


def test_another_format(tmp_path: Path) -> None:
    put(tmp_path)
    store = Store(tmp_path)
    meta = store.environment.open_db(b"meta")
    with store.environment.begin(write=True, db=meta) as transaction:
        transaction.put(b"format", b"2")
    store.close()
    with pytest.raises(ConsentError, match="its format is b'2', this version reads b'1'"):
        Store(tmp_path)


def test_the_ledger_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "consent"
    put(folder)
    assert (folder.stat().st_mode & 0o777, (folder / "data.mdb").stat().st_mode & 0o777) == (0o700, 0o600)


def test_an_edit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), Edit(store) as edit:
        edit.revoke("brand", number(1), 100, "api")
        raise RuntimeError
    store.close()
    assert judged(tmp_path, "brand", number(1), MARKETING, 300) == MISSING


def test_too_many_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.consent.edit.MOST_ATTRIBUTES", 3)
    put(tmp_path, *[granted("brand", number(n), 100, f"source {n}") for n in range(3)])
    with pytest.raises(ConsentError, match="3 different sources"):
        put(tmp_path, granted("brand", number(9), 100, "one more"))
    assert put(tmp_path, granted("brand", number(9), 100, "source 1")) == 1
    for n, source in enumerate(["reply", "api", "cli"]):
        assert put(tmp_path, revoked("brand", number(n), 200, source)) == 1, "no opt-out is lost for its source"
        assert judged(tmp_path, "brand", number(n), MARKETING, 300) == REVOKED
