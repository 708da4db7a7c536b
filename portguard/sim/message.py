"""One message of a traffic mix: what to send, as an ESME would write it, and what should become of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal

from portguard.sim.coding import encode
from portguard.smpp import constants as c
from portguard.smpp.encode import data_sm, submit_sm

Via = Literal["submit_sm", "data_sm"]
Carrier = Literal["auto", "short_message", "message_payload", "both"]

CHINA: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Message:
    """A message, the account that sends it, and the designed outcome under the sample registry in mode "enforce".

    `action` is allow, tag, reject or discard, and `rule` the name of the rule behind it. `body` replaces the octets
    that `text` would give. `carrier` "auto" is short_message as long as it fits. `deliver_at`, "HH:MM" in China's
    time, asks the SMSC to deliver at the next such time; "" at once.
    """

    account: str
    source_addr: str
    destination_addr: str
    text: str
    action: str = "allow"
    rule: str = ""
    data_coding: int = c.DC_UCS2
    via: Via = "submit_sm"
    carrier: Carrier = "auto"
    body: bytes | None = None
    deliver_at: str = ""
    source_ton: int = c.TON_UNKNOWN
    esm_class: int = 0
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    tlvs: tuple[tuple[int, bytes], ...] = ()
    about: str = ""

    @property
    def octets(self) -> bytes:
        """The octets of its body."""
        return encode(self.text, self.data_coding) if self.body is None else self.body

    def pdu(self, now: datetime | None = None) -> bytes:
        """It as a submit_sm or data_sm with sequence number 0; `now` is what `deliver_at` counts from."""
        return self._encoded(now) if self.deliver_at else _encoded_once(self)

    def _encoded(self, now: datetime | None) -> bytes:
        octets = self.octets
        carrier = self.carrier
        if carrier == "auto":
            carrier = "short_message" if len(octets) <= c.MAX_SHORT_MESSAGE else "message_payload"
        if self.via == "data_sm":
            carrier = "message_payload"
        tlvs = list(self.tlvs)
        if carrier in ("message_payload", "both"):
            tlvs.append((c.TLV_MESSAGE_PAYLOAD, octets))
        if self.via == "data_sm":
            return data_sm(
                0,
                source_addr_ton=self.source_ton,
                source_addr=self.source_addr.encode(),
                destination_addr=self.destination_addr.encode(),
                esm_class=self.esm_class,
                registered_delivery=self.registered_delivery,
                data_coding=self.data_coding,
                tlvs=tlvs,
            )
        return submit_sm(
            0,
            source_addr_ton=self.source_ton,
            source_addr=self.source_addr.encode(),
            destination_addr=self.destination_addr.encode(),
            esm_class=self.esm_class,
            schedule_delivery_time=self.delivery_time(now),
            registered_delivery=self.registered_delivery,
            data_coding=self.data_coding,
            sm_default_msg_id=self.sm_default_msg_id,
            short_message=b"" if carrier == "message_payload" else octets,
            tlvs=tlvs,
        )

    def delivery_time(self, now: datetime | None = None) -> bytes:
        """schedule_delivery_time, absolute, in quarter hours ahead of UTC (SMPP 3.4 §7.1.1)."""
        if not self.deliver_at:
            return b""
        now = datetime.now(CHINA) if now is None else now.astimezone(CHINA)
        hour, minute = map(int, self.deliver_at.split(":"))
        due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if due <= now:
            due += timedelta(days=1)
        return due.strftime("%y%m%d%H%M%S").encode() + b"032+"


@lru_cache(maxsize=4096)
def _encoded_once(message: Message) -> bytes:
    """A mix sends the same messages over and over; encoding is most of what an ESME spends on them."""
    return message._encoded(None)
