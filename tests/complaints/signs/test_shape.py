"""Texts that are the same to a reader are found, and those that are not are kept apart."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.complaints.signs.shape import KEYS, Sampler, alike, keys_of, letters, sketch_of
from portguard.sms.charset import CHARSET_GBK, CHARSET_GSM7
from tests.complaints.signs.world import PHRASES, World, pdu

LOAN = "尊敬的张先生，您有一笔最高20万元的额度已获批，点击 t.cn/abc 立即领取，利率低至3.2%，退订回T"
HANZI = [chr(0x4E00 + n) for n in range(3000)]


def same(a: str, b: str) -> bool:
    one, other = sketch_of(letters(a)), sketch_of(letters(b))
    return bool(set(keys_of(one)) & set(keys_of(other))) and alike(one, other)


@pytest.mark.parametrize("other", [
    LOAN, "【某某】" + LOAN, LOAN + "【某某】", LOAN.replace("20", "50").replace("t.cn/abc", "https://dwz.example.com/x?y=1"),
    LOAN.replace("张先生", "欧阳女士"), LOAN.replace("，", " "), LOAN.replace("额度", "额\u200b度"),
    LOAN.replace("退订回T", "拒收请回复R"), LOAN.replace("万元", "萬元"),
])  # fmt: skip
def test_the_same_to_a_reader(other: str) -> None:
    assert same(LOAN, other)


@pytest.mark.parametrize("other", [
    "双11狂欢购物节，全场满300减50，点击 t.cn/xx 抢购，退订回T", "尊敬的张先生，您的快递已到驿站，请凭码领取，退订回T",
    "尊敬的用户，您有一张优惠券即将到期，点击立即使用，退订回T",
])  # fmt: skip
def test_other_texts(other: str) -> None:
    assert not same(LOAN, other)


def test_what_is_left_of_a_text() -> None:
    assert letters("【某某】您的Code是1234，见 http://a.example.com/b?c=1【尾】") == "您的是见"
    assert letters("[Brand] Your code is 1234, see a.example.com") == "yourcodeissee"
    assert letters("１２３ 😀") == ""


def test_campaigns_of_many_brands_are_told_apart() -> None:
    """They share openings, offers and details, and how to refuse."""
    world = World(5)
    texts = [world.text(brand, 3, 0) for brand in world.brands if not brand.template and brand.style % 12]
    others = [(a, b) for n, a in enumerate(texts[:120]) for b in texts[n + 1 : 120]]
    confused = sum(same(a, b) for a, b in others)
    assert confused / len(others) < 0.005
    again = [same(world.text(brand, 3, 0), world.text(brand, 3, 1)) for brand in world.brands]
    assert sum(again) / len(again) > 0.95


@pytest.mark.parametrize(("kept", "least", "most"), [
    (1.0, 1.0, 1.0), (0.9, 0.95, 1.0), (0.5, 0.0, 0.4), (0.2, 0.0, 0.01),
])  # fmt: skip
def test_how_much_may_differ(kept: float, least: float, most: float) -> None:
    """`kept` of forty letters are the same, the rest is replaced as one piece."""
    random, found = Random(1), 0
    for _ in range(400):
        one = [random.choice(HANZI) for _ in range(40)]
        other = list(one)
        count = round(40 * (1 - kept))
        start = random.randrange(40 - count + 1)
        other[start : start + count] = [random.choice(HANZI) for _ in range(count)]
        found += same("".join(one), "".join(other))
    assert least <= found / 400 <= most


def test_samples_are_read_as_they_were_sent() -> None:
    sampler = Sampler(lambda account: CHARSET_GBK if account == "gbk" else CHARSET_GSM7)
    assert sampler.text(pdu("1069", "您好"), "a") == "您好"
    whole = pdu("1069", "您好")
    assert sampler.text(whole[:-1], "a") == ""
    assert sampler.text(b"", "a") == ""
    assert sampler.text(b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\1", "a") == ""


@given(st.binary(max_size=80))
def test_any_octets_are_a_sample_or_none(octets: bytes) -> None:
    sampler = Sampler(lambda account: 0)
    assert isinstance(sampler.text(octets, "a"), str)
    framed = (len(octets) + 8).to_bytes(4, "big") + b"\0\0\0\4" + octets
    assert isinstance(sampler.text(framed, "a"), str)


@given(st.text(min_size=3))
def test_any_text_has_keys(text: str) -> None:
    plain = letters(text) or "abc"
    keys = keys_of(sketch_of(plain + "abc"))
    assert len(keys) == KEYS
    assert all(0 <= key < 2**63 for key in keys)
    assert letters(plain) == plain or not PHRASES
