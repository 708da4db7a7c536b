"""Ports for what is started on one machine, to be played with or tested: nobody may be given one twice."""

import secrets
import socket
from contextlib import suppress
from typing import Final

# Below what kernels give to connections that go out (Linux from 32,768, others from 49,152): such a connection would
# have the port before the one who asked for it listens there.
FIRST: Final = 10_000
LAST: Final = 32_000
TRIES: Final = 1000


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on, for somebody to listen on soon. Raises OSError."""
    for _ in range(TRIES):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"of {TRIES} ports between {FIRST} and {LAST} none is free on the loopback")
