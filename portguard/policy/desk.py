"""The engine for one message at a time: what `inspect` and `explain` ask.

Nouns: a *Message* is what somebody wants judged, as text or as a whole PDU; an *Outcome* is the verdict in names. The
message is put into a PDU and judged by the same engine that serves the path; nothing is decided here.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from portguard.policy.assembly import build_engine
from portguard.policy.engine import UNSOUND
from portguard.policy.ledger import Ledger
from portguard.policy.reasons import ACTION_NAMES, CATALOGUE, rules_of
from portguard.policy.revision import Revision
from portguard.smpp.constants import (
    COMMAND_NAME,
    DATA_SM,
    ESME_RINVEXPIRY,
    ESME_ROK,
    NPI_ISDN,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    TLV_MESSAGE_PAYLOAD,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    status_name,
)
from portguard.smpp.framing import frame_length
from portguard.smpp.scan import Scan, be32, scan_message
from portguard.sms.category import CATEGORY_NAMES, INDUSTRY_NAMES
from portguard.sms.charset import encode

_SHORT: Final = 254
_HEADER: Final = Struct(">IIII").pack
_TLV: Final = Struct(">HH").pack
_WITH_TEXT: Final = (SUBMIT_SM, DATA_SM, SUBMIT_MULTI, REPLACE_SM)
_MAX_PDU: Final = 1 << 20


class MessageError(ValueError):
    """A message that cannot be put on the wire as asked; says which field and why."""


@dataclass(slots=True)
class Message:
    """A message to judge. `at` is epoch seconds; `arrived` says that `at` is when it came in, so that rates count too.
    `pdu`, a whole PDU, stands in for all fields but account and at."""

    account: str
    source_addr: str = ""
    destination_addr: str = ""
    text: str = ""
    data_coding: int = 8
    at: float = 0.0
    arrived: bool = False
    pdu: bytes = b""


@dataclass(slots=True)
class Outcome:
    """The verdict in names: `rule` is "" and `code` 0 for allow; `status` is the command_status of a refusal."""

    action: str
    rule: str
    code: int
    signature: str
    category: str
    industry: str
    revision: str
    status: str = ""
    hits: list[str] = field(default_factory=list)


class Desk:
    """Judges messages under one revision. `own_tags` are the four TLV tags of `[tag]`."""

    def __init__(self, revision: Revision, own_tags: list[int], ledger: Ledger | None = None) -> None:
        self.revision = revision
        # Whoever asks here may ask why.
        revision.noting = True
        self.engine = build_engine(revision)
        self.engine.ledger = ledger
        self._judged = b""
        self._clock = -1.0
        self.scan = Scan(own_tags)

    def judge(self, message: Message) -> Outcome:
        """The engine's verdict; MessageError when the message has no form on the wire."""
        engine = self.engine
        # The clock is the message's own: monotonic time is taken for the time of day.
        if message.at != self._clock:
            self._clock = message.at
            engine.set_clock(message.at, message.at)
            if engine.refit(message.at):
                engine.swap(self.revision)
        account = engine.account(message.account)
        pdu = message.pdu or self._pdu(message, account.charset)
        self._scanned(pdu)
        self._judged = pdu
        tps, account.tps = account.tps, account.tps if message.arrived else 0
        try:
            action = engine.judge(account, self.scan, pdu, message.at)
        except Exception:
            # As on the path: a fault in the decision has a verdict of its own, and is counted.
            action = engine.failed(account, pdu, message.at)
        finally:
            account.tps = tps
        if action == UNSOUND:
            field = "validity_period" if engine.status == ESME_RINVEXPIRY else "schedule_delivery_time"
            raise MessageError(f"pdu: {field} is answered {status_name(engine.status)}")
        return self._outcome()

    @property
    def region(self) -> str:
        """Region of the recipient of the message judged last, "" when it is unknown or there are several."""
        scan = self.scan
        if scan.command_id == SUBMIT_MULTI:
            return ""
        return self.revision.region_of(self._judged[scan.dest_start : scan.dest_end], int(scan.dest_ton))

    def _outcome(self) -> Outcome:
        engine = self.engine
        rule = CATALOGUE[engine.rule] if engine.rule >= 0 else None
        return Outcome(
            action=ACTION_NAMES[engine.action],
            rule=rule.name if rule else "",
            code=rule.code if rule else 0,
            signature=engine.grant.signature,
            category=CATEGORY_NAMES[engine.category],
            industry=INDUSTRY_NAMES[engine.industry],
            revision=self.revision.digest,
            status=status_name(engine.status) if ACTION_NAMES[engine.action] == "reject" else "",
            hits=[hit.name for hit in rules_of(engine.hits)] if engine.hits else [],
        )

    def _scanned(self, pdu: bytes) -> None:
        """Scan a whole PDU with text."""
        if frame_length(pdu, 0, len(pdu), _MAX_PDU) != len(pdu) or be32(pdu, 4) not in _WITH_TEXT:
            names = ", ".join(COMMAND_NAME[command] for command in _WITH_TEXT)
            raise MessageError(f"pdu: expected one whole PDU, {names}")
        command = be32(pdu, 4)
        status = scan_message(self.scan, pdu, 0, len(pdu), command)
        if status != ESME_ROK:
            raise MessageError(f"pdu: {COMMAND_NAME[command]} is answered {status_name(status)}")

    @staticmethod
    def _pdu(message: Message, charset: int) -> bytes:
        """submit_sm for the fields; text over 254 octets goes into message_payload (SMPP 3.4 §5.3.2.32)."""
        if not 0 <= message.data_coding <= 255:
            raise MessageError(f"data_coding: {message.data_coding} is outside 0 to 255")
        try:
            body = encode(message.text, message.data_coding, charset)
        except ValueError as error:
            raise MessageError(f"text: {error}") from error
        if len(body) > 0xFFFF:
            raise MessageError(f"text: {len(body)} octets do not fit into a message_payload of 65535")
        source = _address(message.source_addr, "source_addr")
        destination = _address(message.destination_addr.removeprefix("+"), "destination_addr")
        source_ton = 0 if source.isdigit() or not source else TON_ALPHANUMERIC
        dest_ton = TON_INTERNATIONAL if message.destination_addr.startswith("+") else 0
        return submit_sm_of(source_ton, source, dest_ton, destination, message.data_coding, body)


def submit_sm_of(source_ton: int, source: bytes, dest_ton: int, destination: bytes, coding: int, body: bytes) -> bytes:
    """A submit_sm of sequence 1 (SMPP 3.4 §4.4.1): the octets of `smpp.encode.submit_sm`, which takes ten times as long
    for them; files of millions of messages come this way."""
    if len(body) <= _SHORT:
        text = b"".join((bytes((coding, 0, len(body))), body))
    else:
        text = b"".join((bytes((coding, 0, 0)), _TLV(TLV_MESSAGE_PAYLOAD, len(body)), body))
    # service_type, source, destination, and then everything up to data_coding: zero or empty.
    addresses = b"".join(
        (b"\0", bytes((source_ton, NPI_ISDN)), source, b"\0", bytes((dest_ton, NPI_ISDN)), destination, b"\0" * 8)
    )
    return b"".join((_HEADER(16 + len(addresses) + len(text), SUBMIT_SM, 0, 1), addresses, text))


def _address(text: str, name: str) -> bytes:
    try:
        address = text.encode("ascii")
    except UnicodeEncodeError as error:
        raise MessageError(f"{name}: {text!r} is not ASCII") from error
    if len(address) > 20 or b"\0" in address:
        raise MessageError(f"{name}: longer than the 20 octets of SMPP 3.4 §4.4.1")
    return address
