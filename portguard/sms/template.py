"""Templates: texts on file with variables in them, and which of them a message is.

Nouns: a **template** belongs to one signature and says the category and industry of what fits it; a **variable**,
written `{name}`, stands for 1 to VARIABLE_LIMIT characters and holds no link; everything else is literal. A bracketed
signature at the head, or else at the tail, and white space at both ends count neither in the template nor in the
message. All ways to divide a message between the variables are followed at once, as a set of positions, so the work is
bounded by VARIABLE_LIMIT for each variable whatever the text.
"""

import re
from typing import Final

VARIABLE_LIMIT: Final = 40
TEXT_LIMIT: Final = 4096
_VARIABLE: Final = re.compile(r"\{[^{}]*\}")
_HEAD: Final = re.compile(r"\s*(?:【[^【】]{0,64}】|\[[^\[\]]{0,64}\])")
_TAIL: Final = re.compile(r"(?:【[^【】]{0,64}】|\[[^\[\]]{0,64}\])$")
# What makes a link of a text: enough of it to be found, so that no variable may hold it.
_LINK: Final = re.compile(r"://|[a-z0-9]\.[a-z]{2}", re.IGNORECASE | re.ASCII)


class Template:
    """One template; `category` and `industry` are the numbers of module `category`, `text` is as on file."""

    __slots__ = ("_literals", "category", "id", "industry", "text")

    def __init__(self, id: str, category: int, industry: int, text: str) -> None:
        self.id = id
        self.category = category
        self.industry = industry
        self.text = text
        self._literals = _VARIABLE.split(_plain(text))

    def matches(self, text: str) -> bool:
        """Whether `text`, a whole message, is this template with its variables filled in."""
        return Templates([self]).match(text) is not None

    def fits(self, plain: str, links: list[tuple[int, int]]) -> bool:
        """Whether a text without its signature fits; `links` are the spans that may not be in a variable."""
        literals = self._literals
        if not plain.startswith(literals[0]) or not plain.endswith(literals[-1]):
            return False
        if len(literals) == 1:
            return plain == literals[0]
        # First as a reader would: every variable as short as possible. That settles nearly all messages.
        start = len(literals[0])
        simple = not links
        for literal in literals[1:-1]:
            found = plain.find(literal, start + 1)
            if found < 0:
                return False
            simple = simple and found - start <= VARIABLE_LIMIT
            start = found + len(literal)
        if simple and 0 < len(plain) - len(literals[-1]) - start <= VARIABLE_LIMIT:
            return True
        return self._fits_somehow(plain, links)

    def _fits_somehow(self, plain: str, links: list[tuple[int, int]]) -> bool:
        """As `fits`, following every way to divide the text between the variables."""
        # Bit n+1 of `free`: character n may be in a variable.
        free = (1 << len(plain) + 1) - 2
        for first, last in links:
            free &= ~((1 << last + 1) - (1 << first + 1))
        reached = 1 << len(self._literals[0])
        for literal in self._literals[1:]:
            reached = _after(literal, plain, _variable(reached, free))
            if not reached:
                return False
        return bool(reached >> len(plain) & 1)


class Templates:
    """The templates of one signature, tried in the order given."""

    __slots__ = ("_templates",)

    def __init__(self, templates: list[Template]) -> None:
        self._templates = list(templates)

    def match(self, text: str) -> Template | None:
        """The first template that `text`, a whole message, fits; None when none does or the text is over-long."""
        if len(text) > TEXT_LIMIT:
            return None
        plain = _plain(text)
        links = [link.span() for link in _LINK.finditer(plain)] if "." in plain or "://" in plain else []
        for template in self._templates:
            if template.fits(plain, links):
                return template
        return None


def _plain(text: str) -> str:
    """`text` without the signature in front, or else behind, and without white space at its ends."""
    text = text.strip()
    head = _HEAD.match(text)
    return text[head.end() :].strip() if head else _TAIL.sub("", text).strip()


def _variable(reached: int, free: int) -> int:
    """The positions that one variable leads to from those in `reached`; both are sets of bits."""
    found = 0
    for _ in range(VARIABLE_LIMIT):
        reached = reached << 1 & free
        if not reached:
            break
        found |= reached
    return found


def _after(literal: str, plain: str, positions: int) -> int:
    """The positions after `literal`, of those in `positions` where the text goes on with it."""
    if not literal:
        return positions
    found = 0
    while positions:
        lowest = positions & -positions
        if plain.startswith(literal, lowest.bit_length() - 1):
            found |= lowest << len(literal)
        positions ^= lowest
    return found
