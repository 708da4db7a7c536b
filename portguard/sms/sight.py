"""What a reader sees at the ends of a text where it has no 【signature】 as written: the cold half of `text`.

Nouns: the **kind** of a character is one letter for what it is to a reader's eye; **sight** order is that on a screen,
where a right-to-left override turns what follows it around. Whether what is found is on file, and whose, is not asked
here; without that none of it means anything.
"""

import re
import unicodedata
from typing import Final, NamedTuple

from portguard.sms.canonical import canonical

OVERRIDE: Final = "\u202e"
_ENDS_OVERRIDE: Final = frozenset("\u202c\u202d\u202a\u202b\u2029\n")
# Brackets that quote a word within a sentence as often as they stand around a signature.
_QUOTES: Final = "「」『』﹁﹂﹃﹄｢｣⸢⸣⸤⸥"
_ORDINARY: Final = frozenset("，。！？；：、,!?;:…'\"“”‘’《》-—–_/#@&%$￥¥^`")
# Emoji, and what is drawn like one, that folds into letters; the radicals are drawn like hanzi.
_FLAGS: Final = range(0x1F1E6, 0x1F200)
_INFORMATION: Final = 0x2139
_RADICALS: Final = range(0x2E80, 0x2FE0)
# Symbols and spaces by category, with nothing to be seen in them.
_EMPTY: Final = "\u2800\u303f\ufffc\ufffd"
# o and c: brackets; q and k: those that quote; x: nothing to be seen; s: white space; p: ordinary punctuation; y: other
# symbols, emoji among them; d: dots; a: letters, digits and hanzi; e: a letter or digit in a circle or a square, which
# is an ornament or part of a name.
EMBLEM: Final = 0x65
WHITE: Final = 0x73
UNSEEN: Final = 0x78
SYMBOL: Final = 0x79
_SWAPPED: Final = str.maketrans("ocqk", "cokq")

# Up to 64 characters between brackets, not counting what cannot be seen: what is on file is far shorter. No repetition
# of these gives back what it took: what does not match at once never does, so the cost follows the length of the text.
_INSIDE: Final = "((?:x*+[^xck]){0,64}+x*+)"
_INSIDE_TURNED: Final = "((?:x*+[^xoq]){0,64}+x*+)"
_HEAD: Final = re.compile(f"(?:[xs]*+[pydcke]){{0,24}}+[xs]*+[oq]{_INSIDE}[ck]")
_BETWEEN_SYMBOLS: Final = re.compile("(?:x*[spydckoqe]){0,23}?x*y[xs]*([ae][aexsd]{0,64}?)[xs]*y")
_HALF: Final = re.compile("(?:x*[spyd]){0,24}x*([ae][aexsd]{1,40})c")
_TAIL: Final = re.compile(f"[xs]*+[ck]{_INSIDE_TURNED}[oq]")
# A bracket that opens right before another one stands around nothing.
_BEHIND: Final = re.compile(f"(?:[xs]*+(?:[pydckqe]|o(?=[xs]*+[oqck]))){{0,24}}+[xs]*+o{_INSIDE}c")
_BEFORE: Final = re.compile(f"[xs]*+c{_INSIDE_TURNED}o")


class Seen(NamedTuple):
    """What looks like a signature: `written` is what is between the brackets (or symbols, where there are none:
    `ornamental`), `end` the offset behind it in the text that was asked about."""

    written: str
    end: int
    ornamental: bool = False


class _Kinds(dict[int, str]):
    """The kind of every code point that has been met."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _kind(chr(code))
        return found


_KINDS: Final = _Kinds()


def _kind(character: str) -> str:
    into = canonical(character)
    if into in ("【", "】"):
        return ("q" if into == "【" else "k") if character in _QUOTES else ("o" if into == "【" else "c")
    category = unicodedata.category(character)
    if not into or category in ("Cn", "Co", "Cs") or character in _EMPTY:
        return "x"
    if into.isspace():
        return "s"
    if into[0].isalnum() or category[0] == "M":
        return _of_letters(ord(character), into, category)
    if into == "." and category != "So":
        return "d"
    return "p" if character in _ORDINARY or into in _ORDINARY else "y"


def _of_letters(code: int, into: str, category: str) -> str:
    """The kind of what folds into letters, but may be drawn as a symbol, like ㊙ and №."""
    if (category not in ("So", "No") or code in _RADICALS) and code != _INFORMATION:
        return "a"
    return "e" if len(into) == 1 and into.isascii() and code not in _FLAGS else "y"


def in_sight(text: str) -> str:
    """`text` in sight order: what follows U+202E stands turned around on the screen, brackets mirrored."""
    return "".join(character for character, _ in _turned(text))


def _turned(text: str) -> list[tuple[str, bool]]:
    """The characters in sight order, and whether each is one of those turned around."""
    shown: list[tuple[str, bool]] = []
    run: list[tuple[str, bool]] | None = None
    for character in text:
        if character == OVERRIDE:
            run = [] if run is None else run
        elif run is None:
            shown.append((character, False))
        elif character in _ENDS_OVERRIDE:
            shown += run[::-1]
            run = None
        else:
            run.append((character, True))
    return shown + run[::-1] if run else shown


def kind(code: int) -> str:
    """The kind of a character by its code point."""
    return _KINDS[code]


def head(text: str) -> Seen | None:
    """What looks like a signature at the beginning of a text that has none there as written."""
    found = _head(text, text.translate(_KINDS))
    if OVERRIDE not in text:
        return found
    if found is not None and OVERRIDE in text[: found.end]:
        # Read either way: what is between the brackets may be turned around on the screen.
        return Seen(OVERRIDE + found.written, found.end)
    if found is None:
        shown = _turned(text)
        kinds = [_KINDS[ord(one)].translate(_SWAPPED) if mirrored else _KINDS[ord(one)] for one, mirrored in shown]
        found = _head("".join(one for one, _ in shown), "".join(kinds))
        if found is not None:
            found = Seen(found.written, 0)
    return found


def _head(text: str, kinds: str) -> Seen | None:
    start, stop, end, ornamental = place_of_head(kinds)
    return Seen(text[start:stop], end, ornamental) if end >= 0 else None


def place_of_head(kinds: str) -> tuple[int, int, int, bool]:
    """The same of a text of which only the kinds are known, and no character turns others around: where it begins and
    stops, the offset behind it, and whether it is ornamental. The offset is -1 when there is none."""
    found = _HEAD.match(kinds)
    if found is None:
        found = _BETWEEN_SYMBOLS.match(kinds)
        if found is not None:
            return found.start(1), found.end(1), found.end(1), True
        found = _HALF.match(kinds)
    return (0, 0, -1, False) if found is None else (found.start(1), found.end(1), found.end(), False)


def tail(text: str) -> str:
    """What looks like a signature at the end, "" when nothing does."""
    return text[slice(*place_of_tail(text.translate(_KINDS)))]


def behind(text: str) -> str:
    """What looks like another signature right at the beginning of the text behind one, "" when nothing does."""
    return text[slice(*place_behind(text.translate(_KINDS)))]


def before(text: str) -> str:
    """What looks like another signature right at the end of the text before one, "" when nothing does."""
    return text[slice(*place_before(text.translate(_KINDS)))]


# The same of a text of which only the kinds are known: where it begins and stops, (0, 0) when there is none.


def place_of_tail(kinds: str) -> tuple[int, int]:
    return _from_behind(_TAIL, kinds)


def place_behind(kinds: str) -> tuple[int, int]:
    found = _BEHIND.match(kinds)
    return found.span(1) if found else (0, 0)


def place_before(kinds: str) -> tuple[int, int]:
    return _from_behind(_BEFORE, kinds)


def _from_behind(pattern: re.Pattern[str], kinds: str) -> tuple[int, int]:
    found = pattern.match(kinds[::-1])
    return (len(kinds) - found.end(1), len(kinds) - found.start(1)) if found else (0, 0)
