"""`portguard consent` as a process: import, export, check and revoke, beside an open ledger."""

import json
import os
import pty
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from portguard.cli.root import portguard
from portguard.consent import load
from portguard.consent.edit import Entry
from portguard.consent.ledger import Ledger
from portguard.consent.store import Store
from portguard.policy.ledger import COUNTS, REVOKED
from tests.cli.table import node
from tests.cli.test_root import COMMAND, ENVIRONMENT, process
from tests.consent.model import MARKETING, options

HEAD = "enterprise,subscriber,granted_at,source,categories,expires_at,proof\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return node(tmp_path, {}, '[consent]\npath = "consent"\n')


def run(config: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return process("consent", command, "-c", str(config), *arguments)


def file(folder: Path, text: str, name: str = "in.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_import_check_revoke_check_export(config: Path, tmp_path: Path) -> None:
    source = file(tmp_path, HEAD + "brand,13900000001,2026-01-01T08:00:00,opt-in,marketing/retail,2099-01-01,form 17\n")
    done = run(config, "import", source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 rows taken, 1 pairs changed, 0 rows with errors\n", "")
    done = run(config, "check", "brand", "0086 139 0000 0001")
    assert done.stdout.splitlines() == [
        "counts: opt-in of 2026-01-01T08:00:00+08:00, source opt-in",
        "  granted_at=2026-01-01T08:00:00+08:00  source=opt-in  categories=marketing/retail  "
        "expires_at=2099-01-01T23:59:59+08:00  proof=form 17",
    ]
    assert run(config, "check", "--category", "marketing/food", "brand", "13900000001").stdout.startswith(
        "does not count: the newest opt-in is for other content: marketing/retail\n"
    )
    early = run(config, "check", "--at", "2025-12-31", "brand", "13900000001")
    assert early.stdout.startswith("does not count: the opt-in is not in force yet\n")
    done = run(config, "revoke", "--at", "2026-01-02T00:00:00", "brand", "13900000001")
    assert (done.returncode, done.stdout, done.stderr) == (0, "revoked at 2026-01-02T00:00:00+08:00\n", "")
    assert run(config, "revoke", "--at", "2026-01-02", "brand", "13900000001").stdout.startswith("an opt-out as new")
    assert run(config, "import", source).returncode == 0
    answer = json.loads(run(config, "check", "--json", "brand", "13900000001").stdout)
    assert (answer["counts"], answer["subscriber"], len(answer["on_file"])) == (False, "8613900000001", 2)
    out = tmp_path / "out.csv"
    done = run(config, "export", "-o", str(out))
    assert (done.returncode, done.stderr, out.stat().st_mode & 0o777) == (0, "2 rows\n", 0o600)
    assert out.read_text().splitlines()[2] == "brand,+8613900000001,,cli,,,,2026-01-01T16:00:00Z"
    lines = run(config, "export", "--enterprise", "brand").stdout.splitlines()
    assert json.loads(lines[1])["revoked_at"] == "2026-01-01T16:00:00Z"


def test_while_a_ledger_is_open_elsewhere(config: Path, tmp_path: Path) -> None:
    """The proxy's view follows what the commands do."""
    folder = tmp_path / "consent"
    ledger = Ledger(folder, options(folder))
    assert run(config, "import", file(tmp_path, HEAD + "brand,13900000001,2026-01-01,,,,\n")).returncode == 0
    ledger.tick(1.0)
    assert ledger.judge("brand", "8613900000001", MARKETING, 1.9e9) == COUNTS
    assert run(config, "revoke", "brand", "13900000001").returncode == 0
    ledger.tick(2.0)
    assert ledger.judge("brand", "8613900000001", MARKETING, 1.9e9) == REVOKED
    ledger.close()


def test_bad_rows_are_named_and_the_rest_is_taken(config: Path, tmp_path: Path) -> None:
    source = file(tmp_path, HEAD + "brand,x,2026-01-01,,,,\nbrand,13900000001,2026-01-01,,,,\n")
    done = run(config, "import", "--json", source)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"rows": 1, "bad": 1, "changed": 1, "unstated": 1}
    assert done.stderr.splitlines() == [
        f"{source}:2: subscriber: 'x' is not a subscriber's number (digits; + or 00 may precede)",
        "warning: 1 rows name no source; they count (consent.unstated_source)",
    ]


@pytest.mark.parametrize(("text", "found"), [
    (HEAD + "brand,13900000001,2026-01-01,a,,,\n", 1),
    ('\n{"enterprise":"brand","subscriber":"13900000001","granted_at":"2026-01-01","source":"a"}\n', 1),
])  # fmt: skip
def test_stdin_tells_its_format(config: Path, text: str, found: int) -> None:
    done = subprocess.run(
        [*COMMAND, "consent", "import", "-c", str(config), "-"], input=text, env=ENVIRONMENT, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == f"{found} rows taken, {found} pairs changed, 0 rows with errors\n", done.stderr


def test_a_bar_on_a_terminal(config: Path, tmp_path: Path) -> None:
    source = file(tmp_path, HEAD + "".join(f"brand,139{n:08},2026-01-01,opt-in,,,\n" for n in range(5000)))
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while octets := os.read(master, 4096):
                seen.append(octets)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    command = [*COMMAND, "consent", "import", "-c", str(config), source]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=slave, timeout=60, check=False)
    os.close(slave)
    reader.join(30)
    os.close(master)
    assert done.returncode == 0
    shown = b"".join(seen)
    assert b"in.csv" in shown
    assert b"into the ledger" in shown
    assert b"5,000 rows" in shown


@pytest.mark.slow
def test_what_cannot_be_done(config: Path, tmp_path: Path) -> None:
    assert "there is no such" in run(config, "export").stderr or run(config, "export").returncode == 1
    done = run(config, "import", str(tmp_path / "none.csv"))
    assert (done.returncode, "none.csv: no such file or directory" in done.stderr) == (1, True)
    for arguments in (["check", "brand", "x"], ["revoke", "brand", "1" * 30], ["revoke", "no id!", "13900000001"],
                      ["check", "--category", "sales", "brand", "13900000001"]):  # fmt: skip
        done = run(config, *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), arguments
    done = run(config, "check", "brand", "13900000001")
    assert (done.returncode, done.stdout) == (0, "does not count: there is no opt-in on file\n")
    assert "the enterprise 'brand'; is it spelt so?" in done.stderr
    done = run(config, "revoke", "brandd", "13900000001")
    assert (done.returncode, "is it spelt so?" in done.stderr) == (0, True)


def test_without_a_section_there_is_no_ledger(tmp_path: Path) -> None:
    done = run(node(tmp_path, {}), "check", "brand", "13900000001")
    assert (done.returncode, "consent: is missing" in done.stderr) == (1, True)


def test_an_interrupted_import_says_how_far_it_came(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, commits = load.commit, []

    def interrupted(store: Store, entries: list[Entry]) -> int:
        commits.append(len(entries))
        if len(commits) > 1:
            raise KeyboardInterrupt
        return commit(store, entries)

    monkeypatch.setattr(load, "_COMMIT", 2)
    monkeypatch.setattr(load, "commit", interrupted)
    rows = "".join(f"brand,1390000000{digit},2026-01-01T08:00:00,opt-in,,,\n" for digit in range(5))
    result = CliRunner().invoke(portguard, ["consent", "import", "-c", str(config), file(tmp_path, HEAD + rows)])
    assert result.exit_code != 0
    assert "interrupted: 2 of 5 rows are taken; import again for the others\n" in result.stderr


def test_a_folder_that_cannot_be_looked_into(tmp_path: Path) -> None:
    config = node(tmp_path, {}, f'[consent]\npath = "{"x" * 300}"\n')
    done = run(config, "check", "brand", "13900000001")
    assert (done.returncode, "cannot be opened: file name too long\n" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_an_enterprise_that_was_never_heard_of(config: Path, tmp_path: Path) -> None:
    assert run(config, "import", file(tmp_path, HEAD + "brand,13900000001,2026-01-01,opt-in,,,\n")).returncode == 0
    assert run(config, "check", "brand", "13900000002").stderr == ""
    done = run(config, "check", "--json", "brandd", "13900000001")
    assert (done.returncode, json.loads(done.stdout)["counts"]) == (0, False)
    assert done.stderr == "warning: nothing was ever on file of the enterprise 'brandd'; is it spelt so?\n"
