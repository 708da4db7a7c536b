"""Any octets on either leg: a protocol error or an answer, and no other link is hurt."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e.cases import allowed
from tests.e2e.conftest import Between, MakeDaemon
from tests.e2e.load import Load
from tests.e2e.raw import RawSmsc, answer_everything
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

SOUND = raw.submit(2, allowed())
BIND = encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star", password=b"secret")


def spoiled(seed: int) -> Iterator[bytes]:
    """Octets that no sane peer sends: noise, wild lengths, and sound PDUs with a few octets changed."""
    chance = random.Random(seed)
    yield b""
    yield b"\0" * 16
    yield b"\xff" * 64
    yield b"GET / HTTP/1.1\r\nHost: smsc\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500)
    yield (15).to_bytes(4, "big") + SOUND[4:]
    yield (65_537).to_bytes(4, "big") + SOUND[4:]
    yield (0x7FFFFFFF).to_bytes(4, "big") + SOUND[4:]
    yield SOUND[:-1]
    yield SOUND[:7]
    for _ in range(40):
        broken = bytearray(SOUND * 3)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        yield bytes(broken)
    for command_id in (*range(0x20), 0x21, 0x102, 0x103, 0x111, 0x112, 0x113, 0x8000_0000, 0x8000_0004, 0xFFFF_FFFF):
        body = chance.randbytes(chance.randrange(0, 60))
        yield encode.header(command_id, chance.choice((0, 4, 0xFFFF_FFFF)), chance.randrange(1 << 32), len(body)) + body
    for _ in range(20):
        yield chance.randbytes(chance.randrange(1, 400))


@pytest.fixture
def load(between: Between) -> Iterator[Load]:
    """Somebody else's links, under load all the time; they go on afterwards, and nothing of theirs is missing."""
    running = Load(between.daemon.port, links=2, window=5, system_id="star2")
    until(lambda: running.book.answered, "the traffic of the others")
    yield running
    so_far = len(running.book.answered)
    until(lambda: len(running.book.answered) > so_far + 50, "the others to go on")
    book = running.stop()
    assert (book.lost_links, book.refused_binds, book.unanswered) == (0, 0, set())
    assert book.statuses() == {0}


@pytest.mark.parametrize("bound", [False, True], ids=["before the bind", "bound"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "one at a time"])
def test_from_the_esme(between: Between, load: Load, bound: bool, whole: bool) -> None:
    for octets in spoiled(1):
        link = raw.bind(between.daemon.port, "star") if bound else raw.connect(between.daemon.port)
        _throw(link, octets, whole)
        link.half_close()
        for pdu in link.until_closed():
            assert pdu.command_id & c.RESP or pdu.command_id in {c.UNBIND, c.ENQUIRE_LINK}, hex(pdu.command_id)
        link.close()
    assert between.daemon.running()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "one at a time"])
def test_from_the_smsc(between: Between, load: Load, raw_smsc: RawSmsc, make_daemon: MakeDaemon, whole: bool) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.start()
    serving = raw.bind(daemon.port, "star2")
    _in_thread(answer_everything, raw_smsc.link(0))
    for number, octets in enumerate(spoiled(2), 1):
        link = raw.bind(daemon.port, "star")
        smsc_side = raw_smsc.link(number)
        _throw(smsc_side, octets, whole)
        smsc_side.close()
        _read_all(link)
        link.close()
    serving.send(raw.submit(9, allowed()))
    serving.expect(c.SUBMIT_SM_RESP)
    serving.close()


def test_before_the_smscs_answer_to_the_bind(raw_deaf: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_deaf.port)
    daemon.start()
    for number, octets in enumerate(spoiled(3)):
        link = raw.connect(daemon.port)
        link.send(BIND)
        smsc_side = raw_deaf.link(number)
        smsc_side.expect(c.BIND_TRANSCEIVER)
        _throw(smsc_side, octets, whole=True)
        smsc_side.close()
        _read_all(link)
        link.close()
    assert daemon.running()


def _throw(link: raw.RawLink, octets: bytes, whole: bool) -> None:
    """Sends octets in one piece or one at a time; the other side may close in the middle of it."""
    try:
        for piece in [octets] if whole else [octets[at : at + 1] for at in range(min(len(octets), 200))]:
            link.send(piece)
    except OSError:
        pass  # it has seen enough


def _read_all(link: raw.RawLink) -> None:
    """What the hostile side said may reach the ESME as it was: only the end of the link matters."""
    while True:
        try:
            if not link.socket.recv(1 << 16):
                return
        except ConnectionResetError:
            return


def _in_thread(target: Callable[..., None], link: raw.RawLink) -> None:
    threading.Thread(target=target, args=(link, lambda number: b"%x" % number), daemon=True).start()
