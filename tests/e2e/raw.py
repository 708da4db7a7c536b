"""Sockets without a library: an ESME and an SMSC that send any octets, and end a link as they please.

What they build and read goes through portguard's own codec; the peers in `peers` are what checks that codec.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from portguard.smpp import constants as c
from portguard.smpp import encode
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode
from tests.e2e.peers.client import ADDRESS, Message
from tests.e2e.waiting import until

SECONDS = 10.0
MAX_PDU = 1 << 20
OPEN: list[RawLink] = []


class RawLink:
    """One connection, either end. Every read has a deadline. The test's end closes it (see `OPEN`)."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(SECONDS)
        self._framer = Framer(MAX_PDU)
        self._read: list[Pdu] = []
        OPEN.append(self)

    def send(self, octets: bytes) -> None:
        """Sends octets."""
        self.socket.sendall(octets)

    def pdu(self) -> Pdu | None:
        """The next PDU; None when the other side has closed. TimeoutError when neither comes in time."""
        while not self._read:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._read += [decode(each) for each in self._framer.feed(data)]
        return self._read.pop(0)

    def expect(self, command_id: int, status: int = 0) -> Pdu:
        """The next PDU, which must be this one."""
        pdu = self.pdu()
        assert pdu is not None, f"closed instead of {c.command_name(command_id)}"
        said = f"{c.command_name(pdu.command_id)} {c.status_name(pdu.command_status)}"
        assert (pdu.command_id, pdu.command_status) == (command_id, status), said
        return pdu

    def until_closed(self) -> list[Pdu]:
        """Every PDU up to the end of the link."""
        found = []
        while (pdu := self.pdu()) is not None:
            found.append(pdu)
        return found

    def half_close(self) -> None:
        """Sends nothing more, and still reads."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes the connection."""
        self.socket.close()


def connect(port: int, receive_buffer: int = 0, source: str = "") -> RawLink:
    """An ESME's connection, not bound yet, from an address of the loopback."""
    sock = socket.socket()
    if source:
        sock.bind((source, 0))
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    link = RawLink(sock)
    sock.connect((ADDRESS, port))
    return link


def bind(
    port: int, system_id: str, command_id: int = c.BIND_TRANSCEIVER, receive_buffer: int = 0, source: str = "",
) -> RawLink:
    """A bound ESME's connection; its bind had sequence_number 1."""
    link = connect(port, receive_buffer, source)
    link.send(encode.bind(command_id, 1, system_id=system_id.encode(), password=b"secret"))
    link.expect(command_id | c.RESP)
    return link


def submit(sequence: int, message: Message) -> bytes:
    """The message as a submit_sm."""
    tlvs = [*message.tlvs, (c.TLV_MESSAGE_PAYLOAD, message.body)] if message.payload else list(message.tlvs)
    return encode.submit_sm(
        sequence, source_addr=message.source.encode(), destination_addr=message.destination.encode(),
        source_addr_ton=message.source_ton, esm_class=message.esm_class, data_coding=message.data_coding,
        registered_delivery=message.registered_delivery, short_message=b"" if message.payload else message.body,
        tlvs=tlvs,
    )


class RawSmsc:
    """An SMSC that accepts binds and answers nothing else: each bound connection is the test's to use.

    Connections that close without a word, as portguard's probes do, are no links.
    """

    def __init__(self, answer_binds: bool = True, receive_buffer: int = 0) -> None:
        self._answer_binds = answer_binds
        self.links: list[RawLink] = []
        self._listening = socket.socket()
        if receive_buffer:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listening.bind((ADDRESS, 0))
        self._listening.listen()
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="raw SMSC", daemon=True)
        self._thread.start()

    def link(self, number: int = 0) -> RawLink:
        """The bound connection of that number, waited for."""
        return until(lambda: self.links[number:], f"connection {number} at the SMSC")[0]

    def close(self) -> None:
        """Stops listening and closes every connection."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(SECONDS)
        for link in self.links:
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.settimeout(SECONDS)
            if not sock.recv(1, socket.MSG_PEEK):
                sock.close()
                continue
            link = RawLink(sock)
            if self._answer_binds and (pdu := link.pdu()) is not None:
                link.send(encode.bind_resp(pdu.command_id, 0, pdu.sequence_number, system_id=b"raw"))
            self.links.append(link)


def answer_everything(link: RawLink, message_id: Callable[[int], bytes]) -> None:
    """Plays the SMSC on a bound connection until it ends, cut off or not: submit_sm and unbind are answered."""
    with suppress(OSError):
        _answer(link, message_id)


def _answer(link: RawLink, message_id: Callable[[int], bytes]) -> None:
    while (pdu := link.pdu()) is not None:
        if pdu.command_id == c.SUBMIT_SM:
            number = pdu.sequence_number
            link.send(encode.message_resp(c.SUBMIT_SM, 0, number, message_id=message_id(number)))
        elif pdu.command_id in {c.UNBIND, c.ENQUIRE_LINK}:
            link.send(encode.response(pdu.command_id, 0, pdu.sequence_number))
