"""One message PDU on its way: scanned, judged, and what follows from the verdict.

Nouns: its *fate* is PASS, CUT (answered here, not forwarded), REPLACED (forwarded as `patched`) or HELD (a part that
waits for the rest); what is *owed* for a forwarded one is settled by the SMSC's answer.

Compiled; between `sessions.Sessions` (the pairs) and `relay.Relay` (the bytes). DESIGN §5 has discard, tag and failing.
"""

import time
import traceback
from collections.abc import Callable
from typing import Final

from librt.strings import BytesWriter, write_i32_be
from mypy_extensions import i32, i64

from portguard.policy.counters import Histogram
from portguard.policy.engine import UNSOUND, Engine
from portguard.policy.kept import digits_of
from portguard.policy.reasons import ALLOW, CODES, DISCARD, MONITOR, TAG
from portguard.policy.terms import NO_USE, Use
from portguard.relay import outstanding as row
from portguard.relay.discard import DiscardIds, rejected_receipt
from portguard.relay.multi import merged, unsuccess, without_recipients
from portguard.relay.options import RelayOptions
from portguard.relay.outstanding import NO_RARE, RARE, USES, Originals, Rare, stated_times
from portguard.relay.pair import Pair
from portguard.relay.receipt import undelivered
from portguard.relay.sessions import Sessions
from portguard.relay.tagging import Tagger
from portguard.smpp.constants import (
    CANCEL_SM,
    DATA_SM,
    ESM_RECEIPT,
    ESM_TYPE,
    ESM_UDHI,
    ESME_RCANCELFAIL,
    ESME_ROK,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    QUERY_SM,
    REPLACE_SM,
    RESP,
    STATE_ENROUTE,
    STATE_REJECTED,
    SUBMIT_MULTI,
    SUBMIT_SM,
)
from portguard.smpp.encode import message_resp, query_sm_resp, response, submit_multi_resp
from portguard.smpp.scan import HEADER, Scan, be32, cstring_end, scan_message
from portguard.smpp.session import BOUND_RX, BOUND_TRX
from portguard.sms.charset import decode
from portguard.sms.udh import udh_length

PASS: Final = 0
CUT: Final = 1
REPLACED: Final = 2
HELD: Final = 3

SAMPLE: Final = 64
_HIGH_KEPT: Final = 1024
_FAULTS_KEPT: Final = 20
# What nearly every receipt says (SMPP 3.4 appendix B): the others are looked at more closely.
_ARRIVED: Final = b"stat:DELIVRD"
_REPLY_OCTETS: Final = 128


_NO_USES: Final[list[Use]] = []


class Messages(Sessions):
    """The messages of all pairs. `faults` are tracebacks of decisions that failed, for the log."""

    def __init__(
        self,
        engine: Engine,
        options: RelayOptions,
        tagger: Tagger,
        ids: DiscardIds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(engine, options, wall)
        self.tagger = tagger
        self.ids = ids
        self.scan = Scan(tagger.tags)
        self.patched = b""
        self.answers = BytesWriter()
        self.originals = Originals(options.originals)
        engine.tallies.later = self.originals.most
        self.judged: i64 = 0
        # A part that does not complete its message delivers nobody anything.
        self.part_of_more = False
        self.faults: list[str] = []
        # Told of short messages of subscribers: (number, subscriber, text). Opt-outs are among them.
        self.heard: Callable[[str, str, str], None] | None = None
        self.pdu_errors: dict[int, int] = {}
        self.smsc_time = Histogram([1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0])

    def decided(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float) -> i64:
        """Judge the scanned PDU buf[pos:end] and act on the verdict."""
        self.judged += 1
        try:
            action = self.engine.judge(pair.account, self.scan, buf, now)
        except Exception:
            action = self.failed(pair, buf[pos:end], now)
        return self.act(pair, buf, pos, end, command, sequence, now, action)

    def failed(self, pair: Pair, pdu: bytes, now: float) -> i64:
        """An exception in the decision: noted for the log, and the action that is set for it."""
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(traceback.format_exc())
        return self.engine.failed(pair.account, pdu, now)

    def act(
        self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float, action: i64
    ) -> i64:
        """What follows from the engine's verdict for the scanned PDU buf[pos:end]; scan offsets count from `buf`."""
        engine = self.engine
        if action == ALLOW or action == MONITOR:
            self.owe(pair, buf, command, sequence, now)
            return self.unmarked(buf, pos, end)
        if action == TAG:
            return self.tag(pair, buf, pos, end, command, sequence, now)
        if action == DISCARD:
            return self.discard(pair, buf, command, sequence)
        if action == UNSOUND:
            return self.unsound(pair, command, engine.status, sequence)
        return self.answer(pair, command, engine.status, sequence)

    def tag(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float) -> i64:
        """Forward with portguard's TLVs, or do what is set where the versions leave no room for TLVs."""
        engine = self.engine
        s = self.scan
        if pair.tlvs:
            self.owe(pair, buf, command, sequence, now)
            taken = self.taken_out(buf, pos, end)
            self.patched = self.tagger.tagged(
                taken,
                s.tlv_start - pos + len(taken) - (end - pos),
                pair.account.would(engine.hits & ~engine.soft),
                CODES[engine.rule],
                engine.revision.octets,
                engine.category,
            )
            return REPLACED
        if self.options.tag_fallback == "reject":
            engine.limits.undo(engine.uses, engine.counted)
            return self.answer(pair, command, engine.status, sequence)
        self.owe(pair, buf, command, sequence, now)
        return self.unmarked(buf, pos, end)

    def unmarked(self, buf: bytes, pos: i64, end: i64) -> i64:
        """Forward without tags: as it is, but for a sender's own imitations and recipients that failed alone."""
        s = self.scan
        if s.own_tags == 0 and len(self.engine.refused) == 0:
            return PASS
        taken = self.taken_out(buf, pos, end)
        self.patched = self.tagger.stripped(taken, s.tlv_start - pos + len(taken) - (end - pos))
        return REPLACED

    def taken_out(self, buf: bytes, pos: i64, end: i64) -> bytes:
        """The scanned PDU without the recipients that failed alone."""
        refused = self.engine.refused
        if len(refused) == 0:
            return buf[pos:end]
        s = self.scan
        return without_recipients(
            buf[pos:end], int(s.dest_start - pos), int(s.dest_end - pos), int(s.destinations),
            [(first + int(s.dest_start - pos), stop + int(s.dest_start - pos)) for first, stop, _ in refused],
        )

    def owe(self, pair: Pair, buf: bytes, command: i64, sequence: i64, now: float) -> None:
        """A message is passed on: note what its answer will settle, and what a later replace_sm lacks and needs."""
        pair.owed += 1
        engine = self.engine
        s = self.scan
        esm_class: i64 = s.esm_class
        if s.sar:
            esm_class |= ESM_UDHI  # a part, either way
        more: i64 = engine.category << 4 | engine.industry
        more = more << row.CONTENT | esm_class << row.ESM_CLASS | s.data_coding << row.DATA_CODING
        entry: i64 = 0
        if not self.part_of_more:
            more |= (s.destinations - len(engine.refused)) << row.RECIPIENTS
            entry = engine.entry
        digits: i64 = 0
        octets: i64 = s.dest_end - s.dest_start
        kept = self.originals.most > 0 and (command == SUBMIT_SM or command == DATA_SM)
        if kept and 0 < octets <= row.ADDRESS_OCTETS:
            more |= octets | s.dest_ton << row.TON | s.dest_npi << row.NPI
            digits = digits_of(buf, s.dest_start, s.dest_end)
        place = pair.pending.put(sequence, digits, more, entry)
        uses = len(engine.uses)
        if uses == 1:
            pair.pending.use(place, engine.uses[0])
        sampled = self.judged % SAMPLE == 0
        timed = engine.expires > engine.present and kept and esm_class & ESM_UDHI == 0
        if digits < 0 or sampled or timed or uses > 1 or len(engine.refused) > 0 or len(engine.counted) > 0:
            address = buf[s.dest_start : s.dest_end]
            refused = unsuccess(address, engine.refused) if len(engine.refused) > 0 else b""
            several = engine.uses.copy() if uses > 1 else _NO_USES
            rare = Rare(address, refused, several, engine.counted, now if sampled else 0.0)
            if timed:
                rare.at, rare.expires = engine.at, engine.expires
            pair.pending.note(place, rare)

    def answer(self, pair: Pair, command: i64, status: i64, sequence: i64) -> i64:
        """Answer a request that is no bind with a status in its own response."""
        if command == REPLACE_SM and status == ESME_RSUBMITFAIL:
            status = ESME_RREPLACEFAIL
        # What `smpp.encode.response` makes of a message, which with an error has no body (SMPP 3.4 §4.4.2).
        w = self.answers
        w.truncate(0)
        write_i32_be(w, i32(HEADER))
        write_i32_be(w, signed(command | RESP))
        write_i32_be(w, signed(status))
        write_i32_be(w, signed(sequence))
        pair.to_esme.append(w.getvalue())
        return CUT

    def unsound(self, pair: Pair, command: i64, status: i64, sequence: i64) -> i64:
        """A PDU error: the frame is sound, the body is not; the link lives."""
        self.pdu_errors[status] = self.pdu_errors.get(status, 0) + 1
        return self.answer(pair, command, status, sequence)

    # ---- discarded and replaced messages

    def discard(self, pair: Pair, buf: bytes, command: i64, sequence: i64) -> i64:
        """Answer success with an id of our own, and a REJECTD receipt where that is set and was asked for."""
        s = self.scan
        if command == REPLACE_SM:
            pair.to_esme.append(response(command, ESME_ROK, sequence))
            return CUT
        wall: float = self.wall()
        message_id = self.ids.make(pair.system_id, wall, short=pair.version < 0x34)
        if command == SUBMIT_MULTI:
            pair.to_esme.append(submit_multi_resp(ESME_ROK, sequence, message_id=message_id))
            return CUT
        pair.to_esme.append(message_resp(command, ESME_ROK, sequence, message_id=message_id))
        if self.options.discard_receipt and s.registered_delivery & 3 in (1, 2):
            self.receipt(pair, buf, message_id, wall)
        return CUT

    def receipt(self, pair: Pair, buf: bytes, message_id: bytes, wall: float) -> None:
        """Send the receipt over any receiving bind of the account; without one it is dropped."""
        s = self.scan
        for other in self.bound.get(pair.system_id, {}):
            if other.state == BOUND_RX or other.state == BOUND_TRX:
                source = (int(s.source_ton), int(s.source_npi), buf[s.source_start : s.source_end])
                destination = (int(s.dest_ton), int(s.dest_npi), buf[s.dest_start : s.dest_end])
                number = other.own_sequence(other.high_from_smsc, other.own_to_esme)
                other.to_esme.append(
                    rejected_receipt(number, message_id, wall, source, destination, tlvs=other.version >= 0x34)
                )
                self.touch(other)
                return

    def about_discarded(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64) -> i64:
        """query_sm and cancel_sm: answered here when they name a discarded message, passed otherwise."""
        start: i64 = pos + HEADER
        if command == CANCEL_SM:
            start = cstring_end(buf, start, end, 6) + 1
            if start == 0:
                return PASS
        stop = cstring_end(buf, start, end, 65)
        if stop <= start:
            return PASS
        message_id = buf[start:stop]
        if self.ids.issued(pair.system_id, message_id) < 0.0:
            return PASS
        sequence = be32(buf, pos + 12)
        final = self.options.discard_receipt
        if command == QUERY_SM:
            state = STATE_REJECTED if final else STATE_ENROUTE
            pair.to_esme.append(query_sm_resp(ESME_ROK, sequence, message_id=message_id, message_state=state))
        else:
            pair.to_esme.append(response(command, ESME_RCANCELFAIL if final else ESME_ROK, sequence))
        return CUT

    def replacement(self, pair: Pair, buf: bytes, pos: i64, end: i64, sequence: i64, now: float) -> i64:
        """replace_sm: judged with destination, data_coding and times of its original; refused if they are not known."""
        s = self.scan
        message_id = buf[s.message_id_start : s.message_id_end]
        if self.ids.issued(pair.system_id, message_id) >= 0.0:
            status: i64 = ESME_RREPLACEFAIL if self.options.discard_receipt else ESME_ROK
            pair.to_esme.append(response(REPLACE_SM, status, sequence))
            return CUT
        original = self.originals.find(message_id)
        stated = stated_times(s)
        if original.system_id != pair.system_id or original.esm_class & ESM_UDHI != 0 or original.stated & ~stated != 0:
            return self.answer(pair, REPLACE_SM, ESME_RREPLACEFAIL, sequence)
        length: i64 = end - pos
        joined = buf[pos:end] + original.destination + original.times
        scan_message(s, joined, 0, length, REPLACE_SM)
        original.lend(s, length)
        fate = self.decided(pair, joined, 0, length, REPLACE_SM, sequence, now)
        if fate != CUT:
            self.originals.restate(original, stated)
        return fate

    def settle(self, pair: Pair, buf: bytes, pos: i64, end: i64, now: float) -> i64:
        """The SMSC's answer to a message: give caps back, remember an original, take a sampled time; add the recipients
        that were taken out of a submit_multi to those that the SMSC refused."""
        pending = pair.pending
        place = pending.take(be32(buf, pos + 12))
        if place < 0:
            return PASS
        more = pending.more(place)
        rare = NO_RARE
        if more & RARE != 0:
            rare = pending.rare.pop(int(place), NO_RARE)
        if be32(buf, pos + 8) == 0:
            entry = pending.entry(place)
            self.taken(entry, more >> row.RECIPIENTS & 0xFF, 0)
            digits = pending.digits(place)
            if more & 0xFF != 0:
                stop = cstring_end(buf, pos + HEADER, end, 65)
                if stop > 0:
                    self.originals.add(pair.system_id, buf, pos + HEADER, stop, digits, more, rare.address, entry)
                    if more & RARE != 0 and rare.expires > 0.0:
                        self.originals.date(rare.at, rare.expires)
        if more & USES != 0:
            if be32(buf, pos + 8) != 0:
                self.engine.limits.give_back(pending.uses[place])
            pending.uses[place] = NO_USE
        if rare is not NO_RARE:
            if be32(buf, pos + 8) != 0:
                self.engine.limits.undo(rare.uses, rare.counted)
            if rare.sent > 0.0:
                self.smsc_time.observe(now - rare.sent, 1)
            if len(rare.refused) > 0 and be32(buf, pos + 8) == 0:
                self.patched = merged(buf[pos:end], rare.refused)
                return REPLACED
        return PASS

    def taken(self, entry: i64, delivered: i64, failed: i64) -> None:
        """The SMSC took a message for so many recipients, or says that so many did not get it."""
        if entry > 0 and self.engine.tallies.most > 0:
            self.engine.tallies.settle(entry, delivered, failed)

    def delivered(self, pair: Pair, buf: bytes, pos: i64, end: i64) -> None:
        """Read a deliver_sm: a receipt corrects what was counted, a subscriber's reply may be an opt-out. It passes
        whatever becomes of this."""
        s = self.scan
        # deliver_sm has submit_sm's layout (SMPP 3.4 §4.6.1).
        if scan_message(s, buf, pos, end, SUBMIT_SM) != ESME_ROK:
            return
        kind: i64 = s.esm_class & ESM_TYPE
        if kind == ESM_RECEIPT:
            text = buf[s.sm_start : s.sm_end]
            if text.find(_ARRIVED) < 0:
                self.undelivered(undelivered(text, buf[s.tlv_start : end]))
        elif kind == 0 and self.heard is not None:
            self.overhear(pair, buf)

    def undelivered(self, message_id: bytes) -> None:
        """The message that a receipt names did not arrive."""
        if len(message_id) == 0:
            return
        original = self.originals.find(message_id)
        if original.recipients > 0:
            self.originals.failed(original)
            self.taken(original.entry, 0, 1)

    def overhear(self, pair: Pair, buf: bytes) -> None:
        """Read the scanned message of a subscriber, if it is short, which replies are."""
        s = self.scan
        start: i64 = s.body_start
        stop: i64 = s.body_end
        if stop - start > _REPLY_OCTETS:
            return
        body = buf[start:stop]
        header = udh_length(body) if s.esm_class & ESM_UDHI != 0 else 0
        if header < 0 or self.heard is None:
            return
        text = decode(body[header:], int(s.data_coding), int(pair.account.charset), header)
        if text is not None:
            number = buf[s.dest_start : s.dest_end].decode("latin-1")
            source = buf[s.source_start : s.source_end]
            subscriber = self.engine.revision.subscriber(source, int(s.source_ton))
            self.heard(number, subscriber, text.decode("utf-16-be", "replace"))


def signed(number: i64) -> i32:
    """The number of the same four octets from -2^31 on."""
    return i32(number - 0x100000000 if number > 0x7FFFFFFF else number)


def note(kept: set[int], sequence: i64) -> bool:
    """Keep a sequence number that lies in portguard's own range; False when too many are outstanding."""
    if len(kept) >= _HIGH_KEPT:
        return False
    kept.add(sequence)
    return True
