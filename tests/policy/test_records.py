"""Violation records: packed by the engine, read again by `record.parse`; what happens when they may not be kept."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.counters import Records
from portguard.policy.desk import Desk, Message
from portguard.policy.labels import label
from portguard.policy.reasons import CATALOGUE, MONITOR, ORDINAL, REJECT, TAG
from portguard.policy.record import HEAD_OCTETS, NO_RULE, Label, RecordError, Violation, parse, read_label
from portguard.smpp.constants import ESME_RSYSERR, SUBMIT_SM
from portguard.smpp.scan import Scan, scan_message
from tests.policy.conftest import Office
from tests.policy.folder import OWN_TAGS, when
from tests.policy.messages import CODE, NORTH, OK, SALE
from tests.policy.test_on_error import broken_desk, fault
from tests.policy.wire import submit

NOON = when("2026-11-11T12:00:00")


def recording(desk: Desk, high_water: int = 1 << 20, per_second: int = 1000) -> Records:
    """Have the desk's engine keep records."""
    records = desk.engine.records = Records(high_water, per_second)
    return records


def judge(desk: Desk, text: str, at: float = NOON) -> tuple[str, int, str]:
    found = desk.judge(Message("first", OK, NORTH, text, at=at))
    return found.action, found.code, found.status


def test_what_passes_leaves_no_record(office: Office) -> None:
    desk = office.desk()
    records = recording(desk)
    assert judge(desk, "【星辰商城】" + CODE)[0] == "allow"
    assert (records.take(), records.take_left_out()) == (b"", [])


def test_a_refusal(office: Office) -> None:
    desk = office.desk()
    records = recording(desk)
    judge(desk, "【无名小店】" + CODE)
    (found,) = parse(records.take())
    assert CATALOGUE[found.rule].code == 204
    assert found.hits >> ORDINAL[204] & 1
    assert (found.at, found.action, found.content >> 4, found.command) == (NOON, REJECT, 1, SUBMIT_SM)
    assert (found.status, found.revision, found.text) == (0x45, desk.revision.digest, b"")
    assert found.label == Label("first", "first", "10690001", OK, "first", "无名小店", "")
    scan = Scan(OWN_TAGS)
    assert scan_message(scan, found.pdu, 0, len(found.pdu), SUBMIT_SM) == 0
    assert found.pdu[scan.sm_start : scan.sm_end] == ("【无名小店】" + CODE).encode("utf-16-be")
    assert records.take() == b""


def test_tags_and_monitored_hits_are_recorded_too(office: Office) -> None:
    for mode, action in (("tag", TAG), ("monitor", MONITOR)):
        desk = office.desk(mode=mode)
        records = recording(desk)
        judge(desk, "【无名小店】" + CODE)
        (found,) = parse(records.take())
        assert (found.action, found.status) == (action, 0)


def test_a_decision_that_failed(office: Office) -> None:
    desk = broken_desk(office)
    records = recording(desk)
    assert desk.judge(fault()).status == "ESME_RSYSERR"
    (found,) = parse(records.take())
    assert (found.rule, found.hits, found.status, found.label) == (NO_RULE, 0, ESME_RSYSERR, Label("first", "first"))


def test_above_high_water_nothing_is_refused_for_good(office: Office) -> None:
    desk = office.desk()
    records = recording(desk, high_water=200)
    assert judge(desk, "【无名小店】" + CODE) == ("reject", 204, "ESME_RSUBMITFAIL")
    assert judge(desk, "【无名小店】" + CODE) == ("reject", 0, "ESME_RTHROTTLED")
    assert judge(desk, "【星辰商城】" + CODE)[0] == "allow"
    assert desk.engine.counters.unrecorded == 1
    records.waiting = 200
    assert len(list(parse(records.take()))) == 1
    assert judge(desk, "【无名小店】" + CODE)[2] == "ESME_RTHROTTLED"
    records.waiting = 0
    assert judge(desk, "【无名小店】" + CODE) == ("reject", 204, "ESME_RSUBMITFAIL")


def test_above_high_water_tags_become_counts(office: Office) -> None:
    desk = office.desk(mode="tag")
    records = recording(desk, high_water=1)
    records.waiting = 1
    assert [judge(desk, "【无名小店】" + CODE)[:2] for _ in range(3)] == [("tag", 204)] * 3
    assert records.take_left_out() == [("first", 204, 3)]
    assert records.take_left_out() == []


def test_records_of_an_account_and_second_are_limited_and_refusals_are_not(office: Office) -> None:
    desk = office.desk()
    records = recording(desk, per_second=2)
    assert [judge(desk, "【无名小店】" + CODE)[1] for _ in range(5)] == [204] * 5
    assert judge(desk, "【星辰商城】" + SALE, NOON + 1)[1] == 0
    assert judge(desk, "【无名小店】" + CODE, NOON + 1)[1] == 204
    assert len(list(parse(records.take()))) == 3
    assert records.take_left_out() == [("first", 204, 3)]


texts = st.text(max_size=300)


@given(texts, texts, st.binary(max_size=70), st.binary(max_size=200), st.binary(max_size=200),
       st.integers(0, 2**37 - 1), st.integers(0, 2**32 - 1), st.integers(-1, 36))
def test_packed_and_read_again(
    account: str, signature: str, revision: bytes, pdu: bytes, text: bytes, hits: int, status: int, rule: int
) -> None:
    named = label(account, "e", "1069", "10690", "h", signature, "o")
    records = Records(1 << 20, 1)
    octets = revision[:8].ljust(8, b"\0")
    for _ in range(2):
        records.pack(12.5, hits, octets, status, REJECT, rule, 0x32, 4, named, pdu, text)
    wanted = Violation(
        12.5, hits, octets.hex(), status, REJECT, rule & 0xFF, 0x32, 4, read_label(named), pdu, text
    )
    assert list(parse(records.take())) == [wanted, wanted]
    assert read_label(named).account == account[:256].encode("utf-8", "replace").decode()


@given(st.binary(max_size=300))
def test_any_octets_are_records_or_an_error(octets: bytes) -> None:
    with contextlib.suppress(RecordError):
        assert sum(HEAD_OCTETS for _ in parse(octets)) <= len(octets)


def test_half_a_surrogate_pair_in_a_signature_is_no_fault(office: Office) -> None:
    desk = office.desk()
    records = recording(desk)
    body = "【星".encode("utf-16-be") + b"\xd8\x00" + "】".encode("utf-16-be")
    assert desk.judge(Message("first", pdu=submit(OK, body), at=NOON)).action == "reject"
    assert len(list(parse(records.take()))) == 1


@pytest.mark.parametrize("cut", [1, HEAD_OCTETS - 1, HEAD_OCTETS + 1])
def test_what_is_cut_off_is_said(cut: int) -> None:
    records = Records(1 << 20, 1)
    records.pack(1.0, 1, b"r" * 8, 1, REJECT, 1, 0, 4, label("a", "", "", "", "", "", ""), b"pdu", b"")
    with pytest.raises(RecordError, match="octet 0"):
        list(parse(records.take()[:cut]))
