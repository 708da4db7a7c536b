"""Who binds is found out without an octet being read; whoever dawdles, trickles or floods costs a bounded amount."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from portguard.net.listener import Listener, bound_sockets
from portguard.net.options import ListenOptions
from portguard.net.sorter import ENQUIRIES, Sorter
from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.net.loopback import on_uvloop, until

BIND = encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star", password=b"secret")
ENQUIRE_LINK = encode.enquire_link(7)


class CountingSorter(Sorter):
    """Counts how often it was woken."""

    looks = 0

    async def _until_readable(self, sock: socket.socket) -> None:
        self.looks += 1
        await super()._until_readable(sock)


class Sorted:
    """A listener with a sorter; `given` has (system_id, peer, socket)."""

    def __init__(self, *, peeks: bool = True, most_waiting: int = 100, **options: object) -> None:
        self.given: list[tuple[str, str, socket.socket]] = []
        self.full = False
        self.clients: list[socket.socket] = []
        self.sorter = CountingSorter(self._give, peeks=peeks, most_waiting=most_waiting)
        settings = ListenOptions(address="127.0.0.1:0", **options)  # type: ignore[arg-type]
        self.listener = Listener(settings, 1000, self.sorter.take)
        self.listener.start(bound_sockets("listen.address", "127.0.0.1:0"))

    async def _give(self, system_id: str, peer: str, sock: socket.socket) -> None:
        self.given.append((system_id, peer, sock))

    def client(self, octets: bytes = b"") -> socket.socket:
        host, _, port = self.listener.addresses[0].rpartition(":")
        sock = socket.create_connection((host, int(port)), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients.append(sock)
        if octets:
            sock.sendall(octets)
        return sock

    async def one(self) -> tuple[str, bytes]:
        """The next that was given, and what can be read from it."""
        await until(lambda: self.given)
        system_id, _, sock = self.given.pop()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
        with sock:
            try:
                return system_id, sock.recv(1 << 20)
            except BlockingIOError:
                return system_id, b""


@contextlib.asynccontextmanager
async def sorting(**options: object) -> AsyncIterator[Sorted]:
    running = Sorted(**options)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.listener.close()
        for sock in (*running.clients, *(sock for _, _, sock in running.given)):
            sock.close()


def on_sorter(work: Callable[[Sorted], Awaitable[None]], **options: object) -> None:
    async def main() -> None:
        async with sorting(**options) as running:
            await work(running)

    on_uvloop(main())


def test_a_bind_is_seen_and_left_where_it_is() -> None:
    async def work(running: Sorted) -> None:
        running.client(BIND)
        assert await running.one() == ("star", BIND)

    on_sorter(work)


@pytest.mark.parametrize("command", [c.BIND_RECEIVER, c.BIND_TRANSMITTER])
def test_what_is_sent_behind_the_bind_stays_too(command: int) -> None:
    async def work(running: Sorted) -> None:
        octets = encode.bind(command, 1, system_id=b"0123456789abcde", password=b"") + b"x" * 5000
        running.client(octets)
        assert await running.one() == ("0123456789abcde", octets)

    on_sorter(work)


def test_one_octet_at_a_time_wakes_nobody_for_each() -> None:
    async def work(running: Sorted) -> None:
        sock = running.client()
        await until(lambda: running.sorter.waiting == 1)
        for number, octet in enumerate(BIND):
            assert not running.given or number >= 32
            sock.sendall(bytes([octet]))
            await asyncio.sleep(0.001)
        system_id, seen = await running.one()
        assert running.sorter.looks == 2
        assert system_id == "star"
        assert BIND.startswith(seen)
        assert len(seen) >= 21

    on_sorter(work)


@pytest.mark.slow
def test_one_that_says_little_waits_without_spinning_and_is_closed_in_time() -> None:
    async def work(running: Sorted) -> None:
        sock = running.client(BIND[:15])
        await until(lambda: running.listener.refused["handshake"] == 1)
        assert running.sorter.looks == 1
        assert running.given == []
        assert running.listener.connections == 0
        sock.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""

    on_sorter(work, bind_timeout=0.5)


def test_enquire_links_before_the_bind_are_answered_and_do_not_hide_it() -> None:
    async def work(running: Sorted) -> None:
        sock = running.client()
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await loop.sock_sendall(sock, ENQUIRE_LINK)
            assert await loop.sock_recv(sock, 100) == bytes.fromhex("00000010800000150000000000000007")
        await loop.sock_sendall(sock, BIND)
        assert await running.one() == ("star", BIND)

    on_sorter(work)


def test_somebody_who_only_enquires_is_somebody_elses_after_a_while() -> None:
    async def work(running: Sorted) -> None:
        running.client(ENQUIRE_LINK * (ENQUIRIES + 5))
        assert await running.one() == ("", ENQUIRE_LINK * 5)

    on_sorter(work)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(16),
        b"\xff" * 2000,
        b"\x7f\xff\xff\xff" + BIND[4:],
        encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"", password=b""),
        BIND[:16] + b"x" * 40,
        bytes.fromhex("00000010000000090000000000000001"),
        bytes.fromhex("0000001500000009000000000000000173746172"),
    ],
)
def test_whatever_else_comes_is_given_away_unread(octets: bytes) -> None:
    async def work(running: Sorted) -> None:
        sock = running.client(octets)
        sock.shutdown(socket.SHUT_WR)
        system_id, seen = await running.one()
        assert seen == octets
        assert system_id in ("", "star")

    on_sorter(work)


@pytest.mark.parametrize("octets", [b"", BIND[:3], BIND[:20]])
def test_one_that_ends_before_its_bind_is_given_away_too(octets: bytes) -> None:
    async def work(running: Sorted) -> None:
        sock = running.client(octets)
        await until(lambda: running.listener.connections == 1)
        sock.shutdown(socket.SHUT_WR)
        assert await running.one() == ("", octets)

    on_sorter(work)


def test_a_reset_is_no_trouble() -> None:
    async def work(running: Sorted) -> None:
        sock = running.client(BIND[:5])
        await until(lambda: running.sorter.waiting == 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        await until(lambda: running.listener.connections == 0 or running.given)
        running.client(BIND)
        await until(lambda: any(system_id == "star" for system_id, _, _ in running.given))

    on_sorter(work)


def test_a_giant_first_pdu_is_not_taken_in() -> None:
    async def work(running: Sorted) -> None:
        giant = (64 << 20).to_bytes(4, "big") + BIND[4:]
        sock = running.client(giant)
        sock.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 64 << 20:
                sent += sock.send(b"x" * 65536)
        # The kernels' buffers are full, ours hold nothing: it is given away as it is.
        await until(lambda: running.given)
        assert running.given[0][0] == ""

    on_sorter(work)


def test_the_longest_silent_goes_when_there_are_too_many() -> None:
    async def work(running: Sorted) -> None:
        silent = [running.client() for _ in range(5)]
        await until(lambda: running.sorter.waiting == 5)
        late = running.client()
        await until(lambda: running.listener.refused["max_connections"] == 1)
        silent[0].settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""
        assert running.sorter.waiting == 5
        late.sendall(BIND)
        assert await running.one() == ("star", BIND)
        silent[1].sendall(BIND)
        assert await running.one() == ("star", BIND)

    on_sorter(work, most_waiting=5)


def test_a_proxy_header_goes_before_the_bind() -> None:
    async def work(running: Sorted) -> None:
        sock = running.client(b"PROXY TCP4 203.0.113.7 203.0.113.1 5000 27")
        await until(lambda: running.listener.connections == 1)
        sock.sendall(b"75\r\n" + BIND)
        await until(lambda: running.given)
        assert running.given[0][1] == "203.0.113.7"
        assert await running.one() == ("star", BIND)

    on_sorter(work, proxy_protocol=True)


def test_what_tls_hides_is_not_waited_for() -> None:
    async def work(running: Sorted) -> None:
        running.client()
        assert await running.one() == ("", b"")

    on_sorter(work, peeks=False)
