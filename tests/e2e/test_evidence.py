"""The journal under a running daemon: what is refused or tagged is in it, whoever is killed."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from portguard.daemon.control import ask
from portguard.evidence.reader import Filter, Found, Reader
from portguard.smpp import constants as c
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.peers.client import Message, text
from tests.e2e.raw import RawLink, RawSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

LARGE = "[evidence]\nrecords_per_second = 100000\n"


def refused() -> Message:
    return text(t.OWN, t.NORTHERN, f"【{t.NOBODY}】您好")


def rows(daemon: Daemon, kind: str | None = None) -> list[Found]:
    with Reader(daemon.folder / "evidence") as reader:
        return list(reader.named(Filter(kind=kind)))


def sequences(daemon: Daemon) -> Counter[int]:
    """How often each sequence_number is in the journal."""
    return Counter(int(str(fields["sequence_number"])) for _, _, fields in rows(daemon, "violation"))


def burst(link: RawLink, first: int, count: int) -> None:
    """Submit messages that are refused, and read the answers."""
    link.send(b"".join(raw.submit(first + n, refused()) for n in range(count)))
    for _ in range(count):
        link.expect(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL)


def test_what_is_refused_tagged_and_watched(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    burst(link, 7, 1)
    for account in ("tagged", "watched"):
        raw.bind(daemon.port, account).send(raw.submit(8, refused()))
    until(lambda: len(rows(daemon, "violation")) == 3, "three records")
    found = {str(fields["account"]): fields for _, _, fields in rows(daemon, "violation")}
    assert {account: fields["action"] for account, fields in found.items()} == {
        "star": "reject", "tagged": "tag", "watched": "monitor"
    }  # fmt: skip
    star = found["star"]
    assert (star["rule"], star["code"], star["port"], star["number"]) == ("signature_unregistered", 204, t.OWN, t.OWN)
    assert (star["enterprise"], star["holder"], star["signature"], star["node"]) == ("star", "star", t.NOBODY, "e2e")
    assert (star["sequence_number"], star["revision"], star["status"]) == (7, daemon.revision(), "ESME_RSUBMITFAIL")
    text_of_all = str(rows(daemon)) + (daemon.folder / "evidence").joinpath(f"{1:020}.journal").read_bytes().hex()
    assert t.NORTHERN not in text_of_all
    assert t.NORTHERN.encode().hex() not in text_of_all
    until(lambda: daemon.metric("portguard_evidence_number") == 5, "the writer's next word")
    assert daemon.metric("portguard_evidence_writable") == 1
    last = daemon.metric("portguard_evidence_last_record_timestamp_seconds")
    assert float(str(star["at"])) <= last <= time.time()
    daemon.stop()
    kinds = [kind for _, kind, _ in rows(daemon)]
    assert (kinds[:2], kinds[-1], len(kinds)) == (["registry", "start"], "stop", 6)
    registry = rows(daemon, "registry")[0][2]
    assert (registry["revision"], registry["before"], registry["why"]) == (star["revision"], "", "start")


def test_what_is_beyond_the_limit_is_counted(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, more="[evidence]\nrecords_per_second = 10\n")
    daemon.start()
    burst(raw.bind(daemon.port, "star"), 2, 200)
    daemon.stop()
    kept = sum(sequences(daemon).values())
    counted = [fields for _, _, fields in rows(daemon, "left_out")]
    assert kept + sum(int(str(fields["count"])) for fields in counted) == 200
    assert 10 <= kept < 200
    assert {(fields["account"], fields["rule"]) for fields in counted} == {("star", "signature_unregistered")}


def test_the_writer_is_killed_in_a_burst(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, more=LARGE)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    burst(link, 2, 500)
    for n in range(3):
        os.kill(daemon.child("evidence.writer"), signal.SIGKILL)
        burst(link, 502 + 500 * n, 500)
        until(lambda n=n: ask(daemon.folder / "state", "status", 5)["journal"]["restarts"] == n + 1, "another writer")  # type: ignore[misc]
    until(lambda: len(sequences(daemon)) == 2000, "all records")
    assert set(sequences(daemon).values()) == {1}
    assert daemon.metric("portguard_evidence_writer_restarts_total") == 3
    daemon.stop()
    numbers = [number for number, _, _ in rows(daemon)]
    # Beside the violations there are events: a revision, a start, perhaps a sign of a surge.
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2000


def test_everything_is_killed_in_a_burst(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    """What was durable is there once, and what comes after it has numbers that go on."""
    daemon = make_daemon(raw_smsc.port, more=LARGE)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    with Reader(daemon.folder / "evidence") as reader:
        sent = 2
        while not reader.latest() > 300:
            burst(link, sent, 50)
            sent += 50
        pids = [daemon.pid, *daemon.workers(), daemon.child("evidence.writer")]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        daemon.wait()
        latest = reader.latest()
        durable = [number for number, _, _ in reader.rows(0, 100_000)]
    assert durable == list(range(1, latest + 1))
    daemon.start()
    burst(raw.bind(daemon.port, "star"), 1_000_000, 1)
    daemon.stop()
    found = sequences(daemon)
    assert set(found.values()) == {1}
    assert len(found) >= latest - 2
    assert [number for number, _, _ in rows(daemon)] == list(range(1, len(rows(daemon)) + 1))


def test_main_is_killed_and_started_again(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    """Worker and writer end by themselves, and what the worker had is in the journal."""
    daemon = make_daemon(raw_smsc.port, more=LARGE)
    daemon.start()
    burst(raw.bind(daemon.port, "star"), 2, 300)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    daemon.start()
    until(lambda: len(sequences(daemon)) == 300, "all records")
    assert set(sequences(daemon).values()) == {1}


def test_a_full_disk(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    """Refusals go on up to high water; above it a sender is told to wait, and what is permitted passes. With room
    again, everything that was refused is in the journal."""
    daemon = make_daemon(raw_smsc.port, more=LARGE + "high_water = 1048576\n")
    daemon.start()
    link = raw.bind(daemon.port, "star")
    writer = daemon.child("evidence.writer")
    limits = resource.prlimit(writer, resource.RLIMIT_FSIZE)
    burst(link, 2, 100)
    until(lambda: len(sequences(daemon)) == 100, "the first records")
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (1000, limits[1]))
    refusals, sequence, throttled = 100, 102, 0
    while not throttled:
        link.send(b"".join(raw.submit(sequence + n, refused()) for n in range(100)))
        for _ in range(100):
            answer = link.pdu()
            assert answer is not None
            assert answer.command_status in (c.ESME_RSUBMITFAIL, c.ESME_RTHROTTLED)
            throttled += answer.command_status == c.ESME_RTHROTTLED
            refusals += answer.command_status == c.ESME_RSUBMITFAIL
        sequence += 100
    assert daemon.metric("portguard_evidence_unrecorded_total") == throttled
    until(lambda: daemon.metric("portguard_evidence_writable") == 0, "the metric of it")
    link.send(raw.submit(999_999, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
    permitted = raw_smsc.link().expect(c.SUBMIT_SM)
    assert permitted.sequence_number == 999_999
    assert "records wait" in daemon.log()
    resource.prlimit(writer, resource.RLIMIT_FSIZE, limits)
    until(lambda: len(sequences(daemon)) == refusals, "all records", 30)
    # A surge of unregistered signatures may be a sign, and an alert of its own.
    until(lambda: len(alerts(daemon)) == 2, "the all-clear")
    assert alerts(daemon)[0] == "evidence_full"


def test_an_end_with_a_full_disk(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.start()
    writer = daemon.child("evidence.writer")
    limits = resource.prlimit(writer, resource.RLIMIT_FSIZE)
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (10, limits[1]))
    burst(raw.bind(daemon.port, "star"), 2, 10)
    until(lambda: "records wait" in daemon.log(), "the full disk in the log")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 1
    assert daemon.log().splitlines()[-1] == "the evidence journal lacks the last records: file too large"


def alerts(daemon: Daemon) -> list[str]:
    """What the journal says of itself."""
    found = [str(fields["alert"]) for _, _, fields in rows(daemon, "alert")]
    return [name for name in found if name.startswith("evidence_")]


def test_a_folder_that_cannot_be_used(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    (daemon.folder / "evidence").write_text("a file")
    daemon.begin()
    assert daemon.wait() == 1
    assert "evidence.path: the journal cannot be opened: " in daemon.log()
    assert str(daemon.folder / "evidence") in daemon.log()


def test_a_sound_journal_of_a_day_is_opened_again_and_again(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    for _ in range(3):
        daemon.start()
        daemon.stop()
    assert [kind for _, kind, _ in rows(daemon)] == ["registry", "start", "stop"] * 3
    assert len(list(Path(daemon.folder / "evidence").glob("*.journal"))) == 1
