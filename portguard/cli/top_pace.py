"""From two snapshots to what goes on between them: rates, shares of a core, latencies.

Nouns: a *pace* is what happened per second; a *moment* is a snapshot with its pace. Counters that went back, as they do
when the daemon was started again, begin anew.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from portguard.cli.printable import printable
from portguard.daemon.snapshot import Snapshot, Times, Verdicts

REFUSED: Final = "reject"


class Latency(Struct, frozen=True):
    """Upper bounds in seconds of half, of 99 in 100, and of the slowest of `count` observations; None where it is
    above what is told apart, or where there was none."""

    count: int = 0
    p50: float | None = None
    p99: float | None = None
    worst: float | None = None
    above: float = 0.0


class RuleRate(Struct, frozen=True):
    """Messages a second that a rule decided, and how many since the start."""

    rule: str
    action: str
    per_second: float
    count: int


class Pace(Struct, frozen=True):
    """Between two snapshots, `seconds` apart. `messages` a second by action; `cpu` shares of a core by process."""

    seconds: float
    messages: dict[str, float]
    rules: list[RuleRate]
    decision: Latency
    relay: Latency
    smsc: Latency
    cpu: dict[str, float]


class Moment(Struct, frozen=True):
    """A snapshot; its pace is None while there is only one."""

    now: Snapshot
    pace: Pace | None = None


def moment(before: Snapshot | None, now: Snapshot) -> Moment:
    """What there is to show, after what was shown before."""
    if before is None or before.pid != now.pid or now.clock <= before.clock:
        return Moment(now)
    seconds = now.clock - before.clock
    counted = {(one.action, one.rule): one.count for one in before.messages}

    def rate(one: Verdicts) -> float:
        return max(one.count - counted.get((one.action, one.rule), 0.0), 0.0) / seconds

    messages = {"allow": 0.0, "monitor": 0.0, "tag": 0.0, "discard": 0.0, REFUSED: 0.0}
    rules = []
    for one in now.messages:
        messages[one.action] = messages.get(one.action, 0.0) + rate(one)
        if one.rule:
            rules.append(RuleRate(one.rule, one.action, round(rate(one), 3), int(one.count)))
    rules.sort(key=lambda one: (-one.per_second, -one.count, one.rule))
    lives = {(one.name, one.pid): one.cpu_seconds for one in before.processes}
    cpu = {
        one.name: round(max(one.cpu_seconds - lives[one.name, one.pid], 0.0) / seconds, 4)
        for one in now.processes if (one.name, one.pid) in lives
    }  # fmt: skip
    return Moment(now, Pace(
        round(seconds, 3), {action: round(found, 3) for action, found in messages.items()}, rules,
        latency(before.decision, now.decision), latency(before.relay, now.relay), latency(before.smsc, now.smsc), cpu,
    ))


def latency(before: Times, now: Times) -> Latency:
    """Of what was observed between two readings of a histogram."""
    counts = now.counts
    if len(before.counts) == len(counts):
        counts = [max(count - old, 0) for old, count in zip(before.counts, counts, strict=True)]
    total = sum(counts)
    if not total:
        return Latency()
    bounds: list[float | None] = [*now.seconds, None]

    def bound(rank: float) -> float | None:
        so_far = 0
        for limit, count in zip(bounds, counts, strict=True):
            so_far += count
            if so_far >= rank:
                return limit
        return None

    return Latency(total, bound(total * 0.5), bound(total * 0.99), bound(total), now.seconds[-1])


def as_json(found: Moment) -> str:
    """One line: the snapshot's fields, and `pace`. What a terminal must not see is escaped."""
    fields: dict[str, Any] = msgspec.to_builtins(found.now)
    fields["pace"] = msgspec.to_builtins(found.pace)
    return printable(msgspec.json.encode(fields).decode())
