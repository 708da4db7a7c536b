"""Disguised signatures, each with an innocent twin that looks much like it and must not be taken for one.

A small file of brands stands for the registry: raw text first, the canonical form only where the raw text finds
nothing, as the rules 203 and 204 ask.
"""

import pytest

from portguard.sms.canonical import canonical_signature
from portguard.sms.signature import form_error
from portguard.sms.text import Text

REGISTERED = [
    "微信",
    "支付宝",
    "教育",
    "青禾商城",
    "赛事通",
    "百稼乐",
    "百稼樂園",
    "账房",
    "帐篷城",
    "乾元",
    "安徽快讯",
    "ABC",
    "Nestlé",
    "SEPHORA",
    "1号店",
    "薇诺",
    "王府",
]  # fmt: skip
BY_CANONICAL: dict[str, list[str]] = {}
for brand in REGISTERED:
    BY_CANONICAL.setdefault(canonical_signature(brand), []).append(brand)


def brand_of(written: str) -> str:
    if written in REGISTERED:
        return f"registered {written}"
    imitated = BY_CANONICAL.get(canonical_signature(written), [])
    return f"disguised {imitated[0]}" if imitated else "unknown"


def seen(message: str, ascii_brackets: bool = False) -> str:
    """What a signature of this message is: registered, disguised, unknown (bracketed, of no brand) or none."""
    text = Text()
    text.load(message.encode("utf-16-be"), ascii_brackets, ascii_brackets)
    for has, raw in ((text.has_head, text.head), (text.has_tail, text.tail)):
        if has:
            return brand_of(raw.decode("utf-16-be"))
    for written in (text.disguised_head, text.disguised_tail):
        if text.disguised and brand_of(written) != "unknown":
            return "disguised " + brand_of(written).partition(" ")[2]
    return "none"


@pytest.mark.parametrize(
    ("disguise", "imitates", "twin", "twin_is"),
    [
        # zero-width, inside and in front
        ("【青禾\u200b商城】您好", "青禾商城", "【青禾商城】您\u200b好", "registered 青禾商城"),
        ("【青\u2060禾商\ufeff城】您好", "青禾商城", "【青禾】您好", "unknown"),
        ("\u200b【青禾商城】您好", "青禾商城", "您好\u200b", "none"),
        # bidi
        ("\u202e【青禾商城】您好", "青禾商城", "\u200e您好【青禾商城】", "registered 青禾商城"),
        ("【\u202eCBA\u202c】您好", "", "【ABC】您好", "registered ABC"),
        ("【\u202dABC\u202c】您好", "ABC", "【CBA】您好", "unknown"),
        # full-width
        ("【ＡＢＣ】您好", "ABC", "【ABC】Ａ好", "registered ABC"),
        ("【１号店】您好", "1号店", "【1号店】您好", "registered 1号店"),
        # Cyrillic, Greek, Cherokee
        ("【АВС】您好", "ABC", "【АБВ】您好", "unknown"),
        ("【ΑΒC】您好", "ABC", "【ΑΒΓ】您好", "unknown"),
        ("【ᎪᏴᏟ】您好", "ABC", "【ᎣᏏᏲ】您好", "unknown"),
        ("【SΕΡΗΟRΑ】您好", "SEPHORA", "【SEPHIRA】您好", "unknown"),
        # accents: a brand that has one is itself, and its plain form is nobody else
        ("【Nestle】您好", "Nestlé", "【Nestlé】您好", "registered Nestlé"),
        ("【ÁBC】您好", "ABC", "【Née】您好", "unknown"),
        # brackets
        ("［青禾商城］您好", "青禾商城", "［会议］您好", "none"),
        ("〖青禾商城〗您好", "青禾商城", "〖公告〗您好", "none"),
        ("〔青禾商城〕您好", "青禾商城", "[通知]您好", "none"),
        ("「青禾商城」您好", "青禾商城", "「青禾」您好", "none"),
        ("【青禾商城］您好", "青禾商城", "【通知］您好", "none"),
        ("您好[SEPHORA]", "SEPHORA", "您好[微笑]", "none"),
        ("您好﹝青禾商城﹞", "青禾商城", "您好（青禾商城）", "none"),
        # a bracket in the body is not a signature, whatever its shape
        ("［微信］您有新消息", "微信", "请用［微信］扫码登录", "none"),
        ("［微信］您有新消息", "微信", "请用【微信】扫码登录", "none"),
        # traditional and mixed; a real traditional brand is itself
        ("【賽事通】您好", "赛事通", "【百稼樂園】您好", "registered 百稼樂園"),
        ("【百稼楽】您好", "百稼乐", "【百稼乐】您好", "registered 百稼乐"),
        ("【百稼乐园】您好", "百稼樂園", "【百稼果园】您好", "unknown"),
        # neighbours that are other brands
        ("【賬房】您好", "账房", "【帐房】您好", "unknown"),
        ("【帳篷城】您好", "帐篷城", "【账篷城】您好", "unknown"),
        ("【乾\u200b元】您好", "乾元", "【干元】您好", "unknown"),
        ("【⺩府】您好", "王府", "【玉府】您好", "unknown"),
        # dots and spaces
        ("【教.育】您好", "教育", "【教育.培训】您好", "unknown"),
        ("【教․育】您好", "教育", "【教材育人】您好", "unknown"),
        ("【教 · 育】您好", "教育", "【育教】您好", "unknown"),
        # radicals and look-alike hanzi; brands that own those characters
        ("【⽀付宝】您好", "支付宝", "【支付宝】您好", "registered 支付宝"),
        ("【徽信】您好", "微信", "【安徽快讯】您好", "registered 安徽快讯"),
        ("【薇信】您好", "微信", "【薇诺】您好", "registered 薇诺"),
        ("【薇信】您好", "微信", "【威信】您好", "unknown"),
        # case alone is left to the operator
        ("【abc】您好", "ABC", "【ABC】您好", "registered ABC"),
    ],
)
def test_a_disguise_and_its_twin(disguise: str, imitates: str, twin: str, twin_is: str) -> None:
    assert seen(disguise) == (f"disguised {imitates}" if imitates else "unknown")
    assert seen(twin) == twin_is


def test_square_brackets_are_no_disguise_where_there_are_no_others() -> None:
    assert seen("Sale now on [SEPHORA]", ascii_brackets=True) == "registered SEPHORA"
    assert seen("Sale now on [SEPHORA]") == "disguised SEPHORA"


def test_no_two_brands_on_file_collide() -> None:
    assert [brands for brands in BY_CANONICAL.values() if len(brands) > 1] == []


@pytest.mark.parametrize("written", ["青禾\u200b商城", "教.育", "АВС", "ＡＢＣ", "教 育", "青禾\ufe0f"])
def test_a_disguise_is_also_of_bad_form(written: str) -> None:
    assert form_error(written) is not None
