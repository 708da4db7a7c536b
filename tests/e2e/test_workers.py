"""Two workers are one node: what is limited is limited once, what is counted is counted once, and what dies is mended.

The enterprise `star` has one worker; `other`, chosen so, has the other one.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import struct
import time
from collections.abc import Iterator

import pytest

from portguard.daemon.shards import shard
from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.cases import PLAIN, allowed
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.load import Load
from tests.e2e.peers.client import Message, text
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.raw import RawLink, RawSmsc, answer_everything
from tests.e2e.waiting import until
from tests.net.certificates import certificate

pytestmark = pytest.mark.e2e

WORKERS = 2
STARS = shard("star", WORKERS)
OTHER = next(f"other{n}" for n in range(100) if shard(f"other{n}", WORKERS) != STARS)
PORT, BRAND, SHARED = "10690020", "他山商行", "他山共享"
# What is used of a cap is told to the others twice a second.
TOLD_SECONDS = 1.5


def two_enterprises() -> t.Tables:
    """The standard registry, and an enterprise whose worker is the other one."""
    tables = t.standard()
    tables["enterprises"].append({"id": OTHER, "kind": "sp"})
    tables["accounts"].append({"system_id": "other", "enterprise": OTHER})
    tables["ports"].append({"port": PORT, "holder": OTHER})
    tables["signatures"].append({"signature": BRAND, "enterprise": OTHER})
    tables["scopes"].append({"signature": BRAND, "enterprise": OTHER, "port": PORT})
    tables["subleases"].append({"port": PORT, "lessor": OTHER, "lessee": "star"})
    tables["signatures"].append({"signature": SHARED, "enterprise": OTHER})
    shared = {"signature": SHARED, "enterprise": OTHER, "port": PORT, "provider": "*", "daily_cap": "5"}
    tables["scopes"].append(shared)
    return tables


def others(number: int = 0) -> Message:
    """A message of the other enterprise that nothing is wrong with."""
    return text(PORT, t.NORTHERN, f"【{BRAND}】{PLAIN} {number}")


@pytest.fixture
def daemon(smsc: NodeSmsc, make_daemon: MakeDaemon) -> Daemon:
    made = two(make_daemon, smsc.port)
    made.start()
    return made


def two(make_daemon: MakeDaemon, *smscs: int, more: str = "") -> Daemon:
    made = make_daemon(*smscs, registry=two_enterprises(), more=more)
    text = made.settings.read_text(encoding="utf-8")
    made.settings.write_text(
        "\n".join(f"workers = {WORKERS}" if line.startswith("workers =") else line for line in text.splitlines()),
        encoding="utf-8",
    )
    return made


def sessions(daemon: Daemon) -> dict[int, int]:
    """Links of each worker."""
    return {worker["worker"]: worker["sessions"] for worker in daemon.status()["workers"]}


def pid(daemon: Daemon, worker: int) -> int:
    return daemon.workers()[worker - 1]


def answer(link: RawLink, sequence: int, message: Message) -> int:
    """The status that a message gets."""
    link.send(raw.submit(sequence, message))
    return status_of(link)


def status_of(link: RawLink) -> int:
    """The status of the next submit_sm_resp."""
    pdu = link.pdu()
    assert pdu is not None
    assert pdu.command_id == c.SUBMIT_SM_RESP
    status: int = pdu.command_status
    return status


def binds(daemon: Daemon, system_id: str) -> bool:
    """Is a bind accepted now?"""
    link = raw.connect(daemon.port)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=system_id.encode()))
    pdu = link.pdu()
    return pdu is not None and pdu.command_status == 0


def part(index: int, total: int, body: str, reference: int = 9) -> Message:
    header = struct.pack(">BBBBBB", 5, 0, 3, reference, total, index)
    return Message(t.OWN, t.NORTHERN, header + body.encode("utf-16-be"), esm_class=0x40)


def test_each_enterprise_has_one_worker(daemon: Daemon) -> None:
    links = [raw.bind(daemon.port, name) for name in ("star", "star2", "other", "star", "tagged")]
    assert sessions(daemon) == {STARS: 4, 3 - STARS: 1}
    assert len(set(daemon.workers())) == 2
    assert answer(links[0], 2, allowed()) == 0
    assert answer(links[2], 2, others()) == 0
    # The numbers of both are in one figure.
    assert daemon.metric("portguard_messages_total", action="allow") == 2
    assert daemon.metric("portguard_decision_seconds_count") == 2
    assert daemon.metric("portguard_sessions", state="bound_trx") == 5
    assert daemon.metric("portguard_smsc_up") == 1
    assert daemon.metric("portguard_registry_info") == 1
    assert daemon.metric("portguard_workers") == 2


def test_parts_over_two_binds_are_one_message(daemon: Daemon) -> None:
    one, two = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "star")
    one.send(raw.submit(2, part(1, 2, f"【{t.NOBODY}】您好")))
    two.send(raw.submit(2, part(2, 2, "感谢您的支持")))
    one.expect(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL)
    two.expect(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL)
    one.send(raw.submit(3, part(1, 2, f"【{t.STAR}】您好", 10)))
    two.send(raw.submit(3, part(2, 2, "感谢您的支持", 10)))
    one.expect(c.SUBMIT_SM_RESP)
    two.expect(c.SUBMIT_SM_RESP)
    assert daemon.metric("portguard_messages_total", rule="concat_orphan") == 0


def test_max_binds_caps_and_rates_hold(daemon: Daemon) -> None:
    links = [raw.bind(daemon.port, "twice") for _ in range(2)]
    refused = raw.connect(daemon.port)
    refused.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"twice"))
    refused.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RBINDFAIL)
    capped = text(t.OWN, t.NORTHERN, f"【{t.CAPPED}】{PLAIN}")
    more = raw.bind(daemon.port, "star2")
    found = [answer(link, 2, capped) for link in (*links, more)]
    assert sorted(found) == [0, c.ESME_RSUBMITFAIL, c.ESME_RSUBMITFAIL]
    assert daemon.metric("portguard_messages_total", rule="scope_quota") == 2
    slow = [raw.bind(daemon.port, "slow") for _ in range(2)]
    sent = 0
    while daemon.metric("portguard_messages_total", rule="account_rate") == 0:
        assert sent < 1000
        for link in slow:
            link.send(b"".join(raw.submit(sent + n, allowed(n)) for n in range(10)))
            sent += 10
    throttled = daemon.metric("portguard_messages_total", rule="account_rate")
    answered = [status_of(link) for link in slow for _ in range(sent // 2)]
    assert answered.count(c.ESME_RTHROTTLED) >= throttled


def test_a_cap_of_two_enterprises_holds_over_both_their_lives_and_restarts(
    smsc: NodeSmsc, make_daemon: MakeDaemon
) -> None:
    daemon = two(make_daemon, smsc.port)
    daemon.start()
    message = text(PORT, t.NORTHERN, f"【{SHARED}】{PLAIN}")
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    assert [answer(mine, number, message) for number in (2, 3)] == [0, 0]
    time.sleep(TOLD_SECONDS)
    assert answer(theirs, 2, message) == 0
    time.sleep(TOLD_SECONDS)
    os.kill(pid(daemon, STARS), signal.SIGKILL)
    assert mine.until_closed() == []
    again = raw.bind(daemon.port, "star")
    time.sleep(TOLD_SECONDS)
    assert answer(again, 2, message) == 0
    daemon.stop()
    daemon.start()
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    time.sleep(TOLD_SECONDS)
    assert [answer(theirs, number, message) for number in (2, 3)] == [0, c.ESME_RSUBMITFAIL]
    time.sleep(TOLD_SECONDS)
    assert answer(mine, 2, message) == c.ESME_RSUBMITFAIL
    assert daemon.metric("portguard_messages_total", rule="scope_quota") == 2


CODE = text(PORT, t.NORTHERN, f"【{BRAND}】您的验证码是123456，5分钟内有效")


def two_with_frequency(make_daemon: MakeDaemon, smsc: NodeSmsc, day: int) -> Daemon:
    """Two workers, running: a subscriber gets so many codes under a signature in a day."""
    limited = '[policy.rules]\nsubscriber_frequency = { action = "reject" }\n'
    daemon = two(make_daemon, smsc.port, more=f"{limited}[policy.frequency.verification]\nday = {day}\n")
    daemon.start()
    return daemon


def test_a_frequency_holds_over_both(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two_with_frequency(make_daemon, smsc, day=2)
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    assert answer(theirs, 2, CODE) == 0
    time.sleep(TOLD_SECONDS)
    assert [answer(mine, number, CODE) for number in (2, 3)] == [0, c.ESME_RSUBMITFAIL]
    time.sleep(TOLD_SECONDS)
    assert answer(theirs, 3, CODE) == c.ESME_RSUBMITFAIL
    assert daemon.metric("portguard_messages_total", rule="subscriber_frequency") == 2


def test_what_the_smsc_refuses_of_one_counts_for_neither(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two_with_frequency(make_daemon, smsc, day=1)
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    smsc.answer_with(submit=c.ESME_RTHROTTLED)
    assert answer(theirs, 2, CODE) == c.ESME_RTHROTTLED
    smsc.answer_with()
    time.sleep(TOLD_SECONDS)
    assert answer(mine, 2, CODE) == 0
    time.sleep(TOLD_SECONDS)
    assert answer(theirs, 3, CODE) == c.ESME_RSUBMITFAIL


def test_max_connections_hold_over_both(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two(make_daemon, smsc.port)
    daemon.edit("[listen]\n", "[listen]\nmax_connections = 3\n")
    daemon.start()
    links = [raw.bind(daemon.port, name) for name in ("star", "other", "star2")]
    assert raw.connect(daemon.port).pdu() is None
    assert daemon.metric("portguard_connections_refused_total", reason="max_connections") == 1
    links[1].send(encode.unbind(9))
    links[1].expect(c.UNBIND_RESP)
    assert links[1].until_closed() == []
    links[1].close()
    until(lambda: binds(daemon, "other"), "the place that became free")


def test_a_killed_worker_hurts_nobody_elses_links(daemon: Daemon, smsc: NodeSmsc) -> None:
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    assert answer(mine, 2, allowed()) == answer(theirs, 2, others()) == 0
    assert daemon.metric("portguard_messages_total", action="allow") == 2
    load = Load(daemon.port, links=2, window=5, system_id="other", source=PORT, signature=BRAND)
    smsc.wait_received(50)
    os.kill(pid(daemon, STARS), signal.SIGKILL)
    assert mine.until_closed() == []
    # The connection waits for the worker to be there again; its bind is answered, not refused.
    again = raw.bind(daemon.port, "star")
    assert answer(again, 2, allowed()) == 0
    assert answer(theirs, 3, others()) == 0
    book = load.stop()
    assert (book.lost_links, book.refused_binds, book.unanswered, book.statuses()) == (0, 0, set(), {0})
    total = len(book.answered) + 4
    assert daemon.metric("portguard_messages_total", action="allow") == total
    assert daemon.metric("portguard_worker_restarts_total", worker=str(STARS)) == 1
    assert daemon.metric("portguard_worker_restarts_total", worker=str(3 - STARS)) == 0
    assert sessions(daemon) == {STARS: 1, 3 - STARS: 1}


def test_places_of_a_killed_worker_are_free_again(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two(make_daemon, smsc.port)
    daemon.edit("[listen]\n", "[listen]\nmax_connections = 4\n")
    daemon.start()
    links = [raw.bind(daemon.port, name) for name in ("star", "star", "star", "other")]
    os.kill(pid(daemon, STARS), signal.SIGKILL)
    for link in links[:3]:
        assert link.until_closed() == []
    for _ in range(3):
        until(lambda: binds(daemon, "star"), "a place that became free")
    assert sessions(daemon) == {STARS: 3, 3 - STARS: 1}


def test_a_reload_reaches_both_and_a_revision_that_one_cannot_open_reaches_none(daemon: Daemon) -> None:
    mine, theirs = raw.bind(daemon.port, "star"), raw.bind(daemon.port, "other")
    first = daemon.revision()
    registry = two_enterprises()
    for row in registry["signatures"]:
        if row["signature"] in (t.STAR, BRAND):
            row["status"] = "revoked"
    t.write_table(daemon.registry, "signatures", registry["signatures"])
    until(lambda: daemon.revision() != first, "the next revision")
    assert answer(mine, 2, allowed()) == answer(theirs, 2, others()) == c.ESME_RSUBMITFAIL
    second = daemon.revision()
    victim = pid(daemon, 2)
    resource.prlimit(victim, resource.RLIMIT_NOFILE, (5, 4096))
    failed = daemon.metric("portguard_registry_reloads_total", result="failed")
    # Another one than the first, which it still has open.
    registry = two_enterprises()
    registry["signatures"].append({"signature": "新的商行", "enterprise": OTHER})
    t.write_table(daemon.registry, "signatures", registry["signatures"])
    until(lambda: daemon.metric("portguard_registry_reloads_total", result="failed") > failed, "the refusal")
    assert daemon.revision() == second
    assert answer(mine, 3, allowed()) == answer(theirs, 3, others()) == c.ESME_RSUBMITFAIL
    resource.prlimit(victim, resource.RLIMIT_NOFILE, (4096, 4096))
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.revision() != second, "the revision that both can open")
    assert answer(mine, 4, allowed()) == answer(theirs, 4, others()) == 0


def test_an_account_that_changes_its_enterprise_changes_its_worker(daemon: Daemon) -> None:
    link = raw.bind(daemon.port, "star2")
    staying = raw.bind(daemon.port, "star")
    assert sessions(daemon) == {STARS: 2, 3 - STARS: 0}
    before = daemon.revision()
    registry = two_enterprises()
    for row in registry["accounts"]:
        if row["system_id"] == "star2":
            row["enterprise"] = OTHER
    t.write_table(daemon.registry, "accounts", registry["accounts"])
    until(lambda: daemon.revision() != before, "the next revision")
    unbind = link.expect(c.UNBIND)
    link.send(encode.response(c.UNBIND, 0, unbind.sequence_number))
    assert link.until_closed() == []
    again = raw.bind(daemon.port, "star2")
    assert answer(again, 2, others()) == 0
    assert answer(staying, 2, allowed()) == 0
    until(lambda: sessions(daemon) == {STARS: 1, 3 - STARS: 1}, "one link each")


def test_a_second_bind_of_somebody_elses_finds_its_worker_by_a_new_connection(
    raw_deaf: RawSmsc, make_daemon: MakeDaemon
) -> None:
    daemon = two(make_daemon, raw_deaf.port)
    daemon.start()
    link = raw.connect(daemon.port)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"asleep"))
    link.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RINVSYSID)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 2, system_id=b"other"))
    link.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RBINDFAIL)
    assert link.until_closed() == []


@pytest.fixture
def owing(make_daemon: MakeDaemon) -> Iterator[tuple[Daemon, RawSmsc, list[RawLink]]]:
    """A link of each enterprise whose message the SMSC has not answered yet."""
    smsc = RawSmsc()
    daemon = two(make_daemon, smsc.port)
    daemon.start()
    links = []
    for number, (name, message) in enumerate((("star", allowed()), ("other", others()))):
        link = raw.bind(daemon.port, name)
        link.send(raw.submit(2, message))
        smsc.link(number).expect(c.SUBMIT_SM)
        links.append(link)
    yield daemon, smsc, links
    smsc.close()


def test_sigterm_loses_no_answer_that_is_owed(owing: tuple[Daemon, RawSmsc, list[RawLink]]) -> None:
    daemon, smsc, links = owing
    daemon.signal(signal.SIGTERM)
    until(lambda: "event=draining" in daemon.log(), "the end to begin")
    for number, link in enumerate(links):
        smsc.link(number).send(encode.message_resp(c.SUBMIT_SM, 0, 2, message_id=b"m1"))
        link.expect(c.SUBMIT_SM_RESP)
        unbind = link.expect(c.UNBIND)
        link.send(encode.response(c.UNBIND, 0, unbind.sequence_number))
        answer_everything(smsc.link(number), lambda number: b"m")
        assert link.until_closed() == []
    assert daemon.wait() == 0
    assert "drained=yes" in daemon.log()


def test_a_second_signal_hurries_both(owing: tuple[Daemon, RawSmsc, list[RawLink]]) -> None:
    daemon, _, links = owing
    daemon.signal(signal.SIGTERM)
    until(lambda: "event=draining" in daemon.log(), "the end to begin")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    for link in links:
        assert link.until_closed() == []
    assert "drained=no" in daemon.log()


def test_log_lines_say_whose_they_are(raw_deaf: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two(make_daemon, raw_deaf.port)
    daemon.start()
    link = raw.connect(daemon.port)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star"))
    link.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RBINDFAIL)
    until(lambda: f'event="SMSC is away" worker={STARS}' in daemon.log(), "the worker's line")
    line = next(line for line in daemon.log().splitlines() if "event=serving" in line)
    assert "worker=" not in line


def test_silent_and_slow_clients_do_not_keep_others_out(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = two(make_daemon, smsc.port)
    daemon.edit("[listen]\n", "[listen]\nbind_timeout = 2.0\n")
    daemon.start()
    silent = [raw.connect(daemon.port).socket for _ in range(200)]
    bind = encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star")
    for sock in silent[:100]:
        sock.sendall(bind[:17])
    until(lambda: daemon.metric("portguard_connections_unsorted") == 200, "them to be waited for")
    giant = raw.connect(daemon.port)
    giant.send((1 << 30).to_bytes(4, "big") + bind[4:])
    giant.expect(c.GENERIC_NACK, c.ESME_RINVCMDLEN)
    link = raw.bind(daemon.port, "star")
    assert answer(link, 2, allowed()) == 0
    until(lambda: sum(sessions(daemon).values()) == 1, "the giant to be gone")
    for sock in silent:
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    assert daemon.metric("portguard_connections_unsorted") == 0


def test_behind_tls_a_client_meets_itself_and_the_start_says_what_does_not_hold(
    smsc: NodeSmsc, make_daemon: MakeDaemon
) -> None:
    daemon = two(make_daemon, smsc.port)
    made, key = certificate(daemon.folder)
    daemon.edit("[[smsc]]", f'[listen.tls]\ncertificate = "{made}"\nkey = "{key}"\n\n[[smsc]]')
    daemon.start()
    assert "behind TLS connections go to the workers by the client's address" in daemon.log()
    context = ssl.create_default_context(cafile=str(made))
    links = []
    for _ in range(2):
        sock = socket.create_connection(("127.0.0.1", daemon.port), 10)
        link = RawLink(context.wrap_socket(sock, server_hostname="localhost"))
        link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"twice"))
        link.expect(c.BIND_TRANSCEIVER_RESP)
        links.append(link)
    links[0].send(raw.submit(2, part(1, 2, f"【{t.STAR}】您好")))
    links[1].send(raw.submit(2, part(2, 2, "感谢您的支持")))
    for link in links:
        link.expect(c.SUBMIT_SM_RESP)
    assert sorted(sessions(daemon).values()) == [0, 2]
