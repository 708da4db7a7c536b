"""What makes two texts the same, but for a name or some words.

Nouns: a *sample* is the text of a PDU as it was sent; the *letters* of a text are what is left without its signature,
digits, links and everything that is no letter, in canonical form; its *sketch* is the least hash of its runs of three
letters in each of BUCKETS (MinHash, one permutation), so that two sketches agree in about as many places as the texts
have runs in common; a *key* is two places of it, to find texts alike by.
"""

import re
from collections.abc import Callable
from typing import Final
from zlib import crc32

from portguard.smpp.constants import DATA_SM, ESM_UDHI, ESME_ROK, REPLACE_SM, SUBMIT_MULTI, SUBMIT_SM
from portguard.smpp.scan import HEADER, Scan, be32, scan_message
from portguard.sms.canonical import canonical
from portguard.sms.charset import decode
from portguard.sms.udh import udh_length

BUCKETS: Final = 24
KEYS: Final = 6

# Of unrelated texts one in ten runs may be the same, like those that say how to refuse.
_ALIKE: Final = 10
_RUN: Final = 3
_LONGEST: Final = 500
_EMPTY: Final = 1 << 32
_WITH_TEXT: Final = (SUBMIT_SM, DATA_SM, SUBMIT_MULTI, REPLACE_SM)
_BRACKETS: Final = r"(?:【[^【】]{0,64}】|\[[^\[\]]{0,64}\])"
_SIGNATURES: Final = re.compile(rf"^\s*{_BRACKETS}|{_BRACKETS}\s*$")
_LINK: Final = re.compile(r"(?:[a-z]+://)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[\w.?=&%/-]*)?")
_LATIN: Final = re.compile(r"[a-z]+")


class Sampler:
    """Reads samples. `charset` tells what data_coding 0 is for an account."""

    def __init__(self, charset: Callable[[str], int]) -> None:
        self._charset = charset
        self._scan = Scan([0, 0, 0, 0])

    def text(self, pdu: bytes, account: str) -> str:
        """The text of a PDU, or of its part of a text; "" where there is none."""
        scan = self._scan
        if len(pdu) < HEADER or be32(pdu, 4) not in _WITH_TEXT or be32(pdu, 0) != len(pdu):
            return ""
        if scan_message(scan, pdu, 0, len(pdu), be32(pdu, 4)) != ESME_ROK:
            return ""
        octets = pdu[scan.body_start : scan.body_end]
        udh = max(udh_length(octets), 0) if scan.esm_class & ESM_UDHI else 0
        raw = decode(octets[udh:], int(scan.data_coding), self._charset(account), udh)
        return "" if raw is None else raw.decode("utf-16-be", "replace")


def letters(text: str) -> str:
    """The letters of a text; of one with enough hanzi these alone: between them are mostly links and codes."""
    plain = _LINK.sub("", canonical(_SIGNATURES.sub("", text[:_LONGEST])))
    found = "".join(character for character in plain if character.isalpha())
    hanzi = _LATIN.sub("", found)
    return hanzi if len(hanzi) * 2 >= len(found) else found


def sketch_of(text: str) -> list[int]:
    """The sketch of the letters of a text, of at least three."""
    minima = [_EMPTY] * BUCKETS
    octets = text.encode("utf-16-le", "replace")
    for start in range(0, len(octets) - 2 * _RUN + 1, 2):
        rest, bucket = divmod(crc32(octets[start : start + 2 * _RUN]), BUCKETS)
        if rest < minima[bucket]:
            minima[bucket] = rest
    # An empty bucket takes what the next one has: short texts fill few of them.
    for bucket in range(2 * BUCKETS - 1, -1, -1):
        if minima[bucket % BUCKETS] == _EMPTY:
            minima[bucket % BUCKETS] = minima[(bucket + 1) % BUCKETS]
    return minima


def keys_of(sketch: list[int]) -> list[int]:
    """KEYS numbers of 63 bits; texts alike have at least one in common, nearly always."""
    return [band << 56 | sketch[2 * band] << 28 | sketch[2 * band + 1] for band in range(KEYS)]


def alike(a: list[int], b: list[int]) -> bool:
    """Whether two sketches are of texts that differ in a name and some words at the most."""
    return sum(1 for x, y in zip(a, b, strict=True) if x == y) >= _ALIKE
