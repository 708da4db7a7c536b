"""Commands over a real Mosquitto: permitted and refused, answered where the sender listens, done once."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portguard.mqtt.commands import Command
from tests.mqtt.broker import Broker
from tests.mqtt.stage import Ear, MemoryJournal, listening, publish, running
from tests.net.loopback import on_uvloop, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow

COMMAND = "portguard/gw1/command/"


class Desk:
    """What is behind the commands: it notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.free = asyncio.Event()
        self.free.set()

    def functions(self) -> dict[str, Command]:
        def function(name: str) -> Command:
            async def run(arguments: dict[str, Any]) -> dict[str, Any]:
                self.asked.append((name, arguments))
                if name == "reload":
                    await self.free.wait()
                if arguments.get("name") == "broken":
                    raise ValueError("no such port")
                if arguments.get("name") == "unknown":
                    return {"ok": False, "error": "unknown is not on file"}
                return {"did": name}

            return run

        return {name: function(name) for name in ("complaints", "reload", "suspend", "resume")}


def outcomes(journal: MemoryJournal) -> list[tuple[Any, Any]]:
    return [(audit["what"], audit["outcome"]) for audit in journal.of("audit")]


async def replies(ear: Ear, count: int) -> list[dict[str, Any]]:
    await until(lambda: len(ear.on("reply")) >= count)
    return ear.on("reply")


def test_permitted_commands_are_done_audited_and_answered(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        async with (
            listening(broker) as ear,
            running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload", "suspend"]) as client,
        ):
            await publish(broker, COMMAND + "suspend", b'{"kind": "port", "name": "1069", "id": "s-1"}')
            await publish(broker, COMMAND + "reload", b"")
            assert sorted(await replies(ear, 2), key=lambda reply: str(reply["command"])) == [
                {"node": "gw1", "command": "reload", "ok": True, "did": "reload"},
                {"node": "gw1", "command": "suspend", "id": "s-1", "ok": True, "did": "suspend"},
            ]
            assert ("suspend", {"kind": "port", "name": "1069"}) in desk.asked
            assert ("reload", {}) in desk.asked
            assert sorted(outcomes(journal)) == [("reload", "ok"), ("suspend", "ok")]
            (suspend,) = [audit for audit in journal.of("audit") if audit["what"] == "suspend"]
            assert (suspend["who"], suspend["target"]) == ("mqtt", "1069")
            assert client.commands.outcomes == {("reload", "ok"): 1, ("suspend", "ok"): 1}

    on_uvloop(main())


@pytest.mark.parametrize(
    ("command", "payload", "error"),
    [
        ("resume", b"{}", "mqtt.commands does not list it"),
        ("reboot", b"{}", "there is no command 'reboot'"),
        ("suspend", b"{", "the payload is no JSON"),
        ("suspend", b"\xff\xfe", "the payload is no JSON"),
        ("suspend", b"[" * 100_000, "the payload is no JSON"),
        ("suspend", b"[1]", "no JSON object"),
        ("suspend", b'{"id": [1]}', "id is text or a number"),
        ("suspend", b'{"id": "' + b"x" * 300 + b'"}', "at most 256 octets"),
        ("suspend", b'{"name": "' + b"x" * 1_048_576 + b'"}', "mqtt.command_bytes permits 1048576"),
        ("suspend", b'{"name": "broken"}', "no such port"),
        ("suspend", b'{"name": "unknown"}', "unknown is not on file"),
    ],
)
def test_what_is_refused_is_answered_and_audited_and_the_next_one_is_done(
    broker: Broker, tmp_path: Path, journal: MemoryJournal, command: str, payload: bytes, error: str
) -> None:
    async def main() -> None:
        desk = Desk()
        async with (
            listening(broker, "portguard/+/reply") as ear,
            running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["suspend"]),
        ):
            await publish(broker, COMMAND + command, payload)
            (reply,) = await replies(ear, 1)
            assert not reply["ok"]
            assert error in reply["error"]
            (audit,) = journal.of("audit")
            assert (audit["what"], audit["outcome"] in ("refused", "failed")) == (command, True)
            assert error in audit["why"]
            await publish(broker, COMMAND + "suspend", b'{"name": "1069"}')
            assert (await replies(ear, 2))[1]["ok"]

    on_uvloop(main())


def test_a_retained_command_is_refused_and_not_found_at_the_next_start(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        async with listening(broker) as ear:
            async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload"]):
                await publish(broker, COMMAND + "reload", b'{"id": 1}', retain=True)
                assert "may not be retained" in (await replies(ear, 1))[0]["error"]
            async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload"]):
                await publish(broker, COMMAND + "reload", b'{"id": 2}')
                assert [reply.get("id") for reply in await replies(ear, 2)] == [None, "2"]
            assert len(desk.asked) == 1

    on_uvloop(main())


def test_mosquitto_rr_gets_its_reply_with_its_correlation_data(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    program = shutil.which("mosquitto_rr")
    if program is None:
        pytest.skip("mosquitto_rr (Debian: mosquitto-clients) is not installed")

    async def main() -> None:
        desk = Desk()
        async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload"]):
            asking = await asyncio.create_subprocess_exec(
                program, "-V", "5", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-W", "10",
                "-t", COMMAND + "reload", "-m", "{}", "-e", "noc/answers",
                "-D", "publish", "correlation-data", "c-17", "-F", "%J", stdout=subprocess.PIPE,
            )
            out, _ = await asking.communicate()
            found = msgspec.json.decode(out)
            assert found["topic"] == "noc/answers"
            assert found["properties"]["correlation-data"] == "c-17"
            assert found["properties"]["content-type"] == "application/json"
            assert found["payload"] == {"node": "gw1", "command": "reload", "ok": True, "did": "reload"}

    on_uvloop(main())


@pytest.mark.parametrize(
    "topic", ["portguard/gw2/command/reload", "portguard/gw1/violations", "$SYS/broker", "a" * 1100]
)
def test_a_reply_cannot_be_used_to_publish_in_the_name_of_the_node(
    broker: Broker, tmp_path: Path, journal: MemoryJournal, topic: str
) -> None:
    async def main() -> None:
        desk = Desk()
        async with (
            listening(broker, "#") as ear,
            running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload"]),
        ):
            await publish(broker, COMMAND + "reload", b"{}", response_topic=topic)
            (reply,) = await replies(ear, 1)
            assert reply["ok"]
            assert "response" in reply["response_topic"]
            assert [heard for heard in ear.messages if heard.topic == topic] == []

    on_uvloop(main())


def test_the_same_command_is_done_once_also_over_a_restart(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        async with listening(broker) as ear:
            for run in range(2):
                async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["suspend"]):
                    await publish(broker, COMMAND + "suspend", b'{"name": "1"}', correlation=b"c1")
                    await publish(broker, COMMAND + "suspend", b'{"name": "1", "id": 7}')
                    await replies(ear, 2 * run + 2)
            assert len(desk.asked) == 2
            assert [reply.get("repeated", False) for reply in ear.on("reply")] == [False, False, True, True]
            assert [reply["did"] for reply in ear.on("reply")] == ["suspend"] * 4
            # Same correlation data, other content: another command.
            async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["suspend"]):
                await publish(broker, COMMAND + "suspend", b'{"name": "2"}', correlation=b"c1")
                await replies(ear, 5)
            assert len(desk.asked) == 3

    on_uvloop(main())


def test_what_was_not_done_when_the_link_ended_comes_again(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        desk.free.clear()
        async with (
            listening(broker) as ear,
            running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload", "suspend"]) as client,
        ):
            await publish(broker, COMMAND + "reload", b'{"id": "r1"}')
            await until(lambda: desk.asked)
            await publish(broker, COMMAND + "reload", b'{"id": "r2"}')
            # A long reload keeps no suspend waiting.
            await publish(broker, COMMAND + "suspend", b'{"id": "s1"}')
            await replies(ear, 1)
            broker.stop()
            await until(lambda: not client.connected)
            broker.start()
            await until(lambda: client.connected)
            desk.free.set()
            await until(lambda: {reply["id"] for reply in ear.on("reply")} == {"r1", "r2", "s1"})
            assert [name for name, _ in desk.asked] == ["reload", "suspend", "reload"]
            assert next(reply for reply in ear.on("reply") if reply["id"] == "r1")["ok"]

    on_uvloop(main())


def test_commands_wait_at_the_broker_while_the_node_is_away(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["suspend"]):
            pass
        await publish(broker, COMMAND + "suspend", b'{"name": "1069"}')
        async with running(broker, tmp_path / "mqtt", journal, desk.functions(), commands=["suspend"]):
            await until(lambda: desk.asked)

    on_uvloop(main())


def test_fleet_commands_come_only_where_they_are_taken(broker: Broker, tmp_path: Path, journal: MemoryJournal) -> None:
    async def main() -> None:
        alone, member = Desk(), Desk()
        async with (
            listening(broker, "portguard/+/reply") as ear,
            running(broker, tmp_path / "a", journal, alone.functions(), commands=["reload"]),
            running(
                broker, tmp_path / "b", MemoryJournal(), member.functions(), node="gw2", commands=["reload"], fleet=True
            ),
        ):
            await publish(broker, "portguard/all/command/reload", b"{}")
            await until(lambda: ear.messages)
            assert [heard.topic for heard in ear.messages] == ["portguard/gw2/reply"]
            assert (len(alone.asked), len(member.asked)) == (0, 1)

    on_uvloop(main())


def test_what_earlier_settings_asked_for_no_longer_comes(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        desk = Desk()
        functions = desk.functions()
        async with running(broker, tmp_path / "m", journal, functions, commands=["reload", "suspend"], fleet=True):
            pass
        async with running(broker, tmp_path / "m", journal, functions, commands=["suspend"]):
            await publish(broker, "portguard/all/command/suspend", b'{"name": "all"}')
            await publish(broker, COMMAND + "suspend", b'{"name": "one"}')
            await until(lambda: desk.asked)
            assert desk.asked == [("suspend", {"name": "one"})]

    on_uvloop(main())


def test_a_flood_is_bounded_and_served(broker: Broker, tmp_path: Path, journal: MemoryJournal) -> None:
    """What is not acknowledged waits at the broker; without acknowledgements (QoS 0) what is too much is dropped."""

    async def main() -> None:
        desk = Desk()
        desk.free.clear()
        async with running(
            broker, tmp_path / "mqtt", journal, desk.functions(), commands=["reload", "suspend"]
        ) as client:
            await publish(broker, COMMAND + "reload", b'{"id": 0}')
            await until(lambda: desk.asked)
            flood = [publish(broker, COMMAND + "reload", b"{}", qos=0) for _ in range(60)]
            await asyncio.gather(*flood, *(publish(broker, COMMAND + "reload", b'{"id": 1}') for _ in range(60)))
            await until(lambda: ("reload", "dropped") in client.commands.outcomes)
            queued = max(queue.qsize() for queue in client.commands._lanes.values())
            assert queued <= 64
            desk.free.set()
            await until(lambda: client.commands.outcomes.get(("reload", "repeated")) == 59)

    on_uvloop(main())
