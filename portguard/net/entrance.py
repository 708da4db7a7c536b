"""Taking a connection on in this process: the TLS handshake where there is one, and the leg that it becomes."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from portguard.net.exchange import Exchange
from portguard.net.link import EsmeLeg


class Entrance:
    """`gone` is called once for each connection that `take` took, when it has ended."""

    def __init__(
        self, exchange: Exchange, write_timeout: float, context: ssl.SSLContext | None, gone: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._write_timeout = write_timeout
        self._context = context
        self._gone = gone

    async def take(self, sock: socket.socket, peer: str) -> None:
        """Make an accepted socket an ESME's leg. Raises what the handshake raises; the socket is then the caller's."""
        leg = EsmeLeg(self._exchange, peer, self._write_timeout, self._gone)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(partial(_given, leg), sock, ssl=self._context)
        except BaseException:
            if not leg.made:
                raise
            # Its end is told by the leg from here on. Cancelled between connection_made and its return, uvloop closes a
            # plain transport without a word to it.
            if self._context is None and leg.transport is not None:
                leg.connection_lost(None)


def _given(leg: EsmeLeg) -> EsmeLeg:
    return leg
