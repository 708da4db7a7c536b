"""`portguard diff`: what may be compared, what is shown, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from portguard.cli.root import portguard
from portguard.daemon.history import History
from portguard.daemon.state import StateFolder
from portguard.registry.build import build
from tests.cli.table import node
from tests.policy.folder import write
from tests.policy.registry import TABLES

Rows = Mapping[str, Sequence[Mapping[str, object]]]

NEW: Rows = {
    **TABLES,
    "accounts": [{**row, "tps": 9} if row["system_id"] == "slow" else row for row in TABLES["accounts"]],
    "signatures": [*TABLES["signatures"], {"signature": "新字号", "enterprise": "mall"}],
    "subleases": TABLES["subleases"][:-1],
}
SHOWN = """\
accounts: 1 changed
  ~ slow: tps 2 -> 9
subleases: 1 removed
  - 10690005 frozen first
signatures: 1 added
  + 新字号 mall
"""


def diff(config: Path, *arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(portguard, ["diff", "-c", str(config), *arguments])
    assert found.exit_code == code, found.output
    return found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node that has served the tests' registry and was stopped; its folder has changed since."""
    config = node(tmp_path, TABLES)
    state = StateFolder(tmp_path / "state")
    state.open()
    served = build(tmp_path / "registry", state.revisions)
    History(state.history).took(served.revision, 1.0)
    state.close()
    write(tmp_path / "registry", NEW)
    return config


def kept(config: Path) -> str:
    return History(config.parent / "state" / "history.json").line[-1]


def test_what_a_reload_would_change(config: Path) -> None:
    found = diff(config)
    head, rest = found.stdout.split("\n", 1)
    assert head.startswith(f"{kept(config)} -> ")
    assert head.endswith(": 1 added, 1 removed, 1 changed")
    assert rest == SHOWN
    assert diff(config, "current").stdout == found.stdout
    assert diff(config, kept(config)[:7], str(config.parent / "registry")).stdout == found.stdout


def test_folders_images_and_the_way_back(config: Path, tmp_path: Path) -> None:
    old = write(tmp_path / "old", TABLES)
    found = diff(config, str(config.parent / "registry"), str(old))
    assert "  - 新字号 mall\n" in found.stdout
    assert "  ~ slow: tps 9 -> 2\n" in found.stdout
    image = config.parent / "state" / "revisions" / kept(config)
    assert diff(config, str(image), str(old)).stdout == f"{kept(config)} and {kept(config)} have the same rows\n"


def test_json_and_exit_code(config: Path) -> None:
    found = json.loads(diff(config, "--json", "--exit-code", code=1).stdout)
    assert found["counts"]["accounts"] == {"added": 0, "removed": 0, "changed": 1}
    assert [change["table"] for change in found["changes"]] == ["accounts", "subleases", "signatures"]
    assert found["changes"][0]["row"] == {"system_id": "slow"}
    assert (found["changes"][0]["old"]["tps"], found["changes"][0]["new"]["tps"]) == (2, 9)
    assert json.loads(diff(config, "--json", "current", "current", "--exit-code").stdout)["changes"] == []


def test_errors_are_no_difference(config: Path, tmp_path: Path) -> None:
    closed = "x" * 300
    broken = write(tmp_path / "broken", {**TABLES, "ports": [{"port": "1", "holder": "nobody"}]})
    for name in ("nowhere", closed, str(broken)):
        diff(config, "--exit-code", "current", name, code=2)
        diff(config, "current", name, code=1)
    config.write_text("[", encoding="utf-8")
    diff(config, "--exit-code", code=2)


def test_a_limit(config: Path) -> None:
    found = diff(config, "--limit", "1")
    assert found.stdout.endswith("accounts: 1 changed\n  ~ slow: tps 2 -> 9\n  ... and 2 more (--limit shows more)\n")


def test_what_is_not_there(config: Path, tmp_path: Path) -> None:
    for arguments in (["0000"], ["current", "nowhere"], ["current", str(tmp_path / "nowhere")]):
        found = diff(config, *arguments, code=1)
        assert "is no folder and no revision that is kept; there are " in found.stderr
        assert kept(config) in found.stderr
    empty = node(tmp_path / "other", TABLES)
    assert "no revision has served with the state folder" in diff(empty, code=1).stderr
    (tmp_path / "other" / "registry" / "ports.csv").write_text("port,holder\n1,nobody\n")
    found = diff(empty, str(tmp_path / "registry"), str(tmp_path / "other" / "registry"), code=1)
    assert "ports.csv:2: holder: 'nobody' is no id in enterprises" in found.stderr


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["a", "b", "c"]])
def test_wrong_usage(config: Path, arguments: list[Any]) -> None:
    diff(config, *arguments, code=2)
