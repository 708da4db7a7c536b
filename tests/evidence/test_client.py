"""The side of main and the workers: nothing blocks, nothing is lost between writers, acknowledgements are heard."""

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

import pytest

from portguard.evidence import wire
from portguard.evidence.client import Events, RecordsDoor
from portguard.evidence.reader import Reader
from tests.evidence.conftest import Start
from tests.evidence.packed import packed


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    return ours, theirs


def frames(sock: socket.socket, count: int) -> list[wire.Frame]:
    inbox = wire.Inbox()
    found: list[wire.Frame] = []
    while len(found) < count:
        found += inbox.feed(sock.recv(1 << 20))
    return found


def test_a_door_keeps_what_is_not_acknowledged() -> None:
    ours, theirs = pair()
    door = RecordsDoor("w", ours)
    door.records(b"one")
    door.records(b"")
    door.left_out([])
    door.left_out([("a", 204, 3)])
    assert door.turn() == 2 * wire.HEAD_OCTETS + 3 + len(wire.encode([("a", 204, 3)]))
    hello, one, two = frames(theirs, 3)
    assert (hello.kind, one, two.kind, two.id) == (wire.HELLO, (wire.RECORDS, 1, b"one"), wire.LEFT_OUT, 2)
    theirs.sendall(wire.pack(wire.ACK, 1, b""))
    assert door.turn() == wire.HEAD_OCTETS + len(two.payload)
    theirs.close()
    door.turn()
    assert not door.attached
    door.records(b"three")
    assert door.turn() > 0
    ours, theirs = pair()
    door.attach(ours)
    door.turn()
    again = frames(theirs, 3)
    assert again[0].payload == hello.payload, "the same client"
    assert [(frame.kind, frame.id) for frame in again[1:]] == [(wire.LEFT_OUT, 2), (wire.RECORDS, 3)]
    theirs.sendall(wire.pack(wire.ACK, 3, b""))
    assert door.turn() == 0
    door.detach()
    theirs.close()


def test_a_writer_that_reads_nothing_blocks_nobody() -> None:
    ours, theirs = pair()
    door = RecordsDoor("w", ours)
    for _ in range(100):
        door.records(b"x" * 100_000)
        door.turn()
    assert door.blocked
    assert door.waiting > 10_000_000
    assert not door.finish(0.05)
    door.detach()
    theirs.close()


def test_a_writer_that_talks_nonsense_is_let_go() -> None:
    ours, theirs = pair()
    door = RecordsDoor("w", ours)
    theirs.sendall(b"\xff" * 100)
    door.turn()
    assert not door.attached
    theirs.close()


def test_finish_waits_for_the_disk(start: Start, tmp_path: Path) -> None:
    door = start(tmp_path).door()
    door.records(packed())
    assert door.finish(30)
    with Reader(tmp_path / "evidence") as reader:
        assert reader.latest() == 1


async def until(condition: "asyncio.Event") -> None:
    async with asyncio.timeout(30):
        await condition.wait()


async def test_events_are_durable_when_they_say_so(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    told = asyncio.Event()
    events = Events(lambda status: told.set())
    events.attach(writer.sock)
    ids = [events.emit("alert", {"n": n, "at": 5.0 + n}) for n in range(50)]
    async with asyncio.timeout(30):
        await events.durable(ids[-1])
        await events.durable(ids[0])
    assert (events.waiting, events.lost, events.last) == (0, 0, ids[-1])
    with Reader(tmp_path / "evidence") as reader:
        assert [(kind, fields["n"], fields["at"]) for _, kind, fields in reader.rows(0, 100)] == [
            ("alert", n, 5.0 + n) for n in range(50)
        ]  # fmt: skip
    await until(told)
    assert events.status.state == "ok"
    events.close()


async def test_events_wait_for_the_next_writer(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path)
    gone = asyncio.Event()
    events = Events(None, gone.set)
    events.attach(first.sock)
    async with asyncio.timeout(30):
        await events.durable(events.emit("one", {}))
    first.process.kill()
    await until(gone)
    ids = [events.emit("two", {}), events.emit("three", {})]
    second = start(tmp_path)
    events.attach(second.sock)
    async with asyncio.timeout(30):
        await events.durable(ids[-1])
    with Reader(tmp_path / "evidence") as reader:
        assert [kind for _, kind, _ in reader.rows(0, 100)] == ["one", "two", "three"]
    events.close()


async def test_workers_get_their_sockets_over_mains(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    events = Events()
    events.attach(writer.sock)
    doors = [RecordsDoor(f"w{n}", events.add_client(f"w{n}")) for n in range(3)]
    for door in doors:
        door.records(packed())
    for door in doors:
        assert await asyncio.to_thread(door.finish, 30)
        door.detach()
    with Reader(tmp_path / "evidence") as reader:
        assert reader.latest() == 3
    events.close()
    dead = events.add_client("late")
    assert dead.recv(1) == b"", "without a writer the socket is closed at once"
    dead.close()


async def test_too_many_events_are_counted_and_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portguard.evidence.client.MOST_EVENT_OCTETS", 500)
    events = Events()
    ids = [events.emit("x", {"text": "y" * 50}) for _ in range(20)]
    assert events.lost == ids.count(0) > 0
    assert len(caplog.records) == 1


async def test_what_has_no_form_in_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    assert events.emit("x", {"what": object()}) == 0
    assert events.emit("x", {"what": 1 << 80}) == 0
    nested: dict[str, object] = {}
    nested["itself"] = nested
    assert events.emit("x", nested) == 0
    assert events.lost == 3
    assert events.emit("x", {"at": "no time", "ok": [1, "a", None, {"b": 2.5}]}) == 1


async def test_what_the_writer_notes_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = pair()
    told = asyncio.Event()
    events = Events(lambda status: told.set())
    events.attach(ours)
    with caplog.at_level(logging.INFO, "portguard.evidence"):
        theirs.sendall(wire.pack(wire.NOTE, 0, wire.encode(wire.Note("warning", "something", {"octets": 5}))))
        theirs.sendall(wire.pack(wire.NOTE, 0, b"\xc1"))
        theirs.sendall(wire.pack(wire.STATUS, 0, wire.encode(wire.Status("full", "x"))))
        await until(told)
    assert events.status.state == "full"
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "something")]
    theirs.close()
    with contextlib.suppress(OSError):
        events.close()
