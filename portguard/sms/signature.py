"""What a signature may look like: its length and its characters. Whether it is on file is not asked here."""

import re
from typing import Final

# Hanzi (as `is_hanzi` says), ASCII letters and digits: what nearly every signature is made of, found without a look at
# each character.
_USUAL: Final = re.compile("[0-9A-Za-z\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]+")

DEFAULT_MIN = 2
DEFAULT_MAX = 12


def form_error(signature: str, shortest: int = DEFAULT_MIN, longest: int = DEFAULT_MAX, extra: str = "") -> str | None:
    """What is wrong with the form of a signature, in one clause, or None.

    `shortest` to `longest` characters, each a hanzi, an ASCII letter or digit or one of `extra`, and not only digits.
    """
    usual = _USUAL.fullmatch(signature) is not None
    if not usual and not signature.strip():
        return "it is empty"
    if not shortest <= len(signature) <= longest:
        return f"it has {len(signature)} characters, {shortest} to {longest} are allowed"
    for character in "" if usual else signature:
        if not (character.isascii() and character.isalnum()) and not is_hanzi(character) and character not in extra:
            return f"it has the character {_shown(character)}"
    if signature.isdecimal():
        return "it has only digits"
    return None


def is_hanzi(character: str) -> bool:
    """Whether a character is a CJK unified ideograph, or 〇."""
    code = ord(character)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x323AF or code == 0x3007


def _shown(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character!r} ({code})" if character.isprintable() else code
