"""Was the machine itself at full speed? A fixed piece of work, timed every few milliseconds beside the load.

    python benchmarks/witness.py        ten seconds of an idle machine: how much of it was slow

A virtual machine may be braked for tens of milliseconds, to a third or an eighth of its speed, on all cores at once and
without a word in /proc/stat. What is measured then is the machine. The witness asks neither proxy nor traffic: it adds
up numbers and reads the processor time of its own thread, so that a process that takes the core from it does not count.
Beside that it asks how long the machine kept the proxy's core for itself: its kernel looks for memory to give back for
1 to 8 ms at a time.

Nouns: a *look* is one such piece; a *stretch* is the time around looks that took SLOW times what is usual or before
which the core was TAKEN; a *slice* is SLICE seconds of a run, and *sound* if no stretch touches it.
"""

import argparse
import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from time import perf_counter, thread_time
from typing import NamedTuple

LOOK = 2e-3  # seconds between two looks
SLICE = 20e-3
SLOW = 2.5  # times the usual; what neighbours on the host take of a core's units costs up to 1.7
TAKEN = 0.25e-3  # seconds since the look before
_PIECE = range(300)  # some 5 us


class Reading(NamedTuple):
    """Of a run so far, at an instant: messages answered, and CPU seconds by role."""

    at: float
    messages: int
    cpu: dict[str, float]


def look() -> float:
    """CPU seconds of a piece of work; the lesser of two, since an interrupt may hit one."""
    begin = thread_time()
    sum(_PIECE)
    middle = thread_time()
    sum(_PIECE)
    return min(middle - begin, thread_time() - middle)


class Look(NamedTuple):
    """At an instant: CPU seconds that the piece took, and seconds that the core was taken since the look before."""

    at: float
    took: float = 0.0
    taken: float = 0.0


def nothing() -> float:
    """For want of a core that is watched."""
    return 0.0


class Witness:
    """Looks while it is asked to, and takes the readings of a run."""

    def __init__(self) -> None:
        self._usual: list[float] = []
        self._looks: list[Look] = []
        self.stretches: list[tuple[float, float]] = []
        self.readings: list[Reading] = []

    @asynccontextmanager
    async def watching(
        self, read: Callable[[], tuple[int, dict[str, float]]], taken: Callable[[], float] = nothing
    ) -> AsyncIterator[None]:
        """A run: look meanwhile, and read at its beginning, at its end and where a slice ends. `taken`: for how many
        seconds the proxy's core was since it was last asked."""
        self._looks, self.stretches, self.readings = [], [], [Reading(perf_counter(), *read())]
        looking = asyncio.create_task(self._look_on(read, taken))
        try:
            yield
        finally:
            self.readings.append(Reading(perf_counter(), *read()))
            looking.cancel()
        self._judge()

    async def _look_on(
        self, read: Callable[[], tuple[int, dict[str, float]]], taken: Callable[[], float]
    ) -> None:
        while True:
            self._looks.append(Look(perf_counter(), look(), taken()))
            await asyncio.sleep(LOOK)
            if (now := perf_counter()) >= self.readings[-1].at + SLICE:
                self.readings.append(Reading(now, *read()))

    def _judge(self) -> None:
        """Find the stretches: from the look before a slow one to the look after it."""
        self._usual += [one.took for one in self._looks]
        limit = SLOW * median(self._usual)
        self.stretches = []
        looks = [Look(self.readings[0].at), *self._looks, Look(self.readings[-1].at)]
        for before, one, after in zip(looks, looks[1:], looks[2:], strict=False):
            if one.took <= limit and one.taken <= TAKEN:
                continue
            # That a core was taken is known when it is given back.
            since = before.at - one.taken
            while self.stretches and since <= self.stretches[-1][1]:
                since = min(since, self.stretches.pop()[0])
            self.stretches.append((since, after.at))

    def sound(self, since: float, until: float) -> bool:
        """Was it at full speed all the time between two instants?"""
        place = bisect_right(self.stretches, (until, until))
        return place == 0 or self.stretches[place - 1][1] < since

    def slices(self) -> list[tuple[Reading, Reading]]:
        """The sound ones, as readings at their beginning and end."""
        return [(one, other) for one, other in pairwise(self.readings) if self.sound(one.at, other.at)]


async def main() -> None:
    """Says what it saw."""
    witness = Witness()
    async with witness.watching(lambda: (0, {})):
        await asyncio.sleep(10.0)
    lengths = [until - since for since, until in witness.stretches]
    longest = max(lengths, default=0.0)
    share = sum(lengths) / (witness.readings[-1].at - witness.readings[0].at)
    print(f"slow for {share:.1%} of ten seconds: {len(lengths)} times, {longest * 1e3:.0f} ms at the longest")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    asyncio.run(main())
