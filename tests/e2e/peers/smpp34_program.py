"""The program that smpp34_client.py starts: orders in, events out, as JSON lines.

Orders and events are those of node_client.js. A refused bind is reported with status 0xFFFFFFFF: the library lets it
time out without a word.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import smpp34

BIND_TYPES = {"transmitter": "TX", "receiver": "RX", "transceiver": "TRX"}
BIND_MS = 2000
WINDOW = 1000
UNSAID = 0xFFFFFFFF

Order = dict[str, Any]


def say(**event: Any) -> None:
    """Writes one event."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Program:
    """One ESME link."""

    def __init__(self) -> None:
        self._smsc: Any = None
        self._sending: set[asyncio.Task[None]] = set()

    async def bind(self, order: Order) -> None:
        """Connects and binds; then listens until the link ends."""
        client = smpp34.Client(
            host="127.0.0.1", port=order["port"], system_id=order["system_id"], password="secret",
            bind_type=BIND_TYPES[order["mode"]], window_size=WINDOW, connect_timeout_ms=BIND_MS,
        )
        try:
            self._smsc = await client.connect()
        except smpp34.SmppError as error:
            if "bind timed out" not in str(error):
                say(event="close", id=order["id"], message=str(error))
            else:
                say(event="bound", id=order["id"], status=UNSAID)
            return
        say(event="bound", id=order["id"], status=0)
        while isinstance(event := await self._smsc.next(), smpp34.DeliverSmEvent):
            say(event="deliver_sm", fields=_delivery(event))
        if self._sending:  # the end is known before the last answers have been handed out
            await asyncio.wait(self._sending, timeout=BIND_MS / 1000)
        say(event="close", id=order["id"])

    async def requests(self, order: Order) -> None:
        """Sends the messages, at most `window` unanswered."""
        window = asyncio.Semaphore(order["window"])

        async def one(index: int, fields: dict[str, Any]) -> None:
            async with window:
                response = await self._smsc.submit_sm(**_octets(fields))
            say(
                event="answer", id=order["id"], index=index, sequence=0, status=response.command_status,
                fields={"message_id": response.message_id or ""},
            )

        sending = [asyncio.create_task(one(at, request["fields"])) for at, request in enumerate(order["list"])]
        self._sending.update(sending)
        await asyncio.gather(*sending, return_exceptions=True)
        self._sending.difference_update(sending)

    async def unbind(self, order: Order) -> None:
        """Unbinds; raises, and so ends the process, when that fails."""
        await self._smsc.unbind()
        say(event="unbound", id=order["id"], status=0)


def _octets(fields: dict[str, Any]) -> dict[str, Any]:
    tlvs = [smpp34.Tlv(tag, bytes.fromhex(value)) for tag, value in fields["tlvs"]]
    return {**fields, "short_message": bytes.fromhex(fields["short_message"]), "tlvs": tlvs}


def _delivery(event: Any) -> dict[str, Any]:
    return {
        "source_addr": event.source_addr, "destination_addr": event.destination_addr, "esm_class": event.esm_class,
        "short_message": {"hex": event.short_message.hex()},
    }


async def main() -> None:
    """Reads orders until standard input ends."""
    program = Program()
    running: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        running.add(asyncio.create_task(getattr(program, order["do"])(order)))


asyncio.run(main())
