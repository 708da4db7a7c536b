"""Templates: what fits, what does not, and that hostile text is only text."""

import re
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.category import MARKETING, NOTIFICATION, VERIFICATION, load_default
from portguard.sms.lexicon import Lexicon
from portguard.sms.template import Template, Templates, content_of, variable_error
from portguard.sms.template_index import Index
from portguard.sms.template_plain import TRIED_LIMIT, UNFIT, UNSURE

SHIPPED = "【青禾】您的订单{no}已发货，由{carrier}承运，详情 http://qh.cn/{code}"


def template(text: str) -> Template:
    return Template("t1", NOTIFICATION, 0, text)


@pytest.mark.parametrize(
    "message",
    [
        "【青禾】您的订单88210391已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "  【青禾】您的订单88210391已发货，由顺捷物流承运，详情 http://qh.cn/aB3 ",
        "您的订单88210391已发货，由顺捷物流承运，详情 http://qh.cn/aB3【青禾】",
        "【青禾】您的订单1已发货，由已发货，由承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单" + "8" * 40 + "已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
    ],
)
def test_messages_that_fit(message: str) -> None:
    assert template(SHIPPED).matches(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "【青禾】",
        "【青禾】您的订单已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单" + "8" * 41 + "已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单88210391已发货，由顺捷物流承运，详情 http://qh.cn/",
        "【青禾】您的订单http://evil.cn已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单evil.cn/x已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单8已发货，由顺捷物流承运，详情 http://evil.cn/aB3",
        "【青禾】全场五折！您的订单8已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】【彩金】您的订单8已发货，由顺捷物流承运，详情 http://qh.cn/aB3",
        "【青禾】您的订单8已发货，由顺捷物流承运，详情 http://qh.cn/aB3" + "长" * 5000,
    ],
)
def test_messages_that_do_not(message: str) -> None:
    assert not template(SHIPPED).matches(message)


def test_a_template_without_variables_is_literal() -> None:
    assert template("【青禾】今日休息").matches("【青禾】今日休息")
    assert not template("【青禾】今日休息").matches("【青禾】今日休息。")


def test_the_template_may_leave_the_signature_out() -> None:
    assert template("您的验证码是{code}").matches("[Acme]您的验证码是1234")


def test_all_divisions_between_variables_are_considered() -> None:
    assert template("{a}的{b}的{c}").matches("我的的的书")
    assert template("{a}{b}").matches("ab")
    assert template("{a}{b}").matches("长" * 80)
    assert not template("{a}{b}").matches("a")
    assert not template("{a}{b}").matches("长" * 81)


def test_the_first_template_that_fits_is_named() -> None:
    code = Template("code", VERIFICATION, 0, "验证码{code}，{minutes}分钟内有效")
    other = Template("other", NOTIFICATION, 0, "{anything}")
    templates = Templates([code, other])
    assert templates.match("【青禾】验证码1234，5分钟内有效") is code
    assert templates.match("【青禾】休息") is other
    assert templates.match("长" * 41) is None
    assert Templates([]).match("休息") is None


@given(st.lists(st.text("甲乙", max_size=3), min_size=1, max_size=5), st.text("甲乙丙", max_size=60))
def test_a_template_is_the_regular_expression_it_looks_like(literals: list[str], text: str) -> None:
    expression = ".{1,40}".join(map(re.escape, literals))
    assert template("{v}".join(literals)).matches(text) == bool(re.fullmatch(expression, text, re.DOTALL))


@given(st.text(max_size=200))
def test_any_text_is_an_answer(text: str) -> None:
    assert template(SHIPPED).matches(text) in (True, False)
    assert template(text).matches(text) in (True, False)


@pytest.mark.parametrize(
    ("text", "message", "fits"),
    [
        ("{a:3}。", "一二三。", True),
        ("{a:3}。", "一二三四。", False),
        ("备注{a:120}完", "备注" + "长" * 120 + "完", True),
        ("备注{a:120}完", "备注" + "长" * 121 + "完", False),
        ("查看{u:link}，谢谢", "查看https://m.qh.com/o/8Z2?x=1&y=2，谢谢", True),
        ("查看{u:link} 谢谢", "查看qh.cn/x9 谢谢", True),
        ("查看{u:link}", "查看qh.cn/全场五折", False),
        ("查看{u:link}", "查看qh.cn/a b", False),
        ("查看{u:link}", "查看" + "a" * 101, False),
        ("查看{u:link:200}", "查看" + "a" * 200, True),
        ("{a}见{u:link}", "详情见qh.cn/x9", True),
        ("{a}见{u:link}", "evil.cn见qh.cn/x9", False),
        ("共{y}元", "共1,203.55元", True),
        ("验证码：{code}，{n}分钟内有效", "验证码:1234,5分钟内有效", True),
        ("验证码:{code}", "验证码：１２３４", True),
        ("订单{no}", "订单ｅｖｉｌ．ｃｎ", False),
        ("订单{no}", "订单evil。cn", False),
        ("订单{no}", "订单еvil.сn", False),
        ("订单{no}", "订单evil.\u200bcn", False),
        ("订单{no}", "订单银行.中国", False),
        ("订单{no}", "订单8。好", True),
    ],
)
def test_what_a_variable_may_hold(text: str, message: str, fits: bool) -> None:
    assert template(text).matches(message) == fits


@pytest.mark.parametrize("text", ["{a:0}", "{a:501}", "{a:}", "{a:url}", "{a:link:0}", "{a:1:link}", "{a:link:9:9}"])
def test_variables_that_cannot_be_read_are_named(text: str) -> None:
    error = variable_error("您好" + text)
    assert error is not None
    assert text in error


@pytest.mark.parametrize("text", ["您好", "{}", "{a}", "{姓名}{b:1}", "{a:500}", "{a:link}", "{a:link:500}"])
def test_variables_that_can(text: str) -> None:
    assert variable_error(text) is None


def test_the_categories_for_which_there_are_templates() -> None:
    code = Template("code", VERIFICATION, 0, "验证码{code}")
    assert Templates([code, code]).categories == {VERIFICATION}
    assert Templates([code, template("{a}")]).categories == {VERIFICATION, NOTIFICATION}
    assert Templates([]).categories == frozenset()


def many(count: int) -> list[str]:
    """Texts that begin alike, end alike, or are nothing like each other."""
    return [
        text
        for number in range(count)
        for text in (
            f"尊敬的客户，您的{{a}}已由{number}号网点受理，谢谢",
            f"编号{number}：{{a}}请查收{{b}}",
            f"{{a}}，第{number}期{{b}}回执，尊敬的客户",
        )
    ]


def test_of_thousands_of_templates_only_a_few_are_tried() -> None:
    texts = many(2000)
    templates = [Template(str(number), NOTIFICATION, 0, text) for number, text in enumerate(texts)]
    index = Index([one.form().literals for one in templates])
    together = Templates(templates)
    for number in range(0, len(texts), 61):
        message = texts[number].replace("{a}", "包裹").replace("{b}", "今天")
        assert len(index.candidates(message.encode("utf-16-be"))) < 30
        assert together.match(message) is templates[number]
    assert index.candidates("今天天气很好，我们去公园吧".encode("utf-16-be")) == []


def test_a_text_made_of_every_anchor_is_tried_on_no_more_than_the_limit() -> None:
    templates = [Template(str(number), NOTIFICATION, 0, f"{{a}}{chr(0x4E00 + number)}{{b}}") for number in range(4000)]
    hostile = "".join(chr(0x4E00 + number) for number in range(4000))
    together = Templates(templates)
    assert len(together._index.candidates(hostile.encode("utf-16-be"))) > TRIED_LIMIT
    assert together.match(hostile) is None


@given(st.lists(st.text("甲乙丙{}", max_size=6), max_size=30), st.text("甲乙丙", max_size=20))
def test_the_index_loses_no_template(texts: list[str], message: str) -> None:
    templates = [template(text.replace("{", "").replace("}", "{v}")) for text in texts]
    first = next((one for one in templates if one.matches(message)), None)
    assert Templates(templates).match(message) is first


@given(
    st.lists(st.tuples(st.text("甲乙", max_size=2), st.integers(1, 70)), min_size=1, max_size=4),
    st.text("甲乙丙", max_size=90),
)
def test_limits_are_those_of_the_regular_expression(parts: list[tuple[str, int]], text: str) -> None:
    expression = "".join(f"{literal}.{{1,{limit}}}" for literal, limit in parts)
    written = "".join(f"{literal}{{v:{limit}}}" for literal, limit in parts)
    assert template(written).matches(text) == bool(re.fullmatch(expression, text, re.DOTALL))


@pytest.mark.parametrize(
    ("text", "message", "filled"),
    [
        ("您的{a}，{b}到", "【青禾】您的包裹，明天到", ["包裹", "明天"]),
        ("{a}您好", "王女士您好【青禾】", ["王女士"]),
        ("{a}{b}到", "包裹到", ["包", "裹"]),
        ("到了：{a}", "到了:包裹", ["包裹"]),
        ("没有", "没有", [""]),
    ],
)
def test_what_its_variables_hold(text: str, message: str, filled: list[str]) -> None:
    assert template(text).matches(message)
    assert template(text).filled(message) == filled


# ---- the short way

UNITS = "甲乙丙，。:：./a1 \u3000【】[]\t\u200b\U0001f600ａ"
LITERALS = st.text("甲乙丙丁，:a1", max_size=5)


@given(
    st.lists(
        st.tuples(st.lists(LITERALS, min_size=1, max_size=4), st.sampled_from(["{v}", "{v:2}", "{v:link}"])),
        min_size=1, max_size=8,
    ),
    st.lists(st.text(UNITS, max_size=4), max_size=4),
    st.sampled_from(["", "【甲乙】", " 【a】 ", "〖甲〗", "[甲]", "【甲", "【【甲】】"]),
    st.sampled_from(["", " ", "【丙】", "]", "。"]),
    st.data(),
)
def test_the_short_way_says_what_the_long_one_says(
    written: list[tuple[list[str], str]], values: list[str], head: str, tail: str, data: st.DataObject
) -> None:
    templates = [template(variable.join(literals)) for literals, variable in written]
    together = Templates(templates)
    literals, _ = data.draw(st.sampled_from(written))
    body = "".join(map("".join, zip_longest(literals, values[: len(literals) - 1], fillvalue="")))
    text = head + body + tail
    found = together.plain.find(text.encode("utf-16-be"))
    fitting = together.match(text)
    assert found == UNSURE or (templates[found] if found >= 0 else None) is fitting
    if found >= 0 and templates[found].variables:
        filled = together.plain.filled(len(templates[found].variables)).decode("utf-16-be")
        assert filled == "，".join(templates[found].filled(text))


LEXICON = Lexicon(load_default())
OFFER = "全场五折满300减50优惠券限时抢购"
HOLDING = st.sampled_from(
    ["{a}，{b:200}", "您好{a}", "{a}您好{b:60}", f"您好，{OFFER}", f"{{a}}，{OFFER}", "{a:link}，{b}"]
)


@given(
    st.lists(st.tuples(HOLDING, st.sampled_from([VERIFICATION, NOTIFICATION, MARKETING])), max_size=8),
    st.lists(st.sampled_from(["您好", "，", OFFER, "王女士", "1234", " ", "🎉", "a.cn"]), max_size=6).map("".join),
)
def test_the_short_way_passes_by_the_same_offers(written: list[tuple[str, int]], text: str) -> None:
    together = Templates([Template(str(at), kind, 0, one) for at, (one, kind) in enumerate(written)])
    raw = f"【青禾】{text}".encode("utf-16-be")
    assert together.plain.content(raw, LEXICON) in (UNSURE, content_of(together, raw, LEXICON))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("【青禾】王女士您好，您的订单1203已发货，请留意。", 0), ("王女士您好,您的订单1203已发货,请留意。 ", 0),
        ("【青禾】\u3000王女士您好，您的订单１２０３已发货，请留意。", 0), ("【青禾】您的验证码是1234，请勿泄露", 1),
        ("【青禾】您的余额不足", UNFIT), ("【青禾】您的验证码是，请勿泄露", UNFIT),
        ("【青禾】您好您好，您的订单qh.cn已发货，请留意。", UNSURE), ("【青禾】您的验证码是1，请勿泄露【青禾】", UNFIT),
        ("〖青禾〗您的验证码是1234，请勿泄露", UNSURE), ("您的验证码是1234，请勿泄露[青禾]", UNSURE),
        ("【青禾】您的验证码是\U0001f600，请勿泄露", UNSURE), ("", UNSURE), ("您的验证码是" + "1" * 5000, UNSURE),
    ],
)  # fmt: skip
def test_most_texts_go_the_short_way(text: str, found: int) -> None:
    templates = Templates([template("{a}您好，您的订单{b}已发货，请留意。"), template("您的验证码是{code}，请勿泄露")])
    assert templates.plain.find(text.encode("utf-16-be")) == found
