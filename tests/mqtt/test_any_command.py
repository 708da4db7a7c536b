"""Any bytes as a command, on any topic, with any properties: one reply, one acknowledgement, and nothing else."""

import tempfile
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from portguard.mqtt.answers import Answers
from portguard.mqtt.commands import Commands
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing
from portguard.mqtt.topics import Topics
from tests.mqtt.stage import MemoryJournal
from tests.net.loopback import on_uvloop, until

TOPICS = Topics("portguard", "gw1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8,
)
PAYLOADS = st.binary(max_size=200) | st.one_of(
    JSON, st.fixed_dictionaries({"id": JSON}, optional={"name": JSON, "rows": JSON})
).map(msgspec.json.encode)


class Link:
    """Takes replies."""

    def __init__(self) -> None:
        self.replies: list[Outgoing] = []
        self.acknowledged = 0

    async def send(self, message: Outgoing) -> None:
        self.replies.append(message)

    def done(self, message: aiomqtt.Message) -> None:
        self.acknowledged += 1


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(
        st.sampled_from(["suspend", "reload", "complaints", "nothing", "", "é"]), PAYLOADS, st.binary(max_size=300),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ), min_size=1, max_size=4)
)  # fmt: skip
def test_any_command(messages: list[tuple[str, bytes, bytes, str]]) -> None:
    async def main() -> None:
        async def function(arguments: dict[str, Any]) -> dict[str, Any]:
            return {"echo": arguments}

        with tempfile.TemporaryDirectory() as folder:
            journal, link = MemoryJournal(), Link()
            commands = Commands(
                MqttOptions(commands=["suspend", "reload"]), TOPICS, {"suspend": function, "reload": function},
                Answers(Path(folder) / "answers.json"), journal.emit,
            )
            commands.start()
            for mid, (name, payload, correlation, topic) in enumerate(messages, 1):
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                properties.CorrelationData = correlation
                properties.ResponseTopic = topic
                commands.take(link, aiomqtt.Message(TOPICS.of(f"command/{name}"), payload, 1, False, mid, properties))
            await until(lambda: link.acknowledged == len(messages))
            await commands.stop(1.0)
            assert len(link.replies) == len(messages)
            for reply in link.replies:
                said = msgspec.json.decode(reply.payload)
                assert said["ok"] in (True, False)
                assert said["ok"] or said["error"]
                assert TOPICS.refuses(reply.topic) == ""
            repeated = sum(count for (_, outcome), count in commands.outcomes.items() if outcome == "repeated")
            assert len(journal.of("audit")) + repeated == len(messages)

    on_uvloop(main())
