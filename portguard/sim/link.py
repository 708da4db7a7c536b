"""One connection to the simulated SMSC: its bind, the answer to each PDU, and the receipts and messages sent to it.

What is answered at once is joined and written once per chunk that arrives. Knows nothing of listening or of other
links, except that a receipt goes to any receiving link of the same system_id.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final, cast

from portguard.sim.behaviour import Behaviour, Stats
from portguard.sim.mailbox import (
    Delivery,
    Mailbox,
    addresses,
    destinations,
    registered_delivery,
    text_field,
)
from portguard.smpp import constants as c
from portguard.smpp import session
from portguard.smpp.encode import (
    bind_resp,
    enquire_link,
    generic_nack,
    message_resp,
    query_sm_resp,
    response,
    submit_multi_resp,
    unbind,
)
from portguard.smpp.errors import FramingError, PduError
from portguard.smpp.fields import UnsuccessSme
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode

SENDING: Final = frozenset((session.BOUND_TX, session.BOUND_TRX))
RECEIVING: Final = frozenset((session.BOUND_RX, session.BOUND_TRX))
MESSAGES: Final = frozenset((c.SUBMIT_SM, c.DATA_SM, c.SUBMIT_MULTI))


class Office:
    """What the links of one simulated SMSC share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.stats = Stats()
        self.mailbox = Mailbox(behaviour)
        self.links: set[Link] = set()
        self.held: list[Callable[[], None]] = []
        self.random = random.Random(behaviour.seed)

    def receiver(self, system_id: str) -> "Link | None":
        """A link that may be sent deliver_sm for that system_id, or for anyone when it is empty."""
        return next((link for link in self.links if link.receives and system_id in ("", link.system_id)), None)


class Link(asyncio.Protocol):
    """One ESME's connection."""

    def __init__(self, office: Office) -> None:
        self.system_id = ""
        self.state = session.OPEN
        self.version = c.VERSION_34
        self._office = office
        self._behaviour = office.behaviour
        self._stats = office.stats
        self._mailbox = office.mailbox
        self._framer = Framer(office.behaviour.max_pdu)
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._out: list[bytes] = []
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._unanswered = 0
        self._sequence = 0
        self._answers: dict[int, Callable[[Pdu, bytes], None]] = {
            **dict.fromkeys(session.BINDS, self._bind),
            **dict.fromkeys(MESSAGES, self._message),
            c.QUERY_SM: self._query,
            c.REPLACE_SM: self._replace,
            c.CANCEL_SM: self._cancel,
            c.ENQUIRE_LINK: self._plain,
            c.UNBIND: self._unbind,
        }

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent on it."""
        return self.state in RECEIVING and not self._transport.is_closing()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was accepted."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._stats.connections += 1
        self._office.links.add(self)
        if self._behaviour.mode == "refuse":
            transport.abort()
        elif self._behaviour.mode == "deaf":
            self._loop.call_soon(self.listen, False)  # uvloop ignores pause_reading() in here

    def data_received(self, data: bytes) -> None:
        """Octets arrived, in any portions."""
        self._stats.octets += len(data)
        if self._behaviour.mode == "hang":
            return
        if self._behaviour.read_rate:
            self.listen(False)
            self._later(len(data) / self._behaviour.read_rate, lambda: self.listen(self._behaviour.mode != "deaf"))
        try:
            self._take(self._framer.feed(data))
        except FramingError as error:
            self._take(list(error.pdus))
            self._stats.malformed += 1
            self._out.append(generic_nack(error.status, error.sequence_number))
            self.flush()
            self._transport.close()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; so is whatever it still owed."""
        self._office.links.discard(self)
        self.state = session.CLOSED
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the link ended before the ESME answered"))
        self._waiting.clear()
        self.ended.set_result(None)

    # -- for the SMSC

    def listen(self, reading: bool) -> None:
        """Start or stop reading from the connection."""
        if self._transport.is_closing():
            return
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def request(self, pdu: bytes) -> asyncio.Future[Pdu]:
        """Send a request of the SMSC's own under its next sequence number; the future gets the ESME's answer."""
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        self._transport.write(pdu[:12] + self._sequence.to_bytes(4, "big") + pdu[16:])
        future: asyncio.Future[Pdu] = self._loop.create_future()
        self._waiting[self._sequence] = future
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # may go unread
        return future

    def unbind(self) -> asyncio.Future[Pdu]:
        """Ask the ESME to unbind."""
        return self.request(unbind(0))

    def abort(self) -> None:
        """End the connection with a reset."""
        self._transport.abort()

    def close(self) -> None:
        """End the connection after what was written."""
        self._transport.close()

    def flush(self) -> None:
        """Write what was answered since the last time, in one piece."""
        if self._out:
            if not self._transport.is_closing():
                self._transport.write(b"".join(self._out))
            self._out.clear()

    # -- PDUs

    def _take(self, pdus: list[bytes]) -> None:
        for octets in pdus:
            command_id = int.from_bytes(octets[4:8], "big")
            if command_id in MESSAGES and not self._behaviour.record and self.state in SENDING:
                self._from_header(command_id, octets)
            elif command_id & c.RESP:
                self._response(octets)
            else:
                self._request(command_id, octets)

    def _from_header(self, command_id: int, octets: bytes) -> None:
        self._stats.messages += 1
        self._stats.accepted += 1
        body = self._mailbox.next_id().encode() + b"\x00"
        answer = response(command_id, 0, int.from_bytes(octets[12:16], "big"), body)
        self._answer_message(answer)

    def _request(self, command_id: int, octets: bytes) -> None:
        sequence = int.from_bytes(octets[12:16], "big")
        answer = self._answers.get(command_id)
        status = session.refusal(session.FROM_ESME, self.state, command_id)
        if status == session.DROP:  # like what comes behind an unbind
            self._stats.malformed += 1
            return
        if answer is None or status == c.ESME_RINVCMDID:
            self._stats.malformed += 1
            self._out.append(generic_nack(c.ESME_RINVCMDID, sequence))
            return
        if status:
            self._out.append(response(command_id, status, sequence))
            return
        try:
            pdu = decode(octets)
        except PduError as error:
            self._stats.malformed += 1
            self._out.append(response(command_id, error.status, sequence))
            return
        answer(pdu, octets)

    def _response(self, octets: bytes) -> None:
        future = self._waiting.pop(int.from_bytes(octets[12:16], "big"), None)
        if future is None or future.done():
            return
        try:
            future.set_result(decode(octets))
        except PduError as error:
            self._stats.malformed += 1
            future.set_exception(error)

    def _plain(self, pdu: Pdu, octets: bytes) -> None:
        self._stats.other_requests += 1
        self._out.append(response(pdu.command_id, 0, pdu.sequence_number))

    def _unbind(self, pdu: Pdu, octets: bytes) -> None:
        self._plain(pdu, octets)
        self.state = session.CLOSED
        self.flush()
        self._transport.close()

    def _bind(self, pdu: Pdu, octets: bytes) -> None:
        system_id = text_field(pdu, "system_id")
        status = self._behaviour.status_of_bind(system_id, text_field(pdu, "password"))
        if status:
            self._stats.binds_refused += 1
            self._out.append(bind_resp(pdu.command_id, status, pdu.sequence_number))
            return
        self._stats.binds += 1
        self.state, self.system_id = session.EVENTS[session.BINDING, session.BOUND_EVENT[pdu.command_id]], system_id
        self.version = pdu.integer("interface_version") or c.VERSION_34
        stated = self._behaviour.version if self.version >= c.VERSION_34 else None
        self._out.append(
            bind_resp(
                pdu.command_id, 0, pdu.sequence_number,
                system_id=self._behaviour.system_id.encode(), sc_interface_version=stated,
            )
        )
        if self._behaviour.enquire_interval:
            self._later(self._behaviour.enquire_interval, self._enquire)

    def _message(self, pdu: Pdu, octets: bytes) -> None:
        self._stats.messages += 1
        status, unsuccessful = self._message_status(pdu)
        if status:
            self._stats.refused += 1
            self._answer_message(response(pdu.command_id, status, pdu.sequence_number))
            return
        if pdu.integer("replace_if_present_flag"):
            for earlier in self._mailbox.pending(
                text_field(pdu, "source_addr"), destinations(pdu)[0], text_field(pdu, "service_type")
            ):
                earlier.state = c.STATE_DELETED
        delivery = self._mailbox.accept(self.system_id, pdu, octets)
        self._stats.accepted += 1
        self._stats.tagged += delivery.tags is not None
        message_id = delivery.message_id.encode()
        if pdu.command_id == c.SUBMIT_MULTI:
            answer = submit_multi_resp(0, pdu.sequence_number, message_id=message_id, unsuccess_sme=unsuccessful)
        else:
            answer = message_resp(pdu.command_id, 0, pdu.sequence_number, message_id=message_id)
        self._answer_message(answer, delivery)

    def _message_status(self, pdu: Pdu) -> tuple[int, list[UnsuccessSme]]:
        """The status for a message, and for submit_multi the recipients that fail alone (SMPP 3.4 §4.5.2)."""
        if self._behaviour.throttle and self._office.random.random() < self._behaviour.throttle:
            self._stats.throttled += 1
            return c.ESME_RTHROTTLED, []
        if self._behaviour.window and self._unanswered >= self._behaviour.window:
            return c.ESME_RMSGQFUL, []
        statuses = self._behaviour.message_status
        if not statuses:
            return 0, []
        if pdu.command_id != c.SUBMIT_MULTI:
            return statuses.get(text_field(pdu, "destination_addr"), 0), []
        failing = [
            UnsuccessSme(0, 0, address, statuses[name])
            for address, name in zip(addresses(pdu), destinations(pdu), strict=True)
            if name in statuses
        ]
        return (failing[0].error_status_code, []) if len(failing) == len(destinations(pdu)) > 0 else (0, failing)

    def _answer_message(self, answer: bytes, delivery: Delivery | None = None) -> None:
        behaviour = self._behaviour
        held = delivery is not None and delivery.destination_addr in behaviour.hold
        if not held and not behaviour.delay and not behaviour.jitter:
            self._out.append(answer)
            self._deliver_later(delivery)
            return
        self._unanswered += 1

        def answer_now() -> None:
            self._unanswered -= 1
            self._out.append(answer)
            self._deliver_later(delivery)
            self.flush()

        if held:
            self._office.held.append(answer_now)
        else:
            self._later(behaviour.delay + self._office.random.random() * behaviour.jitter, answer_now)

    def _deliver_later(self, delivery: Delivery | None) -> None:
        if delivery is None or text_field(delivery.pdu, "schedule_delivery_time"):
            return
        if self._behaviour.deliver_after:
            self._loop.call_later(self._behaviour.deliver_after, self._deliver, delivery)
        elif registered_delivery(delivery.pdu):
            self._loop.call_soon(self._deliver, delivery)
        else:
            self._mailbox.finish(delivery)

    def _deliver(self, delivery: Delivery) -> None:
        wanted = {1: True, 2: delivery.destination_addr in self._behaviour.undeliverable}
        wanted[3] = not wanted[2]
        if not self._mailbox.finish(delivery) or not wanted.get(registered_delivery(delivery.pdu), False):
            return
        link = self if self.receives else self._office.receiver(delivery.system_id)
        if link is not None and self._behaviour.mode == "serve":
            self._stats.receipts += 1
            link.request(self._mailbox.receipt(delivery))

    # -- earlier messages

    def _query(self, pdu: Pdu, octets: bytes) -> None:
        self._stats.other_requests += 1
        delivery = self._earlier(pdu, c.ESME_RQUERYFAIL)
        if delivery is not None:
            done = b"" if delivery.done is None else f"{delivery.done:%y%m%d%H%M%S}000R".encode()
            self._out.append(
                query_sm_resp(
                    0, pdu.sequence_number,
                    message_id=delivery.message_id.encode(), final_date=done, message_state=delivery.state,
                )
            )

    def _replace(self, pdu: Pdu, octets: bytes) -> None:
        self._stats.other_requests += 1
        delivery = self._earlier(pdu, c.ESME_RREPLACEFAIL)
        if delivery is None:
            return
        if delivery.state != c.STATE_ENROUTE:
            self._out.append(response(c.REPLACE_SM, c.ESME_RREPLACEFAIL, pdu.sequence_number))
            return
        delivery.replace(pdu)
        self._out.append(response(c.REPLACE_SM, 0, pdu.sequence_number))

    def _cancel(self, pdu: Pdu, octets: bytes) -> None:
        self._stats.other_requests += 1
        if text_field(pdu, "message_id"):
            delivery = self._earlier(pdu, c.ESME_RCANCELFAIL)
            if delivery is None:
                return
            found = [delivery] if delivery.state == c.STATE_ENROUTE else []
        else:
            found = self._mailbox.pending(
                text_field(pdu, "source_addr"), text_field(pdu, "destination_addr"), text_field(pdu, "service_type")
            )
        for delivery in found:
            delivery.state = c.STATE_DELETED
        self._out.append(response(c.CANCEL_SM, 0 if found else c.ESME_RCANCELFAIL, pdu.sequence_number))

    def _earlier(self, pdu: Pdu, status: int) -> Delivery | None:
        """The message that a request names; when there is none, the request is answered with `status`."""
        delivery = self._mailbox.find(text_field(pdu, "message_id"), text_field(pdu, "source_addr"))
        if delivery is None:
            self._out.append(response(pdu.command_id, status, pdu.sequence_number))
        return delivery

    # -- time

    def _enquire(self) -> None:
        self.request(enquire_link(0))
        self._later(self._behaviour.enquire_interval, self._enquire)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = self._loop.call_later(seconds, act)
        self._timers.add(timer)
