"""Events among violations: found through the index, and without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from portguard.evidence.index import discard
from portguard.evidence.reader import Reader
from tests.evidence.packed import NOON
from tests.evidence.stage import Stage


def filled(root: Path) -> Stage:
    """A thousand violations over several segments, an event after every hundredth, a minute later each."""
    stage = Stage(root, small=40_000)
    for number in range(10):
        stage.batches(50, 50)
        stage.event("escalation", place=number)
        stage.event("left_out", account="a", code=204, count=3)
        stage.write()
        stage.wall += 60.0
        stage.turn()
    return stage


def places(reader: Reader, since: float = 0.0, until: float = 1e12) -> list[object]:
    return [fields["place"] for _, kind, fields in reader.events(since, until) if kind == "escalation"]


@pytest.mark.parametrize("end", [Stage.close, Stage.crash])
def test_all_in_order_once(tmp_path: Path, end: Callable[[Stage], Stage]) -> None:
    stage = end(filled(tmp_path))
    assert len(stage.files()) > 3
    with Reader(stage.folder) as reader:
        found = list(reader.events(0.0, 1e12))
        assert places(reader) == list(range(10))
        assert [number for number, _, _ in found] == sorted({number for number, _, _ in found})
        assert {kind for _, kind, _ in found} <= {"escalation", "journal"}
        assert reader.damaged == 0


def test_those_of_a_time(tmp_path: Path) -> None:
    stage = filled(tmp_path).close()
    with Reader(stage.folder) as reader:
        assert places(reader, NOON + 120.0, NOON + 300.0) == [2, 3, 4]
        assert places(reader, NOON + 1e6) == []


def test_while_it_is_written_and_before_the_index_knows(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.event("escalation", place="now")
    stage.write()
    with Reader(stage.folder) as reader:
        assert places(reader) == [*range(10), "now"]
    stage.close()


def test_without_an_index(tmp_path: Path) -> None:
    stage = filled(tmp_path).close()
    discard(stage.folder)
    with Reader(stage.folder) as reader:
        assert places(reader) == list(range(10))


def test_a_lost_index_knows_them_again(tmp_path: Path) -> None:
    filled(tmp_path).close()
    discard(tmp_path / "evidence")
    stage = Stage(tmp_path)
    stage.turn(rounds=30)
    stage.close()
    with Reader(stage.folder) as reader:
        assert places(reader) == list(range(10))
