"""submit_multi with recipients that fail alone: taken out of the request, and reported in the answer (SMPP 3.4 §4.5).

Cold: works on copies. The caller has scanned the request, so its offsets are sound; the answer is the SMSC's and may be
anything.
"""

from collections.abc import Sequence
from struct import Struct

_LENGTH = Struct(">I")
_HEADER = 16
_MESSAGE_ID = 65
_MOST = 255


def without_recipients(
    pdu: bytes, start: int, end: int, count: int, taken: Sequence[tuple[int, int]]
) -> bytes:
    """The submit_multi without the dest_address structures at `taken` (offsets into `pdu`, in order); the list of all
    `count` is pdu[start:end], and number_of_dests the octet before it."""
    kept = []
    pos = start
    for first, stop in taken:
        kept.append(pdu[pos:first])
        pos = stop
    body = b"".join((pdu[4 : start - 1], bytes([count - len(taken)]), *kept, pdu[pos:]))
    return _LENGTH.pack(len(body) + 4) + body


def unsuccess(buf: bytes, refused: Sequence[tuple[int, int, int]]) -> bytes:
    """The unsuccess_sme structures (§4.5.2.1) of recipients taken out: (start, end) of each dest_address in `buf` and
    the status; those with status -1 are discarded in silence."""
    return b"".join(buf[start + 1 : stop] + _LENGTH.pack(status) for start, stop, status in refused if status >= 0)


def merged(answer: bytes, refused: bytes) -> bytes:
    """The SMSC's submit_multi_resp with our unsuccess_sme behind its own; as it is when it is not one that can be read
    or the list would not fit."""
    stop = answer.find(b"\0", _HEADER, _HEADER + _MESSAGE_ID)
    if stop < 0 or stop + 1 >= len(answer):
        return answer
    count = answer[stop + 1]
    pos = stop + 2
    for _ in range(count):
        nul = answer.find(b"\0", pos + 2, pos + 2 + 21)
        pos = nul + 5
        if nul < 0 or pos > len(answer):
            return answer
    ours = 0
    at = 0
    while at < len(refused):
        at = refused.index(b"\0", at + 2) + 5
        ours += 1
    if count + ours > _MOST:
        return answer
    body = b"".join((answer[4 : stop + 1], bytes([count + ours]), answer[stop + 2 : pos], refused, answer[pos:]))
    return _LENGTH.pack(len(body) + 4) + body
