"""What kind of content a text is: the method, on lists small enough to reckon by hand, and the shipped words."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.canonical import canonical
from portguard.sms.category import (
    INDUSTRIES,
    INDUSTRY_NAMES,
    MARKETING,
    NOTIFICATION,
    PERSONAL,
    UNKNOWN,
    VERIFICATION,
    load_default,
    name,
)
from portguard.sms.lexicon import Lexicon
from tests.sms.messages import MESSAGES, UNDECIDED

SHIPPED = Lexicon(load_default())
SMALL = Lexicon(
    [
        ("优惠", MARKETING, 0, 3),
        ("优惠券", MARKETING, 1, 3),
        ("贷款", MARKETING, 2, 4),
        ("满#减#", MARKETING, 1, 4),
        ("sale", MARKETING, 1, 3),
        ("free shipping", MARKETING, 0, 3),
        ("链接", MARKETING, 0, 1),
        ("点击", MARKETING, 0, 1),
        ("详情", MARKETING, 0, 1),
        ("验证码", VERIFICATION, 0, 10),
        ("勿泄露", VERIFICATION, 0, 4),
        ("诈骗", NOTIFICATION, 0, 4),
        ("诈骗", MARKETING, 0, -10),
        ("谨防", NOTIFICATION, 0, 4),
        ("晚安", PERSONAL, 0, 3),
        ("在吗", PERSONAL, 0, 3),
    ]
)


def kind(text: str, lexicon: Lexicon = SHIPPED) -> str:
    found = int(lexicon.classify(text.encode("utf-16-be")))
    return name(found // INDUSTRIES, found % INDUSTRIES)


def counted(text: str, lexicon: Lexicon = SMALL) -> list[str]:
    return list(dict.fromkeys(word for word, *_, counts in lexicon.explain(text.encode("utf-16-be")) if counts))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("优惠券", ["优惠券"]),
        ("优惠，优惠券，优惠", ["优惠", "优惠券"]),
        ("优 惠.券", ["优惠券"]),
        ("优\u200b惠券", ["优惠券"]),
        ("優惠", ["优惠"]),
        ("贷\U000e0041款", ["贷款"]),
        ("贷，款", []),
        ("贷款诈骗", ["贷款", "诈骗"]),
        ("满300减50元", ["满#减#"]),
        ("满 3,00 减５０", []),
        ("满３００减①", ["满#减#"]),
        ("满减", []),
        ("满#减#", []),
        ("SALE!", ["sale"]),
        ("ｓａｌｅ", ["sale"]),
        ("𝐬𝐚𝐥𝐞", ["sale"]),
        ("saleem, wholesale", []),
        ("大sale", ["sale"]),
        ("sale99", ["sale"]),
        ("Free-Shipping", ["free shipping"]),
        ("freeshipping", []),
        ("free shipping", ["free shipping"]),
        ("free shippings", []),
        ("晚安🎉在吗", ["晚安", "在吗"]),
        ("【优惠券】晚安", ["晚安"]),
        ("晚安【优惠券】", ["晚安", "优惠券"]),
        ("", []),
        ("优", []),
    ],
)
def test_which_words_are_found(text: str, words: list[str]) -> None:
    assert counted(text) == words


def test_a_word_within_a_longer_one_is_shown_and_does_not_count() -> None:
    lexicon = Lexicon([("特价机票", MARKETING, 6, 4), ("机票", MARKETING, 6, 2), ("特价", MARKETING, 0, 3)])
    assert lexicon.explain("特价机票".encode("utf-16-be")) == [
        ("特价机票", MARKETING, 6, 4, True),
        ("机票", MARKETING, 6, 2, False),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("验证码验证码", "unknown"),  # one word, however weighty and often
        ("验证码，请勿泄露", "verification"),
        ("优惠券，贷款", "marketing/finance"),  # 3 + 4
        ("优惠，晚安", "unknown"),
        ("优惠，sale", "marketing/retail"),
        ("优惠，点击链接详情", "unknown"),  # weak words are no second word
        ("晚安，在吗", "personal"),
        ("晚安，在吗，优惠，sale", "marketing/retail"),  # 6 against 6
        ("验证码，请勿泄露，优惠，sale", "verification"),  # 6 against 14
        ("验证码，请勿泄露，满9减1，优惠券，贷款，sale", "marketing/retail"),  # 14: sure
        ("谨防贷款诈骗，优惠券", "notification"),  # 7 - 6
        ("谨防贷款诈骗，优惠券，满9减1，sale，优惠", "marketing/retail"),  # 17 - 6, however much is said against it
    ],
)
def test_how_it_decides(text: str, expected: str) -> None:
    assert kind(text, SMALL) == expected


def test_later_rows_replace_earlier_ones_and_zero_takes_a_word_out() -> None:
    rows = [("优惠", MARKETING, 0, 3), ("大促", MARKETING, 0, 3)]
    assert kind("优惠大促", Lexicon(rows)) == "marketing"
    assert kind("优惠大促", Lexicon([*rows, ("优惠", MARKETING, 0, 0)])) == "unknown"
    assert kind("优惠大促", Lexicon([*rows, ("優惠", MARKETING, 1, 4)])) == "marketing/retail"
    assert kind("优惠大促", Lexicon([])) == "unknown"


@pytest.mark.parametrize("word", ["优", "12", "!!", "", "长" * 33])
def test_words_that_cannot_be_searched_for_are_named(word: str) -> None:
    with pytest.raises(ValueError, match="a word needs 2 to 32"):
        Lexicon([(word, MARKETING, 0, 3)])


CASES = [(expected, text) for expected, texts in MESSAGES.items() for text in texts]


@pytest.mark.parametrize(("expected", "text"), CASES)
def test_messages_of_the_trade(expected: str, text: str) -> None:
    category, _, industry = expected.partition("/")
    found, _, found_industry = kind(text).partition("/")
    assert found == category
    assert industry in ("", found_industry)


@pytest.mark.parametrize("text", UNDECIDED)
def test_single_clues_decide_nothing(text: str) -> None:
    assert kind(text) == "unknown"


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("贷款", "貸款"),
        ("贷款", "贷.款"),
        ("无抵押信用贷款，当天放款，月息低", "無抵押信用貸款，當天放款，月息低"),
        ("无抵押信用贷款，当天放款，月息低", "无 抵 押 信·用·贷·款，当\u200b天放款，月息低"),
        ("全场5折起，满300减50", "全場５折起，滿３００減５０"),
    ],
)
def test_a_disguise_changes_nothing(plain: str, written: str) -> None:
    assert kind(written) == kind(plain)


def test_an_opt_out_phrase_makes_no_advertisement() -> None:
    for texts in (MESSAGES["notification"], MESSAGES["notification/logistics"], MESSAGES["verification"]):
        for text in texts:
            assert not kind(text + "退订回T").startswith("marketing")
            assert not kind(text + " 详情点击 http://t.cn/Abc1 回复TD退订").startswith("marketing")


def test_a_code_hides_no_advertisement() -> None:
    for industry in ("retail", "finance", "real_estate", "education", "game"):
        for text in MESSAGES[f"marketing/{industry}"]:
            assert kind("验证码1234。" + text).startswith("marketing")


def test_industries_keep_their_numbers() -> None:
    assert INDUSTRY_NAMES[:6] == ("", "retail", "finance", "real_estate", "education", "game")
    assert (UNKNOWN, VERIFICATION, NOTIFICATION, MARKETING, PERSONAL) == (0, 1, 2, 3, 4)


@given(st.text(max_size=120))
def test_any_text_has_a_kind_and_says_so_twice(text: str) -> None:
    try:
        raw = text.encode("utf-16-be")
    except UnicodeEncodeError:
        return
    found = SHIPPED.classify(raw)
    assert 0 <= found < 80
    SHIPPED.explain(raw)
    assert SHIPPED.classify(raw) == found


@given(st.binary(max_size=200))
def test_any_octets_are_read_within_their_bounds(raw: bytes) -> None:
    assert 0 <= SHIPPED.classify(raw) < 80


@pytest.mark.parametrize("piece", ["优惠", "验证码", "哈", "1", "a", "【", "\u200b", "🎉", "满1减"])
def test_the_largest_texts_are_read_to_their_end_or_limit(piece: str) -> None:
    raw = (piece * 40000)[:32000].encode("utf-16-be")
    assert 0 <= SHIPPED.classify(raw) < 80


PIECES = ["满", "减", "0", "7", "39", "元", "a", "折", ".", " ", "验证码", "优惠", "TD", "１"]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.randoms(use_true_random=False))
def test_which_digits_they_are_does_not_matter(parts: list[str], random: Random) -> None:
    text = "".join(parts)
    other = "".join(random.choice("0123456789") if "0" <= one <= "9" else one for one in text)
    for lexicon in (SMALL, SHIPPED):
        assert lexicon.classify(text.encode("utf-16-be")) == lexicon.classify(other.encode("utf-16-be"))


def test_what_stands_beside_each_other_in_a_word_joins_and_hardly_anything_else() -> None:
    joined = 0
    for word, *_ in load_default():
        for first, second in pairwise(word):
            if min(first, second) >= "\u4e00" and canonical(first + second) == first + second:
                joined += 1
                assert SHIPPED.joins(ord(first), ord(second))
    assert joined > 1000
    random = Random(5)
    pairs = [(random.randrange(0x4E00, 0x9FFF), random.randrange(0x4E00, 0x9FFF)) for _ in range(5000)]
    assert sum(SHIPPED.joins(first, second) for first, second in pairs) < 5000 / 60
