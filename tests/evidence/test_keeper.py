"""The index follows the journal, is made anew when it is lost, and never stands in its way."""

import sqlite3
from pathlib import Path

import pytest

from portguard.evidence.index import INDEX, Look
from portguard.evidence.reader import Reader
from tests.evidence.stage import DAY, Stage


def counted(stage: Stage) -> dict[int, tuple[int, int, int]]:
    """(last, counted, sealed) of each segment in the index."""
    look = Look(stage.folder)
    found = {row.first: (row.last, row.counted, row.sealed) for row in look.rows().values()}
    look.close()
    return found


def tallied(stage: Stage) -> int:
    """All tallies of the index alone."""
    look = Look(stage.folder)
    _, found = look.counts((), 0, 1 << 40, {})
    look.close()
    return int(found[0][0]) if found else 0


def test_it_follows(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=2000)
    stage.batches(5)
    stage.turn()
    assert (counted(stage), tallied(stage)) == ({1: (5, 5, 0)}, 5)
    stage.batches(5, 5, 5)
    stage.turn()
    assert counted(stage) == {1: (10, 10, 1), 11: (20, 20, 0)}
    assert tallied(stage) == 20
    stage.close()
    again = Stage(tmp_path)
    again.batches(1)
    again.turn()
    assert tallied(again) == 21
    again.close()


def test_what_a_crash_kept_from_it_is_counted_at_the_next_start(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=2000)
    stage.batches(5)
    stage.turn()
    stage.batches(5, 5, 5, 5)
    stage.crash()
    again = Stage(tmp_path)
    assert tallied(again) == 10, "the segment that goes on is counted at once; the ended one lacks its end"
    again.turn(rounds=20)
    assert tallied(again) == 25
    assert {first: row[2] for first, row in counted(again).items()} == {1: 1, 11: 1, 21: 0}
    again.close()


@pytest.mark.parametrize("how", ["gone", "garbage", "version"])
def test_a_lost_index_is_made_anew(tmp_path: Path, how: str) -> None:
    stage = Stage(tmp_path, small=2000)
    stage.batches(5, 5, 5, 5, 5)
    stage.close()
    path = stage.folder / INDEX
    if how == "gone":
        path.unlink()
    elif how == "garbage":
        path.write_bytes(b"x" * 10_000)
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    again = Stage(tmp_path)
    again.turn(rounds=20)
    assert tallied(again) == 25
    with Reader(again.folder) as reader:
        assert reader.counts(()) == {(): 25}
    again.close()


def test_an_index_that_breaks_while_it_is_used(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=100_000)
    stage.batches(5)
    stage.turn()
    assert stage.keeper._index is not None
    stage.keeper._index._connection.execute("DROP TABLE tallies")
    stage.batches(5)
    stage.turn()
    assert any("index cannot be written" in line for line in stage.said)
    stage.batches(5)
    stage.turn(rounds=20)
    assert tallied(stage) == 15
    assert len(stage.files()) == 2, "the segment ended, so that it could be counted whole"
    stage.close()
    assert [line.split(":")[0] for line in stage.said if "index" in line] == ["warning"]


def test_an_index_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.batches(5)
    stage.turn()
    assert stage.keeper._index is not None
    other = sqlite3.connect(stage.folder / INDEX, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    stage.keeper._index._connection.execute("PRAGMA busy_timeout = 1")
    stage.batches(5)
    stage.turn(rounds=3)
    stage.batches(5)
    assert (stage.journal.durable, tallied(stage)) == (15, 5)
    with Reader(stage.folder) as reader:
        assert reader.counts(()) == {(): 15}, "what the index lacks is counted by whoever asks"
    other.execute("ROLLBACK")
    other.close()
    stage.turn()
    assert tallied(stage) == 15
    assert len([line for line in stage.said if "index" in line]) == 1
    stage.close()


def test_the_head_is_said_now_and_then(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.turn()
    assert stage.said == []
    stage.batches(1)
    stage.turn(rounds=5)
    stage.turn(3600)
    heads = [line for line in stage.said if "journal head" in line]
    assert len(heads) == 2
    assert stage.journal.head.hex() in heads[0]
    stage.close()


# ---- retention

def aged(tmp_path: Path, days: int) -> Stage:
    stage = Stage(tmp_path, small=1000, retention_days=days)
    for _ in range(6):
        stage.violations(4, at=stage.wall)
        stage.write()
        stage.wall += 5 * DAY
    stage.turn()
    return stage


def hours(stage: Stage, count: int) -> None:
    for _ in range(count):
        stage.wall += 3600
        stage.turn(3600)


def test_old_segments_go_and_the_journal_says_so(tmp_path: Path) -> None:
    stage = aged(tmp_path, 12)
    stage.wall += 1800
    stage.turn(1800)
    assert len(stage.files()) == 6, "not in the first hour"
    hours(stage, 1)
    kept = [int(path.stem) for path in stage.files()]
    assert kept == [17, 21, 25]
    assert set(counted(stage)) <= set(kept)
    with Reader(stage.folder) as reader:
        said = [fields for _, kind, fields in reader.rows(0, 1000) if kind == "journal"]
        assert [(fields["what"], fields["first"], fields["last"]) for fields in said] == [
            ("removed", 1, 4), ("removed", 5, 8), ("removed", 9, 12), ("removed", 13, 16)
        ]  # fmt: skip
        assert reader.oldest() == 17
        assert [number for number, _, _ in reader.rows(0, 3)] == [17, 18, 19]
        assert reader.counts(()) == {(): 8}
    stage.close()


def test_nothing_goes_unless_it_is_asked_for(tmp_path: Path) -> None:
    stage = aged(tmp_path, 0)
    hours(stage, 5)
    assert len(stage.files()) == 6
    stage.close()


def test_a_clock_that_jumps_ahead_empties_nothing(tmp_path: Path) -> None:
    stage = aged(tmp_path, 100)
    hours(stage, 2)
    stage.wall += 3650 * DAY
    stage.turn(3600)
    assert len(stage.files()) == 6
    stage.wall -= 3650 * DAY
    hours(stage, 3)
    assert len(stage.files()) == 6
    stage.close()


def test_removal_that_was_broken_off_is_finished(tmp_path: Path) -> None:
    """What was to be removed was said, and then everything stopped."""
    stage = aged(tmp_path, 12)
    first = stage.files()[0].read_bytes()
    hours(stage, 2)
    stage.close()
    (stage.folder / f"{1:020}.journal").write_bytes(first)
    again = Stage(tmp_path, retention_days=12)
    again.wall = stage.wall
    again.turn(rounds=20)
    hours(again, 2)
    assert int(again.files()[0].stem) == 17
    again.close()
