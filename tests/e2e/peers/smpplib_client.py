"""smpplib (PyPI) as an ESME: blocking, so one thread reads and one sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ClassVar

import smpplib.client
import smpplib.command
import smpplib.consts
import smpplib.exceptions
import smpplib.smpp

from tests.e2e.peers.client import (
    ADDRESS,
    ANSWER_SECONDS,
    Answer,
    BindRefused,
    Delivery,
    LinkLost,
    Message,
    Mode,
)

PASSWORD = "secret"


class SmpplibClient:
    """See `client.Client`. It sends only TLVs whose name it knows, and never two bodies."""

    name: ClassVar[str] = "smpplib"
    lacks: ClassVar[frozenset[str]] = frozenset({"vendor-tlv", "two-bodies"})

    def __init__(self) -> None:
        self._client: Any = None
        self._free = threading.Semaphore()
        self._waiting: dict[int, int] = {}
        self._answers: dict[int, Answer] = {}
        self._expected = 0
        self._future: Future[list[Answer]] = Future()
        self._deliveries: list[Delivery] = []
        self._unbinding = False
        self._threads: list[threading.Thread] = []

    def bind(self, port: int, system_id: str, mode: Mode = "transceiver", window: int = 10) -> None:
        client = smpplib.client.Client(ADDRESS, port, timeout=ANSWER_SECONDS, allow_unknown_opt_params=True)
        client.set_message_sent_handler(self._answered)
        client.set_message_received_handler(self._delivered)
        client.set_error_pdu_handler(self._answered)
        self._client = client
        self._free = threading.Semaphore(window)
        try:
            client.connect()
            getattr(client, f"bind_{mode}")(system_id=system_id, password=PASSWORD)
        except smpplib.exceptions.PDUError as error:
            raise BindRefused(error.args[1]) from error
        except smpplib.exceptions.ConnectionError as error:
            raise ConnectionError(str(error)) from error
        self._begin(self._listen)

    def start(self, messages: Sequence[Message]) -> Future[list[Answer]]:
        self._answers = {}
        self._expected = len(messages)
        self._future = Future()
        self._begin(self._send, messages)
        return self._future

    def deliveries(self) -> list[Delivery]:
        return list(self._deliveries)

    def unbind(self) -> None:
        self._unbinding = True
        self._client.send_pdu(smpplib.smpp.make_pdu("unbind", client=self._client))
        self._threads[0].join(ANSWER_SECONDS)
        assert self._client.state == smpplib.consts.SMPP_CLIENT_STATE_OPEN, "no unbind_resp"
        self.close()

    def close(self) -> None:
        if self._client is None or self._client._socket is None:
            return
        with suppress(OSError):  # the other side was first
            self._client._socket.shutdown(socket.SHUT_RDWR)
        for _ in range(len(self._threads)):
            self._free.release()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)
        self._client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
        self._client.disconnect()

    def _begin(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name=f"smpplib {target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _send(self, messages: Sequence[Message]) -> None:
        try:
            for index, message in enumerate(messages):
                self._free.acquire()
                pdu = smpplib.smpp.make_pdu("submit_sm", client=self._client, **_fields(message))
                self._waiting[pdu.sequence] = index
                self._client.send_pdu(pdu)
        except (smpplib.exceptions.ConnectionError, smpplib.exceptions.PDUError, AttributeError):
            self._lost()

    def _listen(self) -> None:
        try:
            while not (self._unbinding and self._client.state == smpplib.consts.SMPP_CLIENT_STATE_OPEN):
                self._client.read_once(auto_send_enquire_link=False)
        except (smpplib.exceptions.ConnectionError, OSError):
            self._lost()

    def _answered(self, pdu: Any) -> None:
        index = self._waiting.pop(pdu.sequence, None)
        if index is None:
            return  # an error is reported to two handlers
        message_id = (getattr(pdu, "message_id", None) or b"").decode("ascii")
        self._answers[index] = Answer(pdu.status, message_id, pdu.sequence)
        self._free.release()
        if len(self._answers) == self._expected:
            self._future.set_result([self._answers[index] for index in range(self._expected)])

    def _delivered(self, pdu: Any, **_more: Any) -> None:
        body = pdu.short_message or pdu.message_payload or b""
        self._deliveries.append(
            Delivery(pdu.source_addr.decode("ascii"), pdu.destination_addr.decode("ascii"), pdu.esm_class, body)
        )

    def _lost(self) -> None:
        if not self._future.done():
            self._future.set_exception(LinkLost(dict(self._answers)))


def _fields(message: Message) -> dict[str, Any]:
    return {
        "source_addr_ton": message.source_ton,
        "source_addr_npi": 1,
        "source_addr": message.source,
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": message.destination,
        "esm_class": message.esm_class,
        "data_coding": message.data_coding,
        "registered_delivery": message.registered_delivery,
        "short_message": b"" if message.payload else message.body,
        "message_payload": message.body if message.payload else None,
        **dict(_tlv(tag, value) for tag, value in message.tlvs),
    }


def _tlv(tag: int, value: bytes) -> tuple[str, int | bytes]:
    """smpplib wants a TLV by its name, and numbers as numbers."""
    name = next(name for name, number in smpplib.consts.OPTIONAL_PARAMS.items() if number == tag)
    number = smpplib.command.SubmitSM.params[name].type is int
    return name, int.from_bytes(value, "big") if number else value
