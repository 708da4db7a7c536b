"""Which messages of recent traffic would be judged otherwise under a candidate: counts, and examples of each kind.

Makes an `admin.comparison.ShadowDiff`, message by message. What is shown is bounded, what is counted is not.
"""

from collections import Counter
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from portguard.admin.comparison import Example, Moved, RuleCount, ShadowDiff, Transition, Verdict
from portguard.policy.reasons import ACTION_NAMES, ALLOW, CATALOGUE, DISCARD
from portguard.policy.record import NO_RULE, Label
from portguard.sms.category import CATEGORY_NAMES, INDUSTRY_NAMES
from portguard.telemetry.log import mask

EXAMPLES: Final = 3
MOST_ROWS: Final = 50
_LONGEST_TEXT: Final = 80
_NOBODY: Final = Label()


class Judged(NamedTuple):
    """A verdict that is not a plain allow; `rule` is an ordinal or NO_RULE, `content` category * 16 + industry."""

    action: int
    rule: int
    content: int
    label: Label


ALLOWED: Final = Judged(ALLOW, NO_RULE, 0, _NOBODY)


class Sighting(NamedTuple):
    """A message for people: `at` epoch seconds, subscriber and text as they were sent."""

    at: float
    account: str
    number: str
    subscriber: str
    text: str


class Differences:
    """Takes messages one by one and gives a ShadowDiff."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._transitions: Counter[tuple[int, int, int, int]] = Counter()
        self._examples: dict[tuple[int, int, int, int], list[Example]] = {}
        self._rules: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        self._accounts: Counter[tuple[str, int]] = Counter()
        self._signatures: Counter[tuple[str, int]] = Counter()

    def add(self, old: Judged, new: Judged) -> bool:
        """One message's verdicts; True when they differ and `show` should get the message, for an example."""
        self._rules[0][old.rule] += 1
        self._rules[1][new.rule] += 1
        if old.action == new.action and old.rule == new.rule:
            return False
        kind = old.action, old.rule, new.action, new.rule
        self._transitions[kind] += 1
        way = (new.action >= DISCARD) - (old.action >= DISCARD)
        label = old.label if new.label is _NOBODY else new.label
        self._accounts[label.account, way] += 1
        self._signatures[label.signature, way] += 1
        return len(self._examples.setdefault(kind, [])) < EXAMPLES

    def show(self, old: Judged, new: Judged, message: Sighting) -> None:
        """The message whose verdicts these are."""
        known = old if new.label is _NOBODY else new
        category, industry = CATEGORY_NAMES[known.content >> 4], INDUSTRY_NAMES[known.content & 15]
        text = "".join("#" if character.isdigit() else character for character in message.text)
        self._examples[old.action, old.rule, new.action, new.rule].append(Example(
            self._time(message.at), message.account, message.number, mask(message.subscriber), known.label.signature,
            f"{category}/{industry}" if industry else category,
            text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…",
        ))

    def result(
        self, messages: int, period: tuple[float, float], seconds: float, *, complete: bool, left_out: int
    ) -> ShadowDiff:
        """Everything so far; `period` in epoch seconds."""
        common = self._transitions.most_common(MOST_ROWS)
        transitions = [
            Transition(_verdict(*kind[:2]), _verdict(*kind[2:]), count, self._examples[kind]) for kind, count in common
        ]
        return ShadowDiff(
            messages, self._time(period[0]), self._time(period[1]), round(seconds, 3), complete, left_out,
            self._transitions.total(), _ways(self._accounts, 1), _ways(self._accounts, -1), transitions,
            self._rule_counts(), _moved(self._accounts), _moved(self._signatures),
        )

    def _rule_counts(self) -> list[RuleCount]:
        old, new = self._rules
        return [
            RuleCount(rule.name, rule.code, old[ordinal], new[ordinal])
            for ordinal, rule in enumerate(CATALOGUE)
            if old[ordinal] or new[ordinal]
        ]

    def _time(self, at: float) -> str:
        return datetime.fromtimestamp(at, self._zone).isoformat(timespec="milliseconds") if at else ""


def _verdict(action: int, rule: int) -> Verdict:
    if rule == NO_RULE:
        return Verdict(ACTION_NAMES[action], "", 0)
    return Verdict(ACTION_NAMES[action], CATALOGUE[rule].name, CATALOGUE[rule].code)


def _ways(counts: Counter[tuple[str, int]], way: int) -> int:
    return sum(count for (_, to), count in counts.items() if to == way)


def _moved(counts: Counter[tuple[str, int]]) -> list[Moved]:
    """The names with the most changes first."""
    totals: Counter[str] = Counter()
    for (name, _), count in counts.items():
        totals[name] += count
    return [Moved(name, total, counts[name, 1], counts[name, -1]) for name, total in totals.most_common(MOST_ROWS)]

