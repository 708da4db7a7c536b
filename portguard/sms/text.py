"""One message's text and the signatures at its two ends, read from UTF-16BE octets.

Nouns: the **head** and the **tail** are the contents of a bracket pair at the beginning (after white space) and at the
end (before white space); they are **disguised** where a reader sees such a pair, but the raw text has none. Compiled;
runs interpreted too. Must not know what is on file, nor what follows from what it finds.
"""

from codecs import utf_16_be_decode
from typing import Final

from librt.strings import BytesWriter, read_i16_be, read_i64_be, read_i64_le
from librt.vecs import vec
from mypy_extensions import i64, u8

from portguard.sms import sight
from portguard.sms.canonical import BREAK, ELSEWHERE, GAP, fold_table, word_table
from portguard.sms.sight import EMBLEM, SYMBOL, UNSEEN, WHITE

OPEN: Final = 0x3010
CLOSE: Final = 0x3011
ASCII_OPEN: Final = 0x5B
ASCII_CLOSE: Final = 0x5D
SPACE: Final = 0x20
BOM: Final = 0xFEFF
SWAPPED_BOM: Final = 0xFFFE
WIDE_CLOSE: Final = 0xFF3D
_OVERRIDE: Final = 0x202E
# Of four units at once: five bits of each, those of a surrogate, and one. A number of more than 62 bits would be an
# object to compiled code.
_FIVES: Final = 0x001F001F001F001F
_SURROGATES: Final = 0x001B001B001B001B
_ONES: Final = 0x0001000100010001
# A closing bracket no further from the head than this may be half of a pair.
HALF_LIMIT: Final = 26
# A disguised signature of more characters than this is none: what is on file is far shorter.
DISGUISE_LIMIT: Final = 64
# A bracket at the head of more characters than this is content, and no signature that needs to be left out of it.
SIGNATURE_LIMIT: Final = 18


class Text:
    """The text of one message, loaded again and again into one object; every attribute is renewed by `load`.

    `head` and `tail` are raw slices, b"" where there is none or the pair is empty, which `has_head` and `has_tail` tell
    apart. A pair that is the whole text is a head only. `unclosed`: the text begins with an opening bracket, and is too
    short to tell that it will not be closed. `disguised`: an end looks bracketed that is not in the raw text; then
    `disguised_head` or `disguised_tail` holds what is between those brackets, as written (`ornamental`: between other
    symbols). `beside` is what looks like another signature right behind the head or before the tail, "" for none.
    `head_end` and `tail_start` are the offsets behind the pair at the head and of the one at the tail, 0 and the end
    where there is none. `closer`: an end of a text with a head had to be read by `sight`.
    """

    raw: bytes
    head: bytes
    tail: bytes
    has_head: bool
    has_tail: bool
    head_end: i64
    tail_start: i64
    unclosed: bool
    closer: bool
    disguised: bool
    disguised_head: str
    disguised_tail: str
    ornamental: bool
    beside: str
    _fold: bytes
    _words: bytes
    _kinds: vec[u8]

    def __init__(self) -> None:
        self._fold = fold_table()
        self._words = word_table()
        # By unit; 0 until it is first asked for.
        self._kinds = vec[u8]([0] * 0x10000)
        self.raw = self.head = self.tail = b""
        self.has_head = self.has_tail = self.unclosed = self.closer = self.disguised = self.ornamental = False
        self.head_end = self.tail_start = 0
        self.disguised_head = self.disguised_tail = self.beside = ""

    def load(self, raw: bytes, ascii_head: bool, ascii_tail: bool) -> None:
        """Read `raw`, sound UTF-16BE. 【】 is a pair at either end; [ ] is one only where that end came in a coding
        that cannot carry 【】."""
        self.raw = raw
        self.head = self.tail = b""
        self.has_head = self.has_tail = self.unclosed = self.closer = False
        self.head_end, self.tail_start = 0, len(raw)
        if self.disguised:
            self.disguised = False
            self.disguised_head = ""
            self.disguised_tail = ""
            self.ornamental = False
        if self.beside != "":
            self.beside = ""
        begin: i64 = 0
        end: i64 = len(raw)
        while begin < end and is_space(i64(read_i16_be(raw, begin)) & 0xFFFF):
            begin += 2
        while end > begin and is_space(i64(read_i16_be(raw, end - 2)) & 0xFFFF):
            end -= 2
        if begin >= end:
            return
        body: i64 = begin
        unit: i64 = i64(read_i16_be(raw, begin)) & 0xFFFF
        closing: i64 = 0
        if unit == OPEN:
            closing = CLOSE
        elif ascii_head and unit == ASCII_OPEN:
            closing = ASCII_CLOSE
        if closing != 0:
            position: i64 = begin + 2
            while position < end and i64(read_i16_be(raw, position)) & 0xFFFF != closing:
                position += 2
            if position < end:
                self.has_head = True
                self.head = raw[begin + 2 : position]
                self.head_end = body = position + 2
            else:
                self.unclosed = end - begin <= 2 * DISGUISE_LIMIT
        if body >= end:
            return
        last: i64 = i64(read_i16_be(raw, end - 2)) & 0xFFFF
        if last == CLOSE or (ascii_tail and last == ASCII_CLOSE):
            self._find_tail(body, end, last)
        # The rest is for text that reads otherwise than it is written; the units at its ends settle it for nearly all.
        if self.has_head:
            self._look_behind(body, end)
        else:
            kind: i64 = i64(read_i16_be(self._words, unit * 2)) & 0xFFFF
            if kind <= BREAK or kind == ELSEWHERE or self._is_symbol(unit) or self._half_bracketed(begin, end):
                body = self._look_at_head(begin, end)
            if self.has_tail:
                self._look_before(body, self.tail_start)
        if not self.has_tail:
            self._look_at_tail(body, end, last)

    def _find_tail(self, body: i64, end: i64, last: i64) -> None:
        """The pair that `last`, a closing bracket before `end`, closes."""
        raw = self.raw
        opening: i64 = OPEN
        if last == ASCII_CLOSE:
            opening = ASCII_OPEN
        position: i64 = end - 4
        while position >= body and i64(read_i16_be(raw, position)) & 0xFFFF != opening:
            position -= 2
        if position >= body:
            self.has_tail = True
            self.tail = raw[position + 2 : end - 2]
            self.tail_start = position

    def digits_name(self) -> bool:
        """Is there a digit in what only looks like a signature?"""
        if self.disguised or self.beside != "":
            for letter in self.disguised_head + self.disguised_tail + self.beside:
                code: i64 = ord(letter)
                if 0x30 <= code <= 0x39:
                    return True
        return False

    def _look_at_head(self, begin: i64, end: i64) -> i64:
        """What a reader takes for a signature at the head; the offset behind it, or `begin`."""
        kinds = self._kinds_of(begin, end)
        if kinds == "":
            return self._look_closer(begin, end)
        start, stop, behind, ornamental = sight.place_of_head(kinds)
        if behind < 0:
            return begin
        self.disguised = True
        self.disguised_head = self._between(begin, start, stop)
        self.ornamental = ornamental
        return begin + 2 * behind

    def _look_closer(self, begin: i64, end: i64) -> i64:
        """The same where characters are not one unit each, or turn others around."""
        text = utf_16_be_decode(self.raw[begin:end], "replace", True)[0]
        found = sight.head(text)
        if found is None:
            return begin
        self.disguised = True
        self.disguised_head = found.written
        self.ornamental = found.ornamental
        return begin + len(text[: found.end].encode("utf-16-be", "replace"))

    def _kinds_of(self, begin: i64, end: i64) -> str:
        """The kinds (`sight`) of the units raw[begin:end]; "" where one is half a character or turns others around."""
        raw = self.raw
        found = BytesWriter()
        while begin < end:
            unit: i64 = i64(read_i16_be(raw, begin)) & 0xFFFF
            begin += 2
            if unit & 0xF800 == 0xD800 or unit == _OVERRIDE:
                return ""
            found.append(u8(self._kind(unit)))
        return found.getvalue().decode("latin-1")

    def _kind(self, unit: i64) -> i64:
        """The kind of a unit that is a character."""
        kind: i64 = i64(self._kinds[unit])
        if kind == 0:
            kind = ord(sight.kind(int(unit)))
            self._kinds[unit] = u8(kind)
        return kind

    def _is_symbol(self, unit: i64) -> bool:
        """Is what folds into a letter drawn as a symbol?"""
        if is_common(unit):
            return False
        kind = self._kind(unit)
        return kind == SYMBOL or kind == EMBLEM

    def _is_empty(self, unit: i64) -> bool:
        """Is there nothing to be seen in it?"""
        kind = self._kind(unit)
        return kind == UNSEEN or kind == WHITE

    def _folded(self, unit: i64) -> i64:
        return i64(read_i16_be(self._fold, unit * 2)) & 0xFFFF

    def _between(self, begin: i64, start: i64, stop: i64) -> str:
        """The units from `start` to `stop` behind `begin`, of which none is half a character."""
        return utf_16_be_decode(self.raw[begin + 2 * start : begin + 2 * stop], "strict", True)[0]

    def _look_at_tail(self, begin: i64, end: i64, last: i64) -> None:
        """What a reader takes for a signature at the tail; `last` is the last unit."""
        kind: i64 = i64(read_i16_be(self._words, last * 2)) & 0xFFFF
        if kind == ELSEWHERE or (kind <= GAP and (self._folded(last) == CLOSE or self._is_empty(last))):
            self.closer = True
            kinds = self._kinds_of(begin, end)
            if kinds != "":
                start, stop = sight.place_of_tail(kinds)
                self.disguised_tail = self._between(begin, start, stop)
            else:
                self.disguised_tail = sight.tail(utf_16_be_decode(self.raw[begin:end], "replace", True)[0])
            self.disguised = self.disguised or self.disguised_tail != ""

    def _half_bracketed(self, begin: i64, end: i64) -> bool:
        """Is there a closing bracket near the head, where no bracket has been opened?"""
        raw = self.raw
        position: i64 = begin
        if end > begin + 2 * HALF_LIMIT:
            end = begin + 2 * HALF_LIMIT
        while position < end:
            unit: i64 = i64(read_i16_be(raw, position)) & 0xFFFF
            if unit == CLOSE or unit == ASCII_CLOSE or unit == WIDE_CLOSE:
                return True
            position += 2
        return False

    def _look_behind(self, position: i64, end: i64) -> None:
        """Another signature right behind the one at the head."""
        raw = self.raw
        start: i64 = position
        while position < end:
            unit: i64 = i64(read_i16_be(raw, position)) & 0xFFFF
            kind: i64 = i64(read_i16_be(self._words, unit * 2)) & 0xFFFF
            if kind > BREAK and kind != ELSEWHERE and not self._is_symbol(unit):
                return
            if self._folded(unit) == OPEN:
                self.closer = True
                kinds = self._kinds_of(start, end)
                if kinds != "":
                    first, stop = sight.place_behind(kinds)
                    self.beside = self._between(start, first, stop)
                else:
                    self.beside = sight.behind(utf_16_be_decode(raw[start:end], "replace", True)[0])
                return
            position += 2

    def _look_before(self, begin: i64, position: i64) -> None:
        """Another signature right before the one at the tail."""
        raw = self.raw
        end: i64 = position
        while position > begin:
            position -= 2
            unit: i64 = i64(read_i16_be(raw, position)) & 0xFFFF
            folded = self._folded(unit)
            if folded == CLOSE:
                kinds = self._kinds_of(begin, end)
                if kinds != "":
                    start, stop = sight.place_before(kinds)
                    self.beside = self._between(begin, start, stop)
                else:
                    self.beside = sight.before(utf_16_be_decode(raw[begin:end], "replace", True)[0])
                return
            if folded != ELSEWHERE and not self._is_empty(unit):
                return


def is_space(unit: i64) -> bool:
    """Whether a UTF-16 unit is white space (Unicode White_Space)."""
    if unit > 0x20:
        if unit < 0x85:
            return False
        return (
            unit == 0x3000
            or unit == 0x85
            or unit == 0xA0
            or unit == 0x1680
            or 0x2000 <= unit <= 0x200A
            or (unit == 0x2028 or unit == 0x2029 or unit == 0x202F or unit == 0x205F)
        )
    return unit == 0x20 or 0x09 <= unit <= 0x0D


def is_common(unit: i64) -> bool:
    """Is it a hanzi of the first block, an ASCII letter or a digit?"""
    return 0x4E00 <= unit <= 0x9FFF or 0x61 <= unit <= 0x7A or 0x41 <= unit <= 0x5A or 0x30 <= unit <= 0x39


def is_usual(signature: bytes, shortest: i64, longest: i64) -> bool:
    """Has a signature (UTF-16BE) surely nothing wrong with its form (`signature.form_error`)?"""
    end: i64 = len(signature)
    if end < 2 * shortest or end > 2 * longest:
        return False
    only_digits = True
    position: i64 = 0
    while position < end:
        unit: i64 = i64(read_i16_be(signature, position)) & 0xFFFF
        if not is_common(unit):
            return False
        only_digits = only_digits and unit <= 0x39
        position += 2
    return not only_digits


def after_signature(buf: bytes, start: i64, end: i64) -> i64:
    """The offset after a signature at the very beginning of the text buf[start:end], `start` when there is none of a
    usual length."""
    position: i64 = start + 2
    until: i64 = min(end, start + 2 * SIGNATURE_LIMIT)
    if until < position or i64(read_i16_be(buf, start)) & 0xFFFF != OPEN:
        return start
    while position + 1 < until:
        if i64(read_i16_be(buf, position)) & 0xFFFF == CLOSE:
            return position + 2
        position += 2
    return start


def plain_utf16(buf: bytes, pos: i64, end: i64) -> bool:
    """True for whole UTF-16BE units with no surrogate and no BOM of either order in front: text as it stands."""
    if (end - pos) & 1 != 0:
        return False
    if pos < end:
        first: i64 = i64(read_i16_be(buf, pos)) & 0xFFFF
        if first == BOM or first == SWAPPED_BOM:
            return False
    while pos + 8 <= end:
        # Four units at once: none is left without a bit where its first five are those of a surrogate.
        units: i64 = read_i64_be(buf, pos) >> 11 & _FIVES ^ _SURROGATES
        if ((units - _ONES) & ~units) >> 15 & _ONES != 0:
            return False
        pos += 8
    while pos < end:
        if i64(read_i16_be(buf, pos)) & 0xF800 == 0xD800:
            return False
        pos += 2
    return True


def holds_usual_hint(raw: bytes) -> bool:
    """Does UTF-16BE text hold 退订 or 拒收 as nearly every offer does: behind a sign and before 回 or 请, or right
    behind the letter to answer with? What is written otherwise is for `optout` to read."""
    pos: i64 = len(raw) - 4
    while pos >= 2:
        unit: i64 = i64(read_i16_be(raw, pos)) & 0xFFFF
        if unit == 0x9000 or unit == 0x62D2:
            after: i64 = i64(read_i16_be(raw, pos + 2)) & 0xFFFF
            before: i64 = i64(read_i16_be(raw, pos - 2)) & 0xFFFF
            if after == (0x8BA2 if unit == 0x9000 else 0x6536) and (before < 0x80 or before >= 0xFF00):
                if before == 0x54 or before == 0x44 or before == 0x4E or before == 0x52:  # T, D, N, R
                    return True
                if pos + 4 < len(raw):
                    after = i64(read_i16_be(raw, pos + 4)) & 0xFFFF
                    if after == 0x56DE or after == 0x8BF7:
                        return True
        pos -= 2
    return False


def stands_at(octets: bytes, pos: i64, piece: bytes) -> bool:
    """Is `piece` at `pos`?"""
    size: i64 = len(piece)
    if pos < 0 or pos + size > len(octets):
        return False
    at: i64 = 0
    while at + 8 <= size:
        if read_i64_le(octets, pos + at) != read_i64_le(piece, at):
            return False
        at += 8
    if size >= 8:
        # The last eight, whatever of them has been looked at.
        return read_i64_le(octets, pos + size - 8) == read_i64_le(piece, size - 8)
    while at < size:
        if octets[pos + at] != piece[at]:
            return False
        at += 1
    return True
