"""The two readers of message PDUs, `scan` on the hot path and `pdu` elsewhere, are of one mind on any bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp.encode import header
from portguard.smpp.errors import PduError
from portguard.smpp.fields import DistributionList
from portguard.smpp.pdu import Pdu, decode, encode
from portguard.smpp.scan import Scan, scan_message

from .strategies import pdus

OWN = [0x1D01, 0x1D02, 0x1D03, 0x1D04]
COMMANDS = (c.SUBMIT_SM, c.DATA_SM, c.REPLACE_SM, c.SUBMIT_MULTI)
BEFORE, AFTER = b"\x00\x00\x00", b"\x00" * 7
# `scan` has one status for whatever is wrong with a recipient of submit_multi.
RECIPIENT = {c.ESME_RINVDESTFLAG: c.ESME_RINVDSTADR, c.ESME_RINVDLNAME: c.ESME_RINVDSTADR}

messages = pdus(COMMANDS)


def _scanned(octets: bytes) -> tuple[int, Scan, bytes]:
    """The status that scan gives, in a buffer with other octets before and behind."""
    scan, buf = Scan(OWN), BEFORE + octets + AFTER
    end = len(BEFORE) + len(octets)
    command_id = int.from_bytes(octets[4:8], "big")
    return int(scan_message(scan, buf, len(BEFORE), end, command_id)), scan, buf


def _status(octets: bytes) -> int:
    try:
        decode(octets)
    except PduError as error:
        return error.status
    return c.ESME_ROK


def _check(octets: bytes) -> None:
    status, found = _status(octets), _scanned(octets)[0]
    assert found in (status, RECIPIENT.get(status, status))


@pytest.mark.slow
@given(messages)
@settings(max_examples=200)
def test_they_read_the_same(pdu: Pdu) -> None:
    status, scan, buf = _scanned(encode(pdu))
    assert status == c.ESME_ROK
    assert buf[scan.source_start : scan.source_end] == pdu.octets("source_addr")
    assert buf[scan.sm_start : scan.sm_end] == pdu.octets("short_message")
    assert buf[scan.schedule_start : scan.schedule_end] == pdu.octets("schedule_delivery_time")
    assert buf[scan.message_id_start : scan.message_id_end] == pdu.octets("message_id")
    assert (scan.esm_class, scan.data_coding) == (pdu.integer("esm_class"), pdu.integer("data_coding"))
    assert scan.registered_delivery == pdu.integer("registered_delivery")
    assert scan.default_msg_id == pdu.integer("sm_default_msg_id")
    payloads = [value for tag, value in pdu.tlvs if tag == c.TLV_MESSAGE_PAYLOAD]
    assert scan.payloads == len(payloads)
    short = pdu.octets("short_message")
    assert buf[scan.body_start : scan.body_end] == (payloads[-1] if payloads and not short else short)
    assert buf[scan.validity_start : scan.validity_end] == pdu.octets("validity_period")
    lifetimes = [value for tag, value in pdu.tlvs if tag == c.TLV_QOS_TIME_TO_LIVE and len(value) == 4]
    assert scan.time_to_live == (int.from_bytes(lifetimes[-1]) if lifetimes else -1)
    assert scan.own_tags == sum(tag in OWN for tag, _ in pdu.tlvs)
    recipients = pdu.fields.get("dest_address")
    if isinstance(recipients, list):
        assert scan.destinations == len(recipients)
        assert scan.lists == sum(isinstance(one, DistributionList) for one in recipients)
    else:
        assert buf[scan.dest_start : scan.dest_end] == pdu.octets("destination_addr")


@pytest.mark.slow
@given(messages, st.lists(st.tuples(st.integers(16, 400), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_they_refuse_the_same_damage(pdu: Pdu, damage: list[tuple[int, int]]) -> None:
    octets = bytearray(encode(pdu))
    for where, what in damage:
        if where < len(octets):
            octets[where] = what
    _check(bytes(octets))


@given(messages, st.data())
def test_they_refuse_the_same_cuts(pdu: Pdu, data: st.DataObject) -> None:
    octets = encode(pdu)
    cut = data.draw(st.integers(16, len(octets)))
    _check(cut.to_bytes(4, "big") + octets[4:cut])


@given(st.sampled_from(COMMANDS), st.binary(max_size=120))
@settings(max_examples=300)
def test_they_refuse_the_same_noise(command_id: int, body: bytes) -> None:
    _check(header(command_id, 0, 1, len(body)) + body)
