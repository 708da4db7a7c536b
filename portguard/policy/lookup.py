"""What the registry says of a number, a signature and a recipient, from memory: grants keyed by raw bytes.

Nouns: `EngineOptions`, the settings the path looks at; `Lookup`, the bounded caches of one engine: most answers are
rows (`answers`), the others objects (`kept`). Refusals are kept apart from permissions, so that a sender of junk cannot
push out what is permitted.

Compiled; base of `engine.Engine`.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.answers import Answers
from portguard.policy.counters import Counters, Records, Tallies
from portguard.policy.grant import (
    HIT_100,
    HIT_302,
    HIT_303,
    HIT_304,
    HIT_305,
    HIT_308,
    HIT_400,
    HIT_401,
    HIT_601,
    NO_GRANT,
    NO_PORT,
    PORT_REFUSALS,
    Account,
    Brakes,
    PortGrant,
)
from portguard.policy.kept import Kept, Regions, digits_of, usual_mobile
from portguard.policy.ledger import MISSING, REVOKED, Ledger
from portguard.policy.limits import NO_LIMITS, FrequencyLimits, Limits, Reached, frequency_key
from portguard.policy.options import PolicyOptions
from portguard.policy.reasons import ACTION_BY_NAME
from portguard.policy.revision import MAX_DIGITS, Revision
from portguard.policy.terms import NO_USE, Use, in_hours, quota_key
from portguard.registry.hours import parse_hours
from portguard.registry.reader import Reader
from portguard.sms.canonical import fold_table
from portguard.sms.category import CATEGORY_NAMES, MARKETING
from portguard.sms.lexicon import Lexicon
from portguard.sms.text import Text

SECONDS_A_DAY: Final = 86400.0

# Of so many revisions before what was found is given up a little at a time.
LEAVING: Final = 3


class EngineOptions:
    """The settings the path looks at, copied once out of `[policy]`. `answers`, `grants` and `refusals` bound what is
    kept of the registry's answers."""

    def __init__(self, options: PolicyOptions, answers: int, grants: int, refusals: int) -> None:
        self.head_only = options.signature_position == "head"
        self.disguise_own_tag = options.disguise_own == "tag"
        self.unknown_category: i64 = ACTION_BY_NAME[options.unknown_category]
        self.shortest: i64 = options.signature_min
        self.longest: i64 = options.signature_max
        self.ton_npi = frozenset([ton << 8 | npi for ton, npi in options.source_ton_npi])
        self.default_msg_ids = frozenset(options.default_msg_ids)
        self.max_schedule = options.max_schedule_hours * 3600.0
        self.max_validity = options.max_validity_hours * 3600.0
        self.marketing_hours = parse_hours(options.marketing_hours.split("|")) if options.marketing_hours else []
        # By category: messages to a subscriber under a signature, a minute, an hour and a day; 0 is no limit.
        self.frequency: dict[int, FrequencyLimits] = {
            CATEGORY_NAMES.index(name): (limit.minute, limit.hour, limit.day)
            for name, limit in options.frequency.items()
        }
        self.answers: i64 = answers
        self.grants: i64 = grants
        self.refusals: i64 = refusals
        self.errors_a_minute: i64 = options.on_error_limit
        self.on_error_allow = options.on_error == "allow"


class Lookup:
    """Accounts, ports and signatures under one revision at a time; `swap` takes the next."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        self.revision = revision
        self.lexicon: Lexicon = revision.lexicon
        self.options = options
        self.limits = limits
        self.counters = counters
        self.accounts: dict[str, Account] = {}
        # How many there have been under all revisions.
        self.accounts_known: i64 = 0
        self.kept = Kept(options.grants, False)
        self.kept_refusals = Kept(options.refusals, True)
        self.answers = Answers(options.answers)
        # Of revisions that serve no more, to be given up a few at a time.
        self.leaving: list[Kept] = []
        self.skew = 0.0
        self.utc_offset = 0.0
        # The time of the present message (epoch seconds), and its soft hits: those a setting turns into a tag.
        self.present = 0.0
        self.soft: i64 = 0
        self.at = self.expires = 0.0
        self.text = Text()
        self.port = NO_PORT
        self.grant = NO_GRANT
        # Where the message is counted (`Tallies`), 0 for nowhere.
        self.entry: i64 = 0
        # Were port and grant read out of a row, or put into one? Then where that was counted.
        self.answered = self.rowed = False
        self.row_entry: i64 = 0
        self.since = self.until = 0.0
        self.index: i64 = 0
        # The local day (since the epoch) and minute of the time of judgement, and the present minute they hold for.
        self.day: i64 = 0
        self.minute: i64 = 0
        self.minute_since = self.minute_until = 0.0
        self.regions = Regions()
        self.region_tail: i64 = revision.region_tail
        self.reader: Reader = revision.reader
        self.noting = revision.noting
        self.folds = fold_table()
        self.known_signatures = revision.has_signatures
        # The caps that the message will use, one entry a recipient; `charged` when an earlier part has.
        self.uses: list[Use] = []
        self.charged = False
        # To count and remember once the message passes: (frequency key, enterprise of marketing, subscriber).
        self.reached: list[tuple[bytes, str, str]] = []
        # What it was counted as to its subscribers.
        self.counted: list[Reached] = []
        # Does a template of the signature fit? Is there a text at all? Is it only the text so far?
        self.fitting = True
        self.readable = self.partial = False
        self.ledger: Ledger | None = None
        # Recipients of submit_multi that fail alone: (start, end) in the list, and the status; -1: discarded.
        self.refused: list[tuple[int, int, int]] = []
        self.brakes = Brakes()
        self.tallies = Tallies(0)
        self.records = Records(0, 0)

    def swap(self, revision: Revision) -> None:
        """Serve another revision from the next message on. Accounts are resolved again when next asked for."""
        self.revision = revision
        self.lexicon = revision.lexicon
        self.regions = Regions()
        self.region_tail = revision.region_tail
        self.reader = revision.reader
        self.noting = revision.noting
        self.known_signatures = revision.has_signatures
        self.accounts = {}
        self.leaving += [self.kept, self.kept_refusals]
        # Swaps that follow each other faster than that: the oldest go at once.
        del self.leaving[: -2 * LEAVING]
        self.kept = Kept(self.options.grants, False)
        self.kept_refusals = Kept(self.options.refusals, True)
        self.answers.renew(self.accounts_known)

    def shed(self, count: i64) -> None:
        """Give up so many answers of revisions that serve no more: all at once, that would hold up messages."""
        if len(self.leaving) > 0 and not self.leaving[-1].shed(count):
            self.leaving.pop()

    def refit(self, wall: float) -> bool:
        """Take the settings of the profile that covers `wall`; True when they changed, and accounts must be asked for
        again."""
        if not self.revision.refit(wall):
            return False
        o = self.options
        self.options = EngineOptions(self.revision.options, int(o.answers), int(o.grants), int(o.refusals))
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
                self.accounts_known += 1
                found.place = self.accounts_known
                self.accounts[system_id] = found
        return found

    # ---- the number

    def port_of(self, a: Account, key: bytes, at: float) -> PortGrant:
        """The resolved grant of a number (raw source_addr), from the cache where its dates still hold."""
        port = a.ports.get(key, NO_PORT)
        if not port.since <= at < port.until:
            port = a.refused.get(key, NO_PORT)
        if not port.since <= at < port.until:
            return self.port_miss(a, key, at)
        port.used = True
        return port

    def port_miss(self, a: Account, key: bytes, at: float) -> PortGrant:
        """Ask the revision, and keep the answer when it is about the present."""
        self.counters.port_misses += 1
        if a.nowhere is not None and self.is_nowhere(key):
            return a.nowhere
        port: PortGrant = self.revision.port(a.enterprise, key, at)
        if port.digits == 0 and a.on & a.stop & HIT_100 != 0 and not self.noting and self.is_nowhere(key):
            # Dates have no part in it: where nothing is on file, nothing begins or ends.
            port.source = b""
            port.kept = True
            a.nowhere = port
            return port
        if not self.keeps(a, at):
            return port
        if port.hits & PORT_REFUSALS != 0:
            self.kept_refusals.put_port(a, port, key)
        else:
            self.kept.put_port(a, port, key)
        return port

    def is_nowhere(self, key: bytes) -> bool:
        """Is it a number that begins with no registered port?"""
        return key.isdigit() and len(key) <= MAX_DIGITS and not self.reader.is_port(key)

    def keeps(self, a: Account, at: float) -> bool:
        """May an answer be kept? Only those to accounts on file are bounded, all others would go with their links."""
        return a.known and not self.scheduled(at)

    def scheduled(self, at: float) -> bool:
        """True for a verdict about another time: kept, those would push the present out of the caches."""
        return self.present != at

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
        country = self.revision.country
        subscriber = usual_mobile(address, ton, country) or self.revision.subscriber(address, int(ton))
        category = self.index >> 4
        key = b""
        self.locate()
        limits = self.options.frequency.get(int(category))
        if limits is not None and not self.charged:
            key = frequency_key(subscriber, category, self.grant.name)
            if self.limits.frequent(key, self.day * 1440 + self.minute, limits, self.reached):
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
                return self.grant.enterprises[scope.owner]
        if self.grant.registered and a.enterprise not in self.grant.enterprises:
            return min(self.grant.enterprises)
        return a.enterprise

    def note_reached(self) -> None:
        """The message passes: count it to its subscribers, and remember who sent them marketing from this number."""
        limits = self.options.frequency.get(int(self.index >> 4), NO_LIMITS)
        for key, enterprise, subscriber in self.reached:
            if len(key) > 0:
                row = (key, int(self.day * 1440 + self.minute), limits, 1)
                self.limits.reach(row)
                self.counted.append(row)
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
        place: i64 = -1
        for scope in grant.scopes:
            place += 1
            if scope.permits[index] == 0:
                continue
            if len(region) > 0 and len(scope.regions) > 0 and region not in scope.regions:
                if furthest < HIT_303:
                    furthest = HIT_303
            elif not in_hours(scope.hours, self.minute):
                if furthest < HIT_304:
                    furthest = HIT_304
            elif scope.cap == 0 or self.charged or self.room(place):
                return hits
            else:
                furthest = HIT_305
        return hits | furthest

    def room(self, place: i64) -> bool:
        """Rule 305: is there room under the daily cap of the grant's scope in that place? Then one message to one
        recipient will be counted."""
        grant = self.grant
        scope = grant.scopes[place]
        if len(grant.uses) == 0 and self.answered:
            grant.uses = self.answers.uses()
        if len(grant.uses) == 0:
            grant.uses = [NO_USE] * len(grant.scopes)
        use = grant.uses[place]
        if use.day != self.day:
            owner = grant.enterprises[scope.owner]
            use = self.limits.use(quota_key(grant.signature, owner, self.port.number, scope), self.day)
            grant.uses[place] = use
        used: i64 = use.messages + use.others + 1
        for other in self.uses:
            if other is use:
                used += 1
        if used > scope.cap:
            return False
        self.uses.append(use)
        return True

    def region_of(self, buf: bytes, start: i64, end: i64, ton: i64) -> str:
        """Region of the recipient buf[start:end], "" when unknown.

        The last digits of a Chinese mobile number never decide, so those that differ in them share an answer: found by
        TON and the digits before, and computed from zeros in their place, lest an odd address speak for its neighbours.
        """
        tail = self.region_tail
        octets: i64 = end - start
        if tail > 0 and ((octets == 11 and buf[start] == 0x31) or (octets == 13 and buf[start] == 0x38)):
            digits = digits_of(buf, start, end)
            if digits >= 0:
                key: i64 = digits >> 4 * tail << 8 | ton
                if self.regions.has(key):
                    return self.regions.found()
                region = self.revision.region_of(buf[start : end - tail] + b"0" * int(tail), int(ton))
                self.regions.put(key, region)
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
