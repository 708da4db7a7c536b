"""MQTT under a running daemon: what is in the journal comes out at least once, whoever is stopped or killed."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portguard.evidence.reader import Filter, Found, Reader
from portguard.smpp import constants as c
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.ear import Ear, say
from tests.e2e.peers.client import text
from tests.e2e.raw import RawLink, RawSmsc
from tests.e2e.test_complaints import BRANDS, Sender, command, complained, shared
from tests.e2e.waiting import until
from tests.mqtt.broker import Broker

pytestmark = pytest.mark.e2e

EVERYTHING = "[evidence]\nrecords_per_second = 100000\n[mqtt]\nviolations_per_second = 10000\n"
NODE = "portguard/e2e/"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path / "broker")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def ear(tmp_path: Path, broker: Broker) -> Iterator[Ear]:
    listening = Ear(tmp_path, broker.port)
    yield listening
    listening.close()


def over_mqtt(make_daemon: MakeDaemon, smsc: RawSmsc, broker: Broker, more: str = EVERYTHING) -> Daemon:
    return make_daemon(smsc.port, more=f'{more}url = "{broker.url}"\n')


def burst(link: RawLink, first: int, count: int) -> None:
    """Submit messages that are refused, and read the answers."""
    refused = text(t.OWN, t.NORTHERN, f"【{t.NOBODY}】您好")
    link.send(b"".join(raw.submit(first + n, refused) for n in range(count)))
    for _ in range(count):
        link.expect(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL)


def register(daemon: Daemon, signature: str, enterprise: str) -> None:
    """One more signature in the table."""
    rows = [*t.standard()["signatures"], {"signature": signature, "enterprise": enterprise}]
    t.write_table(daemon.registry, "signatures", rows)


def journal(daemon: Daemon, kind: str) -> list[Found]:
    with Reader(daemon.folder / "evidence") as reader:
        return list(reader.named(Filter(kind=kind)))


def told(ear: Ear) -> Counter[int]:
    """How often each record was published."""
    return Counter(said["record"] for said in ear.on(f"{NODE}violations") if said["event"] == "violation")


def test_violations_status_and_registry(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear
) -> None:
    daemon = over_mqtt(make_daemon, raw_smsc, broker)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    burst(link, 7, 1)
    link.close()
    until(lambda: told(ear), "the violation")
    (said,) = ear.on(f"{NODE}violations")
    ((number, _, fields),) = journal(daemon, "violation")
    # mosquitto_sub writes numbers anew, to fewer digits.
    assert said == {"record": number, "event": "violation", "left_out": 0, **fields, "at": pytest.approx(fields["at"])}
    assert (said["rule"], said["account"], said["sequence_number"]) == ("signature_unregistered", "star", 7)
    assert t.NORTHERN not in str(list(ear.messages()))
    status, registry = ear.on(f"{NODE}status")[-1], ear.on(f"{NODE}registry")[-1]
    assert (status["status"], status["mode"], status["revision"]) == ("online", "enforce", daemon.revision())
    assert registry["revision"] == daemon.revision()
    assert registry["counts"]["signatures"] == len(t.standard()["signatures"])
    assert daemon.metric("portguard_mqtt_connected") == 1
    until(lambda: daemon.metric("portguard_mqtt_published_total", feed="violations") == 1, "its count")
    until(lambda: daemon.metric("portguard_mqtt_backlog_records") == 0, "no backlog")
    before = daemon.revision()
    register(daemon, "新品牌", "star")
    until(lambda: daemon.revision() != before, "another revision")
    until(lambda: ear.on(f"{NODE}registry")[-1]["revision"] == daemon.revision(), "the word of it")
    daemon.stop()
    until(lambda: ear.on(f"{NODE}status")[-1]["status"] == "offline", "the last word")
    assert ear.on(f"{NODE}status")[-1]["why"] == "stopped"


def test_broker_stopped_and_started_and_daemon_killed_in_a_burst(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear
) -> None:
    """Every record of the journal is there once, and on MQTT at least once; what is acknowledged is in the journal."""
    daemon = over_mqtt(make_daemon, raw_smsc, broker)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    burst(link, 2, 500)
    until(lambda: sum(told(ear).values()) >= 100, "the first messages")
    broker.stop()
    burst(link, 502, 500)
    until(lambda: daemon.metric("portguard_mqtt_connected") == 0, "the loss of the broker")
    assert daemon.metric("portguard_mqtt_backlog_records", feed="violations") > 0
    broker.start()
    until(lambda: daemon.metric("portguard_mqtt_connected") == 1, "the broker to be found again")
    burst(link, 1002, 500)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    until(lambda: ear.on(f"{NODE}status")[-1].get("why") == "the connection was lost", "the last will", 30)
    daemon.start()
    burst(raw.bind(daemon.port, "star"), 1502, 500)
    until(lambda: len(journal(daemon, "violation")) == 2000, "all records")
    numbers = [number for number, _, _ in journal(daemon, "violation")]
    until(lambda: set(told(ear)) >= set(numbers), "all messages", 30)
    assert set(told(ear)) == set(numbers)
    sequences = Counter(int(str(fields["sequence_number"])) for _, _, fields in journal(daemon, "violation"))
    assert sequences == dict.fromkeys(range(2, 2002), 1)
    # The alerts and the rest are a feed of their own, and what stands for a record is its content.
    for said in ear.on(f"{NODE}violations"):
        assert said["sequence_number"] in sequences
    daemon.stop()


def test_sampling_leaves_out_and_counts(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear
) -> None:
    daemon = over_mqtt(make_daemon, raw_smsc, broker, "[evidence]\nrecords_per_second = 100\n[mqtt]\n")
    daemon.start()
    link = raw.bind(daemon.port, "star")
    for n in range(3):
        burst(link, 2 + 300 * n, 300)

    def counted() -> int:
        messages = ear.on(f"{NODE}violations")
        counts = [said["count"] if said["event"] == "left_out" else 1 + said["left_out"] for said in messages]
        return sum(map(int, counts))

    until(lambda: counted() == 900, "messages and counts to add up", 30)
    assert 1 <= sum(told(ear).values()) < 20
    daemon.stop()


def test_commands(raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear) -> None:
    daemon = over_mqtt(make_daemon, raw_smsc, broker, '[mqtt]\ncommands = ["reload"]\n')
    daemon.edit("settle_ms = 100", "watch = false")
    daemon.start()
    until(lambda: daemon.metric("portguard_mqtt_connected") == 1, "the broker")
    before = daemon.revision()
    register(daemon, "新品牌", "star")
    say(broker.port, f"{NODE}command/reload", '{"id": "r-1"}')
    until(lambda: ear.on(f"{NODE}reply"), "the reply")
    (reply,) = ear.on(f"{NODE}reply")
    assert (reply["ok"], reply["id"], reply["result"], reply["revision"]) == (True, "r-1", "success", daemon.revision())
    assert daemon.revision() != before
    register(daemon, "无主品牌", "nobody")
    say(broker.port, f"{NODE}command/reload", "{}")
    until(lambda: len(ear.on(f"{NODE}reply")) == 2, "the refusal")
    refusal = ear.on(f"{NODE}reply")[1]
    assert (refusal["ok"], refusal["result"]) == (False, "refused")
    assert any("nobody" in line for line in refusal["errors"])
    say(broker.port, f"{NODE}command/suspend", '{"kind": "port", "name": "1069"}')
    until(lambda: len(ear.on(f"{NODE}reply")) == 3, "the third reply")
    assert "mqtt.commands does not list it" in ear.on(f"{NODE}reply")[2]["error"]
    daemon.stop()
    audits = [(fields["what"], fields["outcome"]) for _, _, fields in journal(daemon, "audit")]
    assert audits == [("reload", "ok"), ("reload", "refused"), ("suspend", "refused")]


def test_complaints_over_mqtt_and_another_node_that_follows(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear
) -> None:
    """What is suspended on one node, by complaints or a command, is refused on the node that follows, and lifted."""
    first, second = (
        make_daemon(raw_smsc.port, more=f'[mqtt]\nurl = "{broker.url}"\n{more}\n', registry=shared())
        for more in ('commands = ["complaints", "suspend", "resume"]', "follow = true")
    )
    second.edit('id = "e2e"', 'id = "second"')
    first.start()
    second.start()
    here, there = Sender(first, raw_smsc), Sender(second, raw_smsc, 1)
    assert [there.send(brand) for brand in BRANDS] == [0, 0]

    def told(command: str, **arguments: object) -> dict[str, Any]:
        before = len(ear.on(f"{NODE}reply"))
        say(broker.port, f"{NODE}command/{command}", json.dumps(arguments))
        until(lambda: len(ear.on(f"{NODE}reply")) > before, "the reply")
        return ear.on(f"{NODE}reply")[-1]

    human = {"who": "li", "why": "ticket 4711"}
    reply = told("suspend", kind="signature", name=BRANDS[0], seconds=600, **human)
    assert reply["ok"], reply
    (held,) = until(lambda: ear.on(f"{NODE}restraints")[-1]["restraints"], "the list")
    assert (held["kind"], held["name"], held["level"]) == ("signature", BRANDS[0], "suspend")
    assert held["until"] == pytest.approx(reply["until"], abs=5)
    assert here.send(BRANDS[0]) == c.ESME_RSUBMITFAIL
    until(lambda: there.send(BRANDS[0]) == c.ESME_RSUBMITFAIL, "the other node to follow")
    assert there.send(BRANDS[1]) == 0
    assert second.metric("portguard_suspensions", kind="signature", level="suspend") == 1

    # Not by what it follows itself: so nothing goes in circles.
    assert ear.on("portguard/second/restraints")[-1]["restraints"] == []
    # People here have the last word.
    command(second, "hold", "signature", BRANDS[0], "--level", "none", "--hours", "1", "--who", "wu", "--why", "ours")
    until(lambda: there.send(BRANDS[0]) == 0, "what people here have pinned")
    command(second, "lift", "signature", BRANDS[0], "--who", "wu", "--why", "theirs again")
    until(lambda: there.send(BRANDS[0]) == c.ESME_RSUBMITFAIL, "the other node's word again")
    assert told("resume", kind="signature", name=BRANDS[0], **human)["before"] == "suspend"
    until(lambda: there.send(BRANDS[0]) == 0, "the end of it there")
    assert here.send(BRANDS[0]) == 0

    reply = told("complaints", rows=[*complained(25, BRANDS[1]), {"id": "bad"}, 7])
    assert (reply["ok"], reply["results"]["accepted"]) == (True, 25), reply
    assert [problem["row"] for problem in reply["problems"]][-1] == 27
    until(lambda: there.send(BRANDS[1]) == c.ESME_RSUBMITFAIL, "what complaints did on the other node")
    for name, arguments, why in (
        ("suspend", {"kind": "port", "name": "x", **human}, "name: 'x' is no number"),
        ("suspend", {"kind": "port", "name": "1069", "why": "", "who": "li"}, "why: 1 to 200"),
        ("resume", {"kind": "account", "name": "hub", **human}, "Invalid enum value 'account'"),
        ("complaints", {"rows": "all"}, "Expected `array`"),
    ):
        reply = told(name, **arguments)
        assert not reply["ok"] and why in reply["error"], reply
    for daemon in (first, second):
        daemon.stop()
    audits = [(fields["what"], fields["outcome"]) for _, _, fields in journal(first, "audit")]
    assert audits[:3] == [("suspend", "ok"), ("resume", "ok"), ("complaints", "ok")]
    assert [outcome for _, outcome in audits[3:]] == ["refused"] * 4


def test_start_without_a_broker_and_with_a_password_that_cannot_be_read(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker
) -> None:
    """A broker that is away is no reason not to serve; a setting that cannot be right is one not to start."""
    broker.stop()
    daemon = over_mqtt(make_daemon, raw_smsc, broker)
    daemon.start()
    assert daemon.metric("portguard_mqtt_connected") == 0
    daemon.stop()
    wrong = over_mqtt(make_daemon, raw_smsc, broker, '[mqtt]\nusername = "gw1"\npassword_file = "absent"\n')
    wrong.begin()
    assert wrong.wait() == 1
    assert f"mqtt.password_file: {wrong.folder}/absent: no such file or directory" in wrong.log()


@pytest.mark.parametrize("away", [False, True], ids=["the broker is there", "the broker comes back meanwhile"])
def test_a_full_disk_is_heard_of_while_it_is_full(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear, away: bool
) -> None:
    daemon = over_mqtt(make_daemon, raw_smsc, broker)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    burst(link, 2, 10)
    until(lambda: ear.on(f"{NODE}violations"), "the first violations")
    if away:
        broker.stop()
    writer = daemon.child("evidence.writer")
    limits = resource.prlimit(writer, resource.RLIMIT_FSIZE)
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (1000, limits[1]))
    burst(link, 100, 10)

    def told(name: str) -> list[dict[str, object]]:
        return [alert for alert in ear.on(f"{NODE}alerts") if alert.get("alert") == name]

    until(lambda: daemon.metric("portguard_alerts_total", alert="evidence_full") == 1, "the alert in the metrics")
    assert "alert=evidence_full" in daemon.log()
    if away:
        broker.start()
    (alert,) = until(lambda: told("evidence_full"), "the alert on MQTT", 60)
    assert (alert["severity"], alert["event"], "record" in alert) == ("critical", "alert", False)
    with Reader(daemon.folder / "evidence") as reader:
        assert not list(reader.named(Filter(kind="alert")))

        resource.prlimit(writer, resource.RLIMIT_FSIZE, limits)
        until(lambda: told("evidence_recovered"), "the all-clear on MQTT")
        assert "record" in told("evidence_recovered")[0]
        kept = [fields for _, _, fields in reader.named(Filter(kind="alert")) if fields["alert"] == "evidence_full"]
    # It is in the journal, and what is there is not said again.
    assert [fields["id"] for fields in kept] == [alert["id"]]
    assert told("evidence_full") == [alert]
    assert daemon.metric("portguard_mqtt_published_total", feed="early") >= 1
