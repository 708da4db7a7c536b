"""Ports for what is started on one machine, to be played with or tested: nobody is given one twice."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

# Below what kernels give to connections that go out (Linux from 32,768, others from 49,152): such a connection would
# have the port before the one who asked for it listens there.
FIRST: Final = 10_000
LAST: Final = 32_000
BLOCK: Final = 50


def _blocks() -> Iterator[int]:
    """First ports of blocks, from one taken by lot. This process listens there while it lives: the block is its own."""
    blocks = (LAST - FIRST) // BLOCK
    start = secrets.randbelow(blocks)
    for number in range(blocks):
        first = FIRST + (start + number) % blocks * BLOCK
        with suppress(OSError):
            socket.create_server(("127.0.0.1", first)).detach()
            yield first


def _ports() -> Iterator[int]:
    """Ports of blocks that no other process has, each once, as long as there are any."""
    for first in _blocks():
        for port in range(first + 1, first + BLOCK):
            with suppress(OSError):
                socket.create_server(("127.0.0.1", port)).close()
                yield port


_PORTS: Final = _ports()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on, for somebody to listen on soon.

    It was not given out before by this process, and is not given out by another one meanwhile: between the question
    and the listener lies a start, and tests run side by side. Raises OSError when all are given out.
    """
    port = next(_PORTS, None)
    if port is None:
        raise OSError(f"the ports of the loopback from {FIRST} to {LAST} are all given out")
    return port
