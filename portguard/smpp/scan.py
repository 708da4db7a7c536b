"""The hot reader: where the fields of a message PDU lie, as offsets into the buffer it came in.

Noun: a *Scan*, one reused object that `scan_*` fills; what it holds is valid only until the next call. Each `scan_*`
takes a whole PDU `buf[pos:end]` (framing is done) and returns the command_status to answer with, ESME_ROK when the
body is sound.

Compiled. Copies nothing, raises nothing, decides nothing; SMPP 3.4 §4.4-4.10 names every field.
"""

from typing import Final

from librt.strings import read_i32_be, read_i64_le
from mypy_extensions import i64

from portguard.smpp.constants import (
    DATA_SM,
    ESME_RINVDSTADR,
    ESME_RINVEXPIRY,
    ESME_RINVMSGID,
    ESME_RINVMSGLEN,
    ESME_RINVNUMDESTS,
    ESME_RINVOPTPARSTREAM,
    ESME_RINVSCHED,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
    ESME_ROK,
    REPLACE_SM,
    SUBMIT_SM,
    TLV_CALLBACK_NUM_ATAG,
    TLV_MESSAGE_PAYLOAD,
    TLV_QOS_TIME_TO_LIVE,
    TLV_SAR_MSG_REF_NUM,
    TLV_SAR_SEGMENT_SEQNUM,
    TLV_SAR_TOTAL_SEGMENTS,
)

HEADER: Final = 16
# Longest C-octet strings with their NUL (SMPP 3.4 §4.4.1, §4.7.1 for data_sm's addresses).
_ONES: Final = 0x0101010101010101
_SERVICE_TYPE: Final = 6
_ADDRESS: Final = 21
_DATA_ADDRESS: Final = 65
_TIME: Final = 17
_MESSAGE_ID: Final = 65
_LIST_NAME: Final = 21


def be32(buf: bytes, pos: i64) -> i64:
    """The unsigned 32-bit big-endian number at 0 <= pos <= len(buf) - 4; IndexError or ValueError elsewhere."""
    return i64(read_i32_be(buf, pos)) & 0xFFFFFFFF


class Scan:
    """Offsets and one-octet fields of one message PDU. `*_start`/`*_end` are half-open and without the NUL."""

    def __init__(self, own_tags: list[int]) -> None:
        self.own0: i64 = own_tags[0]
        self.own1: i64 = own_tags[1]
        self.own2: i64 = own_tags[2]
        self.own3: i64 = own_tags[3]
        self.command_id: i64 = 0
        # The PDU itself; of a replace_sm `end` is after what was known of its original.
        self.start: i64 = 0
        self.end: i64 = 0
        self.source_ton: i64 = 0
        self.source_npi: i64 = 0
        self.source_start: i64 = 0
        self.source_end: i64 = 0
        self.dest_ton: i64 = 0
        self.dest_npi: i64 = 0
        self.dest_start: i64 = 0
        self.dest_end: i64 = 0
        self.destinations: i64 = 0
        self.lists: i64 = 0
        self.esm_class: i64 = 0
        self.schedule_start: i64 = 0
        self.schedule_end: i64 = 0
        self.validity_start: i64 = 0
        self.validity_end: i64 = 0
        # qos_time_to_live (§5.3.2.9) in seconds, -1 for none: the validity_period of data_sm.
        self.time_to_live: i64 = -1
        self.registered_delivery: i64 = 0
        self.data_coding: i64 = 0
        self.default_msg_id: i64 = 0
        self.message_id_start: i64 = 0
        self.message_id_end: i64 = 0
        self.sm_start: i64 = 0
        self.sm_end: i64 = 0
        self.tlv_start: i64 = 0
        self.payloads: i64 = 0
        # The octets of the message, in short_message or else in message_payload. `ambiguous`: there is text in more
        # than one place, or a SAR TLV more than once, and who reads on may take the other.
        self.body_start: i64 = 0
        self.body_end: i64 = 0
        self.ambiguous = False
        self.own_tags: i64 = 0
        # SAR TLVs (§5.3.2.22-24): is there any, and what they say; -1 where one is missing or of a wrong length.
        self.sar = False
        self.sar_reference: i64 = -1
        self.sar_total: i64 = -1
        self.sar_index: i64 = -1
        # What the message is taken for when its text does not tell (category * 16 + industry).
        self.assumed: i64 = 0

    def reset(self, command_id: i64) -> None:
        """Forget the last PDU, so that a field a command lacks reads as zero or empty."""
        self.command_id = command_id
        self.dest_ton = 0
        self.dest_npi = 0
        self.dest_start = 0
        self.dest_end = 0
        self.destinations = 1
        self.lists = 0
        self.esm_class = 0
        self.schedule_start = 0
        self.schedule_end = 0
        self.validity_start = 0
        self.validity_end = 0
        self.time_to_live = -1
        self.data_coding = 0
        self.default_msg_id = 0
        self.message_id_start = 0
        self.message_id_end = 0
        self.sm_start = 0
        self.sm_end = 0
        self.payloads = 0
        self.ambiguous = False
        self.own_tags = 0
        self.sar = False
        self.sar_reference = -1
        self.sar_total = -1
        self.sar_index = -1
        self.assumed = 0


def cstring_end(buf: bytes, pos: i64, end: i64, longest: i64) -> i64:
    """Offset of the NUL that ends the C-octet string at `pos`, or -1: none within `longest` octets or before `end`."""
    stop = pos + longest
    if stop > end:
        stop = end
    if pos < stop and buf[pos] == 0:  # as most of them are
        return pos
    last: i64 = len(buf)
    while pos < stop and pos + 8 <= last:
        # Eight octets at once: the bit of the first NUL is the lowest that is set.
        octets: i64 = read_i64_le(buf, pos)
        nul: i64 = ((octets - _ONES) & ~octets) >> 7 & _ONES
        if nul == 0:
            pos += 8
            continue
        # Of the octets below it each adds one to the topmost octet of the product.
        pos += ((nul & -nul) - 1 & _ONES) * _ONES >> 56 & 0xFF
        if pos < stop:
            return pos
        return -1
    while pos < stop:
        if buf[pos] == 0:
            return pos
        pos += 1
    return -1


def scan_message(s: Scan, buf: bytes, pos: i64, end: i64, command_id: i64) -> i64:
    """Read submit_sm, data_sm, replace_sm or submit_multi."""
    s.reset(command_id)
    s.start = pos
    s.end = end
    if command_id == SUBMIT_SM:
        return scan_submit(s, buf, pos + HEADER, end)
    if command_id == DATA_SM:
        return scan_data(s, buf, pos + HEADER, end)
    if command_id == REPLACE_SM:
        return scan_replace(s, buf, pos + HEADER, end)
    return scan_multi(s, buf, pos + HEADER, end)


def scan_submit(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """submit_sm, SMPP 3.4 §4.4.1."""
    at = cstring_end(buf, pos, end, _SERVICE_TYPE)
    if at < 0:
        return ESME_RINVSERTYP
    pos = scan_source(s, buf, at + 1, end, _ADDRESS)
    if pos < 0:
        return ESME_RINVSRCADR
    pos = scan_destination(s, buf, pos, end, _ADDRESS)
    if pos < 0:
        return ESME_RINVDSTADR
    return scan_submit_rest(s, buf, pos, end)


def scan_submit_rest(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """What submit_sm and submit_multi share: from esm_class to the end."""
    if pos + 3 > end:
        return ESME_RINVMSGLEN
    s.esm_class = i64(buf[pos])
    at = cstring_end(buf, pos + 3, end, _TIME)
    if at < 0:
        return ESME_RINVSCHED
    s.schedule_start = pos + 3
    s.schedule_end = at
    s.validity_start = at + 1
    at = cstring_end(buf, at + 1, end, _TIME)
    if at < 0:
        return ESME_RINVEXPIRY
    s.validity_end = at
    pos = at + 1
    if pos + 5 > end:
        return ESME_RINVMSGLEN
    s.registered_delivery = i64(buf[pos])
    s.data_coding = i64(buf[pos + 2])
    s.default_msg_id = i64(buf[pos + 3])
    return scan_text(s, buf, pos + 4, end)


def scan_data(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """data_sm, SMPP 3.4 §4.7.1: the text is in message_payload only."""
    at = cstring_end(buf, pos, end, _SERVICE_TYPE)
    if at < 0:
        return ESME_RINVSERTYP
    pos = scan_source(s, buf, at + 1, end, _DATA_ADDRESS)
    if pos < 0:
        return ESME_RINVSRCADR
    pos = scan_destination(s, buf, pos, end, _DATA_ADDRESS)
    if pos < 0:
        return ESME_RINVDSTADR
    if pos + 3 > end:
        return ESME_RINVMSGLEN
    s.esm_class = i64(buf[pos])
    s.registered_delivery = i64(buf[pos + 1])
    s.data_coding = i64(buf[pos + 2])
    return scan_tlvs(s, buf, pos + 3, end)


def scan_replace(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """replace_sm, SMPP 3.4 §4.10.1: no destination, esm_class or data_coding of its own."""
    at = cstring_end(buf, pos, end, _MESSAGE_ID)
    if at < 0:
        return ESME_RINVMSGID
    s.message_id_start = pos
    s.message_id_end = at
    pos = scan_source(s, buf, at + 1, end, _ADDRESS)
    if pos < 0:
        return ESME_RINVSRCADR
    at = cstring_end(buf, pos, end, _TIME)
    if at < 0:
        return ESME_RINVSCHED
    s.schedule_start = pos
    s.schedule_end = at
    s.validity_start = at + 1
    at = cstring_end(buf, at + 1, end, _TIME)
    if at < 0:
        return ESME_RINVEXPIRY
    s.validity_end = at
    pos = at + 1
    if pos + 3 > end:
        return ESME_RINVMSGLEN
    s.registered_delivery = i64(buf[pos])
    s.default_msg_id = i64(buf[pos + 1])
    return scan_text(s, buf, pos + 2, end)


def scan_multi(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """submit_multi, SMPP 3.4 §4.5.1. `dest_start` is the first dest_address structure, `dest_end` is after the last;
    `destinations` counts them all, `lists` the distribution lists among them."""
    at = cstring_end(buf, pos, end, _SERVICE_TYPE)
    if at < 0:
        return ESME_RINVSERTYP
    pos = scan_source(s, buf, at + 1, end, _ADDRESS)
    if pos < 0:
        return ESME_RINVSRCADR
    if pos >= end:
        return ESME_RINVMSGLEN
    count: i64 = i64(buf[pos])
    if count == 0 or count > 254:
        return ESME_RINVNUMDESTS
    s.destinations = count
    pos += 1
    s.dest_start = pos
    while count > 0:
        pos = next_destination(s, buf, pos, end)
        if pos < 0:
            return ESME_RINVDSTADR
        count -= 1
    s.dest_end = pos
    return scan_submit_rest(s, buf, pos, end)


def next_destination(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """Offset after the dest_address structure at `pos` (§4.5.1.1), or -1 when it is malformed; counts lists."""
    if pos >= end:
        return -1
    flag: i64 = i64(buf[pos])
    if flag == 1:
        if pos + 3 > end:
            return -1
        at = cstring_end(buf, pos + 3, end, _ADDRESS)
    elif flag == 2:
        s.lists += 1
        at = cstring_end(buf, pos + 1, end, _LIST_NAME)
    else:
        return -1
    if at < 0:
        return -1
    return at + 1


def scan_source(s: Scan, buf: bytes, pos: i64, end: i64, longest: i64) -> i64:
    """TON, NPI and source_addr at `pos`; the offset after them, or -1."""
    if pos + 2 > end:
        return -1
    s.source_ton = i64(buf[pos])
    s.source_npi = i64(buf[pos + 1])
    at = cstring_end(buf, pos + 2, end, longest)
    if at < 0:
        return -1
    s.source_start = pos + 2
    s.source_end = at
    return at + 1


def scan_destination(s: Scan, buf: bytes, pos: i64, end: i64, longest: i64) -> i64:
    """TON, NPI and destination_addr at `pos`; the offset after them, or -1."""
    if pos + 2 > end:
        return -1
    s.dest_ton = i64(buf[pos])
    s.dest_npi = i64(buf[pos + 1])
    at = cstring_end(buf, pos + 2, end, longest)
    if at < 0:
        return -1
    s.dest_start = pos + 2
    s.dest_end = at
    return at + 1


def scan_text(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """sm_length and short_message at `pos`, then the optional parameters."""
    if pos >= end:
        return ESME_RINVMSGLEN
    length: i64 = i64(buf[pos])
    pos += 1
    if pos + length > end:
        return ESME_RINVMSGLEN
    s.sm_start = pos
    s.sm_end = pos + length
    return scan_tlvs(s, buf, pos + length, end)


def scan_tlvs(s: Scan, buf: bytes, pos: i64, end: i64) -> i64:
    """Optional parameters (§5.3.1) from `pos`; then it is known which octets are the body."""
    s.tlv_start = pos
    s.body_start = s.sm_start
    s.body_end = s.sm_end
    while pos < end:
        if pos + 4 > end:
            return ESME_RINVOPTPARSTREAM
        tag: i64 = i64(buf[pos]) << 8 | i64(buf[pos + 1])
        start: i64 = pos + 4
        pos = start + (i64(buf[pos + 2]) << 8 | i64(buf[pos + 3]))
        if pos > end:
            return ESME_RINVOPTPARSTREAM
        if tag == TLV_MESSAGE_PAYLOAD:
            s.payloads += 1
            if s.payloads > 1 or s.sm_end > s.sm_start:
                s.ambiguous = True
            if s.sm_end == s.sm_start:
                s.body_start = start
                s.body_end = pos
        elif tag == s.own0 or tag == s.own1 or tag == s.own2 or tag == s.own3:
            s.own_tags += 1
        elif tag <= TLV_CALLBACK_NUM_ATAG:
            scan_rare(s, buf, tag, start, pos)
    return ESME_ROK


def scan_rare(s: Scan, buf: bytes, tag: i64, start: i64, end: i64) -> None:
    """The value buf[start:end] of one of the lower tags: SAR, a time to live, the text beside a callback number."""
    length: i64 = end - start
    if tag == TLV_SAR_MSG_REF_NUM:
        s.ambiguous = s.ambiguous or s.sar_reference >= 0
        s.sar = True
        if length == 2:
            s.sar_reference = i64(buf[start]) << 8 | i64(buf[start + 1])
    elif tag == TLV_SAR_TOTAL_SEGMENTS:
        s.ambiguous = s.ambiguous or s.sar_total >= 0
        s.sar = True
        if length == 1:
            s.sar_total = i64(buf[start])
    elif tag == TLV_SAR_SEGMENT_SEQNUM:
        s.ambiguous = s.ambiguous or s.sar_index >= 0
        s.sar = True
        if length == 1:
            s.sar_index = i64(buf[start])
    elif tag == TLV_QOS_TIME_TO_LIVE and length == 4:
        s.time_to_live = be32(buf, start)
    elif tag == TLV_CALLBACK_NUM_ATAG and length > 1:
        s.ambiguous = True
