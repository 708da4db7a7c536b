"""The demo as a user runs it: real processes, and nothing left of them."""

import os
import signal
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from portguard.cli import demo_stage
from portguard.cli.demo import demo
from portguard.cli.demo_stage import Samples, toml
from portguard.cli.demo_view import Happening, LiveView, PlainView, Tally, masked, metric_lines

CONFIG = Path(__file__).parents[2] / "config"
DEMO = [sys.executable, "-m", "portguard", "demo", "--pause", "0"]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo whose temporary folder is made inside `folder`."""
    return subprocess.Popen(
        [*DEMO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "200"},
    )


def daemons(folder: Path) -> list[str]:
    """Command lines of processes that were started for a demo in this folder."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


@pytest.mark.slow
def test_all_of_it_happens_as_designed_and_nothing_is_left(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "Everything happened as designed." in said
    for rule in ("100 port_unregistered", "306 port_category", "600 account_rate", "601 account_inactive"):
        assert rule in said
    assert "smpplib" in said and "portguard_messages_total: allow" in said
    assert list(tmp_path.iterdir()) == [] and daemons(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_takes_everything_down(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "--pause", "5") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "allow" in line:
                break
        assert daemons(tmp_path)
        process.send_signal(number)
        said = process.stdout.read()
    assert process.returncode == 130, said
    assert "interrupted" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == [] and daemons(tmp_path) == []


@pytest.mark.slow
def test_what_is_not_as_designed_is_said(tmp_path: Path) -> None:
    """A registry in which the bank's signature is suspended is not the one that the mixes are written for."""
    config = tmp_path / "config"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (config / "registry").mkdir(parents=True)
    for path in (CONFIG / "registry").iterdir():
        (config / "registry" / path.name).write_bytes(path.read_bytes())
    (config / "portguard.toml").write_bytes((CONFIG / "portguard.toml").read_bytes())
    table = config / "registry" / "signatures.csv"
    rows = table.read_text("utf-8").replace("远山银行,bank,2024-01-01,,active", "远山银行,bank,2024-01-01,,suspended")
    table.write_text(rows, "utf-8")
    with start(temporary, "--config", str(config)) as process:
        said, _ = process.communicate()
    assert process.returncode == 1, said
    assert "not as designed: bank01 1069000018" in said and "became reject 205 signature_inactive" in said


@pytest.mark.slow
def test_a_daemon_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "registry").mkdir(parents=True)
    (config / "portguard.toml").write_text("", "utf-8")
    with start(tmp_path, "--config", str(config)) as process:
        said, _ = process.communicate()
    assert process.returncode == 1
    assert "portguard ended with exit code 1" in said and "ports.csv: there is no such file" in said
    assert "Traceback" not in said and list(tmp_path.iterdir()) == [config]


def test_without_a_clone_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_stage, "__file__", str(tmp_path / "lib" / "portguard" / "cli" / "demo_stage.py"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(demo, [])
    assert result.exit_code == 1
    assert "config/ of a clone" in result.stderr
    assert "--config DIR" in result.stderr


def test_settings_survive_being_written() -> None:
    settings = {
        "node": {"id": "gw1"},
        "smsc": [{"name": "a", "address": "h:1"}, {"name": 'b"\\', "address": "h:2", "weight": 2}],
        "policy": {"mode": "enforce", "rules": {"scope_port": {"action": "tag"}}, "source_ton_npi": [[0, 1], [1, 1]]},
        "limits": {}, "metrics": {"address": "[::1]:1", "on": True},
    }
    assert tomllib.loads(toml(settings)) == settings


def happening(action: str, rule: str, *, as_designed: bool = True) -> Happening:
    return Happening(
        "esme", "shop", "1069", "13800100001", "【甲】乙", action, rule, "ESME_ROK", "allow", "", as_designed
    )


def test_a_tally_counts_by_rule_and_by_action() -> None:
    tally = Tally()
    for action, rule in (("allow", ""), ("reject", "scope_port"), ("tag", "scope_port"), ("allow", "")):
        tally.add(happening(action, rule))
    assert tally.by_action() == {"allow": 2, "tag": 1, "reject": 1}
    console = Console(file=StringIO(), width=120)
    console.print(tally.table("title"))
    assert isinstance(console.file, StringIO)
    row = next(line for line in console.file.getvalue().splitlines() if "300 scope_port" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["300 scope_port", "2", "1", "·", "1", "1"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_both_views_take_any_width(width: int) -> None:
    out = StringIO()
    plain = PlainView(Console(file=out, width=width))
    live = LiveView(Console(file=out, width=width, force_terminal=True))
    for view in (plain, live):
        view.stage("a stage [with brackets]")
        view.note("a note")
        view.happened(happening("reject", "scope_port", as_designed=False))
        view.close()
    assert "138****0001" in out.getvalue() and "[with brackets]" in out.getvalue()


def test_subscribers_are_masked_and_metrics_are_summed() -> None:
    assert (masked("8613800100001"), masked("10086")) == ("86138****0001", "10086")
    samples: Samples = {
        "portguard_messages_total": {
            (("action", "allow"), ("rule", "")): 3.0, (("action", "reject"), ("rule", "scope_port")): 2.0,
            (("action", "reject"), ("rule", "scope_hours")): 1.0,
        },
        "portguard_registry_info": {(("revision", "0123456789abcdef"),): 1.0},
    }
    lines = metric_lines(samples)
    assert "portguard_registry_info: revision 0123456789abcdef" in lines
    assert "portguard_messages_total: allow 3, reject 3" in lines
