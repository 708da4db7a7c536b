"""aiosmpplib (PyPI) as an ESME: asyncio, with queues and hooks in place of calls."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Sequence
from concurrent.futures import Future
from typing import ClassVar

from aiosmpplib import ESME, AbstractHook, BindMode, PhoneNumber, SubmitSm
from aiosmpplib.protocol import DeliverSm, SmppMessage
from aiosmpplib.retrytimer import AbstractRetryTimer
from aiosmpplib.state import NPI, TON, SmppDataCoding

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
from tests.e2e.peers.loop import LoopThread

BIND_RESPONSES = frozenset({0x80000001, 0x80000002, 0x80000009})
ANSWERS = frozenset({0x80000004, 0x80000000})
UNBIND_RESP = 0x80000006


class AiosmpplibClient:
    """See `client.Client`. It drops SAR TLVs from a message with a UDH, and takes vendor TLVs for text."""

    name: ClassVar[str] = "aiosmpplib"
    lacks: ClassVar[frozenset[str]] = frozenset({"tlv", "vendor-tlv", "two-bodies", "gbk"})

    def __init__(self) -> None:
        self._loop = LoopThread("aiosmpplib")
        self._hook = _Hook()
        self._lost = _Never()
        self._writer: asyncio.StreamWriter | None = None

    def bind(self, port: int, system_id: str, mode: Mode = "transceiver", window: int = 10) -> None:
        self._window = window
        self._loop.run(self._bind(port, system_id, BindMode[mode.upper()]), ANSWER_SECONDS)

    def start(self, messages: Sequence[Message]) -> Future[list[Answer]]:
        return self._loop.start(self._send(messages))

    def deliveries(self) -> list[Delivery]:
        return list(self._hook.deliveries)

    def unbind(self) -> None:
        self._loop.run(self._esme.stop())
        assert self._hook.unbound, "no unbind_resp"
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._loop.run(self._close())
        self._loop.stop()

    async def _bind(self, port: int, system_id: str, mode: BindMode) -> None:
        self._esme = ESME(
            ADDRESS, port, system_id, "secret", bind_mode=mode, hook=self._hook, retry_timer=self._lost,
            log_level=logging.CRITICAL, log_handler=logging.NullHandler(),
        )
        self._task = asyncio.create_task(self._esme.start())
        bound = asyncio.create_task(self._hook.bound.wait())
        refused = asyncio.create_task(self._lost.refused.wait())
        await asyncio.wait({bound, refused, self._task}, return_when=asyncio.FIRST_COMPLETED)
        bound.cancel()
        refused.cancel()
        # The library half-closes and forgets its writer; Python would then close the link before the unbind_resp came.
        self._writer = self._esme._writer
        if self._hook.bind_status is None:
            raise ConnectionError("no bind_resp")
        if self._hook.bind_status:
            raise BindRefused(self._hook.bind_status)

    async def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _send(self, messages: Sequence[Message]) -> list[Answer]:
        hook = self._hook
        hook.answers = {}
        window = asyncio.Semaphore(self._window)
        done = asyncio.Event()

        def answered() -> None:
            window.release()
            if len(hook.answers) == len(messages):
                done.set()

        hook.answered = answered
        feeding = asyncio.create_task(self._feed(messages, window))
        waiting = asyncio.create_task(done.wait())
        lost = asyncio.create_task(self._lost.refused.wait())
        await asyncio.wait({waiting, lost}, return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        waiting.cancel()
        lost.cancel()
        if len(hook.answers) < len(messages):
            raise LinkLost(dict(hook.answers))
        return [hook.answers[index] for index in range(len(messages))]

    async def _feed(self, messages: Sequence[Message], window: asyncio.Semaphore) -> None:
        for index, message in enumerate(messages):
            await window.acquire()
            await self._esme.broker.enqueue(_submit_sm(index, message))


class _Hook(AbstractHook):  # type: ignore[misc]
    """What the library tells: every PDU it sends and receives."""

    def __init__(self) -> None:
        self.bound = asyncio.Event()
        self.bind_status: int | None = None
        self.unbound = False
        self.answers: dict[int, Answer] = {}
        self.deliveries: list[Delivery] = []
        self.answered = _nothing
        self._waiting: dict[int, int] = {}

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        if isinstance(smpp_message, SubmitSm):
            self._waiting[smpp_message.sequence_num] = int(smpp_message.log_id)

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        command, status, sequence = struct.unpack_from(">III", pdu, 4)
        if command in BIND_RESPONSES:
            self.bind_status = status
            self.bound.set()
        elif command in ANSWERS and sequence in self._waiting:
            message_id = getattr(smpp_message, "message_id", "")
            self.answers[self._waiting.pop(sequence)] = Answer(status, message_id, sequence)
            self.answered()
        elif command == UNBIND_RESP:
            self.unbound = True
        elif isinstance(smpp_message, DeliverSm):
            self.deliveries.append(
                Delivery(
                    smpp_message.source.number, smpp_message.destination.number, smpp_message.esm_class,
                    smpp_message.short_message.encode("utf-8"),
                )
            )

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        raise error


class _Never(AbstractRetryTimer):  # type: ignore[misc]
    """The library would bind again by itself: the test wants to know instead."""

    def __init__(self) -> None:
        self.refused = asyncio.Event()

    async def wait(self) -> None:
        self.refused.set()
        await asyncio.Event().wait()

    def reset(self) -> None:
        pass

    def next_delay(self) -> float:
        return 0.0


def _nothing() -> None:
    pass


def _submit_sm(index: int, message: Message) -> SubmitSm:
    encoding = None if message.data_coding == 0 else SmppDataCoding(message.data_coding).name
    submit = SubmitSm(
        short_message="" if message.payload else "octets set below",
        message_payload=message.body.decode("utf-16-be") if message.payload else "",
        source=PhoneNumber(message.source, TON(message.source_ton), NPI(1)),
        destination=PhoneNumber(message.destination, TON(1), NPI(1)),
        esm_class=message.esm_class,
        registered_delivery=message.registered_delivery,
        encoding=encoding,
        log_id=str(index),
    )
    if not message.payload:
        submit.set_encoded_message(message.body)
    return submit
