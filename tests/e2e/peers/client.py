"""What a test asks of an ESME, whichever library plays it.

Nouns: a *message* is what to send, already octets; an *answer* is what came back for it; a *delivery* is a deliver_sm.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

ADDRESS = "127.0.0.1"
ANSWER_SECONDS = 30.0
UDHI = 0x40
UNSAID = 0xFFFFFFFF
TLV_MESSAGE_PAYLOAD = 0x0424

Mode = Literal["transmitter", "receiver", "transceiver"]


@dataclass(frozen=True, slots=True)
class Message:
    """One submit_sm (SMPP 3.4 §4.4.1). `body` is the short_message, or the message_payload when `payload` is set."""

    source: str
    destination: str
    body: bytes
    data_coding: int = 8
    esm_class: int = 0
    source_ton: int = 0
    registered_delivery: int = 0
    payload: bool = False
    tlvs: tuple[tuple[int, bytes], ...] = ()


def text(source: str, destination: str, content: str, **more: Any) -> Message:
    """A message of `content` as UTF-16BE (data_coding 8)."""
    return Message(source, destination, content.encode("utf-16-be"), **more)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one message. `sequence` is 0 where the library keeps sequence_number to itself."""

    status: int
    message_id: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliver_sm that the client received and acknowledged."""

    source: str
    destination: str
    esm_class: int
    body: bytes


class BindRefused(Exception):
    """The bind was answered with `status`; UNSAID when the library does not say which."""

    def __init__(self, status: int) -> None:
        super().__init__(f"bind answered {status:#010x}")
        self.status = status


class LinkLost(Exception):
    """The link ended while messages were unanswered. `answers` holds those that came, by index of the message."""

    def __init__(self, answers: dict[int, Answer]) -> None:
        super().__init__(f"link lost after {len(answers)} answers")
        self.answers = answers


class Client(Protocol):
    """One ESME link. `lacks` names what the library cannot put on the wire: `tlv` (SAR beside a UDH), `vendor-tlv`,
    `two-bodies` (short_message and message_payload), `gbk` (data_coding 15)."""

    name: ClassVar[str]
    lacks: ClassVar[frozenset[str]]

    def bind(self, port: int, system_id: str, mode: Mode = "transceiver", window: int = 10) -> None:
        """Connects to `port` of the loopback and binds. Raises BindRefused, or ConnectionError without any answer."""

    def start(self, messages: Sequence[Message]) -> Future[list[Answer]]:
        """Begins to send, at most `window` unanswered; the answers come in the order of the messages, or LinkLost."""

    def deliveries(self) -> list[Delivery]:
        """The deliver_sm received so far."""

    def unbind(self) -> None:
        """Unbinds; returns when the unbind_resp is there and the link is closed."""

    def close(self) -> None:
        """Ends the link and whatever plays it, without a word if it is still bound."""


def send(client: Client, messages: Sequence[Message], seconds: float = ANSWER_SECONDS) -> list[Answer]:
    """Sends and waits for every answer."""
    return client.start(messages).result(seconds)
