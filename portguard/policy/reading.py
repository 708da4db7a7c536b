"""Reading one message PDU: when it will be delivered, from which number, whose signature it bears, what it is about.

Noun: a `Reading`, which leaves what it finds in its own attributes until the next message: `port`, `grant`, `index`
(the kind of content: category * 16 + industry), `hinted`, the offsets of the body. Each step returns the hits that it
is the one to see (`policy.grant`).

Compiled; base of `recall.Recall`: a text that came before is not read again.
"""

# Not by name: a codec's name is looked up each time, which takes longer than the rest.
from codecs import utf_16_be_decode, utf_16_be_encode
from typing import Final

from librt.strings import BytesWriter, read_i16_be, write_i16_be
from mypy_extensions import i16, i64

from portguard.policy import grant as rule
from portguard.policy.counters import Counters
from portguard.policy.grant import NO_GRANT, Account, Grant, PortGrant
from portguard.policy.limits import Limits
from portguard.policy.lookup import EngineOptions, Lookup
from portguard.policy.revision import Revision
from portguard.policy.schedule import delivery
from portguard.policy.terms import EVERYTHING
from portguard.smpp.constants import ESM_UDHI, ESME_ROK, TON_ALPHANUMERIC
from portguard.smpp.scan import Scan
from portguard.sms.category import MARKETING
from portguard.sms.charset import ascii_brackets, decode, is_binary
from portguard.sms.optout import tells_how_to_refuse
from portguard.sms.template import content_of
from portguard.sms.template_plain import UNFIT, UNSURE, PlainTemplates
from portguard.sms.text import holds_usual_hint, is_common, plain_utf16
from portguard.sms.udh import AMBIGUOUS, UNREAD, doubt_of, udh_length

UCS2: Final = 8


class Reading(Lookup):
    """What a message is. `status` is what to answer when it cannot be read at all."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        super().__init__(revision, options, limits, counters)
        self.status: i64 = ESME_ROK
        self.number = b""
        self.body_start: i64 = 0
        self.body_end: i64 = 0
        self.body_header: i64 = 0
        # Is the text UTF-16BE as it stands? Does it tell how to refuse more of it, if that is asked of its kind?
        self.plain = False
        self.hinted = True
        # Did its templates leave it to a closer look whether one fits?
        self.unsure = False

    # ---- time, account, number

    def timed(self, s: Scan, buf: bytes, now: float) -> bool:
        """Begin with a PDU: when will it be delivered? False, and `status`, when its times cannot be used."""
        self.soft = 0
        self.answered = self.rowed = False
        if len(self.uses) > 0:
            self.uses.clear()
        if len(self.refused) > 0 or len(self.reached) > 0:
            self.refused, self.reached, self.counted = [], [], []
        self.present = self.at = self.expires = now + self.skew
        if s.schedule_end == s.schedule_start and s.validity_end == s.validity_start and s.time_to_live < 0:
            return True
        times = buf[s.schedule_start : s.schedule_end], buf[s.validity_start : s.validity_end], int(s.time_to_live)
        status, self.at, self.expires = delivery(*times, self.present, self.options)
        self.status = status
        return status == ESME_ROK

    def rated(self, a: Account, now: float) -> i64:
        """Rule 600, once a PDU."""
        if a.tps > 0 and not a.bucket.take(a.tps, now):
            return rule.HIT_600
        return 0

    def numbered(self, a: Account, s: Scan, buf: bytes) -> i64:
        """Rules 601 and 100-107: the account and the number, resolved into `port`."""
        hits = self.typed(a, s)
        self.number = buf[s.source_start : s.source_end]
        self.port = self.port_of(a, self.number, self.at)
        if self.expires >= self.port.until:
            hits |= self.port_of(a, self.number, self.expires).hits
        return hits | self.port.hits

    def typed(self, a: Account, s: Scan) -> i64:
        """Rule 601, and the part of 106 that is not the number."""
        if s.source_ton == TON_ALPHANUMERIC or (
            len(self.options.ton_npi) > 0 and (s.source_ton << 8 | s.source_npi) not in self.options.ton_npi
        ):
            return a.hits | rule.HIT_106
        return a.hits

    # ---- the body

    def framed(self, a: Account, s: Scan, buf: bytes) -> i64:
        """Rules 151, 152, 155 and the part of 150 that is not the text: which octets are the body?"""
        hits: i64 = rule.HIT_151 if s.ambiguous else 0
        start: i64 = s.body_start
        if s.own_tags > 0:
            hits |= rule.HIT_155
        if s.default_msg_id != 0 and s.default_msg_id not in self.options.default_msg_ids:
            hits |= rule.HIT_150
        header: i64 = 0
        if s.esm_class & ESM_UDHI != 0:
            if s.sar:
                hits |= rule.HIT_151
            header = udh_length(buf[start : s.body_end])
            if header < 0:
                hits |= rule.HIT_152
                header = 0
            elif header > 7 or buf[start + 1] & 0xF7 != 0:  # more than one element that joins parts
                doubt = doubt_of(buf[start : start + header], a.binary)
                hits |= rule.HIT_151 if doubt == AMBIGUOUS else rule.HIT_150 if doubt == UNREAD else 0
            start += header
        self.body_start = start
        self.body_end = s.body_end
        self.body_header = header
        return hits

    def decoded(self, a: Account, s: Scan, buf: bytes) -> i64:
        """The other part of 150: loads `text` when the body decodes (`readable`)."""
        self.readable = False
        body = buf[self.body_start : self.body_end]
        self.plain = s.data_coding == UCS2 and plain_utf16(body, 0, len(body))
        if self.plain:
            self.text.load(body, False, False)
            self.readable = True
            return 0
        return self.other_coding(a, body, s.data_coding, self.body_header)

    def other_coding(self, a: Account, body: bytes, coding: i64, header: i64) -> i64:
        """Text of any other coding, or UCS-2 that needs a closer look; packed septets start after `header` octets."""
        text = decode(body, coding, a.charset, header)
        if text is None:
            if a.binary and is_binary(coding):
                return 0
            return rule.HIT_150
        brackets = ascii_brackets(coding, a.charset)
        self.text.load(text, brackets, brackets)
        self.readable = True
        return 0

    # ---- the text

    def read(self, a: Account, s: Scan) -> i64:
        """What the loaded text says: whose signature it bears, and what kind of content it is."""
        self.entry = 0
        if not self.readable:
            self.grant = self.port.unsigned()
            self.index = 0
            self.fitting = self.hinted = True
            return 0
        hits = self.signed(a, self.port, self.at)
        if self.expires >= self.grant.until:
            hits |= self.outlived(a)
        self.categorise(s.assumed, (self.port.hits | hits) & a.on & a.stop & ~self.soft != 0)
        return hits

    def categorise(self, assumed: i64, stopped: bool) -> None:
        """The kind of content: a template of the signature decides, else the lexicon, else what is assumed. Of what is
        `stopped` it no longer matters whether it tells how to refuse."""
        raw = self.text.raw
        templates = self.grant.templates
        index: i64 = UNFIT
        if templates is not None:
            plain: PlainTemplates = templates.plain
            index = plain.content(raw, self.lexicon)
            self.unsure = index == UNSURE
            if self.unsure:
                index = content_of(templates, raw, self.lexicon)
        self.fitting = index >= 0
        if index < 0:
            index = self.lexicon.classify(raw)
        if index == 0:
            index = assumed
        self.index = index
        # Folding and the other phrases are for what lacks the usual words.
        self.hinted = stopped or index >> 4 != MARKETING or holds_usual_hint(raw) or tells_how_to_refuse(raw)

    def outlived(self, a: Account) -> i64:
        """Rules 107, 205, 300 and 301 at the end of the validity asked for, until which the SMSC tries."""
        grant = self.grant
        hits = self.signed(a, self.port_of(a, self.number, self.expires), self.expires)
        self.grant = grant
        return hits & (rule.HIT_107 | rule.HIT_205 | rule.HIT_300 | rule.HIT_301)

    # ---- the signature

    def signed(self, a: Account, port: PortGrant, at: float) -> i64:
        """Rules 107 and 200-301: find the signature, resolve it, leave it in `grant`; what was asked on the way holds
        from `since` to before `until`."""
        t = self.text
        self.since = port.since
        self.until = port.until
        if t.has_head:
            self.grant = self.grant_of(a, port, t.head, at)
            if ((t.has_tail or t.disguised) and not self.partial) or t.beside != "":
                return self.grant.hits | self.second(a, port, at)
            return self.grant.hits
        if t.disguised:
            found = self.disguised(a, port, t.disguised_head, at)
            # Between mere ornaments one's own name is no disguise.
            if found.registered and not (t.ornamental and len(found.scopes) > 0):
                self.grant = found
                return found.hits | self.own_disguise(found)
        if self.partial:  # the tail is not here yet
            self.grant = port.unsigned()
            return self.grant.hits
        if t.has_tail:
            self.grant = self.grant_of(a, port, t.tail, at)
            if self.options.head_only:
                return self.grant.hits | rule.HIT_201
            return self.grant.hits if t.beside == "" else self.grant.hits | self.second(a, port, at)
        if t.disguised and not self.options.head_only:
            found = self.disguised(a, port, t.disguised_tail, at)
            if found.registered:
                self.grant = found
                return found.hits | self.own_disguise(found)
        self.grant = port.unsigned()
        return self.grant.hits

    def second(self, a: Account, port: PortGrant, at: float) -> i64:
        """Rule 202: is what stands at the other end, or right beside the signature, on file to another enterprise?"""
        t = self.text
        first, soft = self.grant, self.soft
        hits: i64 = 0
        if t.has_head and not self.partial:
            found = self.grant_of(a, port, t.tail, at) if t.has_tail else self.disguised(a, port, t.disguised_tail, at)
            hits = rule.HIT_202 if first.is_foreign(found) else 0
        if t.beside != "" and first.is_foreign(self.disguised(a, port, t.beside, at)):
            hits = rule.HIT_202
        self.soft = soft  # the first one's disguise alone may be softened
        return hits

    # ---- what is on file of a signature

    def own_disguise(self, grant: Grant) -> i64:
        """With `disguise_own = "tag"` a sender's own signature in other brackets or width is tagged, not refused."""
        if self.options.disguise_own_tag and grant.own_width and len(grant.scopes) > 0:
            self.soft |= rule.HIT_203
        return 0

    def grant_of(self, a: Account, port: PortGrant, key: bytes, at: float) -> Grant:
        """The resolved grant of a signature as written (UTF-16BE between its brackets)."""
        grant = port.find(key)
        if not grant.since <= at < grant.until:
            grant = port.refused.get(key, NO_GRANT)
        if not grant.since <= at < grant.until:
            grant = self.grant_miss(a, port, key, utf_16_be_decode(key, "replace", True)[0], at, True)
        else:
            grant.used = True
        self.holds(grant)
        if grant.own_width:
            self.own_disguise(grant)
        return grant

    def disguised(self, a: Account, port: PortGrant, written: str, at: float) -> Grant:
        """The grant of a signature that only the canonical form brackets; unregistered means there is none."""
        if written == "":
            return NO_GRANT
        key = b"\x00" + utf_16_be_encode(written, "replace")[0]
        grant = port.refused.get(key, NO_GRANT)
        if not grant.since <= at < grant.until:
            grant = self.grant_miss(a, port, key, written, at, False)
        else:
            grant.used = True
        self.holds(grant)
        return grant

    def holds(self, grant: Grant) -> None:
        """What is found holds no longer than this grant."""
        if grant.since > self.since:
            self.since = grant.since
        if grant.until < self.until:
            self.until = grant.until

    def is_nobodys(self, key: bytes, text: str) -> bool:
        """Is a signature that is not on file surely like none that is? Of common hanzi, ASCII letters and digits this
        can be told here. `key` is `text` in UTF-16BE."""
        size: i64 = len(key)
        if self.noting or size == 0 or size > 64:
            return False
        folded = BytesWriter()
        pos: i64 = 0
        while pos < size:
            unit: i64 = i64(read_i16_be(key, pos)) & 0xFFFF
            into: i64 = i64(read_i16_be(self.folds, unit * 2))
            if not (is_common(unit) and is_common(into & 0xFFFF)):
                return False
            write_i16_be(folded, i16(into))
            pos += 2
        own = folded.getvalue()
        return not self.reader.is_canonical(text) and (
            own == key or not self.reader.resembles(own.decode("utf-16-be"))
        )

    def nobodys(self, port: PortGrant, key: bytes, text: str) -> Grant:
        """What `Revision.signature` says of such a one."""
        hits: i64 = rule.HIT_204 if self.known_signatures else 0
        if not self.options.shortest <= len(text) <= self.options.longest or text.isdecimal():
            hits |= rule.HIT_201
        grant = Grant(hits, port.since, port.until, key, ())
        if not self.known_signatures:
            grant.plain = EVERYTHING
        return grant

    def grant_miss(self, a: Account, port: PortGrant, key: bytes, text: str, at: float, bracketed: bool) -> Grant:
        """Ask the revision, and keep the answer when it is about the present."""
        self.counters.grant_misses += 1
        entry = self.reader.signature(text) if bracketed else None
        if bracketed and entry is None and self.is_nobodys(key, text):
            grant = self.nobodys(port, key, text)
        else:
            grant = self.revision.resolved(port, a.enterprise, text, at, entry, bracketed)
        if not self.keeps(a, at):
            return grant
        if not bracketed or grant.hits & rule.SIGNATURE_REFUSALS != 0 or port.hits & rule.PORT_REFUSALS != 0:
            self.kept_refusals.put_grant(a, port, grant, key)
        else:
            self.kept.put_grant(a, port, grant, key)
        return grant
