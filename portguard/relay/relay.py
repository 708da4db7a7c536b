"""The way of the bytes: one chunk of one leg in, bytes of both legs out, synchronously.

Noun: a *run*, the longest stretch of PDUs that pass, forwarded as one slice of the buffer they came in.

Compiled. Messages are decided in `messages`, lives of pairs in `sessions`; here PDUs are framed, counted and told
apart, as the table of PDUs says (DESIGN §6).
"""

import time
from collections.abc import Callable
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from portguard.policy.counters import Histogram
from portguard.policy.engine import Engine
from portguard.relay.discard import DiscardIds
from portguard.relay.flow import Recent
from portguard.relay.long import LongMessages
from portguard.relay.messages import CUT, PASS, REPLACED, SAMPLE, note
from portguard.relay.options import RelayOptions
from portguard.relay.pair import OWN_FIRST, OWN_LAST, Pair
from portguard.relay.sessions import stated_version
from portguard.relay.tagging import Tagger
from portguard.smpp.constants import (
    ALERT_NOTIFICATION,
    CANCEL_SM,
    COMMAND_NAME,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_ROK,
    ESME_RSYSERR,
    GENERIC_NACK,
    OUTBIND,
    QUERY_SM,
    REPLACE_SM,
    RESP,
    SUBMIT_MULTI,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
    VERSION_34,
)
from portguard.smpp.encode import generic_nack, response
from portguard.smpp.scan import HEADER, be32
from portguard.smpp.session import BINDING, BOUND_TRX, BOUND_TX, CLOSED, FROM_ESME, OPEN, UNBINDING, refusal

_BROADCAST_FIRST: Final = 0x111
_BROADCAST_LAST: Final = 0x113
# Commands are counted in 128 slots: six bits for the number (above 0x3F it has a place of its own), one for responses.
_SLOTS: Final = 128
# Answers of a revision before that are given up at each tick, in about a millisecond.
_SHED: Final = 1000


class Relay(LongMessages):
    """Every pair of a process, fed with bytes by `net`."""

    def __init__(
        self,
        engine: Engine,
        options: RelayOptions,
        tagger: Tagger,
        ids: DiscardIds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(engine, options, tagger, ids, wall)
        self.finish_after = False
        self.max_pdu: i64 = options.max_pdu
        self.chunks: i64 = 0
        self.recent = Recent(0, 0)
        slots = [0] * _SLOTS
        self.esme_in: vec[i64] = vec[i64](slots)
        self.esme_cut: vec[i64] = vec[i64](slots)
        self.smsc_in: vec[i64] = vec[i64](slots)
        self.smsc_cut: vec[i64] = vec[i64](slots)
        self.relay_time = Histogram([5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2])

    def tick(self, now: float) -> None:
        """The time of day may bring a profile of settings into force, or end one; and what a revision before has left
        is given up."""
        super().tick(now)
        self.engine.shed(_SHED)
        if self.engine.refit(self.wall()):
            self.swap(self.engine.revision, now)

    # ---- from the ESME

    def esme_data(self, pair: Pair, data: bytes, now: float) -> None:
        """Bytes from the ESME: what passes goes to `to_smsc`, what is answered here to `to_esme`."""
        if pair.state == CLOSED or pair.half_closed:
            return
        buf = pair.from_esme.take(data)
        end: i64 = len(buf)
        if end == 0:
            return  # nor has a PDU come that would keep the link from being idle
        pair.last_esme = now
        if self.recent.on and BOUND_TX <= pair.state <= BOUND_TRX:
            self.recent.add(pair.system_id, now + self.engine.skew, buf)
        owed: i64 = pair.owed
        judged: i64 = self.judged
        started: float = time.perf_counter()
        pos: i64 = 0
        run: i64 = 0
        submits: i64 = 0
        # What comes behind the last word is not heard, in however many pieces it comes.
        while end - pos >= 4 and pair.state != CLOSED and not self.finish_after:
            length = be32(buf, pos)
            if length < HEADER or length > self.max_pdu:
                count(self.esme_in, SUBMIT_SM, submits)
                forward(pair.to_smsc, buf, run, pos)
                self.framing_lost(pair, pair.to_esme, buf, pos, end, now)
                return
            stop: i64 = pos + length
            if stop > end:
                break
            command = be32(buf, pos + 4)
            if command == SUBMIT_SM and (pair.state == BOUND_TRX or pair.state == BOUND_TX):
                submits += 1
                fate = self.message(pair, buf, pos, stop, command, now)
            else:
                count(self.esme_in, command, 1)
                fate = self.other_from_esme(pair, buf, pos, stop, command, now)
            if fate != PASS:
                forward(pair.to_smsc, buf, run, pos)
                if fate == REPLACED:
                    pair.to_smsc.append(self.patched)
                else:
                    count(self.esme_cut, command, 1)
                run = stop
            pos = stop
        count(self.esme_in, SUBMIT_SM, submits)
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
        if judged > 0 or self.chunks % SAMPLE == 0:
            spent: float = time.perf_counter() - started
            if judged > 0:
                self.engine.counters.decision.observe(spent / float(judged), judged)
            if self.chunks % SAMPLE == 0:
                self.relay_time.observe(spent, 1)

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
            pair.to_esme.append(response(command, status, sequence))
            return CUT
        if command == ENQUIRE_LINK:
            if state == OPEN or state == BINDING:
                return self.answer(pair, command, ESME_ROK, sequence)
            return self.pass_request(pair, sequence)
        if command == UNBIND:
            if pair.unbind_sent:
                self.finish_after = True
                return self.answer(pair, command, ESME_ROK, sequence)
            self.settle_pair(pair, now)
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
        if pair.asked > 0:
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
        answers: i64 = 0
        while end - pos >= 4 and pair.state != CLOSED:
            length = be32(buf, pos)
            if length < HEADER or length > self.max_pdu:
                count(self.smsc_in, SUBMIT_SM_RESP, answers)
                forward(pair.to_esme, buf, run, pos)
                self.framing_lost(pair, pair.to_smsc, buf, pos, end, now)
                return
            stop: i64 = pos + length
            if stop > end:
                break
            command = be32(buf, pos + 4)
            if command == SUBMIT_SM_RESP and pair.state != BINDING:
                answers += 1
                pending = pair.pending
                if pending.count > 0:
                    self.settle(pair, buf, pos, stop, now)
                # As `pending` has let go of what this answers, one that nobody waits for pays for nothing.
                if pair.owed > pending.count:
                    pair.owed -= 1
                if len(pair.high_from_esme) > 0:
                    pair.high_from_esme.discard(be32(buf, pos + 12))
            else:
                count(self.smsc_in, command, 1)
                fate = self.other_from_smsc(pair, buf, pos, stop, command, now)
                if fate != PASS:
                    forward(pair.to_esme, buf, run, pos)
                    if fate == REPLACED:
                        pair.to_esme.append(self.patched)
                    else:
                        count(self.smsc_cut, command, 1)
                    run = stop
                if pair.state == OPEN:
                    end = stop  # the bind was refused: whatever else came is nothing to the ESME
            pos = stop
        count(self.smsc_in, SUBMIT_SM_RESP, answers)
        forward(pair.to_esme, buf, run, pos)
        if pos < end:
            pair.from_smsc.keep(buf[pos:], be32(buf, pos) if end - pos >= 4 else 4)
        if pair.ending and pair.state != CLOSED:
            self.advance(pair, now)
        self.touch(pair)

    def other_from_smsc(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, now: float) -> i64:
        """Requests of the SMSC and answers other than submit_sm_resp."""
        sequence = be32(buf, pos + 12)
        if pair.state == BINDING:
            return self.while_binding(pair, buf, pos, end, command, sequence, now)
        own = sequence >= OWN_FIRST and sequence <= OWN_LAST
        if command & RESP != 0:
            if own:
                if sequence in pair.own_to_smsc:
                    pair.own_to_smsc.discard(sequence)
                    return CUT
                pair.high_from_esme.discard(sequence)
            if command == UNBIND_RESP:
                if pair.state == UNBINDING and not pair.unbind_sent:
                    self.over(pair)
                return PASS
            fate: i64 = PASS
            if pair.pending.count > 0:
                fate = self.settle(pair, buf, pos, end, now)
            if pair.owed > pair.pending.count:
                pair.owed -= 1
            return fate
        if command == ALERT_NOTIFICATION or command == OUTBIND:
            return PASS  # to these there is no response (SMPP 3.4 §4.12, §4.1.7)
        if own:
            note(pair.high_from_smsc, sequence)
        if command == DELIVER_SM:
            self.delivered(pair, buf, pos, end)
        if command == UNBIND:
            if pair.unbind_sent:
                pair.to_smsc.append(response(UNBIND, ESME_ROK, sequence))
                return CUT
            pair.state = UNBINDING
        pair.asked += 1
        return PASS

    def while_binding(
        self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float
    ) -> i64:
        """Until the bind is answered the SMSC is answered here; its answer to the bind passes."""
        if command == ENQUIRE_LINK:
            pair.to_smsc.append(response(command, ESME_ROK, sequence))
            return CUT
        if sequence == pair.bind_sequence and (command == pair.bind_command | RESP or command == GENERIC_NACK):
            status = be32(buf, pos + 8)
            if command == GENERIC_NACK and status == ESME_ROK:
                status = ESME_RSYSERR
            if pair.tlv_auto and status == ESME_ROK:
                version = stated_version(buf, pos + HEADER, end)
                pair.tlvs = pair.tlvs and (version < 0 or version >= VERSION_34)
            self.bind_answered(pair, status, now)
            return PASS
        return CUT

    def framing_lost(self, pair: Pair, to_sender: list[bytes], buf: bytes, pos: i64, end: i64, now: float) -> None:
        """A command_length that cannot be: generic_nack, and the pair ends (DESIGN §6), but in a bind the SMSC's link
        alone: the next one is tried."""
        sequence = be32(buf, pos + 12) if end - pos >= HEADER else 0
        self.pdu_errors[ESME_RINVCMDLEN] = self.pdu_errors.get(ESME_RINVCMDLEN, 0) + 1
        to_sender.append(generic_nack(ESME_RINVCMDLEN, sequence))
        self.finish_after = False
        if to_sender is pair.to_smsc and pair.state == BINDING:
            self.smsc_lost(pair, now)
            return
        if to_sender is pair.to_smsc:
            pair.lost = "framing"
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
                # The slot of a bind is its command_id; it goes out on its own, when a link to an SMSC is up.
                rows.append(("smsc_out", name, esme - int(self.esme_cut[slot]) + self.binds_sent.get(slot, 0)))
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


def count(counts: vec[i64], command: i64, pdus: i64) -> None:
    """So many more PDUs."""
    slot = slot_of(command)
    counts[slot] = counts[slot] + pdus


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
