"""A discarded message: it looks delivered, never reaches the SMSC, and stays consistent when it is asked about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portguard.smpp import constants as c
from tests.e2e import tables as t
from tests.e2e.conftest import Between
from tests.e2e.daemon import Daemon
from tests.e2e.peers.client import Client, Message, send, text
from tests.e2e.peers.node_client import NodeClient
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

DISCARD = '[policy.accounts.silent.rules.signature_unregistered]\naction = "discard"\n'
SETTINGS = DISCARD
REPLACEMENT = {"hex": f"【{t.STAR}】您好".encode("utf-16-be").hex()}


def unregistered(receipt: bool = False) -> Message:
    """What the account `silent` has discarded."""
    return text(t.OWN, t.NORTHERN, f"【{t.NOBODY}】您好", registered_delivery=int(receipt))


def test_success_is_answered_and_nothing_reaches_the_smsc(between: Between, client: Client) -> None:
    before = len(between.smsc.all_received())
    counted = between.daemon.metric("portguard_messages_total", action="discard", rule="signature_unregistered")
    client.bind(between.daemon.port, "silent")
    answers = send(client, [unregistered(receipt=number % 2 == 1) for number in range(20)])
    assert {answer.status for answer in answers} == {0}
    ids = {answer.message_id for answer in answers}
    assert len(ids) == 20
    assert all(0 < len(each) <= 64 for each in ids)
    assert len(between.smsc.all_received()) == before
    now = between.daemon.metric("portguard_messages_total", action="discard", rule="signature_unregistered")
    assert now - counted == 20
    # Whoever is served on the same link notices nothing, and no receipt comes unless that is set.
    assert send(client, [text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")])[0].status == 0
    assert client.deliveries() == []


@pytest.mark.parametrize("receipt", [False, True])
def test_asked_about_later(between: Between, receipt: bool) -> None:
    events = len(between.smsc.process.events)
    client = NodeClient()
    client.bind(between.daemon.port, "silent")
    [answer] = send(client, [unregistered(receipt)])
    about = {"message_id": answer.message_id, "source_addr": t.OWN}
    query = client.request("query_sm", **about)
    assert (query["status"], query["fields"]["message_id"]) == (0, answer.message_id)
    assert query["fields"]["message_state"] == c.STATE_ENROUTE
    assert client.request("replace_sm", **about, short_message=REPLACEMENT)["status"] in {0, c.ESME_RREPLACEFAIL}
    assert client.request("cancel_sm", **about, destination_addr=t.NORTHERN)["status"] == 0
    # Nothing of this went to the SMSC, nor is another account's message_id recognised.
    names = {event["event"] for event in between.smsc.process.events[events:]}
    assert not names & {"query_sm", "cancel_sm", "replace_sm", "message"}
    client.unbind()
    other = NodeClient()
    other.bind(between.daemon.port, "star")
    assert other.request("query_sm", **about)["status"] == c.ESME_RINVMSGID
    until(lambda: between.smsc.events("query_sm", message_id=answer.message_id), "the SMSC's word of it")
    other.close()


@pytest.fixture(scope="module")
def receipting(between: Between, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon before the same SMSC that sends receipts for what it discards."""
    folder = tmp_path_factory.mktemp("receipting")
    daemon = Daemon(folder, [between.smsc.port], "discard_receipt = true\n" + DISCARD, t.standard())
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


def test_with_receipts(receipting: Daemon, client: Client) -> None:
    client.bind(receipting.port, "silent", window=1)
    silent, asked = send(client, [unregistered(), unregistered(receipt=True)])
    until(client.deliveries, "the receipt")
    [delivery] = client.deliveries()
    said = delivery.body.decode()
    assert f"id:{asked.message_id}" in said
    assert "stat:REJECTD" in said
    assert "DELIVRD" not in said
    assert (delivery.source, delivery.destination) == (t.NORTHERN, t.OWN)
    assert delivery.esm_class & 0x3C == 0x04
    assert silent.message_id not in said
    if not isinstance(client, NodeClient):
        return
    about = {"message_id": asked.message_id, "source_addr": t.OWN}
    assert client.request("query_sm", **about)["fields"]["message_state"] == c.STATE_REJECTED
    assert client.request("cancel_sm", **about, destination_addr=t.NORTHERN)["status"] == c.ESME_RCANCELFAIL
    assert client.request("replace_sm", **about, short_message=REPLACEMENT)["status"] == c.ESME_RREPLACEFAIL


def test_the_receipt_takes_any_receiving_bind(receipting: Daemon) -> None:
    receiver, transmitter = NodeClient(), NodeClient()
    receiver.bind(receipting.port, "silent", "receiver")
    transmitter.bind(receipting.port, "silent", "transmitter")
    [answer] = send(transmitter, [unregistered(receipt=True)])
    until(receiver.deliveries, "the receipt on the other bind")
    assert answer.message_id in receiver.deliveries()[0].body.decode()
    assert transmitter.deliveries() == []
    for each in (receiver, transmitter):
        each.close()
