"""`portguard evidence` as a process: show, verify and export a journal."""

import csv
import json
import os
import pty
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from portguard.evidence.journal import DURABLE
from portguard.evidence.keys import KEY, make
from tests.cli.table import node
from tests.cli.test_root import COMMAND, ENVIRONMENT, process
from tests.evidence.packed import NOON, named
from tests.evidence.stage import Stage

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return node(tmp_path, {})


@pytest.fixture
def journal(tmp_path: Path, config: Path) -> Stage:
    """Six violations of two accounts and two rules, an alert and an audit, where the settings look for them."""
    (tmp_path / "state").mkdir()
    stage = Stage(tmp_path, keys=make(tmp_path / "state" / KEY))
    stage.batches(2)
    stage.violations(2, label=named("other", "【\u202e\x1b[31m】", enterprise="south"), at=NOON + 3600)
    stage.event("alert", summary="Complaints have suspended a signature.", severity="critical")
    stage.violations(2, code=300, hits=0, at=NOON + 7200)
    stage.event("audit", who="jane", what="lifted")
    stage.write()
    return stage.close()


def run(config: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return process("evidence", command, "-c", str(config), *arguments)


def shown(config: Path, *arguments: str) -> list[dict[str, Any]]:
    done = run(config, "show", "--json", *arguments)
    assert (done.returncode, done.stderr) in ((0, ""), (0, "no records\n")), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_show(config: Path, journal: Stage) -> None:
    done = run(config, "show")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["record", "time", "kind", "account", "from", "signature", "content", "what"]
    assert lines[1].split() == ["1", "2023-11-15", "06:13:20", "violation", "acct", "106900010", "星辰商城",
                                "marketing/finance", "reject", "204", "signature_unregistered"]  # fmt: skip
    assert "Complaints have suspended a signature." in done.stdout
    assert lines[-1].rstrip().endswith("who=jane what=lifted")
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert len(run(config, "show", "-n", "3").stdout.splitlines()) == 4


@pytest.mark.parametrize(("arguments", "records"), [
    ([], [1, 2, 3, 4, 5, 6, 7, 8]), (["-n", "2"], [7, 8]), (["--kind", "alert"], [5]), (["--rule", "300"], [6, 7]),
    (["--rule", "signature_unregistered", "-n", "3"], [2, 3, 4]), (["--account", "other"], [3, 4]),
    (["--enterprise", "south"], [3, 4]), (["--signature", "星辰商城"], [1, 2, 6, 7]),
    (["--port", "1069"], [1, 2, 3, 4, 6, 7]),
    (["--kind", "violation", "--from", "2023-11-15T07:13:20", "--to", "2023-11-14T23:13:21Z"], [3, 4]),
    (["--account", "nobody"], []),
])  # fmt: skip
def test_what_is_asked_for(config: Path, journal: Stage, arguments: list[str], records: list[int]) -> None:
    assert [row["record"] for row in shown(config, *arguments)] == records


def test_verify(config: Path, journal: Stage, tmp_path: Path) -> None:
    done = run(config, "verify")
    head = f"8:{journal.journal.head.hex()}"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(f"{journal.folder}: sound: 8 records in 1 segment, 0.0 MB, 2 seals")
    assert done.stdout.splitlines()[1] == f"head {head}"
    assert run(config, "verify", "--head", head).returncode == 0
    wrong = run(config, "verify", "--head", f"8:{'00' * 32}")
    assert (wrong.returncode, "head: record 8: another head" in wrong.stdout) == (1, True)
    segment = journal.files()[0]
    octets = bytearray(segment.read_bytes())
    octets[octets.find(b"south")] ^= 1
    segment.write_bytes(octets)
    done = run(config, "verify")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"altered: {segment.name}: record 3: altered: not as it was written"
    assert done.stderr == f"{journal.folder}: NOT SOUND: 1 problem in 8 records in 1 segment, 0.0 MB\n"
    answer = json.loads(run(config, "verify", "--json").stdout)
    assert (answer["sound"], answer["problems"][0]["what"], answer["problems"][0]["first"]) == (False, "altered", 3)
    done = run(config, "export", "-o", str(tmp_path / "out.csv"))
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "7 records")
    assert "portguard evidence verify" in done.stderr


def test_verify_without_the_key(config: Path, journal: Stage, tmp_path: Path) -> None:
    key = tmp_path / "state" / KEY
    kept = tmp_path / "kept.key"
    key.rename(kept)
    done = run(config, "verify")
    assert (done.returncode, "no seal can be checked" in done.stderr) == (0, True)
    assert "0 seals checked, others not" in done.stdout
    done = run(config, "verify", "--key", str(kept))
    assert (done.returncode, done.stderr, "2 seals checked" in done.stdout) == (0, "", True)
    assert run(config, "verify", "--key", str(tmp_path / "none")).returncode == 1


def test_export(config: Path, journal: Stage, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("what was there before")
    done = run(config, "export", "-o", str(out), "--kind", "violation")
    assert (done.returncode, done.stdout, done.stderr, out.stat().st_mode & 0o777) == (0, "", "6 records\n", 0o600)
    with out.open(encoding="utf-8", newline="") as file:
        assert [row["record"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "6", "7"]
    assert run(config, "export", "-o", str(tmp_path / "out.jsonl"), "--rule", "300").returncode == 0
    assert [json.loads(line)["record"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [6, 7]
    assert run(config, "export", "-o", str(tmp_path / "o.parquet"), "--enterprise", "south").returncode == 0
    assert parquet.read_table(tmp_path / "o.parquet").num_rows == 2
    assert run(config, "export", "-o", str(tmp_path / "plain"), "--format", "jsonl").returncode == 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_bars_on_a_terminal(config: Path, journal: Stage, tmp_path: Path) -> None:
    for arguments in (["verify"], ["export", "-o", str(tmp_path / "out.csv")]):
        master, slave = pty.openpty()
        seen: list[bytes] = []

        def read(master: int = master, seen: list[bytes] = seen) -> None:
            try:
                while octets := os.read(master, 4096):
                    seen.append(octets)
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        command = [*COMMAND, "evidence", arguments[0], "-c", str(config), *arguments[1:]]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=slave, timeout=60, check=False)
        os.close(slave)
        reader.join(30)
        os.close(master)
        assert done.returncode == 0
        assert b"100%" in b"".join(seen)


def test_what_cannot_be_done(config: Path, tmp_path: Path) -> None:
    for command in (["show"], ["verify"], ["export", "-o", str(tmp_path / "out.csv")]):
        done = run(config, *command)
        assert "Traceback" not in done.stderr
        assert (done.returncode, "there is no journal yet" in done.stderr) == (1, True), command
    (tmp_path / "evidence").mkdir()
    assert run(config, "show").stderr == "no records\n"
    assert run(config, "verify").returncode == 0
    for arguments in (["show", "--rule", "999"], ["show", "--from", "yesterday"], ["export", "-o", "out.txt"],
                      ["verify", "--head", "x"], ["verify", "--head", "1:00"], ["show", "-n", "0"]):  # fmt: skip
        done = run(config, *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), arguments
    done = run(config, "export", "-o", str(tmp_path / "none" / "out.csv"))
    assert (done.returncode, done.stderr) == (1, f"Error: {tmp_path}/none/out.csv: no such file or directory\n")


def test_a_journal_that_cannot_be_read(config: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence" / DURABLE).mkdir(parents=True)
    for arguments in (["show"], ["export", "-o", str(tmp_path / "out.csv")]):
        done = run(config, *arguments)
        assert (done.returncode, done.stderr) == (1, f"Error: {tmp_path / 'evidence' / DURABLE}: is a directory\n")
