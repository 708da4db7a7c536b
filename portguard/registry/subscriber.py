"""Subscribers' numbers in one form: E.164 digits without +.

Nouns: a *subscriber* is such a string; a *national* number lacks the country's code. 139..., 86139..., +86139... and
0086139... are one person (DESIGN §4). The wire keeps its bytes; only comparisons use this form.

A number plan is known for China alone; elsewhere TON and the country's code decide.
"""

import re
from typing import Final

TON_INTERNATIONAL: Final = 1
TON_NATIONAL: Final = 2

# A number of this shape is at home whatever the TON: many senders in China say "international" and leave out 86, or
# "national" and have it.
_HOME_MOBILE: Final = {"86": re.compile(r"(?:0{0,2}86)?0?(1[3-9][0-9]{9})")}
_SHORTEST_NATIONAL: Final = 7


def subscriber(addr: bytes | str, ton: int, country: str) -> str:
    """The subscriber behind destination_addr and dest_addr_ton (SMPP 3.4 §5.2.5), "" when it holds no digits.

    `country` is the home country's code, like "86". Characters other than digits and a leading + do not count.
    """
    text = addr.decode("latin-1") if isinstance(addr, bytes) else addr
    text = text.strip()
    digits = text if text.isascii() and text.isdigit() else "".join(c for c in text if "0" <= c <= "9")
    if not digits:
        return ""
    international = text.startswith("+")
    home = _HOME_MOBILE.get(country)
    mobile = home.fullmatch(digits) if home is not None else None
    if mobile is not None and not (international and digits.startswith("1")):
        return country + mobile[1]
    if international:
        return digits.removeprefix("00")
    if digits.startswith("00"):
        return digits[2:]
    if ton == TON_INTERNATIONAL:
        return digits
    if ton != TON_NATIONAL and digits.startswith(country) and len(digits) - len(country) >= _SHORTEST_NATIONAL:
        return digits
    return country + digits.removeprefix("0")


def region_prefix(prefix: str, country: str) -> str:
    """The leading digits of subscribers' numbers from how an administrator writes them: 139, 86139, +86139, 0755.

    Without + or 00 a prefix that begins with the country's code is taken to have it.
    """
    if prefix.startswith("+"):
        return prefix[1:].removeprefix("00")
    if prefix.startswith("00"):
        return prefix[2:]
    if prefix.startswith(country):
        return prefix
    return country + prefix.removeprefix("0")
