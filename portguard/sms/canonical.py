"""The canonical form: a text after what merely looks like something else is folded into what it looks like.

Nouns: a **fold** takes one character into none, one or a few others, for one reason: zero-width, bidi, mark, space,
dot, bracket, width, case, script, traditional, look-alike, compatibility. It is free of context, and folding twice
changes nothing. Folds are for comparing only: nothing that is delivered is ever rewritten. The table is data, fold.tsv,
made by fold_build. Knows nothing of signatures on file.
"""

import re
from array import array
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

DELETED: Final = 0
ELSEWHERE: Final = 0xFFFF
# What `word_table` says of units that are part of no word; all four are controls, which fold into nothing.
GAP: Final = 1
BREAK: Final = 2
DIGIT: Final = 3
_BREAKS: Final = "，。！？；：、,!?;:…|"
_LAYOUT_REASONS: Final = frozenset({"bracket", "width", "space"})


class _Folds(NamedTuple):
    translation: dict[int, str]
    reasons: dict[int, str]
    units: bytes
    elsewhere: dict[int, bytes]


@cache
def _folds() -> _Folds:
    translation: dict[int, str] = {}
    reasons: dict[int, str] = {}
    rows = (resources.files(__package__) / "fold.tsv").read_text("ascii").splitlines()
    for row in rows[1:]:
        into, reason, codes = row.split("\t")
        text = "" if into == "-" else "".join(chr(int(one, 16)) for one in into.split())
        for span in codes.split():
            first, _, last = span.partition("-")
            for code in range(int(first, 16), int(last or first, 16) + 1):
                translation[code] = text
                reasons[code] = reason
    units = array("H", range(0x10000))
    elsewhere: dict[int, bytes] = {}
    for unit in range(0xD800, 0xE000):
        units[unit] = ELSEWHERE
    units[ELSEWHERE] = DELETED
    for code, text in translation.items():
        octets = text.encode("utf-16-be")
        if code > 0xFFFF or len(octets) > 2:
            elsewhere[code] = octets
            if code <= 0xFFFF:
                units[code] = ELSEWHERE
        else:
            units[code] = int.from_bytes(octets, "big")
    if array("H", [1]).tobytes() == b"\x01\x00":
        units.byteswap()
    return _Folds(translation, reasons, units.tobytes(), elsewhere)


def fold_table() -> bytes:
    """Two octets per UTF-16 unit: the unit it folds into, DELETED, or ELSEWHERE (a surrogate, or one that grows).

    Indexed by twice the unit, big-endian. What ELSEWHERE means is in `fold_elsewhere`.
    """
    return _folds().units


def fold_elsewhere() -> dict[int, bytes]:
    """UTF-16BE octets by code point, for those the table cannot say; a code point in neither stays as it is."""
    return _folds().elsewhere


@cache
def word_table() -> bytes:
    """As `fold_table`, with everything but letters and hanzi reduced to what matters between words.

    DELETED, GAP (spaces, dots and symbols, which a reader skips), BREAK (punctuation that ends a clause), DIGIT and
    ELSEWHERE; any other value is a folded letter.
    """
    units = array("H")
    units.frombytes(fold_table())
    swap = array("H", [1]).tobytes() == b"\x01\x00"
    if swap:
        units.byteswap()
    for unit, into in enumerate(units):
        if 0x4E00 <= into <= 0x9FFF or into == ELSEWHERE or into == DELETED:
            continue
        letter = chr(into)
        if letter in _BREAKS:
            units[unit] = BREAK
        elif not letter.isalnum():
            units[unit] = GAP
        elif letter.isascii() and letter.isdigit():
            units[unit] = DIGIT
    if swap:
        units.byteswap()
    return units.tobytes()


def canonical(text: str) -> str:
    """`text` folded character by character; at most four times as long."""
    return text.translate(_folds().translation)


@cache
def _settled() -> re.Pattern[str]:
    """Texts that are their own canonical form: letters, digits and hanzi of which none folds."""
    folding, spans, first = _folds().translation, [], -1
    for code in range(0x10001):
        settled = code not in folding and code < 0x10000 and chr(code).isalnum()
        if settled and first < 0:
            first = code
        elif not settled and first >= 0:
            spans.append(f"{re.escape(chr(first))}-{re.escape(chr(code - 1))}")
            first = -1
    return re.compile(f"[{''.join(spans)}]*")


def canonical_signature(text: str) -> str:
    """The canonical form of a signature: letters, digits and hanzi only, without the dots and spaces between them."""
    if _settled().fullmatch(text) is not None:
        return text
    return "".join(filter(str.isalnum, canonical(text)))


def folds(text: str) -> list[tuple[str, str, str]]:
    """(what, into, why) of every distinct character of `text` that folds, in order of appearance."""
    table = _folds()
    return [
        (character, table.translation[ord(character)], table.reasons[ord(character)])
        for character in dict.fromkeys(text)
        if ord(character) in table.translation
    ]


@cache
def _layout_table() -> dict[int, str]:
    return {
        code: _partly(chr(code), _folds(), _LAYOUT_REASONS)
        for code, reason in _folds().reasons.items()
        if reason in ("width", "space") and len(_folds().translation[code]) == 1
    }


@cache
def _shadow_table() -> dict[int, str]:
    return {code: text or "\u200b" for code, text in _folds().translation.items() if len(text) < 2}


def layout(text: str) -> str:
    """`text` with every full-width or half-width character and every space in its usual form; as long as before."""
    return _replaced(text, *_layout_replacing())


def shadow(text: str) -> str:
    """`text` folded where that leaves it as long as before; what folds into nothing is U+200B."""
    # Not by a pattern as `layout`: one of thousands of characters tries them one by one.
    return text.translate(_shadow_table())


def _replaced(text: str, pattern: re.Pattern[str], into: dict[str, str]) -> str:
    # Few characters of a text are replaced: str.translate would look each one up, and raise for those it lacks.
    return pattern.sub(lambda found: into[found[0]], text)


def _replacing(table: dict[int, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    into = {chr(code): text for code, text in table.items()}
    return re.compile(f"[{''.join(map(re.escape, into))}]"), into


@cache
def _layout_replacing() -> tuple[re.Pattern[str], dict[str, str]]:
    return _replacing(_layout_table())


def bracket_or_width_only(a: str, b: str) -> bool:
    """Whether two texts are equal but for the shape of brackets and the width of characters (spaces included)."""
    return _folded_for(a, _LAYOUT_REASONS) == _folded_for(b, _LAYOUT_REASONS)


def case_only(a: str, b: str) -> bool:
    """Whether two texts are equal but for upper and lower case."""
    return a.casefold() == b.casefold()


def _folded_for(text: str, wanted: frozenset[str]) -> str:
    table = _folds()
    return "".join(_partly(character, table, wanted) for character in text)


def _partly(character: str, table: _Folds, wanted: frozenset[str]) -> str:
    code = ord(character)
    if table.reasons.get(code) not in wanted:
        return character
    if 0xFF21 <= code <= 0xFF3A:
        # Full-width capitals fold to small letters in one step; here only the width may go.
        return chr(code - 0xFEE0)
    return table.translation[code]
