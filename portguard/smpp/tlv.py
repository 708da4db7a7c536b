"""Optional parameters (tag, length, value) of a PDU, found and changed in place of its bytes (SMPP 3.4 §3.2.4.1).

Nouns: a *TLV* is two octets of tag, two of length and the value; the *stream* is all of them, from the end of the
mandatory parameters to the end of the PDU. Tags are plain numbers: a vendor's are as good as the specification's,
and a tag may come more than once. What a value means is nobody's business here.
"""

from collections.abc import Collection, Iterable
from struct import Struct

from portguard.smpp import fields
from portguard.smpp.constants import ESME_RINVOPTPARSTREAM
from portguard.smpp.errors import PduError

_HEAD = Struct(">HH")
_LENGTH = Struct(">I")


def tlvs(buf: bytes, pos: int, end: int) -> list[tuple[int, int, int]]:
    """(tag, start of the value, its length) of each TLV in buf[pos:end], in order.

    PduError ESME_RINVOPTPARSTREAM when the stream does not end where a TLV does.
    """
    found = []
    while pos < end:
        if end - pos < _HEAD.size:
            raise PduError(f"{end - pos} octets behind the last TLV", ESME_RINVOPTPARSTREAM)
        tag, length = _HEAD.unpack_from(buf, pos)
        pos += _HEAD.size
        if end - pos < length:
            raise PduError(f"TLV 0x{tag:04X} of {length} octets goes beyond the PDU", ESME_RINVOPTPARSTREAM)
        found.append((tag, pos, length))
        pos += length
    return found


def stream(tlv: Iterable[tuple[int, bytes]]) -> bytes:
    """The octets of TLVs given as (tag, value); ValueError when one does not fit its tag or length."""
    out = []
    for tag, value in tlv:
        if not 0 <= tag <= 0xFFFF:
            raise ValueError(f"TLV tag {tag} does not fit into two octets")
        if len(value) > 0xFFFF:
            raise ValueError(f"TLV 0x{tag:04X} of {len(value)} octets is longer than 65535")
        out.append(_HEAD.pack(tag, len(value)) + value)
    return b"".join(out)


def strip(pdu: bytes, tags: Collection[int], start: int = -1) -> bytes:
    """The PDU without the TLVs whose tag is among tags, its command_length made right; the same object if none is.

    start is where the TLV stream begins, when the caller knows it. PduError for an ill-formed PDU.
    """
    if start < 0:
        start = fields.end(pdu)
    kept = pdu[:start]
    for tag, value, length in tlvs(pdu, start, len(pdu)):
        if tag not in tags:
            kept += pdu[value - _HEAD.size : value + length]
    return pdu if len(kept) == len(pdu) else _LENGTH.pack(len(kept)) + kept[4:]


def append(pdu: bytes, tlv: Iterable[tuple[int, bytes]]) -> bytes:
    """The PDU with TLVs (tag, value) at its end, its command_length made right."""
    added = stream(tlv)
    return _LENGTH.pack(len(pdu) + len(added)) + pdu[4:] + added
