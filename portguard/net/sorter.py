"""Finding out who binds before anybody has read an octet: a bind is looked at in the kernel and left there.

What is looked at is bounded: the header and the first sixteen octets of the first PDU, for as long as the listener
permits, on a bounded number of connections; when there are more, the one that has been silent longest goes. An
enquire_link may come first (DESIGN §6) and is answered here, or the bind behind it could not be seen. Whatever else
comes is given away unread, as nobody's: whoever takes it knows how to answer.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from portguard.net.listener import Full
from portguard.smpp.constants import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER, ENQUIRE_LINK, ESME_ROK
from portguard.smpp.encode import response
from portguard.smpp.scan import HEADER

LONGEST_SYSTEM_ID = 16
# Its fields are 84 octets at the most; the rest is room for TLVs of whoever has some.
LONGEST_BIND = 4096
ENQUIRIES = 10
MOST_WAITING = 2000
AGAIN = 0.05

_BINDS = {BIND_TRANSMITTER, BIND_RECEIVER, BIND_TRANSCEIVER}
_ESTABLISHED = 1

# Gives a connection away: system_id ("" when it cannot be known), peer, socket. Raises when nobody can have it.
Give = Callable[[str, str, socket.socket], Awaitable[None]]


class Sorter:
    """`take` is the listener's; `peeks` is False where TLS hides the bind."""

    def __init__(self, give: Give, *, peeks: bool, most_waiting: int = MOST_WAITING) -> None:
        self._give = give
        self._peeks = peeks
        self._most_waiting = most_waiting
        # In the order in which they fell silent.
        self._waiting: dict[asyncio.Future[None], None] = {}

    @property
    def waiting(self) -> int:
        """Connections that have not said who they are."""
        return len(self._waiting)

    async def take(self, sock: socket.socket, peer: str) -> None:
        """Give an accepted socket to whom it belongs. Raises OSError, Full, or what `give` raises."""
        system_id = await self._who(sock) if self._peeks else ""
        await self._give(system_id, peer, sock)

    async def _who(self, sock: socket.socket) -> str:
        try:
            for _ in range(ENQUIRIES):
                head = await self._peek(sock, HEADER)
                length, command = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
                if command == ENQUIRE_LINK and length == HEADER == len(head):
                    sock.recv(HEADER)
                    sock.send(response(ENQUIRE_LINK, ESME_ROK, int.from_bytes(head[12:], "big")))
                    continue
                if command not in _BINDS or not HEADER < length <= LONGEST_BIND:
                    break
                body = (await self._peek(sock, min(length, HEADER + LONGEST_SYSTEM_ID)))[HEADER:]
                system_id, end, _ = body.partition(b"\0")
                return system_id.decode("latin-1") if end else ""
            return ""
        finally:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    async def _peek(self, sock: socket.socket, octets: int) -> bytes:
        """The first octets once that many are there, fewer when no more will come. Raises OSError, Full."""
        # Or the first of them would make the socket readable for as long as the others take to come.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)
        while True:
            await self._until_readable(sock)
            try:
                seen = sock.recv(octets, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                continue
            if len(seen) >= octets or sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED:
                return seen
            # The kernel is short of memory, and says so before enough has come.
            await asyncio.sleep(AGAIN)

    async def _until_readable(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        self._waiting[ready] = None
        if len(self._waiting) > self._most_waiting:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            if not longest.done():
                longest.set_exception(Full("too many connections have not bound yet"))
        loop.add_reader(sock, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(sock)
            self._waiting.pop(ready, None)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
