"""The unit: accepted by systemd, hardened, and in step with what the daemon needs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "portguard.service"
WORST_EXPOSURE = 20  # of 100, as `systemd-analyze security` counts

pytestmark = pytest.mark.may_skip  # in a container there is often no systemd


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    copy = tmp_path / "portguard.service"
    text = UNIT.read_text(encoding="utf-8").replace("/opt/portguard/bin/portguard", "/bin/true")
    copy.write_text(text, encoding="utf-8")
    return copy


def test_systemd_accepts_it(unit: Path) -> None:
    assert analyze("verify", str(unit)).strip() == ""


def test_it_is_hardened(unit: Path) -> None:
    analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE}", str(unit))


def test_it_is_what_the_readme_makes() -> None:
    text, readme = UNIT.read_text(encoding="utf-8"), UNIT.parents[1].joinpath("README.md").read_text(encoding="utf-8")
    assert "Documentation=file:" not in text  # no wheel installs one
    mode = re.search(r"install -d -m (\d+) -g portguard /etc/portguard ", readme)
    assert mode is not None
    assert f"ConfigurationDirectoryMode={mode[1]}\n" in text
    # Below ProtectSystem=strict, both say what is written and where.
    assert all("ReadWritePaths=/etc/portguard/registry" in said for said in (text, readme))


def test_it_speaks_to_the_command_line_that_there_is() -> None:
    from portguard.cli.root import portguard

    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT, encoding="utf-8")
    for key in ("ExecStart", "ExecReload"):
        program, command, *options = parser["Service"][key].split()
        assert program.endswith("/portguard")
        with portguard.make_context("portguard", [command, "--help"], resilient_parsing=True) as context:
            found = portguard.get_command(context, command)
            assert found is not None
            assert options[0] in {name for parameter in found.params for name in parameter.opts}
