"""The client with a real Mosquitto: what it publishes, how it connects, loses the broker, and leaves."""

import asyncio
import logging
from pathlib import Path

import pytest

from portguard.mqtt.place import Place, kept
from tests.mqtt.broker import Broker
from tests.mqtt.conftest import MakeBroker
from tests.mqtt.stage import MemoryJournal, listening, publish, running
from tests.net.loopback import on_uvloop, serving, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow


def test_violations_and_alerts_are_published_with_their_properties(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        async with listening(broker) as ear, running(broker, tmp_path / "mqtt", journal, message_expiry=3600):
            journal.violation(100.0)
            journal.add("alert", at=101.0, alert="surge", severity="warning", summary="a surge")
            journal.add("audit", at=102.0, who="somebody")
            journal.add("escalation", at=103.0, kind="port", name="1069", level="suspend")
            await until(lambda: ear.on("violations") and ear.on("alerts") and ear.on("escalations"))
            assert ear.on("violations") == [{
                "node": "gw1", "record": 1, "event": "violation", "at": 100.0, "account": "acme",
                "rule": "signature_missing", "port": "1069", "number": "106901", "left_out": 0,
            }]
            (alert,) = ear.on("alerts")
            assert (alert["record"], alert["alert"], alert["event"]) == (2, "surge", "alert")
            assert ear.on("escalations") == [{
                "node": "gw1", "record": 4, "event": "escalation", "at": 103.0, "kind": "port", "name": "1069",
                "level": "suspend",
            }]
            heard = next(heard for heard in ear.messages if heard.topic.endswith("violations"))
            assert heard.properties["content-type"] == "application/json"
            assert heard.properties["payload-format-indicator"] == 1
            assert 3590 <= heard.properties["message-expiry-interval"] <= 3600
            assert heard.properties["user-properties"] == {"schema": "1"}
            assert not heard.retain
            assert heard.qos == 1

    on_uvloop(main())


def test_status_and_registry_are_retained_and_the_end_is_said(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal) as client:
            client.state("registry", {"revision": "r1", "counts": {"ports": 3}})
            async with listening(broker) as early:
                await until(lambda: early.on("status") and early.on("registry"))
                assert early.on("status")[0] == {
                    "node": "gw1", "status": "online", "version": "1.0", "mode": "enforce", "revision": "aa",
                }
                client.state("registry", {"revision": "r2", "counts": {"ports": 4}})
                await until(lambda: early.on("registry")[-1]["revision"] == "r2")
        async with listening(broker) as late:
            await until(lambda: late.on("status") and late.on("registry"))
            assert all(heard.retain for heard in late.messages)
            assert late.on("registry")[0]["revision"] == "r2"
            status = late.on("status")[0]
            assert (status["status"], status["why"], status["was"]["revision"]) == ("offline", "stopped", "aa")

    on_uvloop(main())


def test_last_will_speaks_for_a_process_that_was_killed(broker: Broker, tmp_path: Path, journal: MemoryJournal) -> None:
    async def main() -> None:
        async with listening(broker) as ear, running(broker, tmp_path / "mqtt", journal):
            await until(lambda: ear.on("status"))
            await _kill()
            await until(lambda: len(ear.on("status")) == 2)
            assert ear.on("status")[1]["status"] == "offline"
            assert ear.on("status")[1]["why"] == "the connection was lost"

    on_uvloop(main())


def _stored(folder: Path) -> int:
    place = kept(folder / "violations.json", Place)
    return place.cursor if place is not None else 0


async def _kill() -> None:
    """Ends the client's task with nothing stored and nothing said."""
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "client"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_nothing_is_lost_while_the_broker_is_away_and_the_order_stays(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, ending: str
) -> None:
    # Otherwise a broker that crashes forgets its subscribers too.
    broker = make_broker("autosave_on_changes true", "autosave_interval 1")
    broker.start()

    async def main() -> None:
        async with listening(broker) as ear, running(broker, tmp_path / "mqtt", journal) as client:
            for at in range(200):
                journal.violation(float(at))
            await until(lambda: len(ear.on("violations")) >= 100)
            (broker.stop if ending == "stop" else broker.kill)()
            await until(lambda: not client.connected)
            # What a broker had acknowledged and not passed on, it forgets when it crashes; that is its own affair.
            first = 1 if ending == "stop" else client.feeds["violations"].cursor + 1
            for at in range(200, 400):
                journal.violation(float(at))
            assert client.feeds["violations"].backlog >= 200
            broker.start()
            await until(lambda: client.connected and client.feeds["violations"].backlog == 0)
            await until(lambda: set(ear.records()) >= set(range(first, 401)))
            first_of_each = list(dict.fromkeys(ear.records()))
            assert first_of_each == sorted(first_of_each)
            assert client.links == 2

    on_uvloop(main())


def test_what_was_acknowledged_before_a_kill_is_not_all_published_again(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        async with listening(broker) as ear:
            async with running(broker, tmp_path / "mqtt", journal, publish_per_second=1_000):
                for at in range(700):
                    journal.violation(float(at))
                await until(lambda: _stored(tmp_path / "mqtt") >= 500)
                await _kill()
            async with running(broker, tmp_path / "mqtt", journal) as client:
                assert client.feeds["violations"].cursor >= 500
                await until(lambda: len(set(ear.records())) == 700)
            assert len(ear.records()) <= 900

    on_uvloop(main())


def test_stop_stores_the_place_to_the_record(broker: Broker, tmp_path: Path, journal: MemoryJournal) -> None:
    async def main() -> None:
        async with listening(broker) as ear:
            for run in range(3):
                async with running(broker, tmp_path / "mqtt", journal) as client:
                    for at in range(10):
                        journal.violation(run * 10.0 + at)
                    await until(lambda: client.feeds["violations"].backlog == 0)
            await until(lambda: len(ear.records()) >= 30)
            assert ear.records() == list(range(1, 31))

    on_uvloop(main())


def test_a_broker_that_is_not_there_is_tried_again_and_said_once(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()

    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal, connected=False) as client:
            await until(lambda: "no broker" in caplog.text)
            broker.start()
            await until(lambda: client.connected)

    with caplog.at_level(logging.INFO, "portguard.mqtt"):
        on_uvloop(main())
    assert [record.getMessage() for record in caplog.records].count(
        "no broker; what happens meanwhile waits in the journal"
    ) == 1


def test_stop_does_not_wait_for_a_broker_that_never_answers(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        accepted, closed = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set()
            await reader.read()
            writer.close()
            closed.set()

        async with serving(silent) as port:
            broker = make_broker()
            broker.url = f"mqtt://127.0.0.1:{port}"
            async with running(broker, tmp_path / "mqtt", journal, connected=False) as client:
                await accepted.wait()
                async with asyncio.timeout(5):
                    await client.stop()
            await closed.wait()

    on_uvloop(main())


def test_a_link_that_does_not_last_makes_one_think_of_a_second_client(
    broker: Broker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with running(broker, tmp_path / "one", journal), running(broker, tmp_path / "two", MemoryJournal()):
            await until(lambda: any("another client" in getattr(record, "hint", "") for record in caplog.records))

    on_uvloop(main())


def test_a_refusal_by_the_broker_loses_nothing(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A PUBACK may say "not authorized": the library would count that as published."""
    monkeypatch.setattr("portguard.mqtt.feed.AGAIN_SECONDS", 0.1)
    rights = tmp_path / "rights"
    rights.write_text("topic read portguard/#\ntopic write portguard/gw1/status\n")
    broker = make_broker(f"acl_file {rights}")
    broker.start()

    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal) as client:
            journal.violation(1.0)
            await until(lambda: "a feed waits" in caplog.text)
            assert client.feeds["violations"].backlog == 1
            broker.stop()
            rights.write_text("topic readwrite portguard/#\n")
            broker.start()
            async with listening(broker) as ear:
                await until(lambda: ear.records() == [1])

    on_uvloop(main())
    reasons = [record.__dict__["reason"] for record in caplog.records if record.getMessage() == "a feed waits"]
    assert reasons == ["portguard/gw1/violations: the broker says not authorized"]


def test_what_the_broker_never_takes_is_passed_over_and_said(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker("max_packet_size 8192")
    broker.start()

    async def main() -> None:
        async with listening(broker) as ear, running(broker, tmp_path / "mqtt", journal):
            journal.add("alert", at=1.0, alert="long", summary="x" * 9000)
            journal.add("alert", at=2.0, alert="short", summary="x")
            await until(lambda: ear.on("alerts"))
            assert [said["alert"] for said in ear.on("alerts")] == ["short"]

    on_uvloop(main())
    assert "a message is passed over" in caplog.text


def test_a_long_message_is_published_without_its_details(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    async def main() -> None:
        async with listening(broker) as ear, running(broker, tmp_path / "mqtt", journal):
            journal.add("alert", at=1.0, alert="long", severity="warning", evidence={"numbers": ["1069"] * 20_000})
            await until(lambda: ear.on("alerts"))
            (said,) = ear.on("alerts")
            assert (said["record"], said["alert"], said["severity"]) == (1, "long", "warning")
            assert said["too_long"] > 100_000
            assert "evidence" not in said

    on_uvloop(main())


def test_restraints_of_other_nodes_are_followed(
    broker: Broker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """They are retained states: who comes late or comes back has them, and what is lifted is gone from the list."""
    heard: dict[str, list[dict[str, object]]] = {}
    suspended = {"kind": "port", "name": "1069", "level": "suspend", "until": 9e9}

    async def main() -> None:
        async with running(broker, tmp_path / "two", MemoryJournal(), node="gw2") as other:
            other.state("restraints", {"restraints": [suspended]})
            async with running(broker, tmp_path / "one", journal, taking=heard.__setitem__) as deaf:
                await until(lambda: deaf.connected)
                assert heard == {}
            async with running(broker, tmp_path / "one", journal, taking=heard.__setitem__, follow=True) as one:
                one.state("restraints", {"restraints": []})
                await until(lambda: heard == {"gw2": [suspended]})
                await publish(broker, "portguard/gw3/restraints", b"no json")
                await until(lambda: "malformed" in caplog.text)
                other.state("restraints", {"restraints": []})
                await until(lambda: heard == {"gw2": []})

    on_uvloop(main())


def test_what_others_publish_to_other_topics_does_not_come_in(
    broker: Broker, tmp_path: Path, journal: MemoryJournal
) -> None:
    """Without commands nothing is subscribed to; MQTT 5 tells the sender so (no matching subscribers)."""

    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal):
            await publish(broker, "portguard/gw1/command/reload", b"{}")
            assert journal.of("audit") == []

    on_uvloop(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(range(256)) * 64,
        b"\x20\x03\x00\x00\x00\xff\xff\xff\xff\xff",  # accepted, and then no packet
        b"\x20\x03\x00\x00\x00\x30\x05\x00\x03\xff\xfe\xfd\x00",  # a topic that is no UTF-8
        b"\x20\x03\x00\x00\x00\x40\x02\x12\x34\x90\x04\x12\x35\x00\x00",  # answers to what was never asked
        b"\x20\x03\x00\x87\x00",  # not authorized
        b"",
    ],
)
def test_whatever_a_broker_says_it_is_tried_again(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portguard.mqtt.client.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("portguard.mqtt.client.LONGEST_PAUSE", 0.02)
    monkeypatch.setattr("portguard.mqtt.link.ANSWER_SECONDS", 0.5)

    async def main() -> None:
        links = 0

        async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal links
            links += 1
            await reader.read(1)
            writer.write(answer)
            while await reader.read(65536):
                pass
            writer.close()

        journal.violation(1.0)
        async with serving(odd) as port:
            broker = make_broker()
            broker.url = f"mqtt://127.0.0.1:{port}"
            async with running(broker, tmp_path / "mqtt", journal, connected=False) as client:
                await until(lambda: links >= 3)
                assert client.feeds["violations"].published == 0

    on_uvloop(main())
