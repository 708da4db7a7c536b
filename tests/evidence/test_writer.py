"""The writer as a process: bursts, kills, restarts, several clients, hostile frames, a disk that is full."""

import os
import resource
import select
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import pytest

from portguard.evidence import wire
from portguard.evidence.client import RecordsDoor
from portguard.evidence.reader import Filter, Found, Reader
from tests.evidence.conftest import Start
from tests.evidence.packed import packed, wait_for

# Left out by `make quick`.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def sequences(folder: Path) -> Counter[tuple[str, int]]:
    """How often each (account, sequence_number) is in the journal."""
    with Reader(folder / "evidence") as reader:
        found = reader.named(Filter(kind="violation"))
        return Counter((str(fields["account"]), int(str(fields["sequence_number"]))) for _, _, fields in found)


def rows(folder: Path) -> list[Found]:
    """Everything in the journal."""
    with Reader(folder / "evidence") as reader:
        return reader.rows(0, 1_000_000)


def burst(door: RecordsDoor, sent: int, until: int) -> int:
    """Send batches of 20 without a pause until frame `until` is acknowledged, a few hundred kilobytes ahead at most."""
    while door.acknowledged < until:
        if door.turn() < 300_000:
            door.records(batch(sent, 20))
            sent += 20
    return sent


def batch(first: int, count: int) -> bytes:
    return b"".join(packed(sequence=first + n) for n in range(count))


def test_what_clients_send_is_there_once_and_in_order(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    doors = [writer.door(), writer.door()]
    for n in range(20):
        for at, door in enumerate(doors):
            door.records(batch(1000 * at + 10 * n, 10))
            door.left_out([("acct", 204, n)])
            door.turn()
    for door in doors:
        wait_for(door, door.sent)
        assert (door.waiting, door.acknowledged) == (0, 40)
    found = rows(tmp_path)
    assert [number for number, _, _ in found] == list(range(1, 441))
    order = [int(str(fields["sequence_number"])) for _, kind, fields in found if kind == "violation"]
    assert [n for n in order if n < 1000] == list(range(200))
    assert sorted(order) == [*range(200), *range(1000, 1200)]
    assert sum(int(str(fields["count"])) for _, kind, fields in found if kind == "left_out") == 2 * sum(range(20))
    for door in doors:
        door.detach()
    assert writer.stop() == ""
    assert writer.process.returncode == 0


@pytest.mark.parametrize("acknowledged", [1, 10, 40])
def test_a_kill_in_a_burst_loses_nothing_and_doubles_nothing(start: Start, tmp_path: Path, acknowledged: int) -> None:
    """What was acknowledged is there; what was not is sent again to the next writer; everything is there once."""
    writer = start(tmp_path)
    door = writer.door()
    sent = burst(door, 0, acknowledged)
    writer.kill()
    durable = door.acknowledged * 20
    assert sum(1 for (_, number) in sequences(tmp_path) if number < durable) == durable
    writer = start(tmp_path)
    writer.door(door)
    door.records(batch(sent, 50))
    wait_for(door, door.sent)
    found = sequences(tmp_path)
    assert set(found) == {("acct", n) for n in range(sent + 50)}
    assert set(found.values()) == {1}
    writer.stop()


def test_many_kills(start: Start, tmp_path: Path) -> None:
    door = RecordsDoor("worker")
    sent = 0
    for _ in range(4):
        writer = start(tmp_path)
        writer.door(door)
        sent = burst(door, sent, door.acknowledged + 5)
        writer.kill()
    writer = start(tmp_path)
    writer.door(door)
    wait_for(door, door.sent)
    found = sequences(tmp_path)
    assert (len(found), set(found.values())) == (sent, {1})
    numbers = [number for number, _, _ in rows(tmp_path)]
    assert numbers == list(range(1, len(numbers) + 1))
    writer.stop()


def test_a_worker_that_is_killed_leaves_what_it_had_sent(start: Start, tmp_path: Path) -> None:
    """Whole records of a frame that it could not finish, too."""
    writer = start(tmp_path)
    door = writer.door()
    door.records(batch(0, 3))
    wait_for(door, 1)
    frame = wire.pack(wire.RECORDS, 2, batch(3, 10))
    assert door._sock is not None
    door._sock.sendall(frame[: len(frame) - len(packed()) // 2])
    door.detach()
    writer.stop()
    assert set(sequences(tmp_path)) == {("acct", n) for n in range(12)}


def test_it_ends_when_main_and_workers_have(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    door = writer.door()
    writer.hear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(writer.process.pid, number)
    door.records(batch(0, 1))
    wait_for(door, 1)
    writer.sock.close()
    door.records(batch(1, 1))
    wait_for(door, 2)
    door.records(batch(2, 1))
    door.turn()
    door.detach()
    assert writer.stop() == ""
    assert len(sequences(tmp_path)) == 3


def test_a_new_writer_waits_for_the_old_one(start: Start, tmp_path: Path) -> None:
    """The daemon was killed and started again; the old writer still has a worker to hear out."""
    old = start(tmp_path)
    door = old.door()
    door.records(batch(0, 1))
    wait_for(door, 1)
    old.sock.close()
    new = start(tmp_path)
    door.records(batch(1, 1))
    wait_for(door, 2)
    door.detach()
    old.stop()
    other = new.door()
    other.records(batch(2, 1))
    wait_for(other, 1)
    assert len(sequences(tmp_path)) == 3
    other.detach()
    new.stop()


def test_status_and_head(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    door = writer.door()
    door.records(batch(0, 10))
    wait_for(door, 1)
    while writer.status.number < 10 or not writer.notes:
        writer.hear()
    assert (writer.status.state, writer.status.records, writer.status.queue, writer.status.segments) == ("ok", 10, 0, 1)
    segment = next((tmp_path / "evidence").glob("*.journal"))
    assert segment.read_bytes()[-32:].hex() == writer.status.head
    assert writer.status.octets == segment.stat().st_size
    assert writer.notes[0].event == "journal head"
    door.detach()
    writer.stop()


# ---- what no client of ours would send

def frames(sock: socket.socket) -> list[wire.Frame]:
    """What the writer answers until it closes or is silent."""
    inbox, found = wire.Inbox(), []
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while poll.poll(500):
        octets = sock.recv(65536)
        if not octets:
            break
        found += inbox.feed(octets)
    return found


@pytest.mark.parametrize("octets", [
    b"\xff" * 200,
    wire.pack(99, 1, b"x"),
    wire.pack(wire.RECORDS, 1, b"x" * 100),
    wire.pack(wire.RECORDS, 1, packed()[:-1]),
    wire.pack(wire.EVENT, 1, b"\xc1"),
    wire.pack(wire.EVENT, 1, b"\x93\xa1k\xcb\x7f\xf8\0\0\0\0\0\0\x80"),
    wire.pack(wire.EVENT, 1, b"\x93\xa1k\x01\x81\xa1x" + b"\x91" * 3000 + b"\x01"),
    wire.pack(wire.LEFT_OUT, 1, b"\x91\x93\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    wire.pack(wire.HELLO, 0, b"\xc1"),
    wire.pack(wire.HELLO, 0, wire.encode(wire.Hello(b"x" * 5000, "n" * 5000))),
    wire.pack(wire.CLIENT, 0, b"no descriptor"),
])  # fmt: skip
def test_hostile_frames_harm_nobody_else(start: Start, tmp_path: Path, octets: bytes) -> None:
    writer = start(tmp_path)
    good, bad = writer.door(), writer.door()
    assert bad._sock is not None
    bad._sock.sendall(octets)
    bad.detach()
    good.records(batch(0, 3))
    wait_for(good, 1)
    good.detach()
    assert "Traceback" not in writer.stop()
    assert writer.process.returncode == 0
    assert set(sequences(tmp_path)) == {("acct", 0), ("acct", 1), ("acct", 2)}


# ---- the disk

def test_a_full_disk(start: Start, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk. Nothing is read meanwhile, main hears of it, and when there is
    room everything goes on and is there once."""
    writer = start(tmp_path)
    door = writer.door()
    door.records(batch(0, 10))
    wait_for(door, 1)
    limits = resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE, (100_000, limits[1]))
    sent = 10
    # More than the sockets' buffers take.
    while door.waiting < 3_000_000:
        door.records(batch(sent, 50))
        sent += 50
        door.turn()
    while writer.status.state == "ok":
        writer.hear()
    assert (writer.status.state, writer.status.reason) == ("full", "file too large")
    assert writer.status.queue > 0
    assert door.turn() > 2_000_000
    assert door.blocked
    resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE, limits)
    wait_for(door, door.sent)
    while writer.status.state != "ok" or writer.status.number < sent:
        writer.hear()
    found = sequences(tmp_path)
    assert (len(found), set(found.values())) == (sent, {1})
    assert [note.event for note in writer.notes if note.level != "info"] == [
        "the journal cannot be written; records wait", "the journal is written again"
    ]  # fmt: skip
    door.detach()
    writer.stop()


def test_a_disk_that_stays_full_at_the_end(start: Start, tmp_path: Path) -> None:
    writer = start(tmp_path)
    door = writer.door()
    door.records(batch(0, 10))
    wait_for(door, 1)
    limits = resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE, (10, limits[1]))
    door.records(batch(10, 5))
    door.turn()
    while writer.status.state == "ok":
        writer.hear()
    door.detach()
    said = writer.stop()
    assert "5 records are lost: file too large" in said
    assert "{" not in said
    assert writer.process.returncode == 1
    assert len(sequences(tmp_path)) == 10


SMALL = """
import os, subprocess, sys
folder = sys.argv[1]
if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], stderr=subprocess.DEVNULL):
    sys.exit("no tmpfs")
with open(os.path.join(folder, "ballast"), "wb") as file:
    file.write(bytes(300_000))
os.execv(sys.executable, [sys.executable, "-P", "-m", "portguard.evidence.writer", *sys.argv[2:]])
"""


def test_a_disk_that_is_really_full(start: Start, tmp_path: Path) -> None:
    """A file system of 600 kilobytes, in a mount namespace of its own, half of it taken by something else."""
    command = ["unshare", "--mount", "--map-root-user", sys.executable, "-c", SMALL, str(tmp_path)]
    try:
        writer = start(tmp_path, command=command)
        writer.hear()
    except FileNotFoundError:
        pytest.skip("no unshare here")
    except (AssertionError, ConnectionError):
        if (said := writer.stop()) and ("no tmpfs" in said or "unshare" in said):
            pytest.skip("mounting a small disk needs rights")
        raise
    # Only inside the namespace there are files to look at.
    inside = Path(f"/proc/{writer.process.pid}/root{tmp_path}")
    door = writer.door()
    for n in range(40):
        door.records(batch(50 * n, 50))
        door.turn()
    while writer.status.state == "ok":
        writer.hear()
        door.turn()
    assert (writer.status.state, writer.status.reason) == ("full", "the disk is full")
    (inside / "ballast").unlink()
    wait_for(door, door.sent)
    while writer.status.state != "ok" or writer.status.number < 2000:
        writer.hear()
    found = sequences(inside)
    assert (len(found), set(found.values())) == (2000, {1})
    door.detach()
    assert writer.stop() == ""


def test_a_journal_that_cannot_be_opened_is_said(start: Start, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file")
    writer = start(tmp_path)
    writer.hear()
    assert writer.status.state == "failing"
    assert writer.status.reason == f"the journal cannot be opened: {tmp_path / 'evidence'}: file exists"
    writer.stop()
    assert writer.process.returncode == 1
    (tmp_path / "evidence").unlink()
    (tmp_path / "evidence.key").write_text("no key")
    writer = start(tmp_path)
    writer.hear()
    assert writer.status.reason.endswith("evidence.key: is no key: expected 32 octets in hex")
    writer.stop()
