"""What records permit, as the path takes it: scopes, regions, kinds of content. The same few values serve a million
rows: each is made once and shared.

Nouns: a *Scope* is one row of the scopes table that is left for a grant; a *Use* counts messages against its daily cap,
a *Bucket* those of a second against an account's rate; *Terms* are all that is on file for a signature on a number but
the names, and serve all signatures of one *likeness* (`records.SignatureEntry`).

Compiled. Knows rows, and neither grants nor revisions.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from mypy_extensions import i64, mypyc_attr

from portguard.registry.image import Image
from portguard.registry.reader import Reader
from portguard.registry.records import Dated, ScopeCursor, ScopeRecord, SignatureEntry
from portguard.sms.category import parse, permits
from portguard.sms.template import Template, Templates

NO_REGIONS: Final[frozenset[str]] = frozenset()
# 16 industries in each of 5 categories: the index of a `permits` table is category * 16 + industry.
EVERYTHING: Final = b"\x01" * 80
NOTHING: Final = b"\x00" * 80

_KEPT: Final = 4096
_SHARED: Final = 10_000
_ALWAYS: Final[list[tuple[int, int]]] = []


@mypyc_attr(acyclic=True)
class Use:
    """Messages counted against a scope's daily cap on one local day (`limits.Limits`): `messages` here, `others`
    elsewhere, as far as that is known. `changed` while others have not been told."""

    def __init__(self, key: bytes, day: i64) -> None:
        self.key = key
        self.day = day
        self.messages: i64 = 0
        self.others: i64 = 0
        self.changed = False


NO_USE: Final = Use(b"", -1)


@mypyc_attr(acyclic=True)
class Scope:
    """A scope that covers the number and the provider; category, region, hours and cap are judged per message. The same
    object serves all grants that are limited alike; `owner` is the place of its enterprise among theirs. Where there is
    a cap, `digits` of the number are its port, `categories` and `provider` are as on file, and with the grant's
    signature and enterprise it is known which cap is meant."""

    def __init__(
        self,
        owner: i64,
        permits: bytes,
        regions: frozenset[str],
        hours: list[tuple[int, int]],
        cap: i64,
        digits: i64,
        categories: bytes,
        provider: str,
    ) -> None:
        self.owner = owner
        self.permits = permits
        self.regions = regions
        self.hours = hours
        self.cap = cap
        self.digits = digits
        self.categories = categories
        self.provider = provider

    def is_plain(self) -> bool:
        """Does it limit neither regions nor hours nor number?"""
        return len(self.regions) == 0 and len(self.hours) == 0 and self.cap == 0


class Bucket:
    """A token bucket of one second's worth: `tps` messages a second, monotonic time. Survives reloads."""

    def __init__(self) -> None:
        self.tokens = 0.0
        self.updated = -1.0

    def take(self, tps: i64, now: float) -> bool:
        """One message at `now`; False when the rate is exceeded."""
        rate = float(tps)
        if self.updated < 0.0:
            tokens = rate
        else:
            tokens = self.tokens
            # Never backward: a file of messages (`inspect`) need not be in the order of time.
            if now > self.updated:
                tokens += (now - self.updated) * rate
            if tokens > rate:
                tokens = rate
        self.updated = now
        if tokens < 1.0:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1.0
        return True


class Covering(Dated):
    """A scope on file that covers a number, whatever its signature: of which registration and for which provider, for
    the first `digits` of the number, from when until when, and what it limits."""

    def __init__(self, row: ScopeRecord, scope: Scope) -> None:
        super().__init__(row.valid_from, row.valid_until, row.status)
        self.owner = row.owner
        self.provider = row.provider
        self.digits: i64 = len(row.port)
        self.scope = scope


@mypyc_attr(acyclic=True)
class Terms:
    """What the registry says of a signature on a number but for the names: the hits of rules 107, 205, 300 and 301, the
    scopes that are left, `plain` as of a grant; from `begins` until before `ends` (epoch seconds). `alike`: it serves
    all signatures with this likeness, since no other number has a part in it."""

    def __init__(self) -> None:
        self.hits: i64 = 0
        self.scopes: tuple[Scope, ...] = ()
        self.plain = NOTHING
        self.limited = False
        self.begins = 1.0
        self.ends = 0.0
        self.alike = True


NO_TERMS: Final = Terms()


def in_hours(hours: list[tuple[int, int]], minute: i64) -> bool:
    """True when `minute` (of the local day) is inside; [start, end), over midnight when end <= start; none: always."""
    if len(hours) == 0:
        return True
    for start, end in hours:
        if start < end:
            if start <= minute < end:
                return True
        elif minute >= start or minute < end:
            return True
    return False


class Shared:
    """What the grants of one revision have in common; bounded."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = {}
        self.limits: dict[tuple[object, ...], Scope] = {}
        self.sets: dict[tuple[Scope, ...], tuple[Scope, ...]] = {}
        # By octets.
        self.rows: dict[bytes, Covering] = {}
        # By the enterprise that sends, and likeness.
        self.alike: dict[str, dict[bytes, Terms]] = {}
        self.kept: i64 = 0
        # By signature and owners; how many stand here, and may, in all. Grants that are kept hold on to theirs.
        self.templates: dict[tuple[str, ...], Templates] = {}
        self.templates_kept: i64 = 0
        self.most_templates: i64 = 50_000

    def enterprise(self, name: str) -> tuple[str, ...]:
        """The enterprise, alone, the same object every time: a hundred thousand grants have a few thousand of them."""
        known = self.names.get(name)
        if known is None:
            if len(self.names) >= _SHARED:
                self.names.clear()
            known = self.names[name] = (name,)
        return known

    def together(self, scopes: list[Scope]) -> tuple[Scope, ...]:
        """Scopes in this order, the same object every time."""
        found = tuple(scopes)
        known = self.sets.get(found)
        if known is None:
            if len(self.sets) >= _SHARED:
                self.sets.clear()
            known = self.sets[found] = found
        return known

    def covering(self, reader: Reader, entry: SignatureEntry, number: bytes) -> list[Covering]:
        """The scopes of a signature for the ports that `number` begins with, the longer first, those without one
        last."""
        if entry.apart != 0:
            return [self._covering(row) for row in reader.scopes(entry, number)]
        found: list[Covering] = []
        cursor = ScopeCursor(entry.raw, entry.at)
        while cursor.next(number, False):
            # The port is part of the number; what is left says the same of every signature.
            octets = bytes([cursor.digits]) + entry.raw[cursor.at : cursor.end]
            row = self.rows.get(octets)
            if row is None:
                row = self._covering(cursor.scope(entry.rows))
                if len(self.rows) >= _SHARED:
                    self.rows.clear()
                self.rows[octets] = row
            found.append(row)
        return found

    def terms(self, enterprise: str, likeness: bytes) -> Terms:
        """What is known of all that have this likeness when the enterprise sends; NO_TERMS where nothing is."""
        known = self.alike.get(enterprise)
        return NO_TERMS if known is None else known.get(likeness, NO_TERMS)

    def keep(self, enterprise: str, likeness: bytes, terms: Terms) -> None:
        """Know them from now on."""
        if self.kept >= _SHARED:
            self.alike.clear()
            self.kept = 0
        self.alike.setdefault(enterprise, {})[likeness] = terms
        self.kept += 1

    def templates_of(self, image: Image, signature: str, owners: list[str]) -> Templates:
        """What these owners have on file for a signature, the same object every time: each of its grants is on another
        number, and there may be as many numbers as messages."""
        key = signature, *sorted(set(owners))
        known = self.templates.get(key)
        if known is None:
            found = [
                Template(record.id, *parse(record.category), record.text)
                for owner in key[1:]
                for record in image.templates(signature, owner)
            ]
            if self.templates_kept + len(found) > self.most_templates:
                self.templates.clear()
                self.templates_kept = 0
            known = self.templates[key] = Templates(found)
            self.templates_kept += len(found) + 1
        return known

    def _covering(self, row: ScopeRecord) -> Covering:
        capped = row.daily_cap > 0
        digits = len(row.port) if capped else 0
        provider = row.provider if capped else ""
        cap = int(row.daily_cap)
        key = int(row.owner), row.categories, row.regions, tuple(row.hours), cap, digits, provider
        scope = self.limits.get(key)
        if scope is None:
            if len(self.limits) >= _SHARED:
                self.limits.clear()
            scope = self.limits[key] = Scope(
                row.owner, permits(row.categories), names(row.regions) if row.regions != "" else NO_REGIONS,
                row.hours if len(row.hours) > 0 else _ALWAYS, cap, digits, row.categories, provider,
            )  # fmt: skip
        return Covering(row, scope)


def quota_key(signature: str, enterprise: str, number: str, scope: Scope) -> bytes:
    """A digest under which the daily use of a signature's capped scope on a number is kept over reloads: all that tells
    the scope from others, but the cap and the dates, so that a new cap counts what was used before."""
    named = f"{signature}\0{enterprise}\0{number[: scope.digits]}\0{scope.provider}\0"
    named += "|".join(sorted(scope.regions)) + "\0"
    if len(scope.hours) > 0:
        named += str(sorted(scope.hours))
    return blake2b(named.encode() + b"\0" + bytes(sorted(scope.categories)), digest_size=16).digest()


@lru_cache(maxsize=_KEPT)
def names(joined: str) -> frozenset[str]:
    """The names of regions, as records have them."""
    return frozenset(joined.split("|"))


@lru_cache(maxsize=_KEPT)
def both(a: bytes, b: bytes) -> bytes:
    """What two tables of content both permit."""
    return bytes([x & y for x, y in zip(a, b, strict=True)])


@lru_cache(maxsize=_KEPT)
def either(a: bytes, b: bytes) -> bytes:
    """What one of two tables of content permits."""
    return bytes([x | y for x, y in zip(a, b, strict=True)])
