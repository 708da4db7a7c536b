"""SMSC delivery receipts: which message did not arrive (SMPP 3.4 §5.3.2.12, §5.3.2.35 and appendix B)."""

import re
from typing import Final

from portguard.smpp.constants import (
    STATE_DELETED,
    STATE_EXPIRED,
    STATE_REJECTED,
    STATE_UNDELIVERABLE,
    TLV_MESSAGE_STATE,
    TLV_RECEIPTED_MESSAGE_ID,
)
from portguard.smpp.errors import PduError
from portguard.smpp.tlv import tlvs

_FAILED_STATES: Final = {STATE_EXPIRED, STATE_DELETED, STATE_UNDELIVERABLE, STATE_REJECTED}
_FAILED_NAMES: Final = {b"EXPIRED", b"DELETED", b"UNDELIV", b"REJECTD"}
_STAT: Final = re.compile(rb"\bstat:\s*([A-Z]{1,10})", re.IGNORECASE)
_ID: Final = re.compile(rb"\bid:\s*([^\s]{1,64})", re.IGNORECASE)


def undelivered(text: bytes, optional: bytes) -> bytes:
    """The message_id that a receipt names, when it says that this message will not arrive; else b"". `text` is its
    short_message, `optional` its TLVs, which win where they say something."""
    state, message_id = -1, b""
    try:
        for tag, start, length in tlvs(optional, 0, len(optional)):
            value = optional[start : start + length]
            if tag == TLV_MESSAGE_STATE and length == 1:
                state = value[0]
            elif tag == TLV_RECEIPTED_MESSAGE_ID:
                message_id = value.rstrip(b"\0")
    except PduError:
        return b""
    if state < 0:
        said = _STAT.search(text)
        failed = said is not None and said[1].upper() in _FAILED_NAMES
    else:
        failed = state in _FAILED_STATES
    if not failed:
        return b""
    if not message_id:
        named = _ID.search(text)
        message_id = named[1] if named is not None else b""
    return message_id
