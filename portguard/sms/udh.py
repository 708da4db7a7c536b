"""The user data header at the start of a message (3GPP TS 23.040 §9.2.3.24): how long it is, and which part this is.

Only for messages whose esm_class has the UDHI bit. Elements may come in any order; the one that joins parts need not be
the first.
"""

from typing import Final

CONCAT_8: Final = 0x00
CONCAT_16: Final = 0x08


def udh_length(body: bytes) -> int:
    """Octets of the whole header, the length octet included; -1 when it or one of its elements runs beyond its end."""
    if not body:
        return -1
    end = 1 + body[0]
    if end > len(body):
        return -1
    position = 1
    while position < end:
        if position + 2 > end:
            return -1
        position += 2 + body[position + 1]
    return end if position == end else -1


def concat(body: bytes) -> tuple[int, int, int, int] | None:
    """(reference, its width in bits 8 or 16, total, index from 1) of a part; None when this is no part.

    Where elements repeat or exclude each other the last counts (§9.2.3.24); one with a total or index of 0, or an index
    beyond the total, is ignored (§9.2.3.24.1), as is one of a wrong length.
    """
    end = udh_length(body)
    found: tuple[int, int, int, int] | None = None
    position = 1
    while position < end:
        identifier = body[position]
        length = body[position + 1]
        start = position + 2
        if identifier == CONCAT_8 and length == 3:
            reference, width, total, index = body[start], 8, body[start + 1], body[start + 2]
        elif identifier == CONCAT_16 and length == 4:
            reference, width = body[start] << 8 | body[start + 1], 16
            total, index = body[start + 2], body[start + 3]
        else:
            position = start + length
            continue
        if 0 < index <= total:
            found = (reference, width, total, index)
        position = start + length
    return found
