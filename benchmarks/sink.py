"""The SMSC of the benchmark: takes every message at once, and checks that each came as it was sent.

    python sink.py PORT

It compares what comes with the account's reel and answers with slices of a prepared buffer, so it parses nothing but
the bind: at any window it needs less CPU than the cheapest proxy.
"""

import asyncio
import sys
from typing import cast

import uvloop

from ring import Ring
from traffic import ACCOUNTS, PDU_OCTETS, UNBIND_ANSWER, UNBIND_REQUEST, bind_answer, bind_request, reel

_BINDS = {bind_request(account): account for account in range(ACCOUNTS)}
_LONGEST_BIND = max(map(len, _BINDS))


class Sink(asyncio.Protocol):
    """One link."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._begun = b""
        self._bound = False
        self._held = b""
        self._octets = 0

    def data_received(self, data: bytes) -> None:
        if not self._bound:
            self._bind(data)
            return
        data = self._held + data
        # An unbind, or its beginning, stands between two messages; the first octets of a message look like it.
        left = (self._octets + len(data)) % PDU_OCTETS
        unbinds = 0 < left <= min(len(UNBIND_REQUEST), len(data)) and UNBIND_REQUEST.startswith(data[-left:])
        held = left if unbinds else 0
        self._held = data[len(data) - held :]
        answers = self._take(data[: len(data) - held])
        self._transport.write(answers + UNBIND_ANSWER if self._held == UNBIND_REQUEST else answers)

    def _bind(self, data: bytes) -> None:
        self._begun += data
        account = _BINDS.get(self._begun)
        if account is None:
            if len(self._begun) >= _LONGEST_BIND:
                sys.exit(f"sink: not a bind of the benchmark: {self._begun.hex()}")
            return
        found = reel(account)
        self._requests, self._answers = Ring(found.requests), Ring(found.answers)
        self._answer_octets = found.answer_octets
        self._bound = True
        self._transport.write(bind_answer())

    def _take(self, data: bytes) -> bytes:
        """The answers to what became whole with `data`."""
        if self._requests.take(len(data)) != data:
            sys.exit("sink: what came through is not what was sent")
        before = self._octets // PDU_OCTETS
        self._octets += len(data)
        return self._answers.take((self._octets // PDU_OCTETS - before) * self._answer_octets)


async def serve(port: int) -> None:
    """Listens on the loopback until the process is ended."""
    for account in range(ACCOUNTS):
        reel(account)
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
