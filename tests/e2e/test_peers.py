"""The peers among themselves, without portguard: what fails here is not the daemon's fault."""

from collections.abc import Iterator

import pytest

from portguard.sim.smsc import Smsc
from tests.e2e.peers import every
from tests.e2e.peers.client import UNSAID, BindRefused, Client, LinkLost, Message, send, text
from tests.e2e.peers.loop import LoopThread
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

SOURCE, DESTINATION = "106900010001", "13912345678"
ESME_RBINDFAIL, ESME_RSUBMITFAIL = 0x0D, 0x45


def test_answers_carry_the_message_ids_of_the_smsc(smsc: NodeSmsc, client: Client) -> None:
    client.bind(smsc.port, "merchant", window=10)
    answers = send(client, [text(SOURCE, DESTINATION, f"【星辰】第{number}号") for number in range(50)])
    client.unbind()
    received = smsc.wait_received(50)
    assert [answer.status for answer in answers] == [0] * 50
    assert sorted(answer.message_id for answer in answers) == sorted(each.message_id for each in received)
    bodies = {each.message_id: each.body.decode("utf-16-be") for each in received}
    assert [bodies[answer.message_id] for answer in answers] == [f"【星辰】第{number}号" for number in range(50)]


def test_500_in_flight(smsc: NodeSmsc, client: Client) -> None:
    client.bind(smsc.port, "merchant", window=500)
    smsc.hold()
    answers = client.start([text(SOURCE, DESTINATION, f"【星辰】{number}") for number in range(500)])
    smsc.wait_received(500)
    assert not answers.done()
    smsc.release()
    assert {answer.status for answer in answers.result(10)} == {0}


def test_refusals_of_bind_and_message(smsc: NodeSmsc, client: Client) -> None:
    smsc.answer_with(submit=ESME_RSUBMITFAIL)
    client.bind(smsc.port, "merchant")
    assert [answer.status for answer in send(client, [text(SOURCE, DESTINATION, "【星辰】")])] == [ESME_RSUBMITFAIL]
    client.close()
    smsc.answer_with(bind=ESME_RBINDFAIL)
    again = every.client(client.name)
    with pytest.raises(BindRefused) as refused:
        again.bind(smsc.port, "merchant")
    again.close()
    assert refused.value.status in {ESME_RBINDFAIL, UNSAID}


def test_link_lost(smsc: NodeSmsc, client: Client) -> None:
    client.bind(smsc.port, "merchant")
    smsc.hold()
    answers = client.start([text(SOURCE, DESTINATION, "【星辰】")])
    smsc.wait_received(1)
    smsc.kill()
    with pytest.raises(LinkLost):
        answers.result(10)


def test_nobody_listens(client: Client) -> None:
    gone = NodeSmsc()
    gone.kill()
    with pytest.raises(ConnectionError):
        client.bind(gone.port, "merchant")


def test_deliveries(smsc: NodeSmsc, client: Client) -> None:
    client.bind(smsc.port, "merchant")
    session = smsc.process.expect("bind")["session"]
    smsc.deliver(session, DESTINATION, SOURCE, "退订".encode("utf-16-be"))
    smsc.process.expect("deliver_sm_resp", status=0)
    until(client.deliveries, "a delivery")
    assert (client.deliveries()[0].source, client.deliveries()[0].destination) == (DESTINATION, SOURCE)


SHAPES = {
    "payload": text(SOURCE, DESTINATION, "【星辰】" + "长" * 200, payload=True),
    "odd octets": Message(SOURCE, DESTINATION, b"\x30\x10\x61"),
    "gsm": Message(SOURCE, DESTINATION, b"hello", data_coding=0),
    "udh": Message(SOURCE, DESTINATION, b"\xff\x00\x03", esm_class=0x40),
    "gbk": Message(SOURCE, DESTINATION, "【星辰】".encode("gbk"), data_coding=15),
    "tlv": Message(SOURCE, DESTINATION, b"\x05\x00\x03\x01\x02\x01\x4f\x60", esm_class=0x40, tlvs=((0x020C, b"\0\1"),)),
    "two-bodies": text(SOURCE, DESTINATION, "【星辰】", tlvs=((0x0424, b"\x4f\x60"),)),
    "vendor-tlv": text(SOURCE, DESTINATION, "【星辰】", tlvs=((0x1D01, b"\1"),)),
}


NAMES = {"tlv": "sar_msg_ref_num", "two-bodies": "message_payload", "vendor-tlv": "portguard_verdict"}


def test_shapes_arrive_as_they_were_meant(smsc: NodeSmsc, client: Client) -> None:
    shapes = [shape for shape in SHAPES if shape not in client.lacks]
    client.bind(smsc.port, "merchant", window=1)
    assert {answer.status for answer in send(client, [SHAPES[shape] for shape in shapes])} == {0}
    for shape, received in zip(shapes, smsc.wait_received(len(shapes)), strict=True):
        message = SHAPES[shape]
        assert received.body == message.body, shape
        assert received.fields["data_coding"] == message.data_coding, shape
        assert received.fields["esm_class"] == message.esm_class, shape
        assert not message.payload or received.fields["short_message"] == b""
        assert shape not in NAMES or NAMES[shape] in received.fields, shape


@pytest.fixture
def simulated() -> Iterator[tuple[LoopThread, Smsc]]:
    """Our own simulator as the SMSC."""
    loop, smsc = LoopThread("simulator"), Smsc()
    loop.run(smsc.start())
    yield loop, smsc
    loop.run(smsc.stop())
    loop.stop()


def test_the_simulator_serves_every_client(simulated: tuple[LoopThread, Smsc], client: Client) -> None:
    loop, smsc = simulated
    client.bind(smsc.port, "merchant", window=20)
    messages = [text(SOURCE, DESTINATION, f"【星辰】{number}", registered_delivery=1) for number in range(60)]
    answers = send(client, messages)
    ids = {delivery.message_id: delivery.text for delivery in loop.run(smsc.wait_delivered(60))}
    assert [ids[answer.message_id] for answer in answers] == [f"【星辰】{number}" for number in range(60)]
    assert loop.run(smsc.send_mo(DESTINATION, SOURCE, "退订", system_id="merchant")) == 0
    until(lambda: client.deliveries()[60:], "60 receipts and a message")
    receipts = [delivery for delivery in client.deliveries() if delivery.esm_class]
    assert all(b"stat:DELIVRD" in receipt.body for receipt in receipts)
    client.unbind()
