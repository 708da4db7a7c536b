"""What is typed and is not on file is warned of, where a revision can be asked."""

from pathlib import Path

import pytest

from portguard.cli.served import MOST_SAID, warn_of_unknown
from portguard.registry.build import build
from portguard.settings.load import load
from tests.cli.table import node
from tests.cli.test_root import process
from tests.policy.registry import TABLES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node that has served."""
    config = node(tmp_path, TABLES, '[consent]\npath = "consent"\n')
    (tmp_path / "state" / "revisions").mkdir(parents=True)
    build(tmp_path / "registry", tmp_path / "state" / "revisions")
    return config


def test_names(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load(config)
    signature = str(TABLES["signatures"][0]["signature"])
    for kind, name in (("enterprise", "mall"), ("port", "10690005"), ("signature", signature)):
        warn_of_unknown(settings, kind, [name])
        assert capsys.readouterr().err == ""
        warn_of_unknown(settings, kind, [name, name + "0"])
        assert capsys.readouterr().err == f"warning: the registry has no {kind} {name + '0'!r}; is it spelt so?\n"
    warn_of_unknown(settings, "enterprise", map(str, range(MOST_SAID + 2)))
    assert capsys.readouterr().err.endswith("warning: and 2 more that the registry does not have\n")


def test_nothing_has_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_unknown(load(node(tmp_path, TABLES)), "port", ["1"])
    assert capsys.readouterr().err == ""


def test_commands_warn(config: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("enterprise,subscriber,granted_at,source\nmalll,13900000001,2026-01-01,opt-in\n")
    done = process("consent", "import", "-c", str(config), str(tmp_path / "in.csv"))
    assert (done.returncode, done.stderr) == (0, "warning: the registry has no enterprise 'malll'; is it spelt so?\n")
    done = process("complaints", "hold", "-c", str(config), "port", "999", "--level", "tag", "--why", "x")
    assert (done.returncode, done.stderr) == (0, "warning: the registry has no port '999'; is it spelt so?\n")
