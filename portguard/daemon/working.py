"""A worker's life: it hears the main process over its channel, serves from `start` on, and ends once it has drained.

It drains when it is told to, at SIGTERM, and when the main process has gone, which the channel's end tells it. What
else an operator sends to the whole group of processes is for the main one.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from portguard.consent.store import ConsentError
from portguard.daemon.channel import Channel, ChannelClosed, Refused, Said
from portguard.daemon.orders import Drained, Orders, RecentPage, Sender, SessionPage, Started, Status
from portguard.daemon.serving import Serving
from portguard.daemon.sweeping import keep_sweeping, sweep_all
from portguard.daemon.uses import USED_AT_ONCE, Used
from portguard.net.listener import ListenError
from portguard.net.tls import TlsError
from portguard.policy.limits import Reached
from portguard.policy.restraint import Restraint
from portguard.registry.image import ImageError
from portguard.telemetry import log as lines
from portguard.telemetry.sources import Reading

LAST_WORDS = 1.0
ASK_SECONDS = 2.0
# How often the use of daily caps is told, where another worker needs it; alone, only a next life does. Messages to
# subscribers whose frequency is limited are told with it, to others only.
USED_SECONDS = 0.5
ALONE_SECONDS = 5.0
# Between two parts of it messages pass.
BETWEEN_SECONDS = 0.005

log = logging.getLogger("portguard.daemon")


class Worker:
    """One worker from its start to its end: `run` returns once it has drained."""

    def __init__(self, sock: socket.socket) -> None:
        self._serving: Serving | None = None
        self._given = 0
        self._telling = False
        self._telling_others: list[asyncio.Task[None]] = []
        self._end = asyncio.Event()
        self._hurry = asyncio.Event()
        self._drained: asyncio.Task[Drained] | None = None
        self._channel = Channel(
            sock,
            {
                "start": self._start, "prepare": self._prepare, "swap": self._swap, "abandon": self._abandon,
                "status": self._status, "sessions": self._sessions, "end_session": self._end_session,
                "counts": self._counts, "drain": self._drain, "recent": self._recent,
                "kept": self._kept,
                "last_sender": self._last_sender,
            },
            {
                "hurry": self._hear_hurry, "connection": self._hear_connection, "restrain": self._hear_restrain,
                "tally": self._hear_tally, "journal": self._hear_journal, "used": self._hear_used,
                "reached": self._hear_reached,
            },
            self._orphaned,
        )

    async def run(self) -> None:
        """Answer the main process until the end."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_report)
        loop.add_signal_handler(signal.SIGTERM, self._told_to_end)
        await self._end.wait()
        if self._serving is not None:
            sweep_all(self._serving.relay.engine.tallies, self._tell_swept)
            for _ in self._tell_used(self._serving):
                pass
            self._channel.push("counted", self._serving.counted.read())
            self._serving.close()
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._channel.sent()
        except TimeoutError:
            pass
        self._channel.close()

    # ---- requests

    async def _start(self, said: Said) -> Started:
        orders = said.read(Orders)
        several = orders.workers > 1
        lines.start(orders.settings.node.log_level, always={"worker": orders.number} if several else {})
        try:
            serving = Serving(orders, self._freed, self._ask_last_sender)
            await serving.open(said.sockets)
        except (TlsError, ConsentError, ImageError, ListenError) as error:
            raise Refused([str(error)]) from error
        except OSError as error:
            raise Refused([_plain(error)]) from error
        serving.relay.engine.limits.shared = several
        self._serving = serving
        loop = asyncio.get_running_loop()
        self._telling_others = [
            loop.create_task(keep_sweeping(serving.relay.engine.tallies, self._tell_swept)),
            loop.create_task(self._keep_telling_used(serving, several)),
        ]
        return Started(serving.listener.addresses)

    async def _prepare(self, said: Said) -> None:
        try:
            await self._at_work.prepare(said.read(Path))
        except ImageError as error:
            raise Refused([str(error)]) from error

    async def _swap(self, said: Said) -> None:
        self._at_work.swap(said.read(str))

    async def _abandon(self, said: Said) -> None:
        self._at_work.abandon()

    async def _status(self, said: Said) -> Status:
        serving = self._at_work
        smscs = {upstream.name: upstream.reason or "up" for upstream in serving.exchange.upstreams.all}
        return Status(dict(serving.relay.sessions()), smscs)

    async def _sessions(self, said: Said) -> SessionPage:
        return self._at_work.sessions(said.read(int), lambda number: f"{os.getpid()}-{number}")

    async def _end_session(self, said: Said) -> bool:
        return self._at_work.end_session(said.read(int))

    async def _counts(self, said: Said) -> list[Reading]:
        return self._at_work.counted.read()

    async def _drain(self, said: Said) -> Drained:
        drained = await self._draining()
        self._end.set()
        return drained

    async def _kept(self, said: Said) -> tuple[int, int]:
        return self._at_work.kept()

    async def _recent(self, said: Said) -> RecentPage:
        return self._at_work.recent(*said.read(tuple[int, int]))

    async def _last_sender(self, said: Said) -> Sender:
        ledger = self._at_work.ledger
        return Sender(*ledger.last_sent(*said.read(tuple[str, str]))) if ledger is not None else Sender("", 0)

    # ---- what is told, both ways

    def _hear_connection(self, said: Said) -> None:
        peer = said.read(str)
        self._at_work.listener.admit(said.sockets[0], peer)
        self._given += 1

    def _hear_restrain(self, said: Said) -> None:
        self._at_work.restrain(said.read(list[Restraint]))

    def _hear_tally(self, said: Said) -> None:
        self._at_work.tally(said.read(bool))

    def _hear_used(self, said: Said) -> None:
        self._at_work.relay.engine.limits.hear(said.read(list[Used]))

    def _hear_reached(self, said: Said) -> None:
        self._at_work.relay.engine.limits.hear_reached(said.read(list[Reached]))

    def _freed(self) -> None:
        """Told once for all connections that end at one time."""
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell_gone)

    def _tell_gone(self) -> None:
        self._telling = False
        if self._serving is not None:
            self._channel.push("gone", self._given - self._serving.listener.connections)

    def _tell_swept(self, rows: bytes) -> bool:
        return self._channel.push("swept", rows) and self._channel.room

    async def _keep_telling_used(self, serving: Serving, several: bool) -> None:
        seconds = USED_SECONDS if several else ALONE_SECONDS
        while True:
            began = monotonic()
            for _ in self._tell_used(serving):
                await asyncio.sleep(BETWEEN_SECONDS)
            await asyncio.sleep(max(seconds - (monotonic() - began), BETWEEN_SECONDS))

    def _tell_used(self, serving: Serving) -> Iterator[None]:
        """Tell what has been used of daily caps until now, and who was reached, in small parts and as much as there is
        room for; the rest later."""
        limits = serving.relay.engine.limits
        limits.sweep()
        while self._channel.room and (used := limits.take_changed(USED_AT_ONCE)):
            self._channel.push("used", used)
            yield
        while self._channel.room and (reached := limits.take_reached(USED_AT_ONCE)):
            self._channel.push("reached", reached)
            yield

    async def _ask_last_sender(self, number: str, subscriber: str) -> str:
        try:
            return await self._channel.ask("last_sender", str, (number, subscriber), seconds=ASK_SECONDS)
        except (ChannelClosed, Refused, TimeoutError):
            return ""

    @property
    def _at_work(self) -> Serving:
        if self._serving is None:
            raise Refused(["the worker does not serve yet"])
        return self._serving

    # ---- the end

    def _draining(self) -> asyncio.Task[Drained]:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_task(self._drain_once())
        return self._drained

    async def _drain_once(self) -> Drained:
        serving = self._serving
        if serving is None:
            return Drained(True, 0)
        draining = asyncio.ensure_future(serving.drain())
        hurrying = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((draining, hurrying), return_when=asyncio.FIRST_COMPLETED)
        done = draining.done() and draining.result()
        draining.cancel()
        hurrying.cancel()
        return Drained(done, len(serving.exchange.links))

    def _told_to_end(self) -> None:
        if self._drained is not None:
            self._hurry.set()
        self._draining().add_done_callback(lambda _: self._end.set())

    def _hear_hurry(self, said: Said) -> None:
        self._hurry.set()
        self._draining().add_done_callback(lambda _: self._end.set())

    def _hear_journal(self, said: Said) -> None:
        (sock,) = said.sockets
        if self._serving is not None:
            self._serving.recording.attach(sock)
        else:
            sock.close()

    def _orphaned(self) -> None:
        """The main process has gone: nobody else would end this one."""
        if self._serving is not None and self._drained is None:
            log.error("the main process has gone, draining")
        self._draining().add_done_callback(lambda _: self._end.set())


def _plain(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"{error.filename}: {reason}" if error.filename else reason


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception that reached the event loop: said, and survived."""
    log.error(context.get("message", "unhandled exception"), exc_info=context.get("exception"))


async def work(descriptor: int) -> None:
    """Serve under the main process that holds the other end of this socket."""
    await Worker(socket.socket(fileno=descriptor)).run()
