"""[complaints] as it is written in a file: defaults that stay, mistakes that are named."""

from pathlib import Path

import pytest

from portguard.complaints.options import LEVELS, WINDOWS, ComplaintsOptions, Threshold
from portguard.settings.load import SettingsError, load
from tests.cli.table import SETTINGS


def loaded(folder: Path, text: str) -> ComplaintsOptions:
    path = folder / "portguard.toml"
    path.write_text(SETTINGS + text, encoding="utf-8")
    return load(path).complaints


def test_what_is_not_said_stays_as_it_is(tmp_path: Path) -> None:
    found = loaded(tmp_path, """
[complaints]
nodes = 3
[complaints.levels.tag]
hours = 48
month = { per_million = 0.3, complaints = 4 }
day = "off"
[complaints.levels.throttle]
per_minute = 10
[complaints.signs.text_spread]
on = false
""")  # fmt: skip
    usual = ComplaintsOptions()
    assert (found.nodes, found.keep, found.levels.suspend) == (3, usual.keep, usual.levels.suspend)
    assert (found.levels.tag.hours, found.levels.tag.day) == (48, "off")
    assert found.levels.tag.month == Threshold(0.3, 4)
    assert found.levels.tag.hour == usual.levels.tag.hour
    assert (found.levels.throttle.per_minute, found.levels.throttle.month) == (10, usual.levels.throttle.month)
    assert (found.signs.text_spread.on, found.signs.text_spread.owners) == (False, usual.signs.text_spread.owners)
    assert loaded(tmp_path, "") == usual


def test_the_defaults_are_graded() -> None:
    """Each level takes more than the one below, and what is severe is tagged."""
    usual = ComplaintsOptions()
    assert usual.errors() == []
    for window in WINDOWS:
        thresholds = [getattr(usual.level(level), window) for level in LEVELS[1:]]
        assert thresholds == sorted(thresholds, key=lambda one: (one.per_million, one.complaints))
        assert len({one.complaints for one in thresholds}) == 4
    assert usual.levels.tag.month == Threshold(0.25, 5)


@pytest.mark.parametrize(("text", "line"), [
    ("[complaints.levels.suspend]\nhour = { per_million = 1, complaints = 20 }",
     "complaints.levels.suspend.hour.per_million: 1 is below that of throttle, 20"),
    ("[complaints.levels.tag]\nhour = \"of\"", "complaints.levels.tag.hour: expected one of off; got 'of'"),
    ("[complaints.levels.tag.hour]\nper_million = 0\ncomplaints = 1", "complaints.levels.tag.hour.per_million: "),
    ("[complaints.levels.tag.hour]\nper_million = 10", "complaints.levels.tag.hour.complaints: is missing"),
    ("[complaints.levels.block]", "complaints.levels.block: unknown key"),
    ("[complaints]\nport_highest = \"block\"",
     "complaints.port_highest: expected one of none, watch, tag, throttle, suspend; got 'block'"),
    ("[complaints]\nkeep = 1.5", "complaints.keep: "),
    ("[complaints.signs.text]", "complaints.signs.text: unknown key"),
    ("[complaints.signs.port_enterprises]\nleast = 0", "complaints.signs.port_enterprises.least: "),
])  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(SettingsError) as raised:
        loaded(tmp_path, text + "\n")
    assert len(raised.value.errors) == 1
    assert line in raised.value.errors[0]
