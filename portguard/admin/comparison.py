"""A candidate beside what serves: the rows that differ, and what would become of recent traffic.

Nouns: a *transition* is a pair of different verdicts, before and after; an *example* is a message that makes it, its
subscriber masked and the digits of its text hidden.
"""

from typing import Final

import msgspec

from portguard.registry.diff import RegistryDiff


class Verdict(msgspec.Struct, frozen=True):
    """`rule` is "" and `code` 0 for allow and for a decision that failed."""

    action: str
    rule: str
    code: int


class Example(msgspec.Struct, frozen=True):
    """One message. `text` shows its beginning, digits as #."""

    at: str
    account: str
    number: str
    subscriber: str
    signature: str
    category: str
    text: str


class Transition(msgspec.Struct, frozen=True):
    """So many messages would get `new` in place of `old`."""

    old: Verdict
    new: Verdict
    messages: int
    examples: list[Example]


class Moved(msgspec.Struct, frozen=True):
    """Messages of one account, or under one signature ("" for none), whose verdict changes."""

    name: str
    changed: int
    newly_refused: int
    newly_passed: int


class RuleCount(msgspec.Struct, frozen=True):
    """Messages whose verdict names the rule, before and after."""

    rule: str
    code: int
    old: int
    new: int


class ShadowDiff(msgspec.Struct, frozen=True):
    """`messages` (a long one counts once) of the time from `since` to `until` were judged under both revisions;
    `changed` of them would get another verdict: `newly_refused` would be rejected or discarded and were not,
    `newly_passed` the other way round. `complete` is False when time ran out. `left_out`: PDUs that cannot be judged
    again."""

    messages: int
    since: str
    until: str
    seconds: float
    complete: bool
    left_out: int
    changed: int
    newly_refused: int
    newly_passed: int
    transitions: list[Transition]
    rules: list[RuleCount]
    accounts: list[Moved]
    signatures: list[Moved]


_NOTHING: Final = RegistryDiff("", "", {}, [])


class Comparison(msgspec.Struct, frozen=True):
    """A candidate beside what serves: its rows, and recent traffic under it (None where there was none). Or the `error`
    that kept them from being compared."""

    registry: RegistryDiff = _NOTHING
    traffic: ShadowDiff | None = None
    error: str = ""
