"""Rules 500 and 501: what complaints have put on ports and signatures."""

from __future__ import annotations

from typing import Any

import pytest

from portguard.policy.desk import Desk, Message
from portguard.policy.restraint import Restraint, brakes
from portguard.smpp import encode
from portguard.smpp.fields import SmeAddress
from tests.policy.conftest import Office
from tests.policy.folder import when
from tests.policy.messages import CODE, NORTH, OK, SALE
from tests.policy.wire import ucs2

NOON = when("2026-11-11T12:00:00")
LATER = NOON + 3600.0


def judge(desk: Desk, text: str = "【星辰商城】" + CODE, at: float = NOON, source: str = OK) -> tuple[str, int]:
    found = desk.judge(Message("first", source, NORTH, text, at=at))
    return found.action, found.code


def restrained(office: Office, *restraints: Restraint, **policy: Any) -> Desk:
    desk = office.desk(**policy)
    desk.engine.brakes.put(brakes(list(restraints)))
    return desk


def test_a_suspended_signature_is_refused_and_no_other(office: Office) -> None:
    desk = restrained(office, Restraint("signature", "星辰商城", "suspend", LATER))
    assert judge(desk) == ("reject", 501)
    assert judge(desk, "【星辰限量】" + CODE) == ("allow", 0)


@pytest.mark.parametrize(("name", "code"), [(OK, 501), (OK[:-1], 501), ("1069", 0), (OK + "0", 0), ("1068", 0)])
def test_a_port_covers_its_own_numbers_and_none_that_is_carved_out_of_it(office: Office, name: str, code: int) -> None:
    assert judge(restrained(office, Restraint("port", name, "suspend", LATER)))[1] == code


def test_it_ends_by_itself_and_when_it_is_lifted(office: Office) -> None:
    desk = restrained(office, Restraint("signature", "星辰商城", "suspend", LATER))
    assert judge(desk, at=LATER - 1) == ("reject", 501)
    assert judge(desk, at=LATER) == ("allow", 0)
    assert judge(desk) == ("reject", 501)
    desk.engine.brakes.put([])
    assert judge(desk) == ("allow", 0)


def test_it_begins_for_what_is_in_the_caches(office: Office) -> None:
    desk = office.desk()
    assert judge(desk) == ("allow", 0)
    desk.engine.brakes.put(brakes([Restraint("port", OK, "suspend", LATER)]))
    assert judge(desk) == ("reject", 501)


def test_a_throttle_lets_a_rate_through(office: Office) -> None:
    desk = restrained(office, Restraint("signature", "星辰商城", "throttle", LATER, per_minute=2))
    assert [judge(desk, at=NOON + n)[1] for n in range(3)] == [0, 0, 500]
    assert desk.judge(Message("first", OK, NORTH, "【星辰商城】" + CODE, at=NOON + 4)).status == "ESME_RTHROTTLED"
    assert [judge(desk, at=NOON + 36)[1], judge(desk, at=NOON + 37)[1]] == [0, 500]


def test_a_throttle_that_stays_keeps_its_count(office: Office) -> None:
    throttle = Restraint("signature", "星辰商城", "throttle", LATER, per_minute=1)
    desk = restrained(office, throttle)
    assert judge(desk)[1] == 0
    desk.engine.brakes.put(brakes([throttle, Restraint("port", "1068", "suspend", LATER)]))
    assert judge(desk)[1] == 500


def test_every_recipient_of_submit_multi_uses_the_rate_up(office: Office) -> None:
    desk = restrained(office, Restraint("signature", "星辰商城", "throttle", LATER, per_minute=2))
    pdu = encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰商城】" + CODE),
        dest_address=[SmeAddress(1, 1, b"1391000123%d" % n) for n in range(3)],
    )
    assert desk.judge(Message("first", pdu=pdu, at=NOON)).code == 500
    assert [judge(desk)[1] for _ in range(3)] == [0, 0, 500]


def test_what_is_refused_anyway_leaves_the_rate_to_others(office: Office) -> None:
    desk = restrained(office, Restraint("port", OK, "throttle", LATER, per_minute=1))
    assert judge(desk, "【无名小店】" + CODE) == ("reject", 204)
    assert judge(desk) == ("allow", 0)


def test_the_first_level_only_tags(office: Office) -> None:
    desk = restrained(office, Restraint("signature", "星辰商城", "tag", LATER))
    assert judge(desk) == ("tag", 500)


def test_of_two_restraints_the_harder_one_counts(office: Office) -> None:
    tag = Restraint("signature", "星辰商城", "tag", LATER)
    assert judge(restrained(office, tag, Restraint("port", OK, "suspend", LATER))) == ("reject", 501)
    assert judge(restrained(office, tag, Restraint("port", OK, "throttle", LATER))) == ("reject", 500)


def test_order_among_the_neighbours(office: Office) -> None:
    both = [
        Restraint("signature", "星辰商城", "throttle", LATER), Restraint("port", OK, "suspend", LATER),
    ]
    quiet = {"marketing_hours": "08:00-09:00"}
    desk = restrained(office, *both, **quiet)
    assert judge(desk, "【星辰商城】" + SALE)[1] == 403
    desk = restrained(office, *both, **quiet, rules={"quiet_hours": {"action": "allow"}})
    assert judge(desk, "【星辰商城】" + SALE)[1] == 500
    desk = restrained(office, *both, rules={"complaint_throttled": {"action": "allow"}})
    assert judge(desk, "【星辰商城】" + SALE)[1] == 501


def test_actions_and_modes_are_settings_as_of_any_rule(office: Office) -> None:
    suspended = Restraint("signature", "星辰商城", "suspend", LATER)
    assert judge(restrained(office, suspended, rules={"complaint_suspended": {"action": "discard"}}))[0] == "discard"
    assert judge(restrained(office, suspended, mode="monitor")) == ("monitor", 501)
    assert judge(restrained(office, suspended, mode="tag")) == ("tag", 501)
