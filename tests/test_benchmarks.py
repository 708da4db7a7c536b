"""The benchmark programs run, and what they send is what their registry permits: both ends compare every octet."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"

pytestmark = pytest.mark.slow


def run(program: str, *arguments: str) -> str:
    # Not PYTHONSAFEPATH: a program of the benchmark finds its own modules beside it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS / program), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_engine_permits_and_refuses_what_it_should(tmp_path: Path) -> None:
    run("engine.py", "--seconds", "0.01", "--rows", "10", "--json", str(tmp_path / "engine.json"))
    assert json.loads((tmp_path / "engine.json").read_text())["us_a_message"]["scan and judge"] > 0


def test_the_ledger_finds_what_it_imported(tmp_path: Path) -> None:
    printed = run("consent.py", "--pairs", "2000", "--again", "--folder", str(tmp_path), "--json", str(tmp_path / "c"))
    found = json.loads((tmp_path / "c").read_text())
    assert (found["size"]["records"], found["again"]["changed"]) == (2000, 0)
    assert "EXTRAPOLATED from these, not measured" in printed


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two cores are needed")
@pytest.mark.skipif(shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="no haproxy")
def test_every_octet_passes_every_proxy(tmp_path: Path) -> None:
    out = tmp_path / "out" / "line_rate.json"
    arguments = ("--rounds", "1", "--seconds", "0.3", "--warm-up", "0.1", "--windows", "1,50", "--rows", "10")
    printed = run("line_rate.py", *arguments, "--json", str(out))
    found = json.loads(out.read_text())
    assert {(row["proxy"], row["window"]) for row in found["summary"]} == {
        (proxy, window) for proxy in ("haproxy", "relay", "portguard") for window in (1, 50)
    }
    assert all(run["messages"] > 0 and run["cpu_us"] > 0 for run in found["runs"])
    assert "| 50 | portguard |" in printed
