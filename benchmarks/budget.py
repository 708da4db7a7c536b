"""How the time of a run is shared among its parts.

Noun: a part's *weight*, the seconds it takes on two cores when it has all its rounds. With a budget each part gets its
weight's share of what is left when it begins, so that a part that needs less leaves more to those behind it.
"""

import sys
from math import inf
from time import monotonic

# Beyond its share, until a part is taken for hung: starting things, the last round, ending them.
GRACE = 45.0


class Budget:
    """`seconds` for all parts, 0 for as long as it takes."""

    def __init__(self, seconds: float, weights: dict[str, float]) -> None:
        self._seconds = seconds
        self._waiting = dict(weights)
        self._total = sum(weights.values())
        self._began = monotonic()
        self._part = ""

    def begin(self, part: str) -> tuple[float, float]:
        """(instant by which the part should be over, seconds after which it is given up), monotonic."""
        self._part = part
        share = self._waiting[part] / sum(self._waiting.values())
        del self._waiting[part]
        if not self._seconds:
            return inf, inf
        seconds = max(self._seconds - self.elapsed, 0.0) * share
        return monotonic() + seconds, seconds + GRACE

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._began

    def say(self, line: str) -> None:
        """A line of progress on standard error: time gone, time left as far as it is known, the part, what it did."""
        left = sum(self._waiting.values())
        ahead = f"of {self._seconds:.0f} s" if self._seconds else f"s, {1 - left / self._total:.0%} of the parts begun"
        print(f"[{self.elapsed:4.0f} {ahead}] {self._part:9} {line}", file=sys.stderr, flush=True)
