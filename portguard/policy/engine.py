"""The engine: one message PDU in, one verdict out, synchronously.

Nouns: a *hit* is the bit of a rule that fired (`policy.grant`); the *verdict* of the last message stands in the
Engine's own attributes until the next call, so that nothing is allocated for it; *soft* hits are those that a setting
turns from a refusal into a tag for this one message.

Compiled. Rules are judged in the catalogue's order by stages: account, number, body, signature, scope. Knows no
socket and no clock: `now` is monotonic seconds, `skew` and `utc_offset` make dates and hours of it.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.counters import Counters, Limits
from portguard.policy.grant import (
    EVERYTHING,
    HIT_106,
    HIT_150,
    HIT_151,
    HIT_152,
    HIT_155,
    HIT_200,
    HIT_302,
    HIT_306,
    HIT_307,
    HIT_402,
    HIT_403,
    HIT_600,
    Account,
    EngineOptions,
    Grant,
    in_hours,
    ordinal,
)
from portguard.policy.lookup import NO_GRANT, NO_PORT, Lookup
from portguard.policy.reasons import ALLOW, DISCARD, MONITOR, REJECT, TAG
from portguard.policy.revision import Revision
from portguard.policy.schedule import delivery_time
from portguard.smpp.constants import (
    ESM_UDHI,
    ESME_RINVSCHED,
    ESME_ROK,
    ESME_RREPLACEFAIL,
    ESME_RSUBMITFAIL,
    REPLACE_SM,
    SUBMIT_MULTI,
    TON_ALPHANUMERIC,
)
from portguard.smpp.scan import Scan, next_destination
from portguard.sms.category import MARKETING
from portguard.sms.charset import ascii_brackets, decode, is_binary
from portguard.sms.optout import USUAL, tells_how_to_refuse
from portguard.sms.text import shape_of
from portguard.sms.udh import udh_length

# Not a verdict: the PDU itself is unsound, `status` says what to answer.
UNSOUND: Final = 5

_UCS2: Final = 8
_UNSHAPED: Final = -2
_SHAPES_KEPT: Final = 4096


class Engine(Lookup):
    """Judges messages, one at a time."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        super().__init__(revision, options, limits, counters)
        self.clear()

    def clear(self) -> None:
        """Forget the last verdict."""
        self.action: i64 = ALLOW
        self.rule: i64 = -1
        self.hits: i64 = 0
        self.soft = 0
        self.status: i64 = ESME_ROK
        self.category: i64 = 0
        self.industry: i64 = 0
        self.readable = False
        self.body_start: i64 = 0
        self.body_end: i64 = 0
        self.body_header: i64 = 0
        self.at = 0.0
        self.port = NO_PORT
        self.grant = NO_GRANT

    def judge(self, a: Account, s: Scan, buf: bytes, now: float) -> i64:
        """The verdict on a scanned PDU: an action, or UNSOUND. Details stand in the engine's attributes."""
        if not self.timed(s, buf, now):
            return UNSOUND
        hits = self.rated(a, now) | self.numbered(a, s, buf) | self.framed(s, buf)
        hits |= self.decoded(a, s, buf)
        return self.verdict(a, s, buf, hits)

    def judge_text(self, a: Account, s: Scan, buf: bytes, hits: i64, raw: bytes, readable: bool, partial: bool) -> i64:
        """The verdict on a part for the text of its message: `raw` (UTF-16BE) of all parts so far, `partial` while some
        are missing. `hits` are those of `numbered` and `framed`, which have been asked about this part."""
        self.readable = readable
        self.partial = partial
        if readable:
            self.text.load(raw, ascii_brackets(s.data_coding, a.charset))
        action = self.verdict(a, s, buf, hits)
        self.partial = False
        return action

    def verdict(self, a: Account, s: Scan, buf: bytes, hits: i64) -> i64:
        """From the hits of the account, the number and the body to the verdict, by the text that is loaded."""
        if self.readable:
            hits |= self.signed(a, self.port, self.at)
            self.categorise(s.assumed)
            # What is missing so far may still come, unless it has to stand in front.
            if self.partial and (self.text.unclosed or not self.options.head_only):
                hits &= ~HIT_200
        else:
            self.grant = self.port.unsigned
            self.category = 0
            self.industry = 0
            self.fitting = True
        hits |= self.content(self.category << 4 | self.industry)
        if s.command_id == SUBMIT_MULTI:
            hits |= self.each_recipient(a, s, buf, hits)
        else:
            hits |= self.recipient(a, buf, s.dest_start, s.dest_end, s.dest_ton)
        return self.conclude(a, hits, s)

    # ---- time, account, number

    def timed(self, s: Scan, buf: bytes, now: float) -> bool:
        """Begin with a PDU: when will it be delivered? False, and `status`, when its schedule cannot be used."""
        self.soft = 0
        if len(self.quotas) > 0:
            self.quotas = []
        if len(self.refused) > 0:
            self.refused = []
        if len(self.reached) > 0:
            self.reached = []
        at: float = now + self.skew
        self.present = at
        if s.schedule_end > s.schedule_start:
            at = delivery_time(buf[s.schedule_start : s.schedule_end], at)
            if at < 0.0 or at > self.present + self.options.max_schedule:
                self.status = ESME_RINVSCHED
                return False
        self.at = at
        return True

    def rated(self, a: Account, now: float) -> i64:
        """Rule 600, once a PDU."""
        if a.tps > 0 and not a.bucket.take(a.tps, now):
            return HIT_600
        return 0

    def numbered(self, a: Account, s: Scan, buf: bytes) -> i64:
        """Rules 601 and 100-107: the account and the number, resolved into `port`."""
        hits: i64 = a.hits
        if s.source_ton == TON_ALPHANUMERIC or (
            len(self.options.ton_npi) > 0 and (s.source_ton << 8 | s.source_npi) not in self.options.ton_npi
        ):
            hits |= HIT_106
        self.port = self.port_of(a, buf[s.source_start : s.source_end], self.at)
        return hits | self.port.hits

    # ---- the body

    def framed(self, s: Scan, buf: bytes) -> i64:
        """Rules 151, 152, 155 and the part of 150 that is not the text: which octets are the body?"""
        hits: i64 = 0
        start: i64 = s.sm_start
        end: i64 = s.sm_end
        if s.payloads > 0:
            if s.payloads > 1 or end > start:
                hits |= HIT_151
            if end == start:
                start = s.payload_start
                end = s.payload_end
        if s.own_tags > 0:
            hits |= HIT_155
        if s.default_msg_id != 0 and s.default_msg_id not in self.options.default_msg_ids:
            hits |= HIT_150
        header: i64 = 0
        if s.esm_class & ESM_UDHI != 0:
            if s.sar:
                hits |= HIT_151
            header = udh_length(buf[start:end])
            if header < 0:
                hits |= HIT_152
                header = 0
            start += header
        self.body_start = start
        self.body_end = end
        self.body_header = header
        return hits

    def decoded(self, a: Account, s: Scan, buf: bytes) -> i64:
        """The other part of 150: loads `text` when the body decodes (`readable`)."""
        self.readable = False
        coding: i64 = s.data_coding
        start: i64 = self.body_start
        end: i64 = self.body_end
        if coding == _UCS2 and self.utf16(buf, start, end):
            self.text.load(buf[start:end], False)
            self.readable = True
            return 0
        return self.other_coding(a, buf[start:end], coding, self.body_header)

    def utf16(self, buf: bytes, pos: i64, end: i64) -> bool:
        """True for whole UTF-16BE units with no surrogate and no BOM in front: text as it stands."""
        if (end - pos) & 1 != 0:
            return False
        if pos < end and buf[pos] == 0xFE and buf[pos + 1] == 0xFF:
            return False
        while pos < end:
            if buf[pos] & 0xF8 == 0xD8:
                return False
            pos += 2
        return True

    def other_coding(self, a: Account, body: bytes, coding: i64, header: i64) -> i64:
        """Text of any other coding, or UCS-2 that needs a closer look; packed septets start after `header` octets."""
        text = decode(body, coding, a.charset, header)
        if text is None:
            if a.binary and is_binary(coding):
                return 0
            return HIT_150
        self.text.load(text, ascii_brackets(coding, a.charset))
        self.readable = True
        return 0

    # ---- the content

    def categorise(self, assumed: i64) -> None:
        """The kind of content: a template of the signature decides, else the lexicon, else what is assumed."""
        index: i64 = -1
        if self.grant.templates is not None:
            index = self.templated(self.grant)
        self.fitting = index >= 0
        if index < 0:
            index = self.lexicon.classify(self.text.raw)
        if index == 0:
            index = assumed
        self.category = index >> 4
        self.industry = index & 15

    def templated(self, grant: Grant) -> i64:
        """The content of the template that fits, -1 for none; most texts differ from others in their digits only."""
        raw = self.text.raw
        if grant.templates is None:
            return -1
        if not grant.templates.digit_free:
            return self.revision.template_category(grant.templates, raw)
        shape = shape_of(raw)
        index: i64 = grant.shapes.get(shape, _UNSHAPED)
        if index == _UNSHAPED:
            index = self.revision.template_category(grant.templates, raw)
            if len(grant.shapes) >= _SHAPES_KEPT:
                grant.shapes = {}
            grant.shapes[shape] = int(index)
        return index

    def content(self, index: i64) -> i64:
        """Rules 306, 307, 402 and 403, and what `unknown_category` makes of content that cannot be told; `index` is the
        content. A part is not blamed for what may still come."""
        hits: i64 = 0
        if not self.fitting and not self.partial and self.grant.templated[index >> 4] != 0:
            hits |= HIT_307
        if index >> 4 == MARKETING:
            if self.readable and not self.partial:
                # The usual word is found here; folding and the other phrases are for what lacks it.
                at: i64 = self.text.raw.find(USUAL)
                if (at < 0 or at & 1 != 0) and not tells_how_to_refuse(self.text.raw):
                    hits |= HIT_402
            self.locate()
            if not in_hours(self.options.marketing_hours, self.minute):
                hits |= HIT_403
        if index < 16 and self.options.unknown_category != ALLOW:
            hits |= self.unknown()
        if self.port.permits[index] == 0:
            hits |= HIT_306
        self.index = index
        return hits

    def unknown(self) -> i64:
        """`unknown_category` tag or reject: content that cannot be told is outside wherever kinds are limited."""
        hits: i64 = 0
        if self.port.permits != EVERYTHING:
            hits |= HIT_306
        limited = len(self.grant.scopes) > 0
        for scope in self.grant.scopes:
            if scope.permits == EVERYTHING:
                limited = False
        if limited:
            hits |= HIT_302
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
            quotas = len(self.quotas)
            stop = next_destination(s, buf, pos, s.dest_end)
            reached = len(self.reached)
            one = self.recipient(a, buf, pos + 3, stop - 1, i64(buf[pos + 1]))
            ends: i64 = (hits | one) & a.on & a.stop & ~self.soft
            if ends == 0:
                kept |= one
                some = True
            else:
                failed |= one
                del self.quotas[quotas:]
                del self.reached[reached:]
                first: i64 = ends & -ends
                status = -1 if first & a.discard != 0 else a.status[ordinal(first)]
                self.refused.append((int(pos), int(stop), int(status)))
            pos = stop
        if some:
            return kept
        self.refused = []
        return failed

    def conclude(self, a: Account, hits: i64, s: Scan) -> i64:
        """From hits to an action: the first that stops ends it; else tags, else monitored ones; count it."""
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
            for key, day in self.quotas:
                self.limits.add(key, day, 1)
            if len(self.reached) > 0:
                self.note_reached()
        elif len(self.quotas) > 0:
            self.quotas = []
        self.action = action
        # A message in parts is counted once, with its whole verdict; a part that goes ahead of it is not.
        if not self.partial or action >= DISCARD:
            self.counters.count(action, self.rule, self.category)
        return action

    def tag_verdict(self, a: Account) -> i64:
        """What TLV verdict says of the last message: 1 tagged, 2 would be rejected, 3 would be discarded."""
        if self.action != TAG:
            return 0
        would: i64 = self.hits & (a.would_reject | a.would_discard) & ~self.soft
        if would == 0:
            return 1
        if would & -would & a.would_discard != 0:
            return 3
        return 2

    def failed(self, a: Account, now: float) -> i64:
        """An exception inside the decision: the setting's action, falling back to reject when they come too often."""
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
        self.category = 0
        self.industry = 0
        self.quotas = []
        self.refused = []
        self.reached = []
        self.action = ALLOW if self.options.on_error_allow and a.errors <= self.options.errors_a_minute else REJECT
        self.counters.count(self.action, -1, 0)
        return self.action
