"""The journal across restarts and crashes: numbers go on, what was durable stays, what was not is cut, damage is kept
and said."""

import errno
import os
from pathlib import Path

import pytest

from portguard.evidence.frames import EVENT, HASH, SEAL, VIOLATION, scan
from portguard.evidence.journal import DURABLE, JournalBusy
from portguard.evidence.keys import Keys
from portguard.evidence.reader import Filter, Found, Reader
from tests.evidence.stage import DAY, KEYS, Stage


def numbers(folder: Path, kind: str = "violation") -> list[int]:
    return [number for number, _, _ in wanted(folder, Filter(kind=kind))]


def wanted(folder: Path, filter: Filter) -> list[Found]:
    with Reader(folder) as reader:
        return list(reader.named(filter))


def notes(folder: Path) -> list[dict[str, object]]:
    """What the journal says of itself."""
    skipped = ("at", "node")
    found = wanted(folder, Filter(kind="journal"))
    return [{name: value for name, value in fields.items() if name not in skipped} for _, _, fields in found]


def rows(folder: Path) -> list[Found]:
    with Reader(folder) as reader:
        return reader.rows(0, 1000)


def test_numbers_and_chain_go_on_after_a_restart(tmp_path: Path) -> None:
    Stage(tmp_path).batches(3, 2)
    stage = Stage(tmp_path / "none")
    stage.close()
    first = Stage(tmp_path / "two")
    first.batches(3, 2)
    head = first.close().journal.head
    second = Stage(tmp_path / "two")
    assert (second.journal.number, second.journal.durable, second.journal.head) == (5, 5, head)
    second.batches(1)
    second.close()
    assert numbers(second.folder) == [1, 2, 3, 4, 5, 6]
    assert len(second.files()) == 1
    assert notes(second.folder) == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with pytest.raises(JournalBusy, match="another process writes"):
        Stage(tmp_path)
    stage.close()
    Stage(tmp_path).close()


def test_the_folder_and_its_files_are_private(tmp_path: Path) -> None:
    umask = os.umask(0)
    stage = Stage(tmp_path)
    stage.batches(1)
    stage.turn()
    os.umask(umask)
    assert stage.folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o077 for path in stage.folder.iterdir() if "-" not in path.name}
    assert set(modes.values()) == {0}, modes
    stage.close()


@pytest.mark.parametrize("cut", [1, 31, 60, 200, 500])
def test_a_torn_tail_is_cut_and_said(tmp_path: Path, cut: int) -> None:
    """The last write was under way when everything stopped: nothing told anybody that it was durable."""
    stage = Stage(tmp_path)
    stage.batches(3)
    size, durable = stage.files()[0].stat().st_size, (stage.folder / DURABLE).read_bytes()
    stage.batches(4)
    stage.crash()
    os.truncate(stage.files()[0], stage.files()[0].stat().st_size - cut)
    torn = stage.files()[0].stat().st_size - size
    (stage.folder / DURABLE).write_bytes(durable)
    again = Stage(tmp_path)
    assert again.journal.number == 4, "3 and the note"
    again.violations(1)
    again.write()
    again.close()
    assert numbers(again.folder) == [1, 2, 3, 5]
    assert notes(again.folder) == [{"what": "cut", "segment": again.files()[0].name, "octets": torn}]
    assert len(again.files()) == 1


def test_a_whole_write_that_nobody_heard_of_is_kept(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3)
    durable = (stage.folder / DURABLE).read_bytes()
    stage.batches(4)
    stage.crash()
    (stage.folder / DURABLE).write_bytes(durable)
    again = Stage(tmp_path)
    assert again.journal.durable == 7
    assert Reader(again.folder).latest() == 7
    again.close()


def test_zeros_after_a_power_failure_are_a_torn_tail(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3)
    stage.crash()
    with stage.files()[0].open("ab") as file:
        file.write(bytes(5000))
    again = Stage(tmp_path)
    again.write()
    assert notes(again.folder) == [{"what": "cut", "segment": again.files()[0].name, "octets": 5000}]
    again.close()


def test_a_segment_that_was_never_finished_is_removed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3)
    stage.crash()
    (stage.folder / f"{4:020}.journal").write_bytes(b"x" * 100)
    again = Stage(tmp_path)
    again.batches(1)
    again.close()
    assert len(again.files()) == 1
    assert notes(again.folder) == [{"what": "cut", "segment": f"{4:020}.journal", "octets": 100}]
    assert numbers(again.folder) == [1, 2, 3, 5]


def test_durable_records_that_are_gone_are_said_and_their_numbers_never_given_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3, 4)
    stage.crash()
    whole = stage.files()[0].read_bytes()
    os.truncate(stage.files()[0], len(whole) - 100)
    again = Stage(tmp_path)
    again.batches(1)
    again.close()
    assert again.files()[0].read_bytes() == whole[:-100], "what is there stays for whoever looks into it"
    assert len(again.files()) == 2
    assert notes(again.folder) == [{"what": "missing", "first": 4, "last": 7}]
    assert numbers(again.folder)[-1] == 9


def test_the_folder_was_emptied(tmp_path: Path) -> None:
    """The index remembers the numbers, when `durable` does not."""
    stage = Stage(tmp_path)
    stage.batches(3, 4)
    stage.close()
    stage.files()[0].unlink()
    (stage.folder / DURABLE).unlink()
    again = Stage(tmp_path)
    again.batches(1)
    again.close()
    assert notes(again.folder) == [{"what": "missing", "first": 1, "last": 7}]
    assert numbers(again.folder) == [9]


def test_damage_in_the_middle_is_no_torn_tail(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3, 4, 5)
    stage.crash()
    path = stage.files()[0]
    octets = bytearray(path.read_bytes())
    with path.open("rb") as file:
        fifth = next(one for one in scan(file.fileno()) if one.number == 5 and one.kind == VIOLATION)
    octets[fifth.start : fifth.start + 4] = b"\xff" * 4
    path.write_bytes(octets)
    again = Stage(tmp_path)
    again.batches(1)
    again.close()
    assert notes(again.folder) == [{"what": "damaged", "segment": path.name}]
    assert numbers(again.folder) == [1, 2, 3, 4, 8, 9, 10, 11, 12, 14], "lost is what shares a seal with the damage"
    assert path.read_bytes().startswith(bytes(octets))


def test_another_key_begins_a_new_segment(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3)
    head = stage.close().journal.head
    again = Stage(tmp_path, keys=Keys(b"o" * 32))
    again.batches(1)
    again.close()
    assert numbers(again.folder) == [1, 2, 3, 4]
    assert again.files()[1].read_bytes()[:HASH] == head


def test_another_node_begins_a_new_segment(tmp_path: Path) -> None:
    Stage(tmp_path).close()
    stage = Stage(tmp_path)
    stage.batches(1)
    stage.close()
    again = Stage(tmp_path, node="gw2")
    again.batches(1)
    again.close()
    assert [fields["node"] for _, _, fields in rows(again.folder)] == ["gw1", "gw2"]


def test_segments_end_by_size_and_day(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=2000)
    stage.batches(5, 5, 5, 5, 5)
    assert len(stage.files()) == 3
    stage.journal.most_octets = 1 << 20
    stage.turn()
    stage.wall += DAY
    stage.turn()
    stage.batches(1, 1)
    assert [int(path.stem) for path in stage.files()] == [1, 11, 21, 26]
    stage.close()
    assert numbers(stage.folder) == list(range(1, 28))
    chain = b"\0" * HASH
    for path in stage.files():
        octets = path.read_bytes()
        assert octets[:HASH] == chain, "a segment builds on the one before"
        chain = octets[-HASH:]


def test_a_clock_that_jumps_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    for at in (5000.0, 100.0, 4000.0):
        stage.violations(1, at=at)
        stage.write()
    stage.wall = 100.0
    stage.turn()
    stage.batches(1, at=50.0)
    stage.close()
    found = [(number, fields["at"]) for number, _, fields in rows(stage.folder)]
    assert found == [(1, 5000.0), (2, 100.0), (3, 4000.0), (4, 50.0)]
    between = wanted(stage.folder, Filter(since=60.0, until=4500.0))
    assert [number for number, _, _ in between] == [2, 3]


def test_a_write_that_fails_is_tried_again_and_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)
    stage.batches(2)
    before = stage.files()[0].read_bytes()
    real, calls = os.pwrite, []

    def half(descriptor: int, octets: bytes, offset: int) -> int:
        calls.append(len(octets))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, octets[: len(octets) // 2], offset)

    stage.violations(3)
    monkeypatch.setattr("portguard.evidence.journal.os.pwrite", half)
    assert not stage.keeper.write()
    assert (stage.keeper.state, stage.keeper.reason) == ("full", "the disk is full")
    assert (stage.journal.stuck, stage.journal.waiting) == (True, 3)
    assert stage.files()[0].read_bytes() == before, "cut off again"
    monkeypatch.undo()
    stage.write()
    assert (stage.keeper.state, stage.journal.stuck, stage.journal.waiting) == ("ok", False, 0)
    stage.close()
    assert numbers(stage.folder) == [1, 2, 3, 4, 5]
    assert [line.split(":")[0] for line in stage.said] == ["error", "warning"]


def test_a_sync_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    stage.violations(3)
    monkeypatch.setattr("portguard.evidence.journal.os.fdatasync", fail)
    assert not stage.keeper.write()
    assert not stage.keeper.write()
    assert (stage.keeper.state, stage.keeper.reason, Reader(stage.folder).latest()) == (
        "failing", "input/output error", 0
    )  # fmt: skip
    assert len(stage.said) == 1, "said once"
    monkeypatch.undo()
    stage.write()
    stage.close()
    assert numbers(stage.folder) == [1, 2, 3]


def test_an_event_too_large_is_kept_without_its_fields(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.event("audit", text="x" * 600_000)
    stage.write()
    ((_, kind, fields),) = rows(stage.folder)
    assert (kind, "text" in fields) == ("audit", False)
    assert isinstance(fields["oversize"], int)
    stage.close()


def test_every_batch_has_its_seal(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(2)
    stage.event()
    stage.write()
    stage.write()
    stage.close()
    with stage.files()[0].open("rb") as file:
        assert [one.kind for one in scan(file.fileno())][1:] == [VIOLATION, VIOLATION, SEAL, EVENT, SEAL]
    assert KEYS.id in stage.files()[0].read_bytes()[:200]
