"""Which of many texts with gaps can be a given text at all, found without trying each.

Nouns: the **literals** of a template are what stands between its variables; a **gram** is up to GRAM characters of one
of them. A template is filed under how it begins where few others begin so, else under the rarest gram it has; a text is
looked up by its beginning and by every gram in it. Knows nothing of variables.
"""

from collections import Counter
from typing import Final

GRAM: Final = 4
BEGINNING: Final = 8
# So many templates may begin alike and be filed under that.
ALIKE: Final = 4


class Index:
    """Made once from the literals of each template; never changes."""

    __slots__ = ("_always", "_beginnings", "_grams", "_lengths", "_sizes")

    def __init__(self, templates: list[list[str]]) -> None:
        self._beginnings: dict[str, list[int]] = {}
        self._grams: dict[str, list[int]] = {}
        self._always: list[int] = []
        begins = Counter(literals[0][:BEGINNING] for literals in templates)
        rest = []
        for number, literals in enumerate(templates):
            beginning = literals[0][:BEGINNING]
            if beginning and begins[beginning] <= ALIKE:
                self._beginnings.setdefault(beginning, []).append(number)
            elif any(literals):
                rest.append(number)
            else:
                self._always.append(number)
        found = {number: set(_grams(templates[number])) for number in rest}
        common = Counter(gram for grams in found.values() for gram in grams)
        for number in rest:
            # Of the rarest the first in the order of characters, so that the index is always the same.
            self._grams.setdefault(min(found[number], key=lambda gram: (common[gram], gram)), []).append(number)
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})
        self._sizes = sorted({len(gram) for gram in self._grams})

    def candidates(self, text: str) -> list[int]:
        """The numbers of the templates that `text` might be, in their order; every other one it is not."""
        found = list(self._always)
        for length in self._lengths:
            found += self._beginnings.get(text[:length], ())
        for size in self._sizes:
            grams = {text[start : start + size] for start in range(len(text) - size + 1)}
            for gram in grams & self._grams.keys():
                found += self._grams[gram]
        found.sort()
        return found


def _grams(literals: list[str]) -> list[str]:
    """All grams of GRAM characters, or the longest literal where all are shorter."""
    grams = [literal[start : start + GRAM] for literal in literals for start in range(len(literal) - GRAM + 1)]
    return grams or [max(literals, key=len)]
