"""The desk puts a message on the wire as a client would, or says which field cannot go there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.desk import Message, MessageError, submit_sm_of
from portguard.smpp.constants import TLV_MESSAGE_PAYLOAD
from portguard.smpp.encode import submit_sm
from tests.policy.conftest import Office
from tests.policy.messages import CODE

DIGITS = st.text("0123456789", max_size=20).map(str.encode)


@given(
    st.integers(0, 255), DIGITS, st.integers(0, 255), DIGITS, st.integers(0, 255),
    st.binary(max_size=300) | st.integers(250, 260).map(bytes) | st.just(bytes(65535)),
)
def test_the_short_way_to_a_submit_sm_gives_the_same_octets(
    source_ton: int, source: bytes, dest_ton: int, destination: bytes, coding: int, body: bytes
) -> None:
    short = len(body) <= 254
    assert submit_sm_of(source_ton, source, dest_ton, destination, coding, body) == submit_sm(
        1, source_addr=source, source_addr_ton=source_ton, destination_addr=destination, dest_addr_ton=dest_ton,
        data_coding=coding, short_message=body if short else b"", tlvs=[] if short else [(TLV_MESSAGE_PAYLOAD, body)],
    )


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 5000, 32767])
def test_texts_of_every_length(office: Office, length: int) -> None:
    message = Message("first", "106900081", "13910001234", "字" * length, at=1.8e9)
    assert office.desk().judge(message).action == "allow"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "字" * 32768}, "text: 65536 octets"),
        ({"text": "字", "data_coding": 3}, "text: latin-1 cannot carry '字'"),
        ({"data_coding": 256}, "data_coding: 256"), ({"data_coding": -1}, "data_coding: -1"),
        ({"source_addr": "1" * 21}, "source_addr: longer"), ({"source_addr": "一"}, "source_addr: '一' is not ASCII"),
        ({"source_addr": "1\x002"}, "source_addr: "), ({"destination_addr": "1" * 21}, "destination_addr: longer"),
        ({"pdu": b"\x00" * 16}, "pdu: expected one whole PDU"), ({"pdu": b"junk"}, "pdu: expected one whole PDU"),
        ({"pdu": b"\x00\x00\x00\x11\x00\x00\x00\x04" + b"\x00" * 9}, "pdu: submit_sm is answered ESME_R"),
    ],
)
def test_what_has_no_form_on_the_wire(office: Office, fields: dict[str, object], said: str) -> None:
    message = Message("first", **{"source_addr": "106900081", "text": CODE, **fields})  # type: ignore[arg-type]
    with pytest.raises(MessageError) as caught:
        office.desk().judge(message)
    assert str(caught.value).startswith(said)


@given(st.binary(max_size=60), st.sampled_from([4, 7, 0x21, 0x103]))
def test_any_octets_are_judged_or_refused(office: Office, body: bytes, command: int) -> None:
    pdu = (16 + len(body)).to_bytes(4) + command.to_bytes(4) + bytes(4) + b"\x00\x00\x00\x01" + body
    desk = office.desk()
    try:
        assert desk.judge(Message("first", at=1.8e9, pdu=pdu)).action in ("allow", "reject", "tag")
    except MessageError as error:
        assert str(error).startswith("pdu: ")
    assert desk.engine.counters.errors == 0
