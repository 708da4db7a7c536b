"""What is done to a journal is found and named: by whom, with what, and where."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.evidence import checks as c
from portguard.evidence.checks import Problem, Verdict
from portguard.evidence.frames import (
    EVENT,
    HASH,
    SEAL,
    VIOLATION,
    Frame,
    frame,
    name_of,
    read_seal,
    scan,
    seal_payload,
)
from portguard.evidence.index import INDEX
from portguard.evidence.journal import DURABLE
from portguard.evidence.keys import Keys
from portguard.evidence.verify import Verification
from tests.evidence.stage import DAY, KEYS, Stage

FIRST = name_of(1)


def verify(stage: Stage, keys: Keys | None = KEYS, heads: dict[int, bytes] | None = None) -> Verdict:
    return Verification(stage.folder, keys, heads).run()


def found(stage: Stage) -> list[tuple[str, str, int, int]]:
    """(segment, what, first, last) of everything that is found."""
    return [(one.segment, one.what, one.first, one.last) for one in verify(stage).problems]


@pytest.fixture
def written(tmp_path: Path) -> Stage:
    """Twelve records under four seals."""
    stage = Stage(tmp_path)
    stage.batches(3, 4, 2, 3)
    return stage.close()


def frames(path: Path) -> list[Frame]:
    with path.open("rb") as file:
        return list(scan(file.fileno()))


def record(path: Path, number: int) -> Frame:
    return next(one for one in frames(path) if one.number == number and one.kind in (VIOLATION, EVENT))


def edit(path: Path, change: Callable[[bytearray], None]) -> None:
    octets = bytearray(path.read_bytes())
    change(octets)
    path.write_bytes(octets)


def octets_of(path: Path, number: int) -> bytes:
    one = record(path, number)
    return path.read_bytes()[one.start : one.end]


def test_a_sound_journal(written: Stage) -> None:
    verdict = verify(written)
    assert (verdict.problems, verdict.sound, verdict.records, verdict.seals, verdict.segments) == ([], True, 12, 4, 1)
    assert verdict.head == (12, written.journal.head)
    assert verify(written, heads={12: written.journal.head}).sound


def test_no_journal_at_all(tmp_path: Path) -> None:
    assert Verification(tmp_path, KEYS).run().sound


def test_while_it_is_written(tmp_path: Path) -> None:
    """What is behind the last seal may be a write under way."""
    stage = Stage(tmp_path)
    stage.batches(3)
    with stage.files()[0].open("ab") as file:
        file.write(frame(VIOLATION, 4, b"x", stage.journal.head)[0])
    assert verify(stage).sound
    assert found(stage) == [(FIRST, c.UNFINISHED, 0, 0)]
    stage.close()


def test_several_segments_keys_and_restarts(tmp_path: Path) -> None:
    for n in range(3):
        stage = Stage(tmp_path, small=500, node=f"gw{n}")
        stage.batches(2, 3, 4)
        stage.close()
    verdict = verify(stage)
    assert (verdict.problems, verdict.records, verdict.segments) == ([], 27, 9)
    again = Stage(tmp_path, keys=Keys(b"n" * 32))
    again.batches(1)
    again.close()
    assert verify(again, Keys(b"n" * 32)).sound
    assert {one.what for one in verify(again, Keys(b"n" * 32)).problems} == {c.ANOTHER_KEY}
    assert verify(again, None).sound
    assert verify(again, None).seals == 0


@pytest.mark.parametrize("number", [1, 5, 7, 12])
def test_an_altered_record(written: Stage, number: int) -> None:
    path = written.files()[0]
    at = record(path, number).end - HASH - 3
    edit(path, lambda octets: octets.__setitem__(at, octets[at] ^ 1))
    assert found(written) == [(FIRST, c.ALTERED, number, number)]
    assert str(verify(written).problems[0]) == f"{FIRST}: record {number}: altered: not as it was written"


def test_an_altered_number(written: Stage) -> None:
    path = written.files()[0]
    at = record(path, 5).start + 5
    edit(path, lambda octets: octets.__setitem__(at, 200))
    assert found(written) == [(FIRST, c.ALTERED, 5, 5)]


def test_records_that_were_taken_out(written: Stage) -> None:
    path = written.files()[0]
    start, end = record(path, 5).start, record(path, 6).end
    edit(path, lambda octets: octets.__delitem__(slice(start, end)))
    assert found(written) == [(FIRST, c.REMOVED, 5, 6)]


def test_the_last_record_under_a_seal_was_taken_out(written: Stage) -> None:
    path = written.files()[0]
    one = record(path, 7)
    edit(path, lambda octets: octets.__delitem__(slice(one.start, one.end)))
    assert [(what, first, last) for _, what, first, last in found(written)] == [(c.REMOVED, 7, 7)]


def test_records_that_changed_places(written: Stage) -> None:
    path = written.files()[0]
    five, six = octets_of(path, 5), octets_of(path, 6)
    start = record(path, 5).start
    edit(path, lambda octets: octets.__setitem__(slice(start, start + len(five) + len(six)), six + five))
    assert found(written) == [(FIRST, c.REORDERED, 5, 5)]


def test_a_record_that_stands_twice(written: Stage) -> None:
    path = written.files()[0]
    one, copy = record(path, 5), octets_of(path, 5)
    edit(path, lambda octets: octets.__setitem__(slice(one.end, one.end), copy))
    assert found(written) == [(FIRST, c.REORDERED, 5, 5)]


def test_octets_in_the_middle_are_no_frames(written: Stage) -> None:
    path = written.files()[0]
    one = record(path, 5)
    edit(path, lambda octets: octets.__setitem__(slice(one.start, one.start + 4), b"\xff" * 4))
    assert found(written) == [(FIRST, c.UNREADABLE, 5, 7)]


def forge(path: Path, number: int, keys: Keys | None) -> None:
    """Alter a record and compute every hash behind it anew, as somebody who can read this source would; the seals with
    a key of theirs, or as they were."""
    parts, before = [path.read_bytes()[:HASH]], path.read_bytes()[:HASH]
    for one in frames(path):
        payload = one.payload
        if one.number == number and one.kind == VIOLATION:
            payload = payload.replace(b"acct", b"evil")
        if one.kind == SEAL and keys is not None:
            seal = read_seal(payload)
            assert seal is not None
            payload = seal_payload(keys, before, one.number, seal)
        octets, before = frame(one.kind, one.number, payload, before)
        parts += [octets, before]
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize("keys", [None, Keys(b"theirs" * 8)])
def test_a_chain_that_was_computed_anew_lacks_the_key(written: Stage, keys: Keys | None) -> None:
    forge(written.files()[0], 5, keys)
    said = found(written)
    assert said[0] == (FIRST, c.FORGED, 4 if keys is None else 1, 12), said
    assert not verify(written).sound


def test_with_the_key_only_a_noted_head_helps(written: Stage) -> None:
    head = verify(written).head
    forge(written.files()[0], 5, KEYS)
    assert verify(written).sound, "whoever has the key can do it: that is why heads are noted elsewhere"
    problem = verify(written, heads={head[0]: head[1]}).problems[0]
    assert (problem.what, problem.first) == (c.HEAD, 12)
    assert verify(written, heads={3: frames(written.files()[0])[4].hash}).sound


def test_a_noted_head_beyond_the_end_and_one_too_old(written: Stage) -> None:
    assert verify(written, heads={13: b"x" * 32}).problems[0].what == c.HEAD
    assert verify(written, heads={2: b"x" * 32}).problems[0].what == c.HEAD


def three_segments(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, small=1000)
    stage.batches(4, 4, 4)
    return stage.close()


def test_a_missing_segment(tmp_path: Path) -> None:
    stage = three_segments(tmp_path)
    assert verify(stage).problems == []
    stage.files()[1].unlink()
    assert found(stage) == [(name_of(9), c.GONE, 5, 8)]


def test_a_segment_that_was_cut_at_a_seal(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=1500)
    stage.batches(4, 4, 4, 4)
    stage.close()
    seal = next(one for one in frames(stage.files()[0]) if one.kind == SEAL)
    edit(stage.files()[0], lambda octets: octets.__delitem__(slice(seal.end, None)))
    assert found(stage) == [(name_of(9), c.REMOVED, 5, 8)]


def test_a_segment_that_was_cut_anywhere(tmp_path: Path) -> None:
    stage = three_segments(tmp_path)
    edit(stage.files()[1], lambda octets: octets.__delitem__(slice(len(octets) - 200, None)))
    said = found(stage)
    assert said[0][:2] == (name_of(5), c.UNREADABLE)
    assert not verify(stage).sound


def test_the_first_segment_was_removed_by_hand(tmp_path: Path) -> None:
    stage = three_segments(tmp_path)
    stage.files()[0].unlink()
    assert found(stage) == [(name_of(5), c.GONE, 1, 4)]


def test_the_end_was_cut_off(tmp_path: Path) -> None:
    stage = three_segments(tmp_path)
    last = stage.files()[2]
    last.unlink()
    assert found(stage) == [(name_of(5), c.GONE, 9, 12)]
    (stage.folder / INDEX).unlink()
    assert found(stage) == [(name_of(5), c.REMOVED, 9, 12)], "`durable` knows of them, too"
    (stage.folder / DURABLE).unlink()
    assert verify(stage).sound, "nothing here knows of them any more: that is what noted heads are for"
    assert not verify(stage, heads={12: b"x" * 32}).sound


def test_a_segment_of_another_journal(tmp_path: Path) -> None:
    stage, other = three_segments(tmp_path / "one"), three_segments(tmp_path / "two")
    other.files()[1].replace(stage.files()[1])
    assert verify(stage).sound, "the same octets"
    third = Stage(tmp_path / "three", small=1000)
    third.batches(4, 4, 4, at=5.0)
    third.close()
    third.files()[1].replace(stage.files()[1])
    assert [what for _, what, *_ in found(stage)] == [c.CHAIN, c.CHAIN]


def test_a_header_that_was_altered(written: Stage) -> None:
    edit(written.files()[0], lambda octets: octets.__setitem__(60, octets[60] ^ 1))
    assert c.ALTERED in [what for _, what, *_ in found(written)]
    assert not verify(written).sound


def test_what_was_removed_for_its_age_is_no_loss(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=1000, retention_days=10)
    stage.batches(4, 4)
    stage.wall += 11 * DAY
    stage.batches(4, at=stage.wall)
    for _ in range(3):
        stage.wall += 3600
        stage.turn(3600)
    stage.close()
    assert int(stage.files()[0].stem) == 9
    verdict = verify(stage)
    assert (verdict.problems, verdict.first) == ([], 9)
    stage.files()[0].unlink()
    assert not verify(stage).sound


def test_many_problems_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "MOST_PROBLEMS", 3)
    stage = Stage(tmp_path)
    stage.batches(*[1] * 20)
    stage.close()
    for number in range(1, 20, 2):
        at = record(stage.files()[0], number).start + 20
        edit(stage.files()[0], lambda octets, at=at: octets.__setitem__(at, octets[at] ^ 1))  # type: ignore[misc]
    verdict = verify(stage)
    assert (len(verdict.problems), verdict.more, verdict.sound) == (3, 7, False)


def test_neighbours_are_told_together(written: Stage) -> None:
    for number in (5, 6):
        at = record(written.files()[0], number).start + 20
        edit(written.files()[0], lambda octets, at=at: octets.__setitem__(at, octets[at] ^ 1))  # type: ignore[misc]
    (problem,) = verify(written).problems
    assert problem == Problem(FIRST, c.ALTERED, 5, 6, "not as it was written")


# ---- whatever is done

@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_is_found(written: Stage, data: st.DataObject) -> None:
    path = written.files()[0]
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    verdict = verify(written)
    path.write_bytes(whole)
    assert not verdict.sound


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_piece_that_is_cut_out_or_doubled_is_found(written: Stage, data: st.DataObject) -> None:
    path = written.files()[0]
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    piece = whole[start:end] * 2 if data.draw(st.booleans()) else b""
    path.write_bytes(whole[:start] + piece + whole[end:])
    verdict = verify(written)
    path.write_bytes(whole)
    assert not verdict.sound or (piece and end == len(whole) and start >= frames(path)[-1].start)
