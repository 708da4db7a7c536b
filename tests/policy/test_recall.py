"""Wordings: what stands behind a signature is read once, whoever sends it, and says of each what reading it would."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.policy.desk import Desk
from tests.policy.asking import message
from tests.policy.conftest import Office
from tests.policy.messages import CASES, CODE, LOAN, PARCEL, SALE, UNKNOWN, Case
from tests.policy.registry import TABLES
from tests.policy.test_known import TEMPLATES, changed, outcomes, renamed
from tests.policy.wire import submit, ucs2

PLAIN = [case for case in CASES if not case.pdu]
HEADS = [
    *(f"【{row['signature']}】" for row in TABLES["signatures"]),
    "【星辰商域】", "【星辰\u200b商城】", "【月光銀行】", "【】", "【星】", "【123】", "〖星辰商城〗", " 【星辰商城】",
    "【退订回T】", "【\u202e城商辰星】", "【𠮷野商店】", "【从没有人听说过的品牌有限公司北京分】",
    "【从没有人听说过的品牌有限公司北京分行】", "【【星辰商城】", "[星辰商城]", "",
]  # fmt: skip
BODIES = [
    CODE, PARCEL, SALE, LOAN, UNKNOWN * 4, "张伟您好，" + PARCEL, SALE.replace("，退订回T", ""), SALE + "2",
    PARCEL + "【月光银行】", "【月光银行】" + PARCEL, PARCEL + "〖月光银行〗", PARCEL + "】", "\u202e" + PARCEL,
    "123456，请在页面上输入，五分钟内有效", "𠮷" + PARCEL, "①" + PARCEL,
]  # fmt: skip


def read(desk: Desk, text: str, source: str = "106900011") -> str:
    """What was read to judge the text: all of it, or what was read last before."""
    desk.judge(message(Case(0, "", 0, "", source=source, text=text)))
    return desk.engine.text.raw.decode("utf-16-be")


def wordings(desk: Desk) -> dict[str, bool]:
    """The wordings that are known; True for those of which a name may be another."""
    found = {known.text.decode("utf-16-be"): known.loose for known in desk.engine.wordings.slots()}
    return {text: loose for text, loose in found.items() if text}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), share=st.sampled_from([0.0, 0.0, 0.01]), templates=st.booleans())
def test_whoever_sends_it_gets_the_verdict_of_one_that_is_read(
    office: Office, seed: int, share: float, templates: bool
) -> None:
    random = Random(seed)
    bodies = random.choices(BODIES, k=3)
    cases = []
    for one in random.choices(PLAIN, k=40):
        body = random.choice(bodies)
        text = random.choice(HEADS) + changed(renamed(body, random) if random.random() < 0.3 else body, random, share)
        cases.append(replace(one, text=text))
    tables = {**TABLES, "templates": [*TABLES["templates"], *TEMPLATES]} if templates else TABLES
    remembers, reads = office.desk(tables), office.desk(tables)
    assert outcomes(remembers, cases, False) == outcomes(reads, cases, True)


def test_of_many_numbers_and_signatures_one_message_is_read(office: Office) -> None:
    desk = office.desk()
    first = "【星辰商城】" + CODE
    assert [read(desk, first, source=f"10690001{n}") for n in range(2)] == [first, first]
    for number in range(2, 60):
        text = f"【{('云端会议', '未登记的')[number % 2]}】{CODE.replace('123456', f'{number:06}')}"
        assert read(desk, text, source=f"10690001{number}") == first
    # Another name, too, in the place of one.
    for name in ("张伟", "王芳"):
        second = f"【星辰商城】{name}您好，{PARCEL}"
        assert read(desk, second, source="106900012") == second
    assert read(desk, f"【云端会议】李娜您好，{PARCEL}", source="106900013") == second
    last = f"【云端会议】贷款您好，{PARCEL}"
    assert read(desk, last, source="106900013") == last


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("【星辰商城】" + PARCEL, {PARCEL: True}),
        ("【未登记的】" + PARCEL, {PARCEL: True}),
        ("【星辰商城】" + SALE, {SALE: False}),
        ("【星辰商城】" + SALE[:-5], {}),
        ("【星辰商城】" + SALE[:-4] + "回T退订", {SALE[:-4] + "回T退订": False}),
        ("【退订回T】" + SALE[:-5], {}),  # how to refuse stands in the signature
        ("【星辰商城】" + PARCEL + "【星辰商城】", {}),
        ("【星辰商城】〖月光银行〗" + PARCEL, {}),
        ("【星辰商城】" + PARCEL + "】", {}),
        (" 【星辰商城】" + PARCEL, {}),
        (PARCEL + CODE, {}),
        (PARCEL + "【星辰商城】", {}),
        ("【从没有人听说过的品牌有限公司北京分行】" + PARCEL, {}),  # read for words, since it is that long
        ("【星辰商城】\u202e" + PARCEL, {}),
        ("【星辰模板】123456，请在页面上输入，五分钟有效", {"123456，请在页面上输入，五分钟有效": True}),  # fits none
        ("【星辰模板】123456，请在页面上输入，", {}),
        ("【星辰商城】短", {}),
        ("【星辰商城】" + PARCEL * 30, {}),
    ],
)
def test_what_is_a_wording(office: Office, text: str, known: dict[str, bool]) -> None:
    desk = office.desk()
    for _ in "12":
        desk.judge(message(Case(0, "", 0, "", text=text)))
    assert wordings(desk) == known


@pytest.mark.parametrize("order", [("星辰商城", "星辰模板"), ("星辰模板", "星辰商城")])
@pytest.mark.parametrize(("category", "rule"), [("notification", 0), ("marketing", 402)])
def test_a_template_is_asked_whatever_the_wording(
    office: Office, order: tuple[str, str], category: str, rule: int
) -> None:
    body = "123456，请在页面上输入，五分钟内有效"
    named = {**TABLES["templates"][0], "text": body.replace("123456", "{code}"), "category": category}
    desk = office.desk({**TABLES, "templates": [named]})
    for signature in order * 2:
        for number in "1234":
            case = Case(0, "", 0, "", source="10690001" + number, text=f"【{signature}】{body}")
            found = desk.judge(message(case))
            assert (found.code, found.category) == ((rule, category) if signature == "星辰模板" else (0, "unknown"))


def test_a_signature_that_ends_before_the_message_does(office: Office) -> None:
    desk = office.desk()
    for _ in "123":
        desk.judge(message(Case(0, "", 0, "", text="【星辰商城】" + PARCEL)))
    assert list(wordings(desk)) == [PARCEL]
    for validity, code in ((b"000000010000000R", 0), (b"000001000000000R", 205)):
        pdu = submit("106900011", ucs2("【今日商行】" + PARCEL), validity=validity)
        assert desk.judge(message(Case(0, "", 0, "", pdu=pdu))).code == code


def test_another_revision_knows_no_wording(office: Office) -> None:
    desk = office.desk()
    for _ in range(2):
        for _ in range(2):
            desk.judge(message(Case(0, "", 0, "", text="【星辰商城】" + PARCEL)))
        assert list(wordings(desk)) == [PARCEL]
        desk.engine.swap(office.revision())
        assert wordings(desk) == {}
