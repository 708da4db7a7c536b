"""Templates: texts on file with variables in them, and which of them a message is.

Nouns: a **template** belongs to one signature and says the category and industry of what fits it; a **variable**,
written `{name}`, stands for 1 to VARIABLE_LIMIT characters and holds no link. `{name:80}` sets another limit;
`{name:link}` or `{name:link:200}` declares a link, made of the signs of an address only, so that no prose is in it.
Everything else is literal, but for width: ： and : are one. A bracketed signature at the head, or else at the tail, and
white space at both ends count neither in the template nor in the message. All ways to divide a message between the
variables are followed at once, as a set of positions, so no text makes it try them one by one.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from portguard.sms.canonical import layout, shadow
from portguard.sms.category import INDUSTRIES, MARKETING
from portguard.sms.lexicon import Lexicon
from portguard.sms.template_index import Index
from portguard.sms.template_plain import TEXT_LIMIT, TRIED_LIMIT, PlainTemplate, PlainTemplates

VARIABLE_LIMIT: Final = 40
LINK_LIMIT: Final = 100
LONGEST_VARIABLE: Final = 500
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_OPTIONS: Final = re.compile(r"[^:]*(?::(?P<link>link))?(?::(?P<limit>[0-9]{1,3}))?")
_HEAD: Final = re.compile(r"\s*(?:【[^【】]{0,64}】|\[[^\[\]]{0,64}\])")
_TAIL: Final = re.compile(r"(?:【[^【】]{0,64}】|\[[^\[\]]{0,64}\])$")
# Characters that may look like others, or part what belongs together.
_ODD: Final = "[^ -~\u4e00-\u9fff，！？；：、。…“”‘’（）《》【】￥]"
# Where a text may hold a link at all.
_SUSPECT: Final = re.compile(rf"\.(?=\w)|。(?=[A-Za-z0-9])|{_ODD}")
# What makes a link of a text, looked for in its shadow: enough of it to be found, so that no variable may hold it. What
# cannot be seen might part a link in two, and stands in no variable either.
_LINK: Final = re.compile(r"://|[a-z0-9]。[a-z]{2}|\w\.(?:[a-z]{2}|中国|公司|网络|网址|商城|集团)|\u200b")
_PROSE: Final = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


class Variable(NamedTuple):
    """What may stand in the place of one variable."""

    limit: int
    link: bool


class Template:
    """One template; `category` and `industry` are the numbers of module `category`, `text` is as on file."""

    __slots__ = ("_least", "_most", "category", "id", "industry", "literals", "text", "variables")

    def __init__(self, id: str, category: int, industry: int, text: str) -> None:
        self.id = id
        self.category = category
        self.industry = industry
        self.text = text
        pieces = _VARIABLE.split(_plain(layout(text)))
        self.literals = pieces[0::2]
        self.variables = [_variable(written) or Variable(VARIABLE_LIMIT, False) for written in pieces[1::2]]
        self._least = sum(map(len, self.literals)) + len(self.variables)
        self._most = self._least + sum(variable.limit - 1 for variable in self.variables)

    def matches(self, text: str) -> bool:
        """Whether `text`, a whole message, is this template with its variables filled in."""
        return Templates([self]).match(text) is not None

    def fits(self, message: "Message") -> bool:
        """Whether a message, made ready, is this template."""
        plain = message.plain
        literals = self.literals
        if not self._least <= len(plain) <= self._most:
            return False
        if not plain.startswith(literals[0]) or not plain.endswith(literals[-1]):
            return False
        if not self.variables:
            return True
        # First as a reader would: every variable as short as possible. That settles nearly all messages.
        start = len(literals[0])
        simple = not message.links
        for literal, variable in zip(literals[1:-1], self.variables, strict=False):
            found = plain.find(literal, start + 1)
            if found < 0:
                return False
            simple = simple and found - start <= variable.limit and not variable.link
            start = found + len(literal)
        last = self.variables[-1]
        if simple and not last.link and 0 < len(plain) - len(literals[-1]) - start <= last.limit:
            return True
        return self._fits_somehow(message)

    def filled(self, text: str) -> list[str]:
        """What stands for the variables in a message that fits, each as short as it can be."""
        rest = _plain(layout(text))[len(self.literals[0]) :]
        found = []
        for literal in self.literals[1:-1]:
            end = rest.find(literal, 1)
            found.append(rest[:end] if end >= 0 else rest)
            rest = rest[end + len(literal) :] if end >= 0 else ""
        return [*found, rest.removesuffix(self.literals[-1])]

    def form(self) -> PlainTemplate:
        """The template as plain texts are compared with it."""
        return PlainTemplate(
            [_octets(literal) for literal in self.literals], [2 * variable.limit for variable in self.variables],
            any(variable.link for variable in self.variables), self.category * INDUSTRIES + self.industry,
        )  # fmt: skip

    def _fits_somehow(self, message: "Message") -> bool:
        """As `fits`, following every way to divide the text between the variables."""
        reached = 1 << len(self.literals[0])
        for variable, literal in zip(self.variables, self.literals[1:], strict=True):
            runs = message.address_runs() if variable.link else message.text_runs()
            reached = _after(literal, message.plain, _spread(reached, variable.limit, runs))
            if not reached:
                return False
        return bool(reached >> len(message.plain) & 1)


class Templates:
    """The templates of one signature, tried in the order given. `categories`: those for which it has any. `digit_free`:
    no literal holds an ASCII digit, so that texts which differ in such digits alone fit alike: a digit is a word
    character to every look for a link, counts one towards a limit, and folds into nothing else. `plain` tells of most
    texts the same as `content_of`, at a tenth of the cost."""

    __slots__ = ("_index", "_templates", "categories", "digit_free", "plain")

    def __init__(self, templates: list[Template]) -> None:
        self._templates = list(templates)
        forms = [template.form() for template in self._templates]
        self._index = Index([form.literals for form in forms])
        self.plain = PlainTemplates(forms, self._index, *_units())
        self.categories = frozenset(template.category for template in self._templates)
        literals = "".join(literal for template in self._templates for literal in template.literals)
        self.digit_free = not any(digit in literals for digit in "0123456789")

    def match(self, text: str) -> Template | None:
        """The first template that `text`, a whole message, fits; None when none does or the text is over-long."""
        return next(self.fitting(text), None)

    def fitting(self, text: str) -> Iterator[Template]:
        """All templates that `text` fits, in order; none when it is over-long.

        The cost follows the length of the text, not the number of templates.
        """
        if len(text) > TEXT_LIMIT:
            return
        message = Message(_plain(layout(text)))
        for number in self._index.candidates(_octets(message.plain))[:TRIED_LIMIT]:
            template = self._templates[number]
            if template.fits(message):
                yield template


class Message:
    """A message without its signature, and what in it no variable may hold: `links` are their spans."""

    __slots__ = ("_address", "_text", "links", "plain")

    def __init__(self, plain: str) -> None:
        self.plain = plain
        suspect = "://" in plain or _SUSPECT.search(plain)
        self.links = [link.span() for link in _LINK.finditer(shadow(plain))] if suspect else []
        self._text: list[int] = []
        self._address: list[int] = []

    def text_runs(self) -> list[int]:
        """The positions a variable may end at, as `_spread` takes them."""
        if not self._text:
            self._text.append(_free(len(self.plain), self.links))
        return self._text

    def address_runs(self) -> list[int]:
        """As `text_runs`, for a variable that is a link."""
        if not self._address:
            prose = [prose.span() for prose in _PROSE.finditer(self.plain)]
            self._address.append(_free(len(self.plain), prose))
        return self._address


def variable_error(text: str) -> str | None:
    """What is wrong with the variables of a template, in one clause, or None."""
    for written in _VARIABLE.findall(text):
        if _variable(written) is None:
            return (
                f"{{{written}}} is no variable: expected {{name}}, {{name:LIMIT}}, {{name:link}} or "
                f"{{name:link:LIMIT}}, LIMIT from 1 to {LONGEST_VARIABLE}"
            )
    return None


def _variable(written: str) -> Variable | None:
    """What is between the braces; None when it cannot be read."""
    options = _OPTIONS.fullmatch(layout(written))
    if options is None:
        return None
    link = options["link"] is not None
    limit = int(options["limit"] or (LINK_LIMIT if link else VARIABLE_LIMIT))
    return Variable(limit, link) if 1 <= limit <= LONGEST_VARIABLE else None


def _plain(text: str) -> str:
    """`text` without the signature in front, or else behind, and without white space at its ends."""
    text = text.strip()
    head = _HEAD.match(text)
    return text[head.end() :].strip() if head else _TAIL.sub("", text).strip()


def _octets(text: str) -> bytes:
    # A half of a surrogate pair stays what it is: it is in no plain text.
    return text.encode("utf-16-be", "surrogatepass")


@cache
def _units() -> tuple[bytes, bytes]:
    """What `PlainTemplates` asks about units: their usual width, and whether they are odd then."""
    usual = layout("".join(map(chr, range(0x10000))))
    return _octets(usual), re.sub("[^\1]", "\0", re.sub(_ODD, "\1", usual)).encode("ascii")


def _free(length: int, taken: list[tuple[int, int]]) -> int:
    """Bit n+1 for every character n of a text that is in none of the spans."""
    free = (1 << length + 1) - 2
    for first, last in taken:
        free &= ~((1 << last + 1) - (1 << first + 1))
    return free


def _spread(reached: int, limit: int, runs: list[int]) -> int:
    """The positions that a variable of 1 to `limit` characters leads to from those in `reached`; sets of bits.

    `runs[k]` are the positions behind 2**k characters that a variable may hold; more of them are added when needed.
    """
    found = reached << 1 & runs[0]
    width = 1
    power = 0
    while width < limit and found:
        step = min(width, limit - width)
        while 2 << power <= step:
            if len(runs) == power + 1:
                runs.append(runs[power] & runs[power] << (1 << power))
            power += 1
        half = step.bit_length() - 1
        run = runs[half] & runs[half] << step - (1 << half)  # two shorter runs that overlap, or one twice
        found |= found << step & run
        width += step
    return found


def _after(literal: str, plain: str, positions: int) -> int:
    """The positions after `literal`, of those in `positions` where the text goes on with it."""
    if not literal:
        return positions
    found = 0
    at = plain.find(literal)
    while at >= 0:
        found |= 1 << at
        at = plain.find(literal, at + 1)
    return (found & positions) << len(literal)


def template_of(templates: Templates, raw: bytes, lexicon: Lexicon) -> Template | None:
    """The first template that fits the UTF-16BE text. One whose variables hold an offer, by the words of the `lexicon`,
    is passed by, unless it is one for offers."""
    text = raw.decode("utf-16-be", "replace")
    for found in templates.fitting(text):
        filled = "，".join(found.filled(text)) if found.category != MARKETING else ""
        if lexicon.classify(filled.encode("utf-16-be", "replace")) >> 4 != MARKETING:
            return found
    return None


def content_of(templates: Templates, raw: bytes, lexicon: Lexicon) -> int:
    """category * 16 + industry of that template, -1 where there is none."""
    found = template_of(templates, raw, lexicon)
    return -1 if found is None else found.category * INDUSTRIES + found.industry
