"""Long messages: parts that are judged on the whole text, over all binds of an account, and wait for each other.

Nouns: a *part* is a PDU with a concatenation element in its UDH or with SAR TLVs; an *assembly* is what is known of one
long message; a part is *held* while it waits for the rest, for `hold_ms` at most. DESIGN §7 has the rules:

- Complete in time: one verdict, for all parts.
- Not complete in time: the parts in order from the first are judged on the text so far and go ahead; a part whose
  predecessors are missing is an orphan (153). A bind that stayed silent while its part was held is waiting for
  responses: from then on its parts are not held when they come in order (`in_turn`).
- A refusal binds the parts that follow, a permission does not. The same bytes again get the same verdict; other bytes
  for a part that is already there contradict (154), unless the assembly has ended: then they begin a new one.

Compiled; between `messages` and `relay`. Memory is bounded in all and per account; what is evicted is counted.
"""

import time
from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from portguard.policy.engine import Engine
from portguard.policy.grant import HIT_150, HIT_153, HIT_154, HIT_200, Account
from portguard.policy.reasons import DISCARD
from portguard.relay.discard import DiscardIds
from portguard.relay.messages import HELD, PASS, REPLACED, Messages, note
from portguard.relay.options import RelayOptions
from portguard.relay.pair import OWN_FIRST, OWN_LAST, Assemblies, Assembly, Pair, Part
from portguard.relay.tagging import Tagger
from portguard.smpp.constants import ESM_UDHI, ESME_RCNTSUBDL, ESME_ROK, ESME_RTHROTTLED, REPLACE_SM, SUBMIT_MULTI
from portguard.smpp.scan import be32, scan_message
from portguard.sms.charset import is_binary
from portguard.sms.concat import joined
from portguard.sms.udh import concat

# In the first minute after a start or a new SMSC link an orphan's siblings may have gone another way.
_GRACE: Final = 60.0
# In front of text that has no beginning: no bracket behind it is at a head.
_MIDDLE: Final = b"\0a"


class LongMessages(Messages):
    """The long messages of all accounts."""

    def __init__(
        self,
        engine: Engine,
        options: RelayOptions,
        tagger: Tagger,
        ids: DiscardIds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(engine, options, tagger, ids, wall)
        self.hold = options.hold
        self.keep = options.keep
        self.store = Assemblies(options.max_held_bytes)
        # Assemblies that hold parts, in the order of their deadlines.
        self.waiting: dict[Assembly, bool] = {}
        self.evicted: i64 = 0
        self.grace_until = 0.0

    def message(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, now: float) -> i64:
        """A PDU with text, on a bind that may submit: scan, judge, act."""
        sequence = be32(buf, pos + 12)
        s = self.scan
        status = scan_message(s, buf, pos, end, command)
        if status != ESME_ROK:
            return self.unsound(pair, command, status, sequence)
        if pair.ending and pair.account.active:
            return self.answer(pair, command, ESME_RTHROTTLED, sequence)
        if sequence >= OWN_FIRST and sequence <= OWN_LAST and not note(pair.high_from_esme, sequence):
            return self.answer(pair, command, ESME_RTHROTTLED, sequence)
        if command == REPLACE_SM:
            return self.replacement(pair, buf, pos, end, sequence, now)
        if s.lists > 0:
            return self.answer(pair, command, ESME_RCNTSUBDL, sequence)
        if s.sar or s.esm_class & ESM_UDHI != 0:
            place = self.place(buf)
            if place is not None and place[2] > 1:
                self.judged += 1
                try:
                    return self.part(pair, buf, pos, end, command, sequence, now, place)
                except Exception:
                    return self.act(pair, buf, pos, end, command, sequence, now, self.failed(pair, buf[pos:end], now))
        return self.decided(pair, buf, pos, end, command, sequence, now)

    def place(self, buf: bytes) -> tuple[int, int, int, int] | None:
        """(reference, width, total, index) of the scanned PDU, None when it is no part. UDH comes before SAR TLVs; both
        together are ambiguous in any case (151)."""
        s = self.scan
        if s.esm_class & ESM_UDHI != 0:
            return concat(buf[s.body_start : s.body_end])
        if s.sar_reference >= 0 and s.sar_index >= 1 and s.sar_total >= s.sar_index:
            return (int(s.sar_reference), 16, int(s.sar_total), int(s.sar_index))
        return None

    # ---- a part arrives

    def part(
        self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float,
        place: tuple[int, int, int, int],
    ) -> i64:
        """What becomes of a part now: refused, held, or judged with what is there."""
        engine = self.engine
        s = self.scan
        a = pair.account
        if not engine.timed(s, buf, now):
            return self.unsound(pair, command, engine.status, sequence)
        rate = engine.rated(a, now)
        hits: i64 = rate | engine.numbered(a, s, buf) | engine.framed(a, s, buf)
        assembly = self.assembly(pair, buf, place, now)
        index: i64 = place[3]
        body = buf[engine.body_start : engine.body_end]
        known = assembly.bodies.get(int(index))
        other = known is not None and not assembly.has(index, body, s.data_coding, engine.body_header)
        contradicts = other and not assembly.ended
        # A copy is one only if it is delivered when the first was; of a submit_multi it is judged again, for everybody.
        scheduled = engine.at > engine.present and engine.at > assembly.at
        if scheduled or command == SUBMIT_MULTI or engine.expires > assembly.expires + self.keep:
            other = known is not None
        if contradicts:
            hits |= HIT_154
        if hits & a.stop != 0:
            # Refused for what it is by itself. Over the rate it may come again, and a contradiction is nobody's
            # sibling; anything else binds the rest of its message.
            hits |= engine.decoded(a, s, buf)
            hits |= engine.read(a, s)
            action = engine.verdict(a, s, buf, hits)
            if rate == 0 and not contradicts and action >= DISCARD:
                self.refuse(assembly, action, now)
                scan_message(s, buf, pos, end, command)
            return self.act(pair, buf, pos, end, command, sequence, now, action)
        if assembly.ended and (other or known is None):
            assembly = self.store.renew(assembly, now)
            known = None
        if known is None or contradicts:
            self.store.add(assembly, index, body, int(s.data_coding), int(engine.body_header))
        assembly.at = max(assembly.at, engine.at)
        assembly.expires = max(assembly.expires, engine.expires)
        self.store.touch(assembly, now)
        if assembly.refused or (assembly.ended and known is not None):
            assembly.again[int(index)] = True
            if assembly.refused or len(assembly.again) < assembly.total:
                assembly.recall(engine)
                return self.act_on_part(pair, buf, pos, end, command, sequence, now, assembly.action)
            assembly = self.store.renew(assembly, now)  # all of it came again, and counts like another message
        if len(assembly.bodies) == assembly.total:
            return self.complete(assembly, pair, buf, pos, end, command, sequence, hits, now)
        if pair.in_turn and index <= assembly.in_order():
            return self.ahead(assembly, pair, buf, pos, end, command, sequence, hits, now)
        self.hold_part(assembly, Part(pair, buf[pos:end], command, sequence, index, hits, now))
        return HELD

    def assembly(self, pair: Pair, buf: bytes, place: tuple[int, int, int, int], now: float) -> Assembly:
        """The assembly of the scanned part: by account, source, destination, reference and total. Handsets join by
        these, whatever the reference's width and the form of the subscriber's number."""
        s = self.scan
        source = buf[s.source_start : s.source_end]
        destination = buf[s.dest_start : s.dest_end]
        if s.command_id != SUBMIT_MULTI:
            destination = self.engine.revision.subscriber(destination, int(s.dest_ton)).encode() or destination
        key = b"%b\0%b\0%d/%d" % (source, destination, place[0], place[2])
        return self.store.find(pair.system_id, key, place[2], now)

    def hold_part(self, assembly: Assembly, part: Part) -> None:
        """Wait for the rest."""
        if len(assembly.held) == 0:
            assembly.deadline = part.arrived + self.hold
            self.waiting[assembly] = True
        assembly.held.append(part)
        part.pair.held += 1
        self.store.weigh(assembly, len(part.pdu) + 200)
        self.make_room(assembly, part.arrived)

    # ---- verdicts

    def complete(
        self, assembly: Assembly, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, hits: i64,
        now: float,
    ) -> i64:
        """The last part is here: one verdict on the whole text, for it and all that wait."""
        action = self.judge_assembly(assembly, pair.account, buf, hits, assembly.total, False)
        assembly.remember(self.engine, action)
        assembly.ended = True
        assembly.refused = action >= DISCARD
        self.release(assembly, action, assembly.total, now)
        scan_message(self.scan, buf, pos, end, command)
        return self.act(pair, buf, pos, end, command, sequence, now, action)

    def ahead(
        self, assembly: Assembly, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, hits: i64,
        now: float,
    ) -> i64:
        """A sender that waits for responses: the part goes ahead as the text so far allows."""
        count = assembly.in_order()
        action = self.judge_assembly(assembly, pair.account, buf, hits, count, True)
        if action >= DISCARD:
            self.refuse(assembly, action, now)
        else:
            self.release(assembly, action, count, now)
        scan_message(self.scan, buf, pos, end, command)
        return self.act_on_part(pair, buf, pos, end, command, sequence, now, action)

    def act_on_part(
        self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float, action: i64
    ) -> i64:
        """Act on a part that does not complete its message."""
        self.part_of_more = True
        fate = self.act(pair, buf, pos, end, command, sequence, now, action)
        self.part_of_more = False
        return fate

    def judge_assembly(self, assembly: Assembly, a: Account, buf: bytes, hits: i64, count: i64, partial: bool) -> i64:
        """The engine on the text of the first `count` parts; the scanned PDU is one of them."""
        engine = self.engine
        parts = range(1, int(count) + 1)
        raw = joined(
            [assembly.bodies[n] for n in parts],
            [assembly.codings[n] for n in parts],
            [assembly.headers[n] for n in parts],
            int(a.charset),
            partial,
        )
        if raw is None and not (a.binary and is_binary(assembly.codings[1])):
            hits |= HIT_150
        # It is seen when the last of its parts is delivered.
        engine.at = max(engine.at, assembly.at)
        engine.expires = max(engine.expires, assembly.expires)
        engine.charged = assembly.charged
        first, last = assembly.codings[1], assembly.codings[int(count)]
        action = engine.judge_text(a, self.scan, buf, hits, raw or b"", raw is not None, partial, first, last)
        engine.charged = False
        if len(engine.uses) > 0:
            assembly.charged = True
        return action

    def release(self, assembly: Assembly, action: i64, count: i64, now: float) -> None:
        """Act on the held parts up to `count`, by the verdict that stands in the engine."""
        kept: list[Part] = []
        for part in assembly.held:
            if part.index <= count:
                self.settle_part(part, action, now)
            else:
                kept.append(part)
        assembly.held = kept
        if len(kept) == 0:
            self.waiting.pop(assembly, False)

    def settle_part(self, part: Part, action: i64, now: float) -> None:
        """Act on one held part: its bytes go to its own bind's SMSC, or its answer to its own bind."""
        pair = part.pair
        pair.held -= 1
        scan_message(self.scan, part.pdu, 0, len(part.pdu), part.command)
        if pair.owed <= 0:
            pair.owed_since = now
        fate = self.act_on_part(pair, part.pdu, 0, len(part.pdu), part.command, part.sequence, now, action)
        if fate == PASS:
            pair.to_smsc.append(part.pdu)
        elif fate == REPLACED:
            pair.to_smsc.append(self.patched)
        # A cap is counted once a message: one answer alone may give it back.
        self.engine.uses.clear()
        self.touch(pair)

    def refuse(self, assembly: Assembly, action: i64, now: float) -> None:
        """A refusal binds every part: those that wait now, and those that follow."""
        assembly.remember(self.engine, action)
        assembly.refused = True
        self.release(assembly, action, assembly.total, now)

    # ---- time

    def tick(self, now: float) -> None:
        """Let go of what has waited long enough, and forget what is long over."""
        super().tick(now)
        if self.grace_until == 0.0:
            self.grace_until = now + _GRACE
        self.due(now)
        while len(self.store.recent) > 0:
            oldest = next(iter(self.store.recent))
            if oldest.touched + self.keep > now or len(oldest.held) > 0:
                break
            self.store.drop(oldest)

    def due(self, now: float) -> None:
        """Held parts whose time is up; net may call this more often than `tick`."""
        while len(self.waiting) > 0:
            first = next(iter(self.waiting))
            if first.deadline > now:
                break
            self.overdue(first, now)

    def overdue(self, assembly: Assembly, now: float) -> None:
        """Its time is up: what is in order goes ahead on the text so far, the rest are orphans."""
        self.waiting.pop(assembly, False)
        for part in assembly.held:
            if part.pair.last_esme <= part.arrived:
                part.pair.in_turn = True
        count = assembly.in_order()
        try:
            inside = [part for part in assembly.held if part.index <= count]
            if len(inside) > 0:
                last = inside[len(inside) - 1]
                if not self.scan_again(last, now):
                    return
                action = self.judge_assembly(assembly, last.pair.account, last.pdu, last.hits, count, True)
                if action >= DISCARD:
                    self.refuse(assembly, action, now)
                else:
                    self.release(assembly, action, count, now)
            for part in assembly.held:
                self.orphan(assembly, part, now)
        except Exception:
            for part in assembly.held:
                self.settle_part(part, self.failed(part.pair, part.pdu, now), now)
        assembly.held = []
        if count == 0:
            assembly.ended = True

    def scan_again(self, part: Part, now: float) -> bool:
        """Scan a held part once more and ask again when it will be delivered and who sends it."""
        scan_message(self.scan, part.pdu, 0, len(part.pdu), part.command)
        if not self.engine.timed(self.scan, part.pdu, now):
            part.pair.held -= 1
            self.unsound(part.pair, part.command, self.engine.status, part.sequence)
            return False
        part.hits = self.engine.numbered(part.pair.account, self.scan, part.pdu)
        part.hits |= self.engine.framed(part.pair.account, self.scan, part.pdu)
        return True

    def orphan(self, assembly: Assembly, part: Part, now: float) -> None:
        """Rule 153, softened to a tag in the first minute after a start or a new SMSC link. Then it is judged by what
        it says, as text from the middle of a message."""
        engine = self.engine
        if not self.scan_again(part, now):
            return
        a = part.pair.account
        raw: bytes | None = None
        if now < self.grace_until or now < part.pair.smsc_since + _GRACE:
            n = int(part.index)
            raw = joined([assembly.bodies[n]], [assembly.codings[n]], [assembly.headers[n]], int(a.charset), True)
            engine.soft |= HIT_153 | HIT_200
        text = _MIDDLE + (raw or b"")
        own = int(self.scan.data_coding)
        action = engine.judge_text(a, self.scan, part.pdu, part.hits | HIT_153, text, raw is not None, True, own, own)
        assembly.remember(engine, action)
        if action >= DISCARD:
            assembly.bodies.pop(int(part.index), b"")
        else:
            engine.leave(a, self.scan, part.pdu)
        self.settle_part(part, action, now)

    def settle_pair(self, pair: Pair, now: float) -> None:
        """A bind is about to end: what it holds is settled now."""
        if pair.held > 0:
            for assembly in list(self.waiting):
                for part in assembly.held:
                    if part.pair is pair:
                        self.overdue(assembly, now)
                        break

    def end(self, pair: Pair, now: float) -> None:
        """Before a pair is brought to its end its held parts are settled."""
        self.settle_pair(pair, now)
        super().end(pair, now)

    def closed(self, pair: Pair) -> None:
        """Parts of a link that is gone are forgotten: nobody waits for their answer, and they were not delivered."""
        if pair.held > 0:
            for assembly in list(self.waiting):
                kept = [part for part in assembly.held if part.pair is not pair]
                if len(kept) < len(assembly.held):
                    for part in assembly.held:
                        if part.pair is pair:
                            assembly.bodies.pop(int(part.index), b"")
                    assembly.held = kept
                    if len(kept) == 0:
                        self.waiting.pop(assembly, False)
            pair.held = 0
        super().closed(pair)

    def make_room(self, newest: Assembly, now: float) -> None:
        """Over the bound the oldest goes; what it holds is settled as if its time were up."""
        while self.store.over(newest.system_id):
            victim = self.store.oldest(newest)
            self.evicted += 1
            if len(victim.held) > 0:
                self.overdue(victim, now)
            self.store.drop(victim)
            if victim is newest:
                return
