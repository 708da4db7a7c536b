"""Taking complaints in: rows in, accepted ones on file, the rest refused one by one with the reason.

Complaints about marketing revoke those subscribers' consents, before they are put on file: after a crash in between,
the rows were not acknowledged, come again, and are revoked again, which changes nothing. The numbers themselves are
forgotten here; what is kept are keyed hashes.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from portguard.complaints.match import Match, Matcher
from portguard.complaints.rows import ACCEPTED, DUPLICATE, UNKNOWN_PORT, Masked, Reading, Sound
from portguard.complaints.store import Complaint, Store
from portguard.registry.formats import RawRow
from portguard.registry.problems import Problem, shown
from portguard.sms.category import CATEGORY_NAMES, INDUSTRIES, INDUSTRY_NAMES

SOURCE: Final = "complaint"

_LONGEST_TEXT: Final = 1000
_DIGITS: Final = re.compile(r"\d{7,}")

# (enterprise, subscriber's E.164 digits, epoch second, source)
Revocation = tuple[str, str, float, str]
# Returns when all are on file; raises when they cannot be, and then no row of the batch is taken.
Revoke = Callable[[list[Revocation]], None]
# (number, subscriber) -> who last sent this subscriber marketing from that number, "" when nobody remembers.
LastSender = Callable[[str, str], str]


class Taken(Struct):
    """What became of a batch: how many rows had each result, what is wrong with those that were refused, and how many
    consents were revoked."""

    results: dict[str, int]
    problems: list[Problem]
    revoked: int = 0


class Intake:
    """`hashed` makes the keyed hash of a subscriber's E.164 digits."""

    def __init__(
        self,
        store: Store,
        reading: Reading,
        hashed: Callable[[str], str],
        revoke: Revoke | None = None,
        last_sender: LastSender | None = None,
    ) -> None:
        self._store = store
        self._reading = reading
        self._hashed = hashed
        self._revoke = revoke
        self._last_sender = last_sender

    def take(self, rows: Iterable[tuple[int, RawRow]], file: str, matcher: Matcher, now: float) -> Taken:
        """Take a batch of (line, row), all that is accepted of it at once. Raises ComplaintsError, and whatever
        `revoke` raises: then nothing of it is on file."""
        problems, results = Masked(), Counter[str]()
        accepted: list[tuple[int, Complaint]] = []
        revocations: list[Revocation] = []
        seen: set[tuple[str, str]] = set()
        for line, raw in rows:
            result, sound = self._reading.sound(raw, file, line, problems, now)
            if sound is not None:
                known = (sound.source, sound.id) in seen or self._store.known(sound.source, sound.id)
                seen.add((sound.source, sound.id))
                match = None if known else matcher.match(sound)
                if known:
                    result = DUPLICATE
                    problems.add(file, line, "id", f"{shown(sound.id)} of {sound.source} is on file already")
                elif match is None:
                    result = UNKNOWN_PORT
                    problems.add(file, line, "number", f"no registered port covers {shown(sound.number)}")
                else:
                    enterprises = self._senders(sound, match)
                    revocations += [(each, sound.subscriber, sound.received_at, SOURCE) for each in enterprises]
                    accepted.append((line, self._complaint(sound, match, enterprises, now)))
                    continue
            results[result] += 1
        if revocations and self._revoke is not None:
            self._revoke(revocations)
        self._put(accepted, file, problems, results)
        return Taken(dict(results), problems.kept, len(revocations))

    def _senders(self, sound: Sound, match: Match) -> list[str]:
        """Whose consent the complaint revokes: of whoever is known to have sent it, else as the registry tells."""
        if not match.marketing or self._revoke is None:
            return []
        last = "" if self._last_sender is None else self._last_sender(match.number, sound.subscriber)
        return [last] if last else match.senders

    def _complaint(self, sound: Sound, match: Match, revoked: list[str], now: float) -> Complaint:
        category, industry = divmod(match.content, INDUSTRIES)
        return Complaint(
            sound.source, sound.id, sound.received_at, now, self._hashed(sound.subscriber), match.number, match.port,
            match.holder, match.signature, match.registered, _json(match.enterprises), _json(match.chain), category,
            industry, masked(sound.text), _json(revoked),
        )  # fmt: skip

    def _put(
        self, accepted: list[tuple[int, Complaint]], file: str, problems: Masked, results: Counter[str]
    ) -> None:
        if not accepted:
            return
        with self._store.transaction():
            for line, complaint in accepted:
                if self._store.put(complaint):
                    results[ACCEPTED] += 1
                    self._store.say("complaint", event(complaint))
                else:
                    # Another process was first.
                    results[DUPLICATE] += 1
                    problems.add(file, line, "id", f"{shown(complaint.id)} of {complaint.source} is on file already")
            self._store.sent(0)


def event(complaint: Complaint) -> dict[str, object]:
    """A complaint as it is told to others: all but its text."""
    fields: dict[str, object] = complaint._asdict()
    for name in ("enterprises", "chain", "revoked"):
        fields[name] = msgspec.json.decode(getattr(complaint, name))
    fields["registered"] = bool(complaint.registered)
    fields["category"] = CATEGORY_NAMES[complaint.category]
    fields["industry"] = INDUSTRY_NAMES[complaint.industry]
    del fields["text"]
    return fields


def masked(text: str) -> str:
    """A text without numbers that could be somebody's, and no longer than what a reader needs."""
    return _DIGITS.sub(lambda found: f"{found[0][:3]}****{found[0][-2:]}", text)[:_LONGEST_TEXT]


def _json(names: list[str]) -> str:
    return msgspec.json.encode(names).decode()
