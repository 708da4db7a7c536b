"""`rollback`, `reload --dry-run` and `admin token` beside a running proxy, and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portguard.admin.tokens import PREFIX
from portguard.cli.root import portguard
from tests.cli.table import node
from tests.daemon.processes import Daemon
from tests.policy.registry import TABLES

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


def run(daemon: Daemon, command: str, *arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(portguard, [*command.split(), "-c", str(daemon.settings), *arguments])
    assert found.exit_code == code, found.output
    return found


def test_a_reload_is_tried_done_and_taken_back(daemon: Daemon) -> None:
    first = daemon.revision()
    assert run(daemon, "reload", "--dry-run").stdout == (
        f"{first} and {first} have the same rows\nno recent traffic to judge\n"
    )
    daemon.edit("accounts.csv", "bank01,bank", "bank01,hub")
    found = run(daemon, "reload", "--dry-run")
    assert "  ~ bank01: enterprise bank -> hub\n" in found.stdout
    assert daemon.revision() == first
    answer = json.loads(run(daemon, "reload", "--dry-run", "--json", "--messages", "0").stdout)
    assert (answer["ok"], answer["registry"]["old"]) == (True, first)

    run(daemon, "reload")
    second = daemon.revision()
    assert second == answer["registry"]["new"]
    listed = run(daemon, "rollback", "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed if line.endswith("serves")] == [second]
    assert [line.split()[0] for line in listed if line.endswith("previous")] == [first]

    found = run(daemon, "rollback", "--why", "calls")
    assert found.stdout == f"revision {first} serves now, in place of {second}\n"
    assert "until its files change or: portguard reload" in found.stderr
    assert daemon.revision() == first
    assert run(daemon, "rollback", first).stdout == f"revision {first} serves already\n"
    assert f"{second}  built " in run(daemon, "rollback", "--list").stdout
    found = run(daemon, "rollback", code=1)
    assert "not rolled back: no revision from before the present one is kept" in found.stderr
    assert json.loads(run(daemon, "rollback", second[:9], "--json").stdout)["revision"] == second
    assert "no revision 'abc' is kept" in run(daemon, "rollback", "abc", code=1).stderr
    assert daemon.revision() == second

    daemon.edit("accounts.csv", "active", "awake")
    found = run(daemon, "reload", "--dry-run", code=1)
    assert found.stdout.startswith("accounts.csv:2: status:")
    assert "a reload would be refused: the registry folder has" in found.stderr
    answer = json.loads(run(daemon, "reload", "--dry-run", "--json", code=1).stdout)
    assert answer["errors"][0].startswith("accounts.csv:2: status:")
    daemon.restore("accounts.csv")
    run(daemon, "reload")
    assert daemon.revision() == first


def test_without_a_proxy(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    for command in (["rollback"], ["rollback", "--list"], ["reload", "--dry-run"]):
        found = CliRunner().invoke(portguard, [*command, "-c", str(config)])
        assert found.exit_code == 1
        assert "no portguard runs with the state folder" in found.stderr


def test_tokens(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES, "\n[admin]\n")

    def token(*arguments: str, code: int = 0) -> Result:
        found = CliRunner().invoke(portguard, ["admin", "token", arguments[0], "-c", str(config), *arguments[1:]])
        assert found.exit_code == code, found.output
        return found

    made = token("add", "console", "--role", "admin")
    assert made.stdout.startswith(PREFIX)
    assert made.stderr == "console may call as admin with this token; it is not shown again\n"
    token("add", "watcher")
    assert "there is a token 'watcher' already" in token("add", "watcher", code=1).stderr
    assert "is no name" in token("add", "a b", code=1).stderr
    token("add", "x", "--role", "root", code=2)
    rows = json.loads(token("list", "--json").stdout)
    assert [(row["name"], row["role"]) for row in rows] == [("console", "admin"), ("watcher", "reader")]
    assert token("list").stdout.splitlines()[0].startswith("console  admin   20")
    assert made.stdout.strip() not in (tmp_path / "state" / "tokens.json").read_text()
    assert token("remove", "console").stdout == "console may call no more\n"
    assert "there is no token 'console'" in token("remove", "console", code=1).stderr
    (tmp_path / "state" / "tokens.json").chmod(0o644)
    assert "others may read it; chmod 600" in token("list", code=1).stderr


def test_tokens_of_a_node_that_serves_no_api(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    found = CliRunner().invoke(portguard, ["admin", "token", "list", "-c", str(config)])
    assert (found.exit_code, found.stdout) == (0, "")
    assert "admin: is not set, so nothing listens for these tokens yet" in found.stderr
