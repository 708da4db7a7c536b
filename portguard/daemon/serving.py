"""What a worker does all day: one relay between its sockets, under one revision, with its look at the ledger.

Knows the rooms on the path of a message; nothing of the main process or of other workers.
"""

import asyncio
import gc
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time
from typing import Any

from portguard.consent.ledger import Ledger
from portguard.consent.store import ConsentError
from portguard.daemon.orders import Orders, RecentPage, Session, SessionPage, packed
from portguard.daemon.recording import Recording, recording_metrics_of
from portguard.daemon.replies import Ask, Replies
from portguard.daemon.shards import shard
from portguard.daemon.sweeping import most_tallies
from portguard.daemon.wiring import batch_of, consent_metrics_of, metrics_of, relay_of, revision_of
from portguard.net.entrance import Entrance
from portguard.net.exchange import Exchange
from portguard.net.leg import LINGER
from portguard.net.link import Link
from portguard.net.listener import Listener
from portguard.net.probe import keep_probing
from portguard.net.tls import server_context
from portguard.net.upstream import Upstreams
from portguard.policy.restraint import Restraint, brakes
from portguard.policy.revision import Revision
from portguard.registry.image import Image
from portguard.relay.flow import Recent
from portguard.relay.relay import Relay
from portguard.smpp.session import STATE_NAME
from portguard.telemetry.sources import Sources

FAULTS_LOGGED = 5
LEDGER_SECONDS = 0.1
# What is kept of recent traffic, 100,000 messages of a usual length, of ten seconds or more. Told at once: 32 kB are
# taken by a channel in a fraction of a millisecond.
RECENT_CHUNKS = 100_000
RECENT_OCTETS = 24 << 20
RECENT_SECONDS = 10.0
PAGE_OCTETS = 1 << 15
SESSIONS_AT_ONCE = 500

log = logging.getLogger("portguard.daemon")


class Serving:
    """From a revision to its end: `open` connections, `prepare` and `swap` revisions, `drain`.

    `freed` is called when a connection has ended. Raises TlsError, ConsentError, ImageError where files cannot be used.
    """

    def __init__(self, orders: Orders, freed: Callable[[], None], ask: Ask) -> None:
        settings = self.settings = orders.settings
        self.counted = Sources()
        upstreams = Upstreams.from_options(settings.smsc)
        context: ssl.SSLContext | None = None
        if settings.listen.tls is not None:
            context = server_context(settings.listen.tls)
        self._image = Image(orders.image)
        self._before: Image | None = None
        self._candidate: tuple[Image, Revision] | None = None
        self.relay: Relay = relay_of(revision_of(self._image, settings), settings, orders.discard_key)
        self.relay.recent = Recent(RECENT_CHUNKS, RECENT_OCTETS, RECENT_SECONDS)
        self._ask: Ask | None = None
        if orders.workers > 1:
            self._ask = ask
            if context is None:
                self.relay.serves = lambda enterprise: shard(enterprise, orders.workers) == orders.number
        self.exchange = Exchange(self.relay, upstreams, batch_of(settings))
        entrance = Entrance(self.exchange, settings.listen.write_timeout, context, lambda: self.listener.gone())
        self.listener = Listener(settings.listen, orders.max_connections, entrance.take, freed)
        metrics_of(self.relay, self.exchange, self.listener, self.counted)
        self.recording = Recording(settings.evidence)
        self.relay.engine.records = self.recording.records
        recording_metrics_of(self.recording, self.relay.engine.counters, self.counted)
        self.ledger: Ledger | None = None
        self._listed: list[Link] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.restrain(orders.restraints)
        self._most_tallies = most_tallies(orders.workers)
        self.tally(orders.tally)

    async def open(self, listening: list[socket.socket]) -> None:
        """Open the ledger, let connections in, start the clock. Raises ConsentError, ListenError."""
        if self.settings.consent is not None:
            await self._open_ledger()
        self.listener.start(listening)
        self.exchange.start()
        self._begin(keep_probing(self.exchange))
        self._begin(self._housekeeping())
        self._begin(self.recording.keep())
        # What lives as long as the process is not worth the collector's looking at it again and again. Not at a swap:
        # messages would wait until it has looked at every connection.
        gc.collect()
        gc.freeze()

    async def _open_ledger(self) -> None:
        """Consent is judged where there is a ledger; its reads are renewed and replies heard from now on."""
        options = self.settings.consent
        assert options is not None
        try:
            ledger = self.ledger = Ledger(options.path, options)
        except ConsentError as error:
            raise ConsentError(f"consent.path: {error}") from error
        await asyncio.to_thread(ledger.warm)
        self.relay.engine.ledger = ledger
        replies = Replies(ledger, self.relay, self._ask)
        self.relay.heard = replies.heard
        consent_metrics_of(ledger, replies, self.counted)
        self._begin(self._renew_ledger(ledger))

    @staticmethod
    async def _renew_ledger(ledger: Ledger) -> None:
        while True:
            ledger.tick(monotonic())
            await asyncio.sleep(LEDGER_SECONDS)

    async def _housekeeping(self) -> None:
        """What the path leaves for the log."""
        while True:
            await asyncio.sleep(1.0)
            faults = self.relay.faults
            for fault in faults[:FAULTS_LOGGED]:
                log.error("decision failed", extra={"fault": fault, "so_far": self.relay.engine.counters.errors})
            faults.clear()

    # ---- revisions

    async def prepare(self, path: Path) -> None:
        """Map a revision and make its reader, beside the one that serves. Raises ImageError."""
        self.abandon()
        image = Image(path)
        try:
            revision = await asyncio.to_thread(revision_of, image, self.settings)
        except BaseException:
            image.close()
            raise
        self._candidate = image, revision

    def swap(self, digest: str) -> None:
        """Serve the prepared revision. Raises ValueError when it is another one."""
        if self._candidate is None or self._candidate[1].digest != digest:
            raise ValueError(f"revision {digest} is not prepared")
        image, revision = self._candidate
        self._candidate = None
        self.relay.swap(revision, monotonic())
        self.exchange.flush()
        # The one before may still be named by an answer that is under way: it is closed a swap later.
        if self._before is not None:
            self._before.close()
        self._before, self._image = self._image, image

    def abandon(self) -> None:
        """Forget a prepared revision."""
        if self._candidate is not None:
            self._candidate[0].close()
            self._candidate = None

    # ---- what others want of the path

    def restrain(self, restraints: list[Restraint]) -> None:
        """These and no others are in force."""
        self.relay.engine.brakes.put(brakes(restraints))

    def tally(self, on: bool) -> None:
        """Does anybody want to hear what was sent by whom?"""
        self.relay.engine.tallies.most = self._most_tallies if on else 0

    def kept(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest chunk of recent traffic."""
        recent = self.relay.recent
        return int(recent.oldest()), int(recent.last)

    def recent(self, start: int, last: int) -> RecentPage:
        """A page of recent traffic: chunks from number `start` on, none beyond `last`. What has been pushed out since
        is left out."""
        recent = self.relay.recent
        chunks = recent.page(start, last, PAGE_OCTETS)
        following = max(start, int(recent.oldest())) + len(chunks)
        return RecentPage(packed(chunks), following if chunks and following <= last else -1)

    # ---- sessions

    def sessions(self, after: int, id: Callable[[int], str]) -> SessionPage:
        """A page of the ESME links, the first one with `after` 0; `id` makes a link's name from its number."""
        if after == 0:
            self._listed = [link for link in self.exchange.links if isinstance(link, Link)]
        links = self._listed[after : after + SESSIONS_AT_ONCE]
        now, wall = monotonic(), time()
        found = []
        for link in links:
            pair, smsc = link.pair, link.smsc
            if pair is not None:
                found.append(Session(
                    id(link.number), pair.system_id, link.peer, STATE_NAME[pair.state],
                    wall - (now - pair.bind_since), smsc.upstream.name if smsc is not None else "", int(pair.owed),
                ))
        if after + len(links) < len(self._listed):
            return SessionPage(found, after + len(links))
        self._listed = []
        return SessionPage(found, -1)

    def end_session(self, number: int) -> bool:
        """Bring one link to its end, answers that are owed delivered first; False when there is none of that number."""
        for link in self.exchange.links:
            if isinstance(link, Link) and link.number == number and link.pair is not None:
                self.relay.end(link.pair, monotonic())
                self.exchange.flush()
                return True
        return False

    # ---- the end

    async def drain(self) -> bool:
        """Let no more connections in and every link finish what it owes; True when all were done in time."""
        self.listener.close()
        limits = self.settings.limits
        return await self.exchange.drain(limits.drain_timeout + limits.unbind_timeout + LINGER)

    def close(self) -> None:
        """Abort what is left, hand over and commit what waits."""
        for task in self._tasks:
            task.cancel()
        self.listener.close()
        self.exchange.stop()
        self.recording.close()
        if self.ledger is not None and not self.ledger.close():
            log.error("opt-outs could not be committed", extra={"reason": self.ledger.error})

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(_ended)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task of the worker failed", exc_info=task.exception())
