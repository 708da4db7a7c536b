"""What follows from a hit: the rule's action, under the mode of the node, of the account, or of the rule itself."""

from __future__ import annotations

import pytest

from portguard.policy.desk import Desk
from portguard.policy.options import PolicyOptions
from portguard.policy.reasons import CATALOGUE, RULE_BY_NAME, rule_of_vendor_status, vendor_status
from portguard.smpp.constants import STATUS_BY_NAME, status_name
from portguard.smpp.encode import replace_sm
from tests.policy.asking import judged
from tests.policy.conftest import Office
from tests.policy.messages import BODY, CODE, LOAN, OK, SALE, UNKNOWN, Case
from tests.policy.wire import OWN_VERDICT, submit

UNREGISTERED = Case(204, "", 204, "a signature that is not on file", text="【无名小店】" + CODE)
FOREIGN_CONTENT = Case(306, "", 306, "content that is not the port's", source="106900061", text="【星辰商城】" + LOAN)
TWO_FAULTS = Case(204, "", 204, "both of the above", source="106900061", text="【无名小店】" + LOAN)
OWN_TLV = Case(155, "", 155, "a TLV of portguard's own", pdu=submit(OK, BODY, tlvs=[(OWN_VERDICT, b"\x01")]))


def verdict(desk: Desk, case: Case) -> tuple[str, int, int]:
    """(action, code, TLV verdict) of a message."""
    found = judged(desk, case)
    engine = desk.engine
    would = engine.account(case.account).would(engine.hits & ~engine.soft) if found.action == "tag" else 0
    return found.action, found.code, int(would)


@pytest.mark.parametrize(
    ("mode", "expected"), [("enforce", ("reject", 204, 0)), ("tag", ("tag", 204, 2)), ("monitor", ("monitor", 204, 0))]
)
def test_mode_of_the_node(office: Office, mode: str, expected: tuple[str, int, int]) -> None:
    assert verdict(office.desk(mode=mode), UNREGISTERED) == expected


@pytest.mark.parametrize(
    ("mode", "expected"), [("enforce", ("reject", 204, 0)), ("tag", ("tag", 204, 2)), ("monitor", ("monitor", 204, 0))]
)
def test_mode_of_one_account_in_the_settings(office: Office, mode: str, expected: tuple[str, int, int]) -> None:
    desk = office.desk(mode="monitor", accounts={"first": {"mode": mode}})
    assert verdict(desk, UNREGISTERED) == expected
    assert judged(desk, Case(204, "", 204, "", account="second", text="【无名小店】")).action == "monitor"


def test_mode_of_an_account_on_file_and_the_settings_above_it(office: Office) -> None:
    looked = Case(204, "", 204, "", account="looked", text="【无名小店】" + CODE)
    tagged = Case(204, "", 204, "", account="tagged", text="【无名小店】" + CODE)
    desk = office.desk()
    assert (judged(desk, looked).action, judged(desk, tagged).action) == ("monitor", "tag")
    desk = office.desk(accounts={"looked": {"mode": "enforce"}})
    assert (judged(desk, looked).action, judged(desk, tagged).action) == ("reject", "tag")


def test_the_shipped_mode_is_monitor() -> None:
    assert PolicyOptions().mode == "monitor"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("allow", ("allow", 0, 0)), ("monitor", ("monitor", 204, 0)), ("tag", ("tag", 204, 1)),
        ("discard", ("discard", 204, 0)), ("reject", ("reject", 204, 0)),
    ],
)
def test_action_of_one_rule(office: Office, action: str, expected: tuple[str, int, int]) -> None:
    assert verdict(office.desk(rules={"signature_unregistered": {"action": action}}), UNREGISTERED) == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("monitor", ("monitor", 204, 0)), ("tag", ("tag", 204, 1)), ("discard", ("tag", 204, 3)),
        ("reject", ("tag", 204, 2)),
    ],
)
def test_action_of_one_rule_in_mode_tag(office: Office, action: str, expected: tuple[str, int, int]) -> None:
    desk = office.desk(mode="tag", rules={"signature_unregistered": {"action": action}})
    assert verdict(desk, UNREGISTERED) == expected


def test_action_of_one_rule_for_one_account(office: Office) -> None:
    desk = office.desk(
        rules={"signature_unregistered": {"action": "tag"}},
        accounts={"first": {"rules": {"signature_unregistered": {"action": "discard"}}}},
    )
    assert judged(desk, UNREGISTERED).action == "discard"
    assert judged(desk, Case(204, "", 204, "", account="second", text="【无名小店】" + CODE)).action == "tag"


def test_the_first_tag_names_the_verdict_and_all_are_noted(office: Office) -> None:
    found = judged(office.desk(mode="tag"), TWO_FAULTS)
    assert (found.action, found.code, found.hits) == ("tag", 204, ["signature_unregistered", "port_category"])


def test_a_tag_stands_before_a_monitored_hit_that_is_judged_earlier(office: Office) -> None:
    rules = {"signature_unregistered": {"action": "monitor"}, "port_category": {"action": "tag"}}
    assert verdict(office.desk(rules=rules), TWO_FAULTS) == ("tag", 306, 1)


def test_a_refusal_stands_before_a_tag_that_is_judged_earlier(office: Office) -> None:
    rules = {"signature_unregistered": {"action": "tag"}}
    found = judged(office.desk(rules=rules), TWO_FAULTS)
    assert (found.action, found.code, found.hits) == ("reject", 306, ["signature_unregistered", "port_category"])


def test_in_mode_tag_a_rule_that_only_tags_leaves_the_verdict_to_the_others(office: Office) -> None:
    assert verdict(office.desk(mode="tag"), OWN_TLV) == ("tag", 155, 1)


def test_everything_is_filled_in_whatever_the_verdict(office: Office) -> None:
    found = judged(office.desk(), Case(100, "", 100, "", source="10770001", text="【星辰商城】" + SALE))
    assert (found.code, found.signature, found.category, found.industry) == (100, "星辰商城", "marketing", "retail")
    assert len(found.revision) == 16


# ---- statuses

_NOBODY = b"\x1b<Nobody\x1b>"  # [Nobody] in GSM 7-bit


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (Case(601, "", 601, "", account="off"), "ESME_RINVSYSID"),
        (Case(100, "", 100, "", source="10770001"), "ESME_RINVSRCADR"),
        (UNREGISTERED, "ESME_RSUBMITFAIL"),
        (Case(204, "", 204, "", pdu=replace_sm(1, message_id=b"1", source_addr=OK.encode(), short_message=_NOBODY)),
         "ESME_RREPLACEFAIL"),
    ],
)
def test_statuses_of_the_catalogue(office: Office, case: Case, status: str) -> None:
    found = judged(office.desk(), case)
    assert (found.code, found.status) == (case.code, status)


def test_throttled_is_the_status_of_a_rate(office: Office) -> None:
    case = Case(600, "", 600, "", account="slow")
    assert judged(office.desk(), case, case, case, arrived=True).status == "ESME_RTHROTTLED"


def test_status_that_is_set_by_name_and_by_number(office: Office) -> None:
    rules = {"signature_unregistered": {"status": "ESME_RX_P_APPN"}, "port_category": {"status": 0x4A7}}
    assert judged(office.desk(rules=rules), UNREGISTERED).status == "ESME_RX_P_APPN"
    assert judged(office.desk(rules=rules), FOREIGN_CONTENT).status == status_name(0x4A7)


def test_vendor_statuses(office: Office) -> None:
    rules = {"port_category": {"status": "ESME_RX_P_APPN"}}
    desk = office.desk(status_style="vendor", rules=rules)
    assert judged(desk, UNREGISTERED).code == 204
    assert desk.engine.status == vendor_status(RULE_BY_NAME["signature_unregistered"]) == 0x412
    assert judged(desk, FOREIGN_CONTENT).code == 306
    assert desk.engine.status == STATUS_BY_NAME["ESME_RX_P_APPN"]


def test_vendor_statuses_lead_back_to_their_rules() -> None:
    for rule in CATALOGUE:
        assert 0x400 <= vendor_status(rule) <= 0x4FF
        assert rule_of_vendor_status(vendor_status(rule)) is rule
    assert rule_of_vendor_status(0x4FF) is None


# ---- unknown category

BY_SCOPE = Case(302, "", 302, "", text="【验证专用】" + UNKNOWN)
BY_PORT = Case(306, "", 306, "", source="106900061", text="【星辰商城】" + UNKNOWN)
BY_NOBODY = Case(0, "", 0, "", text="【星辰商城】" + UNKNOWN)


@pytest.mark.parametrize(
    ("setting", "mode", "scope", "port"),
    [
        ("allow", "enforce", ("allow", 0, 0), ("allow", 0, 0)),
        ("tag", "enforce", ("tag", 302, 1), ("tag", 306, 1)),
        ("reject", "enforce", ("reject", 302, 0), ("reject", 306, 0)),
        ("tag", "tag", ("tag", 302, 1), ("tag", 306, 1)),
        ("reject", "tag", ("tag", 302, 2), ("tag", 306, 2)),
        ("reject", "monitor", ("monitor", 302, 0), ("monitor", 306, 0)),
    ],
)
def test_unknown_category(
    office: Office, setting: str, mode: str, scope: tuple[str, int, int], port: tuple[str, int, int]
) -> None:
    desk = office.desk(unknown_category=setting, mode=mode)
    assert verdict(desk, BY_SCOPE) == scope
    assert verdict(desk, BY_PORT) == port
    assert verdict(desk, BY_NOBODY) == ("allow", 0, 0)
    assert verdict(desk, Case(0, "", 0, "", text="【验证专用】" + CODE)) == ("allow", 0, 0)


def test_unknown_category_does_not_soften_what_is_known(office: Office) -> None:
    desk = office.desk(unknown_category="tag")
    assert judged(desk, BY_SCOPE).action == "tag"
    assert judged(desk, Case(302, "", 302, "", text="【验证专用】" + SALE)).action == "reject"


# ---- one's own signature in other brackets

@pytest.mark.parametrize("setting", ["reject", "tag"])
@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("〖星辰商城〗", True), ("[星辰商城]", True), ("［星辰商城］", True), ("【ＡＰＰＬＥ商店】", False),
        ("【Ａｐｐｌｅ商店】", True), ("【Аpple商店】", False), ("【星\u200b辰商城】", False), ("【雲端會議】", False),
        ("〖雲端會議〗", False),
    ],
)
def test_disguise_own(office: Office, setting: str, text: str, own: bool) -> None:
    found = judged(office.desk(disguise_own=setting), Case(203, "", 203, "", text=text + CODE))
    assert (found.action, found.code) == ("tag" if own and setting == "tag" else "reject", 203)


def test_disguise_own_needs_a_scope_that_covers_the_message(office: Office) -> None:
    desk = office.desk(disguise_own="tag")
    for text in ("〖星辰专线〗", "〖星辰代发〗", "〖无处商行〗"):
        found = judged(desk, Case(203, "", 203, "", text=text + CODE))
        assert (found.action, found.code) == ("reject", 203), text
    found = judged(desk, Case(302, "", 302, "", text="〖验证专用〗" + SALE))
    assert (found.action, found.code) == ("reject", 302)


def test_disguise_own_from_the_cache_as_when_resolved(office: Office) -> None:
    desk = office.desk(disguise_own="tag")
    bracket, width = (Case(203, "", 203, "", text=text + CODE) for text in ("〖星辰商城〗", "【Ａｐｐｌｅ商店】"))
    for _ in range(3):
        assert judged(desk, bracket).action == "tag"
        assert judged(desk, width).action == "tag"
        assert judged(desk, Case(203, "", 203, "", text="【星\u200b辰商城】" + CODE)).action == "reject"


# ---- signature settings

def test_only_the_head(office: Office) -> None:
    desk = office.desk(signature_position="head")
    assert judged(desk, Case(201, "", 201, "", text=CODE + "【星辰商城】")).code == 201
    assert judged(desk, Case(200, "", 200, "", text=CODE + "〖星辰商城〗")).code == 200
    assert judged(desk, Case(0, "", 0, "")).action == "allow"


def test_lengths_and_characters(office: Office) -> None:
    desk = office.desk(signature_min=5, signature_max=7, signature_characters="-")
    assert judged(desk, Case(201, "", 201, "")).code == 201
    assert judged(desk, Case(0, "", 0, "", text="【GoodTea】" + CODE)).action == "allow"
    assert judged(desk, Case(204, "", 204, "", text="【Good-T】" + CODE)).code == 204


def test_case_of_letters(office: Office) -> None:
    case = Case(203, "", 203, "", text="【GOODtea】" + CODE)
    assert judged(office.desk(), case).code == 203
    found = judged(office.desk(signature_case="fold"), case)
    assert (found.action, found.signature) == ("allow", "GoodTea")


def test_pairs_of_ton_and_npi(office: Office) -> None:
    desk = office.desk(source_ton_npi=[(1, 1)])
    assert judged(desk, Case(106, "", 106, "", pdu=submit(OK, BODY, source_ton=0))).code == 106
    assert judged(desk, Case(0, "", 0, "", pdu=submit(OK, BODY, source_ton=1))).action == "allow"


def test_listed_default_messages(office: Office) -> None:
    case = Case(150, "", 150, "", pdu=submit("106900081", b"", default_msg_id=3))
    assert judged(office.desk(), case).code == 150
    assert judged(office.desk(default_msg_ids=[3]), case).action == "allow"


def test_binary_by_the_accounts_table(office: Office) -> None:
    pdu = submit(OK, b"\x00\x01", coding=4)
    desk = office.desk()
    assert judged(desk, Case(0, "", 0, "", account="binary", pdu=pdu)).action == "allow"
    assert judged(desk, Case(150, "", 150, "", pdu=pdu)).code == 150
