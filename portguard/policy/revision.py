"""The reader of one registry revision: what is on file, resolved into native grants.

Noun: a `Revision`, one immutable `Image` with the node's zone and country. Everything here runs only when the engine's
caches miss.

DESIGN §4 has the rules of resolution: longest prefix, carve-outs, sublease chains, scope narrowing.
"""

from codecs import utf_16_be_encode
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from mypy_extensions import mypyc_attr

from portguard.policy import grant as rule
from portguard.policy.chains import Chain, Window, best_chain, in_force, taken_from
from portguard.policy.detail import GrantDetail, PortDetail
from portguard.policy.grant import FOREVER, Account, Grant, PortGrant
from portguard.policy.limits import Limits
from portguard.policy.rules import RuleSettings, profiled
from portguard.policy.terms import EVERYTHING, NO_TERMS, NOTHING, Covering, Scope, Shared, Terms, both, either, names
from portguard.registry.image import Image
from portguard.registry.reader import Reader
from portguard.registry.records import (
    ACTIVE,
    PortEntry,
    SignatureEntry,
    SignatureRecord,
    SubleaseRecord,
)
from portguard.registry.subscriber import subscriber
from portguard.sms.canonical import bracket_or_width_only, canonical_signature
from portguard.sms.category import CATEGORY_NAMES, load_default, parse, permits
from portguard.sms.charset import CHARSET_BY_NAME
from portguard.sms.lexicon import Lexicon
from portguard.sms.sight import OVERRIDE
from portguard.sms.signature import form_error
from portguard.sms.text import is_usual

MAX_DIGITS = 20
_ENTERPRISES_KEPT = 10_000
# That the enterprise has no right to a number.
_NO_RIGHT: Final = rule.HIT_100 | rule.HIT_101 | rule.HIT_102 | rule.HIT_103


# Interpreted ones are those of the tests that want a fault in the decision.
@mypyc_attr(allow_interpreted_subclasses=True)
class Revision:
    """One revision, read-only. `digest` names it (16 hex digits)."""

    def __init__(self, image: Image, settings: RuleSettings, timezone: str, country: str) -> None:
        self.image = image
        self.reader: Reader = image.reader
        self.has_signatures = image.meta.has_signatures
        self.has_scopes = image.meta.has_scopes
        self.settings = settings
        self.options = self._ordinary = settings.options
        self.zone = ZoneInfo(timezone)
        self.country = country
        self.lexicon = _lexicon(tuple(image.words()))
        self.digest = image.meta.digest
        # It makes its tables now, and not when a message waits for them.
        canonical_signature("")
        self.octets = bytes.fromhex(image.meta.digest)
        self.active: dict[str, bool] = {}
        self.shared = Shared()
        # Grants carry how they came about; only for `explain`, since it takes memory.
        self.noting = False
        # How many last digits of a Chinese mobile number never decide its region; what is left tells that it is one.
        longest = max(image.meta.region_lengths, default=0)
        self.region_tail = min(9, max(0, 13 - longest)) if country == "86" else 0

    def close(self) -> None:
        self.image.close()

    def refit(self, wall: float) -> bool:
        """Take the settings of the profile that covers epoch second `wall`; True when they are others than before."""
        options = profiled(self._ordinary, self.zone, wall)
        if options == self.options:
            return False
        self.settings = RuleSettings(options)
        self.options = options
        return True

    def account(self, system_id: str, limits: Limits) -> Account:
        """The account with its masks; `known` False when it is not on file, `active` False when it may not submit."""
        record = self.image.account(system_id)
        account = Account(system_id, limits.bucket(system_id, record is not None))
        self.settings.apply(account, record.mode if record else "")
        if record is not None:
            account.known = True
            account.active = record.status == "active"
            account.enterprise = record.enterprise
            account.charset = CHARSET_BY_NAME[record.charset or "gsm7"]
            account.binary = record.binary
            account.tps = record.tps
            account.max_binds = record.max_binds
            account.networks = record.networks
        return account

    def local(self, at: float) -> float:
        """Epoch second `at` as seconds of the node's local time."""
        return at + (datetime.fromtimestamp(at, self.zone).utcoffset() or timedelta()).total_seconds()

    def region_of(self, address: bytes, ton: int) -> str:
        """Region of a destination_addr as it stands on the wire."""
        return self.region(self.subscriber(address, ton))

    def subscriber(self, address: bytes, ton: int) -> str:
        """E.164 digits without + of a destination_addr as it stands on the wire."""
        return subscriber(address, ton, self.country)

    def enterprise_active(self, enterprise: str) -> bool:
        """True when the enterprise is on file as active; those of the accounts that send are remembered."""
        active = self.active.get(enterprise)
        if active is None:
            if len(self.active) >= _ENTERPRISES_KEPT:
                self.active.clear()
            record = self.image.enterprise(enterprise)
            active = self.active[enterprise] = record is not None and record.status == ACTIVE
        return active

    def region(self, subscriber: str) -> str:
        """Region of an E.164 number without +, "" when unknown."""
        return self.reader.region(subscriber)

    # ---- ports

    def port(self, enterprise: str, source: bytes, at: float) -> PortGrant:
        """Resolve rules 100-107 for an enterprise on a number (the octets of source_addr) at epoch second `at`."""
        window = Window(at)
        grant = PortGrant(0, -FOREVER, FOREVER, source)
        if self.noting:
            grant.detail = PortDetail(grant.number)
        if not (source.isdigit() and len(source) <= MAX_DIGITS):
            grant.hits = rule.HIT_106 | rule.HIT_100 | rule.HIT_101
        else:
            entry = self.reader.longest_port(source)
            if entry is None:
                grant.hits = rule.HIT_100 | rule.HIT_101
            else:
                self.fill_port(grant, entry, enterprise, window)
        if not self.enterprise_active(enterprise):
            grant.hits |= rule.HIT_107
        if isinstance(grant.detail, PortDetail):
            asked = dict.fromkeys([grant.holder, enterprise] if grant.digits > 0 else [enterprise])
            grant.detail.inactive = [id for id in asked if not self.enterprise_active(id)]
        grant.since, grant.until = float(window.begins), float(window.ends)
        return grant

    def fill_port(self, grant: PortGrant, entry: PortEntry, enterprise: str, window: Window) -> None:
        """What is registered for the port, and whether the enterprise may send there."""
        # Of several the one in force, else the one that comes nearest.
        record, holds = entry.rows[-1], False
        for row in entry.rows:
            if window.look(row) and not holds:
                record, holds = row, True
        grant.digits = len(record.port)
        grant.holder = self.shared.enterprise(record.holder)[0]
        grant.signature_required = record.signature_required
        grant.keeps = entry.keeps
        if record.regions != "":
            grant.regions = names(record.regions)
        if record.categories != b"":
            grant.permits = permits(record.categories)
        if not holds:
            grant.hits |= rule.HIT_104
        if 0 <= record.extension_digits < len(grant.source) - grant.digits:
            grant.hits |= rule.HIT_105
        if not record.holder_active:
            grant.hits |= rule.HIT_107
        chain: Chain | None = None
        taken: SubleaseRecord | None = None
        if entry.leased:
            subleases = self.reader.subleases(grant.source, grant.digits)
            for sublease in subleases:
                window.look(sublease)
            taken = taken_from(subleases, enterprise, window.at)
            if enterprise != record.holder:
                chain = best_chain(subleases, record.holder, enterprise, window.at)
        if enterprise == record.holder:
            chain = Chain([])
        if chain is None or taken is not None:
            grant.hits |= rule.HIT_101
        if chain is not None:
            self.fill_chain(grant, chain, window.at)
        if isinstance(grant.detail, PortDetail):
            grant.detail.record, grant.detail.chain, grant.detail.taken_by = record, chain, taken

    def fill_chain(self, grant: PortGrant, chain: Chain, at: float) -> None:
        """Rules 102 and 103, and what the subleases leave of the kinds of content."""
        if len(chain.links) > self.options.sublease_depth:
            grant.hits |= rule.HIT_103
        for link in chain.links:
            if not in_force(link, at):
                grant.hits |= rule.HIT_102
            if link.categories != b"":
                grant.permits = both(grant.permits, permits(link.categories))

    def may_send(self, enterprise: str, source: bytes, window: Window) -> bool:
        """True when nothing of rules 100-105 keeps the enterprise from sending on exactly this number."""
        port = self.port(enterprise, source, window.at)
        window.narrow(port.since, port.until)
        return not port.hits & (_NO_RIGHT | rule.HIT_104 | rule.HIT_105 | rule.HIT_106)

    # ---- signatures

    def signature(self, port: PortGrant, enterprise: str, text: str, at: float, *, bracketed: bool) -> Grant:
        """Resolve rules 107, 201, 203-205, 300 and 301 for a signature on a resolved number.

        `text` is what stands between the brackets; `bracketed` is False when only the canonical form has brackets
        there, and then a text that is no registered signature's look-alike counts as no signature at all.
        """
        entry = self.reader.signature(text) if bracketed else None
        return self.resolved(port, enterprise, text, at, entry, bracketed)

    def resolved(
        self, port: PortGrant, enterprise: str, text: str, at: float, entry: SignatureEntry | None, bracketed: bool
    ) -> Grant:
        """The same of a text whose registrations have been looked up; there are none without brackets."""
        name, hits, own_width = text, 0, False
        on_file: list[str] = []
        if entry is None:
            on_file = self.imitated(text)
            if len(on_file) > 0:
                name, hits, own_width = self.disguise(on_file, text, bracketed)
                entry = self.reader.signature(name)
            elif not bracketed:
                return port.unsigned()
            elif self.has_signatures:
                hits = rule.HIT_204
        grant = Grant(hits, port.since, port.until, utf_16_be_encode(name, "surrogatepass")[0], ())
        grant.own_width = own_width
        if self.noting:
            grant.detail = GrantDetail(text, on_file=on_file if len(on_file) > 0 or entry is None else [text])
        o = self.options
        if bracketed and not (name is text and is_usual(grant.name, o.signature_min, o.signature_max)):
            self.judge_form(grant, text)
        if entry is not None:
            grant.registered = True
            if entry.registrations == 1:
                grant.enterprises = self.shared.enterprise(entry.enterprise())
            else:
                grant.enterprises = tuple([row.enterprise for row in entry.rows])
            terms = self.terms(grant, port, enterprise, entry, at)
            grant.hits |= terms.hits
            grant.scopes, grant.plain, grant.limited = terms.scopes, terms.plain, terms.limited
            grant.since, grant.until = max(grant.since, terms.begins), min(grant.until, terms.ends)
        elif not self.has_signatures:
            grant.plain = EVERYTHING
        return grant

    def imitated(self, text: str) -> list[str]:
        """The registered signatures that look like `text`."""
        folded = canonical_signature(text)
        on_file = self.reader.canonical(folded) if folded != "" else []
        if len(on_file) == 0 and folded != "" and OVERRIDE in text:
            on_file = self.reader.canonical(folded[::-1])
        return on_file

    def disguise(self, on_file: list[str], text: str, bracketed: bool) -> tuple[str, int, bool]:
        """Which of them `text` stands for, whether that hits 203, and whether only brackets or width differ."""
        if bracketed and self.options.signature_case == "fold":
            for known in on_file:
                if known.casefold() == text.casefold():
                    return known, 0, False
        for known in on_file:
            if bracket_or_width_only(known, text):
                return known, rule.HIT_203, True
        return on_file[0], rule.HIT_203, False

    def judge_form(self, grant: Grant, text: str) -> None:
        """Rule 201. A sender's own signature in another width has the form of the one on file: 203 says what is wrong
        with it."""
        o = self.options
        form = grant.signature if grant.own_width else text
        error = form_error(form, o.signature_min, o.signature_max, o.signature_characters)
        if error is not None:
            grant.hits |= rule.HIT_201
            if isinstance(grant.detail, GrantDetail):
                grant.detail.form_error = error

    def terms(self, grant: Grant, port: PortGrant, enterprise: str, entry: SignatureEntry, at: float) -> Terms:
        """What is on file for a signature on a number, made once for all that are alike there."""
        likeness = b""
        if not (self.noting or port.keeps):
            likeness = entry.likeness(port.source, port.hits & _NO_RIGHT == 0)
        if likeness != b"":
            known = self.shared.terms(enterprise, likeness)
            if known is not NO_TERMS and known.begins <= at < known.ends:
                return known
        terms = Terms()
        window = Window(at)
        self.fill_terms(terms, grant, port, enterprise, entry, window)
        terms.begins, terms.ends = float(window.begins), float(window.ends)
        if likeness != b"" and terms.alike:
            self.shared.keep(enterprise, likeness, terms)
        return terms

    def fill_terms(
        self, terms: Terms, grant: Grant, port: PortGrant, enterprise: str, entry: SignatureEntry, window: Window
    ) -> None:
        """Who has it, and which scopes it has there."""
        active: list[SignatureRecord] = [row for row in entry.rows if window.look(row)]
        if len(active) == 0:
            terms.hits |= rule.HIT_205
            active = entry.rows
        owners: list[str] = [row.enterprise for row in active if row.enterprise_active]
        if len(owners) == 0:
            terms.hits |= rule.HIT_107
            owners = [row.enterprise for row in active]
        if isinstance(grant.detail, GrantDetail):
            grant.detail.registrations = entry.rows
            grant.detail.inactive = owners if terms.hits & rule.HIT_107 != 0 else []
        if entry.templated:
            self.fill_templates(grant, owners)
        if self.has_scopes:
            covering = self.covering(grant, port, entry, owners, window)
            self.fill_scopes(terms, grant.enterprises, port, enterprise, covering, window)
        else:
            terms.plain = EVERYTHING

    def fill_scopes(
        self, terms: Terms, owners: tuple[str, ...], port: PortGrant, enterprise: str, covering: list[Covering],
        window: Window,
    ) -> None:
        """Rules 300 and 301; `owners` are the enterprises of all registrations."""
        if len(covering) == 0:
            terms.hits |= rule.HIT_300
            return
        granted: list[Scope] = []
        of_one = not self.noting
        for row in covering:
            if self.provider_may(terms, row, port, enterprise, window):
                scope = row.scope
                granted.append(scope)
                of_one = of_one and owners[scope.owner] == owners[granted[0].owner]
                if scope.is_plain() and terms.plain != EVERYTHING:
                    terms.plain = either(terms.plain, scope.permits) if terms.plain != NOTHING else scope.permits
        unlimited: list[Scope] = []
        capped: list[Scope] = []
        for scope in granted:
            if of_one and terms.plain == EVERYTHING and not scope.is_plain():
                # What it permits is permitted anyway, to the same, and without a limit.
                continue
            if scope.cap > 0:
                capped.append(scope)
            else:
                unlimited.append(scope)
            if len(scope.regions) > 0:
                terms.limited = True
        # Those without a cap first: where one of them permits, no cap is used up.
        terms.scopes = self.shared.together(unlimited + capped)
        if len(terms.scopes) == 0:
            terms.hits |= rule.HIT_301

    def covering(
        self, grant: Grant, port: PortGrant, entry: SignatureEntry, owners: list[str], window: Window
    ) -> list[Covering]:
        """Scopes in force of these owners whose port is a prefix of the number, the longer ports first (rule 300)."""
        kept = self.reader.first_signature(port.source) if port.keeps else None
        if isinstance(grant.detail, GrantDetail):
            grant.detail.covering = self.reader.scopes(entry, port.source)
            if kept is not None and kept != grant.signature:
                grant.detail.kept_by = kept
        rows = self.shared.covering(self.reader, entry, port.source)
        found: list[Covering] = [row for row in rows if window.look(row) and entry.rows[row.owner].enterprise in owners]
        return found if kept is None or kept == grant.signature else []

    def provider_may(self, terms: Terms, scope: Covering, port: PortGrant, enterprise: str, window: Window) -> bool:
        """Rule 301: `provider` names the submitting enterprise, `*` anyone, blank who may send on the scope's port."""
        if scope.provider == "*":
            return True
        if scope.provider:
            return scope.provider == enterprise
        if scope.digits == len(port.source):
            return not port.hits & _NO_RIGHT
        terms.alike = False
        return self.may_send(enterprise, port.source[: scope.digits], window)

    def fill_templates(self, grant: Grant, owners: list[str]) -> None:
        """The templates of the signature."""
        templates = self.shared.templates_of(self.image, grant.signature, owners)
        if len(templates.categories) > 0:
            grant.templates = templates
            grant.templated = bytes(number in templates.categories for number in range(len(CATEGORY_NAMES)))


@lru_cache(maxsize=2)
def _lexicon(words: tuple[tuple[str, str, int], ...]) -> Lexicon:
    """The default words and the registry's own; most revisions have those of the one before, and share its lexicon."""
    return Lexicon([*load_default(), *((word, *parse(name), weight) for word, name, weight in words)])
