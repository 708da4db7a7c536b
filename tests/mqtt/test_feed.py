"""A feed without a broker: gaps, journals that were replaced, links that end in the middle, and what is on disk."""

import asyncio
import logging
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from portguard.mqtt.feed import Feed
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing
from portguard.mqtt.place import Place, keep, kept
from portguard.mqtt.selection import Violations
from portguard.mqtt.topics import Topics
from tests.mqtt.stage import MemoryJournal
from tests.net.loopback import on_uvloop, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow


class Wire:
    """A link that takes messages, and ends after so many."""

    def __init__(self, lasts: int = 1_000_000) -> None:
        self.lasts = lasts
        self.sent: list[dict[str, object]] = []

    async def send(self, message: Outgoing) -> None:
        await asyncio.sleep(0)
        if len(self.sent) >= self.lasts:
            raise aiomqtt.MqttError("the connection ended")
        self.sent.append(msgspec.json.decode(message.payload))


def feed(folder: Path, journal: MemoryJournal, per_second: int = 1) -> Feed:
    topics, options = Topics("portguard", "gw1"), MqttOptions(violations_per_second=per_second)
    return Feed(
        folder / "violations.json", journal.journal,
        lambda place: Violations(topics, options, place.left_out), journal.emit,
    )


async def drained(feed: Feed, wire: Wire) -> None:
    """Runs the feed until it is abreast of the journal, or its link has ended."""
    task = asyncio.create_task(feed.run(wire))
    await until(lambda: feed.backlog == 0 or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def told(wire: Wire) -> int:
    """How many violations its messages stand for."""
    published = [sent for sent in wire.sent if sent["event"] == "violation"]
    counts = [sent["count"] for sent in wire.sent if sent["event"] == "left_out"]
    return len(published) + sum(int(str(sent["left_out"])) for sent in published) + sum(int(str(n)) for n in counts)


def test_the_first_start_begins_with_what_happens_from_then_on(tmp_path: Path, journal: MemoryJournal) -> None:
    journal.violation(1.0)
    assert feed(tmp_path, journal).cursor == 1
    assert kept(tmp_path / "violations.json", Place) == Place(1)


def test_counts_are_whole_over_links_that_end_and_processes_that_are_killed(
    tmp_path: Path, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portguard.mqtt.feed.KEEP_SECONDS", 0.0)
    monkeypatch.setattr("portguard.mqtt.feed.BATCH", 50)
    feed(tmp_path, journal)
    for number in range(1_000):
        journal.violation(number / 20, account=f"a{number % 3}")

    async def main() -> None:
        counted = 0
        for _ in range(60):
            running = feed(tmp_path, journal)  # a new process, which has only what is on disk
            before = running.cursor
            wire = Wire(lasts=30)
            await drained(running, wire)
            if running.cursor > before:
                # What a batch comes to counts once it has been acknowledged whole.
                counted = running.cursor
            if running.backlog == 0:
                break
        assert counted == 1_000

    on_uvloop(main())


def test_published_and_left_out_add_up(tmp_path: Path, journal: MemoryJournal) -> None:
    running = feed(tmp_path, journal)
    for number in range(2_000):
        journal.violation(number / 100, account=f"a{number % 3}", port=f"106{number % 7}")
    journal.add("left_out", at=20.0, account="a0", rule="account_rate", count=500)

    async def main() -> None:
        wire = Wire()
        await drained(running, wire)
        rest = sum(count for _, count in running._selection.left_out())
        by_limit = [sent for sent in wire.sent if sent.get("by") == "limit"]
        assert [sent["count"] for sent in by_limit] == [500]
        assert told(wire) - 500 + rest == 2_000
        assert len([sent for sent in wire.sent if sent["event"] == "violation"]) <= 21 * 20
        assert running.left_out == 2_000 - len([sent for sent in wire.sent if sent["event"] == "violation"])

    on_uvloop(main())


def test_counts_are_said_when_the_journal_goes_quiet(tmp_path: Path, journal: MemoryJournal) -> None:
    running = feed(tmp_path, journal)
    journal.violation(1.0)
    journal.violation(1.5)

    async def main() -> None:
        wire = Wire()
        task = asyncio.create_task(running.run(wire))
        await until(lambda: len(wire.sent) == 2)
        assert wire.sent[1] == {
            "node": "gw1", "event": "left_out", "by": "sampling", "rule": "signature_missing", "account": "acme",
            "port": "1069", "count": 1,
        }
        task.cancel()

    on_uvloop(main())


@pytest.mark.parametrize("all_of_them", [False, True])
def test_what_retention_removed_is_said_with_its_count(
    tmp_path: Path, journal: MemoryJournal, all_of_them: bool, caplog: pytest.LogCaptureFixture
) -> None:
    running = feed(tmp_path, journal)
    for number in range(30):
        journal.violation(float(number))
    journal.remove(30 if all_of_them else 20)

    async def main() -> None:
        wire = Wire()
        await drained(running, wire)
        first = wire.sent[0]
        last = 30 if all_of_them else 20
        assert first == {"node": "gw1", "event": "missing", "first": 1, "last": last, "count": last}
        assert running.missing == last
        (alert,) = journal.of("alert")
        assert alert["alert"] == "mqtt_records_missing"
        assert f"{last} records" in alert["summary"]
        assert [sent["record"] for sent in wire.sent if "record" in sent] == ([] if all_of_them else [*range(21, 31)])

    on_uvloop(main())


def test_a_shorter_journal_is_a_new_one(
    tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path / "violations.json", Place(500))
    running = feed(tmp_path, journal)
    for number in range(3):
        journal.violation(float(number))

    async def main() -> None:
        wire = Wire()
        task = asyncio.create_task(running.run(wire))
        await until(lambda: len(wire.sent) == 3)
        task.cancel()

    on_uvloop(main())
    assert "the journal has been replaced" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b'{"cursor": "x"}', b"\xff" * 100])
def test_an_unreadable_place_publishes_rather_twice_than_never(
    tmp_path: Path, journal: MemoryJournal, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    journal.violation(1.0)
    (tmp_path / "violations.json").write_bytes(content)
    assert feed(tmp_path, journal).cursor == 0
    assert "the place of a feed is unreadable" in caplog.text


def test_a_journal_that_cannot_be_read_is_said_once_and_tried_again(
    tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portguard.mqtt.feed.AGAIN_SECONDS", 0.0)
    running = feed(tmp_path, journal)
    journal.violation(1.0)
    sound, tries = journal.journal.rows, 0

    def broken(after: int, limit: int) -> list[tuple[int, str, dict[str, object]]]:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise OSError("input/output error")
        return sound(after, limit)

    journal.journal.rows = broken

    async def main() -> None:
        wire = Wire()
        await drained(running, wire)
        assert [sent["record"] for sent in wire.sent] == [1]

    with caplog.at_level(logging.ERROR, "portguard.mqtt"):
        on_uvloop(main())
    assert [record.getMessage() for record in caplog.records] == ["a feed waits"]


def test_a_full_disk_costs_duplicates_and_nothing_else(
    tmp_path: Path, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = feed(tmp_path, journal)

    def full(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("portguard.mqtt.feed.keep", full)
    monkeypatch.setattr("portguard.mqtt.feed.AGAIN_SECONDS", 0.0)

    async def main() -> None:
        journal.violation(1.0)
        wire = Wire()
        await drained(running, wire)
        journal.violation(2.0)
        await drained(running, wire)
        assert [sent["record"] for sent in wire.sent] == [1, 2]
        await running.end()

    on_uvloop(main())
    assert kept(tmp_path / "violations.json", Place) == Place(0)


def test_odd_values_do_not_keep_the_rest_back(tmp_path: Path, journal: MemoryJournal) -> None:
    running = feed(tmp_path, journal)
    journal.add("violation", at="yesterday", rule=None, account=b"\xff", port=10**30, number=float("nan"))
    journal.add("violation", at=1.0, text="\ud800")
    journal.violation(2.0)

    async def main() -> None:
        wire = Wire()
        await drained(running, wire)
        assert [sent["record"] for sent in wire.sent] == [1, 2, 3]

    on_uvloop(main())
