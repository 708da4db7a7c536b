"""Messages whose text came before: their number and signature are looked up, and their text is not read again.

Nouns: a `Recall` knows two things by `known.KnownTexts`. The *texts* that an account has sent from a number come with
all that was found about them. A *wording* is what stands behind a signature at the head, whoever sent it: it says what
kind of content it is, and nothing of whose it is, which a row says (`answers`). Where both do, a text is known by
itself only if it comes *often*, and few are: known, it takes two thirds of the time if it is in the processor's cache,
and some three times as many lines of memory if it is not.

Compiled; base of `engine.Engine`.
"""

from typing import Final

from mypy_extensions import i64

from portguard.policy.counters import Counters
from portguard.policy.grant import Account
from portguard.policy.known import LEAST, UNKNOWN_TEXT, Known, KnownTexts, look_from
from portguard.policy.limits import Limits
from portguard.policy.lookup import LEAVING, EngineOptions
from portguard.policy.reading import Reading
from portguard.policy.revision import Revision
from portguard.policy.terms import Bucket
from portguard.smpp.scan import Scan
from portguard.sms.category import MARKETING
from portguard.sms.template_plain import UNFIT, UNSURE, PlainTemplates
from portguard.sms.text import after_signature, holds_usual_hint

_TEXTS_KEPT: Final = 16_384
_WORDINGS_KEPT: Final = 16_384
# Texts that wording and row would do for, and how often in turn one has come before it is known.
_OFTEN_KEPT: Final = 4096
_OFTEN: Final = 7

_ANYBODY: Final = Account("", Bucket())


class Recall(Reading):
    """What is known of texts, under one revision at a time."""

    def __init__(self, revision: Revision, options: EngineOptions, limits: Limits, counters: Counters) -> None:
        super().__init__(revision, options, limits, counters)
        self.forget()
        self.outdated: list[KnownTexts] = []
        # The look of the text, and where the signature at its head ends.
        self.look: i64 = -1
        self.head: i64 = 0
        # The present hour since the epoch, as rows have it, and when it begins and ends.
        self.hour: i64 = 0
        self.hour_since = self.hour_until = 0.0

    def swap(self, revision: Revision) -> None:
        """Serve another revision; what is known of texts was found under the one before."""
        self.outdated += [self.often, self.known, self.wordings]
        del self.outdated[: -3 * LEAVING]
        super().swap(revision)
        self.forget()

    def shed(self, count: i64) -> None:
        """Give up so many of the answers and texts of revisions that serve no more."""
        super().shed(count)
        if len(self.outdated) > 0 and not self.outdated[-1].shed(count):
            self.outdated.pop()

    def forget(self) -> None:
        """Read every text anew."""
        self.often = KnownTexts(_OFTEN_KEPT, self.lexicon, _OFTEN)
        self.known = KnownTexts(_TEXTS_KEPT, self.lexicon)
        self.wordings = KnownTexts(_WORDINGS_KEPT, self.lexicon)

    # ---- the text of an account and a number

    def recall(self, texts: KnownTexts, a: Account, s: Scan, buf: bytes) -> Known:
        """What is known of the UCS-2 body of the scanned PDU, which looks like `look`, and holds when it will be
        delivered; else UNKNOWN_TEXT."""
        known = texts.find(self.look, a, buf, self.body_start, self.body_end, s.source_start, s.source_end)
        if known.since > self.at or self.expires >= known.until:
            return UNKNOWN_TEXT
        if texts.renamed and known.grant.templates is not None and not self.fits_as(known, buf):
            return UNKNOWN_TEXT
        return known

    def fits_as(self, known: Known, buf: bytes) -> bool:
        """Does the text that is known but for a name fit the same templates, or none just as well?"""
        templates = known.grant.templates
        if templates is None:
            return True
        plain: PlainTemplates = templates.plain
        index = plain.content(buf[self.body_start : self.body_end], self.lexicon)
        return index == known.index if known.fitting else index == UNFIT

    def recalled(self, a: Account, s: Scan, known: Known) -> i64:
        """A known text: what `numbered`, `decoded` and `read` said of it then."""
        self.port = known.port
        self.grant = known.grant
        self.port.used = self.grant.used = True
        self.entry = known.entry
        self.soft = known.soft
        self.index = known.index
        self.readable = True
        self.fitting = known.fitting
        self.hinted = known.hinted
        return self.typed(a, s) | known.port.hits | known.hits

    # ---- the wording of anybody

    def wording(self, buf: bytes) -> Known:
        """What is known of the text behind a signature, which ends at `head`; UNKNOWN_TEXT when that is to be read. Is
        the signature text as it stands (`plain_utf16`)? That of a row is."""
        start: i64 = self.body_start
        self.head = after_signature(buf, start, self.body_end)
        if self.head == start:
            return UNKNOWN_TEXT
        digest = look_from(buf, self.head, self.body_end, 0, 0)
        return self.wordings.find(digest, _ANYBODY, buf, self.head, self.body_end, 0, 0)

    def answer(self, a: Account, s: Scan, buf: bytes) -> bool:
        """Does a row have what the registry says of number and signature? Then it stands in `port` and `grant`."""
        at = self.present
        if self.scheduled(self.at):
            return False
        if not self.hour_since <= at < self.hour_until:
            self.hour = int(at // 3600.0)
            self.hour_since = float(self.hour) * 3600.0
            self.hour_until = self.hour_since + 3600.0
        answers = self.answers
        name: i64 = self.body_start + 2
        if not answers.find(a, buf, s.source_start, s.source_end, name, self.head - 2, self.hour):
            return False
        grant = answers.grant
        if self.expires >= grant.until:
            return False
        self.answered = self.rowed = True
        self.port = answers.port
        self.grant = grant
        self.since = grant.since
        self.until = grant.until
        self.row_entry = self.entry = answers.entry()
        return True

    def asked(self, a: Account, s: Scan, buf: bytes) -> bool:
        """The same, asked of the registry for the number in `port`; False where the end of the validity that is asked
        for needs a closer look."""
        port = self.port
        self.since = port.since
        self.until = port.until
        name: i64 = self.body_start + 2
        self.grant = self.grant_of(a, port, buf[name : self.head - 2], self.at)
        self.keep_answer(a, s, buf)
        return self.expires < self.until

    def keep_answer(self, a: Account, s: Scan, buf: bytes) -> None:
        """Keep in a row what the registry said of the number and the signature before `head`."""
        if not self.scheduled(self.at):
            name: i64 = self.body_start + 2
            self.rowed = self.answers.put(
                a, buf, s.source_start, s.source_end, name, self.head - 2, self.port, self.grant
            )
            self.row_entry = 0
            if self.rowed:
                self.kept.retract(self.port)

    def alone(self) -> bool:
        """Is the signature before `head` all that is looked up for the loaded text?"""
        t = self.text
        return (
            self.readable and self.plain and t.has_head and self.head - self.body_start == t.head_end
            and not t.has_tail and not t.disguised and t.beside == ""
        )

    def answered_as(self, a: Account, s: Scan) -> i64:
        """What `read` would say of the loaded text, whose answer stands in `port` and `grant`."""
        hits = self.grant.hits
        self.categorise(s.assumed, (self.port.hits | hits) & a.on & a.stop & ~self.soft != 0)
        return hits

    def worded(self, a: Account, s: Scan, buf: bytes, wording: Known) -> i64:
        """Of a known wording behind a signature, whose answer stands in `grant`: the hits that `decoded` and `read`
        would have; -1 when they have to be asked."""
        grant = self.grant
        index = wording.index
        self.fitting = self.unsure = False
        templates = grant.templates
        if templates is not None:
            plain: PlainTemplates = templates.plain
            fit = plain.content(buf[self.body_start : self.body_end], self.lexicon)
            if fit == UNSURE or fit >> 4 == MARKETING:  # whether the text tells how to refuse is not known
                return -1
            if fit >= 0:
                index = fit
                self.fitting = True
        self.index = index
        self.readable = self.plain = self.hinted = True
        texts = self.often if self.rowed else self.known
        start: i64 = self.body_start
        self.remember_text(texts, a, s, buf, grant.hits, self.head - start, self.body_end - start, wording.loose)
        return grant.hits

    # ---- remembering

    def remember(self, a: Account, s: Scan, buf: bytes, hits: i64) -> None:
        """Keep what `read` found about a plain text, unless it is of the kind that digits may change."""
        t = self.text
        if not self.plain or s.assumed != 0 or t.digits_name():
            return
        # Does nothing decide but the signature at the head and the words behind it?
        simple = (
            t.has_head and not t.closer and after_signature(t.raw, 0, len(t.raw)) == t.head_end
            and not self.lexicon.turned
        )
        texts = self.known
        if simple and not t.has_tail and not self.fitting and self.remember_wording(buf, self.body_start + t.head_end):
            texts = self.often if self.rowed else texts
        loose = simple and not (self.unsure and self.grant.templates is not None) and self.index >> 4 != MARKETING
        self.remember_text(texts, a, s, buf, hits, t.head_end, t.tail_start, loose)

    def remember_text(
        self, texts: KnownTexts, a: Account, s: Scan, buf: bytes, hits: i64, head: i64, tail: i64, loose: bool
    ) -> None:
        """Keep what was found about the text that was looked for last, of this account and number; see `Known`."""
        grant = self.grant
        if self.expires != self.present or (grant.templates is not None and not grant.templates.digit_free):
            return
        known = texts.put(a, buf, self.body_start, self.body_end, s.source_start, s.source_end)
        if known is UNKNOWN_TEXT:
            return
        known.head = head
        known.tail = tail
        known.port = self.port
        known.grant = grant
        if self.answered:
            grant.tally = self.tallies.of(self.row_entry)
            known.port, known.grant = self.answers.lasting()
        if len(self.port.source) > 0:
            known.number = self.port.source
        known.since = self.since
        known.until = self.until
        known.hits = hits
        known.soft = self.soft
        known.index = self.index
        known.fitting = self.fitting
        known.hinted = self.hinted
        known.loose = loose

    def remember_wording(self, buf: bytes, start: i64) -> bool:
        """Keep what the lexicon said of buf[start:], which was looked for last, once it has come before. Of an offer
        only if what stands there tells how to refuse more of it (else False), and then no hanzi of it may be others."""
        offers = self.index >> 4 == MARKETING
        if self.body_end - start < LEAST or (offers and not holds_usual_hint(buf[start : self.body_end])):
            return False
        wording = self.wordings.put(_ANYBODY, buf, start, self.body_end, 0, 0)
        if wording is not UNKNOWN_TEXT:
            wording.tail = self.body_end - start
            wording.index = self.index
            wording.loose = not offers
        return True
