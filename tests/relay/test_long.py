"""Long messages: judged whole, over binds, in any order; what waits, for how long, and what binds whom."""

from collections.abc import Callable
from datetime import datetime
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portguard.policy.options import Action, ConcatOptions, RuleOptions
from portguard.policy.reasons import CATALOGUE, ORDINAL, RULE_BY_CODE, vendor_status
from portguard.relay.pair import Assembly
from portguard.smpp import constants as c
from portguard.smpp.encode import replace_sm, submit_multi, submit_sm, unbind
from portguard.smpp.fields import SmeAddress
from portguard.smpp.tlv import append
from portguard.sms.charset import CHARSET_GSM7, CHARSET_GSM7_PACKED, encode
from tests.relay.stage import PHONE, PORT, TABLES, Actor, Stage, accepted
from tests.relay.test_multi import NORTH, REGIONAL, SOUTH

Staged = Callable[..., Stage]

WHOLE = "【星辰商城】您好，您的订单已经发出，快递员正在为您派送，请保持电话畅通，凭取件码到驿站取件，感谢您的支持。" * 2
FOREIGN = WHOLE.replace("星辰商城", "月光银行")
HOLD = 0.2
OFFER = "【星辰商城】双十一大促开始啦，全场五折起，满300减50，限时抢购，还有优惠券可以领取，数量有限，先到先得，退订回T"

# It requires no signature.
OPEN_PORT = b"1069555555"

TABLES_WITH_BANK = {
    **TABLES,
    "enterprises": [*TABLES["enterprises"], {"id": "bank", "name": "bank", "kind": "sp", "status": "active"}],
    "signatures": [*TABLES["signatures"], {"signature": "月光银行", "enterprise": "bank"}],
}


def udh8(reference: int, total: int, index: int) -> bytes:
    return bytes([5, 0, 3, reference & 0xFF, total, index])


def udh16(reference: int, total: int, index: int) -> bytes:
    return bytes([6, 8, 4, reference >> 8 & 0xFF, reference & 0xFF, total, index])


def mixed(reference: int, total: int, index: int) -> bytes:
    """A port addressing element before the one that joins parts."""
    return bytes([11, 5, 4, 0x0B, 0x84, 0, 0, 0, 3, reference & 0xFF, total, index])


def cut(text: str, count: int, at: list[int] | None = None) -> list[bytes]:
    """The text's octets in `count` pieces, cut between UTF-16 units or `at` these octets."""
    octets = text.encode("utf-16-be")
    places = at or [len(octets) * n // count & ~1 for n in range(1, count)]
    return [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True)]


def parts(
    text: str,
    count: int = 3,
    *,
    first: int = 2,
    reference: int = 7,
    header: Callable[[int, int, int], bytes] | None = udh8,
    at: list[int] | None = None,
    source: bytes = PORT,
    destination: bytes = PHONE,
    **fields: Any,
) -> list[bytes]:
    """submit_sm for each part, with sequence numbers from `first`; without `header` by SAR TLVs."""
    pdus = []
    for index, body in enumerate(cut(text, count, at), 1):
        tlvs = []
        head = b""
        if header is None:
            tlvs = [
                (c.TLV_SAR_MSG_REF_NUM, reference.to_bytes(2)),
                (c.TLV_SAR_TOTAL_SEGMENTS, bytes([count])),
                (c.TLV_SAR_SEGMENT_SEQNUM, bytes([index])),
            ]
        else:
            head = header(reference, count, index)
        pdus.append(
            submit_sm(
                first + index - 1,
                source_addr=source,
                destination_addr=destination,
                data_coding=8,
                esm_class=c.ESM_UDHI if head else 0,
                short_message=head + body,
                tlvs=tlvs,
                **fields,
            )
        )
    return pdus


def stage_wall() -> float:
    """The time of day at which every stage begins (epoch seconds)."""
    return 1_795_000_000.0


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, ZoneInfo("Asia/Shanghai")).strftime("%H:%M")


def passed(actor: Actor) -> list[int]:
    return sorted(pdu.sequence_number for pdu in actor.to_smsc if pdu.command_id == c.SUBMIT_SM)


def refused(actor: Actor) -> list[int]:
    return sorted(pdu.sequence_number for pdu in actor.to_esme if pdu.command_status)


def at_rest(stage: Stage) -> None:
    """Nothing is held, and what is kept is counted right."""
    relay = stage.relay
    assert not relay.waiting
    every: list[Assembly] = [one for of_account in relay.store.of.values() for one in of_account.values()]
    assert all(not one.held for one in every)
    assert relay.store.octets == sum(one.octets for one in every) == sum(relay.store.octets_of.values())
    assert all(pair.held == 0 for pair in relay.pairs)


HEADERS = [udh8, udh16, mixed, None]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_judged_whole_in_any_order(stage: Stage, header: Callable[[int, int, int], bytes], order: list[int]) -> None:
    actor = stage.actor()
    good, bad = parts(WHOLE, header=header), parts(FOREIGN, header=header, reference=8, first=12)
    for n in order[:2]:
        actor.esme(good[n], bad[n])
        assert actor.to_smsc == [] and actor.to_esme == [], "parts wait for each other"
    actor.esme(good[order[2]], bad[order[2]])
    sent = actor.raw_to_smsc()
    assert all(pdu in sent for pdu in good) and len(sent) == sum(map(len, good))
    assert refused(actor) == [12, 13, 14]
    at_rest(stage)


@pytest.mark.parametrize("place", range(2, 15, 2))
def test_a_signature_cut_anywhere_is_still_one(stage: Stage, place: int) -> None:
    actor = stage.actor()
    actor.esme(*parts(WHOLE, 2, at=[place]), *parts(FOREIGN, 2, at=[place], reference=8, first=12))
    assert passed(actor) == [2, 3]
    assert refused(actor) == [12, 13]


@pytest.mark.parametrize("place", range(1, 15, 2))
def test_half_a_unit_at_the_seam_is_no_text(stage: Stage, place: int) -> None:
    """A handset reads every part from its first octet: what we would read as a whole is not what it shows."""
    actor = stage.actor()
    actor.esme(*parts(WHOLE, 2, at=[place]))
    assert (passed(actor), refused(actor)) == ([], [2, 3])
    assert [row[1] for row in stage.relay.engine.counters.read()] == [ORDINAL[150]]


def test_parts_over_several_binds_of_an_account_meet(stage: Stage) -> None:
    one, two = stage.actor(), stage.actor()
    good, bad = parts(WHOLE, 2), parts(FOREIGN, 2, reference=8, first=12)
    one.esme(good[0], bad[0])
    two.esme(good[1], bad[1])
    assert (passed(one), refused(one)) == ([2], [12])
    assert (passed(two), refused(two)) == ([3], [13])
    assert stage.relay.dirty, "net must hear of the other link too"


def test_parts_of_another_account_are_another_message(stage: Stage) -> None:
    one = stage.actor()
    other = Actor(stage, stage.relay.open("10.1.2.3", stage.now))
    other.bind(system_id=b"few")
    first, second = parts(WHOLE, 2)
    one.esme(first)
    other.esme(second)
    assert passed(one) == passed(other) == []


def test_held_parts_in_order_go_ahead_when_their_time_is_up(stage: Stage) -> None:
    stage.later(100)
    actor = stage.actor()
    stage.later(100)
    actor.esme(*parts(WHOLE)[:2])
    stage.later(HOLD + 0.01)
    assert passed(actor) == [2, 3]
    assert actor.pair.in_turn, "it stayed silent: it waits for responses"
    actor.esme(parts(WHOLE)[2])
    assert passed(actor) == [4]
    at_rest(stage)


def test_an_orphan_is_refused(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    actor.esme(parts(WHOLE)[1])
    stage.later(HOLD + 0.01)
    assert refused(actor) == [3]
    assert stage.relay.engine.counters.read()[-1][1] == 13, "rule 153"
    at_rest(stage)


def test_an_orphan_is_only_tagged_in_the_first_minute_of_a_link(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(parts(WHOLE)[1])
    stage.later(HOLD + 0.01)
    (pdu,) = actor.to_smsc
    assert dict(pdu.tlvs)[0x1D02] == (153).to_bytes(2)


def test_a_refusal_binds_the_parts_that_follow(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    first, second, third = parts(FOREIGN)
    actor.esme(first)
    stage.later(HOLD + 0.01)
    assert refused(actor) == [2]
    actor.esme(third)
    assert refused(actor) == [4], "at once, without waiting for the second"
    actor.esme(second)
    assert refused(actor) == [3]


def test_a_permission_does_not_bind_the_parts_that_follow(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    two_brands = "【星辰商城】您好，您的订单已经发出，快递员正在为您派送" + "【月光银行】"
    stage.swap(TABLES_WITH_BANK)
    first, second = parts(two_brands, 2)
    actor.esme(first)
    stage.later(HOLD + 0.01)
    assert passed(actor) == [2]
    actor.esme(second)
    assert (passed(actor), refused(actor)) == ([], [3])


def test_a_window_of_one_is_slowed_once_only(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    for message in range(3):
        for n, pdu in enumerate(parts(WHOLE, 4, reference=message, first=10 * message + 2)):
            actor.esme(pdu)
            if message == 0 and n == 0:
                assert passed(actor) == []
                stage.later(HOLD + 0.01)
            assert passed(actor) == [10 * message + 2 + n]
            actor.smsc(accepted(10 * message + 2 + n))
    at_rest(stage)


def test_a_missing_head_signature_is_judged_at_the_last_part(staged: Staged) -> None:
    text = WHOLE[6:] + "【星辰商城】"
    for position, outcome in (("head-or-tail", ([2, 3], [])), ("head", ([], [2, 3]))):
        stage = staged(signature_position=position)
        actor = stage.actor()
        actor.pair.in_turn = True
        first, second = parts(text, 2)
        actor.esme(first)
        actor.esme(second)
        assert (passed(actor), refused(actor)) == outcome


def test_identical_retransmissions_get_the_same_verdict(stage: Stage) -> None:
    actor = stage.actor()
    good, bad = parts(WHOLE, 2), parts(FOREIGN, 2, reference=8, first=12)
    actor.esme(*good, *bad)
    passed(actor), refused(actor)
    actor.esme(good[0], bad[0])
    assert (passed(actor), refused(actor)) == ([2], [12])
    waiting = parts(WHOLE, 2, reference=9, first=22)
    actor.esme(waiting[0], waiting[0])
    actor.esme(waiting[1])
    assert passed(actor) == [22, 22, 23]
    at_rest(stage)


def test_other_bytes_for_a_part_that_waits_contradict(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(parts(WHOLE)[0], parts(FOREIGN, first=12)[0])
    assert refused(actor) == [12]
    assert [row[1] for row in stage.relay.engine.counters.read()] == [14], "rule 154"
    actor.esme(*parts(WHOLE)[1:])
    assert passed(actor) == [2, 3, 4], "the message they would have spoilt is whole"


@pytest.mark.parametrize(("off", "rule"), [((), 154), (("concat_conflict",), 155)])
def test_a_contradiction_is_judged_before_a_tag_of_our_own(staged: Staged, off: tuple[str, ...], rule: int) -> None:
    rules = {"tag_spoofed": RuleOptions(action="reject"), **{name: RuleOptions(action="allow") for name in off}}
    stage = staged(rules=rules, status_style="vendor")
    actor = stage.actor()
    actor.esme(parts(WHOLE)[0])
    actor.esme(append(parts(FOREIGN, first=12)[0], [(0x1D01, b"\1")]))
    assert [pdu.command_status for pdu in actor.to_esme] == [vendor_status(RULE_BY_CODE[rule])]


def test_a_reference_that_never_changes(stage: Stage) -> None:
    actor = stage.actor()
    for message in range(5):
        actor.esme(*parts(WHOLE + str(message), first=10 * message + 2))
        assert passed(actor) == [10 * message + 2 + n for n in range(3)]
    at_rest(stage)


def test_a_cap_counts_a_message_once_and_is_given_back_once(stage: Stage) -> None:
    text = WHOLE.replace("星辰商城", "星辰限量")
    actor = stage.actor()
    actor.esme(*parts(text))
    assert passed(actor) == [2, 3, 4]
    actor.esme(*parts(text + "!", reference=9, first=12))
    assert refused(actor) == [12, 13, 14], "one message was the cap"
    for n in (2, 3, 4):
        actor.smsc(accepted(n)[:8] + c.ESME_RMSGQFUL.to_bytes(4) + accepted(n)[12:])
    refused(actor)
    actor.esme(*parts(text + "?", reference=10, first=22))
    assert passed(actor) == [22, 23, 24]
    actor.esme(*parts(text + ".", reference=11, first=32))
    assert refused(actor) == [32, 33, 34], "three refusals of one message give one back"


def test_an_unbind_settles_what_is_held_first(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    actor.esme(parts(WHOLE)[0], unbind(9))
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.SUBMIT_SM, c.UNBIND]
    at_rest(stage)


def test_parts_of_a_link_that_is_lost_are_forgotten(stage: Stage) -> None:
    one, two = stage.actor(), stage.actor()
    first, second = parts(WHOLE, 2)
    one.esme(first)
    stage.relay.esme_lost(one.pair, stage.now)
    stage.relay.closed(one.pair)
    two.esme(second)
    assert passed(two) == []
    two.esme(first)
    assert passed(two) == [2, 3]
    at_rest(stage)


@pytest.mark.slow
def test_what_never_completes_costs_nothing_lasting(staged: Staged) -> None:
    stage = staged(concat=ConcatOptions(max_held_bytes=1 << 20))
    stage.later(100)
    actor = stage.actor()
    for n in range(20_000):
        actor.esme(parts(WHOLE, first=n, reference=n, header=udh16)[1])
        assert stage.relay.store.octets <= 1 << 20
    assert stage.relay.evicted > 10_000
    stage.later(61)
    stage.later(1)
    assert stage.relay.store.octets == 0 and not stage.relay.store.of
    at_rest(stage)


@pytest.mark.slow
def test_one_accounts_parts_do_not_push_out_anothers(staged: Staged) -> None:
    stage = staged(concat=ConcatOptions(max_held_bytes=1 << 20))
    victim = Actor(stage, stage.relay.open("10.1.2.3", stage.now))
    victim.bind(system_id=b"few")
    flood = stage.actor()
    first, second = parts(WHOLE, 2)
    victim.esme(first)
    for n in range(5000):
        flood.esme(parts(WHOLE, first=n, reference=n, header=udh16)[1])
    victim.esme(second)
    assert passed(victim) == [2, 3]


def test_a_surrogate_pair_may_be_cut(stage: Stage) -> None:
    text = "【星辰商城】您的包裹已送达😀请及时领取"
    middle = len(text.split("😀")[0].encode("utf-16-be")) + 2
    actor = stage.actor()
    actor.esme(*parts(text, 2, at=[middle]))
    assert passed(actor) == [2, 3]
    actor.pair.in_turn = True
    first, second = parts(text, 2, at=[middle], reference=9)
    actor.esme(first)
    assert passed(actor) == [2]
    actor.esme(second)
    assert passed(actor) == [3]


def test_a_total_of_one_or_an_index_beyond_the_total_is_a_message_of_its_own(stage: Stage) -> None:
    actor = stage.actor()
    body = "【星辰商城】您的包裹已送达".encode("utf-16-be")
    for n, header in enumerate([udh8(1, 1, 1), udh8(1, 2, 3), udh8(1, 2, 0), udh8(1, 0, 0)]):
        actor.esme(
            submit_sm(
                n, source_addr=PORT, destination_addr=PHONE, data_coding=8, esm_class=c.ESM_UDHI,
                short_message=header + body,
            )
        )
    assert passed(actor) == [0, 1, 2, 3]


def test_another_ending_under_an_old_reference_is_judged_with_its_own_beginning(stage: Stage) -> None:
    stage.swap(TABLES_WITH_BANK)
    actor = stage.actor()
    text = "【星辰商城】您好，您的订单已经发出，快递员正在为您派送，请保持电话畅通。"
    actor.esme(*parts(text + "谢谢您的支持", 2, at=[60]))
    assert passed(actor) == [2, 3]
    actor.esme(*parts(text + "【月光银行】", 2, at=[60], first=12))
    assert (passed(actor), refused(actor)) == ([12], [13])


@pytest.mark.parametrize("action", ["allow", "monitor", "tag"])
def test_a_contradiction_that_is_let_pass_is_still_judged_on_its_text(staged: Staged, action: Action) -> None:
    stage = staged(rules={"concat_conflict": RuleOptions(action=action)})
    actor = stage.actor()
    actor.esme(parts(WHOLE)[0])
    actor.esme(parts(FOREIGN, first=12)[0])
    actor.esme(*parts(WHOLE)[1:])
    assert (passed(actor), refused(actor)) == ([], [2, 3, 4, 12])


# ---- what a violator who knows all of the above would try


def hits(stage: Stage) -> list[int]:
    """The codes of the rules of every verdict so far."""
    return [CATALOGUE[rule].code for _, rule, *_ in stage.relay.engine.counters.read() if rule >= 0]


@pytest.mark.parametrize("other", [b"86" + PHONE, b"0086" + PHONE])
def test_a_subscriber_is_one_whatever_the_form_of_the_number(stage: Stage, other: bytes) -> None:
    stage.later(100)
    actor = stage.actor()
    first, second = parts(FOREIGN, 2, at=[4])[0], parts(FOREIGN, 2, at=[4], destination=other)[1]
    actor.esme(first, second)
    assert (passed(actor), refused(actor)) == ([], [2, 3])
    assert hits(stage) == [204], "judged as the one message that the handset makes of it"


def test_a_reference_is_one_whatever_its_width(stage: Stage) -> None:
    """Handsets join by number, source and total."""
    stage.later(100)
    actor = stage.actor()
    actor.esme(parts(FOREIGN, 3, header=udh8)[0], parts(FOREIGN, 3, header=udh16)[1], parts(FOREIGN, 3, header=None)[2])
    assert (passed(actor), refused(actor)) == ([], [2, 3, 4])
    assert hits(stage) == [204]


def test_it_is_delivered_when_its_last_part_is(staged: Staged) -> None:
    stage = staged(marketing_hours=f"{_clock(stage_wall())}-{_clock(stage_wall() + 7200)}")
    actor = stage.actor()
    late, soon = b"000000100000000R", b"000000010000000R"
    actor.esme(*parts(OFFER, 2), *parts(OFFER + "!", 2, first=12, reference=8, schedule_delivery_time=soon))
    assert passed(actor) == [2, 3, 12, 13]
    for n, order in enumerate([(0, 1), (1, 0)]):
        some = parts(OFFER + "?" * n, 2, first=22 + 10 * n, reference=9 + n, schedule_delivery_time=late)
        rest = parts(OFFER + "?" * n, 2, first=22 + 10 * n, reference=9 + n)
        actor.esme(some[order[0]], rest[order[1]])
        assert (passed(actor), refused(actor)) == ([], [22 + 10 * n, 23 + 10 * n])


def test_a_copy_for_another_hour_is_another_message(staged: Staged) -> None:
    stage = staged(marketing_hours=f"{_clock(stage_wall())}-{_clock(stage_wall() + 7200)}")
    actor = stage.actor()
    actor.esme(*parts(OFFER, 2))
    assert passed(actor) == [2, 3]
    actor.esme(*parts(OFFER, 2, first=12, schedule_delivery_time=b"000000100000000R"))
    assert (passed(actor), refused(actor)) == ([], [12, 13])


def test_a_whole_copy_counts_like_another_message(stage: Stage) -> None:
    text = WHOLE.replace("星辰商城", "星辰限量")
    actor = stage.actor()
    actor.esme(*parts(text))
    assert passed(actor) == [2, 3, 4]
    actor.esme(*parts(text, first=12))
    assert (passed(actor), refused(actor)) == ([12, 13], [14]), "the cap is one message: the copy never completes"
    at_rest(stage)


def test_the_same_octets_behind_another_header_are_other_text(stage: Stage) -> None:
    """Packed septets begin on a septet boundary after the header."""
    mall = {"signature": "STARMALL", "enterprise": "star"}
    stage.swap({
        **TABLES, "accounts": [{"system_id": "star", "enterprise": "star", "charset": "gsm7-packed"}],
        "signatures": [mall], "scopes": [{**mall, "port": PORT.decode()}],
    })
    actor = stage.actor()
    texts = ["[STARMALL] your parcel is on its way, ", "please be at home"]
    bodies = [encode(text, 0, CHARSET_GSM7_PACKED, 6) for text in texts]

    def send(first: int, header: Callable[[int, int, int], bytes]) -> None:
        for index, body in enumerate(bodies, 1):
            actor.esme(
                submit_sm(
                    first + index, source_addr=PORT, destination_addr=PHONE, data_coding=0, esm_class=c.ESM_UDHI,
                    short_message=header(7, 2, index) + body,
                )
            )

    send(1, udh8)
    assert passed(actor) == [2, 3]
    send(11, mixed)
    assert passed(actor) == [], "what was permitted was another text"


def test_recipients_of_parts_fail_alone_wherever_the_parts_lie_in_a_chunk(stage: Stage) -> None:
    stage.swap(REGIONAL)
    text = WHOLE.replace("星辰商城", "星辰北方")
    actor = stage.actor()
    everybody, allowed_one = multi_parts(text, NORTH, SOUTH), multi_parts(text, NORTH)
    actor.esme(*everybody)
    assert actor.raw_to_smsc() == b"".join(allowed_one)
    actor.esme(*everybody)
    assert actor.raw_to_smsc() == b"".join(allowed_one), "a copy reaches nobody else"
    at_rest(stage)


def multi_parts(text: str, *who: SmeAddress) -> list[bytes]:
    return [
        submit_multi(
            index, source_addr=PORT, dest_address=list(who), data_coding=8, esm_class=c.ESM_UDHI,
            short_message=udh8(7, 2, index) + body,
        )
        for index, body in enumerate(cut(text, 2), 1)
    ]


def test_an_orphan_of_the_first_minute_is_judged_by_what_it_says(stage: Stage) -> None:
    tables = {**TABLES, "ports": [{**TABLES["ports"][0], "categories": "verification|notification"}]}
    stage.swap(tables)
    actor = stage.actor()
    actor.esme(parts("【星辰商城】您好，" + OFFER, 2, at=[12])[1])
    stage.later(HOLD + 0.01)
    assert (passed(actor), refused(actor)) == ([], [3])
    assert hits(stage) == [306]
    actor.esme(parts(WHOLE, 2, reference=8, first=12)[1])
    stage.later(HOLD + 0.01)
    assert (passed(actor), refused(actor)) == ([13], [])
    assert sorted(hits(stage)) == [153, 306], "and a tagged one is counted"


def test_a_part_that_came_by_sar_cannot_be_replaced_by_itself(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(*parts(WHOLE, 2, header=None))
    actor.smsc(accepted(2, b"aa"), accepted(3, b"bb"))
    actor.raw_to_esme()
    text = "【星辰商城】您的验证码是482913，5分钟内有效。".encode("utf-16-be")
    actor.esme(replace_sm(9, message_id=b"bb", source_addr=PORT, short_message=text))
    assert [(pdu.sequence_number, pdu.command_status) for pdu in actor.to_esme] == [(9, c.ESME_RREPLACEFAIL)]


MALL, CODE = "【星辰商城】", "您的验证码是482913，5分钟内有效。"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("source", "texts", "codes"),
    [
        (OPEN_PORT, [("【无名小店】" + CODE, 8), (" ok", 0)], [204]),
        (OPEN_PORT, [("【】" + CODE, 8), ("ok", 0)], [201]),
        (PORT, [(MALL + CODE, 8), (" http://a.cn/x", 0)], []),
        (OPEN_PORT, [(" ", 0), ("【无名小店】" + CODE, 8)], [204]),
        (OPEN_PORT, [("Dear customer, ", 0), (CODE + "【无名小店】", 8)], [204]),
        (OPEN_PORT, [("[NoShop] code ", 0), (CODE, 8)], [204]),
        (OPEN_PORT, [(CODE, 8), (" bye [NoShop]", 0)], [204]),
        (PORT, [("[STARMALL] code ", 0), (CODE, 8)], []),
        (PORT, [(CODE, 8), (" bye [STARMALL]", 0)], []),
        (PORT, [(MALL + CODE, 8), (" see [1]", 0)], []),
        (PORT, [("[STARMALL] code ", 8), ("ok", 0)], [203]),
        (PORT, [("ok", 0), (" bye [STARMALL]", 8)], [203]),
        (OPEN_PORT, [("[1] code ", 8), ("ok", 0)], []),
    ],
)
def test_brackets_are_read_by_the_coding_of_the_end_they_stand_at(
    stage: Stage, source: bytes, texts: list[tuple[str, int]], codes: list[int], order: tuple[int, int]
) -> None:
    ours = [{"signature": name, "enterprise": "star"} for name in ("星辰商城", "STARMALL")]
    free = {"port": OPEN_PORT.decode(), "holder": "star", "signature_required": "false"}
    stage.swap({
        **TABLES, "ports": [*TABLES["ports"], free], "signatures": ours,
        "scopes": [{**one, "port": PORT.decode()} for one in ours],
    })
    actor = stage.actor()
    pdus = [
        submit_sm(
            index, source_addr=source, destination_addr=PHONE, data_coding=coding, esm_class=c.ESM_UDHI,
            short_message=udh8(7, 2, index) + encode(text, coding, CHARSET_GSM7),
        )
        for index, (text, coding) in enumerate(texts, 1)
    ]
    actor.esme(*(pdus[n] for n in order))
    assert (passed(actor), refused(actor)) == (([], [1, 2]) if codes else ([1, 2], []))
    assert hits(stage) == codes
    at_rest(stage)
