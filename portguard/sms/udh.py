"""The user data header at the start of a message (3GPP TS 23.040 §9.2.3.24): how long it is, and which part this is.

Only for messages whose esm_class has the UDHI bit. Elements may come in any order; the one that joins parts need not be
the first.
"""

from typing import Final

CONCAT_8: Final = 0x00
CONCAT_16: Final = 0x08
# What `doubt_of` finds.
NO_DOUBT: Final = 0
UNREAD: Final = 1
AMBIGUOUS: Final = 2

# National language tables (§9.2.3.24.15-16) make other characters of the same septets; they are not read here.
_LANGUAGES: Final = (0x24, 0x25)
# Elements with content of their own: sounds, pictures, animations and objects (§9.2.3.24.10), and what goes to the SIM.
_CONTENT: Final = frozenset([0x0C, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x18, *range(0x70, 0x80)])


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


def doubt_of(header: bytes, binary: bool) -> int:
    """May a handset show something else than the text behind this sound header, read as this package does?

    UNREAD: another alphabet, or content in the header itself, which is nothing new to a sender of `binary` messages.
    AMBIGUOUS: elements that join parts and do not agree, of which one reader takes the last and another the first.
    """
    places = set()
    position = 1
    while position < len(header):
        identifier = header[position]
        value = header[position + 2 : position + 2 + header[position + 1]]
        if identifier in _LANGUAGES and any(value):
            return UNREAD
        if identifier in _CONTENT and not binary:
            return UNREAD
        if len(value) == {CONCAT_8: 3, CONCAT_16: 4}.get(identifier) and 0 < value[-1] <= value[-2]:
            places.add(value[-3:])
        position += 2 + len(value)
    return AMBIGUOUS if len(places) > 1 else NO_DOUBT
