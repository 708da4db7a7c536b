"""A violation as the path packed it, read into the row that is kept.

The path only copies; what of the PDU is wanted is read here, in the writer, with the readers that the path itself uses.
The PDU may be anything: whatever cannot be read is left empty and named in `fault`.
"""

from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Final

from portguard.evidence.keys import Keys
from portguard.evidence.rows import Violation
from portguard.policy.reasons import CATALOGUE, ORDINAL, rules_of
from portguard.policy.record import NO_RULE
from portguard.policy.record import Violation as Packed
from portguard.registry.subscriber import subscriber
from portguard.smpp.constants import (
    DATA_SM,
    ESM_UDHI,
    ESME_ROK,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    status_name,
)
from portguard.smpp.scan import HEADER, Scan, cstring_end, scan_message
from portguard.sms.canonical import folds
from portguard.sms.charset import ascii_brackets, decode
from portguard.sms.text import Text
from portguard.sms.udh import udh_length

DISGUISED: Final = 1 << ORDINAL[203]
MOST_FOLDED: Final = 32
# A time that is no number of seconds of this millennium is none, and 0 is kept.
LATEST: Final = 32503680000.0
_WITH_TEXT: Final = (SUBMIT_SM, DATA_SM, SUBMIT_MULTI, REPLACE_SM)
_LONGEST_ADDRESS: Final = 65
_UCS2: Final = 8
_HEADER: Final = Struct(">IIII").unpack_from
# A packed record has the last octet of command_id.
_COMMAND: Final = {command & 0xFF: command for command in _WITH_TEXT}


class Facts:
    """Reads violations. `plain`: subscribers' numbers are kept as they are; `country` is the home country's code."""

    def __init__(self, keys: Keys, country: str, *, plain: bool) -> None:
        self._hashed = keys.subscriber
        self._country = country
        self._plain = plain
        self._scan = Scan([0, 0, 0, 0])
        self._text = Text()

    def row(self, packed: Packed) -> Violation:
        """The row of a violation; whatever the PDU, never an exception."""
        label = packed.label
        at = packed.at if 0 <= packed.at < LATEST else 0.0
        command = _COMMAND.get(packed.command, packed.command)
        row = Violation(
            at, label.account, label.enterprise, label.port, label.number, label.holder, label.signature, label.owner,
            packed.content, _code(packed.rule), packed.action, _codes(packed.hits), bytes.fromhex(packed.revision), b"",
            "", 0, command, packed.status, 0,
        )  # fmt: skip
        try:
            self._read(packed, row)
        except Exception as error:
            row.fault = f"{type(error).__name__}: {error}"[:200].encode("ascii", "backslashreplace").decode()
        return row

    def _read(self, packed: Packed, row: Violation) -> None:
        pdu, scan = packed.pdu, self._scan
        if len(pdu) < HEADER:
            row.fault = f"a PDU of {len(pdu)} octets"
            return
        end, command, _, row.sequence_number = _HEADER(pdu)
        if command not in _WITH_TEXT or not HEADER <= end <= len(pdu):
            row.fault = "no PDU with text"
            return
        row.command = command
        status = scan_message(scan, pdu, 0, end, command)
        if status != ESME_ROK:
            row.fault = f"the PDU is answered {status_name(int(status))}"
            return
        row.data_coding = int(scan.data_coding)
        row.recipients = int(scan.destinations)
        self._who(pdu, end, row)
        self._what(packed, pdu, row)

    def _who(self, pdu: bytes, end: int, row: Violation) -> None:
        """The subscriber; of several the first, and `recipients` tells how many there are."""
        scan = self._scan
        if scan.command_id == REPLACE_SM:
            # What is known of the original follows the PDU: dest_addr_ton, dest_addr_npi, destination_addr.
            if len(pdu) < end + 2:
                return
            ton, address = pdu[end], pdu[end + 2 :]
        elif scan.command_id == SUBMIT_MULTI:
            start = int(scan.dest_start)
            if pdu[start] != 1:
                return
            ton, address = pdu[start + 1], pdu[start + 3 : cstring_end(pdu, start + 3, end, _LONGEST_ADDRESS)]
        else:
            ton, address = int(scan.dest_ton), pdu[scan.dest_start : scan.dest_end]
        number = subscriber(address, ton, self._country)
        row.subscriber = number if self._plain else self._hashed(number)

    def _what(self, packed: Packed, pdu: bytes, row: Violation) -> None:
        scan, charset = self._scan, packed.label.charset
        if packed.text:
            text: str | None = packed.text.decode("utf-16-be", "replace")
        else:
            octets = pdu[scan.body_start : scan.body_end]
            udh = max(udh_length(octets), 0) if scan.esm_class & ESM_UDHI else 0
            text = _text(octets[udh:], row.data_coding, charset, udh)
            if text is None:
                row.digest = sha256(octets).digest() if octets else b""
                return
        if text:
            row.digest = sha256(text.encode()).digest()
            if packed.hits & DISGUISED:
                row.folded = self._folded(text, ascii_brackets(row.data_coding, charset))

    def _folded(self, text: str, brackets: bool) -> list[str]:
        """What the canonical form folded in the signature and its brackets, as `U+3016 〖 as 【: bracket`."""
        ends = self._text
        ends.load(text.encode("utf-16-be"), brackets, brackets)
        found: list[str] = []
        for inside in (ends.disguised_head or _of(ends.head), ends.disguised_tail or _of(ends.tail)):
            at = text.find(inside) if inside else -1
            if at >= 0:
                found += [_said(*fold) for fold in folds(text[max(at - 1, 0) : at + len(inside) + 1])]
        return list(dict.fromkeys(found))[:MOST_FOLDED]


def _text(body: bytes, data_coding: int, charset: int, udh: int) -> str | None:
    """The text of a body, None where it is none."""
    if data_coding == _UCS2:
        # What Python decodes strictly is what `charset.decode` calls sound.
        try:
            return body.decode("utf-16-be").removeprefix("\ufeff")
        except UnicodeDecodeError:
            return None
    raw = decode(body, data_coding, charset, udh)
    return None if raw is None else raw.decode("utf-16-be")


def _of(octets: bytes) -> str:
    return octets.decode("utf-16-be", "replace")


def _said(what: str, into: str, why: str) -> str:
    shown = f" {what}" if what.isprintable() and not what.isspace() else ""
    return f"U+{ord(what):04X}{shown} as {into or 'nothing'}: {why}"


def _code(ordinal: int) -> int:
    """The code of a rule's ordinal, 0 of none."""
    return CATALOGUE[ordinal].code if ordinal != NO_RULE and ordinal < len(CATALOGUE) else 0


@lru_cache(maxsize=1024)
def _codes(hits: int) -> list[int]:
    return [rule.code for rule in rules_of(hits & ((1 << len(CATALOGUE)) - 1))]
