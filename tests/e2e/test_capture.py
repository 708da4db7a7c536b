"""The two ways of capturing agree, and tshark reads portguard's TLVs in both."""

from pathlib import Path

import pytest

from tests.e2e import required
from tests.e2e.capture import Capture, LiveCapture, Tap, may_capture, wait_decoded
from tests.e2e.peers.client import send, text
from tests.e2e.peers.node_client import NodeClient
from tests.e2e.peers.smsc import NodeSmsc

pytestmark = pytest.mark.e2e

SUBMIT_SM = 4
TLVS = ((0x1D01, b"\2"), (0x1D02, b"\0\xc8"), (0x1D03, b"12345678"), (0x1D04, b"\3"))


def test_both_ways_read_the_same(tmp_path: Path) -> None:
    required.program("tshark")
    smsc, client = NodeSmsc(), NodeClient()
    tap = Tap(tmp_path, smsc.port)
    taken: list[Capture] = [tap]
    if may_capture():
        taken.append(LiveCapture(tmp_path, smsc.port))
    client.bind(tap.port, "star", window=30)
    send(client, [text("10690001", "13910001234", f"【星辰商城】{number}", tlvs=TLVS) for number in range(30)])
    try:
        for each in taken:
            decoded = wait_decoded(each, 30, lambda pdu: pdu.command_id == SUBMIT_SM)
            assert [int(pdu.fields["smpp.sequence_number"]) for pdu in decoded] == list(range(2, 32))
            assert {tuple(pdu.tlvs.items()) for pdu in decoded} == {TLVS}
    finally:
        client.close()
        smsc.kill()
        for each in taken:
            each.end()
