"""The trace names every rule, agrees with the verdict, and tells reasons from what is on file."""

from __future__ import annotations

from typing import Any

import pytest

from portguard.policy.explain import Trace, trace
from portguard.policy.reasons import CATALOGUE
from tests.policy.asking import judged
from tests.policy.conftest import Office
from tests.policy.messages import CASES, CODE, LOAN, OK, SALE, SOUTH, Case
from tests.policy.wire import submit


def lines(office: Office, case: Case, **policy: Any) -> dict[int, Trace]:
    """The trace of a case by code."""
    desk = office.desk(**policy)
    judged(desk, case)
    return {line.code: line for line in trace(desk, case.account)}


def test_the_trace_agrees_with_the_verdict_of_every_message_of_the_table(office: Office) -> None:
    desk = office.desk()
    for case in CASES:
        found = judged(desk, case, arrived=True)
        told = trace(desk, case.account)
        assert [line.code for line in told] == [rule.code for rule in CATALOGUE]
        fired = [line.rule for line in told if line.state == "fired"]
        assert fired == found.hits, case
        if found.action == "reject":
            assert fired[-1] == found.rule
            after = told[[line.rule for line in told].index(found.rule) + 1 :]
            assert {line.state for line in after} <= {"not reached", "off"}, case
        assert all(line.why for line in told)


@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        (Case(106, "", 106, "", source="BANK"), 106, ["BANK"]),
        (Case(100, "", 100, "", source="10770001"), 100, ["10770001", "none"]),
        (Case(101, "", 101, "", account="tea"), 101, ["first", "tea"]),
        (Case(101, "", 101, "", source="1069000851"), 101, ["exclusive", "106900085", "tea", "first"]),
        (Case(102, "", 102, "", account="second", source="106900111"), 102, ["first -> second", "10690011"]),
        (Case(103, "", 103, "", account="third"), 103, ["first -> second -> third", "2 deep"]),
        (Case(104, "", 104, "", source="106900021"), 104, ["10690002", "suspended"]),
        (Case(105, "", 105, "", source="1069000112345"), 105, ["5 digits", "4 allowed"]),
        (Case(107, "", 107, "", source="106900051"), 107, ["frozen"]),
        (Case(601, "", 601, "", account="nobody"), 601, ["nobody", "not on file"]),
        (Case(601, "", 601, "", account="off"), 601, ["off", "not active"]),
        (Case(150, "", 150, "", pdu=submit(OK, b"\x00")), 150, ["data_coding 8"]),
        (Case(203, "", 203, "", text="【Аpple商店】" + CODE), 203, ["Apple商店", "А", "a"]),
        (Case(203, "", 203, "", text="〖星辰商城〗" + CODE), 203, ["星辰商城", "other brackets"]),
        (Case(200, "", 200, "", text=CODE), 200, ["10690001", "requires"]),
        (Case(201, "", 201, "", text="【星】" + CODE), 201, ["1 characters", "2 to 12"]),
        (Case(202, "", 202, "", text="【星辰商城】" + CODE + "【月光银行】"), 202, ["月光银行", "星辰商城"]),
        (Case(204, "", 204, "", text="【无名小店】" + CODE), 204, ["无名小店", "none"]),
        (Case(205, "", 205, "", text="【停用商行】" + CODE), 205, ["停用商行", "mall (suspended)"]),
        (Case(300, "", 300, "", text="【无处商行】" + CODE), 300, ["0 scopes", "106900011"]),
        (Case(300, "", 300, "", source="106900091"), 300, ["云端会议"]),
        (Case(301, "", 301, "", text="【星辰代发】" + CODE), 301, ["1 scopes", "0 for this provider"]),
        (Case(302, "", 302, "", text="【验证专用】" + SALE), 302, ["marketing/retail", "0 of 1"]),
        (Case(303, "", 303, "", text="【星辰北京】" + CODE, dest=SOUTH), 303, ["beijing", "guangdong"]),
        (Case(304, "", 304, "", text="【星辰夜间】" + CODE), 304, ["10:00", "22:00-06:00"]),
        (Case(306, "", 306, "", source="106900061", text="【星辰商城】" + LOAN), 306, ["/finance", "10690006"]),
    ],
)
def test_reasons(office: Office, case: Case, code: int, words: list[str]) -> None:
    line = lines(office, case)[code]
    assert (line.state, line.effect) == ("fired", "reject")
    assert [word for word in words if word not in line.why] == [], line.why


def test_effects(office: Office) -> None:
    case = Case(204, "", 204, "", source="106900061", text="【无名小店】" + LOAN)
    rules = {"signature_unregistered": {"action": "monitor"}, "port_category": {"action": "discard"}}
    found = lines(office, case, rules=rules)
    assert (found[204].effect, found[306].effect) == ("monitor", "discard")
    found = lines(office, case, mode="tag", rules=rules)
    assert (found[204].effect, found[306].effect) == ("monitor", "tag")
    found = lines(office, case, mode="monitor")
    assert (found[204].effect, found[306].effect) == ("monitor", "monitor")


def test_off_and_passed(office: Office) -> None:
    found = lines(office, Case(0, "", 0, ""), rules={"port_category": {"action": "allow"}})
    assert (found[306].state, found[501].state, found[100].state) == ("off", "passed", "passed")
