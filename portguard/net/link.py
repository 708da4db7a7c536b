"""An ESME connection and the SMSC connection opened for it: two legs, one pair of the relay.

Back-pressure: an ESME that does not read stops the reading of both its legs, since both feed it; an SMSC that does not
read stops the reading of the ESME. Reading of the SMSC goes on then, or responses that free it would never be read.

An SMSC counts as sound once it has answered a bind, which the relay says; one that failed before goes behind the others
for the next bind, and this bind tries the next. Nothing here is done a message, or even a read: those go by the lane
(`relay.flow`).
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from portguard.net.exchange import Exchange
from portguard.net.leg import Leg
from portguard.net.upstream import Upstream
from portguard.relay.flow import Lane

log = logging.getLogger("portguard.net")

# Shortages of this machine, which say nothing about the SMSC.
_OWN_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


class EsmeLeg(Leg):
    """The ESME's connection."""

    def __init__(self, exchange: Exchange, peer: str, write_timeout: float, gone: Callable[[], None]) -> None:
        super().__init__(exchange.flow, exchange.watched, write_timeout)
        self.link = Link(exchange, self, peer)
        self.stream.feed = exchange.relay.esme_data
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.link.open()

    def failed(self) -> None:
        self.link.crash("reading from the ESME")

    def eof_received(self) -> bool:
        # Over TLS nothing can be sent once the peer has closed its side.
        self.eof = True
        if self.closing or self.transport is None:
            return False
        half = self.transport.can_write_eof()
        self.link.esme_eof()
        return half and not self.closing

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone()
        self.link.esme_gone(exc)

    def stirred(self) -> None:
        self.link.regulate()

    def stalled(self) -> None:
        if self.unread:
            log.warning("ESME does not read, closed", extra=self.link.fields())


class SmscLeg(Leg):
    """The connection to one SMSC. `answered` once it has answered the bind: other octets say nothing for it."""

    def __init__(self, exchange: Exchange, link: "Link", upstream: Upstream) -> None:
        super().__init__(exchange.flow, exchange.watched, upstream.options.write_timeout)
        self.link = link
        self.upstream = upstream
        self.answered = False
        self.made_at = 0.0
        self._exchange = exchange
        self.stream.feed = exchange.relay.smsc_data

    def answers(self) -> None:
        """It has answered the bind."""
        self.answered = True
        self._exchange.upstream_answered(self.upstream)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.made_at = monotonic()
        self.link.smsc_made(self)

    def failed(self) -> None:
        self.link.crash("reading from the SMSC")

    def eof_received(self) -> bool:
        self.eof = True
        if not self.closing:
            self.close()
            self.link.smsc_gone(self, "closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        reason = "" if self.closing else describe(exc) if exc is not None else "closed the connection"
        super().connection_lost(exc)
        self.link.smsc_gone(self, reason)

    def stirred(self) -> None:
        self.link.regulate()

    def stalled(self) -> None:
        if self.unread:
            log.warning("SMSC does not read, closed", extra={**self.link.fields(), "smsc": self.upstream.name})
            self.link.lost(self, "write_timeout")


class Link:
    """Carries out what the relay wants of its pair, and tells it what became of the sockets. `number` names it among
    the links of the exchange."""

    def __init__(self, exchange: Exchange, esme: EsmeLeg, peer: str) -> None:
        exchange.links_made += 1
        self.number = exchange.links_made
        self.exchange = exchange
        self.pair: Any = None
        self.peer = peer
        self.esme = esme
        self._smsc: SmscLeg | None = None
        self._lane = Lane(self, esme.stream)
        self._tries: Iterator[Upstream] | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._over = False

    def fields(self) -> dict[str, object]:
        """What names this link in a log line."""
        return {"peer": self.peer, "account": getattr(self.pair, "system_id", "")}

    @property
    def smsc(self) -> SmscLeg | None:
        """The leg to the SMSC, if there is one."""
        return self._smsc

    @smsc.setter
    def smsc(self, leg: SmscLeg | None) -> None:
        self._smsc = leg
        self._lane.smsc = leg.stream if leg is not None else None

    # ---- what the relay wants

    def obey(self, pair: Any) -> None:
        """Connect or close as the pair asks; what was to be written has been. Each flag is an order, done once: a bind
        that the SMSC refused closes its link, and the next bind wants another."""
        if pair.answered:
            pair.answered = False
            if self.smsc is not None:
                self.smsc.answers()
        if pair.close_smsc:
            pair.close_smsc = False
            if pair.lost and self.smsc is not None:
                self.exchange.upstream_lost(self.smsc.upstream, pair.lost, self.fields())
            pair.lost = ""
            self._part()
        if pair.want_smsc:
            pair.want_smsc = False
            self._seek()
        if pair.close_esme:
            pair.close_esme = False
            self.esme.close()

    def regulate(self) -> None:
        """Read from each leg only while there is room for what it brings."""
        esme_reads = not self.esme.blocked
        if not self.esme.closing:
            self.esme.read(esme_reads and not (self.smsc is not None and self.smsc.blocked))
        if self.smsc is not None and not self.smsc.closing:
            self.smsc.read(esme_reads)

    def crash(self, where: str) -> None:
        """An exception in this link's business: said once, and only this link pays."""
        self.exchange.crashes += 1
        log.exception("failed while %s, link closed", where, extra=self.fields())
        self.abort()

    def abort(self) -> None:
        """End both legs at once, without telling the relay more than that the pair has closed."""
        self._over = True
        self._give_up_seeking()
        self.esme.abort()
        if self.smsc is not None:
            self.smsc.abort()
        self._settle()

    # ---- what became of the ESME

    def open(self) -> None:
        """The ESME is connected (and its TLS handshake done)."""
        self.exchange.links.add(self)
        try:
            self.pair = self.esme.stream.pair = self.exchange.relay.open(self.peer, monotonic())
            self._lane.take(self.pair)
        except Exception:
            self.crash("opening")
        self.exchange.flush()

    def esme_eof(self) -> None:
        """The ESME has sent its last byte and may still read."""
        self._tell(self.exchange.relay.esme_eof, "taking the ESME's end")

    def esme_gone(self, exc: Exception | None) -> None:
        """The ESME's socket is closed."""
        log.debug("ESME connection ended", extra={**self.fields(), "reason": str(exc or "closed")})
        self._give_up_seeking()
        self._tell(self.exchange.relay.esme_lost, "losing the ESME")
        self._settle()

    # ---- what became of the SMSC

    def smsc_made(self, leg: SmscLeg) -> None:
        """An SMSC has accepted the connection."""
        if self._over or self.esme.transport is None or self._attempt is None:
            leg.abort()
            return
        self._attempt = None
        self.smsc = leg
        leg.stream.pair = self.pair
        self.regulate()
        asyncio.get_running_loop().call_later(leg.upstream.options.bind_timeout, self._silent, leg)
        tlv = leg.upstream.options.tlv
        self._tell(lambda pair, now: self.exchange.relay.smsc_open(pair, now, tlv), "opening the SMSC's side")

    def smsc_gone(self, leg: SmscLeg, reason: str) -> None:
        """An SMSC's socket has ended, for a reason unless we closed it. One that was replaced has no more to say."""
        if self.smsc is not leg:
            return
        if reason and not leg.answered:
            self.exchange.upstream_failed(leg.upstream, reason)
        elif reason:
            self.lost(leg, "closed" if leg.eof else "reset")
        self.smsc = None
        self.regulate()
        self._tell(self.exchange.relay.smsc_lost, "losing the SMSC")
        self._settle()

    def lost(self, leg: SmscLeg, reason: str) -> None:
        """An SMSC's socket ends. In mid-session that is told: the ESME's link ends with it."""
        if self.smsc is leg and self.pair is not None and self.pair.bound:
            self.exchange.upstream_lost(leg.upstream, reason, self.fields())

    # ---- connecting

    def _seek(self) -> None:
        """Connect to the next SMSC; the present one, if any, has not answered the bind."""
        if self._attempt is not None or self._over:
            return
        if self.smsc is not None:
            leg, self.smsc = self.smsc, None
            self._blame(leg)
            leg.abort()
        if self._tries is None:
            self._tries = iter(self.exchange.upstreams.order(monotonic()))
        self._attempt = asyncio.get_running_loop().create_task(self._connect(self._tries))

    async def _connect(self, tries: Iterator[Upstream]) -> None:
        for upstream in tries:
            if await self._connected(upstream):
                return
        self._attempt = None
        self._tell(self.exchange.relay.smsc_failed, "refusing the bind")
        self._settle()

    async def _connected(self, upstream: Upstream) -> bool:
        leg = SmscLeg(self.exchange, self, upstream)
        since = monotonic()
        try:
            await upstream.connect(lambda: leg)
        except asyncio.CancelledError:
            if not leg.made_at:
                self._blame_if_silent(upstream, since, upstream.options.connect_timeout)
            raise
        except Exception as error:
            if leg.made_at:
                return True
            if isinstance(error, OSError) and error.errno in _OWN_SHORTAGES:
                log.error("no connection to the SMSC", extra={"smsc": upstream.name, "reason": error.strerror})
            else:
                self.exchange.upstream_failed(upstream, describe(error))
            return False
        return True

    def _silent(self, leg: SmscLeg) -> None:
        """The SMSC had its time to answer the bind."""
        if self.smsc is leg and not leg.answered:
            self._blame(leg)
            leg.abort()

    def _part(self) -> None:
        """Close the SMSC's leg; it finishes by itself, and a later bind begins at the head of the order."""
        self._give_up_seeking()
        self._tries = None
        if self.smsc is not None:
            leg, self.smsc = self.smsc, None
            if not leg.answered:
                self._blame_if_silent(leg.upstream, leg.made_at, leg.upstream.options.bind_timeout)
            leg.close()
            self.regulate()
        self._settle()

    def _blame(self, leg: SmscLeg) -> None:
        if not leg.answered:
            self.exchange.upstream_failed(leg.upstream, "does not answer the bind")

    def _give_up_seeking(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None

    def _blame_if_silent(self, upstream: Upstream, since: float, timeout: float) -> None:
        """Impatient ESMEs would otherwise hide an SMSC that hangs: half its time counts as an answer not given."""
        if monotonic() - since > timeout / 2:
            self.exchange.upstream_failed(upstream, "kept an ESME waiting until it left")

    # ---- the end

    def _tell(self, call: Callable[[Any, float], None], where: str) -> None:
        if self._over or self.pair is None:
            return
        try:
            call(self.pair, monotonic())
        except Exception:
            self.crash(where)
        self.exchange.flush()

    def _settle(self) -> None:
        if self.esme.transport is None and self.smsc is None and self._attempt is None:
            pair, self.pair = self.pair, None
            self._lane.pair = None
            self._over = True
            self.exchange.forget(self, pair)


def describe(error: Exception) -> str:
    """An exception of a connection in a few plain words."""
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
