"""Any PDU as named values, and back: for tools, simulators and tests, and for what the proxy seldom meets.

Nouns: a `Pdu` is a header, the mandatory `fields` by the specification's names, and the `tlvs` in their order.
`decode` and `encode` are exact inverses: `encode(decode(octets)) == octets` for everything that decodes. The layouts
are in `fields`; nothing here is on the path of a passing message.
"""

from dataclasses import dataclass, field
from struct import Struct

from portguard.smpp import constants as c
from portguard.smpp import fields as layouts
from portguard.smpp import tlv as streams
from portguard.smpp.errors import FramingError
from portguard.smpp.fields import Value

_HEADER = Struct(">IIII")


@dataclass(slots=True)
class Pdu:
    """One PDU. Integers are int, C-octet strings bytes without their NUL, short_message the sm_length octets.

    `dest_address` is a list of SmeAddress and DistributionList, `unsuccess_sme` one of UnsuccessSme. A response
    without a body has no fields.
    """

    command_id: int
    command_status: int = c.ESME_ROK
    sequence_number: int = 0
    fields: dict[str, Value] = field(default_factory=dict)
    tlvs: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The command's name, for people."""
        return c.command_name(self.command_id)

    def integer(self, name: str) -> int:
        """The integer field of that name; 0 when this PDU has none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else 0

    def octets(self, name: str) -> bytes:
        """The string field of that name, or short_message; b"" when this PDU has none."""
        value = self.fields.get(name)
        return value if isinstance(value, bytes) else b""

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first TLV with that tag; None when there is none."""
        return next((value for found, value in self.tlvs if found == tag), None)


def decode(pdu: bytes) -> Pdu:
    """One whole PDU, read.

    PduError with the command_status to answer with when its body is ill-formed; FramingError when its command_length
    is not the number of octets given. The body of any response may be left out (SMPP 3.4 §4.4.2 permits it with an
    error; many SMSCs leave it out of every deliver_sm_resp).
    """
    if len(pdu) < c.HEADER_LENGTH:
        raise FramingError(f"{len(pdu)} octets are no PDU")
    length, command_id, status, seq = _HEADER.unpack_from(pdu)
    if length != len(pdu):
        raise FramingError(f"command_length {length} over {len(pdu)} octets", sequence_number=seq)
    found = Pdu(command_id, status, seq)
    layout = layouts.layout(command_id)
    if command_id & c.RESP and length == c.HEADER_LENGTH:
        return found
    reader = layouts.Reader(pdu)
    for one in layout:
        found.fields[one.name] = reader.value(one)
    found.tlvs = [(tag, pdu[start : start + size]) for tag, start, size in streams.tlvs(pdu, reader.pos, length)]
    return found


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU; ValueError when a field is missing, none of this command's, or does not fit."""
    layout = layouts.LAYOUT.get(pdu.command_id)
    if layout is None:
        raise ValueError(f"command_id {c.command_name(pdu.command_id)} is unknown")
    names = {one.name for one in layout}
    strange = sorted(set(pdu.fields) - names)
    if strange:
        raise ValueError(f"{pdu.name} has no {', '.join(strange)}")
    if not pdu.fields and not pdu.tlvs and pdu.command_id & c.RESP:
        return _HEADER.pack(c.HEADER_LENGTH, pdu.command_id, pdu.command_status, pdu.sequence_number)
    missing = [one.name for one in layout if one.name not in pdu.fields]
    if missing:
        raise ValueError(f"{pdu.name} lacks {', '.join(missing)}")
    body = b"".join(layouts.write(one, pdu.fields[one.name]) for one in layout) + streams.stream(pdu.tlvs)
    return _HEADER.pack(c.HEADER_LENGTH + len(body), pdu.command_id, pdu.command_status, pdu.sequence_number) + body
