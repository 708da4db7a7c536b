"""What the registry says of a number, a signature and a recipient, from memory: grants keyed by raw bytes.

Nouns: `EngineOptions`, the settings the path looks at; `Lookup`, the bounded caches of one engine. Refusals are kept
apart from permissions, so that a sender of junk cannot push out what is permitted.

Compiled; base of `engine.Engine`.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.counters import Counters, Limits
from portguard.policy.grant import (
    EVERYTHING,
    HIT_201,
    HIT_202,
    HIT_203,
    HIT_302,
    HIT_303,
    HIT_304,
    HIT_305,
    HIT_306,
    HIT_601,
    PORT_REFUSALS,
    SIGNATURE_REFUSALS,
    Account,
    Grant,
    PortGrant,
    Scope,
)
from portguard.policy.reasons import ALLOW, TAG
from portguard.policy.revision import Revision
from portguard.sms.lexicon import Lexicon
from portguard.sms.text import Text

SECONDS_A_DAY: Final = 86400.0

NO_PORT: Final = PortGrant(0, 1.0, 0.0, "")
NO_GRANT: Final = Grant(0, 1.0, 0.0, "", frozenset())


class EngineOptions:
    """The settings the path looks at, copied once out of `[policy]`."""

    def __init__(
        self, *, head_only: bool, disguise_own_tag: bool, unknown_category: int, ton_npi: frozenset[int],
        default_msg_ids: frozenset[int], max_schedule: float, grants: int, refusals: int, errors_a_minute: int,
        on_error_allow: bool,
    ) -> None:
        self.head_only = head_only
        self.disguise_own_tag = disguise_own_tag
        self.unknown_category: i64 = unknown_category
        self.ton_npi = ton_npi
        self.default_msg_ids = default_msg_ids
        self.max_schedule = max_schedule
        self.grants: i64 = grants
        self.refusals: i64 = refusals
        self.errors_a_minute: i64 = errors_a_minute
        self.on_error_allow = on_error_allow


class Lookup:
    """Accounts, ports and signatures under one revision at a time; `swap` takes the next."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        self.revision = revision
        self.lexicon: Lexicon = revision.lexicon
        self.options = options
        self.limits = limits
        self.counters = counters
        self.accounts: dict[str, Account] = {}
        self.grants_kept: i64 = 0
        self.refusals_kept: i64 = 0
        self.skew = 0.0
        self.utc_offset = 0.0
        # The time of the present message (epoch seconds), and its soft hits: those a setting turns into a tag.
        self.present = 0.0
        self.soft: i64 = 0
        self.at = 0.0
        self.text = Text()
        self.port = NO_PORT
        self.grant = NO_GRANT
        self.index: i64 = 0
        # Scopes (and days) whose cap the message will use, one entry a recipient; `charged` when an earlier part has.
        self.quotas: list[tuple[str, int]] = []
        self.charged = False
        # Recipients of submit_multi that fail alone: (start, end) of the dest_address, and the status; -1: discarded.
        self.refused: list[tuple[int, int, int]] = []
        # A part of a long message is judged on the text so far.
        self.partial = False

    def swap(self, revision: Revision) -> None:
        """Serve another revision from the next message on. Accounts are resolved again when next asked for."""
        self.revision = revision
        self.lexicon = revision.lexicon
        self.accounts = {}
        self.grants_kept = 0
        self.refusals_kept = 0

    def set_clock(self, now: float, wall: float) -> None:
        """Tie monotonic `now` to the time of day `wall` (epoch seconds), and to the node's zone at that time."""
        self.skew = wall - now
        self.utc_offset = self.revision.local(wall) - wall
        self.limits.forget(int((wall + self.utc_offset) // SECONDS_A_DAY))

    def account(self, system_id: str) -> Account:
        """The account under the present revision; one that is not on file has `known` False and hits rule 601."""
        found = self.accounts.get(system_id)
        if found is None:
            found = self.revision.account(system_id, self.limits)
            if not found.active:
                found.hits |= HIT_601
            if found.known:
                self.accounts[system_id] = found
        return found

    # ---- the number

    def port_of(self, a: Account, key: bytes, at: float) -> PortGrant:
        """The resolved grant of a number (raw source_addr), from the cache where its dates still hold."""
        port = a.ports.get(key, NO_PORT)
        if port.since <= at < port.until:
            return port
        port = a.refused.get(key, NO_PORT)
        if port.since <= at < port.until:
            return port
        return self.port_miss(a, key, at)

    def port_miss(self, a: Account, key: bytes, at: float) -> PortGrant:
        """Ask the revision, and keep the answer when it is about the present."""
        self.counters.port_misses += 1
        port: PortGrant = self.revision.port(a.enterprise, key.decode("latin-1"), at)
        if self.scheduled(at):
            return port
        if port.hits & PORT_REFUSALS != 0:
            self.make_room_for_refusal()
            a.refused[key] = port
        else:
            self.make_room_for_grant()
            a.ports[key] = port
        return port

    def scheduled(self, at: float) -> bool:
        """True for a verdict about another time: kept, those would push the present out of the caches."""
        return self.present != at

    def make_room_for_grant(self) -> None:
        """Bound what is kept: at the limit everything is dropped and asked for again."""
        self.grants_kept += 1
        if self.grants_kept > self.options.grants:
            self.grants_kept = 1
            for account in self.accounts.values():
                account.ports = {}

    def make_room_for_refusal(self) -> None:
        """The same for refusals, apart, so that a sender of junk cannot push out what is permitted."""
        self.refusals_kept += 1
        if self.refusals_kept > self.options.refusals:
            self.refusals_kept = 1
            for account in self.accounts.values():
                account.refused = {}
                for port in account.ports.values():
                    port.refused = {}

    # ---- the signature

    def signed(self, a: Account, port: PortGrant, at: float) -> i64:
        """Rules 107 and 200-301: find the signature, resolve it, leave it in `grant`."""
        t = self.text
        if t.has_head:
            self.grant = self.grant_of(a, port, t.head, at)
            if (t.has_tail or t.disguised) and not self.partial:
                return self.grant.hits | self.second(a, port, at)
            return self.grant.hits
        if t.disguised:
            found = self.disguised(a, port, t.disguised_head, at)
            if found.registered:
                self.grant = found
                return found.hits | self.own_disguise(found)
        if self.partial:  # the tail is not here yet
            self.grant = port.unsigned
            return port.unsigned.hits
        if t.has_tail:
            self.grant = self.grant_of(a, port, t.tail, at)
            if self.options.head_only:
                return self.grant.hits | HIT_201
            return self.grant.hits
        if t.disguised and not self.options.head_only:
            found = self.disguised(a, port, t.disguised_tail, at)
            if found.registered:
                self.grant = found
                return found.hits | self.own_disguise(found)
        self.grant = port.unsigned
        return port.unsigned.hits

    def second(self, a: Account, port: PortGrant, at: float) -> i64:
        """Rule 202: a head is there; is the tail on file to another enterprise?"""
        t = self.text
        head = self.grant
        if head.hits & HIT_203 != 0:
            self.own_disguise(head)
        tail = self.grant_of(a, port, t.tail, at) if t.has_tail else self.disguised(a, port, t.disguised_tail, at)
        if not tail.registered:
            return 0
        for enterprise in tail.enterprises:
            if enterprise in head.enterprises:
                return 0
        return HIT_202

    def own_disguise(self, grant: Grant) -> i64:
        """With `disguise_own = "tag"` a sender's own signature in other brackets or width is tagged, not refused."""
        if self.options.disguise_own_tag and grant.own_width and len(grant.scopes) > 0:
            self.soft |= HIT_203
        return 0

    def grant_of(self, a: Account, port: PortGrant, key: bytes, at: float) -> Grant:
        """The resolved grant of a signature as written (UTF-16BE between its brackets)."""
        grant = port.signatures.get(key, NO_GRANT)
        if grant.since <= at < grant.until:
            if grant.own_width:
                self.own_disguise(grant)
            return grant
        grant = port.refused.get(key, NO_GRANT)
        if grant.since <= at < grant.until:
            if grant.own_width:
                self.own_disguise(grant)
            return grant
        return self.grant_miss(a, port, key, key.decode("utf-16-be", "replace"), at, True)

    def disguised(self, a: Account, port: PortGrant, written: str, at: float) -> Grant:
        """The grant of a signature that only the canonical form brackets; unregistered means there is none."""
        if written == "":
            return NO_GRANT
        key = b"\x00" + written.encode("utf-16-be", "replace")
        grant = port.refused.get(key, NO_GRANT)
        if grant.since <= at < grant.until:
            return grant
        return self.grant_miss(a, port, key, written, at, False)

    def grant_miss(self, a: Account, port: PortGrant, key: bytes, text: str, at: float, bracketed: bool) -> Grant:
        """Ask the revision, and keep the answer when it is about the present."""
        self.counters.grant_misses += 1
        grant: Grant = self.revision.signature(port, a.enterprise, text, at, bracketed=bracketed)
        if grant.own_width:
            self.own_disguise(grant)
        if self.scheduled(at):
            return grant
        if not bracketed or grant.hits & SIGNATURE_REFUSALS != 0 or port.hits & PORT_REFUSALS != 0:
            self.make_room_for_refusal()
            port.refused[key] = grant
        else:
            self.make_room_for_grant()
            port.signatures[key] = grant
        return grant

    # ---- content and recipient

    def content(self, index: i64) -> i64:
        """Rule 306, and what `unknown_category` makes of content that cannot be told; `index` is the content."""
        hits: i64 = 0
        if index < 16 and self.options.unknown_category != ALLOW:
            hits = self.unknown()
        if self.port.permits[index] == 0:
            hits |= HIT_306
        self.index = index
        return hits

    def unknown(self) -> i64:
        """`unknown_category` tag or reject: content that cannot be told is outside wherever kinds are limited."""
        hits: i64 = 0
        if self.port.permits != EVERYTHING:
            hits |= HIT_306
        limited = len(self.grant.scopes) > 0
        for scope in self.grant.scopes:
            if scope.permits == EVERYTHING:
                limited = False
        if limited:
            hits |= HIT_302
        if self.options.unknown_category == TAG:
            self.soft |= hits
        return hits

    def recipient(self, buf: bytes, start: i64, end: i64, ton: i64) -> i64:
        """Rules 302-305 for one recipient (its address is buf[start:end]): scopes narrow by category, region, hours and
        cap; what empties them fires."""
        grant = self.grant
        port = self.port
        index = self.index
        plain = grant.plain[index] != 0 or len(grant.scopes) == 0
        if plain and len(port.regions) == 0:
            return 0
        hits: i64 = 0
        region = ""
        if len(port.regions) > 0 or grant.limited:
            region = self.revision.region_of(buf[start:end], ton)
            if region != "" and len(port.regions) > 0 and region not in port.regions:
                hits |= HIT_303
        if plain:
            return hits
        scopes = [scope for scope in grant.scopes if scope.permits[index] != 0]
        if len(scopes) == 0:
            return hits | HIT_302
        if region != "":
            scopes = [scope for scope in scopes if len(scope.regions) == 0 or region in scope.regions]
            if len(scopes) == 0:
                return hits | HIT_303
        local = self.local()
        day: i64 = i64(local // SECONDS_A_DAY)
        minute: i64 = i64((local - float(day) * SECONDS_A_DAY) // 60.0)
        scopes = [scope for scope in scopes if scope.in_hours(minute)]
        if len(scopes) == 0:
            return hits | HIT_304
        return hits | self.capped(scopes, day)

    def local(self) -> float:
        """The time of judgement in the node's zone, as seconds."""
        if self.scheduled(self.at):
            return self.revision.local(self.at)
        return self.at + self.utc_offset

    def capped(self, scopes: list[Scope], day: i64) -> i64:
        """Rule 305: the first scope with room is the one that will be counted, once a message and recipient."""
        if self.charged:
            return 0
        for scope in scopes:
            if scope.cap == 0:
                return 0
        for scope in scopes:
            used: i64 = self.limits.used(scope.key, day) + 1
            for key, _ in self.quotas:
                if key == scope.key:
                    used += 1
            if used <= scope.cap:
                self.quotas.append((scope.key, int(day)))
                return 0
        return HIT_305
