"""A peer: the least that makes a proxy of smpp34, its server on one side and one of its clients a session on the other.

    python smpp34_proxy.py PORT TARGET_PORT

The library accepts every bind by itself and writes sequence numbers of its own towards the SMSC.
"""

import asyncio
import sys
from typing import Any

import smpp34
import uvloop

WINDOW = 1000
FIELDS = (
    "source_addr", "service_type", "source_addr_ton", "source_addr_npi", "dest_addr_ton", "dest_addr_npi", "esm_class",
    "protocol_id", "data_coding", "registered_delivery", "tlvs",
)


class Session:
    """One ESME: its messages go to the SMSC in the order in which they came, each awaited by a task of its own."""

    def __init__(self, system_id: str, target: int) -> None:
        self._client = smpp34.Client(
            "127.0.0.1", target, system_id, "secret", system_type="reworded", window_size=WINDOW,
        )
        self._smsc: Any = None
        self._waiting: asyncio.Queue[Any] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.create_task(self._send())

    def take(self, event: Any) -> None:
        """A message of the ESME."""
        self._waiting.put_nowait(event)

    async def end(self) -> None:
        """The ESME has unbound."""
        self._sending.cancel()
        if self._smsc is not None:
            await self._smsc.unbind()

    async def _send(self) -> None:
        self._smsc = await self._client.connect()
        while True:
            event = await self._waiting.get()
            task = asyncio.create_task(self._pass_on(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, event: Any) -> None:
        fields = {name: getattr(event, name) for name in FIELDS}
        answer = await self._smsc.submit_sm(event.destination_addr, event.short_message, **fields)
        if answer.is_success:
            event.accept(answer.message_id)
        else:
            event.reject(answer.command_status)


async def serve(port: int, target: int) -> None:
    """Listens on the loopback until the process is ended."""
    server = smpp34.Server("127.0.0.1", port, inbound_capacity=100_000)
    await server.start()
    print("ready", flush=True)
    sessions: dict[str, Session] = {}
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = Session(event.system_id, target)
        elif isinstance(event, smpp34.SubmitSmEvent):
            sessions[event.session_id].take(event)
        elif event.session_id in sessions:
            await sessions.pop(event.session_id).end()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
