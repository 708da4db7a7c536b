"""`portguard inspect` gives every message of the table its designed action and rule, from jsonl and from csv."""

from pathlib import Path

from click.testing import CliRunner

from portguard.cli.root import portguard
from portguard.policy.reasons import CATALOGUE
from tests.cli.table import node, read_jsonl, row, write_csv, write_jsonl
from tests.policy.messages import CASES, RULES
from tests.policy.registry import TABLES


def _wrong(rows: list[dict[str, object]]) -> list[str]:
    assert len(rows) == len(CASES)
    return [
        f"{case.about} {case.why!r}: {found['action']} {found['code']} {found['rule']}, not {case.action} {case.code}"
        for case, found in zip(CASES, rows, strict=True)
        if (found["action"], int(str(found["code"]))) != (case.action, case.code)
    ]


def test_every_message_from_jsonl(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [row(case) for case in CASES])
    config = node(tmp_path, TABLES)
    result = CliRunner().invoke(portguard, ["inspect", "-c", str(config), str(source)])
    assert (result.exit_code, result.stderr) == (0, "")
    rows = read_jsonl(result.stdout)
    assert not _wrong(rows)
    names = {rule.code: rule.name for rule in CATALOGUE} | {0: ""}
    assert all(found["rule"] == names[case.code] for case, found in zip(CASES, rows, strict=True))


def test_every_message_from_csv(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", [row(case) for case in CASES])
    config = node(tmp_path, TABLES)
    result = CliRunner().invoke(portguard, ["inspect", "-c", str(config), str(source)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert not _wrong(read_jsonl(result.stdout))


def test_table_covers_every_rule_both_ways() -> None:
    assert len(CASES) >= 120
    assert {rule.code for rule in CATALOGUE} >= RULES
    assert {case.code for case in CASES if case.code == case.about} == RULES
    assert {case.about for case in CASES if case.code != case.about} == RULES
