"""Hourly counts of violations: what reports over millions of records are made from.

Noun: a *tally* is how many violations had one key: the hour they fell in (epoch hours), rule code, action, account,
enterprise, port, signature, and content (category * 16 + industry). Records that were left out count under the action
LEFT_OUT.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from portguard.evidence.rows import LEFT_OUT as LEFT_OUT_KIND
from portguard.evidence.rows import Event, Violation

# An action beside those of policy.reasons, which are frozen and few.
LEFT_OUT: Final = 255
# The signature and port of whatever is beyond the keys that one account may have in an hour of a segment.
OTHERS: Final = "*"
MOST_KEYS: Final = 2000
# What an event says is data from elsewhere; SQLite counts to 2^63.
MOST_CODE: Final = 1 << 16
MOST_COUNT: Final = 1 << 40


class Key(NamedTuple):
    """What a tally is of."""

    hour: int
    code: int
    action: int
    account: str
    enterprise: str
    port: str
    signature: str
    content: int


class Tallies:
    """Counts of one segment since somebody last took them. A sender who invents signatures does not make it grow: the
    keys of an account in an hour are bounded."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int, int, str, str, str, str, int], int] = {}
        self._known: set[tuple[int, int, int, str, str, str, str, int]] = set()
        self._of: dict[tuple[int, str], int] = {}

    def violation(self, row: Violation) -> None:
        """Count a violation."""
        key = (
            int(row.at // 3600), row.code, row.action, row.account, row.enterprise, row.port, row.signature,
            row.content,
        )  # fmt: skip
        self._add(key, 1)

    def event(self, event: Event) -> None:
        """Count what an event says was left out; other events are not counted."""
        if event.kind != LEFT_OUT_KIND:
            return
        account, code, count = (event.fields.get(name) for name in ("account", "code", "count"))
        if not isinstance(account, str) or not isinstance(code, int) or not isinstance(count, int):
            return
        if 0 <= code < MOST_CODE and 0 < count < MOST_COUNT:
            self._add((int(event.at // 3600), code, LEFT_OUT, account, "", "", "", 0), count)

    def _add(self, key: tuple[int, int, int, str, str, str, str, int], count: int) -> None:
        counts = self._counts
        found = counts.get(key)
        if found is not None:
            counts[key] = found + count
            return
        if key not in self._known:
            of = key[0], key[3]
            if self._of.get(of, 0) >= MOST_KEYS:
                key = (*key[:5], OTHERS, OTHERS, key[7])
            else:
                self._of[of] = self._of.get(of, 0) + 1
                self._known.add(key)
        counts[key] = counts.get(key, 0) + count

    def take(self) -> list[tuple[Key, int]]:
        """The counts since the last call."""
        counts, self._counts = self._counts, {}
        return [(Key(*key), count) for key, count in counts.items()]

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        return ((Key(*key), count) for key, count in self._counts.items())
