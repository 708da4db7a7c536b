"""Load and sink of the benchmark in one process, on one core; it takes orders as lines of JSON and answers with lines.

    python crew.py          says {"sink": PORT}, then carries out one order after another

One process, so that they do not wait for each other's share of the core. An order is an `Order` as JSON; the answer has
what was measured, or {"error": ...} when something was lost, doubled or changed on the way.
"""

import asyncio
import contextlib
import gc
import sys
import time
from array import array
from collections.abc import Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import uvloop

from cpu import Kept, Meter, sharp_timers
from load import Esme, Pacer, Traffic, connect, finish
from reels import reel
from ring import Mismatch
from sink import REWORDED, Sink
from traffic import ACCOUNTS
from witness import Witness, nothing


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """Traffic through the proxy at `ports`, over which connections take turns. The CPU of the processes in `watch` is
    read at the instants between which messages are counted; `trace` is a file for what `write_trace` writes of every
    message. With `until_told` it measures until the next line comes, for `seconds` at most. Moments in which the
    machine was not at full speed are left out of everything but `sent` and `p99_all_ms`; `slowed` is their share of the
    time. Where a message process is `alone` of its daemon on its core, who keeps it from that counts as the machine."""

    ports: list[int]
    traffic: Traffic
    warm_up: float = 0.5
    seconds: float = 3.0
    watch: dict[str, list[int]] = {}
    trace: str = ""
    until_told: bool = False
    alone: bool = True


class Crew:
    """The sink, serving, and one run of ESMEs at a time."""

    def __init__(self) -> None:
        self._esmes: list[Esme] = []
        self._witness = Witness()

    async def serve(self) -> None:
        """Carry out orders until standard input ends."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(partial(Sink, self._failed), "127.0.0.1", 0, backlog=4096)
        say({"sink": server.sockets[0].getsockname()[1]})
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            try:
                say(await self.run(msgspec.json.decode(line, type=Order)))
            except (ConnectionError, TimeoutError, Mismatch) as error:
                say({"error": str(error) or "no answer to a bind, or not to the last messages"})
            finally:
                for esme in self._esmes:
                    esme.abort()
                self._esmes = []
                gc.enable()
                gc.unfreeze()
                gc.collect()

    def _failed(self, error: Mismatch) -> None:
        """The sink got what it should not have got: the run fails with it."""
        if self._esmes:
            self._esmes[0].fail(error)

    async def run(self, order: Order) -> dict[str, Any]:
        """One run. Raises ConnectionError, TimeoutError or Mismatch when the proxy does not let it through."""
        traffic = order.traffic
        for account in range(min(ACCOUNTS, traffic.connections)):
            reel(account, "permitted" if traffic.kind == REWORDED else traffic.kind, traffic.about)
        esmes = self._esmes = [Esme(number, traffic) for number in range(traffic.connections)]
        await connect(esmes, order.ports)
        gc.collect()
        gc.freeze()
        gc.disable()
        pacer = Pacer(esmes, traffic.rate) if traffic.rate else None
        try:
            for esme in esmes if pacer is None else []:
                esme.send(traffic.window)
            await while_none_ends(esmes, order.warm_up)
            say({"measuring": perf_counter()})
            with contextlib.ExitStack() as stack:
                meters = {role: Meter(pids) for role, pids in order.watch.items()}
                for meter in meters.values():
                    stack.callback(meter.close)
                taken = nothing
                # Two message processes share a core, and wait for each other.
                if order.alone and len(pids := order.watch.get("message", [])) == 1:
                    taken = stack.enter_context(contextlib.closing(Kept(pids[0]))).seconds
                async with self._witness.watching(lambda: (answered(esmes), spent(meters)), taken):
                    await while_none_ends(esmes, order.seconds, told() if order.until_told else None)
        finally:
            if pacer is not None:
                pacer.stop()
        await finish(esmes)
        first, last = self._witness.readings[0], self._witness.readings[-1]
        pairs = sorted(pair for esme in esmes for pair in esme.latencies(first.at, last.at))
        # Where the machine never was at full speed, or nothing came back while it was, all counts.
        sound = [self._witness.sound(at - latency, at) for at, latency in pairs]
        if order.trace:
            write_trace(Path(order.trace), pairs, sound)
        if not any(sound):
            sound = [True] * len(pairs)
        slices = self._witness.slices()
        slowed = 1.0 - sum(other.at - one.at for one, other in slices) / (last.at - first.at)
        messages = sum(other.messages - one.messages for one, other in slices)
        if messages == 0:
            slices, messages = [(first, last)], last.messages - first.messages
        seconds = sum(other.at - one.at for one, other in slices)
        latencies = sorted(latency for _, latency in compress(pairs, sound))
        return {
            "messages": messages,
            "sent": sum(esme.sent for esme in esmes),
            "seconds": seconds,
            "rate": messages / seconds,
            "cpu": {name: sum(other.cpu[name] - one.cpu[name] for one, other in slices) for name in first.cpu},
            "p50_ms": percentile(latencies, 0.5),
            "p99_ms": percentile(latencies, 0.99),
            "p999_ms": percentile(latencies, 0.999),
            "p99_all_ms": percentile(sorted(latency for _, latency in pairs), 0.99),
            "slowed": slowed,
            "late_p99_ms": percentile(sorted(pacer.late) if pacer is not None else [], 0.99),
        }


def write_trace(path: Path, pairs: list[tuple[float, float]], sound: list[bool]) -> None:
    """(instant, latency, 1.0 if the machine was at full speed meanwhile), one after the other."""
    found = array("d")
    for pair, whole in zip(pairs, sound, strict=True):
        found.extend((*pair, whole))
    path.write_bytes(found.tobytes())


def spent(meters: dict[str, Meter]) -> dict[str, float]:
    """CPU seconds by role so far, and those of this process."""
    return {name: meter.seconds() for name, meter in meters.items()} | {"crew": time.process_time()}


def answered(esmes: list[Esme]) -> int:
    """Messages answered so far."""
    return sum(esme.answered for esme in esmes)


async def while_none_ends(esmes: list[Esme], seconds: float, line: "asyncio.Future[bytes] | None" = None) -> None:
    """Wait, until the `line` comes if that is awaited; raises what ended a connection meanwhile."""
    waiting: list[asyncio.Future[Any]] = [esme.ended for esme in esmes]
    if line is not None:
        waiting.append(line)
    ended, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in ended:
        one.result()
    if line is not None and not line.done():
        raise TimeoutError(f"told nothing for {seconds:.0f} s")


def told() -> "asyncio.Future[bytes]":
    """The next line of standard input."""
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.readline)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Milliseconds out of ordered seconds; 0 for none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3 if ordered else 0.0


def say(found: dict[str, Any]) -> None:
    """A line to whoever gave the order."""
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sharp_timers()
    uvloop.run(Crew().serve())
