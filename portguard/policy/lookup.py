"""What the registry says of a number, a signature and a recipient, from memory: grants keyed by raw bytes.

Noun: `Lookup`, the bounded caches of one engine. Refusals are kept apart from permissions, so that a sender of junk
cannot push out what is permitted.

Compiled; base of `engine.Engine`.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.counters import Counters, Limits
from portguard.policy.grant import (
    HIT_201,
    HIT_202,
    HIT_203,
    HIT_302,
    HIT_303,
    HIT_304,
    HIT_305,
    HIT_308,
    HIT_400,
    HIT_401,
    HIT_601,
    PORT_REFUSALS,
    SIGNATURE_REFUSALS,
    Account,
    EngineOptions,
    Grant,
    PortGrant,
    Scope,
    in_hours,
)
from portguard.policy.ledger import MISSING, REVOKED, Ledger
from portguard.policy.revision import Revision
from portguard.sms.category import MARKETING
from portguard.sms.lexicon import Lexicon
from portguard.sms.text import Text

SECONDS_A_DAY: Final = 86400.0

NO_PORT: Final = PortGrant(0, 1.0, 0.0, "")
_REGIONS_KEPT: Final = 100_000
_UNASKED: Final = "?"

NO_GRANT: Final = Grant(0, 1.0, 0.0, "", frozenset())


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
        # The local day (since the epoch) and minute of the time of judgement, and the present minute they hold for.
        self.day: i64 = 0
        self.minute: i64 = 0
        self.minute_since = 0.0
        self.minute_until = 0.0
        self.regions: dict[bytes, str] = {}
        self.region_tail: i64 = revision.region_tail
        # Scopes (and days) whose cap the message will use, one entry a recipient; `charged` when an earlier part has.
        self.quotas: list[tuple[str, int]] = []
        self.charged = False
        # To count and remember once the message passes: (frequency key, enterprise of marketing, subscriber).
        self.reached: list[tuple[str, str, str]] = []
        # Does a template of the signature fit? Whether there is a text at all.
        self.fitting = True
        self.readable = False
        self.ledger: Ledger | None = None
        # Recipients of submit_multi that fail alone: (start, end) of the dest_address, and the status; -1: discarded.
        self.refused: list[tuple[int, int, int]] = []
        # A part of a long message is judged on the text so far.
        self.partial = False

    def swap(self, revision: Revision) -> None:
        """Serve another revision from the next message on. Accounts are resolved again when next asked for."""
        self.revision = revision
        self.lexicon = revision.lexicon
        self.regions = {}
        self.region_tail = revision.region_tail
        self.accounts = {}
        self.grants_kept = 0
        self.refusals_kept = 0

    def refit(self, wall: float) -> bool:
        """Take the settings of the profile that covers `wall`; True when they changed, and accounts must be asked for
        again."""
        if not self.revision.refit(wall):
            return False
        self.options = EngineOptions(self.revision.options, int(self.options.grants), int(self.options.refusals))
        return True

    def set_clock(self, now: float, wall: float) -> None:
        """Tie monotonic `now` to the time of day `wall` (epoch seconds), and to the node's zone at that time."""
        self.skew = wall - now
        self.utc_offset = self.revision.local(wall) - wall
        self.minute_until = 0.0
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

    # ---- the recipient

    def recipient(self, a: Account, buf: bytes, start: i64, end: i64, ton: i64) -> i64:
        """Rules 302-305, 308, 400 and 401 for one recipient, whose address is buf[start:end]."""
        hits = self.narrowed(buf, start, end, ton)
        if len(self.options.frequency) == 0 and (self.index >> 4 != MARKETING or self.ledger is None):
            return hits
        return hits | self.personal(a, buf[start:end], ton)

    def personal(self, a: Account, address: bytes, ton: i64) -> i64:
        """Rules 308, 400 and 401: may this subscriber be sent this, now, by this enterprise?"""
        hits: i64 = 0
        subscriber = self.revision.subscriber(address, int(ton))
        category = self.index >> 4
        key = ""
        limits = self.options.frequency.get(int(category))
        self.locate()
        if limits is not None and not self.charged:
            key = f"{self.grant.signature}\0{category}\0{subscriber}"
            if self.limits.frequent(key, self.day * 1440 + self.minute, limits):
                hits |= HIT_308
        enterprise = ""
        if category == MARKETING and self.ledger is not None:
            enterprise = self.sender(a)
            answer = self.ledger.judge(enterprise, subscriber, int(self.index), self.at)
            if answer == MISSING:
                hits |= HIT_400
            elif answer == REVOKED:
                hits |= HIT_401
        self.reached.append((key, enterprise, subscriber))
        return hits

    def sender(self, a: Account) -> str:
        """The enterprise whose scope matched; of a registered signature without scopes, its own; else the account's."""
        for scope in self.grant.scopes:
            if scope.permits[self.index] != 0:
                return scope.enterprise
        if self.grant.registered and a.enterprise not in self.grant.enterprises:
            return min(self.grant.enterprises)
        return a.enterprise

    def note_reached(self) -> None:
        """The message passes: count it to its subscribers, and remember who sent them marketing from this number."""
        for key, enterprise, subscriber in self.reached:
            if key != "":
                self.limits.count_frequency(key, self.day * 1440 + self.minute)
            if enterprise != "" and self.ledger is not None:
                self.ledger.sent(self.port.number, subscriber, enterprise)

    def narrowed(self, buf: bytes, start: i64, end: i64, ton: i64) -> i64:
        """Rules 302-305: scopes narrow by category, region, hours and cap; what empties them fires."""
        grant = self.grant
        port = self.port
        index = self.index
        plain = grant.plain[index] != 0 or len(grant.scopes) == 0
        if plain and len(port.regions) == 0:
            return 0
        hits: i64 = 0
        region = ""
        if len(port.regions) > 0 or grant.limited:
            region = self.region_of(buf, start, end, ton)
            if len(region) > 0 and len(port.regions) > 0 and region not in port.regions:
                hits |= HIT_303
        if plain:
            return hits
        self.locate()
        # How far the best scope came; what stopped that one is the rule that emptied the set.
        furthest: i64 = HIT_302
        for scope in grant.scopes:
            if scope.permits[index] == 0:
                continue
            if len(region) > 0 and len(scope.regions) > 0 and region not in scope.regions:
                if furthest < HIT_303:
                    furthest = HIT_303
            elif not in_hours(scope.hours, self.minute):
                if furthest < HIT_304:
                    furthest = HIT_304
            elif scope.cap == 0 or self.charged or self.room(scope):
                return hits
            else:
                furthest = HIT_305
        return hits | furthest

    def room(self, scope: Scope) -> bool:
        """Rule 305: is there room under the scope's daily cap? Then one message to one recipient will be counted."""
        used: i64 = self.limits.used(scope.key, self.day) + 1
        for key, _ in self.quotas:
            if key == scope.key:
                used += 1
        if used > scope.cap:
            return False
        self.quotas.append((scope.key, int(self.day)))
        return True

    def region_of(self, buf: bytes, start: i64, end: i64, ton: i64) -> str:
        """Region of the recipient buf[start:end], "" when unknown.

        The last digits of a Chinese mobile number never decide, so those share an entry: keyed by TON, NPI and the
        digits before, and computed from zeros in their place, lest an odd address speak for its neighbours.
        """
        tail = self.region_tail
        digits: i64 = end - start
        if tail > 0 and ((digits == 11 and buf[start] == 0x31) or (digits == 13 and buf[start] == 0x38)):
            key = buf[start - 2 : end - tail]
            region = self.regions.get(key, _UNASKED)
            if region is not _UNASKED:
                return region
            if key[2:].isdigit():
                if len(self.regions) >= _REGIONS_KEPT:
                    self.regions = {}
                region = self.revision.region_of(key[2:] + b"0" * int(tail), int(ton))
                self.regions[key] = region
                return region
        return self.revision.region_of(buf[start:end], int(ton))

    def locate(self) -> None:
        """`day` and `minute` of the time of judgement in the node's zone; kept while the present minute lasts."""
        at = self.at
        if self.scheduled(at):
            local = self.revision.local(at)
            self.minute_since = 0.0
            self.minute_until = 0.0
        elif self.minute_since <= at < self.minute_until:
            return
        else:
            local = at + self.utc_offset
            self.minute_since = at - local % 60.0
            self.minute_until = self.minute_since + 60.0
        seconds: i64 = int(local // 1.0)
        self.day = seconds // 86400
        self.minute = (seconds - self.day * 86400) // 60
