"""What becomes of messages: forwarded byte for byte, refused, tagged, discarded, replaced."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portguard.policy.grant import PortGrant
from portguard.policy.options import FrequencyOptions, RuleOptions
from portguard.policy.revision import Revision
from portguard.relay.outstanding import NO_ORIGINAL
from portguard.smpp import constants as c
from portguard.smpp.encode import (
    cancel_sm,
    data_sm,
    generic_nack,
    message_resp,
    query_sm,
    replace_sm,
    response,
    submit_multi,
)
from portguard.smpp.fields import Destination, DistributionList, SmeAddress
from tests.relay.stage import PHONE, PORT, SIGNED, TABLES, UNSIGNED, Actor, Stage, accepted, submit

Staged = Callable[..., Stage]
MISSING = {"signature_missing": RuleOptions(action="discard")}


def test_a_run_of_permitted_pdus_is_the_very_buffer_it_came_in(stage: Stage) -> None:
    actor = stage.actor()
    chunk = b"".join(submit(n) for n in range(2, 12))
    actor.esme(chunk)
    assert len(actor.pair.to_smsc) == 1
    assert actor.pair.to_smsc[0] is chunk
    assert actor.to_esme == []


def test_a_refused_pdu_is_cut_out_and_answered_in_its_own_response(stage: Stage) -> None:
    actor = stage.actor()
    first, bad, last = submit(2), submit(3, UNSIGNED), submit(4)
    actor.esme(first, bad, last)
    assert actor.raw_to_smsc() == first + last
    (answer,) = actor.to_esme
    assert (answer.command_id, answer.command_status, answer.sequence_number) == (
        c.SUBMIT_SM_RESP,
        c.ESME_RSUBMITFAIL,
        3,
    )


def test_octet_by_octet_gives_the_same_bytes(stage: Stage) -> None:
    whole, piecemeal = stage.actor(), stage.actor()
    chunk = submit(2) + submit(3, UNSIGNED) + submit(4, source=b"999") + submit(5)
    whole.esme(chunk)
    for octet in chunk:
        piecemeal.esme(bytes([octet]))
    assert piecemeal.raw_to_smsc() == whole.raw_to_smsc()
    assert piecemeal.raw_to_esme() == whole.raw_to_esme()


def test_the_smscs_answers_pass_untouched(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), submit(3))
    actor.smsc(accepted(2, b"0000AbC"), message_resp(c.SUBMIT_SM, c.ESME_RMSGQFUL, 3))
    assert actor.raw_to_esme() == accepted(2, b"0000AbC") + message_resp(c.SUBMIT_SM, c.ESME_RMSGQFUL, 3)


def test_a_receiver_may_not_submit(stage: Stage) -> None:
    actor = stage.actor(command=c.BIND_RECEIVER)
    actor.esme(submit(2))
    assert [pdu.command_status for pdu in actor.to_esme] == [c.ESME_RINVBNDSTS]
    assert actor.to_smsc == []


def test_a_malformed_body_is_answered_and_the_link_lives(stage: Stage) -> None:
    actor = stage.actor()
    broken = bytearray(submit(2))
    broken[-len(SIGNED) * 2 - 1] = 255  # sm_length beyond the PDU
    actor.esme(bytes(broken), submit(3))
    assert [(pdu.sequence_number, pdu.command_status) for pdu in actor.to_esme] == [(2, c.ESME_RINVMSGLEN)]
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [3]
    assert not actor.pair.close_esme


def test_tagged_pdus_carry_the_four_tlvs_and_are_otherwise_the_same(staged: Staged) -> None:
    stage = staged(mode="tag")
    actor = stage.actor()
    actor.esme(submit(2, UNSIGNED), submit(3))
    tagged, plain = actor.to_smsc
    assert dict(tagged.tlvs) == {
        0x1D01: b"\x02",
        0x1D02: (200).to_bytes(2),
        0x1D03: stage.relay.engine.revision.octets,
        0x1D04: b"\x01",
    }
    assert tagged.fields["short_message"] == UNSIGNED.encode("utf-16-be")
    assert plain.tlvs == []


@pytest.mark.parametrize(("fallback", "forwarded"), [("allow", 1), ("reject", 0)])
def test_below_3_4_a_tag_falls_back(staged: Staged, fallback: str, forwarded: int) -> None:
    actor = staged(mode="tag", tag_fallback=fallback).actor(version=0x33)
    actor.esme(submit(2, UNSIGNED))
    sent = actor.to_smsc
    assert len(sent) == forwarded
    assert [pdu.tlvs for pdu in sent] == [[]] * forwarded
    assert [pdu.command_status for pdu in actor.to_esme] == [c.ESME_RSUBMITFAIL] * (1 - forwarded)


@pytest.mark.parametrize(
    ("version", "smsc_version", "tlv", "tagged"),
    [
        (0x34, 0x34, "auto", True),
        (0x34, None, "auto", True),
        (0x34, 0x33, "auto", False),
        (0x33, 0x34, "auto", False),
        (0x33, 0x33, "always", True),
        (0x34, 0x34, "never", False),
    ],
)
def test_whether_tlvs_may_be_added(
    staged: Staged, version: int, smsc_version: int | None, tlv: str, tagged: bool
) -> None:
    actor = staged(mode="tag").actor(version=version, smsc_version=smsc_version, tlv=tlv)
    actor.esme(submit(2, UNSIGNED))
    assert [bool(pdu.tlvs) for pdu in actor.to_smsc] == [tagged]


@pytest.mark.parametrize("mode", ["enforce", "tag", "monitor"])
def test_a_senders_own_verdict_is_taken_off_in_every_mode(staged: Staged, mode: str) -> None:
    actor = staged(mode=mode).actor()
    actor.esme(submit(2, tlvs=[(0x1D01, b"\x00"), (0x1400, b"keep")]))
    (pdu,) = actor.to_smsc
    tags = dict(pdu.tlvs)
    assert tags[0x1400] == b"keep"
    assert tags.get(0x1D01) != b"\x00"
    assert (0x1D02 in tags) == (mode != "monitor")


def test_discard_answers_success_and_nothing_is_forwarded(staged: Staged) -> None:
    actor = staged(rules=MISSING).actor()
    actor.esme(submit(2, UNSIGNED, registered_delivery=1), submit(3, UNSIGNED))
    first, second = actor.to_esme
    assert (first.command_status, second.command_status) == (0, 0)
    assert first.fields["message_id"] != second.fields["message_id"]
    assert actor.to_smsc == []


def test_by_setting_a_receipt_that_was_asked_for_says_rejectd_on_another_bind(staged: Staged) -> None:
    stage = staged(rules=MISSING, discard_receipt=True)
    receiver, sender = stage.actor(command=c.BIND_RECEIVER), stage.actor(command=c.BIND_TRANSMITTER)
    sender.esme(submit(2, UNSIGNED, registered_delivery=1), submit(3, UNSIGNED))
    discarded, _ = sender.to_esme
    (receipt,) = receiver.to_esme
    assert receipt.command_id == c.DELIVER_SM
    assert 0x7FFF0000 <= receipt.sequence_number <= 0x7FFFFFFF
    text = receipt.fields["short_message"]
    message_id = discarded.fields["message_id"]
    assert isinstance(text, bytes) and isinstance(message_id, bytes)
    assert b"stat:REJECTD" in text and message_id in text
    assert receipt.fields["source_addr"] == PHONE and receipt.fields["destination_addr"] == PORT
    receiver.esme(response(c.DELIVER_SM, 0, receipt.sequence_number, b"\0"))
    assert receiver.to_smsc == [], "the answer to our own request is not the SMSC's business"


@pytest.mark.parametrize(
    ("receipt", "state", "cancelled", "replaced"),
    [
        (False, c.STATE_ENROUTE, 0, 0),
        (True, c.STATE_REJECTED, c.ESME_RCANCELFAIL, c.ESME_RREPLACEFAIL),
    ],
)
@pytest.mark.parametrize("style", ["hex", "decimal"])
@pytest.mark.parametrize("version", [0x33, 0x34])
def test_a_discarded_message_can_be_asked_about(
    staged: Staged, receipt: bool, state: int, cancelled: int, replaced: int, style: str, version: int
) -> None:
    stage = staged(rules=MISSING, discard_receipt=receipt, discard_id=style)
    actor = stage.actor(version=version)
    actor.esme(submit(2, UNSIGNED))
    (answer,) = actor.to_esme
    message_id = answer.fields["message_id"]
    assert isinstance(message_id, bytes)
    assert version > 0x33 or len(message_id) <= 8
    other = stage.actor(version=version)  # another link, which has not seen the message
    other.esme(
        query_sm(5, message_id=message_id, source_addr=PORT),
        cancel_sm(6, message_id=message_id, source_addr=PORT, destination_addr=PHONE),
        replace_sm(7, message_id=message_id, source_addr=PORT, short_message=b"x"),
    )
    query, cancel, replace = other.to_esme
    assert query.fields["message_state"] == state
    assert (cancel.command_status, replace.command_status) == (cancelled, replaced)
    assert other.to_smsc == []


def test_messages_that_were_not_discarded_are_the_smscs_business(stage: Stage) -> None:
    actor = stage.actor()
    query = query_sm(5, message_id=b"77aa", source_addr=PORT)
    cancel = cancel_sm(6, message_id=b"", source_addr=PORT, destination_addr=PHONE)
    actor.esme(query, cancel)
    assert actor.raw_to_smsc() == query + cancel


def test_replace_sm_is_judged_with_what_its_original_had(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    actor.smsc(accepted(2, b"id-1"))
    good = replace_sm(3, message_id=b"id-1", source_addr=PORT, short_message=SIGNED.encode("utf-16-be"))
    bad = replace_sm(4, message_id=b"id-1", source_addr=PORT, short_message=UNSIGNED.encode("utf-16-be"))
    actor.raw_to_smsc(), actor.raw_to_esme()
    actor.esme(good, bad)
    assert actor.raw_to_smsc() == good
    assert [(pdu.sequence_number, pdu.command_status) for pdu in actor.to_esme] == [(4, c.ESME_RREPLACEFAIL)]


@pytest.mark.parametrize("who", [b"star", b"few"])
def test_replace_sm_of_an_unknown_or_foreign_original_fails(stage: Stage, who: bytes) -> None:
    owner = stage.actor()
    if who == b"few":
        owner.esme(submit(2))
        owner.smsc(accepted(2, b"id-1"))
    other = Actor(stage, stage.relay.open("10.1.2.3", stage.now))
    other.bind(system_id=who)
    other.esme(replace_sm(3, message_id=b"id-1", source_addr=PORT, short_message=SIGNED.encode("utf-16-be")))
    assert [pdu.command_status for pdu in other.to_esme] == [c.ESME_RREPLACEFAIL]
    assert other.to_smsc == []


SALE = "【星辰商城】双十一全场五折，满300减50，优惠券限时抢购，退订回T"
LATE, SOON = b"000000100000000R", b"000000010000000R"


def replaced(seq: int, text: str = SALE, message_id: bytes = b"id-1", **times: Any) -> bytes:
    return replace_sm(seq, message_id=message_id, source_addr=PORT, short_message=text.encode("utf-16-be"), **times)


def open_for_two_hours(staged: Staged) -> Stage:
    """Marketing may be sent for two hours from now."""
    clock = [datetime.fromtimestamp(1_795_000_000 + more, ZoneInfo("Asia/Shanghai")) for more in (0, 7200)]
    return staged(marketing_hours="-".join(f"{at:%H:%M}" for at in clock))


@pytest.mark.parametrize(
    ("original", "later", "stated", "passes"),
    [
        ({"schedule_delivery_time": LATE}, 0, {}, False),
        ({"schedule_delivery_time": LATE, "validity_period": LATE}, 60, {}, False),
        ({"schedule_delivery_time": LATE}, 0, {"schedule_delivery_time": SOON}, True),
        ({"schedule_delivery_time": SOON}, 0, {"schedule_delivery_time": LATE}, False),
        ({"schedule_delivery_time": SOON}, 60, {}, True),
        ({"validity_period": LATE}, 60, {}, True),
        ({}, 60, {}, True),
    ],
)
def test_a_replacement_is_judged_for_when_its_original_will_be_delivered(
    staged: Staged, original: dict[str, Any], later: int, stated: dict[str, Any], passes: bool
) -> None:
    """An empty time keeps the original's (SMPP 3.4 §4.10.1)."""
    stage = open_for_two_hours(staged)
    actor = stage.actor()
    actor.esme(submit(2, **original))
    actor.smsc(accepted(2, b"id-1"))
    stage.later(later)
    actor.raw_to_smsc(), actor.raw_to_esme()
    actor.esme(replaced(3, **stated))
    assert actor.raw_to_smsc() == (replaced(3, **stated) if passes else b"")
    assert [pdu.command_status for pdu in actor.to_esme] == ([] if passes else [c.ESME_RREPLACEFAIL])
    assert len(stage.relay.originals) == 1


def test_a_replacement_may_be_tried_for_as_long_as_its_original(stage: Stage) -> None:
    ends = datetime.fromtimestamp(stage.wall + 86_400, ZoneInfo("Asia/Shanghai"))
    stage.swap({**TABLES, "ports": [{**TABLES["ports"][0], "valid_until": f"{ends:%Y-%m-%d}"}]})
    actor = stage.actor()
    long = b"000003000000000R"
    actor.esme(submit(2), submit(3, validity_period=long))
    assert [pdu.sequence_number for pdu in actor.to_esme] == [3], "the port ends before"
    stage.swap(TABLES)
    actor.esme(submit(4, validity_period=long))
    actor.smsc(accepted(2, b"id-1"), accepted(4, b"id-2"))
    stage.swap({**TABLES, "ports": [{**TABLES["ports"][0], "valid_until": f"{ends:%Y-%m-%d}"}]})
    actor.raw_to_smsc(), actor.raw_to_esme()
    actor.esme(replaced(5), replaced(6, message_id=b"id-2"), replaced(7, message_id=b"id-2", validity_period=SOON))
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [5, 7]
    assert [pdu.sequence_number for pdu in actor.to_esme] == [6]


def test_a_time_that_a_replacement_has_stated_is_not_guessed_at_afterwards(staged: Staged) -> None:
    """Whether the SMSC has taken it over is not known yet when the next one comes."""
    stage = open_for_two_hours(staged)
    actor = stage.actor()
    actor.esme(submit(2), submit(3))
    actor.smsc(accepted(2, b"id-1"), accepted(3, b"id-2"))
    actor.raw_to_smsc(), actor.raw_to_esme()
    actor.esme(
        replaced(4, schedule_delivery_time=LATE),  # refused, and changes nothing
        replaced(5),
        replaced(6, SIGNED, schedule_delivery_time=LATE),
        replaced(7),
        replaced(8, schedule_delivery_time=SOON),
        replaced(9, SIGNED, b"id-2", validity_period=SOON),
        replaced(10, SIGNED, b"id-2", schedule_delivery_time=SOON),
    )
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [5, 6, 8, 9]
    assert [(pdu.sequence_number, pdu.command_status) for pdu in actor.to_esme] == [
        (4, c.ESME_RREPLACEFAIL), (7, c.ESME_RREPLACEFAIL), (10, c.ESME_RREPLACEFAIL),
    ]


def test_originals_are_bounded(staged: Staged) -> None:
    stage = staged(limits={"originals": 10})
    actor = stage.actor()
    for n in range(2, 102):
        actor.esme(submit(n))
        actor.smsc(accepted(n, b"id-%d" % n))
    assert 10 <= len(stage.relay.originals) <= 20
    assert actor.pair.pending.count == 0
    assert stage.relay.originals.find(b"id-101").system_id == "star"
    assert stage.relay.originals.find(b"id-92").system_id == "star"
    assert stage.relay.originals.find(b"id-2") is NO_ORIGINAL


def test_pending_answers_are_bounded(staged: Staged) -> None:
    stage = staged(limits={"max_outstanding": 50})
    actor = stage.actor()
    for n in range(2, 1002):
        actor.esme(submit(n))
    assert 50 <= actor.pair.pending.count <= 64
    assert actor.pair.pending.take(1001) >= 0


def test_data_sm_is_judged_on_its_payload(stage: Stage) -> None:
    actor = stage.actor()

    def data(seq: int, text: str) -> bytes:
        payload = [(c.TLV_MESSAGE_PAYLOAD, text.encode("utf-16-be"))]
        return data_sm(seq, source_addr=PORT, destination_addr=PHONE, data_coding=8, tlvs=payload)

    actor.esme(data(2, SIGNED), data(3, UNSIGNED))
    assert actor.raw_to_smsc() == data(2, SIGNED)
    assert [(pdu.command_id, pdu.command_status) for pdu in actor.to_esme] == [(c.DATA_SM_RESP, c.ESME_RSUBMITFAIL)]


def test_submit_multi_is_judged_and_distribution_lists_are_not_taken(stage: Stage) -> None:
    actor = stage.actor()

    def multi(seq: int, text: str, destinations: list[Destination]) -> bytes:
        return submit_multi(
            seq,
            source_addr=PORT,
            dest_address=destinations,
            data_coding=8,
            short_message=text.encode("utf-16-be"),
        )

    phones: list[Destination] = [SmeAddress(1, 1, PHONE), SmeAddress(1, 1, b"13900139000")]
    lists: list[Destination] = [*phones, DistributionList(b"list")]
    actor.esme(multi(2, SIGNED, phones), multi(3, UNSIGNED, phones), multi(4, SIGNED, lists))
    assert actor.raw_to_smsc() == multi(2, SIGNED, phones)
    assert [(pdu.sequence_number, pdu.command_status) for pdu in actor.to_esme] == [
        (3, c.ESME_RSUBMITFAIL),
        (4, c.ESME_RCNTSUBDL),
    ]


CAPPED = "【星辰限量】您的验证码是482913，5分钟内有效。"


ANSWERS = [
    (accepted(2), [c.ESME_RSUBMITFAIL]),
    (message_resp(c.SUBMIT_SM, c.ESME_RMSGQFUL, 2), []),
    (generic_nack(c.ESME_RSYSERR, 2), []),
]


@pytest.mark.parametrize(("answer", "second"), ANSWERS)
def test_a_cap_is_given_back_when_the_smsc_refuses(stage: Stage, answer: bytes, second: list[int]) -> None:
    actor = stage.actor()
    actor.esme(submit(2, CAPPED))
    actor.smsc(answer)
    actor.raw_to_esme()
    actor.esme(submit(3, CAPPED))
    assert [pdu.command_status for pdu in actor.to_esme] == second


@pytest.mark.parametrize(("answer", "second"), ANSWERS)
def test_what_the_smsc_refuses_has_not_reached_the_subscriber(
    staged: Staged, answer: bytes, second: list[int]
) -> None:
    stage = staged(
        frequency={"verification": FrequencyOptions(day=1)}, rules={"subscriber_frequency": RuleOptions("reject")}
    )
    stage.relay.engine.limits.shared = True
    actor = stage.actor()
    actor.esme(submit(2, SIGNED))
    actor.smsc(answer)
    actor.raw_to_esme()
    stage.relay.engine.limits.sweep()
    told = stage.relay.engine.limits.take_reached(10)
    assert [more for *_, more in told] == ([1] if second else [1, -1])
    assert told[0][:3] == told[-1][:3]
    actor.esme(submit(3, SIGNED))
    assert [pdu.command_status for pdu in actor.to_esme] == second


def test_caps_survive_a_reload(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2, CAPPED))
    stage.swap({**TABLES, "regions": [{"prefix": "139", "region": "north"}]})
    actor.esme(submit(3, CAPPED))
    assert [pdu.command_status for pdu in actor.to_esme] == [c.ESME_RSUBMITFAIL]


class Broken(Revision):
    """A revision that fails over every number."""

    def port(self, enterprise: str, source: bytes, at: float) -> PortGrant:
        raise RuntimeError("a defect")


@pytest.mark.parametrize(("on_error", "passed"), [("reject", 0), ("allow", 3)])
def test_an_exception_in_the_decision_refuses_that_message_only(
    staged: Staged, on_error: str, passed: int
) -> None:
    stage = staged(on_error=on_error, on_error_limit=3)
    actor, engine = stage.actor(), stage.relay.engine
    sound = engine.revision
    engine.revision = Broken(sound.image, sound.settings, "Asia/Shanghai", "86")
    actor.esme(*(submit(n) for n in range(2, 7)))
    assert len(actor.to_smsc) == passed
    assert {pdu.command_status for pdu in actor.to_esme} == {c.ESME_RSYSERR}
    assert stage.relay.engine.counters.errors == 5
    assert "a defect" in stage.relay.faults[0]
    engine.revision = sound
    actor.esme(submit(9))
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [9]


def test_our_own_requests_avoid_numbers_in_use(staged: Staged) -> None:
    stage = staged(rules=MISSING, discard_receipt=True)
    actor = stage.actor()
    for n in (0x7FFF0000, 0x7FFF0001):
        actor.smsc(response(0, 0, n)[:4] + c.DELIVER_SM.to_bytes(4) + bytes(4) + n.to_bytes(4))
    actor.raw_to_esme()
    for n in range(2, 6):
        actor.esme(submit(n, UNSIGNED, registered_delivery=1))
    numbers = [pdu.sequence_number for pdu in actor.to_esme if pdu.command_id == c.DELIVER_SM]
    assert len(numbers) == 4
    assert not {0x7FFF0000, 0x7FFF0001} & set(numbers)
    assert all(a != b for a, b in pairwise(numbers))


def test_rows_for_telemetry(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), submit(3, UNSIGNED))
    rows = {(leg, command): count for leg, command, count in stage.relay.pdus()}
    assert rows["esme_in", "submit_sm"] == 2
    assert rows["smsc_out", "submit_sm"] == 1
    assert rows["smsc_in", "bind_transceiver_resp"] == 1
    assert (rows["esme_in", "bind_transceiver"], rows["smsc_out", "bind_transceiver"]) == (1, 1)
    assert ("bound_trx", 1) in stage.relay.sessions()
