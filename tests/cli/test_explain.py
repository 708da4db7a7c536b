"""`portguard explain`: one message, its verdict and why, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from portguard.cli.root import portguard
from portguard.policy.reasons import CATALOGUE
from tests.cli.table import node
from tests.policy.messages import BODY, CODE
from tests.policy.registry import AT, TABLES
from tests.policy.wire import submit

TEXT = "【星辰商城】" + CODE


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A portguard.toml beside the tests' registry."""
    return node(tmp_path, TABLES)


def explain(config: Path, *arguments: str, **options: str) -> Result:
    """Run the command with the fields of a good message, but for `options`."""
    fields = {"account": "first", "source": "106900011", "dest": "13910001234", "at": AT, **options}
    given = [word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)]
    return CliRunner().invoke(portguard, ["explain", "-c", str(config), *given, *arguments])


def as_json(config: Path, **options: str) -> dict[str, Any]:
    """The object that --json prints."""
    result = explain(config, "--json", **options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_an_allowed_message(config: Path) -> None:
    result = explain(config, text=TEXT)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["verdict", "allow"]
    assert lines[1].split() == ["signature", "【星辰商城】"]
    assert lines[2].startswith("category   verification, by ")
    assert "验证码 +" in lines[2]
    assert "2026-11-11T10:00:00+08:00, mode enforce, revision " in lines[3]
    assert [int(line.split()[0]) for line in lines[5:]] == [rule.code for rule in CATALOGUE]
    assert "\x1b" not in result.stdout
    assert all(line == line.rstrip() for line in lines)


def test_a_refused_message(config: Path) -> None:
    result = explain(config, text="【无名小店】" + CODE)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split(maxsplit=1)[1] == "reject 204 signature_unregistered ESME_RSUBMITFAIL"
    by_code = {line.split()[0]: line for line in lines[5:]}
    assert " reject " in by_code["204"]
    assert "registrations of 【无名小店】: none" in by_code["204"]
    assert " passed " in by_code["100"]
    assert " not reached " in by_code["306"]
    assert " not reached " in by_code["501"]


def test_json(config: Path) -> None:
    found = as_json(config, text="【无名小店】" + CODE)
    expected = {
        "action": "reject", "rule": "signature_unregistered", "code": 204, "status": "ESME_RSUBMITFAIL",
        "signature": "无名小店", "category": "verification", "industry": "",
    }
    assert {name: found[name] for name in expected} == expected
    assert (found["at"], found["mode"], found["template"]) == ("2026-11-11T10:00:00+08:00", "enforce", "")
    assert {word["word"] for word in found["words"] if word["counted"]} >= {"验证码"}
    assert [line["code"] for line in found["trace"]] == [rule.code for rule in CATALOGUE]
    assert [line["rule"] for line in found["trace"] if line["state"] == "fired"] == ["signature_unregistered"]


def test_a_template_decides(config: Path) -> None:
    found = as_json(config, text="【星辰模板】8866，请在页面上输入")
    assert (found["category"], found["template"]) == ("verification", "t1")
    assert "by template t1" in explain(config, text="【星辰模板】8866，请在页面上输入").stdout


def test_the_mode_of_the_account(config: Path) -> None:
    found = as_json(config, account="looked", text="【无名小店】" + CODE)
    assert (found["mode"], found["action"], found["code"]) == ("monitor", "monitor", 204)


def test_nothing_to_go_by(config: Path) -> None:
    found = as_json(config, text="")
    assert (found["code"], found["category"], found["words"]) == (200, "unknown", [])
    assert "no word of the lexicon" in explain(config, text="").stdout


def test_data_coding(config: Path) -> None:
    found = as_json(config, text="[GoodTea]Your verification code is 1234", data_coding="0")
    assert (found["action"], found["signature"]) == ("allow", "GoodTea")
    result = explain(config, text=TEXT, data_coding="0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: text: ")


def test_a_pdu(config: Path) -> None:
    found = as_json(config, pdu=submit("10770001", BODY).hex())
    assert (found["code"], found["signature"]) == (100, "星辰商城")
    result = explain(config, pdu=submit("1", b"\x00").hex()[:-2])
    assert (result.exit_code, "expected one whole PDU" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"text": "x", "pdu": "00"}, {"pdu": "xyz"}, {"text": "x", "at": "noon"},
        {"text": "x", "data_coding": "256"}, {"text": "x", "unknown": "1"},
    ],
)
def test_wrong_usage(config: Path, options: dict[str, str]) -> None:
    result = explain(config, **options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: portguard explain" in result.stderr


def test_no_account() -> None:
    result = CliRunner().invoke(portguard, ["explain", "--text", "x"])
    assert (result.exit_code, "--account" in result.stderr) == (2, True)


def test_broken_settings_and_registry(config: Path) -> None:
    (config.parent / "registry" / "accounts.csv").unlink()
    result = explain(config, text=TEXT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "accounts.csv: there is no such file" in result.stderr
    config.write_text("", encoding="utf-8")
    result = explain(config, text=TEXT)
    assert result.exit_code == 1
    assert f"{config}: listen: is missing" in result.stderr
