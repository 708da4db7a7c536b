"""Texts that came before: one that is known gets the verdict it would get if it were read."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.policy.desk import Desk
from portguard.policy.grant import Account
from portguard.policy.known import UNKNOWN_TEXT, Known, KnownTexts, look, look_from
from portguard.policy.terms import Bucket
from portguard.sms.category import MARKETING, NOTIFICATION, load_default
from portguard.sms.lexicon import Lexicon
from tests.policy.asking import message
from tests.policy.conftest import Office
from tests.policy.folder import Tables
from tests.policy.messages import CASES, CODE, PARCEL, SALE, Case
from tests.policy.registry import TABLES

ANYBODY = Account("anybody", Bucket())
NUMBER = b"106900011"
WORDS = Lexicon(
    [("优惠", MARKETING, 0, 3), ("优惠券大放送", MARKETING, 1, 4), ("满#减#", MARKETING, 1, 4),
     ("快递", NOTIFICATION, 4, 3), ("凭取件码", NOTIFICATION, 4, 4), ("满意，再", NOTIFICATION, 0, 3)]
)  # fmt: skip
SHIPPED = Lexicon(load_default())
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


HANZI = "".join(dict.fromkeys(one for word, *_ in load_default() for one in word if one >= "一"))


def renamed(text: str, random: Random) -> str:
    """The text with other hanzi in one place."""
    size = random.randrange(1, 10)
    place = random.randrange(len(text) - size) if len(text) > size else 0
    hanzi = random.choice([HANZI, HANZI[:30], "张王李赵伟芳娜"])
    return text[:place] + "".join(random.choices(hanzi, k=size)) + text[place + size :]


def changed(text: str, random: Random, share: float) -> str:
    """The text with other digits, and now and then another character."""
    text = re.sub("[0-9]", lambda _: random.choice("0123456789"), text)
    return "".join(random.choice("【】退订回复R0五折码，[ ") if random.random() < share else one for one in text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), share=st.sampled_from([0.0, 0.0, 0.01, 0.1]), names=st.booleans())
def test_every_message_gets_the_verdict_of_one_that_is_read(
    office: Office, seed: int, share: float, names: bool
) -> None:
    random = Random(seed)
    plain = [case for case in CASES if not case.pdu]
    cases = [
        replace(one, text=changed(renamed(one.text, random) if names else one.text, random, share))
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


def test_of_texts_alike_but_for_a_name_hardly_any_is_read(office: Office) -> None:
    desk = office.desk()
    case = Case(0, "allow", 0, "")
    for number, name in enumerate(("张伟", "王芳", "李娜", "刘洋", "陈杰", "杨静", "赵磊", "周敏"), 100_000):
        text = f"【星辰商城】{name}您好，您的订单{number}已发货，请凭取件码8866领取。"
        assert desk.judge(message(replace(case, text=text))).category == "notification"
    assert kept(desk.engine.known) == 1
    text = f"【星辰商城】{name}您好，您的订单{number}已发货，请凭取件码8866领取。"
    assert desk.judge(message(replace(case, text=text.replace("周敏您", "贷款您")))).category == "notification"


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("【星辰商城】张伟您好，" + PARCEL, True),
        ("张伟您好，" + PARCEL + "【星辰商城】", False),
        ("【星辰商城】张伟您好，" + SALE, False),  # how to refuse may be in what differs
        ("【星辰商城】张伟您好，" + PARCEL + "】", False),  # a bracket whose other half might be found
        ("【星辰商城】（张伟）您好，" + PARCEL, True),
        (" 【星辰商城】张伟您好，" + PARCEL, False),  # words are looked for in the signature, too
        ("【星辰商城】张伟您好，\u202e" + PARCEL, False),
    ],
)
def test_where_a_name_may_be_another(office: Office, text: str, loose: bool) -> None:
    desk = office.desk()
    for _ in "12":
        desk.judge(message(Case(0, "", 0, "", text=text)))
    assert {known.loose for known in desk.engine.known.slots() if known.text} == {loose}


def test_with_templates_it_is_asked_again_whether_one_fits(office: Office) -> None:
    named = {**TEMPLATES[0], "text": "张{name}您好，您的快递已到驿站，请凭取件码{code}尽快领取。"}
    desk = office.desk({**TABLES, "templates": [named]})
    for name, category in (("王伟", "notification"), ("王芳", "notification"), ("张芳", "verification")):
        found = [desk.judge(message(Case(0, "", 0, "", text=f"【星辰商城】{name}您好，{PARCEL}"))) for _ in "123"]
        assert [(one.action, one.category) for one in found] == [("allow", category)] * 3
    assert {known.loose for known in desk.engine.known.slots() if known.text} == {True}
    # Of one that the short way is not sure about no name is another.
    for _ in "12":
        desk.judge(message(Case(0, "", 0, "", text="【星辰商城】张伟您好，①" + PARCEL)))
    assert {known.loose for known in desk.engine.known.slots() if known.text} == {True, False}


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
        for _ in range(8):
            desk.judge(message(case))
        assert kept(desk.engine.wordings) == 1
        desk.engine.swap(office.revision())
        assert kept(desk.engine.wordings) == kept(desk.engine.known) == 0


def kept(texts: KnownTexts) -> int:
    """How many texts are known."""
    return len({id(known) for known in texts.slots()} - {id(UNKNOWN_TEXT)})


# ---- the table itself


def table(most: int) -> KnownTexts:
    """An empty one."""
    return KnownTexts(most, WORDS)


def put(
    texts: KnownTexts, text: str, number: bytes = NUMBER, head: int = 0, tail: int | None = None, loose: bool = False
) -> Known:
    """Remember a text."""
    raw = text.encode("utf-16-be", "surrogatepass")
    buf = b"\0" * 16 + number + raw
    start = 16 + len(number)
    texts.find(look_from(buf, start, len(buf), 16, start), ANYBODY, buf, start, len(buf), 16, start)
    texts.put(ANYBODY, buf, start, len(buf), 16, start)  # remembered when it comes a second time
    known = texts.put(ANYBODY, buf, start, len(buf), 16, start)
    if known is not UNKNOWN_TEXT:
        known.head, known.tail, known.loose = head, len(raw) if tail is None else tail, loose
    return known


def find(texts: KnownTexts, text: str, number: bytes = NUMBER, account: Account = ANYBODY) -> Known:
    """Look a text up that lies elsewhere in its buffer."""
    raw = text.encode("utf-16-be", "surrogatepass")
    buf = b"\0" * 33 + number + b"\0\0" + raw + b"more"
    number_end = 33 + len(number)
    where = number_end + 2, number_end + 2 + len(raw), 33, number_end
    return texts.find(look_from(buf, *where), account, buf, *where)


TEXT = "【星辰1】您的验证码是123456，5分钟内有效，请勿泄露。"


def test_account_number_and_all_but_digits_must_be_the_same() -> None:
    texts = table(1 << 8)
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


def test_long_texts_are_not_remembered() -> None:
    texts = table(1 << 4)
    assert put(texts, "长" * 512) is not UNKNOWN_TEXT
    assert put(texts, "长" * 513) is UNKNOWN_TEXT
    assert find(texts, "长" * 512) is not UNKNOWN_TEXT


def test_a_slot_has_the_last_of_its_texts() -> None:
    texts = table(1)
    put(texts, TEXT)
    other = put(texts, TEXT.replace("您", "你"))
    assert find(texts, TEXT) is UNKNOWN_TEXT
    assert find(texts, TEXT.replace("您", "你")) is other


@given(st.text(st.sampled_from("0129五分钟a。【】\U0001f600"), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_alike_is_what_it_says(text: str, head: int, tail: int) -> None:
    raw = text.encode("utf-16-be", "surrogatepass")
    texts = table(1 << 4)
    known = put(texts, text, head=2 * head, tail=2 * tail)
    if len(raw) < 32:
        assert known is UNKNOWN_TEXT
        return
    units = [raw[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(raw), 2)]
    for place, unit in enumerate(units):
        for other in "7a五":
            raw2 = "".join([*units[:place], other, *units[place + 1 :]]).encode("utf-16-be", "surrogatepass")
            expected = raw == raw2 or (head <= place < tail and unit in "0129" and other == "7")
            assert texts.alike(b"x" + raw2, 1, known) is expected
            # Digits of a signature that goes on are in the look of a text.
            if expected and not (units[0] == "【" and "】" not in units[:8] and place < 8):
                assert look(raw, 0, len(raw), 0) == look(raw2, 0, len(raw), 0)


NAMED = "【星辰商城】张伟您好，您的快递到了，满意，再来。"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("张伟", "王芳", True),
        ("张伟", "张芳", True),
        ("张伟您好", "王芳你们", True),
        ("张伟", "快递", False),  # a word
        ("张伟", "好凭", True),  # what words begin with is none
        ("快递到", "某物到", False),  # it was one
        ("到了，满", "到了，优", False),  # the first of a word that goes on over a comma
        ("，再来", "，又来", False),  # the last of it
        ("张伟", "张a", False),
        ("张伟", "张7", False),
        ("张伟", "张，", False),
        ("张伟您好，您的快递", "王芳您好，你的快递", False),  # a sign in between
        ("张伟您好，您的快递到了", "王芳您好，您的快递来了", False),  # too far from each other
        ("商城", "商场", False),
        ("来。", "去。", True),
    ],
)
def test_of_a_loose_text_hanzi_that_are_in_no_word_may_be_others(old: str, new: str, found: bool) -> None:
    texts = table(1 << 8)
    known = put(texts, NAMED, head=12, loose=True)
    raw = NAMED.replace(old, new).encode("utf-16-be")
    assert raw != known.text
    assert texts.alike(b"x" + raw, 1, known) is found
    known.loose = False
    assert not texts.alike(b"x" + raw, 1, known)


def test_a_name_that_makes_a_word_is_not_remembered_but_takes_the_place_of_one_that_does() -> None:
    for before, after in (("张伟", "快递"), ("快递", "张伟")):
        texts = table(1 << 8)
        put(texts, NAMED.replace("张伟", before), head=12, loose=True)
        assert find(texts, NAMED.replace("张伟", after)) is UNKNOWN_TEXT
        raw = b"12345678" + NAMED.replace("张伟", after).encode("utf-16-be")
        replaced = texts.put(ANYBODY, raw, 8, len(raw), 0, 8) is not UNKNOWN_TEXT
        assert replaced is (before == "快递")


@given(seed=st.integers())
def test_names_leave_the_words_of_a_text_as_they_are(seed: int) -> None:
    random = Random(seed)
    pieces = [*"，。1 a·【】张伟", "快递", "优惠券", "满100减5", "验证码", *random.choices(HANZI, k=6)]
    text = "".join(random.choices(pieces, k=20))
    texts = KnownTexts(1, SHIPPED)
    known = put(texts, text, loose=True)
    if known is UNKNOWN_TEXT:
        return
    expected = int(SHIPPED.classify(known.text))
    for _ in range(20):
        raw = renamed(text, random).encode("utf-16-be")
        if texts.alike(raw, 0, known):
            assert int(SHIPPED.classify(raw)) == expected
            assert SHIPPED.explain(raw) == SHIPPED.explain(known.text)
