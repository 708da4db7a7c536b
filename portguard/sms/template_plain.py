"""Which template a plain text is: the short way, which nearly every message can go.

Nouns: a text is *plain* when it is made of hanzi, ASCII and the usual punctuation, holds nothing that may be a link,
and has a signature in front or none. Of one that is not plain, and of one that fits only with some variable longer than
it could be, this says UNSURE: then `template` looks closer. Where it says anything else, `template` says the same.
Compiled; texts are UTF-16BE octets.
"""

from typing import Final

from librt.strings import BytesWriter, read_i16_be, write_i16_be
from librt.vecs import vec
from mypy_extensions import i16, i64

from portguard.sms.category import MARKETING
from portguard.sms.lexicon import Lexicon
from portguard.sms.template_index import BEGINNING, Index
from portguard.sms.text import ASCII_CLOSE, ASCII_OPEN, CLOSE, OPEN, SPACE, stands_at

UNFIT: Final = -1
UNSURE: Final = -2
TEXT_LIMIT: Final = 4096
# So many templates are tried on one text; the index seldom finds more than one.
TRIED_LIMIT: Final = 256
_SIGNATURE_LIMIT: Final = 64
_DOT: Final = 0x2E
_FULL_STOP: Final = 0x3002
_SLASH: Final = 0x2F
_COMMA: Final = 0xFF0C


class PlainTemplate:
    """A template without what it is called: `limits` are those of its variables in octets, `links`: some variable is a
    link; `content` is category * 16 + industry."""

    def __init__(self, literals: list[bytes], limits: list[int], links: bool, content: i64) -> None:
        self.literals = literals
        self.limits: vec[i64] = vec[i64](limits)
        self.links = links
        self.content = content
        self.least: i64 = sum([len(literal) for literal in literals]) + 2 * len(limits)
        self.most: i64 = sum([len(literal) for literal in literals]) + sum(limits)


class PlainTemplates:
    """The templates of one signature. `units` has two octets for each UTF-16 unit, what it is but for its width; `odd`
    has one, 1 for a unit that is in no plain text."""

    def __init__(self, templates: list[PlainTemplate], index: Index, units: bytes, odd: bytes) -> None:
        self._templates = templates
        self._index = index
        self._units = units
        self._odd = odd
        self._writer = BytesWriter()
        # Of the text that was looked at last: how it reads, which templates may fit it, and how many have been tried.
        self._text = b""
        self._candidates: list[int] = []
        self._tried: i64 = 0
        variables = max([len(template.limits) for template in templates], default=0)
        self._spans: vec[i64] = vec[i64]([0] * (2 * variables))

    def content(self, raw: bytes, lexicon: Lexicon) -> i64:
        """category * 16 + industry of the first template that fits, passing by one for no offers whose variables hold
        one; UNFIT; UNSURE."""
        number = self.find(raw)
        while number >= 0:
            template = self._templates[number]
            variables: i64 = len(template.limits)
            if template.content >> 4 == MARKETING or variables == 0:
                return template.content
            if lexicon.classify(self.filled(variables)) >> 4 != MARKETING:
                return template.content
            number = self._next()
        return number

    def find(self, raw: bytes) -> i64:
        """The number of the first template that `raw` fits, UNFIT or UNSURE."""
        end: i64 = len(raw)
        if end > 2 * TEXT_LIMIT:
            return UNSURE
        while end > 0 and self._unit(raw, end - 2) == SPACE:
            end -= 2
        start = self._body(raw, end)
        if start < 0:
            return UNSURE
        w = self._writer
        w.truncate(0)
        middle: i64 = min(end, start + BEGINNING)
        self._write(raw, start, middle)
        if self._index.by_beginning and not self._index.begins(w.getvalue()):
            return UNFIT
        if not self._is_plain(raw, start, end):
            return UNSURE
        self._write(raw, middle, end)
        self._text = w.getvalue()
        self._candidates = self._index.candidates(self._text)[:TRIED_LIMIT]
        self._tried = 0
        return self._next()

    def _next(self) -> i64:
        """The next template that the text fits, UNFIT or UNSURE."""
        while self._tried < len(self._candidates):
            number: i64 = self._candidates[self._tried]
            self._tried += 1
            fits = self._fits(self._templates[number], self._text)
            if fits != UNFIT:
                return number if fits == 0 else UNSURE
        return UNFIT

    def filled(self, variables: i64) -> bytes:
        """What stands for so many variables in the text that was found to fit last, commas between."""
        plain = self._text
        w = BytesWriter()
        place: i64 = 0
        while place < variables:
            if place > 0:
                write_i16_be(w, i16(_COMMA - 0x10000))
            w.write(plain[self._spans[2 * place] : self._spans[2 * place + 1]])
            place += 1
        return w.getvalue()

    def _unit(self, raw: bytes, pos: i64) -> i64:
        return i64(read_i16_be(self._units, (i64(read_i16_be(raw, pos)) & 0xFFFF) * 2)) & 0xFFFF

    def _body(self, raw: bytes, end: i64) -> i64:
        """Where the text begins behind its signature; -1 when it has one that is not a plain one in front."""
        pos = self._after_spaces(raw, 0, end)
        if pos >= end:
            return -1
        unit = self._unit(raw, pos)
        if unit == OPEN:
            until: i64 = min(end, pos + 2 * (_SIGNATURE_LIMIT + 2))
            pos += 2
            while pos < until:
                unit = self._unit(raw, pos)
                pos += 2
                if unit == CLOSE:
                    pos = self._after_spaces(raw, pos, end)
                    return -1 if pos < end and is_control(self._unit(raw, pos)) else pos
                if unit == OPEN or unit & 0xF800 == 0xD800:
                    return -1
            return -1
        last = self._unit(raw, end - 2)
        if unit == ASCII_OPEN or last == CLOSE or last == ASCII_CLOSE or is_control(unit):
            return -1
        return pos

    def _after_spaces(self, raw: bytes, pos: i64, end: i64) -> i64:
        while pos < end and self._unit(raw, pos) == SPACE:
            pos += 2
        return pos

    def _write(self, raw: bytes, pos: i64, until: i64) -> None:
        """Write units in their usual width."""
        units = self._units
        w = self._writer
        while pos < until:
            write_i16_be(w, read_i16_be(units, (i64(read_i16_be(raw, pos)) & 0xFFFF) * 2))
            pos += 2

    def _is_plain(self, raw: bytes, pos: i64, end: i64) -> bool:
        """Is all of it usual, and no part of it a link?"""
        odd = self._odd
        while pos < end:
            unit: i64 = i64(read_i16_be(raw, pos)) & 0xFFFF
            pos += 2
            if unit >= 0x4E00 and unit <= 0x9FFF:
                continue
            if odd[unit] != 0:
                return False
            unit = self._unit(raw, pos - 2)
            may_link = unit == _DOT or unit == _FULL_STOP or unit == _SLASH
            if may_link and pos < end and goes_on(unit, self._unit(raw, pos)):
                return False
        return True

    def _fits(self, template: PlainTemplate, plain: bytes) -> i64:
        """0 when it fits with every variable as short as possible, UNFIT when it cannot fit, UNSURE."""
        size: i64 = len(plain)
        literals = template.literals
        last: bytes = literals[len(literals) - 1]
        start: i64 = len(literals[0])
        if not template.least <= size <= template.most:
            return UNFIT
        if not stands_at(plain, 0, literals[0]) or not stands_at(plain, size - len(last), last):
            return UNFIT
        variables: i64 = len(template.limits)
        if variables == 0:
            return 0
        simple = not template.links
        place: i64 = 0
        while place < variables - 1:
            literal: bytes = literals[place + 1]
            found = where(plain, start + 2, literal)
            if found < 0:
                return UNFIT
            simple = simple and found - start <= template.limits[place]
            self._spans[2 * place] = start
            self._spans[2 * place + 1] = found
            start = found + len(literal)
            place += 1
        until: i64 = size - len(last)
        self._spans[2 * place] = start
        self._spans[2 * place + 1] = until
        return 0 if simple and 0 < until - start <= template.limits[place] else UNSURE


def is_control(unit: i64) -> bool:
    """Is it a control, of which some are white space to `template`?"""
    return unit < 0x20 or 0x7F <= unit <= 0x9F


def goes_on(unit: i64, after: i64) -> bool:
    """Might a dot, a full stop or a slash and what comes after it be part of a link?"""
    if unit == _SLASH:
        return after == _SLASH
    if 0x30 <= after <= 0x39 or 0x61 <= after <= 0x7A or 0x41 <= after <= 0x5A:
        return True
    return unit == _DOT and (after > 0x7F or after == 0x5F)


def where(octets: bytes, start: i64, piece: bytes) -> i64:
    """The offset of the first `piece` of whole units from `start` on, -1 for none."""
    last: i64 = len(octets) - len(piece)
    while start <= last:
        if stands_at(octets, start, piece):
            return start
        start += 2
    return -1
