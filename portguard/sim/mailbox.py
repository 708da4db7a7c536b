"""What the simulated SMSC accepted: message ids, states, receipts, and the tags found on each message.

The states are those of SMPP 3.4 §5.2.28. A message is ENROUTE until it is delivered; only then can it no longer be
replaced or cancelled.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portguard.sim.behaviour import ID_FORMATS, Behaviour
from portguard.sim.coding import decode, user_data
from portguard.smpp.constants import (
    ESM_RECEIPT,
    ESM_UDHI,
    STATE_DELIVERED,
    STATE_ENROUTE,
    STATE_UNDELIVERABLE,
    SUBMIT_MULTI,
    TLV_MESSAGE_PAYLOAD,
    TLV_MESSAGE_STATE,
    TLV_RECEIPTED_MESSAGE_ID,
    command_name,
)
from portguard.smpp.encode import deliver_sm, receipt_text
from portguard.smpp.fields import DistributionList
from portguard.smpp.pdu import Pdu

# The vendor TLVs that portguard adds under its default settings.
TAG_VERDICT: Final = 0x1D01
TAG_REASON: Final = 0x1D02
TAG_REVISION: Final = 0x1D03
TAG_CATEGORY: Final = 0x1D04
VERDICTS: Final = {1: "tagged", 2: "would be rejected", 3: "would be discarded"}
CATEGORIES: Final = ("unknown", "verification", "notification", "marketing", "personal")


@dataclass(frozen=True, slots=True)
class Tags:
    """portguard's TLVs on a message: what it would have done, the rule's code, the registry revision, the category."""

    verdict: str = ""
    reason: int = 0
    revision: str = ""
    category: str = ""


@dataclass(slots=True)
class Delivery:
    """One message that the SMSC accepted, as it came."""

    message_id: str
    system_id: str
    pdu: Pdu
    octets: bytes
    at: datetime
    state: int = STATE_ENROUTE
    done: datetime | None = None
    replaced_by: bytes | None = None

    @property
    def command(self) -> str:
        """Its command's name, e.g. "submit_sm"."""
        return command_name(self.pdu.command_id)

    @property
    def source_addr(self) -> str:
        """Its source_addr."""
        return text_field(self.pdu, "source_addr")

    @property
    def destinations(self) -> list[str]:
        """Its recipients; more than one for submit_multi only."""
        return destinations(self.pdu)

    @property
    def destination_addr(self) -> str:
        """Its first recipient."""
        return self.destinations[0]

    @property
    def data_coding(self) -> int:
        """Its data_coding."""
        return self.pdu.integer("data_coding")

    @property
    def body(self) -> bytes:
        """The octets of short_message, or of message_payload when short_message is empty; with any UDH."""
        return body(self.pdu)

    @property
    def text(self) -> str:
        """Its text, after a user data header; as replaced, if it was."""
        if self.replaced_by is not None:
            return decode(self.replaced_by, self.data_coding)
        return decode(user_data(self.body, bool(self.pdu.integer("esm_class") & ESM_UDHI)), self.data_coding)

    @property
    def tags(self) -> Tags | None:
        """portguard's tags on it, or None."""
        return tags(self.pdu)

    def replace(self, pdu: Pdu) -> None:
        """Put the text of a replace_sm in place of its own."""
        self.replaced_by = body(pdu)

    def as_row(self) -> dict[str, Any]:
        """What a line of the simulator's JSON output holds."""
        row: dict[str, Any] = {
            "at": self.at.isoformat(timespec="milliseconds"), "system_id": self.system_id, "command": self.command,
            "message_id": self.message_id, "source_addr": self.source_addr, "destination_addr": self.destination_addr,
            "data_coding": self.data_coding, "text": self.text,
        }
        if len(self.destinations) > 1:
            row["destinations"] = self.destinations
        found = self.tags
        if found is not None:
            row["tags"] = {
                "verdict": found.verdict, "reason": found.reason, "revision": found.revision,
                "category": found.category,
            }
        return row


class Mailbox:
    """The accepted messages, newest last, bounded by `behaviour.keep`; `listeners` hear of each as it is accepted."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._next = behaviour.first_id
        self._by_id: dict[str, Delivery] = {}
        self.delivered: deque[Delivery] = deque()
        self.listeners: list[Callable[[Delivery], None]] = []

    def next_id(self) -> str:
        """A fresh message_id in the format asked for."""
        number = self._next
        self._next += 1
        return ID_FORMATS[self._behaviour.id_format].format(number)

    def accept(self, system_id: str, pdu: Pdu, octets: bytes) -> Delivery:
        """Keep a message under a new message_id; an older one gives way when the bound is reached."""
        delivery = Delivery(self.next_id(), system_id, pdu, octets, datetime.now().astimezone())
        if len(self.delivered) >= self._behaviour.keep:
            self._by_id.pop(self.delivered.popleft().message_id, None)
        self.delivered.append(delivery)
        self._by_id[delivery.message_id] = delivery
        for listener in self.listeners:
            listener(delivery)
        return delivery

    def find(self, message_id: str, source_addr: str) -> Delivery | None:
        """The message of that id, if it came from that source_addr (SMPP 3.4 §4.8.1: both must match)."""
        delivery = self._by_id.get(message_id)
        return delivery if delivery is not None and delivery.source_addr == source_addr else None

    def pending(self, source_addr: str, destination_addr: str, service_type: str) -> list[Delivery]:
        """Undelivered messages of that source, destination and, unless empty, service_type (SMPP 3.4 §4.9.1)."""
        return [
            delivery
            for delivery in self.delivered
            if delivery.state == STATE_ENROUTE
            and delivery.source_addr == source_addr
            and delivery.destination_addr == destination_addr
            and service_type in ("", text_field(delivery.pdu, "service_type"))
        ]

    def finish(self, delivery: Delivery) -> bool:
        """Deliver a message that is still ENROUTE; False when it no longer is."""
        if delivery.state != STATE_ENROUTE:
            return False
        delivery.done = datetime.now().astimezone()
        lost = delivery.destination_addr in self._behaviour.undeliverable
        delivery.state = STATE_UNDELIVERABLE if lost else STATE_DELIVERED
        return True

    def receipt_id(self, delivery: Delivery) -> str:
        """The message_id as the receipt writes it: real SMSCs often use another base there."""
        other = self._behaviour.receipt_id_format
        if other is None:
            return delivery.message_id
        base = 16 if self._behaviour.id_format.startswith("hex") else 10
        return ID_FORMATS[other].format(int(delivery.message_id, base))

    def receipt(self, delivery: Delivery) -> bytes:
        """A delivery receipt as deliver_sm with sequence number 0, in the customary form (SMPP 3.4 appendix B)."""
        reached = delivery.state == STATE_DELIVERED
        name = self.receipt_id(delivery).encode()
        text = receipt_text(
            name, b"DELIVRD" if reached else b"UNDELIV",
            submit_date=_minute(delivery.at), done_date=_minute(delivery.done or delivery.at),
            error=b"000" if reached else b"001",
        )
        return deliver_sm(
            0,
            source_addr=delivery.destination_addr.encode("latin-1"),
            destination_addr=delivery.source_addr.encode("latin-1"),
            short_message=text,
            esm_class=ESM_RECEIPT,
            tlvs=[(TLV_RECEIPTED_MESSAGE_ID, name + b"\x00"), (TLV_MESSAGE_STATE, bytes((delivery.state,)))],
        )


def _minute(at: datetime) -> bytes:
    return f"{at:%y%m%d%H%M}".encode()


def destinations(pdu: Pdu) -> list[str]:
    """Its recipients: destination_addr, or those of a submit_multi, lists by name (SMPP 3.4 §4.5.1)."""
    if pdu.command_id != SUBMIT_MULTI:
        return [text_field(pdu, "destination_addr")]
    return [address.decode("latin-1") for address in addresses(pdu)]


def addresses(pdu: Pdu) -> list[bytes]:
    """The recipients of a submit_multi, lists by name."""
    many = pdu.fields["dest_address"]
    assert isinstance(many, list)
    return [one.dl_name if isinstance(one, DistributionList) else one.addr for one in many]


def text_field(pdu: Pdu, name: str) -> str:
    """A C-octet string field as text; "" when the PDU has no such field."""
    return pdu.octets(name).decode("latin-1")


def body(pdu: Pdu) -> bytes:
    """short_message, or message_payload when that is empty."""
    return pdu.octets("short_message") or pdu.tlv(TLV_MESSAGE_PAYLOAD) or b""


def registered_delivery(pdu: Pdu) -> int:
    """The two bits that ask for a final receipt: 0 none, 1 always, 2 on failure, 3 on success (SMPP 5.0 §4.7.21)."""
    return pdu.integer("registered_delivery") & 3


def tags(pdu: Pdu) -> Tags | None:
    """portguard's TLVs, decoded, or None when the PDU has none of them."""
    verdict, reason = pdu.tlv(TAG_VERDICT), pdu.tlv(TAG_REASON)
    revision, category = pdu.tlv(TAG_REVISION), pdu.tlv(TAG_CATEGORY)
    if verdict is None and reason is None and revision is None and category is None:
        return None
    number = int.from_bytes(category or b"", "big")
    return Tags(
        verdict=VERDICTS.get(int.from_bytes(verdict or b"", "big"), (verdict or b"").hex()),
        reason=int.from_bytes(reason or b"", "big"),
        revision=(revision or b"").hex(),
        category=CATEGORIES[number] if number < len(CATEGORIES) else str(number),
    )
