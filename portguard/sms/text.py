"""One message's text and the signatures at its two ends, read from UTF-16BE octets.

Nouns: the **head** and the **tail** are the contents of a bracket pair at the beginning (after white space) and at the
end (before white space); they are **disguised** where a reader sees such a pair, but the raw text has none. Compiled;
runs interpreted too. Must not know what is on file, nor what follows from what it finds.
"""

from typing import Final

from librt.strings import read_i16_be
from mypy_extensions import i64

from portguard.sms.canonical import DELETED, ELSEWHERE, fold_elsewhere, fold_table

OPEN: Final = 0x3010
CLOSE: Final = 0x3011
ASCII_OPEN: Final = 0x5B
ASCII_CLOSE: Final = 0x5D
SPACE: Final = 0x20
_ZEROS: Final = b"\x00\x30" * 32
# A disguised signature of more characters than this is none: what is on file is far shorter.
DISGUISE_LIMIT: Final = 64
# A bracket at the head of more characters than this is content, and no signature that needs to be left out of it.
SIGNATURE_LIMIT: Final = 18


class Text:
    """The text of one message, loaded again and again into one object; every attribute is renewed by `load`.

    `head` and `tail` are raw slices, b"" where there is none or the pair is empty, which `has_head` and `has_tail` tell
    apart. A pair that is the whole text is a head only. `unclosed`: the text begins with an opening bracket that is
    never closed. `disguised`: in the canonical form an end is bracketed that is not in the raw text; then
    `disguised_head` or `disguised_tail` holds what is between those brackets, as written.
    """

    raw: bytes
    head: bytes
    tail: bytes
    has_head: bool
    has_tail: bool
    unclosed: bool
    disguised: bool
    disguised_head: str
    disguised_tail: str
    _fold: bytes
    _elsewhere: dict[int, bytes]

    def __init__(self) -> None:
        self._fold = fold_table()
        self._elsewhere = fold_elsewhere()
        self.raw = b""
        self.head = b""
        self.tail = b""
        self.has_head = False
        self.has_tail = False
        self.unclosed = False
        self.disguised = False
        self.disguised_head = ""
        self.disguised_tail = ""

    def load(self, raw: bytes, ascii_brackets: bool) -> None:
        """Read `raw`, sound UTF-16BE; `ascii_brackets` makes [ ] the pair, as for codings that cannot carry 【】."""
        self.raw = raw
        self.head = b""
        self.tail = b""
        self.has_head = False
        self.has_tail = False
        self.unclosed = False
        if self.disguised:
            self.disguised = False
            self.disguised_head = ""
            self.disguised_tail = ""
        opening: i64 = OPEN
        closing: i64 = CLOSE
        if ascii_brackets:
            opening = ASCII_OPEN
            closing = ASCII_CLOSE
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
        if unit == opening:
            position: i64 = begin + 2
            while position < end and i64(read_i16_be(raw, position)) & 0xFFFF != closing:
                position += 2
            if position < end:
                self.has_head = True
                self.head = raw[begin + 2 : position]
                body = position + 2
            else:
                self.unclosed = True
        if body >= end:
            return
        last: i64 = i64(read_i16_be(raw, end - 2)) & 0xFFFF
        if last == closing:
            position = end - 4
            while position >= body and i64(read_i16_be(raw, position)) & 0xFFFF != opening:
                position -= 2
            if position >= body:
                self.has_tail = True
                self.tail = raw[position + 2 : end - 2]
        # What follows is for text that ends otherwise than it reads; a first and a last unit that fold into nothing
        # special settle it.
        if not self.has_head:
            unit = i64(read_i16_be(self._fold, unit * 2)) & 0xFFFF
            if unit == OPEN or unit == DELETED or unit == ELSEWHERE:
                body = self._find_disguised_head(begin, end)
        if not self.has_tail:
            last = i64(read_i16_be(self._fold, last * 2)) & 0xFFFF
            if last == CLOSE or last == DELETED or last == ELSEWHERE:
                self._find_disguised_tail(body, end)

    def _find_disguised_head(self, begin: i64, end: i64) -> i64:
        """Set `disguised_head` when the canonical form is bracketed at its head; the offset after it, or `begin`."""
        raw = self.raw
        position: i64 = begin
        seen: i64 = 0
        opened: i64 = -1
        while position < end and seen <= DISGUISE_LIMIT:
            unit: i64 = self._folded(position)
            if opened >= 0:
                if unit == CLOSE:
                    self.disguised = True
                    self.disguised_head = raw[opened:position].decode("utf-16-be")
                    return position + 2
                if unit != DELETED:
                    seen += 1
            elif unit == OPEN:
                opened = position + 2
            elif unit != DELETED and unit != SPACE:
                return begin
            position += 2
        return begin

    def _find_disguised_tail(self, begin: i64, end: i64) -> None:
        """Set `disguised_tail` when the canonical form is bracketed at its tail, no earlier than `begin`."""
        raw = self.raw
        position: i64 = end - 2
        seen: i64 = 0
        closed: i64 = -1
        while position >= begin and seen <= DISGUISE_LIMIT:
            unit: i64 = self._folded(position)
            if closed >= 0:
                if unit == OPEN:
                    self.disguised = True
                    self.disguised_tail = raw[position + 2 : closed].decode("utf-16-be")
                    return
                if unit != DELETED:
                    seen += 1
            elif unit == CLOSE:
                closed = position
            elif unit != DELETED and unit != SPACE:
                return
            position -= 2

    def _folded(self, position: i64) -> i64:
        """The folded unit at an offset; either half of a surrogate pair is DELETED when the pair folds into nothing."""
        raw = self.raw
        unit: i64 = i64(read_i16_be(raw, position)) & 0xFFFF
        into: i64 = i64(read_i16_be(self._fold, unit * 2)) & 0xFFFF
        if into != ELSEWHERE or unit < 0xD800 or unit > 0xDFFF:
            return into
        first: i64 = position
        if unit >= 0xDC00:
            first -= 2
        high: i64 = i64(read_i16_be(raw, first)) & 0x3FF
        low: i64 = i64(read_i16_be(raw, first + 2)) & 0x3FF
        octets = self._elsewhere.get(0x10000 + (high << 10) + low)
        return DELETED if octets is not None and not octets else into


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


def after_signature(raw: bytes, end: i64) -> i64:
    """The offset after a signature at the very beginning of the text, 0 when there is none of a usual length."""
    position: i64 = 2
    until: i64 = min(end, 2 * SIGNATURE_LIMIT)
    if until < 2 or i64(read_i16_be(raw, 0)) & 0xFFFF != OPEN:
        return 0
    while position + 1 < until:
        if i64(read_i16_be(raw, position)) & 0xFFFF == CLOSE:
            return position + 2
        position += 2
    return 0


def is_sound(raw: bytes) -> bool:
    """Whether octets are UTF-16BE: an even number of them, and every surrogate in its pair."""
    end: i64 = len(raw)
    if end & 1:
        return False
    position: i64 = 0
    while position < end:
        unit: i64 = i64(read_i16_be(raw, position)) & 0xF800
        position += 2
        if unit != 0xD800:
            continue
        if i64(read_i16_be(raw, position - 2)) & 0x0400 or position >= end:
            return False
        if i64(read_i16_be(raw, position)) & 0xFC00 != 0xDC00:
            return False
        position += 2
    return True


def shape_of(raw: bytes) -> bytes:
    """UTF-16BE text with every ASCII digit made 0."""
    end: i64 = len(raw)
    parts: list[bytes] = []
    start: i64 = 0
    pos: i64 = 0
    while pos + 1 < end:
        if raw[pos] == 0 and 0x30 <= raw[pos + 1] <= 0x39:
            first: i64 = pos
            while pos + 1 < end and raw[pos] == 0 and 0x30 <= raw[pos + 1] <= 0x39:
                pos += 2
            parts.append(raw[start:first])
            digits: i64 = (pos - first) >> 1
            parts.append(_ZEROS[0 : digits * 2] if digits <= 32 else b"\x00\x30" * int(digits))
            start = pos
        else:
            pos += 2
    if start == 0:
        return raw
    parts.append(raw[start:end])
    return b"".join(parts)
