"""Real sockets on loopback: a proxy over the pass-through relay, SMSCs of every temper, and polling with a deadline."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from portguard.net.batch import Batch
from portguard.net.entrance import Entrance
from portguard.net.exchange import Exchange
from portguard.net.listener import Listener, bound_sockets
from portguard.net.options import ListenOptions, SmscOptions
from portguard.net.upstream import Upstreams
from portguard.sim.ports import free_port
from tests.net.passthrough import Passthrough

DEADLINE = 10.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """Run a test on uvloop, within a deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds; AssertionError after DEADLINE."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - there is no event for a counter
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError("the awaited condition did not come about") from None


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An SMSC that answers the bind with "bound" and everything else with itself."""
    await reader.read(65536)
    writer.write(b"bound")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An SMSC that accepts and never answers."""
    while await reader.read(65536):
        pass


async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An SMSC that goes away over the bind."""
    await reader.read(65536)
    writer.transport.abort()


class Proxy:
    """A listener and an exchange over the pass-through relay."""

    def __init__(self, listener: Listener, exchange: Exchange, relay: Passthrough) -> None:
        self.listener = listener
        self.exchange = exchange
        self.relay = relay
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def port(self) -> int:
        return int(self.listener.addresses[0].rpartition(":")[2])

    async def connect(
        self, first: bytes = b"bind", context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An ESME's connection that has sent `first`; closed with the proxy."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname="localhost" if context else None
        )
        self.writers.append(writer)
        writer.write(first)
        return reader, writer

    async def client(
        self, bind: bytes = b"bind", context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An ESME's connection, bound."""
        reader, writer = await self.connect(bind, context)
        if bind:
            assert await reader.readexactly(5) == b"bound"
        return reader, writer


@contextlib.asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; its port. With it goes every connection, even one whose `serve` has not begun yet: the
    event loop cannot be closed over an open one."""
    writers: list[asyncio.StreamWriter] = []

    async def bounded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
        writers.append(writer)
        return bounded(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)  # what has been accepted meets `connected`
        for writer in writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def smsc(serve: Serve, context: ssl.SSLContext | None = None, **more: Any) -> AsyncIterator[SmscOptions]:
    """A listening SMSC and the options to reach it by. `more` are further options."""
    async with serving(serve, context) as port:
        more.setdefault("name", f"smsc-{port}")
        yield SmscOptions(address=f"127.0.0.1:{port}", **more)


def refusing(name: str = "refusing") -> SmscOptions:
    """An SMSC at an address where nothing listens."""
    return SmscOptions(name=name, address=f"127.0.0.1:{free_port()}")


@contextlib.asynccontextmanager
async def proxy(
    *smscs: SmscOptions,
    context: ssl.SSLContext | None = None,
    max_connections: int = 100,
    batch: Batch | None = None,
    **listen: Any,
) -> AsyncIterator[Proxy]:
    """A running proxy in front of these SMSCs. `listen` are options of `[listen]`."""
    options = ListenOptions(address="127.0.0.1:0", **listen)
    relay = Passthrough()
    exchange = Exchange(relay, Upstreams.from_options(smscs), batch)
    entrance = Entrance(exchange, options.write_timeout, context, lambda: listener.gone())
    listener = Listener(options, max_connections, entrance.take)
    listener.start(bound_sockets("listen.address", options.address))
    exchange.start()
    running = Proxy(listener, exchange, relay)
    try:
        yield running
    finally:
        for writer in running.writers:
            writer.transport.abort()
        listener.close()
        exchange.stop()
        await until(lambda: not exchange.links and not exchange.watched)
