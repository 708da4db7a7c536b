"""The reader of one registry revision: what is on file, resolved into native grants.

Nouns: a `Revision` is one immutable `Image` with the node's zone and country; a `PortDetail` and a `GrantDetail` say
how an answer came about, for `explain`. Everything here runs only when the engine's caches miss.

DESIGN §4 has the rules of resolution: longest prefix, carve-outs, sublease chains, scope narrowing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from portguard.policy.chains import Chain, Window, best_chain, in_force
from portguard.policy.counters import Limits
from portguard.policy.grant import (
    EVERYTHING,
    FOREVER,
    HIT_100,
    HIT_101,
    HIT_102,
    HIT_103,
    HIT_104,
    HIT_105,
    HIT_106,
    HIT_107,
    HIT_200,
    HIT_201,
    HIT_203,
    HIT_204,
    HIT_205,
    HIT_300,
    HIT_301,
    NOTHING,
    Account,
    Bucket,
    Grant,
    PortGrant,
    Scope,
)
from portguard.policy.rules import RuleSettings, profiled
from portguard.registry.image import Image, PortRecord, ScopeRecord, SignatureRecord, SubleaseRecord, WordRecord
from portguard.registry.subscriber import subscriber
from portguard.sms.canonical import bracket_or_width_only, canonical_signature
from portguard.sms.category import CATEGORY_NAMES, load_default, parse, table
from portguard.sms.charset import CHARSET_BY_NAME
from portguard.sms.lexicon import Lexicon
from portguard.sms.signature import form_error
from portguard.sms.template import Template, Templates

MAX_DIGITS = 20
_REGIONS_KEPT = 100_000


@dataclass(slots=True)
class PortDetail:
    """How a PortGrant came about."""

    number: str
    record: PortRecord | None = None
    chain: Chain | None = None
    taken_by: SubleaseRecord | None = None
    inactive: list[str] = field(default_factory=list)


@dataclass(slots=True)
class GrantDetail:
    """How a Grant came about."""

    text: str
    form_error: str = ""
    on_file: list[str] = field(default_factory=list)
    registrations: list[SignatureRecord] = field(default_factory=list)
    covering: list[ScopeRecord] = field(default_factory=list)
    kept_by: str = ""
    inactive: list[str] = field(default_factory=list)


class Revision:
    """One revision, read-only. `digest` names it (16 hex digits)."""

    def __init__(self, image: Image, settings: RuleSettings, timezone: str, country: str) -> None:
        self.image = image
        self.settings = settings
        self.options = self._ordinary = settings.options
        self.zone = ZoneInfo(timezone)
        self.country = country
        self.lexicon = _lexicon(tuple(image.words()))
        self.digest = image.meta.digest
        self.octets = bytes.fromhex(image.meta.digest)
        self._regions: dict[str, str] = {}
        self._region_digits = max(image.meta.region_lengths, default=0)
        # How many last digits of a Chinese mobile number never decide its region.
        self.region_tail = max(0, 13 - self._region_digits) if country == "86" else 0

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
        # Whoever is not on file leaves nothing behind.
        account = Account(system_id, limits.bucket(system_id) if record else Bucket())
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

    def template_category(self, templates: Templates, raw: bytes) -> int:
        """category * 16 + industry of the template that fits the UTF-16BE text, -1 when none does."""
        found = templates.match(raw.decode("utf-16-be", "replace"))
        return -1 if found is None else found.category * 16 + found.industry

    def region_of(self, address: bytes, ton: int) -> str:
        """Region of a destination_addr as it stands on the wire."""
        return self.region(self.subscriber(address, ton))

    def subscriber(self, address: bytes, ton: int) -> str:
        """E.164 digits without + of a destination_addr as it stands on the wire."""
        return subscriber(address, ton, self.country)

    def enterprise_active(self, enterprise: str) -> bool:
        record = self.image.enterprise(enterprise)
        return record is not None and record.status == "active"

    def region(self, subscriber: str) -> str:
        """Region of an E.164 number without +, "" when unknown."""
        if not self._region_digits:
            return ""
        prefix = subscriber[: self._region_digits]
        region = self._regions.get(prefix)
        if region is None:
            if len(self._regions) >= _REGIONS_KEPT:
                self._regions.clear()
            region = self._regions[prefix] = self.image.region(prefix)
        return region

    # ---- ports

    def port(self, enterprise: str, number: str, at: float) -> PortGrant:
        """Resolve rules 100-107 for an enterprise on a number (the digits of source_addr) at epoch second `at`."""
        detail = PortDetail(number)
        window = Window(at)
        grant = PortGrant(0, -FOREVER, FOREVER, number)
        grant.detail = detail
        if not self._well_formed(number):
            grant.hits = HIT_106 | HIT_100 | HIT_101
        else:
            record = detail.record = self._port_record(number, window)
            if record is None:
                grant.hits = HIT_100 | HIT_101
            else:
                self._fill_port(grant, detail, record, enterprise, window)
        if not self.enterprise_active(enterprise):
            grant.hits |= HIT_107
            detail.inactive.append(enterprise)
        grant.since, grant.until = window.since, window.until
        missing = HIT_200 if grant.signature_required else 0
        grant.unsigned = Grant(missing, window.since, window.until, "", frozenset())
        grant.unsigned.plain = EVERYTHING
        return grant

    @staticmethod
    def _well_formed(number: str) -> bool:
        return number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS

    def _port_record(self, number: str, window: Window) -> PortRecord | None:
        """The record of the longest registered prefix: the one in force, else the one that comes nearest."""
        for length in sorted(self.image.meta.port_lengths, reverse=True):
            if length > len(number):
                continue
            records = self.image.ports(number[:length])
            if records:
                window.look(records)
                return next((r for r in records if in_force(r, window.at)), records[-1])
        return None

    def _fill_port(
        self, grant: PortGrant, detail: PortDetail, record: PortRecord, enterprise: str, window: Window,
    ) -> None:
        grant.port, grant.holder = record.port, record.holder
        grant.regions = frozenset(record.regions)
        grant.signature_required = record.signature_required
        grant.permits = table(record.categories)
        if not in_force(record, window.at):
            grant.hits |= HIT_104
        if 0 <= record.extension_digits < len(grant.number) - len(record.port):
            grant.hits |= HIT_105
        if not self.enterprise_active(record.holder):
            grant.hits |= HIT_107
            detail.inactive.append(record.holder)
        subleases = self._subleases(grant.number, len(record.port), window)
        taken = next(
            (s for s in subleases if s.exclusive and s.lessor == enterprise != s.lessee and in_force(s, window.at)),
            None,
        )
        if taken is not None:
            detail.taken_by = taken
            grant.hits |= HIT_101
        if enterprise == record.holder:
            detail.chain = Chain([])
            return
        chain = best_chain(subleases, record.holder, enterprise, window.at)
        if chain is None:
            grant.hits |= HIT_101
            return
        detail.chain = chain
        if chain.broken(window.at):
            grant.hits |= HIT_102
        if len(chain.links) > self.options.sublease_depth:
            grant.hits |= HIT_103
        for link in chain.links:
            grant.permits = _both(grant.permits, table(link.categories))

    def _subleases(self, number: str, shortest: int, window: Window) -> list[SubleaseRecord]:
        found = []
        for length in self.image.meta.sublease_lengths:
            if shortest <= length <= len(number):
                found.extend(self.image.subleases(number[:length]))
        window.look(found)
        return found

    def may_send(self, enterprise: str, number: str, window: Window) -> bool:
        """True when nothing of rules 100-105 keeps the enterprise from sending on exactly this number."""
        port = self.port(enterprise, number, window.at)
        window.since, window.until = max(window.since, port.since), min(window.until, port.until)
        return not port.hits & (HIT_106 | HIT_100 | HIT_101 | HIT_102 | HIT_103 | HIT_104 | HIT_105)

    # ---- signatures

    def signature(self, port: PortGrant, enterprise: str, text: str, at: float, *, bracketed: bool) -> Grant:
        """Resolve rules 107, 201, 203-205, 300 and 301 for a signature on a resolved number.

        `text` is what stands between the brackets; `bracketed` is False when only the canonical form has brackets
        there, and then a text that is no registered signature's look-alike counts as no signature at all.
        """
        detail = GrantDetail(text)
        window = Window(at)
        window.since, window.until = port.since, port.until
        name, hits, own_width = self._identify(text, bracketed, detail)
        if not bracketed and not detail.on_file:
            return port.unsigned
        grant = Grant(hits, window.since, window.until, name, frozenset())
        grant.detail = detail
        grant.own_width = own_width
        if bracketed:
            # A sender's own signature in another width has the form of the one on file: 203 says what is wrong with it.
            form, o = name if own_width else text, self.options
            detail.form_error = form_error(form, o.signature_min, o.signature_max, o.signature_characters) or ""
            if detail.form_error:
                grant.hits |= HIT_201
        registrations = detail.registrations = self.image.signatures(name) if name else []
        if registrations:
            window.look(registrations)
            grant.registered = True
            self._fill_grant(grant, detail, port, enterprise, registrations, window)
        elif not self.image.meta.has_signatures:
            grant.plain = EVERYTHING
        grant.since, grant.until = window.since, window.until
        return grant

    def _identify(self, text: str, bracketed: bool, detail: GrantDetail) -> tuple[str, int, bool]:
        """The registered signature that `text` is or imitates, the hits of 203 and 204, and whether only brackets
        or width differ."""
        if bracketed and self.image.signatures(text):
            detail.on_file = [text]
            return text, 0, False
        folded = canonical_signature(text)
        on_file = self.image.canonical(folded) if folded else []
        if on_file:
            if bracketed and self.options.signature_case == "fold":
                same = [known for known in on_file if known.casefold() == text.casefold()]
                if same:
                    detail.on_file = same
                    return same[0], 0, False
            detail.on_file = on_file
            narrow = [known for known in on_file if bracket_or_width_only(known, text)]
            return (narrow or on_file)[0], HIT_203, bool(narrow)
        return text, HIT_204 if bracketed and self.image.meta.has_signatures else 0, False

    def _fill_grant(
        self,
        grant: Grant,
        detail: GrantDetail,
        port: PortGrant,
        enterprise: str,
        registrations: list[SignatureRecord],
        window: Window,
    ) -> None:
        grant.enterprises = frozenset(r.enterprise for r in registrations)
        active = [r for r in registrations if in_force(r, window.at)]
        if not active:
            grant.hits |= HIT_205
        serving = [r for r in active or registrations if self.enterprise_active(r.enterprise)]
        if not serving:
            grant.hits |= HIT_107
            detail.inactive.extend(r.enterprise for r in active or registrations)
        owners = {r.enterprise for r in serving or active or registrations}
        self._fill_templates(grant, owners)
        if not self.image.meta.has_scopes:
            grant.plain = EVERYTHING
            return
        covering = self._covering(grant, detail, port.number, owners, window)
        if not covering:
            grant.hits |= HIT_300
            return
        granted = [scope for scope in covering if self._provider_may(scope, port, enterprise, window)]
        if not granted:
            grant.hits |= HIT_301
            return
        plain = NOTHING
        # Those without a cap first: where one of them permits, no cap is used up.
        for row in sorted(granted, key=lambda row: row.daily_cap > 0):
            scope = Scope(
                _quota_key(row), row.enterprise, table(row.categories), frozenset(row.regions),
                [(start, end) for start, end in row.hours], row.daily_cap,
            )
            grant.scopes.append(scope)
            if not (row.regions or row.hours or row.daily_cap):
                plain = _either(plain, scope.permits)
        grant.plain = plain
        grant.limited = any(row.regions for row in granted)

    def _covering(
        self, grant: Grant, detail: GrantDetail, number: str, owners: set[str], window: Window,
    ) -> list[ScopeRecord]:
        """Scopes in force of these owners whose port is a prefix of the number (rule 300)."""
        rows: list[ScopeRecord] = []
        for length in sorted(self.image.meta.scope_lengths, reverse=True):
            if length <= len(number):
                rows.extend(self.image.scopes(grant.signature, number[:length]))
        window.look(rows)
        detail.covering = rows
        kept = self.image.first_signature(number)
        if kept is not None and kept != grant.signature:
            detail.kept_by = kept
            return []
        return [row for row in rows if row.enterprise in owners and in_force(row, window.at)]

    def _provider_may(self, scope: ScopeRecord, port: PortGrant, enterprise: str, window: Window) -> bool:
        """Rule 301: `provider` names the submitting enterprise, `*` anyone, blank who may send on the scope's port."""
        if scope.provider == "*":
            return True
        if scope.provider:
            return scope.provider == enterprise
        if scope.port == port.number:
            return not port.hits & (HIT_100 | HIT_101 | HIT_102 | HIT_103)
        return self.may_send(enterprise, scope.port, window)

    def _fill_templates(self, grant: Grant, owners: set[str]) -> None:
        rows = [
            Template(record.id, *parse(record.category), record.text)
            for owner in sorted(owners)
            for record in self.image.templates(grant.signature, owner)
        ]
        if rows:
            grant.templates = Templates(rows)
            grant.templated = bytes(any(row.category == n for row in rows) for n in range(len(CATEGORY_NAMES)))


def _quota_key(row: ScopeRecord) -> str:
    """The name under which a scope's daily use is kept over reloads: all that tells it from the others, but the cap and
    the dates, so that a new cap counts what was used before."""
    hours = (f"{start}-{end}" for start, end in row.hours)
    narrow = ("|".join(sorted(names)) for names in (row.categories, row.regions, hours))
    return "\0".join((row.signature, row.enterprise, row.port, row.provider, *narrow))


@lru_cache(maxsize=2)
def _lexicon(words: tuple[WordRecord, ...]) -> Lexicon:
    """The default words and the registry's own; most revisions have those of the one before, and share its lexicon."""
    return Lexicon([*load_default(), *((word, *parse(name), weight) for word, name, weight in words)])


def _both(a: bytes, b: bytes) -> bytes:
    return bytes(x & y for x, y in zip(a, b, strict=True))


def _either(a: bytes, b: bytes) -> bytes:
    return bytes(x | y for x, y in zip(a, b, strict=True))
