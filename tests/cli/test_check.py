"""`portguard check`: every error of settings and registry at once, warnings apart, exit 0 or 1."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portguard.cli.root import portguard
from tests.cli.table import node
from tests.policy.folder import Tables
from tests.policy.registry import TABLES

PLAIN: Tables = {
    "enterprises": [{"id": "a"}], "accounts": [{"system_id": "a", "enterprise": "a"}],
    "ports": [{"port": "1069", "holder": "a"}], "signatures": [{"signature": "品牌", "enterprise": "a"}],
    "scopes": [{"signature": "品牌", "enterprise": "a", "provider": "*"}],
}
CONSENT = '[consent]\npath = "consent"\n'


def check(config: Path, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(portguard, ["check", "-c", str(config), *arguments])


def test_nothing_to_say(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN, CONSENT)
    result = check(config)
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{config}: no errors, 0 warnings; revision ")
    assert "1 enterprises, 1 accounts, 1 ports, 1 signatures, 1 scopes" in line


def test_the_tests_own_registry_has_no_error(tmp_path: Path) -> None:
    assert check(node(tmp_path, TABLES)).exit_code == 0


def test_the_sample_has_no_error() -> None:
    sample = Path(__file__).parents[2] / "config" / "portguard.toml"
    result = check(sample)
    assert (result.exit_code, result.stderr) == (0, "")


def test_errors_of_settings_and_registry_together(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN, 'nonsense = 1\non_error = "perhaps"\n[policy.rules.no_such_rule]\naction = "tag"\n')
    (tmp_path / "registry" / "ports.csv").write_text("port,holder\n1069,a\n10x,a\n1068,b\n", encoding="utf-8")
    (tmp_path / "registry" / "accounts.csv").write_text("system_id,enterprise,mode\na,a,sometimes\n", encoding="utf-8")
    result = check(config)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for beginning in (
        f"{config}: policy.nonsense: unknown key", f"{config}: policy.on_error: expected one of reject, allow",
        "accounts.csv:2: mode: 'sometimes' is not one of enforce, tag, monitor", "ports.csv:3: port: '10x' is not",
        "ports.csv:4: holder: 'b' is no id in enterprises",
    ):
        assert any(line.startswith(beginning) for line in lines), beginning
    assert result.stderr == f"{config}: {len(lines)} errors, 0 warnings\n"


def test_an_unknown_rule_is_an_error(tmp_path: Path) -> None:
    result = check(node(tmp_path, PLAIN, '[policy.rules.no_such_rule]\naction = "tag"\n'))
    assert result.exit_code == 1
    assert "policy.rules.no_such_rule: unknown rule; the rules are account_inactive" in result.stdout


def test_warnings_are_marked_and_do_not_fail(tmp_path: Path) -> None:
    tables = {name: rows for name, rows in PLAIN.items() if name not in ("signatures", "scopes")}
    config = node(tmp_path, tables, '[policy.accounts.b]\nmode = "tag"\n')
    text = config.read_text("utf-8").replace('mode = "enforce"', 'mode = "monitor"\non_error = "allow"')
    text = text.replace('[metrics]\naddress = "127.0.0.1:9464"\n', "")
    config.write_text(text, encoding="utf-8")
    result = check(config)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert all(line.startswith("warning: ") for line in lines[:-1])
    for words in (
        "consent: is not set",
        "policy.mode: is \"monitor\"",
        "policy.on_error: is \"allow\"", "metrics: is not set", "signatures: there is no such table",
        "scopes: there is no such table", "policy.accounts.b: no account of this system_id is on file",
    ):
        assert any(words in line for line in lines), words
    assert f"no errors, {len(lines) - 1} warnings" in lines[-1]


def test_json(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN, CONSENT)
    result = check(config, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"], found["errors"], found["warnings"]) == (0, True, [], [])
    assert (len(found["revision"]), found["counts"]["ports"]) == (16, 1)
    (tmp_path / "registry" / "ports.csv").write_text("port,holder\n10x,a\n", encoding="utf-8")
    result = check(config, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"], found["revision"], len(found["errors"])) == (1, False, "", 1)


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    result = check(tmp_path / "none.toml")
    assert (result.exit_code, result.stdout) == (1, f"{tmp_path / 'none.toml'}: no such file or directory\n")


def test_settings_that_are_no_toml(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN)
    config.write_text("[listen\n", encoding="utf-8")
    result = check(config)
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert result.stdout.startswith(f"{config}: ")
    config.write_bytes(b"\xff\xfe")
    assert check(config).exit_code == 1


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN)
    config.write_text(config.read_text("utf-8").replace('path = "registry"', 'path = "none"'), encoding="utf-8")
    result = check(config)
    first = result.stdout.splitlines()[0]
    assert (result.exit_code, first) == (
        1, f"{tmp_path / 'none'}: the registry cannot be read: No such file or directory"
    )


@pytest.mark.may_skip
@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN)
    (tmp_path / "registry" / "ports.csv").chmod(0)
    result = check(config)
    assert (result.exit_code, "ports.csv: cannot be read: Permission denied" in result.stdout) == (1, True)


def test_a_folder_where_a_table_should_be(tmp_path: Path) -> None:
    config = node(tmp_path, PLAIN)
    (tmp_path / "registry" / "ports.csv").unlink()
    (tmp_path / "registry" / "ports.csv").mkdir()
    result = check(config)
    assert (result.exit_code, "ports.csv: is a folder" in result.stdout) == (1, True)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    config = node(tmp_path, PLAIN)
    before = sorted(tmp_path.rglob("*"))
    assert check(config).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before
