"""The way of the messages: bytes of one leg in, bytes of both legs out, verdicts in between.

Noun: a *run*, the longest stretch of PDUs that pass, forwarded as one slice of the buffer they came in. What becomes of one
PDU is PASS, CUT (answered here, not forwarded) or REPLACED (forwarded as `patched`).

Compiled, synchronous; one call per chunk. DESIGN §6 has the table of PDUs.
"""

import time
import traceback
from collections.abc import Callable
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from portguard.policy.counters import Histogram
from portguard.policy.engine import ALLOW, DISCARD, MONITOR, TAG, UNSOUND, Engine
from portguard.policy.reasons import CATALOGUE
from portguard.policy.revision import Revision
from portguard.relay.discard import DiscardIds, rejected_receipt
from portguard.relay.options import RelayOptions
from portguard.relay.pair import NO_ACCOUNT, NO_ORIGINAL, OWN_FIRST, OWN_LAST, Original, Pair, Pending
from portguard.relay.sessions import Sessions
from portguard.relay.tagging import Tagger
from portguard.smpp.constants import (
    ALERT_NOTIFICATION,
    CANCEL_SM,
    COMMAND_NAME,
    DATA_SM,
    ENQUIRE_LINK,
    ESM_UDHI,
    ESME_RCANCELFAIL,
    ESME_RCNTSUBDL,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_ROK,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    ESME_RSYSERR,
    ESME_RTHROTTLED,
    GENERIC_NACK,
    QUERY_SM,
    REPLACE_SM,
    RESP,
    STATE_ENROUTE,
    STATE_REJECTED,
    SUBMIT_MULTI,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
)
from portguard.smpp.encode import generic_nack, message_resp, query_sm_resp, response, submit_multi_resp
from portguard.smpp.framing import be32
from portguard.smpp.scan import HEADER, Scan, cstring_end, scan_message
from portguard.smpp.session import BINDING, BOUND_RX, BOUND_TRX, BOUND_TX, CLOSED, FROM_ESME, OPEN, UNBINDING, refusal

PASS: Final = 0
CUT: Final = 1
REPLACED: Final = 2

_BROADCAST_FIRST: Final = 0x111
_BROADCAST_LAST: Final = 0x113
# Commands are counted in 128 slots: the low six bits of the number (data_sm and the broadcasts moved) and the response bit.
_SLOTS: Final = 128
_SAMPLE: Final = 64
_HIGH_KEPT: Final = 1024
_FAULTS_KEPT: Final = 20

_NO_PENDING: Final = Pending(NO_ORIGINAL, "", 0, 0, 0.0)


class Relay(Sessions):
    """The pairs of a process and the way of their messages. `faults` are tracebacks of decisions that failed, for the log."""

    def __init__(
        self, engine: Engine, options: RelayOptions, tagger: Tagger, ids: DiscardIds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(engine, options, wall)
        self.tagger = tagger
        self.ids = ids
        self.scan = Scan(tagger.tags)
        self.patched = b""
        self.finish_after = False
        self.max_pdu: i64 = options.max_pdu
        self.max_pending: i64 = options.max_outstanding
        self.max_originals: i64 = options.originals
        self.originals: dict[bytes, Original] = {}
        self.originals_before: dict[bytes, Original] = {}
        self.judged: i64 = 0
        self.chunks: i64 = 0
        self.faults: list[str] = []
        self.pdu_errors: dict[int, int] = {}
        slots = [0] * _SLOTS
        self.esme_in: vec[i64] = vec[i64](slots)
        self.esme_cut: vec[i64] = vec[i64](slots)
        self.smsc_in: vec[i64] = vec[i64](slots)
        self.smsc_cut: vec[i64] = vec[i64](slots)
        self.relay_time = Histogram([5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2])
        self.smsc_time = Histogram([1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0])

    def swap(self, revision: Revision, now: float) -> None:
        """Serve another registry revision. Pairs whose account it does not have, or not active, are brought to an end."""
        self.engine.swap(revision)
        self.engine.set_clock(now, self.wall())
        for pair in list(self.pairs):
            if pair.account is not NO_ACCOUNT:
                pair.account = self.engine.account(pair.system_id)
                if not pair.account.active:
                    self.end(pair, now)

    # ---- from the ESME

    def esme_data(self, pair: Pair, data: bytes, now: float) -> None:
        """Bytes from the ESME: what passes goes to `to_smsc`, what is answered here to `to_esme`."""
        pair.last_esme = now
        if pair.state == CLOSED or pair.half_closed:
            return
        buf = pair.from_esme.take(data)
        end: i64 = len(buf)
        if end == 0:
            return
        owed: i64 = pair.owed
        judged: i64 = self.judged
        started: float = time.perf_counter()
        pos: i64 = 0
        run: i64 = 0
        while end - pos >= 4:
            length = be32(buf, pos)
            if length < HEADER or length > self.max_pdu:
                forward(pair.to_smsc, buf, run, pos)
                self.framing_lost(pair, pair.to_esme, buf, pos, end)
                return
            stop: i64 = pos + length
            if stop > end:
                break
            command = be32(buf, pos + 4)
            slot = slot_of(command)
            self.esme_in[slot] = self.esme_in[slot] + 1
            if command == SUBMIT_SM and (pair.state == BOUND_TRX or pair.state == BOUND_TX):
                fate = self.message(pair, buf, pos, stop, command, now)
            else:
                fate = self.other_from_esme(pair, buf, pos, stop, command, now)
            if fate != PASS:
                forward(pair.to_smsc, buf, run, pos)
                if fate == REPLACED:
                    pair.to_smsc.append(self.patched)
                else:
                    self.esme_cut[slot] = self.esme_cut[slot] + 1
                run = stop
            pos = stop
        forward(pair.to_smsc, buf, run, pos)
        if pos < end:
            pair.from_esme.keep(buf[pos:], be32(buf, pos) if end - pos >= 4 else 4)
        if owed <= 0 and pair.owed > 0:
            pair.owed_since = now
        if self.finish_after:
            self.finish_after = False
            self.finish(pair)
        self.touch(pair)
        self.clock(started, self.judged - judged)

    def clock(self, started: float, judged: i64) -> None:
        """Time of a chunk: its share a decision always, the whole one chunk in 64."""
        self.chunks += 1
        if judged > 0 or self.chunks % _SAMPLE == 0:
            spent: float = time.perf_counter() - started
            if judged > 0:
                self.engine.counters.decision.observe(spent / float(judged), judged)
            if self.chunks % _SAMPLE == 0:
                self.relay_time.observe(spent, 1)

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
        return self.decided(pair, buf, pos, end, command, sequence, now)

    def decided(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float) -> i64:
        """Judge the scanned PDU buf[pos:end] and act on the verdict."""
        engine = self.engine
        s = self.scan
        self.judged += 1
        try:
            action = engine.judge(pair.account, s, buf, now)
        except Exception:
            if len(self.faults) < _FAULTS_KEPT:
                self.faults.append(traceback.format_exc())
            action = engine.failed(pair.account, now)
            engine.status = ESME_RSYSERR
        if action == ALLOW or action == MONITOR:
            self.owe(pair, buf, command, sequence, now)
            if s.own_tags > 0:
                self.patched = self.tagger.stripped(buf[pos:end], s.tlv_start - pos)
                return REPLACED
            return PASS
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
            self.patched = self.tagger.tagged(
                buf[pos:end], s.tlv_start - pos, engine.tag_verdict(pair.account), CATALOGUE[engine.rule].code,
                engine.revision.octets, engine.category,
            )
            return REPLACED
        if self.options.tag_fallback == "reject":
            if engine.quota_key != "":
                engine.limits.add(engine.quota_key, engine.quota_day, -engine.quota_messages)
            return self.answer(pair, command, engine.status, sequence)
        self.owe(pair, buf, command, sequence, now)
        if s.own_tags > 0:
            self.patched = self.tagger.stripped(buf[pos:end], s.tlv_start - pos)
            return REPLACED
        return PASS

    def owe(self, pair: Pair, buf: bytes, command: i64, sequence: i64, now: float) -> None:
        """A message is passed on: note what its answer will settle."""
        pair.owed += 1
        engine = self.engine
        s = self.scan
        original = NO_ORIGINAL
        if self.max_originals > 0 and (command == SUBMIT_SM or command == DATA_SM):
            original = Original(
                pair.system_id, buf[s.dest_start - 2 : s.dest_end], s.data_coding, s.esm_class,
                engine.category << 4 | engine.industry,
            )
        sent: float = now if self.judged % _SAMPLE == 0 else 0.0
        if original is NO_ORIGINAL and engine.quota_key == "" and sent == 0.0:
            return
        if len(pair.pending) >= self.max_pending:
            oldest = next(iter(pair.pending))
            del pair.pending[oldest]
        pair.pending[sequence] = Pending(
            original, engine.quota_key, engine.quota_day, engine.quota_messages, sent
        )

    def answer(self, pair: Pair, command: i64, status: i64, sequence: i64) -> i64:
        """Refuse a request with a status in its own response."""
        if command == REPLACE_SM and status == ESME_RSUBMITFAIL:
            status = ESME_RREPLACEFAIL
        pair.to_esme.append(response(command, status, sequence))
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
        """replace_sm: judged with its original's destination and data_coding; refused when the original is not known."""
        s = self.scan
        message_id = buf[s.message_id_start : s.message_id_end]
        if self.ids.issued(pair.system_id, message_id) >= 0.0:
            status: i64 = ESME_RREPLACEFAIL if self.options.discard_receipt else ESME_ROK
            pair.to_esme.append(response(REPLACE_SM, status, sequence))
            return CUT
        original = self.originals.get(message_id, NO_ORIGINAL)
        if original is NO_ORIGINAL:
            original = self.originals_before.get(message_id, NO_ORIGINAL)
        if original.system_id != pair.system_id or original.esm_class & ESM_UDHI != 0:
            return self.answer(pair, REPLACE_SM, ESME_RREPLACEFAIL, sequence)
        length: i64 = end - pos
        joined = buf[pos:end] + original.destination
        scan_message(s, joined, 0, length, REPLACE_SM)
        s.dest_ton = i64(original.destination[0])
        s.dest_npi = i64(original.destination[1])
        s.dest_start = length + 2
        s.dest_end = len(joined)
        s.data_coding = original.data_coding
        s.assumed = original.category
        return self.decided(pair, joined, 0, length, REPLACE_SM, sequence, now)

    # ---- everything else from the ESME

    def other_from_esme(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, now: float) -> i64:
        """Requests without text, responses, unbinds and what is out of place (DESIGN §6)."""
        sequence = be32(buf, pos + 12)
        state = pair.state
        if command & RESP != 0:
            return self.response_from_esme(pair, command, sequence)
        if command in self.options.pass_commands and BOUND_TX <= state <= BOUND_TRX:
            return self.pass_request(pair, sequence)
        if _BROADCAST_FIRST <= command <= _BROADCAST_LAST:
            pair.to_esme.append(generic_nack(ESME_RINVCMDID, sequence))
            return CUT
        status: i64 = refusal(FROM_ESME, state, command)
        if status < 0:
            return CUT
        if status == ESME_RINVCMDID:
            pair.to_esme.append(generic_nack(status, sequence))
            return CUT
        if status != 0:
            return self.answer(pair, command, status, sequence)
        if command == ENQUIRE_LINK:
            if state == OPEN or state == BINDING:
                return self.answer(pair, command, ESME_ROK, sequence)
            return self.pass_request(pair, sequence)
        if command == UNBIND:
            if pair.unbind_sent:
                self.finish_after = True
                return self.answer(pair, command, ESME_ROK, sequence)
            pair.state = UNBINDING
            return self.pass_request(pair, sequence)
        if command == DATA_SM or command == SUBMIT_MULTI or command == REPLACE_SM:
            return self.message(pair, buf, pos, end, command, now)
        if command == QUERY_SM or command == CANCEL_SM:
            if self.about_discarded(pair, buf, pos, end, command) == CUT:
                return CUT
            return self.pass_request(pair, sequence)
        self.esme_bind(pair, buf, pos, end, command, sequence, now)
        return CUT

    def pass_request(self, pair: Pair, sequence: i64) -> i64:
        """A request is passed on and will be answered by the SMSC."""
        if sequence >= OWN_FIRST and sequence <= OWN_LAST:
            note(pair.high_from_esme, sequence)
        pair.owed += 1
        return PASS

    def response_from_esme(self, pair: Pair, command: i64, sequence: i64) -> i64:
        """Answers to the SMSC pass; answers to portguard's own requests end here."""
        if pair.state < BOUND_TX:
            return CUT
        if sequence >= OWN_FIRST and sequence <= OWN_LAST:
            if sequence in pair.own_to_esme:
                pair.own_to_esme.discard(sequence)
                if pair.unbind_sent and command == UNBIND_RESP:
                    self.finish_after = True
                return CUT
            pair.high_from_smsc.discard(sequence)
        pair.asked -= 1
        if command == UNBIND_RESP and pair.state == UNBINDING:
            self.over(pair)
        return PASS

    # ---- from the SMSC

    def smsc_data(self, pair: Pair, data: bytes, now: float) -> None:
        """Bytes from the SMSC: all passes to `to_esme` but the answers to portguard's own requests."""
        pair.last_smsc = now
        if pair.state == CLOSED or pair.state == OPEN:
            return
        buf = pair.from_smsc.take(data)
        end: i64 = len(buf)
        if end == 0:
            return
        pos: i64 = 0
        run: i64 = 0
        while end - pos >= 4:
            length = be32(buf, pos)
            if length < HEADER or length > self.max_pdu:
                forward(pair.to_esme, buf, run, pos)
                self.framing_lost(pair, pair.to_smsc, buf, pos, end)
                return
            stop: i64 = pos + length
            if stop > end:
                break
            command = be32(buf, pos + 4)
            slot = slot_of(command)
            self.smsc_in[slot] = self.smsc_in[slot] + 1
            if command == SUBMIT_SM_RESP and pair.state != BINDING:
                pair.owed -= 1
                if len(pair.pending) > 0:
                    self.settle(pair, buf, pos, stop, now)
                if len(pair.high_from_esme) > 0:
                    pair.high_from_esme.discard(be32(buf, pos + 12))
            elif self.other_from_smsc(pair, buf, pos, stop, command, now) == CUT:
                forward(pair.to_esme, buf, run, pos)
                self.smsc_cut[slot] = self.smsc_cut[slot] + 1
                run = stop
            pos = stop
        forward(pair.to_esme, buf, run, pos)
        if pos < end:
            pair.from_smsc.keep(buf[pos:], be32(buf, pos) if end - pos >= 4 else 4)
        if pair.ending and pair.state != CLOSED:
            self.advance(pair, now)
        self.touch(pair)

    def settle(self, pair: Pair, buf: bytes, pos: i64, end: i64, now: float) -> None:
        """The SMSC's answer to a message: give a cap back, remember an original, take a sampled time."""
        pending = pair.pending.pop(be32(buf, pos + 12), _NO_PENDING)
        if pending is _NO_PENDING:
            return
        if be32(buf, pos + 8) != 0:
            if pending.quota_key != "":
                self.engine.limits.add(pending.quota_key, pending.quota_day, -pending.quota_messages)
        elif pending.original is not NO_ORIGINAL:
            stop = cstring_end(buf, pos + HEADER, end, 65)
            if stop > 0:
                if len(self.originals) >= self.max_originals:
                    self.originals_before = self.originals
                    self.originals = {}
                self.originals[buf[pos + HEADER : stop]] = pending.original
        if pending.sent > 0.0:
            self.smsc_time.observe(now - pending.sent, 1)

    def other_from_smsc(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, now: float) -> i64:
        """Requests of the SMSC and answers other than submit_sm_resp."""
        sequence = be32(buf, pos + 12)
        if pair.state == BINDING:
            return self.while_binding(pair, buf, pos, command, sequence, now)
        own = sequence >= OWN_FIRST and sequence <= OWN_LAST
        if command & RESP != 0:
            if own:
                if sequence in pair.own_to_smsc:
                    pair.own_to_smsc.discard(sequence)
                    return CUT
                pair.high_from_esme.discard(sequence)
            pair.owed -= 1
            if command == UNBIND_RESP:
                self.over(pair)
            elif len(pair.pending) > 0:
                self.settle(pair, buf, pos, end, now)
            return PASS
        if own:
            note(pair.high_from_smsc, sequence)
        if command == UNBIND:
            if pair.unbind_sent:
                pair.to_smsc.append(response(UNBIND, ESME_ROK, sequence))
                return CUT
            pair.state = UNBINDING
        pair.asked += 1
        return PASS

    def while_binding(self, pair: Pair, buf: bytes, pos: i64, command: i64, sequence: i64, now: float) -> i64:
        """Until the bind is answered the SMSC is answered here; its answer to the bind passes."""
        if command == ENQUIRE_LINK:
            pair.to_smsc.append(response(command, ESME_ROK, sequence))
            return CUT
        if sequence == pair.bind_sequence and (command == pair.bind_command | RESP or command == GENERIC_NACK):
            status = be32(buf, pos + 8)
            if command == GENERIC_NACK and status == ESME_ROK:
                status = ESME_RSYSERR
            self.bind_answered(pair, status, now)
            return PASS
        return CUT

    def over(self, pair: Pair) -> None:
        """Both sides have unbound: nothing is left to say."""
        self.unbook(pair)
        pair.state = CLOSED
        self.finish(pair)

    def framing_lost(self, pair: Pair, to_sender: list[bytes], buf: bytes, pos: i64, end: i64) -> None:
        """A command_length that cannot be: generic_nack, and the pair ends (DESIGN §6)."""
        sequence = be32(buf, pos + 12) if end - pos >= HEADER else 0
        self.pdu_errors[ESME_RINVCMDLEN] = self.pdu_errors.get(ESME_RINVCMDLEN, 0) + 1
        to_sender.append(generic_nack(ESME_RINVCMDLEN, sequence))
        self.finish_after = False
        self.finish(pair)

    # ---- for telemetry

    def pdus(self) -> list[tuple[str, str, int]]:
        """(leg, command, count): what came in on a leg, and what of it went out on the other."""
        rows: list[tuple[str, str, int]] = []
        for slot in range(_SLOTS):
            name = slot_name(slot)
            esme = int(self.esme_in[slot])
            smsc = int(self.smsc_in[slot])
            if esme:
                rows.append(("esme_in", name, esme))
                rows.append(("smsc_out", name, esme - int(self.esme_cut[slot])))
            if smsc:
                rows.append(("smsc_in", name, smsc))
                rows.append(("esme_out", name, smsc - int(self.smsc_cut[slot])))
        return rows


def forward(to: list[bytes], buf: bytes, start: i64, end: i64) -> None:
    """Append buf[start:end], or the buffer itself when that is all of it."""
    if start < end:
        if start == 0 and end == len(buf):
            to.append(buf)
        else:
            to.append(buf[start:end])


def note(kept: set[int], sequence: i64) -> bool:
    """Keep a sequence number that lies in portguard's own range; False when too many are outstanding."""
    if len(kept) >= _HIGH_KEPT:
        return False
    kept.add(sequence)
    return True


def slot_of(command: i64) -> i64:
    """Where a command_id is counted; every unknown one shares a slot with its neighbours of the low six bits."""
    if command & 0x7FFFFFFF < 0x40:
        return command & 0x3F | (command >> 31) << 6
    if command & 0x7FFFFFFF == DATA_SM:
        return 0x3C | (command >> 31) << 6
    if command & 0x7FFFFFFF == ALERT_NOTIFICATION:
        return 0x3D | (command >> 31) << 6
    return 0x3F | (command >> 31) << 6


def slot_name(slot: int) -> str:
    """The command counted in a slot; numbers nobody knows are `unknown`."""
    number = {0x3C: DATA_SM, 0x3D: ALERT_NOTIFICATION}.get(slot & 0x3F, slot & 0x3F)
    return COMMAND_NAME.get(number | (slot >> 6) << 31, "unknown")
