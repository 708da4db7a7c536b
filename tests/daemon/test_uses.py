"""What is used of daily caps over workers, their lives, and restarts of the node."""

import logging
from pathlib import Path

import pytest

from portguard.daemon import uses as module
from portguard.daemon.uses import Uses

ZONE = "Asia/Shanghai"
# 2026-11-11T00:30 there, still the day before in UTC.
NOW = 1_794_328_200.0
TODAY = 20768


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uses.msgpack"


def uses(path: Path, now: float = NOW) -> Uses:
    return Uses(path, ZONE, lambda: now)


def elsewhere(found: Uses, worker: int, key: bytes = b"a", day: int = TODAY) -> int:
    ((_, _, count),) = found.elsewhere(worker, [(key, day)])
    return count


def test_each_hears_what_the_others_count(path: Path) -> None:
    found = uses(path)
    assert found.take(1, [(b"a", TODAY, 3), (b"b", TODAY, 1)]) == [(b"a", TODAY), (b"b", TODAY)]
    found.take(2, [(b"a", TODAY, 5)])
    assert [elsewhere(found, worker) for worker in (1, 2, 3)] == [5, 3, 8]
    # Counts are those of a whole life, and may be given back.
    found.take(1, [(b"a", TODAY, 2)])
    assert [elsewhere(found, worker) for worker in (1, 2)] == [5, 2]


def test_what_an_ended_life_counted_is_somebody_elses(path: Path) -> None:
    found = uses(path)
    found.take(1, [(b"a", TODAY, 3)])
    found.ended(1)
    assert elsewhere(found, 1) == 3
    found.take(1, [(b"a", TODAY, 1)])
    assert (elsewhere(found, 1), elsewhere(found, 2)) == (3, 4)
    assert list(found.pages(1)) == [[(b"a", TODAY, 3)]]


def test_a_restart_knows_it_and_yesterday_too(path: Path) -> None:
    found = uses(path)
    rows = [(b"a", day, 7) for day in (TODAY - 2, TODAY - 1, TODAY, TODAY + 9)]
    found.take(1, rows)
    found.save()
    again = uses(path)
    assert sorted(day for page in again.pages(1) for _, day, _ in page) == [TODAY - 1, TODAY, TODAY + 9]
    assert path.stat().st_mode & 0o077 == 0
    tomorrow = uses(path, NOW + 86_400)
    assert sorted(day for page in tomorrow.pages(1) for _, day, _ in page) == [TODAY, TODAY + 9]


def test_it_is_written_when_something_has_changed(path: Path) -> None:
    found = uses(path)
    found.save()
    assert not path.exists()
    found.take(1, [(b"a", TODAY, 1)])
    found.save()
    written = path.stat().st_mtime_ns
    found.save()
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize("octets", [b"", b"\xc1", b"\x93\x01\x02\x03"])
def test_a_broken_file_is_said_and_begins_anew(path: Path, octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(octets)
    with caplog.at_level(logging.ERROR):
        found = uses(path)
    assert "begins anew" in caplog.text
    assert list(found.pages(1)) == []
    # It is kept for whoever can read it, and so is the next one.
    assert path.with_name("uses.msgpack.broken-1").read_bytes() == octets
    path.write_bytes(octets)
    uses(path)
    assert path.with_name("uses.msgpack.broken-2").exists()
    assert not path.exists()


async def test_a_file_that_cannot_be_written_is_tried_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = uses(path.parent / "absent" / "uses.msgpack")
    found.take(1, [(b"a", TODAY, 1)])
    with caplog.at_level(logging.ERROR):
        await found.write()
    assert "cannot be kept" in caplog.text
    (path.parent / "absent").mkdir()
    await found.write()
    assert (path.parent / "absent" / "uses.msgpack").exists()


def test_keys_of_a_day_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 2)
    found = uses(path)
    assert len(found.take(1, [(bytes([n]), TODAY, 1) for n in range(5)])) == 2
    assert len(found.take(2, [(bytes([n]), TODAY, 1) for n in range(5)])) == 2


def test_pages_are_small(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "USED_AT_ONCE", 2)
    found = uses(path)
    found.take(1, [(bytes([n]), TODAY, 1) for n in range(5)])
    assert [len(page) for page in found.pages(2)] == [2, 2, 1]
