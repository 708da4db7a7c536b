"""A surge of signatures that are not on file, from one account.

Counted in the journal, since the path says there what it found; held against what the account sends, so that a holiday
with five times the messages, and five times the misspelt signatures, is no surge. The last hour stands in twelve bins;
what leaves it goes into the baseline, which fades by half in three days.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from portguard.complaints.options import SurgeOptions
from portguard.complaints.signs.alert import HOUR, NAMED, Alert, Kept, quiet
from portguard.policy.tally import TallyRow

NAME: Final = "unregistered_surge"
CODE: Final = 204
# Some 3 KB an account.
MOST_ACCOUNTS: Final = 5_000
MOST_SIGNATURES: Final = 50

_BINS: Final = 12
_BIN: Final = HOUR / _BINS
_HALF_LIFE: Final = 3 * 86400.0
# What is usual of an account that nobody knows: one in two hundred, as if of so many messages.
_PRIOR_SHARE: Final = 0.005
_PRIOR: Final = 2000.0


class Books(Struct, array_like=True, gc=False):
    """An account's: bins by their number, [not on file, messages]; the baseline's two sums and their time; signatures
    that were not on file lately, with when."""

    bins: dict[int, list[int]]
    unregistered: float = _PRIOR * _PRIOR_SHARE
    messages: float = _PRIOR
    updated: float = 0.0
    signatures: dict[str, float] = {}
    quiet_until: float = 0.0

    def usual(self) -> float:
        """The usual share."""
        return self.unregistered / self.messages


class Surge:
    """Fed with tallies and with the journal."""

    def __init__(self, options: SurgeOptions) -> None:
        self.options = options
        self._accounts: Kept[Books] = Kept(MOST_ACCOUNTS)

    def tallies(self, rows: Iterable[TallyRow], now: float) -> None:
        """What was sent."""
        sent: dict[str, int] = {}
        for row in rows:
            sent[row.account] = sent.get(row.account, 0) + row.submitted
        for account, messages in sent.items():
            self._bin(account, now)[1] += messages

    def journal(self, kind: str, fields: Mapping[str, object], now: float) -> Alert | None:
        """One record of the journal: a violation, or a count of those left out of it."""
        account, at = fields.get("account"), fields.get("at", now)
        if not isinstance(account, str) or not account or not isinstance(at, int | float):
            return None
        at = min(float(at), now)
        if at <= now - HOUR:
            return None
        if kind == "violation":
            hits = fields.get("hits")
            if fields.get("code") != CODE and not (isinstance(hits, list) and CODE in hits):
                return None
            count, signature = 1, str(fields.get("signature") or "")
        elif kind == "left_out" and CODE in (fields.get("code"), fields.get("rule")):
            wanted = fields.get("count")
            count, signature = wanted if isinstance(wanted, int) else 0, ""
        else:
            return None
        self._bin(account, at)[0] += count
        books = self._accounts[account]
        if signature and (signature in books.signatures or len(books.signatures) < MOST_SIGNATURES):
            books.signatures[signature] = at
        return self._judge(account, books, now)

    def _bin(self, account: str, at: float) -> list[int]:
        books = self._accounts.touch(account)
        if books is None:
            books = Books({}, updated=at, signatures={})
            self._accounts.add(account, books)
        number = int(at // _BIN)
        found = books.bins.get(number)
        if found is None:
            found = books.bins[number] = [0, 0]
            if len(books.bins) > _BINS:
                self._learn(books, number, at)
        return found

    def _learn(self, books: Books, number: int, at: float) -> None:
        """What has left the hour becomes what is usual; of a surge only as much as would not have been one."""
        left = sorted(bin for bin in books.bins if not number - _BINS < bin <= number)
        fade = 0.5 ** (max(at - books.updated, 0.0) / _HALF_LIFE)
        books.unregistered *= fade
        books.messages *= fade
        books.updated = at
        for bin in left:
            unregistered, messages = books.bins.pop(bin)
            messages = max(messages, unregistered)
            most = messages * max(self.options.share, books.usual() * self.options.factor)
            books.unregistered += min(unregistered, most)
            books.messages += messages
        # An account that has been silent for weeks is known no better than a new one.
        if books.messages < _PRIOR / 2:
            books.unregistered += _PRIOR * _PRIOR_SHARE
            books.messages += _PRIOR

    def _judge(self, account: str, books: Books, now: float) -> Alert | None:
        options = self.options
        last = int(now // _BIN)
        recent = [counts for bin, counts in books.bins.items() if last - _BINS < bin <= last]
        unregistered = sum(counts[0] for counts in recent)
        if unregistered < options.least or quiet(books.quiet_until, now, options.cool_down_hours):
            return None
        messages = max(sum(counts[1] for counts in recent), unregistered)
        share, usual = unregistered / messages, books.usual()
        if share < max(options.share, usual * options.factor):
            return None
        books.quiet_until = now + options.cool_down_hours * HOUR
        names = [name for name, seen in books.signatures.items() if seen > now - HOUR]
        books.signatures = {}
        evidence: dict[str, object] = {
            "unregistered": unregistered, "messages": messages, "minutes": 60, "share": round(share, 4),
            "usual_share": round(usual, 4), "signatures": names[:NAMED],
        }  # fmt: skip
        summary = (
            f"Account {account} sent {unregistered:,} messages with signatures that are not on file within an hour, "
            f"{share:.1%} of what it sent; {usual:.1%} is usual."
        )
        return Alert(NAME, "warning", {"account": account}, summary, evidence)

    # ---- memory

    def dump(self) -> bytes:
        """The memory, for `load`."""
        return msgspec.msgpack.encode(list(self._accounts.items()))

    def load(self, octets: bytes) -> None:
        """Remember what was dumped. Raises msgspec.DecodeError or ValidationError."""
        for account, books in msgspec.msgpack.decode(octets, type=list[tuple[str, Books]])[-MOST_ACCOUNTS:]:
            self._accounts[account] = books
