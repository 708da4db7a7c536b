"""What the records of one pair come to: does the consent count, and what is kept when there is something new?

Nouns: an *attribute* is what the records with one attribute id share; a *standing* is the answer with its reason.
`settle` decides what stays on file and depends on no setting; `standing` decides what counts, under the settings of
now. So a source that is accepted tomorrow counts tomorrow. Pure functions of records.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from portguard.consent.options import ConsentOptions
from portguard.consent.record import ATTRIBUTE, NEVER, times
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from portguard.sms.category import table

GRANT: Final = "grant"
REVOCATION: Final = "revocation"


class Attribute(msgspec.Struct, array_like=True, frozen=True):
    """What many records share. `source` is lower case, "" when unstated; no `categories` are all of them."""

    kind: str
    source: str
    categories: tuple[str, ...] = ()


class Weighed:
    """An attribute under the settings of now. `permits` is indexed by category * 16 + industry."""

    __slots__ = ("accepted", "attribute", "permits", "revocation")

    def __init__(self, attribute: Attribute, accepted: bool) -> None:
        self.attribute = attribute
        self.revocation = attribute.kind == REVOCATION
        self.accepted = accepted and not self.revocation
        self.permits = table(list(attribute.categories))


def weigh(attribute: Attribute, options: ConsentOptions) -> Weighed:
    """The attribute, and whether its source counts."""
    if attribute.source:
        return Weighed(attribute, attribute.source in {source.strip().lower() for source in options.accept_sources})
    return Weighed(attribute, options.unstated_source == "accept")


def settle(records: list[bytes], new: bytes, attributes: Mapping[bytes, Attribute]) -> list[bytes]:
    """What is on file of a pair after `new`: of each source the newest grant, and the newest revocation.

    Of two grants of one source at the same second, the one that came last; of two such revocations, the first.
    """
    mine = attributes[new[ATTRIBUTE]]
    at, _ = times(new)
    kept = []
    for record in records:
        other = attributes[record[ATTRIBUTE]]
        if other.kind == mine.kind and (mine.kind == REVOCATION or other.source == mine.source):
            since, _ = times(record)
            if since > at or (since == at and mine.kind == REVOCATION):
                return records
        else:
            kept.append(record)
    kept.append(new)
    return kept


def answer(records: list[bytes], revoked: int, weighed: Mapping[bytes, Weighed], content: int, at: float) -> int:
    """COUNTS, MISSING or REVOKED for `content` at `at`; `revoked` is the overlay's revocation, -1 for none."""
    newest, counts = -1, False
    for record in records:
        attribute = weighed[record[ATTRIBUTE]]
        since, expires = times(record)
        if attribute.revocation:
            if since > revoked:
                revoked = since
        elif attribute.accepted and newest <= since <= at:
            # Of two sources at the same second, either will do.
            permitted = attribute.permits[content] == 1 and (expires > at or expires == NEVER)
            counts = permitted or (counts and since == newest)
            newest = since
    if revoked >= 0 and revoked >= newest:
        return REVOKED
    return COUNTS if counts else MISSING


class Standing(NamedTuple):
    """An answer of `policy.ledger` and the reason in words."""

    answer: int
    reason: str


def standing(
    records: list[bytes], revoked: int, weighed: Mapping[bytes, Weighed], content: int, at: float, zone: ZoneInfo
) -> Standing:
    """`answer` with its reason, for people."""
    found = answer(records, revoked, weighed, content, at)
    if found == REVOKED:
        since = max([revoked, *(times(record)[0] for record in records if weighed[record[ATTRIBUTE]].revocation)])
        return Standing(found, f"revoked at {written(since, zone)}, and no opt-in that counts is newer")
    grants = [(record, weighed[record[ATTRIBUTE]]) for record in records if not weighed[record[ATTRIBUTE]].revocation]
    if not grants:
        return Standing(found, "there is no opt-in on file")
    begun = [(times(record), one) for record, one in grants if one.accepted and times(record)[0] <= at]
    if not begun:
        if any(one.accepted for _, one in grants):
            return Standing(found, "the opt-in is not in force yet")
        names = sorted({one.attribute.source or "unstated" for _, one in grants})
        return Standing(found, f"its source does not count: {', '.join(names)}")
    newest = max(since for (since, _), _ in begun)
    last = [(expires, one) for (since, expires), one in begun if since == newest]
    if found == COUNTS:
        sources = sorted({one.attribute.source or "unstated" for _, one in last})
        return Standing(found, f"opt-in of {written(newest, zone)}, source {' and '.join(sources)}")
    covering = [expires for expires, one in last if one.permits[content] == 1]
    if covering:
        return Standing(found, f"the opt-in expired at {written(max(covering), zone)}")
    names = sorted({name for _, one in last for name in one.attribute.categories})
    return Standing(found, f"the newest opt-in is for other content: {', '.join(names)}")


def written(at: int, zone: ZoneInfo) -> str:
    """Epoch seconds as ISO 8601 in a zone."""
    return datetime.fromtimestamp(at, zone).isoformat()
