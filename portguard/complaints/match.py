"""What a complaint is about: the registered port, its holder, who may send there, the signature and its enterprises.

Noun: a *match* is what one registry revision says about one complaint, at the time it was received. Whoever may send on
a port are its holder and those who stand in a chain of subleases from it, in force or not.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Final

from msgspec import Struct

from portguard.complaints.rows import UNSAID, Sound
from portguard.policy.chains import in_force
from portguard.registry.image import Image
from portguard.registry.model import MAX_DIGITS
from portguard.registry.records import PortRecord, ScopeRecord, SubleaseRecord
from portguard.sms.canonical import canonical_signature
from portguard.sms.category import INDUSTRIES, MARKETING, load_default, parse, permits
from portguard.sms.lexicon import Lexicon
from portguard.sms.template import Template, Templates, content_of
from portguard.sms.text import Text

MOST_LINKS: Final = 100
_LONGEST_SIGNATURE: Final = 64
_TEMPLATES_KEPT: Final = 1000
_SENDERS_KEPT: Final = 1000


class Match(Struct, frozen=True):
    """`number` as the port's registration has it; `registered`: the signature is on file; `enterprises` are its own;
    `chain` holds the subleases that cover the number, as `lessor > lessee on port (status)`; `content` is category * 16
    + industry; `senders`: whose consent a complaint about marketing revokes, as far as the registry tells."""

    number: str
    port: str
    holder: str
    signature: str
    registered: bool
    enterprises: list[str]
    chain: list[str]
    content: int
    senders: list[str]

    @property
    def marketing(self) -> bool:
        return self.content // INDUSTRIES == MARKETING


class Matcher:
    """Matches complaints under one image. For one thread. `unsigned` names who may send marketing from a number."""

    def __init__(self, image: Image, country: str, unsigned: Callable[[Image, str], list[str]]) -> None:
        self.image = image
        self._country = country
        self._unsigned = unsigned
        self._text = Text()
        self._templates: dict[str, Templates | None] = {}
        self._senders: dict[str, list[str]] = {}

    @cached_property
    def _lexicon(self) -> Lexicon:
        """Made when a text is first to be told: a revision may go by without."""
        words = ((word, *parse(name), weight) for word, name, weight in self.image.words())
        return Lexicon([*load_default(), *words])

    def match(self, sound: Sound) -> Match | None:
        """None when no registered port covers the number."""
        for number in (sound.number, sound.number.removeprefix(self._country)):
            record = self._port(number, sound.received_at)
            if record is not None:
                return self._matched(sound, number, record)
        return None

    def _port(self, number: str, at: float) -> PortRecord | None:
        """The record of the longest registered prefix, the one in force at `at` if there is one."""
        entry = self.image.longest_port(number) if len(number) <= MAX_DIGITS else None
        if entry is None:
            return None
        return next((record for record in entry.rows if in_force(record, at)), entry.rows[-1])

    def _matched(self, sound: Sound, number: str, record: PortRecord) -> Match:
        raw = sound.text.encode("utf-16-be", "replace")
        signature = self._on_file(sound.signature) or sound.signature or self._signature_of(raw)
        registrations = self.image.signatures(signature) if signature else []
        enterprises = list(dict.fromkeys(row.enterprise for row in registrations))
        content = sound.content if sound.content != UNSAID else self._content(signature, enterprises, sound.text, raw)
        senders: list[str] = []
        if content // INDUSTRIES == MARKETING:
            senders = self._scoped(signature, number) or enterprises or self._unsigned_senders(number)
        chain = self._chain(number, record)
        return Match(
            number, record.port, record.holder, signature, bool(registrations), enterprises,
            [_said(row, sound.received_at) for row in chain], content, senders,
        )  # fmt: skip

    # ---- the signature and the kind of content

    def _signature_of(self, raw: bytes) -> str:
        """What stands in brackets at the head, else at the tail; what only looks so, where it looks like a signature
        on file."""
        text = self._text
        brackets = raw[:2] == b"\0[" or raw[-2:] == b"\0]"
        text.load(raw, brackets, brackets)
        for inside, disguised in ((text.head, text.disguised_head), (text.tail, text.disguised_tail)):
            name = inside.decode("utf-16-be", "replace")
            found = self._on_file(name or disguised) or name
            if 0 < len(found) <= _LONGEST_SIGNATURE:
                return found
        return ""

    def _on_file(self, signature: str) -> str:
        """The registered signature that this is, or looks like; "" when there is none."""
        if not signature or self.image.signatures(signature):
            return signature
        folded = canonical_signature(signature)
        known = self.image.canonical(folded) if folded else []
        return known[0] if known else ""

    def _content(self, signature: str, enterprises: list[str], text: str, raw: bytes) -> int:
        if not text:
            return 0
        templates = self._templates_of(signature, enterprises)
        found = -1 if templates is None else content_of(templates, raw, self._lexicon)
        return int(self._lexicon.classify(raw)) if found < 0 else found

    def _templates_of(self, signature: str, enterprises: list[str]) -> Templates | None:
        if signature not in self._templates:
            rows = [
                Template(record.id, *parse(record.category), record.text)
                for owner in enterprises
                for record in self.image.templates(signature, owner)
            ]
            if len(self._templates) >= _TEMPLATES_KEPT:
                self._templates.clear()
            self._templates[signature] = Templates(rows) if rows else None
        return self._templates[signature]

    # ---- who

    def _scoped(self, signature: str, number: str) -> list[str]:
        """The enterprises whose scope for marketing under the signature covers the number."""
        rows = self.image.covering_scopes(signature, number) if signature else []
        return sorted({row.enterprise for row in rows if row.status == "active" and _permits_marketing(row)})

    def _unsigned_senders(self, number: str) -> list[str]:
        if number not in self._senders:
            if len(self._senders) >= _SENDERS_KEPT:
                self._senders.clear()
            self._senders[number] = self._unsigned(self.image, number)
        return self._senders[number]

    def _chain(self, number: str, record: PortRecord) -> list[SubleaseRecord]:
        """The subleases that cover the number and lead there from the holder, the shorter ports first."""
        rows = self.image.covering_subleases(number, len(record.port))
        reached: list[SubleaseRecord] = []
        while len(reached) < MOST_LINKS:
            more = [row for row in rows if row not in reached and _leads(row, record.holder, reached)]
            if not more:
                break
            reached += more
        return reached[:MOST_LINKS]


def _permits_marketing(row: ScopeRecord) -> bool:
    return any(permits(row.categories)[MARKETING * INDUSTRIES : (MARKETING + 1) * INDUSTRIES])


def _leads(row: SubleaseRecord, holder: str, reached: list[SubleaseRecord]) -> bool:
    return row.lessor == holder or any(row.lessor == r.lessee and row.port.startswith(r.port) for r in reached)


def _said(row: SubleaseRecord, at: float) -> str:
    status = "active" if in_force(row, at) else row.status if row.status != "active" else "out of its dates"
    return f"{row.lessor} > {row.lessee} on {row.port} ({status})"
