"""Which of many texts with gaps can be a given text at all, found without trying each.

Nouns: the **literals** of a template are what stands between its variables; a **gram** is GRAM characters of one of
them, which are eight octets. A template is filed under how it begins where few others begin so, else under the rarest
gram it has, else under its longest literal; a text is looked up by its beginning and by every gram in it. Texts are
UTF-16BE octets. Compiled; knows nothing of variables.
"""

from collections import Counter
from typing import Final

from librt.strings import read_i64_be
from mypy_extensions import i64

GRAM: Final = 8
BEGINNING: Final = 16
# So many templates may begin alike and be filed under that.
ALIKE: Final = 4
_MULTIPLIER: Final = 0x1E3779


class Index:
    """Made once from the literals of each template; never changes."""

    def __init__(self, templates: list[list[bytes]]) -> None:
        self._beginnings: dict[bytes, list[int]] = {}
        self._grams: dict[int, list[int]] = {}
        self._short: dict[bytes, list[int]] = {}
        self._always: list[int] = []
        begins = Counter([literals[0][:BEGINNING] for literals in templates])
        rest: list[int] = []
        for number, literals in enumerate(templates):
            beginning = literals[0][:BEGINNING]
            longest = max(literals, key=len)
            if len(beginning) > 0 and begins[beginning] <= ALIKE:
                self._beginnings.setdefault(beginning, []).append(number)
            elif len(longest) >= GRAM:
                rest.append(number)
            elif len(longest) > 0:
                self._short.setdefault(longest, []).append(number)
            else:
                self._always.append(number)
        found = {number: set(_grams(templates[number])) for number in rest}
        common = Counter([gram for grams in found.values() for gram in grams])
        for number in rest:
            # Of the rarest the first in the order of characters, so that the index is always the same.
            rarest = min(found[number], key=lambda gram: (common[gram], gram))
            self._grams.setdefault(rarest, []).append(number)
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})
        self._sizes = sorted({len(literal) for literal in self._short})
        # Which grams need not be looked up: some sixteen places for each that is on file.
        size: i64 = 16
        while size < len(self._grams) * 16:
            size *= 2
        self._mask: i64 = size - 1
        filter = bytearray(int(size))
        for gram in self._grams:
            filter[int(_place(gram, self._mask))] = 1
        self._filter = bytes(filter)
        self.by_beginning = len(self._grams) == 0 and len(self._short) == 0 and len(self._always) == 0

    def begins(self, text: bytes) -> bool:
        """Does some template begin as `text` does, of which the first BEGINNING octets are enough?"""
        for length in self._lengths:  # noqa: SIM110 -- a generator costs more than all of this
            if text[:length] in self._beginnings:
                return True
        return False

    def candidates(self, text: bytes) -> list[int]:
        """The numbers of the templates that `text` might be, in their order; every other one it is not."""
        found = list(self._always)
        for length in self._lengths:
            if len(text) >= length:
                found += self._beginnings.get(text[:length], [])
        if len(self._grams) > 0:
            self._by_gram(text, found)
        for size in self._sizes:
            pieces = {text[start : start + size] for start in range(0, len(text) - size + 1, 2)}
            for piece in pieces:
                found += self._short.get(piece, [])
        found.sort()
        return found

    def _by_gram(self, text: bytes, found: list[int]) -> None:
        mask: i64 = self._mask
        filter = self._filter
        seen: set[int] = set()
        start: i64 = 0
        last: i64 = len(text) - GRAM
        while start <= last:
            gram: i64 = read_i64_be(text, start)
            start += 2
            if filter[_place(gram, mask)] != 0 and gram not in seen:
                seen.add(gram)
                found += self._grams.get(gram, [])


def _place(gram: i64, mask: i64) -> i64:
    """Where a gram is in the filter."""
    return (((gram ^ gram >> 28) & 0x7FFFFFFF) * _MULTIPLIER >> 11) & mask


def _grams(literals: list[bytes]) -> list[int]:
    """All grams of the literals."""
    return [
        int(read_i64_be(literal, start)) for literal in literals for start in range(0, len(literal) - GRAM + 1, 2)
    ]
