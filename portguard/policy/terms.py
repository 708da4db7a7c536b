"""What records permit, as the path takes it: scopes, regions, kinds of content. The same few values serve a million
rows: each is made once and shared.

Nouns: a *Scope* is one row of the scopes table that is left for a grant; a *Use* counts messages against its daily cap.

Compiled. Knows rows, and neither grants nor revisions.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from mypy_extensions import i64, mypyc_attr

from portguard.registry.records import ScopeRecord
from portguard.sms.category import permits

NO_REGIONS: Final[frozenset[str]] = frozenset()

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
    """A scope that covers the number and the provider; category, region, hours and cap are judged per message. `use` is
    that of the day it was last asked about."""

    def __init__(
        self,
        key: bytes,
        enterprise: str,
        permits: bytes,
        regions: frozenset[str],
        hours: list[tuple[int, int]],
        cap: i64,
    ) -> None:
        self.key = key
        self.enterprise = enterprise
        self.permits = permits
        self.regions = regions
        self.hours = hours
        self.cap = cap
        self.use = NO_USE


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
        self.scopes: dict[tuple[str, bytes, str, int], Scope] = {}

    def enterprise(self, name: str) -> tuple[str, ...]:
        """The enterprise, alone, the same object every time: a hundred thousand grants have a few thousand of them."""
        known = self.names.get(name)
        if known is None:
            if len(self.names) >= _SHARED:
                self.names.clear()
            known = self.names[name] = (name,)
        return known

    def scope(self, row: ScopeRecord) -> Scope:
        """What is left of a scope for a grant; the same object for all that limit the same, unless use is counted."""
        if row.daily_cap > 0 or len(row.hours) > 1:
            return scope_of(row)
        hours: int = 0
        for start, end in row.hours:
            hours = start << 16 | end | 1 << 32
        key = row.enterprise, row.categories, row.regions, hours
        scope = self.scopes.get(key)
        if scope is None:
            if len(self.scopes) >= _SHARED:
                self.scopes.clear()
            scope = self.scopes[key] = scope_of(row)
        return scope


def scope_of(row: ScopeRecord) -> Scope:
    """A scope that is left for a grant."""
    return Scope(
        quota_key(row) if row.daily_cap > 0 else b"", row.enterprise, permits(row.categories),
        names(row.regions) if row.regions != "" else NO_REGIONS, row.hours if len(row.hours) > 0 else _ALWAYS,
        row.daily_cap,
    )  # fmt: skip


def is_plain(row: ScopeRecord) -> bool:
    """Does it limit neither regions nor hours nor number?"""
    return row.regions == "" and len(row.hours) == 0 and row.daily_cap == 0


def quota_key(row: ScopeRecord) -> bytes:
    """A digest under which a scope's daily use is kept over reloads: all that tells it from the others, but the cap and
    the dates, so that a new cap counts what was used before."""
    named = f"{row.signature}\0{row.enterprise}\0{row.port}\0{row.provider}\0"
    if row.regions != "":
        named += "|".join(sorted(row.regions.split("|")))
    named += "\0"
    if len(row.hours) > 0:
        named += str(sorted(row.hours))
    return blake2b(named.encode() + b"\0" + bytes(sorted(row.categories)), digest_size=16).digest()


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
