"""What is read of a violation: who, what text, what was folded; and what is left of PDUs that cannot be read."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.evidence.facts import Facts
from portguard.evidence.rows import Violation, decode_violation, encode, violation_fields
from portguard.policy.reasons import MONITOR, ORDINAL
from portguard.policy.record import parse
from portguard.smpp.constants import DATA_SM, REPLACE_SM, SUBMIT_MULTI, TLV_MESSAGE_PAYLOAD
from portguard.smpp.encode import data_sm, replace_sm, submit_multi, submit_sm
from portguard.smpp.fields import SmeAddress
from portguard.sms.charset import CHARSET_GBK, CHARSET_LATIN1
from tests.evidence.packed import NOON, REVISION, named, packed, pdu
from tests.evidence.stage import KEYS

TEXT = "【星辰商城】验证码1234"


def row(octets: bytes | None = None, *, plain: bool = True, **changes: Any) -> Violation:
    """The row of one violation; the subscriber in plain unless asked otherwise."""
    (one,) = parse(packed(octets, **changes))
    found = Facts(KEYS, "86", plain=plain).row(one)
    assert decode_violation(encode(found)) == found
    return found


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def test_a_submit_sm() -> None:
    found = row(pdu(TEXT, sequence=77))
    assert found == Violation(
        NOON, "acct", "north", "1069", "106900010", "holder", "星辰商城", "owner", 0x32, 204, 4, [204], REVISION,
        digest(TEXT), "8613900000001", 77, 4, 0x45, 8,
    )  # fmt: skip
    fields = violation_fields(found, "gw1")
    assert (fields["rule"], fields["action"], fields["category"], fields["industry"]) == (
        "signature_unregistered", "reject", "marketing", "finance"
    )  # fmt: skip
    assert (fields["status"], fields["command"], fields["node"]) == ("ESME_RSUBMITFAIL", "submit_sm", "gw1")
    assert "fault" not in fields


def test_subscribers_are_hashed_with_a_key() -> None:
    one = row(pdu(destination=b"13900000001"), plain=False).subscriber
    assert one == row(pdu(destination=b"008613900000001"), plain=False).subscriber
    assert one != row(pdu(destination=b"13900000002"), plain=False).subscriber
    assert (len(one), "139" in one) == (32, False)
    assert row(pdu(destination=b""), plain=False).subscriber == ""


def test_the_whole_text_of_a_long_message() -> None:
    whole = TEXT * 20
    assert row(pdu(TEXT), text=whole.encode("utf-16-be")).digest == digest(whole)


def test_a_text_in_message_payload_behind_a_header() -> None:
    udh = b"\x05\x00\x03\x07\x02\x01"
    body = udh + TEXT.encode("utf-16-be")
    octets = submit_sm(1, source_addr=b"1069", destination_addr=b"1", esm_class=0x40, data_coding=8,
                       tlvs=[(TLV_MESSAGE_PAYLOAD, body)])  # fmt: skip
    assert row(octets).digest == digest(TEXT)


@pytest.mark.parametrize(("charset", "codec"), [(CHARSET_LATIN1, "latin-1"), (CHARSET_GBK, "gbk")])
def test_data_coding_0_is_what_it_means_to_the_account(charset: int, codec: str) -> None:
    text = "été" if codec == "latin-1" else TEXT
    octets = submit_sm(1, source_addr=b"1069", destination_addr=b"1", short_message=text.encode(codec))
    assert row(octets, label=named(charset=charset)).digest == digest(text)


def test_what_is_no_text_has_the_digest_of_its_octets() -> None:
    octets = submit_sm(1, source_addr=b"1069", destination_addr=b"1", data_coding=4, short_message=b"\x01\x02")
    assert row(octets).digest == sha256(b"\x01\x02").digest()
    empty = submit_sm(1, source_addr=b"1069", destination_addr=b"1", data_coding=8, short_message=b"")
    assert row(empty).digest == b""


def test_data_sm() -> None:
    octets = data_sm(5, source_addr=b"1069", destination_addr=b"13900000001", data_coding=8,
                     tlvs=[(TLV_MESSAGE_PAYLOAD, TEXT.encode("utf-16-be"))])  # fmt: skip
    found = row(octets, command=DATA_SM)
    assert (found.command, found.subscriber, found.digest) == (DATA_SM, "8613900000001", digest(TEXT))


def test_submit_multi_names_the_first_and_counts_all() -> None:
    octets = submit_multi(5, source_addr=b"1069", dest_address=[
        SmeAddress(1, 1, b"8613900000001"), SmeAddress(0, 0, b"13900000002")
    ], data_coding=8, short_message=TEXT.encode("utf-16-be"))  # fmt: skip
    found = row(octets, command=SUBMIT_MULTI)
    assert (found.command, found.subscriber, found.recipients) == (SUBMIT_MULTI, "8613900000001", 2)


def test_replace_sm_has_the_subscriber_of_its_original() -> None:
    octets = replace_sm(5, message_id=b"1", source_addr=b"1069", short_message=TEXT.encode("utf-16-be"))
    found = row(octets + b"\x01\x0113900000001", command=REPLACE_SM, text=TEXT.encode("utf-16-be"))
    assert (found.command, found.subscriber, found.digest) == (REPLACE_SM, "8613900000001", digest(TEXT))
    assert row(octets, command=REPLACE_SM).subscriber == ""


def test_what_was_folded_in_a_disguised_signature() -> None:
    hits = 1 << ORDINAL[203] | 1 << ORDINAL[402]
    found = row(pdu("〖星\u200b辰商城〗【x】领取优惠，退订回T"), code=203, hits=hits, action=MONITOR)
    assert found.folded == [
        "U+3016 〖 as 【: bracket", "U+200B as nothing: zero-width", "U+3017 〗 as 】: bracket"
    ]  # fmt: skip
    assert found.hits == [203, 402]
    inside = row(pdu("【Ｓhop】您的包裹已到"), code=203, hits=hits).folded
    assert any(line.startswith("U+FF33 Ｓ as s") for line in inside)
    assert row(pdu("【Ｓhop】您的包裹已到"), code=204).folded == []


@pytest.mark.parametrize(("octets", "fault"), [
    (b"", "a PDU of 0 octets"), (b"x" * 15, "a PDU of 15 octets"), (b"\0" * 16, "no PDU with text"),
    (b"\0\0\0\x10\0\0\0\x04\0\0\0\0\0\0\0\x07", "the PDU is answered ESME_RINVSERTYP"),
    (pdu()[:-3], "no PDU with text"),
])  # fmt: skip
def test_what_cannot_be_read_is_recorded_with_what_is_known(octets: bytes, fault: str) -> None:
    found = row(octets)
    assert (found.fault, found.account, found.code, found.hits) == (fault, "acct", 204, [204])
    assert violation_fields(found, "n")["fault"] == fault


def test_a_decision_that_failed_has_no_rule() -> None:
    found = row(pdu(), code=0)
    assert (found.code, found.hits, violation_fields(found, "n")["rule"]) == (0, [], "")


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_time_that_is_none(at: float) -> None:
    assert row(at=at).at == 0.0


@given(st.binary(max_size=200), st.binary(max_size=60), st.integers(0, 2**63 - 1), st.integers(0, 255))
def test_any_pdu(octets: bytes, text: bytes, hits: int, content: int) -> None:
    found = row(octets, text=text, hits=hits, content=content)
    assert found.account == "acct"
    violation_fields(found, "n")


@given(st.binary(max_size=100), st.integers(0, 255), st.data())
def test_any_text_in_a_sound_pdu(body: bytes, coding: int, data: st.DataObject) -> None:
    esm_class = data.draw(st.sampled_from([0, 0x40]))
    octets = submit_sm(1, source_addr=b"1069", destination_addr=data.draw(st.binary(max_size=20)).replace(b"\0", b""),
                       esm_class=esm_class, data_coding=coding, short_message=body)  # fmt: skip
    found = row(octets, hits=1 << ORDINAL[203], label=named(charset=data.draw(st.integers(0, 5))))
    assert found.fault == ""
    # No text, and a text of no characters; else there is something to tell it by.
    assert found.digest or esm_class or len(body) <= 2
