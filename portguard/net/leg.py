"""One TCP or TLS connection as an asyncio protocol: writing with a bound, pausing, and an end that loses nothing.

A *leg* is blocked while more than HIGH_WATER waits to be written; whoever owns it then stops what fills it. It is
closed by shutting down our direction and reading on for a while: closing a socket with unread input makes the kernel
send a reset, and the peer may lose what it was owed.

Knows uvloop's ways (it ignores pause_reading() inside connection_made) and nothing of pairs or PDUs.
"""

import asyncio
import contextlib
import socket
from time import monotonic
from typing import cast

from portguard.relay.flow import Flow, Stream

HIGH_WATER = 128 * 1024
LOW_WATER = 32 * 1024
LINGER = 2.0
# What the kernel may hold unsent: left alone it takes megabytes for a peer that does not read, and says so late.
UNSENT = 128 * 1024


class Leg(asyncio.Protocol):
    """`watched` has the legs that must make progress; their owner calls `overdue` now and then. What is read and
    written goes by the `stream`, without a call of the leg."""

    def __init__(self, flow: Flow, watched: "set[Leg]", write_timeout: float) -> None:
        self.stream = Stream(flow, self)
        # For the event loop, which asks for it once: every read goes straight to compiled code.
        self.data_received = self.stream.received  # type: ignore[method-assign]
        self.transport: asyncio.Transport | None = None
        self.made = False
        self.blocked = False
        self.eof = False
        self._watched = watched
        self._write_timeout = write_timeout
        self._reading = True
        self._settled = False
        self._since = 0.0
        self._size = 0

    # ---- for the owner

    @property
    def closing(self) -> bool:
        """On its way out: nothing more is read or written."""
        return self.stream.closing

    def read(self, on: bool) -> None:
        """Read from the peer, or leave what it sends in the kernel until it stops sending."""
        if on is not self._reading:
            self._reading = on
            if self._settled:
                self._apply_reading()

    def give_way(self) -> None:
        """Let other legs have their turn: libuv reads on while its buffer comes back full, up to 32 times."""
        if self.transport is not None and self._reading and not self.eof:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._apply_reading)

    def close(self) -> None:
        """Close once everything written has left, within the write timeout and LINGER."""
        if self.closing or self.transport is None:
            return
        self.stream.closing = True
        self._watch()
        if self.eof or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.read(True)

    def abort(self) -> None:
        """Close at once; what has not been written is lost."""
        self.stream.closing = True
        if self.transport is not None:
            self.transport.abort()

    def overdue(self, now: float) -> bool:
        """True when a watched leg has not moved a byte for its write timeout, or lingers without a reason."""
        if self.transport is None:
            return False
        size = self.transport.get_write_buffer_size()
        if size < self._size:
            self._since = now
        self._size = size
        return now - self._since > (LINGER if self.closing and not size else self._write_timeout)

    @property
    def unread(self) -> bool:
        """True when there was something to write at the last look: an end that lingers has nothing left to say."""
        return self._size > 0

    def failed(self) -> None:
        """Called when what was read could not be dealt with. For the owner to override."""

    def stirred(self) -> None:
        """Called when the leg became blocked or free. For the owner to override."""

    def stalled(self) -> None:
        """Called when the leg was aborted for being overdue. For the owner to override."""

    # ---- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.stream.send = self.transport.write
        self.made = True
        self.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        asyncio.get_running_loop().call_soon(self._settle)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.stream.over()
        self._watched.discard(self)

    def pause_writing(self) -> None:
        self.blocked = True
        self._watch()
        self.stirred()

    def resume_writing(self) -> None:
        self.blocked = False
        if not self.closing:
            self._watched.discard(self)
        self.stirred()

    def _settle(self) -> None:
        self._settled = True
        if not self._reading:
            self._apply_reading()

    def _apply_reading(self) -> None:
        # Resumed after its EOF, a transport would report the EOF again.
        if self.transport is None or self.eof:
            return
        if self._reading:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _watch(self) -> None:
        self._since = monotonic()
        self._size = self.transport.get_write_buffer_size() if self.transport is not None else 0
        self._watched.add(self)
