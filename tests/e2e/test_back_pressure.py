"""A side that stops reading stops the other side, and the daemon's memory stays flat."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.cases import allowed
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.peers.client import text
from tests.e2e.raw import RawLink, RawSmsc, answer_everything
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

MEGABYTE = 1 << 20
FLAT = 16 * MEGABYTE
FLOOD = 120 * MEGABYTE
STALLED_SECONDS = 0.7
LONG = text(t.OWN, t.NORTHERN, f"【{t.STAR}】" + "长" * 15_000, payload=True)


@pytest.fixture
def daemon(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> Daemon:
    made = make_daemon(raw_smsc.port)
    made.start()
    return made


def test_an_smsc_that_does_not_read_stops_the_client(raw_smsc: RawSmsc, daemon: Daemon) -> None:
    link = raw.bind(daemon.port, "star")
    before = daemon.resident()
    pdu = raw.submit(2, LONG)
    sender = Sender(link, pdu)
    sender.until_stalled()
    assert sender.octets < FLOOD
    assert daemon.resident() - before < FLAT
    # Another link of the same daemon is served meanwhile.
    other = raw.bind(daemon.port, "star2")
    serving = threading.Thread(target=answer_everything, args=(raw_smsc.link(1), lambda number: b"%x" % number))
    serving.start()
    other.send(raw.submit(3, allowed()))
    other.expect(c.SUBMIT_SM_RESP)
    # The SMSC reads again: nothing that was sent is missing.
    sender.stop()
    drained = threading.Thread(target=answer_everything, args=(raw_smsc.link(0), lambda number: b"%x" % number))
    drained.start()
    whole = sender.octets // len(pdu)
    for _ in range(whole):
        link.expect(c.SUBMIT_SM_RESP)
    for each in (link, other):
        each.close()
    for thread in (serving, drained):
        thread.join(raw.SECONDS)


def test_a_client_that_does_not_read_stops_the_smsc(raw_smsc: RawSmsc, daemon: Daemon) -> None:
    link = raw.bind(daemon.port, "star", receive_buffer=1 << 16)
    before = daemon.resident()
    source, to = t.NORTHERN.encode(), t.OWN.encode()
    payload = [(c.TLV_MESSAGE_PAYLOAD, b"\x4f\x60" * 15_000)]
    pdu = encode.deliver_sm(7, source_addr=source, destination_addr=to, data_coding=8, tlvs=payload)
    sender = Sender(raw_smsc.link(0), pdu)
    sender.until_stalled()
    assert sender.octets < FLOOD
    assert daemon.resident() - before < FLAT
    sender.stop()
    for _ in range(sender.octets // len(pdu)):
        link.expect(c.DELIVER_SM)
    link.close()


def test_a_client_that_reads_no_refusals_is_not_read(raw_smsc: RawSmsc, daemon: Daemon) -> None:
    link = raw.bind(daemon.port, "star", receive_buffer=1 << 12)
    before = daemon.resident()
    refused = raw.submit(2, text(t.FOREIGN, t.NORTHERN, "短"))
    sender = Sender(link, refused * 1000)
    sender.until_stalled()
    assert daemon.resident() - before < FLAT
    sender.stop()
    for _ in range(sender.octets // len(refused)):
        link.expect(c.SUBMIT_SM_RESP, c.ESME_RINVSRCADR)
    link.close()


def test_a_client_that_never_reads_is_let_go(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port)
    daemon.edit("[listen]\n", "[listen]\nwrite_timeout = 1.0\n")
    daemon.start()
    link = raw.bind(daemon.port, "star", receive_buffer=1 << 12)
    sender = Sender(link, raw.submit(2, text(t.FOREIGN, t.NORTHERN, "短")) * 1000)
    until(lambda: sender.error is not None, "the end of the link")
    sender.stop()
    until(lambda: daemon.metric("portguard_sessions") == 0, "the end of the session")
    link.close()


class Sender:
    """Sends the same octets over and over until stopped; `octets` counts those that the kernel took."""

    def __init__(self, link: RawLink, piece: bytes) -> None:
        self.octets = 0
        self.error: OSError | None = None
        self._link = link
        self._piece = piece
        self._stopping = False
        link.socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def until_stalled(self) -> None:
        """Waits until nothing more is taken for a while."""
        until(_unchanging(lambda: self.octets), "the sender to be stopped by back-pressure", 40.0)

    def stop(self) -> None:
        """Stops, in the middle of a PDU if need be; the rest of that PDU is still sent, in the background."""
        self._stopping = True
        self._thread.join(raw.SECONDS)
        rest = -self.octets % len(self._piece)
        self._link.socket.settimeout(raw.SECONDS)
        if rest and self.error is None:
            self.octets += rest
            threading.Thread(target=self._link.socket.sendall, args=(self._piece[-rest:],), daemon=True).start()

    def _send(self) -> None:
        at = 0
        while not self._stopping and self.octets < 2 * FLOOD:
            try:
                taken = self._link.socket.send(memoryview(self._piece)[at:])
            except TimeoutError:
                continue
            except OSError as error:
                self.error = error
                return
            self.octets += taken
            at = (at + taken) % len(self._piece)


def _unchanging(value: Callable[[], int]) -> Callable[[], bool]:
    """True once the value has been the same, and not zero, for STALLED_SECONDS."""
    last, since = 0, time.monotonic()

    def unchanging() -> bool:
        nonlocal last, since
        present = value()
        if present != last or not present:
            last, since = present, time.monotonic()
        return time.monotonic() - since > STALLED_SECONDS

    return unchanging
