"""Which replies are opt-outs, each with an innocent twin."""

import pytest

from portguard.consent.reply import reply_is_optout


@pytest.mark.parametrize("reply", [
    "退订", "T", "t", "TD", "td", "N", "R", "QX", "拒收", "STOP", "Stop!", " T ", "T。", "Ｔ", "ＴＤ", "“T”", "【T】",
    "T\n", "\u200bT", "Т",  # the last one is Cyrillic
    "退 订", "退訂", "回T", "回复TD", "退订回T", "回复退订", "unsubscribe", "取消订阅", "t.d.", "T\ufeff",
])  # fmt: skip
def test_an_optout(reply: str) -> None:
    assert reply_is_optout(reply)


@pytest.mark.parametrize("reply", [
    "", " ", "。", "TT", "T恤有货吗", "No", "你好", "不退订", "怎么退订?", "退订了怎么还发", "nr", "OK", "1",
    "我要退订套餐A", "请问退订流程", "stop by at 6", "R2", "谢谢", "拒收快递怎么办", "\udc00", "T" * 1000, "退订" * 40,
])  # fmt: skip
def test_no_optout(reply: str) -> None:
    assert not reply_is_optout(reply)
