"""Messages answered with success and never delivered: their message_ids, and their receipts.

Noun: `DiscardIds` makes a message_id of a time and a truncated keyed MAC, so that any process with the key recognises
it later without having remembered it, and nobody without the key can make one.
"""

from datetime import UTC, datetime
from hashlib import blake2s
from hmac import compare_digest

from portguard.smpp import constants as c
from portguard.smpp.encode import deliver_sm, receipt_text

_HEX = (11, 12)
_HEX_SHORT = (3, 5)
_DECIMAL = (13, 12)
_DECIMAL_SHORT = (4, 4)


class DiscardIds:
    """message_ids in the operator's format, `style` hex or decimal. `short` ones fit SMPP 3.3's eight digits: their
    time is a counter only, and one foreign id in 2^20 (hex) or 10^4 (decimal) is mistaken for one of them."""

    def __init__(self, key: bytes, style: str) -> None:
        if len(key) < 16:
            raise ValueError("the key of discarded messages' ids has at least 16 octets")
        self._key = key
        self._decimal = style == "decimal"
        self._last = 0

    def make(self, system_id: str, wall: float, *, short: bool) -> bytes:
        """A new message_id for a message of this account, discarded at `wall` (epoch seconds)."""
        # Never the same twice in one process, however many are discarded in a millisecond.
        self._last = max(int(wall * 1000), self._last + 1)
        digits, mac_digits = self._widths(short)
        time = (f"{self._last:0{digits}}" if self._decimal else f"{self._last:0{digits}x}")[-digits:]
        return (time + self._mac(system_id, time, mac_digits)).encode("ascii")

    def issued(self, system_id: str, message_id: bytes) -> float:
        """When this message_id was made for this account (epoch seconds; 0.0 for a short one), or -1.0: not ours."""
        try:
            text = message_id.decode("ascii").lower()
        except UnicodeDecodeError:
            return -1.0
        for short in (False, True):
            digits, mac_digits = self._widths(short)
            if len(text) == digits + mac_digits:
                time = text[:digits]
                if not compare_digest(self._mac(system_id, time, mac_digits), text[digits:]):
                    return -1.0
                return 0.0 if short else int(time, 10 if self._decimal else 16) / 1000
        return -1.0

    def _widths(self, short: bool) -> tuple[int, int]:
        if self._decimal:
            return _DECIMAL_SHORT if short else _DECIMAL
        return _HEX_SHORT if short else _HEX

    def _mac(self, system_id: str, time: str, digits: int) -> str:
        digest = blake2s(f"{system_id}\0{time}".encode(), key=self._key[:32], digest_size=8).digest()
        number = int.from_bytes(digest)
        if self._decimal:
            return f"{number % 10**digits:0{digits}}"
        return f"{number:016x}"[:digits]


def rejected_receipt(
    sequence: int,
    message_id: bytes,
    wall: float,
    source: tuple[int, int, bytes],
    destination: tuple[int, int, bytes],
    *,
    tlvs: bool,
) -> bytes:
    """deliver_sm with stat:REJECTD for a discarded message (SMPP 3.4 appendix B). Addresses are (TON, NPI, digits) of
    the discarded message; the receipt goes the other way."""
    when = datetime.fromtimestamp(wall, UTC).strftime("%y%m%d%H%M").encode("ascii")
    text = receipt_text(message_id, b"REJECTD", submit_date=when, done_date=when)
    extra = [(c.TLV_RECEIPTED_MESSAGE_ID, message_id + b"\x00"), (c.TLV_MESSAGE_STATE, bytes([c.STATE_REJECTED]))]
    return deliver_sm(
        sequence,
        source_addr_ton=destination[0], source_addr_npi=destination[1], source_addr=destination[2],
        dest_addr_ton=source[0], dest_addr_npi=source[1], destination_addr=source[2],
        esm_class=c.ESM_RECEIPT, short_message=text, tlvs=extra if tlvs else [],
    )
