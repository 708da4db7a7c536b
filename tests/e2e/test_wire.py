"""What passes, passes byte for byte; what portguard says itself is what SMPP asks for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.capture import Tap
from tests.e2e.cases import PERMITTED, allowed
from tests.e2e.conftest import Between, MakeDaemon
from tests.e2e.peers.client import text
from tests.e2e.peers.lines import Event
from tests.e2e.peers.node_client import NodeClient
from tests.e2e.raw import RawLink

pytestmark = pytest.mark.e2e


@pytest.fixture
def link(between: Between) -> Iterator[RawLink]:
    bound = raw.bind(between.daemon.port, "star")
    yield bound
    bound.close()


def test_permitted_pdus_pass_byte_for_byte(between: Between, make_daemon: MakeDaemon, tmp_path: Path) -> None:
    tap = Tap(tmp_path, between.smsc.port)
    daemon = make_daemon(tap.port)
    daemon.start()
    sent = encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star", password=b"secret")
    link = raw.connect(daemon.port)
    link.send(sent)
    link.expect(c.BIND_TRANSCEIVER_RESP)
    stream = b"".join(raw.submit(number, message) for number, message in enumerate(PERMITTED * 40, 2))
    stream += encode.enquire_link(5000) + encode.unbind(5001)
    chance = random.Random(7)
    while stream:
        cut = chance.randrange(1, 3000)
        piece, stream = stream[:cut], stream[cut:]
        link.send(piece)
        sent += piece
    answers = link.until_closed()
    tap.end()
    assert answers[-1].command_id == c.UNBIND_RESP
    assert {answer.command_status for answer in answers} == {0}
    assert sorted(answer.sequence_number for answer in answers[:-2]) == list(range(2, 2 + 40 * len(PERMITTED)))
    assert tap.taken() == [sent]


def test_refused_pdus_are_cut_out_of_a_run(between: Between, link: RawLink) -> None:
    before = len(between.smsc.all_received())
    refused = text(t.FOREIGN, t.NORTHERN, f"【{t.STAR}】您好")
    link.send(b"".join(raw.submit(number, allowed(number) if number % 3 else refused) for number in range(3, 33)))
    answers = {pdu.sequence_number: pdu.command_status for pdu in (link.pdu() for _ in range(30)) if pdu}
    assert answers == {number: 0 if number % 3 else c.ESME_RINVSRCADR for number in range(3, 33)}
    received = between.smsc.wait_received(before + 20)[before:]
    assert [each.sequence for each in received] == [number for number in range(3, 33) if number % 3]


def test_before_the_bind_and_a_second_bind(between: Between) -> None:
    link = raw.connect(between.daemon.port)
    link.send(raw.submit(7, allowed()))
    assert link.expect(c.SUBMIT_SM_RESP, c.ESME_RINVBNDSTS).sequence_number == 7
    link.send(encode.enquire_link(8))
    link.expect(c.ENQUIRE_LINK_RESP)
    bind = encode.bind(c.BIND_TRANSMITTER, 9, system_id=b"star", password=b"secret")
    link.send(bind)
    link.expect(c.BIND_TRANSMITTER_RESP)
    link.send(bind)
    link.expect(c.BIND_TRANSMITTER_RESP, c.ESME_RALYBND)
    link.send(raw.submit(10, allowed()))
    link.expect(c.SUBMIT_SM_RESP)
    link.close()


def test_submit_on_a_receiver(between: Between) -> None:
    link = raw.bind(between.daemon.port, "star", c.BIND_RECEIVER)
    link.send(raw.submit(2, allowed()))
    link.expect(c.SUBMIT_SM_RESP, c.ESME_RINVBNDSTS)
    link.close()


def test_unknown_commands_and_broadcasts(link: RawLink) -> None:
    for number, command_id in enumerate((c.BROADCAST_SM, 0x0000_0200, 0x00FF_FFFF), 20):
        link.send(encode.header(command_id, 0, number, 3) + b"abc")
        assert link.expect(c.GENERIC_NACK, c.ESME_RINVCMDID).sequence_number == number
    link.send(raw.submit(30, allowed()))
    link.expect(c.SUBMIT_SM_RESP)


def test_pdu_errors_leave_the_link_alive(between: Between, link: RawLink) -> None:
    before = len(between.smsc.all_received())
    sound = raw.submit(40, allowed())
    body = sound[16:]
    over = len(allowed().body) + 40
    sm_length = body[: -len(allowed().body) - 1] + bytes((over,)) + allowed().body
    tlv = body + b"\x04\x24\x01\x00ab"
    for spoiled, status in ((sm_length, c.ESME_RINVMSGLEN), (tlv, 0xC0), (b"\x00\x01\x01" + b"1" * 40, None)):
        link.send(encode.header(c.SUBMIT_SM, 0, 40, len(spoiled)) + spoiled)
        answer = link.pdu()
        assert answer is not None
        assert (answer.command_id, answer.sequence_number) == (c.SUBMIT_SM_RESP, 40)
        assert answer.command_status != 0 if status is None else answer.command_status == status
    link.send(sound)
    link.expect(c.SUBMIT_SM_RESP)
    assert len(between.smsc.all_received()) == before + 1


def test_data_sm_and_replace_sm(between: Between, link: RawLink) -> None:
    body, refused = (f"【{name}】您好".encode("utf-16-be") for name in (t.STAR, t.NOBODY))
    source, to = t.OWN.encode(), t.NORTHERN.encode()
    statuses = []
    for number, content in enumerate((body, refused), 50):
        payload = [(c.TLV_MESSAGE_PAYLOAD, content)]
        link.send(encode.data_sm(number, source_addr=source, destination_addr=to, data_coding=8, tlvs=payload))
        statuses.append(link.pdu())
    link.send(raw.submit(60, allowed()))
    message_id = link.expect(c.SUBMIT_SM_RESP).fields["message_id"]
    assert isinstance(message_id, bytes)
    for number, content in enumerate((body, refused), 61):
        link.send(encode.replace_sm(number, message_id=message_id, source_addr=source, short_message=content))
        statuses.append(link.pdu())
    link.send(encode.replace_sm(63, message_id=b"ffffffff", source_addr=source, short_message=body))
    statuses.append(link.pdu())
    fail, replace_fail = c.ESME_RSUBMITFAIL, c.ESME_RREPLACEFAIL
    assert [pdu and pdu.command_status for pdu in statuses] == [0, fail, 0, replace_fail, replace_fail]


def test_submit_multi(between: Between) -> None:
    before = len(between.smsc.all_received())
    client = NodeClient()
    client.bind(between.daemon.port, "star")

    def submit(*recipients: dict[str, str]) -> Event:
        body = f"【{t.NORTH}】您好".encode("utf-16-be").hex()
        return client.request(
            "submit_multi", source_addr=t.OWN, dest_address=recipients, data_coding=8, short_message={"hex": body}
        )

    north, south = {"destination_addr": t.NORTHERN}, {"destination_addr": t.SOUTHERN}
    both, one = submit(north, north), submit(north, south)
    assert submit(south)["status"] == c.ESME_RSUBMITFAIL
    # A distribution list cannot be looked into.
    assert submit({"dl_name": "everybody"})["status"] == c.ESME_RCNTSUBDL
    client.unbind()
    received = between.smsc.all_received()[before:]
    assert [each.command for each in received] == ["submit_multi", "submit_multi"]
    assert [answer["fields"]["message_id"] for answer in (both, one)] == [each.message_id for each in received]
    # The recipient outside the signature's region, and only that one, was taken out and is reported.
    assert [len(each.fields["dest_address"]) for each in received] == [2, 1]
    reported = [(each["destination_addr"], each["error_status_code"]) for each in one["fields"]["unsuccess_sme"]]
    assert (both["status"], one["status"]) == (0, 0)
    assert reported == [(t.SOUTHERN, c.ESME_RSUBMITFAIL)]
