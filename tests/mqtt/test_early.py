"""Alerts that do not wait for the journal: once, in order, and not again when the journal has them."""

import asyncio

import aiomqtt
import msgspec

from portguard.mqtt import early as module
from portguard.mqtt.early import Early
from portguard.mqtt.link import Refused
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing
from portguard.mqtt.selection import Events
from portguard.mqtt.topics import Topics
from tests.net.loopback import on_uvloop, until


class Wire:
    """A link that takes messages; `refuses` are told instead, one after the other."""

    def __init__(self, *refuses: Exception) -> None:
        self.refuses = list(refuses)
        self.sent: list[dict[str, object]] = []

    async def send(self, message: Outgoing) -> None:
        await asyncio.sleep(0)
        if self.refuses:
            raise self.refuses.pop(0)
        self.sent.append(msgspec.json.decode(message.payload))


def alert(id: str) -> dict[str, object]:
    return {"at": 1.0, "alert": "evidence_full", "id": id}


async def said(early: Early, wire: Wire, count: int) -> None:
    """Runs over a link until that has taken so many."""
    task = asyncio.create_task(early.run(wire))
    await until(lambda: len(wire.sent) == count or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def made() -> tuple[Early, Events]:
    early = Early()
    return early, Events(Topics("portguard", "gw1"), MqttOptions(), early)


def test_what_was_published_early_is_not_published_again() -> None:
    async def main() -> None:
        early, events = made()
        events.early(alert("a"))
        events.early(alert("b"))
        wire = Wire()
        await said(early, wire, 2)
        assert [(one["id"], one["node"], "record" in one) for one in wire.sent] == [
            ("a", "gw1", False), ("b", "gw1", False)
        ]  # fmt: skip
        assert events.take(1, "alert", alert("a")) is None
        assert events.take(2, "alert", alert("c")) is not None
        assert events.take(3, "alert", {"alert": "of an older version"}) is not None

    on_uvloop(main())


def test_what_is_in_the_journal_before_there_is_a_broker_comes_from_there() -> None:
    async def main() -> None:
        early, events = made()
        events.early(alert("a"))
        events.early(alert("b"))
        assert events.take(1, "alert", alert("a")) is not None
        wire = Wire()
        await said(early, wire, 1)
        assert [one["id"] for one in wire.sent] == ["b"]

    on_uvloop(main())


def test_a_link_that_ends_is_followed_by_another() -> None:
    async def main() -> None:
        early, events = made()
        events.early(alert("a"))
        await said(early, Wire(aiomqtt.MqttError("the connection ended")), 1)
        wire = Wire()
        await said(early, wire, 1)
        assert early.published == 1

    on_uvloop(main())


def test_a_refusal_for_ever_keeps_nothing_back() -> None:
    async def main() -> None:
        early, events = made()
        for id in "abc":
            events.early(alert(id))
        wire = Wire(Refused("never", forever=True))
        await said(early, wire, 2)
        assert [one["id"] for one in wire.sent] == ["b", "c"]

    on_uvloop(main())


def test_it_is_bounded() -> None:
    async def main() -> None:
        early, events = made()
        for n in range(module.MOST_WAITING + 10):
            events.early(alert(str(n)))
        wire = Wire()
        await said(early, wire, module.MOST_WAITING)
        assert (wire.sent[0]["id"], len(wire.sent)) == ("10", module.MOST_WAITING)

    on_uvloop(main())
