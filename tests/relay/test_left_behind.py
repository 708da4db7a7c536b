"""What the path leaves behind for statistics: tallies by grant, what was delivered, and the recent chunks."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.counters import Records, Tallies
from portguard.policy.record import parse
from portguard.policy.tally import TallyRow, rows
from portguard.relay.flow import Recent
from portguard.relay.receipt import undelivered
from portguard.smpp import constants as c
from portguard.smpp.encode import deliver_sm, message_resp, receipt_text, submit_multi, submit_multi_resp, submit_sm
from portguard.smpp.fields import SmeAddress
from portguard.smpp.tlv import stream
from tests.relay.stage import PHONE, PORT, SIGNED, UNSIGNED, Actor, Stage, accepted, submit

OFFER = "【星辰商城】新品上市全场五折优惠，会员专享，拒收请回复R"


def counting(folder: Path, **how: object) -> Stage:
    """A stage whose engine keeps tallies."""
    stage = Stage(folder, **how)  # type: ignore[arg-type]
    stage.relay.engine.tallies = Tallies(100)
    return stage


def swept(stage: Stage) -> list[TallyRow]:
    """The rows since the last time."""
    stage.relay.engine.tallies.sweep()
    return sorted(rows(stage.relay.engine.tallies.take(1000)), key=lambda row: (row.signature, row.category))


def numbers(row: TallyRow) -> tuple[int, int, int, int, int]:
    return row.submitted, row.refused, row.tagged, row.delivered, row.failed


def receipt(actor: Actor, message_id: bytes, stat: bytes) -> bytes:
    when = b"2611111200"
    text = receipt_text(message_id, stat, submit_date=when, done_date=when)
    return deliver_sm(9, source_addr=PHONE, destination_addr=PORT, esm_class=c.ESM_RECEIPT, short_message=text)


def test_by_whom_from_where_as_what(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    actor.esme(submit(2), submit(3), submit(4, UNSIGNED))
    actor.smsc(accepted(2, b"a1"), message_resp(c.SUBMIT_SM, c.ESME_RSYSERR, 3))
    unsigned, signed = swept(stage)
    assert numbers(signed) == (2, 0, 0, 1, 0)
    assert numbers(unsigned) == (1, 1, 0, 0, 0)
    assert (signed.account, signed.enterprise, signed.port, signed.number) == ("star", "star", *[PORT.decode()] * 2)
    assert (signed.holder, signed.signature, signed.owner, signed.category) == ("star", "星辰商城", "star", 1)
    assert swept(stage) == []


def test_the_next_sweep_counts_from_zero(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    actor.esme(submit(2))
    swept(stage)
    actor.smsc(accepted(2, b"a1"))
    (row,) = swept(stage)
    assert numbers(row) == (0, 0, 0, 1, 0)
    actor.esme(submit(3))
    (row,) = swept(stage)
    assert numbers(row) == (1, 0, 0, 0, 0)


def test_each_sweep_has_a_sample_of_what_may_be_marketing_and_of_nothing_else(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    for seq in (2, 5):
        actor.esme(submit(seq), submit(seq + 1, OFFER), submit(seq + 2, OFFER))
        notice, offer = sorted(swept(stage), key=lambda row: row.category)
        assert (notice.category, notice.sample) == (1, b"")
        assert (offer.category, offer.sample, offer.submitted) == (3, submit(seq + 1, OFFER), 2)


def test_receipts_that_say_it_did_not_arrive(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    actor.esme(submit(2), submit(3))
    actor.smsc(accepted(2, b"a1"), accepted(3, b"a2"))
    for stat in (b"DELIVRD", b"UNDELIV", b"UNDELIV"):
        actor.smsc(receipt(actor, b"a1", stat))
    actor.smsc(receipt(actor, b"a2", b"ACCEPTD"), receipt(actor, b"zz", b"EXPIRED"))
    (row,) = swept(stage)
    assert numbers(row) == (2, 0, 0, 2, 1)
    assert len(actor.to_esme) == 7


def test_recipients_are_counted_not_pdus(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    people = [SmeAddress(1, 1, b"1391000123%d" % n) for n in range(3)]
    actor.esme(submit_multi(
        2, source_addr=PORT, data_coding=8, short_message=SIGNED.encode("utf-16-be"), dest_address=people
    ))
    actor.smsc(submit_multi_resp(0, 2, message_id=b"m1"))
    (row,) = swept(stage)
    assert numbers(row) == (3, 0, 0, 3, 0)


def part(seq: int, index: int, total: int, text: str) -> bytes:
    """A part of a long message under reference 7."""
    return submit_sm(
        seq, source_addr=PORT, destination_addr=PHONE, data_coding=8, esm_class=c.ESM_UDHI,
        short_message=bytes((5, 0, 3, 7, total, index)) + text.encode("utf-16-be"),
    )


def test_a_long_message_is_one_message(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    actor.esme(part(2, 1, 2, SIGNED), part(3, 2, 2, "如非本人操作请忽略。"))
    actor.smsc(accepted(2, b"a1"), accepted(3, b"a2"))
    (row,) = swept(stage)
    assert numbers(row) == (1, 0, 0, 1, 0)


def test_a_part_that_comes_again_counts_for_nobody(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    actor.esme(part(2, 1, 2, SIGNED), part(3, 2, 2, "如非本人操作请忽略。"), submit(4, UNSIGNED), submit(5, OFFER))
    actor.esme(part(6, 1, 2, SIGNED))
    swept(stage)
    actor.smsc(accepted(6, b"a1"))
    assert swept(stage) == []


def test_the_record_of_a_long_message_has_its_whole_text(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    stage.relay.engine.records = Records(1 << 20, 1000)
    actor = stage.actor()
    actor.esme(part(2, 1, 2, "【无名小"), part(3, 2, 2, "店】您的验证码是482913"))
    (found,) = parse(stage.relay.engine.records.take())
    assert found.text.decode("utf-16-be") == "【无名小店】您的验证码是482913"
    assert found.label.signature == "无名小店"
    assert [pdu.command_status for pdu in actor.to_esme] == [0x45, 0x45]


def test_no_more_tallies_are_kept_than_permitted(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    stage.relay.engine.tallies = Tallies(1)
    actor = stage.actor()
    actor.esme(submit(2), submit(3, UNSIGNED), submit(4))
    assert len(swept(stage)) == 1
    assert stage.relay.engine.tallies.lost == 1


def kept(recent: Recent) -> list[tuple[str, float, bytes]]:
    return recent.page(recent.oldest(), recent.last, 1 << 30)


def test_recent_chunks_are_kept_as_they_came(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    actor = stage.actor()
    stage.relay.recent = Recent(2, 1 << 20)
    actor.esme(submit(2))
    actor.esme(submit(3) + submit(4)[:20])
    actor.esme(submit(4)[20:])
    found = kept(stage.relay.recent)
    assert [chunk[2] for chunk in found] == [submit(3) + submit(4)[:20], submit(4)]
    assert {chunk[:2] for chunk in found} == {("star", stage.wall)}


def test_recent_is_bounded_by_number_and_octets() -> None:
    recent = Recent(3, 10)
    for octets in (b"aaaa", b"bbbb", b"cc", b"dd", b"eeeeeeeee", b"f" * 11):
        recent.add("star", 1.0, octets)
        assert sum(len(chunk[2]) for chunk in kept(recent)) <= 10
        assert len(kept(recent)) <= 3
        assert len(octets) > 10 or kept(recent)[-1][2] == octets


@given(st.integers(1, 8), st.integers(1, 60), st.lists(st.integers(1, 30), max_size=60))
def test_recent_is_the_end_of_what_came(most: int, octets: int, lengths: list[int]) -> None:
    recent, came = Recent(most, octets), list[tuple[str, float, bytes]]()
    for number, length in enumerate(lengths):
        chunk = bytes([number]) * length
        recent.add(f"star {number}", float(number), chunk)
        if length <= octets:
            came.append((f"star {number}", float(number), chunk))
        found = kept(recent)
        assert found == came[len(came) - len(found) :]
        assert recent.last == len(came)
        # No chunk is divided: a part of the ring as long as one may lie idle, and another has made room for the last.
        size = sum(len(chunk) for _, _, chunk in found)
        assert size <= octets
        assert len(found) == min(most, len(came)) or size > octets - 2 * max(lengths)


def test_recent_chunks_are_nothing_to_the_garbage_collector() -> None:
    recent = Recent(1000, 1 << 20)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for n in range(1000):
            recent.add("star", float(n), b"%010d" % n)
        assert len(gc.get_objects()) < before + 10
    finally:
        gc.enable()
    assert len(kept(recent)) == 1000


def test_of_fast_traffic_recent_chunks_are_left_out_here_and_there() -> None:
    recent = Recent(1000, 100, seconds=10.0)
    for n in range(3000):  # 1,000 octets a second, where ten are kept
        recent.add("star", 100.0 + n / 100, b"%010d" % n)
    times = [at for _, at, _ in kept(recent)]
    assert len(times) == 10
    assert 8.5 < times[-1] - times[0] < 10.5
    # A quiet spell makes room for as many in a row as there is space for, and no more.
    for n in range(20):
        recent.add("moon", 1000.0, b"%010d" % n)
    assert [chunk[2] for chunk in kept(recent)] == [b"%010d" % n for n in range(10)]


def test_a_clock_that_is_set_back_stops_no_recent_chunks() -> None:
    recent = Recent(1000, 100, seconds=10.0)
    for n in range(20):
        recent.add("star", 1000.0, b"%010d" % n)
    for n in range(20):
        recent.add("moon", 10.0 + n, b"%010d" % n)
    found = kept(recent)
    assert {name for name, _, _ in found} == {"moon"}
    assert found[-1][1] == 29.0


@pytest.mark.parametrize(
    ("text", "optional", "found"),
    [
        (b"id:77 sub:001 stat:UNDELIV err:001", b"", b"77"),
        (b"ID:77 STAT:REJECTD", b"", b"77"),
        (b"id:77 stat:DELIVRD", b"", b""),
        (b"id:77 stat:UNDELIV", stream([(c.TLV_MESSAGE_STATE, b"\x02")]), b""),
        (b"", stream([(c.TLV_MESSAGE_STATE, b"\x05"), (c.TLV_RECEIPTED_MESSAGE_ID, b"abc\0")]), b"abc"),
        (b"id:77 stat:UNDELIV", b"\x04", b""),
        (b"\xff" * 200, b"", b""),
    ],
)
def test_what_a_receipt_says(text: bytes, optional: bytes, found: bytes) -> None:
    assert undelivered(text, optional) == found
