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
    HIT_303,
    HIT_304,
    HIT_305,
    HIT_306,
    HIT_600,
    Account,
    Grant,
    PortGrant,
    Scope,
)
from portguard.policy.lookup import NO_GRANT, NO_PORT, SECONDS_A_DAY, EngineOptions, Lookup
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
from portguard.smpp.scan import Scan, cstring_end
from portguard.sms.charset import ascii_brackets, decode, is_binary
from portguard.sms.udh import udh_length

ALLOW: Final = 0
MONITOR: Final = 1
TAG: Final = 2
DISCARD: Final = 3
REJECT: Final = 4
# Not a verdict: the PDU itself is unsound, `status` says what to answer.
UNSOUND: Final = 5

_UCS2: Final = 8


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
        # Whether the message was counted against its cap with an earlier part.
        self.charged = False
        self.at = 0.0
        self.port = NO_PORT
        self.grant = NO_GRANT
        self.quota_key = ""
        self.quota_day: i64 = 0
        self.quota_messages: i64 = 0

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
        return self.conclude(a, hits | self.scoped(a, s, buf, self.at), s)

    # ---- time, account, number

    def timed(self, s: Scan, buf: bytes, now: float) -> bool:
        """Begin with a PDU: when will it be delivered? False, and `status`, when its schedule cannot be used."""
        self.soft = 0
        self.quota_key = ""
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
            index = self.revision.template_category(self.grant.templates, self.text.raw)
        if index < 0:
            index = self.lexicon.classify(self.text.raw)
        if index == 0:
            index = assumed
        self.category = index >> 4
        self.industry = index & 15

    # ---- the scope

    def scoped(self, a: Account, s: Scan, buf: bytes, at: float) -> i64:
        """Rules 302-306, and the daily cap that a permitted message will use."""
        index: i64 = self.category << 4 | self.industry
        grant = self.grant
        port = self.port
        hits: i64 = 0
        if self.category == 0 and self.options.unknown_category != ALLOW:
            hits = self.unknown(grant, port)
        if port.permits[index] == 0:
            hits |= HIT_306
        if len(port.regions) == 0 and (grant.plain[index] != 0 or len(grant.scopes) == 0):
            return hits
        if s.command_id != SUBMIT_MULTI:
            return hits | self.narrowed(index, buf, s.dest_start, s.dest_end, s.dest_ton, at, s.destinations)
        pos: i64 = s.dest_start
        while pos < s.dest_end:
            if buf[pos] == 1:
                stop = cstring_end(buf, pos + 3, s.dest_end, s.dest_end - pos)
                hits |= self.narrowed(index, buf, pos + 3, stop, i64(buf[pos + 1]), at, s.destinations)
            else:
                stop = cstring_end(buf, pos + 1, s.dest_end, s.dest_end - pos)
            pos = stop + 1
        return hits

    def unknown(self, grant: Grant, port: PortGrant) -> i64:
        """`unknown_category` tag or reject: content that cannot be told is outside wherever kinds are limited."""
        hits: i64 = 0
        if port.permits != EVERYTHING:
            hits |= HIT_306
        if len(grant.scopes) > 0:
            limited = True
            for scope in grant.scopes:
                if scope.permits == EVERYTHING:
                    limited = False
            if limited:
                hits |= HIT_302
        if self.options.unknown_category == TAG:
            self.soft |= hits
        return hits

    def narrowed(self, index: i64, buf: bytes, start: i64, end: i64, ton: i64, at: float, messages: i64) -> i64:
        """Rules 302-305 for one recipient: scopes narrow by category, region, hours, cap; what empties them fires."""
        hits: i64 = 0
        region = ""
        if len(self.port.regions) > 0 or self.grant.limited:
            region = self.revision.region_of(buf[start:end], ton)
            if region != "" and len(self.port.regions) > 0 and region not in self.port.regions:
                hits |= HIT_303
        if len(self.grant.scopes) == 0 or self.grant.plain[index] != 0:
            return hits
        scopes = [scope for scope in self.grant.scopes if scope.permits[index] != 0]
        if len(scopes) == 0:
            return hits | HIT_302
        if region != "":
            scopes = [scope for scope in scopes if len(scope.regions) == 0 or region in scope.regions]
            if len(scopes) == 0:
                return hits | HIT_303
        local: float = at + self.utc_offset if not self.scheduled(at) else self.revision.local(at)
        day: i64 = i64(local // SECONDS_A_DAY)
        minute: i64 = i64((local - float(day) * SECONDS_A_DAY) // 60.0)
        scopes = [scope for scope in scopes if scope.in_hours(minute)]
        if len(scopes) == 0:
            return hits | HIT_304
        return hits | self.capped(scopes, day, messages)

    def capped(self, scopes: list[Scope], day: i64, messages: i64) -> i64:
        """Rule 305: the first scope with room for the messages is the one that will be counted, once a message."""
        if self.charged:
            return 0
        for scope in scopes:
            if scope.cap == 0:
                return 0
        for scope in scopes:
            if self.limits.used(scope.key, day) + messages <= scope.cap:
                self.quota_key = scope.key
                self.quota_day = day
                self.quota_messages = messages
                return 0
        return HIT_305

    # ---- the verdict

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
        if action < DISCARD and self.quota_key != "":
            self.limits.add(self.quota_key, self.quota_day, self.quota_messages)
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
        self.quota_key = ""
        self.action = ALLOW if self.options.on_error_allow and a.errors <= self.options.errors_a_minute else REJECT
        self.counters.count(self.action, -1, 0)
        return self.action


def ordinal(bit: i64) -> i64:
    """The place of the only bit set."""
    place: i64 = 0
    while bit > 1:
        bit >>= 1
        place += 1
    return place
