"""The text of a long message from the bodies of its parts.

Handsets decode each part by itself, so what is judged must be what they show. A surrogate pair or a UTF-8 character may
be split, which harms none but itself: neighbours of one data_coding are joined before they are decoded. A UCS-2 unit or
a GBK character may not be: the rest of the part would read otherwise than as a whole. Packed septets begin anew.
"""

from collections.abc import Sequence
from itertools import repeat

from portguard.sms.charset import begins_anew, decode, octets_join

_LONGEST_CHARACTER = 4


def joined(
    bodies: Sequence[bytes], codings: Sequence[int], headers: Sequence[int], charset: int, partial: bool
) -> bytes | None:
    """UTF-16BE of the parts in order, None when they do not decode. `headers` are each part's octets of UDH; with
    `partial` the last character may be incomplete and is left out then."""
    texts = []
    start = 0
    if not all(map(begins_anew, bodies, codings, repeat(charset))):
        return None
    while start < len(bodies):
        coding = codings[start]
        stop = start + 1
        if octets_join(coding, charset):
            while stop < len(bodies) and codings[stop] == coding:
                stop += 1
        run = b"".join(bodies[start:stop])
        text = decode(run, coding, charset, headers[start])
        if text is None and partial and stop == len(bodies):
            text = _without_the_last(run, coding, charset, headers[start])
        if text is None:
            return None
        texts.append(text)
        start = stop
    return b"".join(texts)


def _without_the_last(run: bytes, coding: int, charset: int, header: int) -> bytes | None:
    for cut in range(1, min(_LONGEST_CHARACTER, len(run) + 1)):
        text = decode(run[:-cut], coding, charset, header)
        if text is not None:
            return text
    return None
