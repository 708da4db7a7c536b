"""Restraints of other nodes: whole lists, the stronger one, and what people here have pinned."""

import pytest

from portguard.daemon import following
from portguard.daemon.following import Following, combined
from portguard.policy.restraint import Level, Restraint

NOW = 1_000.0


def restraint(name: str, level: Level, until: float = NOW) -> Restraint:
    return Restraint("port", name, level, until)


def row(name: str, level: str = "suspend") -> dict[str, object]:
    return {"kind": "port", "name": name, "level": level, "until": NOW, "per_minute": 0}


def test_a_list_replaces_the_one_before() -> None:
    lists = Following()
    assert lists.take("gw2", [row("1069"), row("1068")])
    assert lists.take("gw3", [row("1067")])
    assert not lists.take("gw2", [row("1069"), row("1068")])
    assert lists.take("gw2", [row("1068", "tag")])
    assert [(one.name, one.level) for one in lists.restraints(NOW - 1)] == [("1068", "tag"), ("1067", "suspend")]
    assert lists.take("gw3", [])
    assert len(lists.restraints(NOW - 1)) == 1
    assert not lists.restraints(NOW)


def test_a_list_that_cannot_be_used_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Following()
    assert lists.take("gw2", [row("1069")])
    assert not lists.take("gw2", [row("1069"), row("1068", "banish")])
    assert not lists.take("gw2", [{"name": "1068"}])
    monkeypatch.setattr(following, "MOST_RESTRAINTS", 2)
    assert not lists.take("gw2", [row(str(number)) for number in range(3)])
    monkeypatch.setattr(following, "MOST_NODES", 1)
    assert not lists.take("gw3", [row("1067")])
    assert [one.name for one in lists.restraints(NOW - 1)] == ["1069"]


def test_the_stronger_counts_then_the_longer_and_here_only_ours_where_it_is_pinned() -> None:
    own = [restraint("1", "tag"), restraint("2", "suspend"), restraint("3", "suspend"), restraint("4", "tag")]
    others = [
        restraint("1", "throttle"), restraint("2", "tag"), restraint("3", "suspend", NOW + 1),
        restraint("4", "suspend"), restraint("5", "suspend"), restraint("6", "suspend"), restraint("6", "tag", NOW + 9),
    ]
    found = combined(own, others, {("port", "4"), ("port", "5")})
    assert [(one.name, one.level, one.until) for one in found] == [
        ("1", "throttle", NOW), ("2", "suspend", NOW), ("3", "suspend", NOW + 1), ("4", "tag", NOW),
        ("6", "suspend", NOW),
    ]
