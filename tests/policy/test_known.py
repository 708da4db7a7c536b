"""Texts that came before: one that is known gets the verdict it would get if it were read."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.policy.desk import Desk
from portguard.policy.grant import Account, Bucket
from portguard.policy.known import UNKNOWN_TEXT, Known, KnownTexts, alike, look
from tests.policy.asking import message
from tests.policy.conftest import Office
from tests.policy.folder import Tables
from tests.policy.messages import CASES, CODE, PARCEL, SALE, Case
from tests.policy.registry import TABLES

ANYBODY = Account("anybody", Bucket())
NUMBER = b"106900011"
TEMPLATES: list[dict[str, object]] = [
    {"id": "code", "signature": "星辰商城", "enterprise": "mall", "category": "verification",
     "text": "您的验证码是{code}，{minutes}分钟内有效，请勿泄露给他人。"},
]


def outcomes(desk: Desk, cases: list[Case], forgetful: bool) -> list[object]:
    """What the desk says of the cases, one after the other; a forgetful one reads every text anew."""
    found: list[object] = []
    for case in cases:
        if forgetful:
            desk.engine.forget()
        try:
            found.append(desk.judge(message(case, arrived=True)))
        except ValueError as error:
            found.append(str(error))
    return found


def changed(text: str, random: Random, share: float) -> str:
    """The text with other digits, and now and then another character."""
    text = re.sub("[0-9]", lambda _: random.choice("0123456789"), text)
    return "".join(random.choice("【】退订回复R0五折码，[ ") if random.random() < share else one for one in text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), share=st.sampled_from([0.0, 0.0, 0.01, 0.1]))
def test_every_message_gets_the_verdict_of_one_that_is_read(office: Office, seed: int, share: float) -> None:
    random = Random(seed)
    plain = [case for case in CASES if not case.pdu]
    cases = [
        replace(one, text=changed(one.text, random, share))
        for one in random.choices(random.choices(plain, k=6), k=30)
    ]
    remembers, reads = office.desk(), office.desk()
    assert outcomes(remembers, cases, False) == outcomes(reads, cases, True)


@pytest.mark.parametrize("tables", [TABLES, {**TABLES, "templates": TEMPLATES}])
def test_of_texts_alike_one_is_read(office: Office, tables: Tables) -> None:
    desk = office.desk(tables)
    case = Case(0, "allow", 0, "", text="【星辰商城】" + CODE)
    for code in range(100_000, 100_050):
        assert desk.judge(message(replace(case, text=case.text.replace("123456", str(code))))).action == "allow"
    assert kept(desk.engine.known) == 1


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("【星辰商城】" + PARCEL + CODE + "{}", "2"),
        ("【星辰{}号】" + PARCEL + CODE, "3"),  # digits of the signature are its own
        ("您好：" + PARCEL + CODE + "【星辰{}】", "3"),
        ("〖星辰商城〗" + PARCEL + CODE + "{}", "2"),
        ("〖星辰{}〗" + PARCEL + CODE, ""),
        (PARCEL + CODE + "〖星辰{}〗", ""),
        ("【星辰商城】【山海{}】" + PARCEL + CODE, ""),
        ("【星辰商城】" + SALE + "{}【山海银行】", "2"),
        ("【星辰商城】" + SALE + "【山海{}】", "3"),
        ("【星辰商城】短{}", ""),
    ],
)
def test_what_is_remembered(office: Office, text: str, last: str) -> None:
    desk = office.desk()
    for digit in "123":
        desk.judge(message(Case(0, "", 0, "", text=text.format(digit))))
    texts = {known.text.decode("utf-16-be") for known in desk.engine.known.slots()} - {""}
    assert texts == ({text.format(last)} if last else set())


def test_templates_with_digits_of_their_own_are_asked_every_time(office: Office) -> None:
    own = {**TEMPLATES[0], "text": "您的验证码是{code}，5分钟内有效，请勿泄露给他人。客服4001"}
    desk = office.desk({**TABLES, "templates": [own]})
    for service, action in (("4001", "allow"), ("4002", "tag")):
        case = Case(0, "", 0, "", text=f"【星辰商城】{CODE}客服{service}")
        assert desk.judge(message(case)).action == action
    assert kept(desk.engine.known) == 0


def test_another_revision_knows_nothing(office: Office) -> None:
    desk = office.desk()
    case = Case(0, "", 0, "", text="【星辰商城】" + CODE)
    for _ in range(2):
        for _ in range(3):
            desk.judge(message(case))
        assert kept(desk.engine.known) == 1
        desk.engine.swap(office.revision())
        assert kept(desk.engine.known) == 0


def kept(texts: KnownTexts) -> int:
    """How many texts are known."""
    return len({id(known) for known in texts.slots()} - {id(UNKNOWN_TEXT)})


# ---- the table itself


def put(texts: KnownTexts, text: str, number: bytes = NUMBER, head: int = 0, tail: int | None = None) -> Known:
    """Remember a text."""
    raw = text.encode("utf-16-be")
    buf = b"\0" * 16 + number + raw
    start = 16 + len(number)
    texts.find(ANYBODY, buf, start, len(buf), 16, start)
    texts.put(ANYBODY, buf, start, len(buf), 16, start)  # remembered when it comes a second time
    known = texts.put(ANYBODY, buf, start, len(buf), 16, start)
    if known is not UNKNOWN_TEXT:
        known.head, known.tail = head, len(raw) if tail is None else tail
    return known


def find(texts: KnownTexts, text: str, number: bytes = NUMBER, account: Account = ANYBODY) -> Known:
    """Look a text up that lies elsewhere in its buffer."""
    raw = text.encode("utf-16-be")
    buf = b"\0" * 33 + number + b"\0\0" + raw + b"more"
    start = 33 + len(number)
    return texts.find(account, buf, start + 2, start + 2 + len(raw), 33, start)


TEXT = "【星辰1】您的验证码是123456，5分钟内有效，请勿泄露。"


def test_account_number_and_all_but_digits_must_be_the_same() -> None:
    texts = KnownTexts(1 << 8)
    known = put(texts, TEXT, head=12)
    assert find(texts, TEXT) is known
    assert find(texts, TEXT.replace("123456", "000000").replace("5分", "9分")) is known
    assert find(texts, TEXT.replace("星辰1", "星辰2")) is UNKNOWN_TEXT
    assert find(texts, TEXT.replace("验证", "验正")) is UNKNOWN_TEXT
    assert find(texts, TEXT.replace("123456", "12345a")) is UNKNOWN_TEXT
    assert find(texts, TEXT.replace("123456", "12345六")) is UNKNOWN_TEXT
    assert find(texts, TEXT[:-1]) is UNKNOWN_TEXT
    assert find(texts, TEXT + "。") is UNKNOWN_TEXT
    assert find(texts, TEXT, b"106900012") is UNKNOWN_TEXT
    assert find(texts, TEXT, b"1106900011") is UNKNOWN_TEXT
    assert find(texts, TEXT, account=Account("another", Bucket())) is UNKNOWN_TEXT


def test_a_slot_has_the_last_of_its_texts() -> None:
    texts = KnownTexts(1)
    put(texts, TEXT)
    other = put(texts, TEXT.replace("您", "你"))
    assert find(texts, TEXT) is UNKNOWN_TEXT
    assert find(texts, TEXT.replace("您", "你")) is other


@given(st.text(st.sampled_from("0129五分钟a。【】\U0001f600"), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_alike_is_what_it_says(text: str, head: int, tail: int) -> None:
    raw = text.encode("utf-16-be", "surrogatepass")
    texts = KnownTexts(1 << 4)
    known = put(texts, text, head=2 * head, tail=2 * tail)
    if len(raw) < 32:
        assert known is UNKNOWN_TEXT
        return
    units = [raw[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(raw), 2)]
    for place, unit in enumerate(units):
        for other in "7a五":
            raw2 = "".join([*units[:place], other, *units[place + 1 :]]).encode("utf-16-be", "surrogatepass")
            expected = raw == raw2 or (head <= place < tail and unit in "0129" and other == "7")
            assert alike(b"x" + raw2, 1, raw, 2 * head, 2 * tail) is expected
            if expected:
                assert look(b"12345678" + raw, 8, 8 + len(raw), 8) == look(b"12345678" + raw2, 8, 8 + len(raw), 8)
