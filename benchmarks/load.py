"""The ESMEs of the benchmark: connections that send a reel and compare what comes back octet by octet.

Closed loop: each connection keeps `window` messages outstanding; for each answer that came, the next message goes out,
written as one slice of a prepared buffer. Paced: message m goes out at the instant m / rate, on the next connection in
turn, whatever has come back; its latency counts from that instant, so that a stall is paid by all who wait in it.
"""

import asyncio
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from time import perf_counter
from typing import cast

from answers import answers_to
from reels import reel
from ring import Mismatch, Ring
from sink import REWORDED
from timer import Ticks
from traffic import ACCOUNTS, UNBIND_REQUEST, bind_answer, bind_request

LATENCY_EVERY = 61  # messages; a prime, so that it does not keep step with windows or the ring
TICK = 50e-6  # between two looks at the clock when pacing
CONNECTING = 30.0
AT_ONCE = 50


@dataclass(frozen=True)
class Traffic:
    """What is sent: `window` messages outstanding on each connection, or `rate` messages a second over all.

    `about` is what `reels.reel` wants to know of the kind; `reworded` is `permitted` through a proxy that numbers anew.
    """

    connections: int = 8
    window: int = 0
    rate: float = 0.0
    kind: str = "permitted"
    about: str = ""


class Esme(asyncio.Protocol):
    """One connection. `answered` counts; `trace` has (instant, numbers of what was answered) when paced, and in closed
    loop (instant, latency) of every LATENCY_EVERYth message."""

    def __init__(self, number: int, traffic: Traffic) -> None:
        account = number % ACCOUNTS
        self._reworded = traffic.kind == REWORDED
        found = reel(account, "permitted" if self._reworded else traffic.kind, traffic.about)
        self._requests = Ring(found.requests)
        self._answers = answers_to(found, self._reworded)
        self._greeting = bind_request(account, traffic.kind, traffic.about)
        self._patient = self._reworded
        self._closed_loop = traffic.window > 0
        # Paced: the nth message of this connection is due at `first` + n * `step`.
        self.first = 0.0
        self.step = 0.0
        self._begun = b""
        self._timed = -1
        self._timed_since = 0.0
        self._sending = True
        self.sent = 0
        self.answered = 0
        self.trace: list[tuple[float, Sequence[int] | float]] = []
        self.bound = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        if not self.bound.done():
            self._bind(data)
            return
        try:
            numbers = self._answers.take(data)
        except Mismatch as error:
            self.fail(error)
            return
        self.answered += len(numbers)
        self._time(numbers)
        if self._answers.ended:
            self._transport.close()
        elif self._patient and not self._sending and self.answered == self.sent:
            self._transport.write(UNBIND_REQUEST)
        elif self._sending and self._closed_loop and numbers:
            self.send(len(numbers))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.bound.done():
            self.bound.set_exception(ConnectionError("closed before the bind was answered"))
        if not self.ended.done():
            if self.answered == self.sent and not self._sending:
                self.ended.set_result(None)
            else:
                self.fail(ConnectionError(f"closed with {self.sent - self.answered} messages unanswered"))

    def fail(self, error: Exception) -> None:
        """Something was lost or changed."""
        if not self.ended.done():
            self.ended.set_exception(error)

    def send(self, count: int) -> None:
        """The next `count` messages."""
        if self._closed_loop and self._timed < 0 and self.sent % LATENCY_EVERY + count >= LATENCY_EVERY:
            self._timed, self._timed_since = self.sent + count - 1, perf_counter()
        self.sent += count
        self._transport.write(self._requests.take(count))

    def finish(self) -> None:
        """No more messages, and unbind: with messages unanswered, unless the proxy could not bear that."""
        self._sending = False
        if not self._patient or self.answered == self.sent:
            self._transport.write(UNBIND_REQUEST)

    def abort(self) -> None:
        """Close at once."""
        if not self.ended.done():
            self.ended.cancel()
        if hasattr(self, "_transport"):
            self._transport.abort()

    def latencies(self, since: float, until: float) -> Iterator[tuple[float, float]]:
        """(instant, latency) in seconds of what was answered between two instants."""
        for at, what in self.trace:
            if not since <= at < until:
                continue
            if isinstance(what, float):
                yield at, what
            else:
                yield from ((at, at - self.first - number * self.step) for number in what)

    def _time(self, numbers: Sequence[int]) -> None:
        if self.step:
            self.trace.append((perf_counter(), numbers))
        elif self._timed >= 0 and self._timed in numbers:
            now = perf_counter()
            self.trace.append((now, now - self._timed_since))
            self._timed = -1

    def _bind(self, data: bytes) -> None:
        self._begun += data
        if len(self._begun) < 4 or len(self._begun) < int.from_bytes(self._begun[:4]):
            return
        sound = self._begun[8:12] == bytes(4) if self._reworded else self._begun == bind_answer()
        if sound:
            self.bound.set_result(None)
        else:
            self.bound.set_exception(ConnectionError(f"the bind was answered with {self._begun.hex()}"))


class Pacer:
    """Sends at a rate. `late` are seconds by which it came to a message after its instant: the load generator's own."""

    def __init__(self, esmes: list[Esme], rate: float) -> None:
        self._esmes = esmes
        self._rate = rate
        self._start = perf_counter()
        self._sent = 0
        self._ticks = Ticks(max(TICK, 1 / rate))
        self.late = array("d")
        for number, esme in enumerate(esmes):
            esme.first, esme.step = self._start + number / rate, len(esmes) / rate
        asyncio.get_running_loop().add_reader(self._ticks.fd, self._tick)

    def stop(self) -> None:
        """Send nothing more."""
        asyncio.get_running_loop().remove_reader(self._ticks.fd)
        self._ticks.close()

    def _tick(self) -> None:
        self._ticks.take()
        now = perf_counter() - self._start
        due = int(now * self._rate) + 1
        count, many = due - self._sent, len(self._esmes)
        if count > 0:
            self.late.append(now - self._sent / self._rate)
            each, further = divmod(count, many)
            for place in range(self._sent, self._sent + min(count, many)):
                self._esmes[place % many].send(each + 1 if place < self._sent + further else each)
            self._sent = due


async def connect(esmes: list[Esme], ports: list[int]) -> None:
    """Connect and bind them all, AT_ONCE at a time, to one port after another. Raises ConnectionError, TimeoutError."""
    loop = asyncio.get_running_loop()

    async def one(place: int, esme: Esme) -> None:
        await loop.create_connection(lambda: esme, "127.0.0.1", ports[place % len(ports)])
        await esme.bound

    for start in range(0, len(esmes), AT_ONCE):
        async with asyncio.timeout(CONNECTING):
            await asyncio.gather(*starmap(one, enumerate(esmes[start : start + AT_ONCE], start)))


async def finish(esmes: list[Esme]) -> None:
    """Let every connection get what it is owed. Raises ConnectionError, TimeoutError."""
    for esme in esmes:
        esme.finish()
    async with asyncio.timeout(CONNECTING):
        await asyncio.gather(*(esme.ended for esme in esmes))
