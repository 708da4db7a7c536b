"""What portguard says itself decodes to what was meant, and error responses have the form that every peer accepts."""

from typing import Any

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode as e
from portguard.smpp.fields import Destination, DistributionList, SmeAddress, UnsuccessSme
from portguard.smpp.pdu import Pdu, decode

ADDRESSES: Any = {"source_addr": b"1069", "destination_addr": b"13900000000"}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (e.enquire_link(3), "00000010 00000015 00000000 00000003"),
        (e.unbind(4), "00000010 00000006 00000000 00000004"),
        (e.generic_nack(c.ESME_RINVCMDID, 5), "00000010 80000000 00000003 00000005"),
        (e.response(c.UNBIND, 0, 6), "00000010 80000006 00000000 00000006"),
        (e.response(c.SUBMIT_SM, c.ESME_RSUBMITFAIL, 7), "00000010 80000004 00000045 00000007"),
        (e.response(c.SUBMIT_SM_RESP, 0x421, 7), "00000010 80000004 00000421 00000007"),
        (e.message_resp(c.SUBMIT_SM, 0, 8, message_id=b"0a"), "00000013 80000004 00000000 00000008 306100"),
        (e.message_resp(c.DELIVER_SM, 0, 8), "00000011 80000005 00000000 00000008 00"),
        (e.message_resp(c.DATA_SM, c.ESME_RSUBMITFAIL, 8), "00000010 80000103 00000045 00000008"),
        (e.bind_resp(c.BIND_TRANSCEIVER, 0, 9, system_id=b"s"), "00000017 80000009 00000000 00000009 7300 0210000134"),
        (e.bind_resp(c.BIND_RECEIVER, 0, 9, sc_interface_version=None), "00000011 80000001 00000000 00000009 00"),
    ],
)
def test_octets(octets: bytes, expected: str) -> None:
    assert octets == bytes.fromhex(expected)


@pytest.mark.parametrize("command_id", [c.BIND_RECEIVER, c.BIND_TRANSMITTER, c.BIND_TRANSCEIVER])
def test_a_refused_bind_has_an_empty_system_id(command_id: int) -> None:
    """aiosmpplib looks for its NUL whatever the status, and takes a body without one for a broken link."""
    octets = e.bind_resp(command_id, c.ESME_RINVPASWD, 1, system_id=b"smsc")
    assert octets == e.response(command_id, c.ESME_RINVPASWD, 1)
    assert octets[16:] == b"\x00"
    assert decode(octets).fields == {"system_id": b""}


@pytest.mark.parametrize(
    "command_id", [c.SUBMIT_SM, c.DATA_SM, c.SUBMIT_MULTI, c.REPLACE_SM, c.QUERY_SM, c.CANCEL_SM, c.DELIVER_SM]
)
def test_any_other_refusal_has_no_body(command_id: int) -> None:
    octets = e.response(command_id, c.ESME_RTHROTTLED, 0x7FFFFFFF)
    assert decode(octets) == Pdu(command_id | c.RESP, c.ESME_RTHROTTLED, 0x7FFFFFFF)
    assert len(octets) == 16


@pytest.mark.parametrize("build", [e.submit_sm, e.deliver_sm])
def test_messages(build: Any) -> None:
    tlvs = [(c.TLV_MESSAGE_PAYLOAD, b"x" * 300)]
    pdu = decode(build(2, **ADDRESSES, data_coding=8, esm_class=0x40, short_message=b"\x59\x7d", tlvs=tlvs))
    assert pdu.command_id == {e.submit_sm: c.SUBMIT_SM, e.deliver_sm: c.DELIVER_SM}[build]
    assert (pdu.octets("source_addr"), pdu.octets("destination_addr")) == (b"1069", b"13900000000")
    assert (pdu.integer("data_coding"), pdu.integer("esm_class"), pdu.integer("source_addr_npi")) == (8, 0x40, 1)
    assert (pdu.octets("short_message"), pdu.tlvs) == (b"\x59\x7d", tlvs)


def test_data_sm() -> None:
    pdu = decode(e.data_sm(2, **ADDRESSES, data_coding=8, tlvs=[(c.TLV_MESSAGE_PAYLOAD, b"ab")]))
    assert (pdu.command_id, pdu.integer("data_coding"), pdu.tlv(c.TLV_MESSAGE_PAYLOAD)) == (c.DATA_SM, 8, b"ab")


def test_submit_multi_and_its_answer() -> None:
    recipients: list[Destination] = [SmeAddress(1, 1, b"8613900000000"), DistributionList(b"all")]
    pdu = decode(e.submit_multi(2, source_addr=b"1069", dest_address=recipients, short_message=b"hi"))
    assert pdu.fields["dest_address"] == recipients
    failed = [UnsuccessSme(1, 1, b"8613900000000", c.ESME_RSUBMITFAIL)]
    answer = decode(e.submit_multi_resp(0, 2, message_id=b"7", unsuccess_sme=failed))
    assert answer.fields == {"message_id": b"7", "unsuccess_sme": failed}
    assert decode(e.submit_multi_resp(c.ESME_RCNTSUBDL, 2)) == Pdu(c.SUBMIT_MULTI_RESP, c.ESME_RCNTSUBDL, 2)


def test_operations_on_a_message() -> None:
    replace = decode(e.replace_sm(2, message_id=b"7", source_addr=b"1069", short_message=b"new"))
    assert (replace.octets("message_id"), replace.octets("short_message")) == (b"7", b"new")
    query = decode(e.query_sm(3, message_id=b"7", source_addr=b"1069"))
    assert (query.command_id, query.octets("message_id")) == (c.QUERY_SM, b"7")
    cancel = decode(e.cancel_sm(4, message_id=b"7", **ADDRESSES))
    assert (cancel.command_id, cancel.octets("destination_addr")) == (c.CANCEL_SM, b"13900000000")
    answer = decode(e.query_sm_resp(0, 3, message_id=b"7", message_state=c.STATE_REJECTED))
    assert answer.integer("message_state") == c.STATE_REJECTED
    assert decode(e.query_sm_resp(c.ESME_RQUERYFAIL, 3, message_state=0)).fields == {}


@pytest.mark.parametrize("command_id", [c.BIND_RECEIVER, c.BIND_TRANSMITTER, c.BIND_TRANSCEIVER])
def test_binds(command_id: int) -> None:
    pdu = decode(e.bind(command_id, 1, system_id=b"esme", password=b"secret", interface_version=c.VERSION_33))
    assert pdu.command_id == command_id
    assert (pdu.octets("system_id"), pdu.octets("password")) == (b"esme", b"secret")
    assert pdu.integer("interface_version") == c.VERSION_33
    assert decode(e.outbind(1, system_id=b"smsc")).octets("system_id") == b"smsc"


def test_a_receipt_s_text() -> None:
    text = e.receipt_text(b"7", b"REJECTD", submit_date=b"2601010800", done_date=b"2601010801", text=b"a" * 30)
    assert text == (
        b"id:7 sub:001 dlvrd:000 submit date:2601010800 done date:2601010801 stat:REJECTD err:000 text:" + b"a" * 20
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_addr": b"1" * 21}, "source_addr is longer than 20"),
        ({"short_message": b"x" * 256}, "sm_length 256"),
        ({"data_coding": 256}, "data_coding 256"),
    ],
)
def test_what_does_not_fit_is_refused(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        e.submit_sm(1, **{**ADDRESSES, **fields})
