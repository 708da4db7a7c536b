"""A pair: the state of one ESME link and its SMSC link, as native attributes, and of what is under way on it.

Nouns: a *Pair*; *Pieces*, the incomplete PDU at the end of a leg's bytes; a held *Part* of a long message, and the
*Assembly* of its parts.

Compiled. Holds state and small moves only: what happens when stands in `sessions`, `messages`, `long` and `relay`.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.engine import Engine
from portguard.policy.grant import Account
from portguard.policy.terms import Bucket
from portguard.relay.outstanding import Pending
from portguard.smpp.session import BOUND_TRX, BOUND_TX, OPEN

# Sequence numbers of portguard's own requests (DESIGN §5).
OWN_FIRST: Final = 0x7FFF0000
OWN_LAST: Final = 0x7FFFFFFF

# What an assembly costs beside its octets, roughly.
_OVERHEAD: Final = 500

NO_ACCOUNT: Final = Account("", Bucket())


class Pieces:
    """Bytes of a PDU that is not whole yet. Pieces of an octet would take fifty times as much as objects of their own;
    the last piece, which may be a large read, is copied only once."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.kept: i64 = 0
        self.need: i64 = 0

    def take(self, data: bytes) -> bytes:
        """The bytes to read now: `data` itself, or everything kept with it; b"" while the PDU is not whole."""
        if self.kept == 0:
            return data
        self.kept += len(data)
        if self.kept < self.need:
            self._held += data
            return b""
        whole = bytes(self._held) + data
        self.forget()
        return whole

    def keep(self, rest: bytes, need: i64) -> None:
        """Keep `rest` until `need` octets are there."""
        self._held += rest
        self.kept = len(rest)
        self.need = need

    def forget(self) -> None:
        """Keep nothing."""
        self._held = bytearray()
        self.kept = 0


class Pair:
    """One ESME link and the SMSC link made for it.

    For `net`: write `to_esme` and `to_smsc` in order; `want_smsc` asks for the next SMSC (the present one, if any, has
    failed this bind); `close_esme` and `close_smsc` close a link once everything is written; `answered` tells that the
    SMSC has answered the bind, `lost` in a word why a bound SMSC is given up. `link` is net's own.
    """

    def __init__(self, peer: str, now: float) -> None:
        self.link: object = None
        self.peer = peer
        self.to_esme: list[bytes] = []
        self.to_smsc: list[bytes] = []
        self.want_smsc = False
        self.close_esme = False
        self.close_smsc = False
        self.answered = False
        self.lost = ""
        self.dirty = False
        self.state: i64 = OPEN
        self.account = NO_ACCOUNT
        self.system_id = ""
        # The bind, until the SMSC has accepted it.
        self.bind = b""
        self.bind_command: i64 = 0
        self.bind_sequence: i64 = 0
        self.bind_attempts: i64 = 0
        self.version: i64 = 0x34
        # May tags be added for this SMSC; `tlv_auto` until its own stated version has a say too.
        self.tlvs = True
        self.tlv_auto = False
        self.smsc_up = False
        self.from_esme = Pieces()
        self.from_smsc = Pieces()
        self.opened = now
        self.bind_since = now
        self.smsc_since = now
        self.last_esme = now
        self.last_smsc = now
        # Requests passed on and not answered: the ESME's to the SMSC, `pending` among them; the SMSC's to the ESME.
        self.owed: i64 = 0
        self.owed_since = now
        self.asked: i64 = 0
        # Parts of long messages that wait for the rest; a sender that waits for responses is not made to wait (`long`).
        self.held: i64 = 0
        self.in_turn = False
        self.pending = Pending(10_000)
        # portguard's own requests on either leg, and the others' that lie in the same range of numbers.
        self.own_to_esme: set[int] = set()
        self.own_to_smsc: set[int] = set()
        self.high_from_esme: set[int] = set()
        self.high_from_smsc: set[int] = set()
        self.own_next: i64 = OWN_FIRST
        # The end: no new messages are taken; unbound when nothing is owed, closed at the deadline.
        self.ending = False
        self.half_closed = False
        self.unbind_sent = False
        self.deadline = 0.0

    @property
    def asks(self) -> bool:
        """Has it anything for its link, beside what is to be written?"""
        return self.want_smsc or self.close_smsc or self.close_esme or self.answered

    @property
    def bound(self) -> bool:
        """Is it bound, and nobody about to unbind?"""
        return BOUND_TX <= self.state <= BOUND_TRX

    def own_sequence(self, taken: set[int], own: set[int]) -> i64:
        """The next sequence number of portguard's own that is free on a leg; it is noted in `own`."""
        number: i64 = self.own_next
        while number in taken or number in own:
            number = number + 1 if number < OWN_LAST else OWN_FIRST
        own.add(number)
        self.own_next = number + 1 if number < OWN_LAST else OWN_FIRST
        return number


class Part:
    """A held part: the PDU, whole, and the bind that waits for its answer."""

    def __init__(self, pair: Pair, pdu: bytes, command: i64, sequence: i64, index: i64, hits: i64, now: float) -> None:
        self.pair = pair
        self.pdu = pdu
        self.command = command
        self.sequence = sequence
        self.index = index
        self.hits = hits
        self.arrived = now


class Assembly:
    """One long message. `bodies` by index (after the UDH); `codings` and `headers` are each part's data_coding and
    octets of UDH. `refused` once a refusal binds what follows; `ended` once it takes no new parts."""

    def __init__(self, system_id: str, key: bytes, total: i64, now: float) -> None:
        self.system_id = system_id
        self.key = key
        self.total = total
        self.bodies: dict[int, bytes] = {}
        self.codings: dict[int, int] = {}
        self.headers: dict[int, int] = {}
        self.held: list[Part] = []
        self.deadline = 0.0
        self.touched = now
        self.octets: i64 = _OVERHEAD
        self.refused = False
        self.ended = False
        self.charged = False
        # The latest of what its parts say of when they are delivered, and until when that is tried (epoch seconds).
        self.at = 0.0
        self.expires = 0.0
        # Parts that came again after the end: a copy, or the beginning of another message under the same reference.
        self.again: dict[int, bool] = {}
        # The verdict that binds, as it stood in the engine.
        self.action: i64 = 0
        self.rule: i64 = -1
        self.hits: i64 = 0
        self.status: i64 = 0
        self.category: i64 = 0
        self.industry: i64 = 0

    def has(self, index: i64, body: bytes, coding: i64, header: i64) -> bool:
        """Is this part there as it comes now? Packed septets read otherwise behind a longer header."""
        n = int(index)
        return self.bodies[n] == body and self.codings[n] == coding and self.headers[n] == header

    def remember(self, engine: Engine, action: i64) -> None:
        """Keep the engine's verdict."""
        self.action = action
        self.rule = engine.rule
        self.hits = engine.hits
        self.status = engine.status
        self.category = engine.category
        self.industry = engine.industry

    def recall(self, engine: Engine) -> None:
        """Put the verdict that binds back into the engine."""
        engine.action = self.action
        engine.rule = self.rule
        engine.hits = self.hits
        engine.status = self.status
        engine.category = self.category
        engine.industry = self.industry
        engine.uses.clear()
        engine.refused = []

    def in_order(self) -> i64:
        """How many parts are there from the first on without a gap."""
        count: i64 = 0
        while (count + 1) in self.bodies:
            count += 1
        return count


class Assemblies:
    """What is known of long messages, by account and key; `max_octets` bounds all, and a quarter of it each account."""

    def __init__(self, max_octets: i64) -> None:
        self.max_octets = max_octets
        self.octets: i64 = 0
        self.octets_of: dict[str, int] = {}
        self.of: dict[str, dict[bytes, Assembly]] = {}
        # In the order they were last touched.
        self.recent: dict[Assembly, bool] = {}

    def find(self, system_id: str, key: bytes, total: i64, now: float) -> Assembly:
        """The assembly under this key, a new one when there is none."""
        of_account = self.of.get(system_id)
        if of_account is not None:
            found = of_account.get(key)
            if found is not None:
                return found
        return self.put(Assembly(system_id, key, total, now))

    def put(self, assembly: Assembly) -> Assembly:
        """Take a new assembly in."""
        octets = assembly.octets + len(assembly.key)
        assembly.octets = 0
        self.of.setdefault(assembly.system_id, {})[assembly.key] = assembly
        self.recent[assembly] = True
        self.weigh(assembly, octets)
        return assembly

    def renew(self, assembly: Assembly, now: float) -> Assembly:
        """The same reference begins a new message. Parts that came again and passed turn out to be its first ones."""
        self.drop(assembly)
        fresh = self.put(Assembly(assembly.system_id, assembly.key, assembly.total, now))
        if not assembly.refused:
            for index in assembly.again:
                self.add(fresh, index, assembly.bodies[index], assembly.codings[index], assembly.headers[index])
        return fresh

    def add(self, assembly: Assembly, index: i64, body: bytes, coding: int, header: int) -> None:
        """One more part's body, its data_coding and its octets of UDH."""
        assembly.bodies[int(index)] = body
        assembly.codings[int(index)] = coding
        assembly.headers[int(index)] = header
        self.weigh(assembly, len(body) + 200)

    def touch(self, assembly: Assembly, now: float) -> None:
        """Something arrived for it."""
        assembly.touched = now
        self.recent.pop(assembly, False)
        self.recent[assembly] = True

    def weigh(self, assembly: Assembly, octets: i64) -> None:
        """Count octets kept for it, in all and to its account."""
        assembly.octets += octets
        self.octets += octets
        left = self.octets_of.get(assembly.system_id, 0) + int(octets)
        if left > 0:
            self.octets_of[assembly.system_id] = left
        elif assembly.system_id in self.octets_of:
            del self.octets_of[assembly.system_id]

    def drop(self, assembly: Assembly) -> None:
        """Forget an assembly that holds nothing."""
        of_account = self.of.get(assembly.system_id)
        if of_account is None or of_account.get(assembly.key) is not assembly:
            return
        self.recent.pop(assembly, False)
        del of_account[assembly.key]
        if len(of_account) == 0:
            del self.of[assembly.system_id]
        self.weigh(assembly, -assembly.octets)

    def over(self, system_id: str) -> bool:
        """Is it too much, in all or for this account?"""
        return self.octets > self.max_octets or self.octets_of.get(system_id, 0) * 4 > self.max_octets

    def oldest(self, newest: Assembly) -> Assembly:
        """Who goes first: the oldest of the account that is greedy, else the oldest of all."""
        greedy = self.octets_of.get(newest.system_id, 0) * 4 > self.max_octets
        for assembly in self.recent:
            if not greedy or assembly.system_id == newest.system_id:
                return assembly
        return newest
