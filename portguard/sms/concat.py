"""The text of a long message from the bodies of its parts.

Parts are cut by octets, not by characters: a surrogate pair, a UTF-8 or a GBK character may be split, so neighbours of
one data_coding are joined before they are decoded. Packed septets begin anew in every part.
"""

from collections.abc import Sequence

from portguard.sms.charset import decode, octets_join

_LONGEST_CHARACTER = 4


def joined(
    bodies: Sequence[bytes], codings: Sequence[int], headers: Sequence[int], charset: int, partial: bool
) -> bytes | None:
    """UTF-16BE of the parts in order, None when they do not decode. `headers` are each part's octets of UDH; with
    `partial` the last character may be incomplete and is left out then."""
    texts = []
    start = 0
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
