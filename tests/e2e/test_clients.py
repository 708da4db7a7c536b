"""Each of the four client libraries through the daemon: what passes, what is refused and why, and what is tagged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import tables as t
from tests.e2e.capture import Capture, capture, wait_decoded
from tests.e2e.cases import CASES, ESME_RTHROTTLED, MARKETING, PERMITTED, PLAIN, allowed
from tests.e2e.conftest import Between, MakeClient, MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.peers import every
from tests.e2e.peers.client import UNSAID, BindRefused, Client, send, text
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

ESME_RBINDFAIL, ESME_RINVPASWD, ESME_RINVSYSID = 0x0D, 0x0E, 0x0F
TAGGED, WOULD_BE_REJECTED = b"\x01", b"\x02"
MARKETING_CATEGORY = b"\x03"


def test_permitted_messages_arrive_untouched(between: Between, client: Client) -> None:
    before = len(between.smsc.all_received())
    messages = [message for message in PERMITTED if message.data_coding == 8]
    client.bind(between.daemon.port, "star", window=1)
    answers = send(client, messages)
    client.unbind()
    received = between.smsc.wait_received(before + len(messages))[before:]
    assert [answer.status for answer in answers] == [0] * len(messages)
    assert [answer.message_id for answer in answers] == [each.message_id for each in received]
    for message, answer, each in zip(messages, answers, received, strict=True):
        assert (each.source, each.body) == (message.source, message.body)
        assert answer.sequence in (each.sequence, 0)
        assert not [name for name in each.fields if name.startswith("portguard_")]


def test_every_refusal(between: Between, client: Client) -> None:
    client.bind(between.daemon.port, "star", window=1)
    for case in CASES:
        if case.needs in client.lacks:
            continue
        for message in case.before:
            send(client, [message])
        before = len(between.smsc.all_received()), _refused(between, case.rule)
        [answer] = send(client, [case.message])
        assert (answer.status, answer.message_id) == (case.status, ""), case.rule
        assert _refused(between, case.rule) == before[1] + 1, case.rule
        assert len(between.smsc.all_received()) == before[0], case.rule
    assert send(client, [allowed()])[0].status == 0


def test_rate(between: Between, client: Client) -> None:
    before = _refused(between, "account_rate")
    # 5 a second; fewer than 50 messages, for beyond that aiosmpplib stops sending by itself for some minutes.
    client.bind(between.daemon.port, "slow", window=40)
    statuses = [answer.status for answer in send(client, [allowed(number) for number in range(40)])]
    assert set(statuses) <= {0, ESME_RTHROTTLED}
    assert statuses.count(ESME_RTHROTTLED) >= 25
    assert _refused(between, "account_rate") - before == statuses.count(ESME_RTHROTTLED)


@dataclass(frozen=True, slots=True)
class Captured:
    """A daemon whose way to the SMSC is captured."""

    daemon: Daemon
    taken: Capture


@pytest.fixture(scope="module")
def captured(between: Between, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    taken = capture(tmp_path_factory.mktemp("capture"), between.smsc.port)
    daemon = Daemon(tmp_path_factory.mktemp("captured"), [taken.port], "", t.standard())
    try:
        daemon.start()
        yield Captured(daemon, taken)
    finally:
        daemon.stop()
        taken.end()


def test_tags_seen_by_tshark(captured: Captured, client: Client) -> None:
    daemon = captured.daemon
    to = f"1391000{every.NAMES.index(client.name):04}"
    messages = [
        text(t.OWN, to, f"【{t.NOBODY}】{PLAIN}"),
        text(t.FOREIGN, to, f"【{t.MOON}】{PLAIN}"),
        text(t.NO_MARKETING, to, f"【{t.STAR}】{MARKETING}"),
        text(t.OWN, to, f"【{t.STAR}】{PLAIN}"),
    ]
    client.bind(daemon.port, "tagged", window=1)
    assert [answer.status for answer in send(client, messages)] == [0, 0, 0, 0]
    client.unbind()
    seen = wait_decoded(captured.taken, 4, lambda pdu: pdu.fields.get("smpp.destination_addr") == to)
    revision = bytes.fromhex(daemon.revision())
    for pdu, code, category in zip(seen, (204, 101, 306), (None, None, MARKETING_CATEGORY), strict=False):
        category = category or pdu.tlvs[0x1D04]
        assert pdu.tlvs == {
            0x1D01: WOULD_BE_REJECTED, 0x1D02: code.to_bytes(2, "big"), 0x1D03: revision, 0x1D04: category,
        }
    assert seen[3].tlvs == {}
    shown = [bytes.fromhex(pdu.fields["smpp.message"].replace(":", "")) for pdu in seen]
    assert shown == [message.body for message in messages]


def test_tags_of_the_sender_are_replaced(between: Between, client: Client) -> None:
    if "vendor-tlv" in client.lacks:
        return
    before = len(between.smsc.all_received())
    spoofed = text(t.OWN, t.NORTHERN, f"【{t.STAR}】{PLAIN}", tlvs=((0x1D01, b"\x09"), (0x1D03, b"spoofed!")))
    client.bind(between.daemon.port, "star", window=1)
    assert send(client, [spoofed, allowed()])[0].status == 0
    client.close()
    first, second = between.smsc.wait_received(before + 2)[before:]
    assert first.body == spoofed.body
    assert first.fields["portguard_verdict"] == TAGGED
    assert first.fields["portguard_reason"] == (155).to_bytes(2, "big")
    assert first.fields["portguard_revision"] == bytes.fromhex(between.daemon.revision())
    assert "portguard_verdict" not in second.fields


def test_an_account_that_is_only_watched(between: Between, client: Client) -> None:
    before = len(between.smsc.all_received())
    counted = between.daemon.metric("portguard_messages_total", action="monitor")
    cases = [case for case in CASES if case.needs not in client.lacks and case.rule != "scope_quota"]
    client.bind(between.daemon.port, "watched", window=1)
    answers = send(client, [case.message for case in cases])
    assert {answer.status for answer in answers} == {0}
    received = between.smsc.wait_received(before + len(cases))[before:]
    assert [answer.message_id for answer in answers] == [each.message_id for each in received]
    assert not [name for each in received for name in each.fields if name.startswith("portguard_")]
    assert between.daemon.metric("portguard_messages_total", action="monitor") == counted + len(cases)


def test_500_in_flight(between: Between, client: Client) -> None:
    before = len(between.smsc.all_received())
    client.bind(between.daemon.port, "star", window=500)
    between.smsc.hold()
    answers = client.start([allowed(number) for number in range(500)])
    received = between.smsc.wait_received(before + 500)[before:]
    assert not answers.done()
    between.smsc.release()
    ids = [answer.message_id for answer in answers.result(20)]
    texts = {each.message_id: each.body for each in received}
    assert [texts[message_id] for message_id in ids] == [allowed(number).body for number in range(500)]
    client.unbind()


def test_unbind_reaches_the_smsc(between: Between, client: Client) -> None:
    unbinds, sessions = len(between.smsc.all_events("unbind")), between.daemon.metric("portguard_sessions")
    client.bind(between.daemon.port, "star")
    client.unbind()
    until(lambda: len(between.smsc.events("unbind")) == unbinds + 1, "the unbind at the SMSC")
    until(lambda: between.daemon.metric("portguard_sessions") <= sessions, "the end of the session")


def test_deliveries_pass(between: Between, client: Client) -> None:
    client.bind(between.daemon.port, "star")
    session = between.smsc.all_events("bind", system_id="star")[-1]["session"]
    between.smsc.deliver(session, t.NORTHERN, t.OWN, "你好".encode("utf-16-be"))
    until(client.deliveries, "the delivery")
    until(lambda: between.smsc.events("deliver_sm_resp", session=session, status=0), "its answer")


@pytest.mark.parametrize("system_id", ["asleep", "nobody"])
def test_binds_that_are_not_on_file(between: Between, client: Client, system_id: str) -> None:
    with pytest.raises(BindRefused) as refused:
        client.bind(between.daemon.port, system_id)
    assert refused.value.status in {ESME_RINVSYSID, UNSAID}
    assert not between.smsc.all_events("bind", system_id=system_id)


def test_the_smscs_refusal_of_a_bind_passes(between: Between, client: Client) -> None:
    between.smsc.answer_with(bind=ESME_RINVPASWD)
    try:
        with pytest.raises(BindRefused) as refused:
            client.bind(between.daemon.port, "star")
    finally:
        between.smsc.answer_with()
    assert refused.value.status in {ESME_RINVPASWD, UNSAID}


def test_the_smsc_away_is_said_in_time(smsc: NodeSmsc, make_daemon: MakeDaemon, make_client: MakeClient) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    smsc.kill()
    for name in every.NAMES:
        with pytest.raises(BindRefused) as refused:
            make_client(name).bind(daemon.port, "star")
        assert refused.value.status in {ESME_RBINDFAIL, UNSAID}, name


def _refused(between: Between, rule: str) -> float:
    return between.daemon.metric("portguard_messages_total", action="reject", rule=rule)
