"""Time for what lasts hours and days: epoch seconds that do not follow a clock that jumps.

A suspension must not end, nor a month of complaints become old, because somebody set the clock wrong. The clock is
followed while it goes on as time does; where it jumps, time goes on by itself, until the clock has stayed where it
jumped to for an hour: then it was wrong before, or the machine slept. At the start it is believed.
"""

from collections.abc import Callable
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

JUMP: Final = 60.0
BELIEVED: Final = 3600.0


class Clock:
    """`jumped(seconds)` is told of each jump, once."""

    def __init__(
        self,
        jumped: Callable[[float], None] = lambda seconds: None,
        wall: Callable[[], float] = time,
        steady: Callable[[], float] = lambda: clock_gettime(CLOCK_BOOTTIME),
    ) -> None:
        self._jumped = jumped
        self._wall = wall
        self._steady = steady
        self._at = wall(), steady()
        # How far off the clock is, and since when it has been that.
        self._off: tuple[float, float] | None = None

    def now(self) -> float:
        """Epoch seconds."""
        wall, steady = self._wall(), self._steady()
        expected = self._at[0] + steady - self._at[1]
        off = wall - expected
        if abs(off) <= JUMP:
            self._at, self._off = (wall, steady), None
            return wall
        if self._off is None or abs(off - self._off[0]) > JUMP:
            self._off = off, steady
            self._jumped(off)
        elif steady - self._off[1] >= BELIEVED:
            self._at, self._off = (wall, steady), None
            return wall
        return expected

    def off(self) -> float:
        """How many seconds the clock is ahead of `now`; 0 while it is followed."""
        self.now()
        return 0.0 if self._off is None else self._off[0]
