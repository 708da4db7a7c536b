"""Between the sockets and the relay: after every call, what the relay left on its dirty list is written.

One `Exchange` a process. It drives the relay's clock, keeps the open links, ends legs that make no progress, and sees
to it that an exception in one link's business never reaches another.
"""

import asyncio
import logging
from time import monotonic
from typing import Any, Protocol

from portguard.net.batch import Batch
from portguard.net.leg import Leg
from portguard.net.machine import Machine
from portguard.net.upstream import Upstream, Upstreams
from portguard.relay.flow import Flow

TICK = 0.1

log = logging.getLogger("portguard.net")


class OpenLink(Protocol):
    """What the exchange asks of a link."""

    def abort(self) -> None: ...


class Exchange:
    """Owns the relay's calls. `links` has every link that still has a socket or an attempt at one; `flush` writes,
    connects and closes what the relay has asked for since the last call."""

    def __init__(self, relay: Machine, upstreams: Upstreams, batch: Batch | None = None) -> None:
        self.relay = relay
        self.batch = batch or Batch(0)
        self.flow = Flow(relay.dirty, self.batch.arrivals)
        self.flush = self.flow.flush
        self.upstreams = upstreams
        self.links: set[OpenLink] = set()
        self.watched: set[Leg] = set()
        self.crashes = 0
        self.links_made = 0
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Start the relay's clock on the running loop, with a first tick at once: no message is judged before it."""
        self.batch.start()
        self._tick()

    def forget(self, link: OpenLink, pair: Any) -> None:
        """Both sockets of a link have gone."""
        self.links.discard(link)
        self._changed.set()
        if pair is None:
            return
        try:
            self.relay.closed(pair)
        except Exception:
            self.crashes += 1
            log.exception("the relay could not let go of a pair")

    def upstream_failed(self, upstream: Upstream, reason: str) -> None:
        """Mark an SMSC that refused, kept silent or went away before it answered."""
        was_sound = upstream.sound
        upstream.failed(reason, monotonic())
        if was_sound:
            log.warning("SMSC is away", extra={"smsc": upstream.name, "reason": reason})

    def upstream_answered(self, upstream: Upstream) -> None:
        """Mark an SMSC that answered a bind."""
        if not upstream.sound:
            log.info("SMSC is back", extra={"smsc": upstream.name})
        upstream.answered()

    def upstream_lost(self, upstream: Upstream, reason: str, fields: dict[str, object]) -> None:
        """A link with this SMSC has ended in mid-session."""
        links = upstream.lose(reason, monotonic())
        if links:
            said = {**fields, "smsc": upstream.name, "reason": reason, "links": links}
            log.warning("link to the SMSC lost", extra=said)

    async def drain(self, seconds: float) -> bool:
        """Let every link finish what is owed, then close it; True when all were done within that time."""
        self.relay.drain(monotonic())
        self.flush()
        try:
            async with asyncio.timeout(seconds):
                while self.links or self.watched or not self.relay.idle():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Abort whatever is open and stop the clock."""
        self.batch.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for link in list(self.links):
            link.abort()
        for leg in list(self.watched):
            leg.abort()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        now = monotonic()
        try:
            self.relay.tick(now)
        except Exception:
            self.crashes += 1
            log.exception("the relay's clock failed")
        self.flush()
        for leg in [leg for leg in self.watched if leg.overdue(now)]:
            self.watched.discard(leg)
            leg.abort()
            leg.stalled()
        self._changed.set()
