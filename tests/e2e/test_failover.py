"""The first SMSC is killed, hung or refuses while traffic runs: the second takes over, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.load import Book, Load, number_in
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

LINKS, WINDOW = 4, 20


@pytest.fixture
def second() -> Iterator[NodeSmsc]:
    running = NodeSmsc(first=0x8000_0000)
    yield running
    running.kill()


@pytest.fixture
def daemon(smsc: NodeSmsc, second: NodeSmsc, make_daemon: MakeDaemon) -> Daemon:
    """Two SMSCs in order; a silent one is given up after a second."""
    made = make_daemon(smsc.port, second.port, more="\n[limits]\nresponse_timeout = 1.0\n")
    made.start()
    return made


def test_killed(smsc: NodeSmsc, second: NodeSmsc, daemon: Daemon) -> None:
    load = Load(daemon.port, LINKS, WINDOW)
    smsc.wait_received(500)
    assert not second.received()
    smsc.kill()
    second.wait_received(500)
    book = load.stop()
    assert book.lost_links == LINKS
    # A window of each link, and the message that each was about to send.
    assert len(book.unanswered) <= LINKS * (WINDOW + 1)
    check_answers(book, smsc, second)


def test_hung(smsc: NodeSmsc, second: NodeSmsc, daemon: Daemon) -> None:
    load = Load(daemon.port, LINKS, WINDOW)
    smsc.wait_received(500)
    smsc.stop()
    second.wait_received(500)
    book = load.stop()
    assert book.lost_links == LINKS
    assert book.refused_binds == 0
    smsc.resume()
    until(lambda: smsc.received()[499:], "the hung SMSC to go on")
    check_answers(book, smsc, second)


def test_refusing(smsc: NodeSmsc, second: NodeSmsc, make_daemon: MakeDaemon) -> None:
    port = smsc.port
    smsc.kill()
    daemon = make_daemon(port, second.port)
    daemon.start()
    load = Load(daemon.port, LINKS, WINDOW)
    second.wait_received(500)
    book = load.stop()
    assert (book.lost_links, book.refused_binds, book.unanswered) == (0, 0, set())
    check_answers(book, second)


def test_the_first_is_used_again_when_it_is_back(smsc: NodeSmsc, second: NodeSmsc, daemon: Daemon) -> None:
    port = smsc.port
    load = Load(daemon.port, LINKS, WINDOW)
    smsc.wait_received(100)
    smsc.kill()
    second.wait_received(100)
    load.stop()
    again = NodeSmsc(port, first=0x4000_0000)
    try:
        until(lambda: _bound_to(again, daemon), "a bind at the SMSC that came back", 20)
    finally:
        again.kill()


def test_all_away_then_one_back(smsc: NodeSmsc, second: NodeSmsc, daemon: Daemon) -> None:
    load = Load(daemon.port, LINKS, WINDOW)
    smsc.wait_received(100)
    port = second.port
    smsc.kill()
    second.kill()
    until(lambda: load.book.refused_binds >= LINKS, "binds refused with ESME_RBINDFAIL")
    back = NodeSmsc(port, first=0xC000_0000)
    try:
        back.wait_received(100)
        load.stop()
    finally:
        back.kill()


def _bound_to(smsc: NodeSmsc, daemon: Daemon) -> bool:
    Load(daemon.port, 1).stop()
    return bool(smsc.events("bind"))


def check_answers(book: Book, *smscs: NodeSmsc) -> None:
    """Every answer is one that an SMSC gave for this very message."""
    assert book.statuses() == {0}
    received = [each for smsc in smscs for each in smsc.all_received()]
    given = {each.message_id: number_in(each.body) for each in received}
    for number, (_, message_id) in book.answered.items():
        assert given[message_id] == number
    assert len(received) == len({number_in(each.body) for each in received}), "a message was sent twice"
