"""Traffic that goes on while something happens to the daemon or to an SMSC.

A *link* of the load binds, sends inside its window, and binds again when it loses its link, until it is stopped.
Nothing is sent twice: each message has a number of its own in its text, and `book` says what became of it.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Final

from portguard.sim.esme import BindRefused, Esme, EsmeOptions, LinkLost
from portguard.sim.message import Message
from tests.e2e import tables as t
from tests.e2e.peers.client import ADDRESS
from tests.e2e.peers.loop import LoopThread

AGAIN_SECONDS: Final = 0.02


@dataclass
class Book:
    """What became of the messages of a load. `answered` maps a message's number to (command_status, message_id)."""

    answered: dict[int, tuple[int, str]] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)
    lost_links: int = 0
    refused_binds: int = 0

    def statuses(self) -> set[int]:
        """Every command_status that was answered."""
        return {status for status, _ in list(self.answered.values())}


class Load:
    """`links` links of the account `system_id`, which send a message each `pause` seconds, or as fast as they can;
    `signature` may be changed while it runs."""

    def __init__(
        self, port: int, links: int = 4, window: int = 20, system_id: str = "star", source: str = t.OWN,
        signature: str = t.STAR, pause: float = 0.0,
    ) -> None:
        self.book = Book()
        self.signature = signature
        self._source = source
        self._pause = pause
        self._options = EsmeOptions(host=ADDRESS, port=port, system_id=system_id, window=window)
        self._numbers = itertools.count()
        self._stopping = False
        self._loop = LoopThread("load")
        self._running = [self._loop.start(self._link()) for _ in range(links)]

    def stop(self) -> Book:
        """Ends the links, each with an unbind once everything is answered."""
        self._stopping = True
        for running in self._running:
            running.result(30)
        self._loop.stop()
        return self.book

    async def _link(self) -> None:
        while not self._stopping:
            esme = Esme(self._options)
            try:
                await esme.connect()
                await esme.bind()
                await self._send(esme)
                await esme.close()
            except BindRefused:
                self.book.refused_binds += 1
            except (LinkLost, OSError):
                self.book.lost_links += 1
            esme.abort()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _send(self, esme: Esme) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping and esme.connected:
            if len(under_way) >= self._options.window:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                under_way = {task for task in under_way if not task.done()}
            under_way.add(asyncio.create_task(self._one(esme, next(self._numbers))))
            await asyncio.sleep(self._pause)
        if under_way:
            await asyncio.wait(under_way)
        if not esme.connected:
            raise LinkLost("while sending")

    async def _one(self, esme: Esme, number: int) -> None:
        try:
            text = f"【{self.signature}】{number}"
            outcome = await esme.submit(Message(self._options.system_id, self._source, t.NORTHERN, text))
            self.book.answered[number] = outcome.status, outcome.message_id
        except LinkLost:
            self.book.unanswered.add(number)


def number_in(body: bytes) -> int:
    """The number of the message with this text."""
    return int(body.decode("utf-16-be").partition("】")[2])
