"""Texts that came before: most messages differ from an earlier one in digits only, or in a name.

Noun: a *Known* text is one that came before, with what was found out about it. `KnownTexts` finds it for a message in
one comparison, which takes the place of reading the text; a digit stands for any other, but not in the signature. Whose
texts they are (an account's from a number, or anybody's), and to leave out what depends on which digit it is (templates
with digits of their own), is for whoever remembers them: `recall`.

Of a *loose* text a few hanzi in one place may be others, too: a name. Words decide about the content, and each has two
symbols or more; so where no word has two of the hanzi beside each other, nor one beside what stands around them, they
are in no word, and all words of the one text are in the other. This is asked of both.

Compiled. Bounded: a slot for each look of a text, and the last that had it stays there.
"""

from typing import Final

from librt.strings import read_i16_be, read_i64_be
from librt.vecs import vec
from mypy_extensions import i32, i64, mypyc_attr

from portguard.policy.grant import NO_GRANT, NO_PORT, Account
from portguard.policy.terms import Bucket
from portguard.sms.canonical import BREAK, DELETED, DIGIT, ELSEWHERE, GAP, word_table
from portguard.sms.lexicon import NUMBER, Lexicon
from portguard.sms.text import CLOSE, OPEN, stands_at

# A text of fewer octets is not remembered: too little to tell slots by. Nor is a longer one than that, or a sender of
# such could fill memory with them.
LEAST: Final = 32
_LONGEST: Final = 1024
# Octets of a loose text from the first hanzi that may be another to behind the last.
_MOST_APART: Final = 16
# Of a word of four UTF-16 units, what all digits have in common.
_DIGITS_ALIKE: Final = ~0x000F000F000F000F
_MULTIPLIER: Final = 0x1E3779
# Of four units at once: the first of ten digits, what lifts a digit's successors out of their sixteen, one bit of each.
_ZEROS: Final = 0x0030003000300030
_SIXES: Final = 0x0006000600060006
_ONES: Final = 0x0001000100010001
_CLOSES: Final = 0x3011301130113011

_NOBODY: Final = Account("", Bucket())


@mypyc_attr(acyclic=True)
class Known:
    """A text and what was found about it: its grant, its kind of content, whether it tells how to refuse. `number` and
    `text` are as sent; digits count before `head` and from `tail` on.

    `hits` and `soft` are those of its signature; `index` is its content (category * 16 + industry, 0 where the text
    does not tell); it all holds at epoch seconds from `since` to before `until`. Of a `loose` text nothing but words
    and the signature at the head decides, which `head` is behind.
    """

    def __init__(self) -> None:
        self.account = _NOBODY
        self.number = b""
        self.text = b""
        self.head: i64 = 0
        self.tail: i64 = 0
        self.port = NO_PORT
        self.grant = NO_GRANT
        self.since = 1.0
        self.until = 0.0
        self.hits: i64 = 0
        self.soft: i64 = 0
        self.index: i64 = 0
        self.fitting = False
        self.hinted = False
        self.loose = False
        # Where a name was last found to be in no word: what is inside of that need not be looked at again.
        self.named: i64 = 0
        self.named_end: i64 = 0
        # Where it was counted last (`counters.Tallies`).
        self.entry: i64 = 0


UNKNOWN_TEXT: Final = Known()


class KnownTexts:
    """Up to `most` known texts; a power of two. A text is remembered when its look has come `after` times (1 to 7) with
    no other of its slot in between: many come once. What was found about it was found with the words of `lexicon`."""

    def __init__(self, most: i64, lexicon: Lexicon, after: i64 = 1) -> None:
        self._mask: i64 = most - 1
        self._after = after
        self._slots: list[Known] = [UNKNOWN_TEXT] * int(most)
        # Two of each slot, of 31 bits, -1 is none: the look of the text that is known, and the last that was not, with
        # how often it came in the bits that the slot says, too. So it costs one line of memory to see that a text is
        # not known, and to note that it came.
        self._looks: vec[i32] = vec[i32]([-1] * (2 * int(most)))
        self._look: i64 = -1
        # Is the text that was found last known but for a name?
        self.renamed = False
        self._lexicon = lexicon
        self._symbols = word_table()

    def find(
        self, digest: i64, a: Account, buf: bytes, start: i64, end: i64, number_start: i64, number_end: i64
    ) -> Known:
        """The known text of which the plain UTF-16BE text buf[start:end] is another, sent by `a` from the number
        buf[number_start:number_end]; UNKNOWN_TEXT when there is none. `digest` is what `look_from` says of it."""
        self._look = digest
        self.renamed = False
        if digest < 0:
            return UNKNOWN_TEXT
        size: i64 = end - start
        slot: i64 = self._look & self._mask
        if i64(self._looks[2 * slot]) != self._look:
            return UNKNOWN_TEXT
        known = self._slots[slot]
        if (
            known.account is a
            and len(known.text) == size
            and len(known.number) == number_end - number_start
            and stands_at(buf, number_start, known.number)
            and self.alike(buf, start, known)
        ):
            return known
        return UNKNOWN_TEXT

    def alike(self, buf: bytes, start: i64, known: Known) -> bool:
        """Is the UTF-16BE text at buf[start:], of the same length, the known one but for digits, or for a name if that
        is loose? One whose own name keeps it from being so is not remembered in its place."""
        text = known.text
        head: i64 = known.head
        tail: i64 = known.tail
        size: i64 = len(text)
        first: i64 = -1
        last: i64 = -1
        pos: i64 = 0
        while pos < size:
            if pos + 8 <= size:
                here = read_i64_be(buf, start + pos)
                there = read_i64_be(text, pos)
                if here == there or (pos >= head and pos + 8 <= tail and digits_apart(here, there)):
                    pos += 8
                    continue
            unit: i64 = i64(read_i16_be(buf, start + pos))
            other: i64 = i64(read_i16_be(text, pos))
            if unit != other:
                if pos < head or pos >= tail:
                    return False
                if unit < 0x30 or unit > 0x39 or other < 0x30 or other > 0x39:
                    if first < 0:
                        first = pos
                    last = pos + 2
                    if not known.loose or last - first > _MOST_APART:
                        return False
            pos += 2
        if last < 0:
            return True
        if first < known.named or last > known.named_end:
            if not self._wordless(text, 0, first, last, head, size):
                return False
            known.named = first
            known.named_end = last
        if self._wordless(buf, start, first, last, head, size):
            self.renamed = True
            return True
        self._look = -1
        return False

    def _wordless(self, buf: bytes, start: i64, first: i64, last: i64, head: i64, size: i64) -> bool:
        """Are the units from `first` to `last` of the text of `size` octets at buf[start:] hanzi that are surely in no
        word? What stands before `head` is not read for words."""
        previous: i64 = BREAK
        pos: i64 = first - 2
        while pos >= head:
            previous = self._symbol(buf, start + pos)
            if previous != GAP:
                break
            pos -= 2
        if previous == GAP:
            previous = BREAK
        pos = first
        while pos < last:
            unit: i64 = i64(read_i16_be(buf, start + pos)) & 0xFFFF
            if unit < 0x4E00 or unit > 0x9FFF:
                return False
            symbol = self._symbol(buf, start + pos)
            if previous < 0 or symbol < 0x80 or self._lexicon.joins(previous, symbol):
                return False
            previous = symbol
            pos += 2
        while pos < size:
            symbol = self._symbol(buf, start + pos)
            if symbol != GAP:
                return symbol >= 0 and not self._lexicon.joins(previous, symbol)
            pos += 2
        return True

    def _symbol(self, buf: bytes, pos: i64) -> i64:
        """What the unit at `pos` is to words; -1 where that depends on more than the unit, GAP for nothing at all."""
        unit: i64 = i64(read_i16_be(buf, pos)) & 0xFFFF
        symbol: i64 = i64(read_i16_be(self._symbols, unit * 2)) & 0xFFFF
        if symbol >= 0x80 and symbol != ELSEWHERE:
            return symbol
        if symbol == DIGIT:
            return NUMBER
        if symbol == BREAK or symbol == GAP:
            return symbol
        if symbol == DELETED:
            return GAP
        return -1

    def put(self, a: Account, buf: bytes, start: i64, end: i64, number_start: i64, number_end: i64) -> Known:
        """A place for what was found about the text that was asked for last, in which all but account, number and text
        is still to be filled in; UNKNOWN_TEXT when it is none to remember, or did not come as often before."""
        if self._look < 0:
            return UNKNOWN_TEXT
        slot: i64 = self._look & self._mask
        came: i64 = i64(self._looks[2 * slot + 1])
        if came >> 3 != self._look >> 3:
            came = self._look >> 3 << 3
        if came & 7 < self._after:
            self._looks[2 * slot + 1] = i32(came + 1)
            return UNKNOWN_TEXT
        self._looks[2 * slot] = i32(self._look)
        known = self._slots[slot]
        if known is UNKNOWN_TEXT:
            known = self._slots[slot] = Known()
        known.account = a
        known.number = buf[number_start:number_end]
        known.text = buf[start:end]
        known.named_end = 0
        known.entry = 0
        return known

    def shed(self, count: i64) -> bool:
        """Let go of so many slots; False when none are left. For texts that are not asked for any more."""
        del self._slots[-count:]
        return len(self._slots) > 0

    def slots(self) -> list[Known]:
        """All that is known, UNKNOWN_TEXT among it."""
        return self._slots


def look_from(buf: bytes, start: i64, end: i64, number_start: i64, number_end: i64) -> i64:
    """The look of a text from a number; -1 of one that is not remembered."""
    size: i64 = end - start
    if size < LEAST or size > _LONGEST:
        return -1
    if number_end == number_start:
        return look(buf, start, end, 0)
    if number_end < 8:
        return -1
    return look(buf, start, end, read_i64_be(buf, number_end - 8))


def look(buf: bytes, start: i64, end: i64, number: i64) -> i64:
    """A number that texts alike have in common, of at least LEAST octets, from the number that ends with those octets.
    What stands right behind a signature at the head, or in its place, has no part in it: often it is a name."""
    middle: i64 = start + ((end - start) >> 2 << 1)
    first = read_i64_be(buf, start)
    second = read_i64_be(buf, start + 8)
    if first >> 48 != OPEN:
        first = second = 0
    elif closes(first):
        first = enclosed(first) & _DIGITS_ALIKE
        second = 0
    elif closes(second):
        first &= _DIGITS_ALIKE
        second = enclosed(second) & _DIGITS_ALIKE
    # else the signature goes on, and its digits are not like any other.
    h = mixed(end - start, number)
    h = mixed(h, first)
    h = mixed(h, second)
    h = mixed(h, read_i64_be(buf, middle) & _DIGITS_ALIKE)
    h = mixed(h, read_i64_be(buf, end - 8) & _DIGITS_ALIKE)
    return h ^ (h >> 15)


def mixed(h: i64, word: i64) -> i64:
    """One more word in a hash of 31 bits. Eight digits, which are 0x3n each, keep all that they say."""
    return ((h ^ ((word ^ (word >> 28)) & 0x7FFFFFFF)) * _MULTIPLIER >> 11) & 0x7FFFFFFF


def closes(units: i64) -> bool:
    """Is there a closing bracket among four UTF-16 units?"""
    apart: i64 = units ^ _CLOSES
    return ((apart - _ONES) & ~apart) >> 15 & _ONES != 0


def enclosed(units: i64) -> i64:
    """Four UTF-16 units up to the first closing bracket, which is among them; zeros behind it."""
    spare: i64 = 48
    while spare > 0 and units >> spare & 0xFFFF != CLOSE:
        spare -= 16
    return units >> spare << spare


def digits_apart(here: i64, there: i64) -> bool:
    """Do four UTF-16 units differ in digits only? Where it says no, they may: a unit of 0xFFFA or more disturbs its
    neighbour."""
    apart: i64 = here ^ there
    if apart & _DIGITS_ALIKE != 0:
        return False
    no_digits: i64 = (
        (here ^ _ZEROS) | ((here + _SIXES) ^ _ZEROS) | (there ^ _ZEROS) | ((there + _SIXES) ^ _ZEROS)
    ) & _DIGITS_ALIKE
    # All sixteen bits of each unit that differs.
    differing: i64 = ((apart | apart >> 1 | apart >> 2 | apart >> 3) & _ONES) * 0xFFFF
    return no_digits & differing == 0
