"""The ESMEs of the benchmark: one run of closed-loop traffic against one proxy, as one line of JSON.

    python load.py PORT PID --connections 8 --window 10 --warm-up 0.5 --seconds 3

Each connection keeps `window` messages outstanding: for each answer that came, the next message goes out, written as
one slice of a prepared buffer. What comes is compared byte for byte. The CPU of the proxy is read here, at the instants
between which the messages are counted.
"""

import argparse
import asyncio
import json
import sys
from functools import partial
from time import perf_counter
from typing import cast

import uvloop

from cpu import cpu_seconds
from ring import Ring
from traffic import ACCOUNTS, PDU_OCTETS, UNBIND_ANSWER, UNBIND_REQUEST, bind_answer, bind_request, reel

LATENCY_EVERY = 61  # messages; a prime, so that it does not keep step with windows or the ring


class Esme(asyncio.Protocol):
    """One connection. `answered` counts, `latencies` are seconds of every LATENCY_EVERYth message."""

    def __init__(self, account: int, window: int) -> None:
        found = reel(account)
        self._requests, self._answers = Ring(found.requests), Ring(found.answers)
        self._answer_octets = found.answer_octets
        self._greeting = bind_request(account)
        self._window = window
        self._octets = 0
        self._begun = b""
        self._goodbye = b""
        self._timed = -1
        self._timed_since = 0.0
        self._sending = True
        self.sent = 0
        self.answered = 0
        self.latencies: list[float] = []
        self.bound = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        if not self.bound.done():
            self._bind(data)
            return
        if not self._sending:
            owed = self.sent * self._answer_octets - self._octets
            self._goodbye += data[owed:]
            data = data[:owed]
            if self._goodbye == UNBIND_ANSWER:
                self._transport.close()
        if self._answers.take(len(data)) != data:
            sys.exit(f"load: not the answers of the SMSC: {data[:64].hex()}")
        self._octets += len(data)
        whole = self._octets // self._answer_octets - self.answered
        self.answered += whole
        if self._timed >= 0 and self.answered > self._timed:
            self.latencies.append(perf_counter() - self._timed_since)
            self._timed = -1
        if self._sending and whole:
            self.send(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.bound.done():
            self.bound.set_exception(ConnectionError("closed before the bind was answered"))
        if not self.ended.done():
            if self.answered == self.sent and not self._sending:
                self.ended.set_result(None)
            else:
                owed = self.sent - self.answered
                self.ended.set_exception(ConnectionError(f"closed with {owed} messages unanswered"))

    def send(self, count: int) -> None:
        """The next `count` messages."""
        if self._timed < 0 and self.sent % LATENCY_EVERY + count >= LATENCY_EVERY:
            self._timed, self._timed_since = self.sent + count - 1, perf_counter()
        self.sent += count
        self._transport.write(self._requests.take(count * PDU_OCTETS))

    def finish(self) -> None:
        """No more messages; unbind once all are answered, which closes the connection."""
        self._sending = False
        self._transport.write(UNBIND_REQUEST)

    def _bind(self, data: bytes) -> None:
        self._begun += data
        if self._begun == bind_answer():
            self.bound.set_result(None)
        elif len(self._begun) >= len(bind_answer()):
            self.bound.set_exception(ConnectionError(f"the bind was answered with {self._begun.hex()}"))


async def run(port: int, pid: int, connections: int, window: int, warm_up: float, seconds: float) -> dict[str, object]:
    """One run. Raises ConnectionError when the proxy does not let it through."""
    loop = asyncio.get_running_loop()
    esmes = [Esme(number % ACCOUNTS, window) for number in range(connections)]
    for esme in esmes:
        await loop.create_connection(partial(_given, esme), "127.0.0.1", port)
        async with asyncio.timeout(10):
            await esme.bound
    for esme in esmes:
        esme.send(window)
    await _while_none_ends(esmes, warm_up)
    for esme in esmes:
        esme.latencies.clear()
    before, cpu, since = _answered(esmes), cpu_seconds(pid), perf_counter()
    await _while_none_ends(esmes, seconds)
    messages, spent, lasted = _answered(esmes) - before, cpu_seconds(pid) - cpu, perf_counter() - since
    latencies = sorted(latency for esme in esmes for latency in esme.latencies)
    for esme in esmes:
        esme.finish()
    async with asyncio.timeout(10):
        await asyncio.gather(*(esme.ended for esme in esmes))
    return {
        "messages": messages,
        "seconds": lasted,
        "rate": messages / lasted,
        "cpu_us": spent / messages * 1e6,
        "cpu_share": spent / lasted,
        "p50_ms": _percentile(latencies, 0.5),
        "p99_ms": _percentile(latencies, 0.99),
    }


def _given(esme: Esme) -> Esme:
    return esme


async def _while_none_ends(esmes: list[Esme], seconds: float) -> None:
    ended, _ = await asyncio.wait([esme.ended for esme in esmes], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in ended:
        one.result()


def _answered(esmes: list[Esme]) -> int:
    return sum(esme.answered for esme in esmes)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3 if ordered else 0.0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("pid", type=int)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--warm-up", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    try:
        found = uvloop.run(
            run(given.port, given.pid, given.connections, given.window, given.warm_up, given.seconds)
        )
    except (ConnectionError, TimeoutError) as error:
        sys.exit(f"load: {error or 'no answer to a bind, or not to the last messages'}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
