"""The rules of the ledger said once more, slowly: every event of a pair is kept, and the answer is worked out of all.

Tests hold the ledger against this.
"""

from dataclasses import dataclass, field
from pathlib import Path

from portguard.consent.edit import Entry
from portguard.consent.ledger import Ledger
from portguard.consent.load import commit
from portguard.consent.options import ConsentOptions
from portguard.consent.record import NEVER, subscriber_key
from portguard.consent.standing import GRANT, REVOCATION, Attribute
from portguard.consent.store import Store
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from portguard.sms.category import parse

MARKETING = 48
FINANCE = 48 + parse("marketing/finance")[1]
RETAIL = 48 + parse("marketing/retail")[1]


def options(path: Path, **more: object) -> ConsentOptions:
    """Settings with what differs from the defaults."""
    return ConsentOptions(path, **{"remembered": 1024, **more})  # type: ignore[arg-type]


def granted(
    enterprise: str, subscriber: str, at: int, source: str = "opt-in", categories: tuple[str, ...] = (),
    expires: int = NEVER, proof: str = "",
) -> Entry:
    """An opt-in on its way to the store."""
    return Entry(enterprise, subscriber_key(subscriber), Attribute(GRANT, source, categories), at, expires, proof)


def revoked(enterprise: str, subscriber: str, at: int, source: str = "api") -> Entry:
    """An opt-out on its way to the store."""
    return Entry(enterprise, subscriber_key(subscriber), Attribute(REVOCATION, source), at, 0, "")


def put(path: Path, *entries: Entry) -> int:
    """Commit entries, in the order an import has them."""
    store = Store(path)
    try:
        return commit(store, sorted(entries, key=lambda entry: (entry.enterprise, entry.subscriber)))
    finally:
        store.close()


def judged(path: Path, enterprise: str, subscriber: str, content: int, at: float, **more: object) -> int:
    """What a ledger opened now answers."""
    ledger = Ledger(path, options(path, **more), readonly=True)
    try:
        return ledger.judge(enterprise, subscriber, content, at)
    finally:
        ledger.close()


@dataclass
class Model:
    """All events of all pairs in the order in which they came."""

    accepted: frozenset[str] = frozenset({"opt-in", "request", ""})
    events: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)

    def add(self, entry: Entry, subscriber: str) -> None:
        """One more event."""
        self.events.setdefault((entry.enterprise, subscriber), []).append(entry)

    def judge(self, enterprise: str, subscriber: str, content: int, at: float) -> int:
        """The answer: of each source the newest opt-in (the last to come, of one second), of these the newest whose
        source counts; nothing counts that is not newer than the newest opt-out."""
        events = self.events.get((enterprise, subscriber), [])
        refused = max([e.at for e in events if e.attribute.kind == REVOCATION], default=-1)
        of_source: dict[str, Entry] = {}
        for event in events:
            known = of_source.get(event.attribute.source)
            if event.attribute.kind == GRANT and (known is None or event.at >= known.at):
                of_source[event.attribute.source] = event
        begun = [e for source, e in of_source.items() if source in self.accepted and e.at <= at]
        newest = max([e.at for e in begun], default=-1)
        if refused >= 0 and refused >= newest:
            return REVOKED
        fits = [e for e in begun if e.at == newest and self._covers(e, content) and at < e.expires]
        return COUNTS if fits else MISSING

    @staticmethod
    def _covers(entry: Entry, content: int) -> bool:
        allowed = [parse(name) for name in entry.attribute.categories]
        category, industry = divmod(content, 16)
        return not allowed or any(c == category and (i in (0, industry) or industry == 0) for c, i in allowed)
