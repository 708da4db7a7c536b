"""The engine: one message PDU in, one verdict out, synchronously.

Nouns: a *hit* is the bit of a rule that fired (`policy.grant`); the *verdict* of the last message stands in the
Engine's own attributes until the next call, so that nothing is allocated for it; *soft* hits are those that a setting
turns from a refusal into a tag for this one message.

Compiled. Rules are judged in the catalogue's order by stages: account, number, body, signature, scope. Knows no
socket and no clock: `now` is monotonic seconds, `skew` and `utc_offset` make dates and hours of it.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy import grant as rule
from portguard.policy.counters import Counters
from portguard.policy.grant import NO_GRANT, NO_TALLY, Account, Grant, PortGrant, Tally, ordinal
from portguard.policy.known import UNKNOWN_TEXT, Known, look_from
from portguard.policy.labels import head_of, label, label_of, with_number
from portguard.policy.limits import Limits
from portguard.policy.lookup import EngineOptions
from portguard.policy.reading import UCS2
from portguard.policy.reasons import ALLOW, CODES, DISCARD, MONITOR, REJECT, TAG
from portguard.policy.recall import Recall
from portguard.policy.revision import Revision
from portguard.policy.terms import EVERYTHING, in_hours
from portguard.smpp.constants import (
    ESME_ROK,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    ESME_RSYSERR,
    ESME_RTHROTTLED,
    REPLACE_SM,
    SUBMIT_MULTI,
)
from portguard.smpp.scan import Scan, be32, next_destination
from portguard.sms.category import MARKETING, UNKNOWN
from portguard.sms.charset import ascii_brackets
from portguard.sms.text import after_signature, plain_utf16

# Not a verdict: the PDU itself is unsound, `status` says what to answer.
UNSOUND: Final = 5


class Engine(Recall):
    """Judges messages, one at a time."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        super().__init__(revision, options, limits, counters)
        self.action: i64 = ALLOW
        self.rule: i64 = -1
        self.hits: i64 = 0
        self.category: i64 = 0
        self.industry: i64 = 0
        # The text was joined from several PDUs.
        self.assembled = False

    def judge(self, a: Account, s: Scan, buf: bytes, now: float) -> i64:
        """The verdict on a scanned PDU: an action, or UNSOUND. Details stand in the engine's attributes."""
        if not self.timed(s, buf, now):
            return UNSOUND
        hits = self.rated(a, now) | self.framed(a, s, buf)
        self.entry = 0
        known = wording = UNKNOWN_TEXT
        if s.data_coding == UCS2 and s.assumed == 0:
            self.look = look_from(buf, self.body_start, self.body_end, s.source_start, s.source_end)
            known = self.recall(self.often, a, s, buf)
            if known is UNKNOWN_TEXT:
                wording = self.wording(buf)
                if wording is UNKNOWN_TEXT or not self.answer(a, s, buf):
                    known = self.recall(self.known, a, s, buf)
        if known is not UNKNOWN_TEXT:
            hits |= self.recalled(a, s, known)
        elif self.answered:
            hits |= self.typed(a, s) | self.port.hits | self.worded(a, s, buf, wording)
        else:
            hits |= self.unknown_text(a, s, buf, wording)
        action = self.verdict(a, s, buf, hits)
        if known is not UNKNOWN_TEXT:
            known.entry = self.entry
        elif self.rowed:
            self.answers.note(self.row_entry, self.grant.uses)
        return action

    def unknown_text(self, a: Account, s: Scan, buf: bytes, wording: Known) -> i64:
        """The hits of number and body where wording and row, or the number's texts, do not tell."""
        self.head = after_signature(buf, self.body_start, self.body_end)
        if wording is UNKNOWN_TEXT or not plain_utf16(buf, self.body_start, self.head):
            hits = self.decoded(a, s, buf)
            if self.alone() and self.answer(a, s, buf):
                hits |= self.typed(a, s) | self.port.hits
                found = self.answered_as(a, s)
                self.remember(a, s, buf, found)
                return hits | found
            hits |= self.numbered(a, s, buf)
        else:
            hits = self.numbered(a, s, buf)
            found = -1
            if self.asked(a, s, buf):
                found = self.worded(a, s, buf, wording)
            if found >= 0:
                return hits | found
            hits |= self.decoded(a, s, buf)
        found = self.read(a, s)
        if self.alone():
            self.keep_answer(a, s, buf)
        self.remember(a, s, buf, found)
        return hits | found

    def judge_text(
        self, a: Account, s: Scan, buf: bytes, hits: i64, raw: bytes, readable: bool, partial: bool,
        first: int, last: int,
    ) -> i64:
        """The verdict on a part for the text of its message: `raw` (UTF-16BE) of all parts so far, `partial` while some
        are missing. `hits` are those of `numbered` and `framed`, which have been asked about this part. `first` and
        `last` are the data_codings in which the text begins and ends: by that of its end is [ ] a signature's pair, in
        whatever order the parts came; 【】 always is, so a blank part in front of it hides none."""
        self.readable = readable
        self.partial = partial
        self.assembled = readable
        if readable:
            self.text.load(raw, ascii_brackets(first, a.charset), ascii_brackets(last, a.charset))
        hits |= self.read(a, s)
        # What is missing so far may still come, unless it has to stand in front.
        if readable and partial and (self.text.unclosed or not self.options.head_only):
            hits &= ~rule.HIT_200
        action = self.verdict(a, s, buf, hits)
        self.partial = self.assembled = False
        return action

    def verdict(self, a: Account, s: Scan, buf: bytes, hits: i64) -> i64:
        """From the hits of account, number, body and signature to the verdict, once the text is read."""
        self.category = self.index >> 4
        self.industry = self.index & 15
        hits |= self.content(self.index)
        if s.command_id == SUBMIT_MULTI:
            hits |= self.each_recipient(a, s, buf, hits)
        else:
            hits |= self.recipient(a, buf, s.dest_start, s.dest_end, s.dest_ton)
        grant = self.grant
        if grant.braking != self.brakes.changes:
            self.brakes.fit(grant, self.port.source, self.port.digits)
        if len(grant.brakes) > 0:
            # Only what nothing else stops uses a throttle's rate up, and only once.
            spends = not self.partial and not self.charged and hits & a.on & a.stop & ~self.soft == 0
            hits |= self.brakes.judge(grant.brakes, s.destinations if spends else 0, self.present)
            self.soft |= self.brakes.soft
        self.conclude(a, hits, s)
        # A message in parts is counted once, with its whole verdict; a part that goes ahead of it is not.
        if not self.partial or self.action >= DISCARD:
            self.leave(a, s, buf)
        return self.action

    # ---- the content

    def content(self, index: i64) -> i64:
        """Rules 306, 307, 402 and 403, and what `unknown_category` makes of content that cannot be told; `index` is the
        content. A part is not blamed for what may still come."""
        hits: i64 = 0
        if not self.fitting and not self.partial and self.grant.templated[index >> 4] != 0:
            hits |= rule.HIT_307
        if index >> 4 == MARKETING:
            if not self.hinted and not self.partial:
                hits |= rule.HIT_402
            self.locate()
            if not in_hours(self.options.marketing_hours, self.minute):
                hits |= rule.HIT_403
        if index < 16 and self.options.unknown_category != ALLOW:
            hits |= self.unknown()
        if self.port.permits[index] == 0:
            hits |= rule.HIT_306
        return hits

    def unknown(self) -> i64:
        """`unknown_category` tag or reject: content that cannot be told is outside wherever kinds are limited."""
        hits: i64 = 0
        if self.port.permits != EVERYTHING:
            hits |= rule.HIT_306
        if self.grant.narrows():
            hits |= rule.HIT_302
        if self.options.unknown_category == TAG:
            self.soft |= hits
        return hits

    # ---- the verdict

    def each_recipient(self, a: Account, s: Scan, buf: bytes, hits: i64) -> i64:
        """The recipients of submit_multi: those that fail alone go into `refused`, the hits of the others are returned;
        when all fail, the hits of all."""
        kept: i64 = 0
        failed: i64 = 0
        some = False
        pos: i64 = s.dest_start
        while pos < s.dest_end:
            uses = len(self.uses)
            stop = next_destination(s, buf, pos, s.dest_end)
            reached = len(self.reached)
            one = self.recipient(a, buf, pos + 3, stop - 1, i64(buf[pos + 1]))
            ends: i64 = (hits | one) & a.on & a.stop & ~self.soft
            if ends == 0:
                kept |= one
                some = True
            else:
                failed |= one
                del self.uses[uses:]
                del self.reached[reached:]
                first: i64 = ends & -ends
                status = -1 if first & a.discard != 0 else a.status[ordinal(first)]
                self.refused.append((int(pos - s.dest_start), int(stop - s.dest_start), int(status)))
            pos = stop
        if some:
            return kept
        self.refused = []
        return failed

    def conclude(self, a: Account, hits: i64, s: Scan) -> None:
        """From hits to an action: the first that stops ends it; else tags, else monitored ones."""
        hits &= a.on
        self.hits = hits
        self.status = ESME_ROK
        self.rule = -1
        action: i64 = ALLOW
        if hits != 0:
            stop: i64 = hits & a.stop & ~self.soft
            tag: i64 = hits & (a.tag | (a.stop & self.soft))
            first: i64 = 0
            if stop != 0:
                first = stop & -stop
                # The first terminal hit ends the judgement: what comes after it was never reached.
                self.hits = hits & (first | (first - 1))
                action = DISCARD if first & a.discard != 0 else REJECT
            elif tag != 0:
                first = tag & -tag
                action = TAG
            else:
                first = hits & -hits
                action = MONITOR
            self.rule = ordinal(first)
            self.status = a.status[self.rule]
            if s.command_id == REPLACE_SM and self.status == ESME_RSUBMITFAIL:
                self.status = ESME_RREPLACEFAIL
        if action < DISCARD:
            for use in self.uses:
                self.limits.count(use)
            if len(self.reached) > 0:
                self.note_reached()
        elif len(self.uses) > 0:
            self.uses.clear()
        self.action = action

    def leave(self, a: Account, s: Scan, buf: bytes) -> None:
        """What a verdict leaves behind: a record of what was hit, counts, a tally."""
        action = self.action
        if action != ALLOW and self.records.on and not self.record(a, s, buf):
            return
        self.counters.count(action, self.rule, self.category)
        tallies = self.tallies
        if tallies.most > 0 and not tallies.count(self.entry, self.index, action, s.destinations):
            self.entry = self.entered(a, s, buf)
            tallies.count(self.entry, self.index, action, s.destinations)

    def entered(self, a: Account, s: Scan, buf: bytes) -> i64:
        """Where the message is counted, if not where its text or its row was before; 0 if there is no room."""
        tallies = self.tallies
        grant = self.grant
        if self.answered:
            if self.row_entry < tallies.begin and tallies.full():
                tallies.lost += 1  # and none is looked for or made for nothing
                return 0
            grant.tally = tallies.of(self.row_entry)
        tally = tally_of(a, self.port, grant, self.index)
        if tally.entry < tallies.begin:
            # Only of what may be marketing does anybody look at the text.
            sample = b""
            if self.category == MARKETING or self.category == UNKNOWN:
                sample = buf[s.start : s.end]
            if tallies.enter(tally, sample) == 0:
                return 0
        if self.rowed and tally is grant.tally:
            self.row_entry = tally.entry
        return tally.entry

    def record(self, a: Account, s: Scan, buf: bytes) -> bool:
        """Record the verdict. False when no refusal can be recorded at present: then there is none, and the sender is
        told to wait (DESIGN §10)."""
        records = self.records
        if self.action >= DISCARD and records.full():
            self.counters.unrecorded += 1
            self.action = REJECT
            self.rule = -1
            self.hits = 0
            self.status = ESME_RTHROTTLED
            return False
        if records.room(a, CODES[self.rule], self.present):
            status: i64 = 0
            if self.action == REJECT:
                status = self.status
            records.pack(
                self.present, self.hits, self.revision.octets, status, self.action, self.rule,
                self.category << 4 | self.industry, s.command_id, self.label(a, s, buf), buf[s.start : s.end],
                self.text.raw if self.assembled else b"",
            )
        return True

    def label(self, a: Account, s: Scan, buf: bytes) -> bytes:
        """Whose message it was, for its record."""
        found = label_of(a, self.port, self.grant)
        if len(self.port.source) > 0:
            return found
        # Nobody's number: its grant is that of all such, and it is put in where none stands.
        return with_number(found, a, buf[s.source_start : s.source_end].decode("latin-1"))

    def failed(self, a: Account, pdu: bytes, now: float) -> i64:
        """An exception inside the decision on `pdu`: the setting's action, falling back to reject when they come too
        often."""
        self.counters.errors += 1
        if now - a.errors_since > 60.0:
            a.errors_since = now
            a.errors = 0
        a.errors += 1
        self.rule = -1
        self.hits = 0
        self.soft = 0
        self.readable = False
        self.grant = NO_GRANT
        self.entry = 0
        self.category = 0
        self.industry = 0
        self.uses.clear()
        self.refused, self.reached, self.counted = [], [], []
        self.action = ALLOW if self.options.on_error_allow and a.errors <= self.options.errors_a_minute else REJECT
        self.status = ESME_RSYSERR
        self.partial = self.assembled = False
        self.counters.count(self.action, -1, 0)
        at: float = now + self.skew
        if self.records.on and self.records.room(a, 0, at):
            self.records.pack(
                at, 0, self.revision.octets, self.status if self.action == REJECT else 0, self.action, -1, 0,
                be32(pdu, 4), label(a.system_id, a.enterprise, "", "", "", "", ""), pdu, b"",
            )
        return self.action


def tally_of(a: Account, port: PortGrant, grant: Grant, index: i64) -> Tally:
    """The grant's tally for this kind of content."""
    first = tally = grant.tally
    while tally is not NO_TALLY:
        if tally.index == index:
            return tally
        tally = tally.others
    if first is NO_TALLY:
        made = grant.tally = Tally(index, NO_TALLY)
    else:
        made = Tally(index, first.others)
        first.others = made
    made.head = head_of(a)
    made.number = port.source
    made.digits = port.digits
    made.holder = port.holder
    made.name = grant.name
    made.owner = grant.owner()
    return made
