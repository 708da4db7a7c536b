"""Accepting ESMEs: the listening sockets, max_connections and the PROXY protocol.

The sockets are accepted here rather than by the event loop: connections count from accept (not from the end of a TLS
handshake), a PROXY header is read octet-exact before TLS begins, and running out of descriptors pauses accepting
instead of spinning. Who takes a connection on, `entrance` for this process or `sorter` for others, is given.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from time import monotonic

from portguard.net.address import format_address, parse_address, plain_ip
from portguard.net.link import describe
from portguard.net.options import ListenOptions
from portguard.net.proxy_protocol import Header, ProxyProtocolError, parse

ACCEPTS_AT_ONCE = 64
ACCEPT_PAUSE = 0.5

log = logging.getLogger("portguard.net")


class ListenError(Exception):
    """An address cannot be listened on; the message says which and why."""


def bound_sockets(place: str, address: str) -> list[socket.socket]:
    """Non-blocking sockets on every IP address of `host:port`, not yet listening. Raises ListenError naming `place`."""
    host, port = parse_address(address)
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, where in found:
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(len(found) > 1))
            sock.bind(where)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ListenError(f"{place}: {address}: {_why(error)}") from error
    return sockets


def listen(place: str, sockets: list[socket.socket], backlog: int) -> None:
    """Let connections in. Raises ListenError: another program may have come first since the sockets were bound."""
    for sock in sockets:
        try:
            sock.listen(backlog)
        except OSError as error:
            raise ListenError(f"{place}: {format_address(*sock.getsockname()[:2])}: {_why(error)}") from error


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "address already in use, by another portguard or another program"
    if error.errno == errno.EACCES:
        return "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)"
    return describe(error)


class Full(Exception):
    """There is no room for a connection; the message says where."""


# Takes on the connection of a peer (IP address). Once it returns the socket and its place are another's, who calls
# `gone`; raising, it has not taken it.
Take = Callable[[socket.socket, str], Awaitable[None]]


class Listener:
    """Accepts until closed. `connections` are open, or taken on and not `gone` yet; `freed` is called when there are
    fewer. `refused` counts those that got no further, by reason."""

    def __init__(
        self, options: ListenOptions, max_connections: int, take: Take, freed: Callable[[], None] | None = None
    ) -> None:
        self.refused = {"max_connections": 0, "descriptors": 0, "handshake": 0}
        self.connections = 0
        self._options = options
        self._max_connections = max_connections
        self._take = take
        self._freed = freed
        self._closed = False
        self._trusted = _networks(options.proxy_protocol)
        self._sockets: list[socket.socket] = []
        self._admissions: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._said: dict[str, float] = {}

    def start(self, sockets: list[socket.socket]) -> None:
        """Listen on these bound sockets, which are the listener's from now on. Raises ListenError."""
        listen("listen.address", sockets, self._options.backlog)
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._sockets.append(sock)
            loop.add_reader(sock, self._accept, sock)

    def admit(self, sock: socket.socket, peer: str) -> None:
        """Take on a connection that another process accepted."""
        self.connections += 1
        if self._closed:
            sock.close()
            self.gone()
        else:
            self._begin(sock, peer, header=False)

    def close(self) -> None:
        """Stop listening. Connections that were admitted live on."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for timer in self._pauses.values():
            timer.cancel()
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        self._pauses.clear()
        for admission in self._admissions:
            admission.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, where = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listening, error)
                return
            if self.connections >= self._max_connections:
                sock.close()
                self._refuse("max_connections", plain_ip(where[0]), f"{self._max_connections} connections are open")
                continue
            self.connections += 1
            peer = plain_ip(where[0])
            self._begin(sock, peer, header=self._trusts(peer))

    def _begin(self, sock: socket.socket, peer: str, *, header: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._admit(sock, peer, header))
        self._admissions.add(task)
        task.add_done_callback(self._admissions.discard)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Out of descriptors or memory: what waits stays in the backlog for a moment."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._pauses[listening] = loop.call_later(
            ACCEPT_PAUSE, partial(loop.add_reader, listening, self._accept, listening)
        )
        self._refuse("descriptors", "", describe(error))

    async def _admit(self, sock: socket.socket, peer: str, header: bool) -> None:
        try:
            sock.setblocking(False)
            async with asyncio.timeout(self._options.bind_timeout):
                if header:
                    source = (await _read_header(sock)).source
                    peer = plain_ip(source) if source is not None else peer
                await self._take(sock, peer)
        except asyncio.CancelledError:
            sock.close()
            self.gone()
            raise
        except Exception as error:
            sock.close()
            self.gone()
            self._refuse("max_connections" if isinstance(error, Full) else "handshake", peer, describe(error))

    def gone(self, connections: int = 1) -> None:
        """Connections that were taken on have ended."""
        self.connections -= connections
        if self._freed is not None:
            self._freed()

    def _trusts(self, peer: str) -> bool:
        if not self._trusted:
            return False
        address = ip_address(peer)
        return any(address in network for network in self._trusted)

    def _refuse(self, reason: str, peer: str, detail: str) -> None:
        """Count, and say so at most once a second for each reason."""
        self.refused[reason] += 1
        now = monotonic()
        if now - self._said.get(reason, -1.0) >= 1.0:
            self._said[reason] = now
            so_far = self.refused[reason]
            fields = {"reason": reason, "peer": peer, "detail": detail, "so_far": so_far}
            log.warning("connection refused", extra=fields)

    @property
    def addresses(self) -> list[str]:
        """Where this listens, with the ports that the kernel chose."""
        return [format_address(*sock.getsockname()[:2]) for sock in self._sockets]


def _networks(setting: bool | list[str]) -> list[IPv4Network | IPv6Network]:
    if setting is True:
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    return [ip_network(network) for network in setting or []]


async def _read_header(sock: socket.socket) -> Header:
    """Read one PROXY protocol header and not an octet more. Raises ProxyProtocolError, OSError."""
    taken = b""
    while True:
        await _readable(sock)
        try:
            seen = sock.recv(4096, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            continue
        if not seen:
            raise ProxyProtocolError("closed before the PROXY protocol header was complete")
        header = parse(taken + seen)
        if header is not None:
            sock.recv(header.length - len(taken))
            return header
        # All of it belongs to the header: taken, or the socket would stay readable.
        taken += sock.recv(len(seen))


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
