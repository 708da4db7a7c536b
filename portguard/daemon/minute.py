"""What each account has sent in the last minute, from the workers' sweeps of tallies: for people who look.

A sweep says what came since the one before, so a minute is the sum of those that are not older than one.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from portguard.policy.tally import TallyRow

SECONDS: Final = 60.0
# Sweeps come by parts; those of one second are kept as one.
STEP: Final = 1.0

# submitted, refused, tagged, delivered, failed
Use = list[int]


class Minute:
    """`hear` the rows of a sweep, `read` the sums by account. Holds what a minute's accounts take, and no more."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, dict[str, Use]]] = deque()

    def hear(self, rows: Iterable[TallyRow], now: float) -> None:
        """A part of a sweep came at `now` (monotonic)."""
        self._forget(now)
        if not self._steps or now - self._steps[-1][0] >= STEP:
            self._steps.append((now, {}))
        of = self._steps[-1][1]
        for row in rows:
            use = of.get(row.account)
            if use is None:
                use = of[row.account] = [0, 0, 0, 0, 0]
            use[0] += row.submitted
            use[1] += row.refused
            use[2] += row.tagged
            use[3] += row.delivered
            use[4] += row.failed

    def read(self, now: float) -> dict[str, Use]:
        """Messages by account of the minute before `now`: submitted, refused, tagged, delivered, failed."""
        self._forget(now)
        found: dict[str, Use] = {}
        for _, of in self._steps:
            for account, use in of.items():
                before = found.get(account, [0, 0, 0, 0, 0])
                found[account] = [one + other for one, other in zip(before, use, strict=True)]
        return found

    def _forget(self, now: float) -> None:
        while self._steps and now - self._steps[0][0] >= SECONDS:
            self._steps.popleft()
