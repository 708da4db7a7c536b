"""Accepting: limits, the PROXY protocol over real sockets, addresses that cannot be had, and no descriptors left."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from portguard.net.listener import ListenError, bound_sockets, listen
from tests.net.loopback import echo, on_uvloop, proxy, smsc, until


def test_further_connections_than_permitted_are_closed_and_places_come_back() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, max_connections=2) as running:
            _, one = await running.client()
            await running.client()
            reader, _ = await running.connect(b"")
            with pytest.raises(ConnectionError):
                assert await reader.read() == b""
                raise ConnectionError
            assert running.listener.refused["max_connections"] == 1
            one.transport.abort()
            await until(lambda: running.listener.connections == 1)
            await running.client()

    on_uvloop(main())


def test_proxy_header_from_a_trusted_network_names_the_peer() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=["127.0.0.0/8"]) as running:
            header = b"PROXY TCP4 203.0.113.7 203.0.113.1 5000 2775\r\n"
            reader, writer = await running.connect(header[:9])
            await until(lambda: running.listener.connections == 1)
            writer.write(header[9:] + b"bind")
            assert await reader.readexactly(5) == b"bound"
            assert running.relay.pairs[0].peer == "203.0.113.7"
            assert running.relay.pairs[0].bind == b"bind"

    on_uvloop(main())


def test_local_header_keeps_the_address_of_the_connection() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=True) as running:
            await running.client(b"PROXY UNKNOWN\r\nbind")
            assert running.relay.pairs[0].peer == "127.0.0.1"

    on_uvloop(main())


@pytest.mark.parametrize("first_bytes", [b"\x00\x00\x00\x21\x00\x00\x00\x09", b"PROXY TCP4 x\r\n"])
def test_trusted_peer_without_a_sound_header_is_refused(first_bytes: bytes) -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=True) as running:
            await running.connect(first_bytes)
            await until(lambda: running.listener.refused["handshake"] == 1)
            assert running.listener.connections == 0
            assert running.relay.calls == []

    on_uvloop(main())


def test_trusted_peer_that_sends_nothing_is_closed_in_time() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=True, bind_timeout=0.2) as running:
            await running.connect(b"PROXY ")
            await until(lambda: running.listener.refused["handshake"] == 1)
            assert running.listener.connections == 0

    on_uvloop(main())


def test_header_from_elsewhere_is_just_bytes() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=["10.0.0.0/8"]) as running:
            await running.client(b"PROXY TCP4 203.0.113.7 203.0.113.1 5000 2775\r\n")
            assert running.relay.pairs[0].peer == "127.0.0.1"
            assert running.relay.pairs[0].bind.startswith(b"PROXY")

    on_uvloop(main())


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """As many descriptors as are open, and a few."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_without_descriptors_accepting_pauses_and_goes_on(few_descriptors: None) -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            address = ("127.0.0.1", running.port)
            hoard: list[socket.socket] = []
            waiting = socket.socket()
            waiting.setblocking(False)
            try:
                while True:
                    hoard.append(socket.socket())
            except OSError:
                pass
            waiting.connect_ex(address)
            await until(lambda: running.listener.refused["descriptors"] >= 1)
            writer.write(b"alive")
            assert await reader.readexactly(5) == b"alive"
            for sock in hoard:
                sock.close()
            await until(lambda: running.listener.connections == 2)
            waiting.close()

    on_uvloop(main())


def test_shortage_of_our_own_is_not_held_against_the_smsc(few_descriptors: None) -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.connect(b"")
            await until(lambda: len(running.relay.pairs) == 1)
            hoard: list[socket.socket] = []
            try:
                while True:
                    hoard.append(socket.socket())
            except OSError:
                pass
            writer.write(b"bind")
            assert await reader.read() == b"bind failed"
            for sock in hoard:
                sock.close()
            assert running.exchange.upstreams.all[0].sound
            await running.client()

    on_uvloop(main())


def test_address_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match=rf"^listen\.address: {address}: address already in use"):
            bound_sockets("listen.address", address)


def test_second_to_listen_is_told_too() -> None:
    first = bound_sockets("listen.address", "127.0.0.1:0")
    address = f"127.0.0.1:{first[0].getsockname()[1]}"
    second = bound_sockets("listen.address", address)
    try:
        listen("listen.address", first, 1)
        with pytest.raises(ListenError, match="already in use"):
            listen("listen.address", second, 1)
    finally:
        for sock in (*first, *second):
            sock.close()


def test_address_of_another_machine_is_said_plainly() -> None:
    with pytest.raises(ListenError, match=r"listen\.address: 192\.0\.2\.1:2775: cannot assign requested address"):
        bound_sockets("listen.address", "192.0.2.1:2775")


def test_both_families_at_one_address() -> None:
    try:
        sockets = bound_sockets("listen.address", "[::1]:0")
    except ListenError:
        pytest.skip("no IPv6 here")
    assert [sock.family for sock in sockets] == [socket.AF_INET6]
    for sock in sockets:
        sock.close()


def test_closing_ends_what_is_being_admitted() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first, proxy_protocol=True) as running:
            reader, _ = await running.connect(b"PRO")
            await until(lambda: running.listener.connections == 1)
            running.listener.close()
            with pytest.raises(ConnectionError):
                assert await reader.read() == b""
                raise ConnectionError
            assert running.listener.connections == 0
            await asyncio.sleep(0)

    on_uvloop(main())
