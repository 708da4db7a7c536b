"""A simulated ESME: binds, sends inside a window and at a rate, and matches answers to requests by sequence number.

Nouns: a *window* is how many requests may await their answer at once; an *outcome* is what became of one message.
A link that ends leaves its unanswered requests with a LinkLost error: an answer is never made up.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast

from portguard.sim.mailbox import text_field
from portguard.sim.message import Message
from portguard.smpp import constants as c
from portguard.smpp.encode import bind, enquire_link, response, unbind
from portguard.smpp.errors import FramingError, PduError
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode

BindKind = Literal["transmitter", "receiver", "transceiver"]
BIND_COMMANDS: Final[dict[str, int]] = {
    "transmitter": c.BIND_TRANSMITTER, "receiver": c.BIND_RECEIVER, "transceiver": c.BIND_TRANSCEIVER,
}


class LinkLost(ConnectionError):
    """The link ended before an answer came."""


class BindRefused(ConnectionError):
    """The bind was answered with an error; `status` is its command_status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"bind refused: {c.status_name(status)}")
        self.status = status


@dataclass(slots=True)
class EsmeOptions:
    """Where to bind, as whom, and how many requests may be unanswered at once."""

    host: str = "127.0.0.1"
    port: int = 2775
    system_id: str = "esme"
    password: str = field(default="", repr=False)
    bind: BindKind = "transceiver"
    version: int = c.VERSION_34
    window: int = 10
    max_pdu: int = 65536
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one message: its command_status, and the message_id when it was accepted; `seconds` it took."""

    message: Message
    status: int
    message_id: str
    seconds: float


class Esme:
    """One ESME on one connection. `async with Esme(options) as esme` connects, binds, and in the end unbinds.

    `received` keeps the newest requests of the SMSC's own (deliver_sm and the like); `on_request` hears of each.
    """

    def __init__(self, options: EsmeOptions) -> None:
        self.options = options
        self.received: deque[Pdu] = deque(maxlen=100_000)
        self.on_request: Callable[[Pdu], None] | None = None
        self.nacks: list[Pdu] = []
        self._sequence = 0
        self._pending: dict[int, asyncio.Future[Pdu]] = {}
        self._slots = asyncio.Semaphore(options.window)
        self._arrival = asyncio.Event()
        self._link: _Link | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        try:
            await self.bind()
        except BaseException:
            self.abort()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def unanswered(self) -> int:
        """How many requests await their answer."""
        return len(self._pending)

    @property
    def connected(self) -> bool:
        """Whether the link is up."""
        return self._link is not None and not self._link.lost.done()

    # -- the link

    async def connect(self) -> None:
        """Open the connection; OSError when nobody answers."""
        loop = asyncio.get_running_loop()
        _, self._link = await loop.create_connection(
            lambda: _Link(self), self.options.host, self.options.port, ssl=self.options.tls
        )

    async def bind(self) -> Pdu:
        """Bind as the options say; the response PDU, or BindRefused or LinkLost."""
        options = self.options
        answer = await self.request(
            bind(
                BIND_COMMANDS[options.bind], 0, system_id=options.system_id.encode(),
                password=options.password.encode(), interface_version=options.version,
            )
        )
        if answer.command_status:
            raise BindRefused(answer.command_status)
        return answer

    async def close(self) -> None:
        """Unbind politely if the link is still up, then close it."""
        if self.connected:
            try:
                async with asyncio.timeout(5):
                    await self.request(unbind(0))
            except (LinkLost, TimeoutError):
                pass
        self.abort()
        await self.ended()

    def abort(self) -> None:
        """End the connection at once."""
        if self._link is not None:
            self._link.transport.abort()

    def half_close(self) -> None:
        """Send FIN: nothing more will be sent, answers are still read."""
        self._up().transport.write_eof()

    def listen(self, reading: bool) -> None:
        """Start or stop reading: a client that does not read is a back-pressure test."""
        transport = self._up().transport
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()

    async def ended(self) -> None:
        """Return when the link is down, whoever ended it."""
        if self._link is not None:
            await self._link.lost

    # -- requests

    def write(self, octets: bytes) -> None:
        """Put any octets on the wire."""
        self._up().transport.write(octets)

    def send(self, pdu: bytes, sequence_number: int | None = None) -> asyncio.Future[Pdu]:
        """Send a request now, whatever the window, under the next sequence number or the one given.

        The future gets the response, or the generic_nack, of that sequence number; or LinkLost.
        """
        if sequence_number is None:
            self._sequence = sequence_number = self._sequence % 0x7FFFFFFF + 1
        link = self._up()
        future: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # may go unread
        self._pending[sequence_number] = future
        link.transport.write(pdu[:12] + sequence_number.to_bytes(4, "big") + pdu[16:])
        return future

    async def request(self, pdu: bytes) -> Pdu:
        """Send a request and await its answer; not counted in the window."""
        return await self.send(pdu)

    async def enquire(self) -> Pdu:
        """enquire_link."""
        return await self.request(enquire_link(0))

    async def submit(self, message: Message) -> Outcome:
        """Send one message when the window has room, and await its answer."""
        return await (await self.start(message))

    async def start(self, message: Message) -> "asyncio.Future[Outcome]":
        """Send one message when the window has room; a future of its outcome."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())  # may go unread

        def answered(done: asyncio.Future[Pdu]) -> None:
            self._slots.release()
            if outcome.done():
                return
            error = None if done.cancelled() else done.exception()
            if done.cancelled():
                outcome.cancel()
            elif error is not None:
                outcome.set_exception(error)
            else:
                pdu = done.result()
                outcome.set_result(
                    Outcome(message, pdu.command_status, text_field(pdu, "message_id"), loop.time() - began)
                )

        try:
            self.send(message.pdu()).add_done_callback(answered)
        except BaseException:
            self._slots.release()
            raise
        return outcome

    async def send_all(
        self,
        messages: Iterable[Message],
        rate: float = 0.0,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Send messages in order, at most `rate` a second (0: as fast as the window lets), and await every answer.

        Outcomes come back in the order of the messages. LinkLost when the link ends before all are answered;
        `on_outcome` has by then heard of those that were.
        """
        loop = asyncio.get_running_loop()
        due = loop.time()
        under_way: list[asyncio.Future[Outcome]] = []
        for message in messages:
            if rate:
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                due = max(due, loop.time() - 1.0) + 1.0 / rate
            outcome = await self.start(message)
            if on_outcome is not None:
                outcome.add_done_callback(_tell(on_outcome))
            under_way.append(outcome)
        return [await outcome for outcome in under_way]

    async def wait_received(self, count: int) -> list[Pdu]:
        """Return once `count` requests of the SMSC's own have arrived since the start."""
        while len(self.received) < count:
            if not self.connected:
                raise LinkLost(f"the link ended after {len(self.received)} of {count} requests")
            self._arrival.clear()
            await self._arrival.wait()
        return list(self.received)

    # -- arrivals

    def _up(self) -> "_Link":
        if self._link is None or self._link.lost.done():
            raise LinkLost("there is no link")
        return self._link

    def arrived(self, octets: bytes) -> None:
        """One whole PDU came in."""
        try:
            pdu = decode(octets)
        except PduError as error:
            sequence = int.from_bytes(octets[12:16], "big")
            if not octets[4] & 0x80:
                self.write(response(int.from_bytes(octets[4:8], "big"), error.status, sequence))
            elif sequence in self._pending:
                self._pending.pop(sequence).set_exception(error)
            return
        if pdu.command_id & c.RESP:
            future = self._pending.pop(pdu.sequence_number, None)
            if future is None:
                self.nacks.append(pdu)
            elif not future.done():
                future.set_result(pdu)
            return
        self.received.append(pdu)
        self._answer(pdu)
        if self.on_request is not None:
            self.on_request(pdu)
        self._arrival.set()

    def _answer(self, pdu: Pdu) -> None:
        """Every request of the SMSC's gets success, with the empty message_id that 3.4 §4.6.2 wants for deliver_sm."""
        if pdu.command_id == c.ALERT_NOTIFICATION:
            return
        body = b"\x00" if pdu.command_id in (c.DELIVER_SM, c.DATA_SM) else b""
        self.write(response(pdu.command_id, 0, pdu.sequence_number, body))
        if pdu.command_id == c.UNBIND:
            self._up().transport.close()

    def ended_with(self, exc: Exception | None) -> None:
        """The link is down: what was not answered never will be."""
        for future in self._pending.values():
            if not future.done():
                future.set_exception(LinkLost(f"the link ended: {exc or 'closed by the peer'}"))
        self._pending.clear()
        self._arrival.set()


class _Link(asyncio.Protocol):
    """The transport side of an Esme."""

    transport: asyncio.Transport

    def __init__(self, esme: Esme) -> None:
        self._esme = esme
        self._framer = Framer(esme.options.max_pdu)
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        try:
            pdus = self._framer.feed(data)
        except FramingError as error:
            pdus = list(error.pdus)
            self.transport.abort()
        for octets in pdus:
            if not self.transport.is_closing():
                self._esme.arrived(octets)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        self._esme.ended_with(exc)


def _tell(on_outcome: Callable[[Outcome], None]) -> Callable[[asyncio.Future[Outcome]], None]:
    def tell(done: asyncio.Future[Outcome]) -> None:
        if not done.cancelled() and done.exception() is None:
            on_outcome(done.result())

    return tell
