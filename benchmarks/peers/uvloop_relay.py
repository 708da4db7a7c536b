"""A peer: the plain relay, uvloop and nothing else, which shows what moving the bytes costs in Python.

    python uvloop_relay.py PORT TARGET_PORT
"""

import asyncio
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One side of a pair; what comes before the other side is there waits for it."""

    def __init__(self, other: "Side | None", target: int) -> None:
        self._other = other
        self._target = target
        self._waiting: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._other is None:
            self._task = asyncio.ensure_future(self._connect())
        else:
            self._other.joined(self)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Side(self, self._target), "127.0.0.1", self._target)

    def joined(self, other: "Side") -> None:
        self._other = other
        for data in self._waiting:
            other.write(data)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._waiting.append(data)
        else:
            self._other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.close()


async def serve(port: int, target: int) -> None:
    """Listens on the loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Side(None, target), "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
