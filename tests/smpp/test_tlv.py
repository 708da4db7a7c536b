"""TLVs found, taken out and added in the bytes of a PDU, and nothing else touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp import tlv
from portguard.smpp.encode import header
from portguard.smpp.errors import PduError
from portguard.smpp.fields import end
from portguard.smpp.pdu import Pdu, decode, encode

from .strategies import pdus, tlv_lists

OWN = (0x1D01, 0x1D02, 0x1D03, 0x1D04)
requests = pdus((c.SUBMIT_SM, c.DATA_SM, c.DELIVER_SM, c.REPLACE_SM, c.SUBMIT_MULTI))


@given(tlv_lists, st.binary(max_size=9), st.binary(max_size=9))
def test_a_stream_is_found_where_it_lies(given_tlvs: list[tuple[int, bytes]], before: bytes, after: bytes) -> None:
    octets = tlv.stream(given_tlvs)
    buf = before + octets + after
    found = tlv.tlvs(buf, len(before), len(before) + len(octets))
    assert [(tag, buf[start : start + length]) for tag, start, length in found] == given_tlvs


@given(st.binary(max_size=40))
def test_any_octets_are_a_stream_or_an_error(octets: bytes) -> None:
    try:
        found = tlv.tlvs(octets, 0, len(octets))
    except PduError as error:
        assert error.status == c.ESME_RINVOPTPARSTREAM
    else:
        assert tlv.stream((tag, octets[start : start + length]) for tag, start, length in found) == octets


@given(requests, tlv_lists)
def test_append_adds_at_the_end(pdu: Pdu, added: list[tuple[int, bytes]]) -> None:
    found = decode(tlv.append(encode(pdu), added))
    assert found.tlvs == pdu.tlvs + added
    assert found.fields == pdu.fields


@given(requests, st.sets(st.integers(0, 0xFFFF), max_size=4), st.integers(0, 4))
def test_strip_takes_out_every_one_of_a_tag(pdu: Pdu, tags: set[int], own: int) -> None:
    tags = tags | {tag for tag, _ in pdu.tlvs[:own]}
    octets = encode(pdu)
    found = tlv.strip(octets, tags)
    pdu.tlvs = [(tag, value) for tag, value in pdu.tlvs if tag not in tags]
    assert found == encode(pdu)
    assert found == tlv.strip(octets, tags, end(octets))


@given(requests)
def test_what_was_appended_is_stripped(pdu: Pdu) -> None:
    pdu.tlvs = [(tag, value) for tag, value in pdu.tlvs if tag not in OWN]
    octets = encode(pdu)
    assert tlv.strip(tlv.append(octets, [(tag, b"\x01") for tag in OWN]), OWN) == octets
    assert tlv.strip(octets, OWN) is octets


def test_an_empty_response_has_no_stream() -> None:
    octets = header(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL, 1, 0)
    assert end(octets) == 16
    assert tlv.strip(octets, OWN) is octets


@pytest.mark.parametrize("octets", [header(0x110, 0, 1, 0), header(c.SUBMIT_SM, 0, 1, 2) + b"\x00\x01"])
def test_strip_of_an_ill_formed_pdu(octets: bytes) -> None:
    with pytest.raises(PduError):
        tlv.strip(octets, OWN)
