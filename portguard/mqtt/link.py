"""One connection to the broker: aiomqtt's client, with what this room needs of MQTT 5 beyond it.

A broker's PUBACK may be a refusal; its CONNACK says how many messages may be on their way and how long they may be; a
command is acknowledged when it has been done, not when it has come. A link is used once: after its end a new one is
made.
"""

import asyncio
import contextlib
import logging
import threading
from typing import Any, Final, Protocol

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from portguard.mqtt import access
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing

ANSWER_SECONDS: Final = 10.0
# Commands that the broker may have sent and that are not done yet.
RECEIVE_MAXIMUM: Final = 32
MOST_ON_THEIR_WAY: Final = 20
LONGEST_PACKET: Final = 268_435_455
# Room for the topic and the properties beside a payload.
OVERHEAD: Final = 2_048
# The reason of a PUBACK after which the same message would be refused again: payload format invalid (MQTT 5 §3.4.2.1).
NEVER: Final = 0x99

log = logging.getLogger("portguard.mqtt")
# What the library says of each loss is said once, by the client, in this house's words.
_library: Final = logging.getLogger("portguard.mqtt.library")
_library.setLevel(logging.CRITICAL)


class Refused(Exception):
    """The broker has the message and will not take it; `forever` when it never will. The message gives its reason."""

    def __init__(self, reason: str, *, forever: bool) -> None:
        super().__init__(reason)
        self.forever = forever


class Sends(Protocol):
    """What a feed needs of a link."""

    async def send(self, message: Outgoing) -> None:
        """Publish, and return once the broker has it. Raises Refused, aiomqtt.MqttError."""


class Link(aiomqtt.Client):
    """`open`, then use, then `close` or `abandon`. `session_present`: the broker has kept what this client awaits."""

    def __init__(self, options: MqttOptions, client_id: str, will: Outgoing, *, awaits: bool) -> None:
        host, port = options.broker()
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.ReceiveMaximum = RECEIVE_MAXIMUM
        # Beyond the permitted length there is room for what is refused with a reply; the broker drops what is longer.
        connect.MaximumPacketSize = min(2 * options.command_bytes + OVERHEAD, LONGEST_PACKET)
        if awaits and options.session_expiry:
            connect.SessionExpiryInterval = options.session_expiry
        last_word = will.properties(PacketTypes.WILLMESSAGE)
        super().__init__(
            host, port, username=options.username or None, password=access.password(options), identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5, clean_start=not awaits, keepalive=options.keepalive,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain, last_word),
            tls_context=access.tls_context(options), properties=connect, timeout=ANSWER_SECONDS, logger=_library,
        )
        self._client.manual_ack_set(True)
        self.session_present = False
        self.longest = LONGEST_PACKET
        self.dropped = 0
        self._slots = asyncio.Semaphore(MOST_ON_THEIR_WAY)
        self._under_way: dict[int, asyncio.Future[ReasonCode]] = {}
        self._unacknowledged: dict[int, bool] = {}
        self._owner = threading.get_ident()
        self._connecting_lock = threading.Lock()
        self._connecting = False
        self._abandoned = False
        self._disconnected.add_done_callback(self._ended)

    async def open(self) -> None:
        """Connect. Raises aiomqtt.MqttError."""
        try:
            await self.__aenter__()
        except BaseException:
            self.abandon()
            raise

    async def close(self) -> None:
        """Take leave, so that the broker does not publish the will. Raises aiomqtt.MqttError."""
        await self.__aexit__(None, None, None)

    def abandon(self) -> None:
        """End it as a lost one ends: the broker publishes the will. Of a link that has ended already, nothing."""
        with self._connecting_lock:
            self._abandoned = True
            connecting = self._connecting
        if not connecting:
            self._client._sock_close()
        if not self._disconnected.done():
            self._disconnected.set_exception(aiomqtt.MqttError("abandoned"))

    async def send(self, message: Outgoing) -> None:
        """Publish, and return once the broker has it. In the order of the calls. Raises Refused, aiomqtt.MqttError."""
        if len(message.payload) + OVERHEAD > self.longest:
            raise Refused(f"the broker takes packets of at most {self.longest} octets", forever=True)
        async with self._slots:
            info = self._client.publish(
                message.topic, message.payload, message.qos, message.retain, message.properties()
            )
            if info.rc != paho.MQTT_ERR_SUCCESS:
                raise aiomqtt.MqttCodeError(info.rc)
            answer = self._under_way[info.mid] = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    reason = await answer
            except TimeoutError:
                raise aiomqtt.MqttError(f"no answer from the broker within {ANSWER_SECONDS:.0f} s") from None
            finally:
                self._under_way.pop(info.mid, None)
        if reason.is_failure:
            raise Refused(f"{message.topic}: the broker says {str(reason).lower()}", forever=reason.value == NEVER)

    def done(self, message: aiomqtt.Message) -> None:
        """Acknowledge a received message. The acknowledgements go out in the order in which the messages came
        (MQTT 5 §4.6)."""
        if message.qos == 0 or message.mid not in self._unacknowledged:
            return
        self._unacknowledged[message.mid] = True
        while self._unacknowledged:
            oldest = next(iter(self._unacknowledged))
            if not self._unacknowledged[oldest]:
                break
            del self._unacknowledged[oldest]
            self._client.ack(oldest, 1)

    def _ended(self, disconnected: asyncio.Future[None]) -> None:
        """Nobody waits any longer for what the broker can no longer answer."""
        error = None if disconnected.cancelled() else disconnected.exception()
        for answer in self._under_way.values():
            if not answer.done():
                answer.set_exception(aiomqtt.MqttError(f"the connection ended: {error or 'as it should'}"))

    # ---- called by the library

    def _client_connect(self) -> None:
        """In a thread, since it blocks, and so not to be cancelled: a socket that nobody wants any more is closed here,
        by way of the loop, which may have been told of it."""
        self._connecting = True
        try:
            super()._client_connect()
        finally:
            with self._connecting_lock:
                self._connecting = False
                unwanted = self._abandoned
            if unwanted:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._client._sock_close)

    def _on_connect(
        self, client: paho.Client, userdata: Any, flags: paho.ConnectFlags, reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        self.longest = getattr(properties, "MaximumPacketSize", LONGEST_PACKET)
        self._slots = asyncio.Semaphore(min(getattr(properties, "ReceiveMaximum", 65_535), MOST_ON_THEIR_WAY))
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        answer = self._under_way.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        # What has to be acknowledged is bounded by RECEIVE_MAXIMUM; nothing but this bounds the rest.
        if message.qos == 0 and self._queue.qsize() >= RECEIVE_MAXIMUM:
            self.dropped += 1
            return
        if message.qos > 0:
            self._unacknowledged[message.mid] = False
        super()._on_message(client, userdata, message)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if threading.get_ident() != self._owner:
            super()._on_socket_register_write(client, userdata, sock)
            return
        # The library would leave it to the next turn of the loop, and by then the descriptor may be another's.
        self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
