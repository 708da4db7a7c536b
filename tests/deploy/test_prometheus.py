"""Alerts and dashboard: promtool accepts them, each alert is tested both ways, and what they name is exported."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import ProcessCollector

from tests.deploy.exported import exported

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "portguard.rules.yml"
RULE_TESTS = Path(__file__).with_name("portguard.rules.test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "portguard.json"

METRIC = re.compile(r"\b((?:portguard|process)_[a-z_]+)(\{[^}]*\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
ADDED_BY_PROMETHEUS = {"job", "instance"}
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")
GRAFANA_VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [note["expr"] for note in dashboard["annotations"]["list"]]
    for name, value in GRAFANA_VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found


def test_promtool_accepts_the_scrape_file_and_the_alerts() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    promtool("check", "rules", RULES)


@pytest.mark.slow
def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", RULE_TESTS)


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == silent == set(alerts())


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["action"], name


def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(dashboard_expressions())]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", file)


@pytest.mark.parametrize("expression", [rule["expr"] for rule in alerts().values()] + dashboard_expressions())
def test_expressions_name_what_the_daemon_exports(expression: str) -> None:
    known = exported()
    named = METRIC.findall(expression)
    assert named or "up{" in expression
    for name, selector in named:
        if name.startswith("process_"):
            continue
        part = next((end for end in HISTOGRAM_PARTS if name.endswith(end)), "")
        labels = known.get(name.removesuffix(part) if part else name)
        assert labels is not None, f"no metric {name}"
        assert set(LABEL.findall(selector)) <= labels | ADDED_BY_PROMETHEUS | ({"le"} if part else set()), expression


def test_the_process_metrics_are_those_of_the_client_library() -> None:
    every = " ".join([rule["expr"] for rule in alerts().values()] + dashboard_expressions())
    named = set(re.findall(r"\bprocess_\w+", every))
    given = {sample.name for family in ProcessCollector(registry=None).collect() for sample in family.samples}
    assert named <= given


def test_panels_have_a_place_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        left, top, width, height = (panel["gridPos"][key] for key in ("x", "y", "w", "h"))
        cells = {(x, y) for x in range(left, left + width) for y in range(top, top + height)}
        assert not cells & taken, panel["title"]
        assert left + width <= 24
        taken |= cells
