"""The SMSCs as places to connect to: the order in which a bind tries them, and their health.

Health orders the tries and never refuses one: an SMSC that failed goes to the end of the order for a while that doubles
with each failure, and all of them are tried before a bind is refused. Time is passed in.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence

from portguard.net.address import parse_address
from portguard.net.options import ClientTlsOptions, SmscOptions
from portguard.net.tls import client_context

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
# Seconds between log lines about lost links of one SMSC: a thousand may go at once.
SAID_EVERY = 1.0


class Upstream:
    """One SMSC. `failures` in a row make the back-off; while `retry_at` lies ahead it is tried after the sound ones."""

    def __init__(self, options: SmscOptions, context: ssl.SSLContext | None) -> None:
        self.options = options
        self.name = options.name
        self.host, self.port = parse_address(options.address)
        self.context = context
        self.server_name: str | None = None
        if context is not None:
            named = options.tls.server_name if isinstance(options.tls, ClientTlsOptions) else None
            self.server_name = named or self.host
        self.failures = 0
        self.retry_at = 0.0
        self.reason = ""
        self.credit = 0
        self.connects = {"answered": 0, "failed": 0}
        # Bound links that it lost, by reason; those not yet said in the log, and when that was last done.
        self.lost: dict[str, int] = {}
        self._unsaid = 0
        self._said_at = -SAID_EVERY

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Open a connection within `connect_timeout`. Raises OSError or TimeoutError."""
        async with asyncio.timeout(self.options.connect_timeout):
            transport, _ = await asyncio.get_running_loop().create_connection(
                factory, self.host, self.port, ssl=self.context, server_hostname=self.server_name,
            )
        return transport

    @property
    def sound(self) -> bool:
        """False from a failure until the SMSC has answered a bind, or let a probe in."""
        return not self.reason

    def failed(self, reason: str, now: float) -> None:
        """It refused, kept silent or went away before it answered a bind."""
        self.connects["failed"] += 1
        self.failures += 1
        self.reason = reason
        self.retry_at = now + min(FIRST_BACKOFF * 2.0 ** (min(self.failures, 16) - 1), LONGEST_BACKOFF)

    def answered(self) -> None:
        """It answered a bind, whatever the answer."""
        self.connects["answered"] += 1
        self.failures = 0
        self.reason = ""

    def lose(self, reason: str, now: float) -> int:
        """A bound link was lost. How many are to be said in the log now: all since the last time, or none yet."""
        self.lost[reason] = self.lost.get(reason, 0) + 1
        self._unsaid += 1
        if now - self._said_at < SAID_EVERY:
            return 0
        self._said_at = now
        unsaid, self._unsaid = self._unsaid, 0
        return unsaid

    def reachable(self) -> None:
        """A probe got through. The back-off is kept: only an answered bind shows that it serves."""
        self.reason = ""


class Upstreams:
    """All SMSCs, in the order of the settings."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self.all = list(upstreams)

    @classmethod
    def from_options(cls, options: Sequence[SmscOptions]) -> "Upstreams":
        """Raises TlsError where a certificate, key or CA cannot be used."""
        return cls([Upstream(smsc, client_context(smsc.tls)) for smsc in options])

    def order(self, now: float) -> list[Upstream]:
        """Every SMSC once, in the order in which a new bind tries them."""
        ordered = self._weighted() + [upstream for upstream in self.all if not upstream.options.weight]
        first, last = [], []
        for upstream in ordered:
            if upstream.sound:
                first.append(upstream)
            elif upstream.retry_at <= now:
                # One bind at a time finds out; the others go by until it has.
                upstream.retry_at = now + upstream.options.connect_timeout + upstream.options.bind_timeout
                first.append(upstream)
            else:
                last.append(upstream)
        return first + last

    def any_sound(self) -> bool:
        return any(upstream.sound for upstream in self.all)

    def _weighted(self) -> list[Upstream]:
        """Smooth weighted round-robin: the one with the most credit is first, and pays for it."""
        sharing = [upstream for upstream in self.all if upstream.options.weight]
        if not sharing:
            return []
        for upstream in sharing:
            upstream.credit += upstream.options.weight
        sharing.sort(key=lambda upstream: -upstream.credit)
        sharing[0].credit -= sum(upstream.options.weight for upstream in sharing)
        return sharing
