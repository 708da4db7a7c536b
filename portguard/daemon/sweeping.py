"""Sweeps: what the path has tallied since the last one is told every ten seconds, a little at a time.

Knows the tallies of one worker (`policy.counters.Tallies`), and not who is told.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from portguard.policy.counters import Tallies

TALLY_SECONDS: Final = 10.0
# What a worker tallies at the most between two sweeps, and all of them: the main process takes 8 us a row of more
# ports and signatures than the signs can remember, and 18 us a row of fewer.
MOST_TALLIES: Final = 100_000
MOST_OF_ALL: Final = 200_000
# Told at once, in some 80 us, in which no message passes. In smaller parts it is the telling that costs: with 100 at
# once it took a worker 1.7 times as long in all.
AT_ONCE: Final = 250
# Between two parts. Of many rows the parts come closer, but still take this share of the time until the next sweep:
# told as fast as they go, they would keep the main process at work for seconds, and it then does nothing else.
BETWEEN_SECONDS: Final = 0.05
SPREAD: Final = 0.8

# Tells some rows (`policy.tally.rows`); False when there is no room for more.
Tell = Callable[[bytes], bool]


def most_tallies(workers: int) -> int:
    """What each of so many workers tallies at the most between two sweeps."""
    return min(MOST_TALLIES, MOST_OF_ALL // workers)


def pause(rows: int, seconds: float) -> float:
    """Seconds between the parts of a sweep of so many rows, where sweeps are so many seconds apart."""
    return min(BETWEEN_SECONDS, SPREAD * seconds * AT_ONCE / max(rows, 1))


async def keep_sweeping(tallies: Tallies, tell: Tell, seconds: float = TALLY_SECONDS) -> None:
    """Sweep for ever. Once `tell` is not true no more is taken: the rest leaves before the next sweep."""
    while True:
        began = monotonic()
        tallies.sweep()
        between = pause(tallies.leaving(), seconds)
        while rows := tallies.take(AT_ONCE):
            if not tell(rows):
                break
            await asyncio.sleep(between)
        await asyncio.sleep(max(seconds - (monotonic() - began), between))


def sweep_all(tallies: Tallies, tell: Tell) -> None:
    """Tell at once whatever is tallied, that of a sweep under way included, as much as there is room for."""
    while tallies.told < tallies.end:
        tallies.sweep()
        if not tell(tallies.take(AT_ONCE)):
            break
