"""Templates: what fits, what does not, and that hostile text is only text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.category import NOTIFICATION, VERIFICATION
from portguard.sms.template import Template, Templates

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
