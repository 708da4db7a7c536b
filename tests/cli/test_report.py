"""`portguard report`: a page and a sheet from what is on disk, and what it says when what is asked is wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portguard.cli.report import report
from portguard.evidence.traffic import Traffic
from tests.cli.table import node
from tests.cli.test_check import PLAIN
from tests.evidence.stage import Stage
from tests.evidence.test_report import tallied

# Left out by `make quick`.
pytestmark = pytest.mark.slow


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(report, ["-c", str(config), *arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node with a journal of its own and some traffic, an hour ago."""
    found = node(tmp_path, PLAIN)
    stage = Stage(tmp_path)
    at = time.time() - 3600.0
    stage.violations(3, at=at)
    stage.write()
    stage.close()
    (tmp_path / "state").mkdir(exist_ok=True)
    traffic = Traffic(tmp_path / "state" / "traffic.sqlite")
    traffic.add([tallied()], at)
    traffic.flush()
    traffic.close()
    return found


def test_page_and_sheet(config: Path, tmp_path: Path) -> None:
    page, sheet = tmp_path / "r.html", tmp_path / "r.csv"
    result = run(config, "-o", str(page), "-o", str(sheet))
    assert result.exit_code == 0, result.output
    assert f"{page}: 1,000 messages, 3 hits, 0 complaints" in result.output
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert sheet.read_text("utf-8-sig").startswith("table,key,title")
    assert not list(tmp_path.glob(".*.new"))


def test_a_sheet_needs_nothing_that_the_page_needs(config: Path, tmp_path: Path) -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(('jinja2', 'markupsafe', 'matplotlib'))); "
    program = without + "from portguard.cli.root import portguard; portguard()"
    sheet, page = tmp_path / "r.csv", tmp_path / "r.html"

    def made(path: Path) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", program, "report", "-c", str(config), "-o", str(path)]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    done = made(sheet)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\ntime," in sheet.read_text("utf-8-sig").replace("\r", "")
    assert "the page needs matplotlib and Jinja2" in made(page).stderr


def test_a_time_without_anything(config: Path, tmp_path: Path) -> None:
    result = run(config, "--from", "2020-01-01", "--to", "2020-01-31", "-o", str(tmp_path / "r.csv"))
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'r.csv'}: 0 messages, 0 hits, 0 complaints\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "r.pdf"), 2, "ends with .html or .csv"), ((), 2, "Missing option '-o'"),
        (("--from", "soon", "-o", "r.csv"), 2, "is not a date like"),
        (("--from", "2026-02-02", "--to", "2026-02-01", "-o", "r.csv"), 2, "is after --to"),
        (("-o", "/no/such/folder/r.csv"), 1, "Error: /no/such/folder/r.csv: no such file or directory"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(config: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = run(config, *arguments)
    assert (result.exit_code, said in result.output.replace("\n", " ")) == (code, True), result.output


def test_before_anything_was_recorded(tmp_path: Path) -> None:
    result = run(node(tmp_path, PLAIN), "-o", str(tmp_path / "r.html"))
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'r.html'}: 0 messages, 0 hits, 0 complaints\n")
