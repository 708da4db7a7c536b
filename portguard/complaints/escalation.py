"""From counts to levels: what a target's complaints amount to, and when a term begins, goes on or ends.

Nouns: a *finding* is a level with the threshold that was reached and the numbers that reached it; *penalties* are the
levels that keep messages back, throttle and suspend.

How it decides. Complaints (of different subscribers) are held against what was delivered in the same hour, day and
month. The highest level of which one threshold is reached is imposed for its term; a higher one may follow within it.
At the end of a term the level is imposed anew while the numbers are still at `keep` times its threshold; else the
target falls to whatever lower level they still bear out in that way, or to none. A target that was kept back delivers
little, and its old complaints would condemn it for as long as a window is: so complaints from before a penalty count
for no second one once it is over. They go on counting for watch and tag.
"""

from collections.abc import Callable
from math import ceil
from typing import Final

from msgspec import Struct

from portguard.complaints.options import LEVELS, WINDOWS, ComplaintsOptions
from portguard.complaints.store import Target

PENALTIES: Final = ("throttle", "suspend")
RANK: Final = {level: rank for rank, level in enumerate(LEVELS)}
_HOURS: Final = {"hour": "an hour", "day": "24 hours", "month": "30 days"}

# (window, only complaints that no penalty has used up) -> (complaints, delivered)
Counts = Callable[[str, bool], tuple[int, int]]


class Finding(Struct, frozen=True):
    """`level` was reached in `window`: `per_million` of at least the threshold's."""

    level: str
    window: str
    complaints: int
    delivered: int
    per_million: float
    threshold: float

    def __str__(self) -> str:
        of = f"{self.delivered:,} delivered" if self.delivered else "nothing delivered"
        return (
            f"{self.complaints:,} complaints in {_HOURS[self.window]}, {of}: {self.per_million:.3g} per million "
            f"({self.level} from {self.threshold:g})"
        )


def rate(options: ComplaintsOptions, complaints: int, delivered: int) -> float:
    """Complaints per million messages that all nodes delivered, of `least_delivered` at least."""
    return complaints * 1e6 / max(delivered * options.nodes, options.least_delivered)


def find(options: ComplaintsOptions, counts: Counts, highest: str, factor: float = 1.0) -> Finding | None:
    """The highest level, up to `highest`, of which a threshold is reached; `factor` times its numbers are enough."""
    for level in reversed(LEVELS[1 : RANK[highest] + 1]):
        for window in WINDOWS:
            threshold = getattr(options.level(level), window)
            if isinstance(threshold, str):
                continue
            complaints, delivered = counts(window, level in PENALTIES)
            per_million = rate(options, complaints, delivered)
            if complaints >= ceil(threshold.complaints * factor) and per_million >= threshold.per_million * factor:
                return Finding(level, window, complaints, delivered, per_million, threshold.per_million * factor)
    return None


def impose(options: ComplaintsOptions, target: Target, finding: Finding, now: float) -> Target:
    """The target at the level found, from now for its term."""
    until = now + options.level(finding.level).hours * 3600
    return target._replace(level=finding.level, since=now, until=until, reason=str(finding))


def served(target: Target) -> Target:
    """The target at the end of its term, with what it has been punished for used up."""
    return target._replace(used=max(target.used, target.since)) if target.level in PENALTIES else target
