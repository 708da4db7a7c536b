"""The ends of a link and of the process: what was owed is answered first."""

from __future__ import annotations

import signal
import socket

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e.cases import allowed
from tests.e2e.conftest import Between, MakeDaemon
from tests.e2e.peers.client import Client
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.raw import RawSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

OWED = 50


def test_half_close(between: Between) -> None:
    before = len(between.smsc.all_received())
    link = raw.bind(between.daemon.port, "star")
    between.smsc.hold()
    link.send(b"".join(raw.submit(number, allowed()) for number in range(2, 2 + OWED)))
    link.half_close()
    between.smsc.wait_received(before + OWED)
    between.smsc.release()
    answers = link.until_closed()
    answered = [answer.sequence_number for answer in answers if answer.command_id == c.SUBMIT_SM_RESP]
    assert answered == list(range(2, 2 + OWED))
    assert {answer.command_status for answer in answers} == {0}
    link.close()


def test_unbind_right_behind_the_messages(between: Between) -> None:
    link = raw.bind(between.daemon.port, "star")
    link.send(b"".join(raw.submit(number, allowed()) for number in range(2, 2 + OWED)) + encode.unbind(100))
    link.half_close()
    answers = link.until_closed()
    assert [answer.sequence_number for answer in answers] == [*range(2, 2 + OWED), 100]
    assert {answer.command_status for answer in answers} == {0}
    link.close()


def test_the_smsc_unbinds(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    smsc_side = raw_smsc.link()
    smsc_side.send(encode.unbind(3))
    link.expect(c.UNBIND)
    link.send(encode.response(c.UNBIND, 0, 3))
    assert smsc_side.expect(c.UNBIND_RESP).sequence_number == 3
    assert link.until_closed() == []
    link.close()


def test_the_smsc_goes_away_in_mid_session(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    link.send(raw.submit(2, allowed()) + raw.submit(3, allowed()))
    smsc_side = raw_smsc.link()
    smsc_side.expect(c.SUBMIT_SM)
    smsc_side.expect(c.SUBMIT_SM)
    smsc_side.send(encode.message_resp(c.SUBMIT_SM, 0, 2, message_id=b"a1"))
    smsc_side.close()
    # What was answered comes; what was not stays unanswered, for an answer of ours would invite doubles.
    assert [pdu.sequence_number for pdu in link.until_closed()] == [2]
    link.close()


def test_a_client_that_vanishes(between: Between) -> None:
    closes = len(between.smsc.events("close"))
    link = raw.bind(between.daemon.port, "star")
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    link.close()
    until(lambda: len(between.smsc.events("close")) > closes, "the end of the SMSC's link")


def test_sigterm_waits_for_what_is_owed(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    smsc.hold()
    link.send(b"".join(raw.submit(number, allowed()) for number in range(2, 2 + OWED)))
    smsc.wait_received(OWED)
    daemon.signal(signal.SIGTERM)
    until(lambda: not _listens(daemon.port), "the end of listening")
    assert daemon.running()
    smsc.release()
    for number in range(2, 2 + OWED):
        assert link.expect(c.SUBMIT_SM_RESP).sequence_number == number
    unbind = link.expect(c.UNBIND)
    link.send(encode.response(c.UNBIND, 0, unbind.sequence_number))
    assert link.until_closed() == []
    link.close()
    assert daemon.wait() == 0


def test_sigterm_with_a_client_bound(smsc: NodeSmsc, make_daemon: MakeDaemon, client: Client) -> None:
    # smpplib and smpp34 leave an unbind of the SMSC's side unanswered.
    daemon = make_daemon(smsc.port, more="\n[limits]\nunbind_timeout = 1.0\n")
    daemon.start()
    client.bind(daemon.port, "star", window=50)
    answers = client.start([allowed(number) for number in range(OWED)])
    smsc.wait_received(OWED)
    daemon.signal(signal.SIGTERM)
    assert {answer.status for answer in answers.result(20)} == {0}
    assert daemon.wait() == 0


def test_sigterm_with_nobody_there(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def test_sigterm_ends_even_if_the_smsc_never_answers(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, more="\n[limits]\ndrain_timeout = 1.0\nunbind_timeout = 1.0\n")
    daemon.start()
    link = raw.bind(daemon.port, "star")
    link.send(raw.submit(2, allowed()))
    raw_smsc.link().expect(c.SUBMIT_SM)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    link.close()


def _listens(port: int) -> bool:
    try:
        raw.connect(port).close()
    except OSError:
        return False
    return True
