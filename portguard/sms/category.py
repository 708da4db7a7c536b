"""Content categories and industries: their numbers, names, the tables of what is permitted, and the shipped word list.

A category and an industry together are one small number, `category * 16 + industry`, so that "is this kind of content
permitted" is one index into 80 octets. Both orders are frozen: evidence and the tag TLV carry the numbers.
"""

import csv
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Final

from portguard.sms.canonical import canonical

UNKNOWN: Final = 0
VERIFICATION: Final = 1
NOTIFICATION: Final = 2
MARKETING: Final = 3
PERSONAL: Final = 4

CATEGORY_NAMES: Final = ("unknown", "verification", "notification", "marketing", "personal")
INDUSTRY_NAMES: Final = (
    "", "retail", "finance", "real_estate", "education", "game", "travel", "health",
    "telecom", "food", "logistics", "automotive", "recruitment", "gambling", "entertainment", "services",
)  # fmt: skip
INDUSTRIES: Final = 16
WORD_LIMIT: Final = 32
SLOTS: Final = len(CATEGORY_NAMES) * INDUSTRIES


def parse(name: str) -> tuple[int, int]:
    """(category, industry) of "marketing" or "marketing/finance"; ValueError names the choices."""
    category, slash, industry = name.strip().partition("/")
    if category not in CATEGORY_NAMES[1:]:
        raise ValueError(f"expected one of {', '.join(CATEGORY_NAMES[1:])}, got {category!r}")
    if not slash:
        return CATEGORY_NAMES.index(category), 0
    if industry not in INDUSTRY_NAMES[1:]:
        raise ValueError(f"expected an industry of {', '.join(INDUSTRY_NAMES[1:])}, got {industry!r}")
    return CATEGORY_NAMES.index(category), INDUSTRY_NAMES.index(industry)


def name(category: int, industry: int) -> str:
    """The name `parse` reads: "marketing/finance", or "marketing" where no industry was identified."""
    if industry:
        return f"{CATEGORY_NAMES[category]}/{INDUSTRY_NAMES[industry]}"
    return CATEGORY_NAMES[category]


def packed(names: Iterable[str]) -> bytes:
    """One octet a name, `category * 16 + industry`; ValueError names the choices."""
    return bytes(category * INDUSTRIES + industry for category, industry in map(parse, names))


def unpacked(codes: bytes) -> list[str]:
    """The names that `packed` made these octets of."""
    return [name(code >> 4, code & 15) for code in codes]


@lru_cache(maxsize=4096)
def permits(codes: bytes) -> bytes:
    """80 octets, 1 at `category * 16 + industry` where `packed` names permit that content; no names permit everything.

    Unknown content is always permitted here (what becomes of it is a setting of its own). A bare category permits all
    its industries; a category with an industry permits that one and content whose industry was not identified.
    """
    if not codes:
        return b"\x01" * SLOTS
    permitted = bytearray(SLOTS)
    permitted[UNKNOWN * INDUSTRIES : (UNKNOWN + 1) * INDUSTRIES] = b"\x01" * INDUSTRIES
    for code in codes:
        start = code - code % INDUSTRIES
        permitted[start] = 1
        if code == start:
            permitted[start : start + INDUSTRIES] = b"\x01" * INDUSTRIES
        else:
            permitted[code] = 1
    return bytes(permitted)


def table(names: Iterable[str]) -> bytes:
    """`permits` of the content that has these names."""
    return permits(packed(names))


def load_default() -> list[tuple[str, int, int, int]]:
    """The word list that ships with the package, default_words.csv: (word, category, industry, weight)."""
    rows = (resources.files(__package__) / "default_words.csv").read_text("utf-8").splitlines()
    return [(row["word"], *parse(row["category"]), int(row["weight"])) for row in csv.DictReader(rows)]


def word_error(word: str) -> str | None:
    """What is wrong with a word for the list, or None: it needs 2 to WORD_LIMIT letters, numbers or hanzi."""
    letters = 0
    in_number = False
    for character in canonical(word):
        number = character == "#" or "0" <= character <= "9"
        if character.isalnum() or number:
            letters += 0 if number and in_number else 1
            in_number = number
    if 2 <= letters <= WORD_LIMIT:
        return None
    return f"a word needs 2 to {WORD_LIMIT} letters, numbers or hanzi, got {word!r}"
