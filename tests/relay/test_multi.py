"""submit_multi: a recipient that fails alone is taken out and reported, together with those the SMSC refuses."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.options import RuleOptions
from portguard.relay.multi import merged, unsuccess
from portguard.smpp import constants as c
from portguard.smpp.encode import submit_multi, submit_multi_resp
from portguard.smpp.fields import SmeAddress, UnsuccessSme
from portguard.smpp.pdu import decode
from tests.relay.stage import PORT, TABLES, Stage

Staged = Callable[..., Stage]

NORTH, SOUTH = SmeAddress(1, 1, b"13900010001"), SmeAddress(1, 1, b"13600010001")
REGIONAL = {
    **TABLES,
    "regions": [{"prefix": "139", "region": "north"}, {"prefix": "136", "region": "south"}],
    "signatures": [*TABLES["signatures"], {"signature": "星辰北方", "enterprise": "star"}],
    "scopes": [
        *TABLES["scopes"],
        {"signature": "星辰北方", "enterprise": "star", "port": PORT.decode(), "regions": "north"},
    ],
}


def multi(seq: int, *who: SmeAddress, brand: str = "星辰北方", **fields: object) -> bytes:
    text = f"【{brand}】您的验证码是482913，5分钟内有效。"
    return submit_multi(
        seq,
        source_addr=PORT,
        dest_address=list(who),
        data_coding=8,
        short_message=text.encode("utf-16-be"),
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def stage(staged: Staged) -> Stage:
    made = staged()
    made.swap(REGIONAL)
    return made


def test_the_one_that_fails_is_taken_out_and_reported_beside_the_smscs(stage: Stage) -> None:
    actor = stage.actor()
    third = SmeAddress(2, 1, b"13900010003")
    actor.esme(multi(5, NORTH, SOUTH, third))
    assert actor.raw_to_smsc() == multi(5, NORTH, third), "otherwise the same bytes"
    assert actor.to_esme == []
    theirs = UnsuccessSme(*third, c.ESME_RINVDSTADR)
    actor.smsc(submit_multi_resp(0, 5, message_id=b"id7", unsuccess_sme=[theirs]))
    (answer,) = actor.to_esme
    assert answer.fields["message_id"] == b"id7"
    assert answer.fields["unsuccess_sme"] == [theirs, UnsuccessSme(*SOUTH, c.ESME_RSUBMITFAIL)]


def test_all_that_fail_refuse_the_whole(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(multi(5, SOUTH, SOUTH))
    assert [(pdu.command_id, pdu.command_status) for pdu in actor.to_esme] == [
        (c.SUBMIT_MULTI_RESP, c.ESME_RSUBMITFAIL)
    ]
    assert actor.to_smsc == []


def test_rules_of_the_message_refuse_the_whole(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(multi(5, NORTH, SOUTH, brand="月光银行"))
    assert [pdu.command_status for pdu in actor.to_esme] == [c.ESME_RSUBMITFAIL]


def test_a_refusal_by_the_smsc_passes_as_it_is(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(multi(5, NORTH, SOUTH))
    answer = submit_multi_resp(c.ESME_RMSGQFUL, 5)
    actor.smsc(answer)
    assert actor.raw_to_esme() == answer


def test_the_rest_may_be_tagged(staged: Staged) -> None:
    stage = staged(rules={"signature_unregistered": RuleOptions(action="tag")})
    stage.swap(REGIONAL)
    actor = stage.actor()
    actor.esme(multi(5, NORTH, SOUTH, tlvs=[(0x1D01, b"\7")]))
    (pdu,) = actor.to_smsc
    assert pdu.fields["dest_address"] == [NORTH]
    assert dict(pdu.tlvs)[0x1D01] == b"\1" and dict(pdu.tlvs)[0x1D02] == (155).to_bytes(2)


def test_a_discarded_recipient_is_not_reported(staged: Staged) -> None:
    stage = staged(rules={"scope_region": RuleOptions(action="discard")})
    stage.swap(REGIONAL)
    actor = stage.actor()
    actor.esme(multi(5, SOUTH, NORTH))
    assert actor.raw_to_smsc() == multi(5, NORTH)
    answer = submit_multi_resp(0, 5, message_id=b"id7")
    actor.smsc(answer)
    assert actor.raw_to_esme() == answer


def test_each_recipient_uses_the_cap_and_gives_it_back(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(multi(5, NORTH, SOUTH, brand="星辰限量"))
    (pdu,) = actor.to_smsc
    assert pdu.fields["dest_address"] == [NORTH], "one was left"
    actor.smsc(submit_multi_resp(c.ESME_RMSGQFUL, 5))
    actor.raw_to_esme()
    actor.esme(multi(6, SOUTH, brand="星辰限量"))
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [6]


@given(answer=st.binary(max_size=200), count=st.integers(0, 254))
def test_whatever_the_smsc_answers_is_merged_or_left_alone(answer: bytes, count: int) -> None:
    dests = b"".join(bytes([1, 1, 1]) + b"139\0" for _ in range(3))
    refused = unsuccess(dests, [(0, 7, 0x45), (7, 14, -1), (14, 21, 0x45)])
    header = bytes(16)
    for body in (answer, b"id\0" + bytes([count]) + answer):
        pdu = header + body
        result = merged(pdu, refused)
        assert result == pdu or result.count(b"\x01\x01139\0\0\0\0\x45") >= 2


def test_merged_is_well_formed() -> None:
    answer = submit_multi_resp(0, 5, message_id=b"id", unsuccess_sme=[UnsuccessSme(1, 1, b"1", 8)])
    result = decode(merged(answer, unsuccess(bytes([1, 1, 1]) + b"139\0", [(0, 7, 0x45)])))
    assert result.fields["unsuccess_sme"] == [UnsuccessSme(1, 1, b"1", 8), UnsuccessSme(1, 1, b"139", 0x45)]
