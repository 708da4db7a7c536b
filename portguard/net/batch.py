"""Micro-batches: after a poll that brought data the process sleeps a little, so that the next poll brings more.

A message costs mostly wake-ups, reads and writes; of messages that come in one read, only the first pays those. Polls
are kept a `period` apart: what came is handled and written, and what is left of the period is slept. Data that comes
after a longer silence finds no sleep before it, so a quiet link waits for nothing.

Nouns: a *window* is a stretch of time with one period throughout, 0 for no sleeping; a *trial* compares windows of two
periods; between trials it *rests*, and looks every SLICE whether the traffic is still what was tried. The `Controller`
decides, without a clock or a socket; `Batch` sleeps.
"""

import asyncio
import ctypes
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Final, NamedTuple

from portguard.relay.flow import Arrivals

PERIOD: Final = 1.1e-3
# Shorter where more than AMPLE octets, some 175 messages with their answers, would come meanwhile: that many share the
# wake-ups already, and larger batches take longer and leave the caches. So at 250,000 messages a second it is 0.7 ms.
AMPLE: Final = 35_000
SHORTEST: Final = 0.25e-3
# Where a PERIOD has MANY reads or more: so many connections share the traffic that a message may have its reads and
# writes to itself.
LONG_PERIOD: Final = 3.2e-3
MANY: Final = 32
# A sleep shorter than this is not worth its system call.
_LEAST: Final = 30e-6
_PR_SET_TIMERSLACK: Final = 29

# Of a window, in periods of the longer one of its trial, but at least PERIOD.
WINDOW: Final = 10
# The first period and the second in turn; mirrored, so that a load that grows or falls meanwhile favours neither.
TRIAL: Final = (0, 1, 1, 0, 1, 0, 0, 1)
# After so many windows a trial is over if throughput has clearly fallen in all: senders that wait pay for every one.
EARLY: Final = 3
CLEARLY: Final = 0.3
# Sleeping has to save this share of the CPU per octet, and sleeping longer that share of what is left; it may not cost
# more than LOSS of the throughput: senders that wait for answers before they send on would be slowed down by it.
SAVING: Final = 0.2
MORE: Final = 0.1
LOSS: Final = 0.1
# Below so many reads a second there is nothing to save, and not much where a read brings so many octets anyhow.
QUIET: Final = 1000.0
FULL: Final = 4096
# While it sleeps: where throughput is lower by this share than it was without, it is tried again at once.
FALLEN: Final = 0.25
# Rests, the first and the longest; each is twice the one before while trials end alike.
ON_SECONDS: Final = (2.0, 8.0)
OFF_SECONDS: Final = (0.5, 16.0)
# After quiet.
FIRST_SECONDS: Final = 0.1
SLICE: Final = 0.05
# Traffic that grows or falls by this factor is another, for which the last trial says nothing.
CHANGED: Final = 2.0


class Window(NamedTuple):
    """What there was in one."""

    seconds: float
    spent: float
    octets: int
    reads: int


def fitting(octets: float) -> float:
    """The period for so many octets a second."""
    return min(PERIOD, max(SHORTEST, AMPLE / max(octets, 1.0)))


class Controller:
    """Is sleeping worth it? Call `step` when the seconds it returned the last time are over; `period` says what to
    do."""

    def __init__(self) -> None:
        self.period = 0.0
        self._rest = 0.0
        self._left = FIRST_SECONDS
        # Octets a second in the first slice after the trial, and without sleeping.
        self._tried = -1.0
        self._unslept = 0.0
        # What the trial compares, the period that fits what comes, the windows of both so far, and whether there was
        # sleeping before it.
        self._periods = (0.0, PERIOD)
        self._fitting = PERIOD
        self._windows: tuple[list[Window], list[Window]] = ([], [])
        self._place = -1
        self._slept = False
        self._seen = (0.0, 0.0, 0, 0)

    def step(self, now: float, cpu: float, octets: int, reads: int) -> float:
        """Seconds until the next call. So far this thread used `cpu` seconds, and `octets` came by so many `reads`."""
        before, self._seen = self._seen, (now, cpu, octets, reads)
        seconds = max(now - before[0], 1e-9)
        if self._place < 0:
            return self._rested((octets - before[2]) / seconds, (reads - before[3]) / seconds, seconds)
        window = Window(seconds, cpu - before[1], octets - before[2], reads - before[3])
        self._windows[TRIAL[self._place]].append(window)
        self._place += 1
        if self._place < len(TRIAL) and not (self._place == EARLY and self._holds_up()):
            return self._window()
        return self._judge()

    def _rested(self, octets: float, reads: float, seconds: float) -> float:
        """Another slice is over, in which so many octets came by so many reads a second. Begin a trial when it is time,
        unless there is nothing to save."""
        self._left -= seconds
        if self.period == self._fitting:
            self.period = fitting(octets)
        self._fitting = fitting(octets)
        if reads < QUIET:
            self.period = 0.0
            self._rest, self._left = 0.0, FIRST_SECONDS
            self._tried = -1.0
            return SLICE
        if self.period and octets < (1 - FALLEN) * self._unslept:
            # Less comes than the trial saw without sleeping: noise misled it, or these senders wait for answers.
            self._rest, self._left = 0.0, 0.0
        elif self._tried < 0.0:
            self._tried = octets
        elif not self._tried / CHANGED <= octets <= self._tried * CHANGED:
            # Where it sleeps, at once: who waits for answers may be the new one. Else not more often than this.
            self._rest = 0.0
            self._left = 0.0 if self.period else min(self._left, OFF_SECONDS[0])
            self._tried = octets
        if self._left > 0.0 or (not self.period and octets > FULL * reads):
            return SLICE
        self._slept = self.period > 0.0
        return self._try(0.0, self._fitting)

    def _try(self, one: float, other: float) -> float:
        """Begin a trial of two periods."""
        self._periods = (one, other)
        self._windows = ([], [])
        self._place = 0
        return self._window()

    def _window(self) -> float:
        self.period = self._periods[TRIAL[self._place]]
        return WINDOW * max(PERIOD, *self._periods)

    def _judge(self) -> float:
        """The end of a trial; of the first of two where longer sleeps may be worth it."""
        self._place = -1
        first = self._periods[1] == self._fitting
        self.period = self._periods[int(self._worth_it(MORE if self._periods[0] else SAVING))]
        if first:
            self._unslept = self._throughput(0)
            if not self._falls(LOSS) and self._reads(1) * self._fitting >= MANY:
                return self._try(self.period, LONG_PERIOD)
        self._tried = -1.0
        shortest, longest = ON_SECONDS if self.period else OFF_SECONDS
        alike = self._slept == (self.period > 0.0)
        self._left = self._rest = min(max(self._rest * 2, shortest), longest) if alike else shortest
        return SLICE

    # Medians: in one window the machine may have had something else to do.

    def _throughput(self, kind: int) -> float:
        """Octets a second."""
        return median(window.octets / window.seconds for window in self._windows[kind])

    def _reads(self, kind: int) -> float:
        """Reads a second."""
        return median(window.reads / window.seconds for window in self._windows[kind])

    def _cost(self, kind: int) -> float:
        """CPU seconds an octet."""
        return median(window.spent / max(window.octets, 1) for window in self._windows[kind])

    def _worth_it(self, saving: float) -> bool:
        if not self._throughput(0) or not self._throughput(1):
            return False
        return self._cost(1) <= (1 - saving) * self._cost(0) and not self._falls(LOSS)

    def _holds_up(self) -> bool:
        """Has throughput clearly fallen, in every window so far?"""
        best = [max(window.octets / window.seconds for window in windows) for windows in self._windows]
        return best[1] < (1 - CLEARLY) * best[0]

    def _falls(self, share: float) -> bool:
        """Is throughput with the second period lower by more than this share?"""
        return self._throughput(1) < (1 - share) * self._throughput(0)


class Batch:
    """Sleeps for one event loop. Every leg that has read something says so to `arrivals`, and the first to do so after
    a poll has the loop sleep, once all are handled and written: what a callback wants done soon comes after the poll's
    other callbacks and their writes.

    `microseconds`: the period; 0: never; None: as the Controller finds it worth it.
    """

    def __init__(
        self,
        microseconds: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.arrivals = Arrivals()
        self.period = (microseconds or 0) / 1e6
        self._controller = Controller() if microseconds is None else None
        self._wait = sleep
        self._clock = clock
        self._woke = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """On the running loop, whose thread's timers are made exact."""
        self.arrivals.tell = partial(asyncio.get_running_loop().call_soon, self._sleep)
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0)
        if self._controller is not None:
            self._step(self._controller)

    def stop(self) -> None:
        """Sleep no more."""
        self.period = 0.0
        if self._timer is not None:
            self._timer.cancel()

    @property
    def period(self) -> float:
        """Seconds from poll to poll; 0 for no sleeping."""
        return self._period

    @period.setter
    def period(self, seconds: float) -> None:
        self._period = seconds
        self.arrivals.wants = seconds > 0.0

    def _sleep(self) -> None:
        self.arrivals.told = False
        left = self._woke + self._period - self._clock()
        if left > _LEAST:
            self._wait(left)
        self._woke = self._clock()

    def _step(self, controller: Controller) -> None:
        pause = controller.step(self._clock(), time.thread_time(), self.arrivals.octets, self.arrivals.reads)
        self.period = controller.period
        self._timer = asyncio.get_running_loop().call_later(pause, self._step, controller)
