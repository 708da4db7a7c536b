"""What stands around the client in a test: a journal in memory, somebody who listens, somebody who gives commands."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from portguard.mqtt.client import Client, Follow
from portguard.mqtt.commands import Command
from portguard.mqtt.feed import Journal, Row
from portguard.mqtt.options import MqttOptions
from tests.mqtt.broker import Broker
from tests.net.loopback import until

NODE = "gw1"


class MemoryJournal:
    """Rows from 1 on; `remove` is retention."""

    def __init__(self) -> None:
        self.kept: list[Row] = []
        self.last = 0
        self.journal = Journal(self.rows, lambda: self.last)

    def rows(self, after: int, limit: int) -> list[Row]:
        first = self.kept[0][0] if self.kept else self.last + 1
        start = max(after + 1 - first, 0)
        return self.kept[start : start + limit]

    def add(self, event: str, **fields: object) -> int:
        self.last += 1
        self.kept.append((self.last, event, fields))
        return self.last

    def violation(self, at: float, account: str = "acme", rule: str = "signature_missing", port: str = "1069") -> int:
        return self.add("violation", at=at, account=account, rule=rule, port=port, number=f"{port}01")

    def remove(self, up_to: int) -> None:
        self.kept = [row for row in self.kept if row[0] > up_to]

    def emit(self, kind: str, fields: dict[str, object]) -> None:
        self.add(kind, **fields)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for _, found, fields in self.kept if found == kind]


@dataclass
class Heard:
    """One message that arrived; `properties` by the names that Mosquitto gives them."""

    topic: str
    said: dict[str, Any]
    retain: bool
    qos: int
    properties: dict[str, Any]


@dataclass
class Ear:
    """All messages of a filter, in the order in which they came."""

    messages: list[Heard] = field(default_factory=list)

    def on(self, name: str) -> list[dict[str, Any]]:
        """What was said on a topic of the node."""
        return [heard.said for heard in self.messages if heard.topic == f"portguard/{NODE}/{name}"]

    def records(self, name: str = "violations") -> list[int]:
        return [said["record"] for said in self.on(name) if "record" in said]


@contextlib.asynccontextmanager
async def listening(broker: Broker, to: str = "portguard/#", *options: str) -> AsyncIterator[Ear]:
    """mosquitto_sub, somebody else's client: it listens while the broker is there, and comes back when it does."""
    program = shutil.which("mosquitto_sub")
    if program is None:
        pytest.skip("mosquitto_sub (Debian: mosquitto-clients) is not installed")
    ear = Ear()
    process = await asyncio.create_subprocess_exec(
        "stdbuf", "-oL", program, "-V", "5", "-h", "127.0.0.1", "-p", str(broker.port), "-t", to, "-q", "1", "-c",
        "-i", f"ear-{id(ear)}", "-x", "600", "-d", "-F", "%J", *options, stdout=asyncio.subprocess.PIPE,
        limit=4 * 1024 * 1024,
    )
    ready = asyncio.Event()

    async def listen() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if line.startswith(b"Subscribed"):
                ready.set()
            elif line.startswith(b"{"):
                found = msgspec.json.decode(line)
                ear.messages.append(Heard(
                    found["topic"], found["payload"] or {}, bool(found["retain"]), found["qos"],
                    found.get("properties", {}),
                ))

    task = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield ear
    finally:
        # Not terminated: on SIGTERM mosquitto_sub now and then waits for a lock that it has itself.
        process.kill()
        await process.wait()
        await task


async def publish(
    broker: Broker, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, correlation: bytes = b"",
    response_topic: str = "", login: Mapping[str, Any] | None = None,
) -> None:
    """Publish one message as somebody else."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if correlation:
        properties.CorrelationData = correlation
    if response_topic:
        properties.ResponseTopic = response_topic
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, **(login or {})
    ) as client:
        await client.publish(topic, payload, qos, retain, properties)


@contextlib.asynccontextmanager
async def running(
    broker: Broker, folder: Path, journal: MemoryJournal, functions: Mapping[str, Command] | None = None, *,
    taking: Follow | None = None, connected: bool = True, node: str = NODE, **options: Any,
) -> AsyncIterator[Client]:
    """The client under test. Leaves by `stop`, unless its task has been cancelled: that stands for kill -9."""
    settings = MqttOptions(**{"url": broker.url, **options})
    client = Client(settings, node, folder, lambda: journal.journal, journal.emit, functions or {}, taking)
    client.status(version="1.0", mode="enforce", revision="aa")
    task = asyncio.create_task(client.run(), name="client")
    try:
        if connected:
            await until(lambda: client.connected)
        yield client
    finally:
        if not task.cancelled() and not task.cancelling():
            await client.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
