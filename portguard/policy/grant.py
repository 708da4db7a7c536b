"""Native classes for what the registry grants, resolved once and kept in memory.

Nouns: an *Account* is one ESME login with its rule settings as bit masks; a *PortGrant* answers for one account and
source_addr; a *Grant* for one account, source_addr and signature, with the scopes (`terms`) that are left of it. `hits`
hold the rules that fire whatever the category, region or hour. `since` and `until` (epoch seconds) bound the interval
in which no date on file changes the answer. A *tally* counts the messages of a grant; a *brake* is what complaints have
put on a port or a signature.

Compiled. Knows nothing of the registry's storage: `revision` fills these in.
"""

from codecs import utf_16_be_decode, utf_16_be_encode
from typing import Final

from mypy_extensions import i64, mypyc_attr

from portguard.policy.terms import EVERYTHING, NO_REGIONS, NOTHING, Bucket, Scope, Use
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
HIT_500: Final = 1 << 35
HIT_501: Final = 1 << 36
RULES: Final = 37

# What says that the account may not send on the number at all: such answers are cached apart from the good ones.
PORT_REFUSALS: Final = HIT_106 | HIT_100 | HIT_101
SIGNATURE_REFUSALS: Final = HIT_203 | HIT_201 | HIT_204

FOREVER: Final = 4611686018427387904.0


# Holds no object that could refer back to it: the garbage collector need not walk them.
@mypyc_attr(acyclic=True)
class Tally:
    """Whose messages are counted: those of one grant and one kind of content (category * 16 + industry). `entry` is
    where (`counters.Tallies`), 0 where they never were. `others` begins the tallies of its other kinds of content,
    NO_TALLY where there are none. Its label (`policy.record`) is made when it is told: `head` begins it, then come port
    and number, holder, name (UTF-16BE) and owner."""

    def __init__(self, index: i64, others: "Tally | None") -> None:
        self.index = index
        self.others = self if others is None else others
        self.entry: i64 = 0
        self.head = b""
        self.number = b""
        self.digits: i64 = 0
        self.holder = ""
        self.name = b""
        self.owner = ""


NO_TALLY: Final = Tally(-1, None)

BRAKE_TAG: Final = 1
BRAKE_THROTTLE: Final = 2
BRAKE_SUSPEND: Final = 3


@mypyc_attr(acyclic=True)
class Brake:
    """A restraint in force until `until` (epoch seconds); `per_minute` messages pass a throttle, a minute's worth at
    once."""

    def __init__(self, level: i64, per_minute: i64, until: float) -> None:
        self.level = level
        self.per_minute = per_minute
        self.until = until
        self.tokens = float(per_minute)
        self.updated = 0.0

    def take(self, messages: i64, at: float) -> bool:
        """So many messages at epoch second `at`; False when they are beyond the rate."""
        rate = float(self.per_minute)
        if at > self.updated:
            if self.updated > 0.0:
                self.tokens += (at - self.updated) * rate / 60.0
            if self.tokens > rate:
                self.tokens = rate
            self.updated = at
        if self.tokens < float(messages):
            return False
        self.tokens -= float(messages)
        return True


NO_BRAKES: Final[list[Brake]] = []
NO_USES: Final[list[Use]] = []


# Hundreds of thousands of them are kept: none holds what could refer back to it, so the garbage collector walks none,
# what most of them do not have is shared, and names are kept as the octets they are looked for by.
@mypyc_attr(acyclic=True)
class Grant:
    """What the registry says about a signature of an account on a number. `name` is the signature's, in UTF-16BE;
    `used`: since `Kept` last asked."""

    def __init__(self, hits: i64, since: float, until: float, name: bytes, enterprises: tuple[str, ...]) -> None:
        self.hits = hits
        self.since = since
        self.until = until
        self.name = name
        self.enterprises = enterprises
        self.registered = False
        self.used = False
        self.scopes: tuple[Scope, ...] = ()
        # Of each scope what was counted against its cap on the day it was last asked about; none while no cap was.
        self.uses = NO_USES
        # Categories that some scope without region, hours or cap permits: nothing is left to judge for those.
        self.plain = NOTHING
        self.limited = False
        self.own_width = False
        self.templates: Templates | None = None
        # By category: does the signature have templates for it?
        self.templated = b"\0" * 5
        self.detail: object = None
        # Of one kind of content; those of others are behind it.
        self.tally = NO_TALLY
        self.label = b""
        # As of the engine's `braking`.
        self.brakes = NO_BRAKES
        self.braking: i64 = 0

    @property
    def signature(self) -> str:
        """The signature, as it is on file where it is."""
        return utf_16_be_decode(self.name, "surrogatepass", True)[0]

    def is_foreign(self, other: "Grant") -> bool:
        """True when `other` is on file, and to no enterprise that has this one."""
        shared = [enterprise for enterprise in self.enterprises if enterprise in other.enterprises]
        return other.registered and len(shared) == 0

    def owner(self) -> str:
        """The enterprise whose signature it is, "" when it is nobody's."""
        if len(self.scopes) > 0:
            return self.enterprises[self.scopes[0].owner]
        return min(self.enterprises) if len(self.enterprises) > 0 else ""

    def narrows(self) -> bool:
        """True when every scope that is left limits the kinds of content."""
        for scope in self.scopes:
            if scope.permits == EVERYTHING:
                return False
        return len(self.scopes) > 0


class Brakes:
    """Every restraint in force (rules 500 and 501), by name; `changes` counts how often they became others."""

    def __init__(self) -> None:
        # By the octets of the number, and by those of the signature in UTF-16BE.
        self.ports: dict[bytes, Brake] = {}
        self.signatures: dict[bytes, Brake] = {}
        self.lengths: list[int] = []
        self.changes: i64 = 0
        # What the last judgement only tags.
        self.soft: i64 = 0

    def put(self, restraints: list[tuple[str, str, int, int, float]]) -> None:
        """These and no others: (port or signature, its name, level, messages a minute, until). A throttle that stays
        keeps its count."""
        ports: dict[bytes, Brake] = {}
        signatures: dict[bytes, Brake] = {}
        for kind, name, level, per_minute, until in restraints:
            key = name.encode("latin-1", "replace") if kind == "port" else utf_16_be_encode(name, "surrogatepass")[0]
            brake = (self.ports if kind == "port" else self.signatures).get(key)
            if brake is None or brake.level != level or brake.per_minute != per_minute:
                brake = Brake(level, per_minute, until)
            brake.until = until
            (ports if kind == "port" else signatures)[key] = brake
        self.ports = ports
        self.signatures = signatures
        self.lengths = sorted({len(port) for port in ports})
        self.changes += 1

    def fit(self, grant: "Grant", number: bytes, registered: i64) -> None:
        """Leave in the grant what holds back its signature, and the number or what it begins with; a number has nothing
        to do with ports shorter than its own, of `registered` digits: it is carved out of them."""
        grant.brakes = NO_BRAKES
        grant.braking = self.changes
        if len(self.signatures) == 0 and len(self.lengths) == 0:
            return
        found: list[Brake] = []
        brake = self.signatures.get(grant.name)
        if brake is not None:
            found.append(brake)
        for length in self.lengths:
            if registered <= length <= len(number):
                brake = self.ports.get(number[:length])
                if brake is not None:
                    found.append(brake)
        if len(found) > 0:
            grant.brakes = found

    def judge(self, brakes: list[Brake], messages: i64, at: float) -> i64:
        """The hits of 500 and 501 at epoch second `at`; `messages` use a throttle's rate up, 0 when others stop them
        anyway. The level `tag` hits 500 softly."""
        hits: i64 = 0
        tagged = False
        for brake in brakes:
            if brake.until <= at:
                continue
            if brake.level == BRAKE_SUSPEND:
                hits |= HIT_501
            elif brake.level == BRAKE_TAG:
                tagged = True
            elif messages > 0 and not brake.take(messages, at):
                hits |= HIT_500
        self.soft = HIT_500 if tagged and hits & HIT_500 == 0 else 0
        return hits | self.soft


NO_GRANT: Final = Grant(0, 1.0, 0.0, b"", ())
_NO_GRANTS: Final[dict[bytes, Grant]] = {}


@mypyc_attr(acyclic=True)
class PortGrant:
    """What the registry says about an account on a number, the octets of source_addr. `digits` of it are the registered
    port, 0 where there is none; `kept` for messages to come; `used` since `Kept` last asked."""

    def __init__(self, hits: i64, since: float, until: float, source: bytes) -> None:
        self.hits = hits
        self.since = since
        self.until = until
        self.source = source
        self.digits: i64 = 0
        self.holder = ""
        self.permits = EVERYTHING
        self.regions = NO_REGIONS
        self.signature_required = False
        self.kept = self.used = False
        # May some number under the port keep the first signature registered for it?
        self.keeps = False
        self.detail: object = None
        # Most numbers have one signature, which stands here and goes with the number; the dicts are replaced when
        # something is put in.
        self.first_key = b""
        self.first = NO_GRANT
        self.signatures = _NO_GRANTS
        self.refused = _NO_GRANTS
        self._unsigned = NO_GRANT

    @property
    def number(self) -> str:
        """The number; "" of an answer for all that nobody has."""
        return self.source.decode("latin-1")

    @property
    def port(self) -> str:
        """The registered port that the number begins with, "" when there is none."""
        return self.source[: self.digits].decode("latin-1")

    def unsigned(self) -> Grant:
        """What a text without a signature gets; made when there is one."""
        if self._unsigned is NO_GRANT:
            self._unsigned = Grant(HIT_200 if self.signature_required else 0, self.since, self.until, b"", ())
            self._unsigned.plain = EVERYTHING
        return self._unsigned

    def find(self, key: bytes) -> Grant:
        """The grant of a signature that may be used here; NO_GRANT when it is not kept."""
        if key == self.first_key:
            return self.first
        return self.signatures.get(key, NO_GRANT)

    def put(self, key: bytes, grant: Grant) -> bool:
        """Keep the grant of a signature that may be used here; False where it took the first place, which it keeps as
        long as the number is kept."""
        if grant.name == key:
            grant.name = key  # the same octets once
        if self.first is NO_GRANT or key == self.first_key:
            self.first_key = key
            self.first = grant
            return False
        if len(self.signatures) == 0:
            self.signatures = {}
        self.signatures[key] = grant
        return True

    def drop(self, key: bytes, grant: Grant) -> None:
        """Forget one that was not the first, unless another has taken its place."""
        if self.signatures.get(key, NO_GRANT) is grant:
            del self.signatures[key]


NO_PORT: Final = PortGrant(0, 1.0, 0.0, b"")


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
        # A number of its own among all accounts that one engine has known, 0 for none.
        self.place: i64 = 0
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
        self.recorded = Bucket()
        self.ports: dict[bytes, PortGrant] = {}
        self.refused: dict[bytes, PortGrant] = {}
        # Where rule 100 stops, one answer for all numbers that nobody has; its own `number` is "".
        self.nowhere: PortGrant | None = None
        # What the labels (`counters`) of its grants begin with, once there is one.
        self.label_head = b""

    def would(self, hits: i64) -> i64:
        """What would have become of hits that only tag: 1 tagged, 2 rejected, 3 discarded."""
        would: i64 = hits & (self.would_reject | self.would_discard)
        if would == 0:
            return 1
        return 3 if would & -would & self.would_discard != 0 else 2


def ordinal(bit: i64) -> i64:
    """The place of the only bit set."""
    place: i64 = 0
    while bit > 1:
        bit >>= 1
        place += 1
    return place
