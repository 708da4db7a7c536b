"""Native classes for what the registry grants, resolved once and kept in memory.

Nouns: an *Account* is one ESME login with its rule settings as bit masks; a *PortGrant* answers for one account and
source_addr; a *Grant* for one account, source_addr and signature; a *Scope* is one row of the scopes table that is left
of it. `hits` hold the rules that fire whatever the category, region or hour. `since` and `until` (epoch seconds) bound
the interval in which no date on file changes the answer.

`EngineOptions` are the settings the path looks at.

Compiled. Knows nothing of the registry's storage: `revision` fills these in.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.options import PolicyOptions
from portguard.policy.reasons import ACTION_BY_NAME
from portguard.registry.hours import parse_hours
from portguard.sms.category import CATEGORY_NAMES
from portguard.sms.template import Templates

# One bit a rule, in the order of judgement; a test holds them against the catalogue.
HIT_600: Final = 1 << 0
HIT_601: Final = 1 << 1
HIT_106: Final = 1 << 2
HIT_100: Final = 1 << 3
HIT_101: Final = 1 << 4
HIT_102: Final = 1 << 5
HIT_103: Final = 1 << 6
HIT_104: Final = 1 << 7
HIT_105: Final = 1 << 8
HIT_107: Final = 1 << 9
HIT_150: Final = 1 << 10
HIT_151: Final = 1 << 11
HIT_152: Final = 1 << 12
HIT_153: Final = 1 << 13
HIT_154: Final = 1 << 14
HIT_155: Final = 1 << 15
HIT_203: Final = 1 << 16
HIT_200: Final = 1 << 17
HIT_201: Final = 1 << 18
HIT_202: Final = 1 << 19
HIT_204: Final = 1 << 20
HIT_205: Final = 1 << 21
HIT_300: Final = 1 << 22
HIT_301: Final = 1 << 23
HIT_302: Final = 1 << 24
HIT_303: Final = 1 << 25
HIT_304: Final = 1 << 26
HIT_305: Final = 1 << 27
HIT_306: Final = 1 << 28
HIT_307: Final = 1 << 29
HIT_308: Final = 1 << 30
HIT_400: Final = 1 << 31
HIT_401: Final = 1 << 32
HIT_402: Final = 1 << 33
HIT_403: Final = 1 << 34
RULES: Final = 37

# What says that the account may not send on the number at all: such answers are cached apart from the good ones.
PORT_REFUSALS: Final = HIT_106 | HIT_100 | HIT_101
SIGNATURE_REFUSALS: Final = HIT_203 | HIT_201 | HIT_204

# 16 industries in each of 5 categories: the index of a `permits` table is category * 16 + industry.
EVERYTHING: Final = b"\x01" * 80
NOTHING: Final = b"\x00" * 80

FOREVER: Final = 4611686018427387904.0


class Scope:
    """A scope that covers the number and the provider; category, region, hours and cap are judged per message."""

    def __init__(
        self,
        key: str,
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


class Grant:
    """What the registry says about a signature of an account on a number."""

    def __init__(self, hits: i64, since: float, until: float, signature: str, enterprises: frozenset[str]) -> None:
        self.hits = hits
        self.since = since
        self.until = until
        self.signature = signature
        self.enterprises = enterprises
        self.registered = False
        self.scopes: list[Scope] = []
        # Categories that some scope without region, hours or cap permits: nothing is left to judge for those.
        self.plain = NOTHING
        self.limited = False
        self.own_width = False
        self.templates: Templates | None = None
        # What fits is remembered by the shape of the text, its digits all made 0, where that is as good as the text.
        self.shapes: dict[bytes, int] = {}
        # By category: does the signature have templates for it?
        self.templated = b"\0" * 5
        self.detail: object = None


class PortGrant:
    """What the registry says about an account on a number."""

    def __init__(self, hits: i64, since: float, until: float, number: str) -> None:
        self.hits = hits
        self.since = since
        self.until = until
        self.number = number
        self.port = ""
        self.holder = ""
        self.permits = EVERYTHING
        self.regions: frozenset[str] = frozenset()
        self.signature_required = False
        self.detail: object = None
        self.signatures: dict[bytes, Grant] = {}
        self.refused: dict[bytes, Grant] = {}
        self.unsigned = Grant(0, since, until, "", frozenset())


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


class Account:
    """An ESME login under one revision; `on`, `stop`, `discard`, `tag` and `would_*` are its rule settings as masks."""

    def __init__(self, system_id: str, bucket: Bucket) -> None:
        self.system_id = system_id
        self.enterprise = ""
        self.known = False
        self.active = False
        self.hits: i64 = 0
        self.charset: i64 = 0
        self.binary = False
        self.tps: i64 = 0
        self.max_binds: i64 = 0
        self.networks: list[str] = []
        self.bucket = bucket
        self.on: i64 = 0
        self.stop: i64 = 0
        self.discard: i64 = 0
        self.tag: i64 = 0
        self.would_reject: i64 = 0
        self.would_discard: i64 = 0
        self.status: list[int] = [0] * RULES
        self.errors: i64 = 0
        self.errors_since = 0.0
        self.ports: dict[bytes, PortGrant] = {}
        self.refused: dict[bytes, PortGrant] = {}


def ordinal(bit: i64) -> i64:
    """The place of the only bit set."""
    place: i64 = 0
    while bit > 1:
        bit >>= 1
        place += 1
    return place


class EngineOptions:
    """The settings the path looks at, copied once out of `[policy]`. `grants` and `refusals` bound what is kept of the
    registry's answers."""

    def __init__(self, options: PolicyOptions, grants: int, refusals: int) -> None:
        self.head_only = options.signature_position == "head"
        self.disguise_own_tag = options.disguise_own == "tag"
        self.unknown_category: i64 = ACTION_BY_NAME[options.unknown_category]
        self.ton_npi = frozenset([ton << 8 | npi for ton, npi in options.source_ton_npi])
        self.default_msg_ids = frozenset(options.default_msg_ids)
        self.max_schedule = options.max_schedule_hours * 3600.0
        self.marketing_hours = parse_hours(options.marketing_hours.split("|")) if options.marketing_hours else []
        # By category: messages to a subscriber under a signature, a minute, an hour and a day; 0 is no limit.
        self.frequency: dict[int, tuple[int, int, int]] = {
            CATEGORY_NAMES.index(name): (limit.minute, limit.hour, limit.day)
            for name, limit in options.frequency.items()
        }
        self.grants: i64 = grants
        self.refusals: i64 = refusals
        self.errors_a_minute: i64 = options.on_error_limit
        self.on_error_allow = options.on_error == "allow"
