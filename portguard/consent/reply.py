"""Is what a subscriber answered an opt-out?

The whole reply counts, folded as signatures are and without what stands around it: "Ｔ。" is a T, and "T恤有货吗" is a
question about shirts.
"""

from typing import Final

from portguard.sms.canonical import canonical

_WORDS: Final = ("t", "td", "n", "r", "qx", "tui", "退订", "退定", "拒收")
_LEADS: Final = ("", "回", "回复", "复", "发", "发送", "回覆")
# Longer replies are not looked at: no opt-out with all its decoration is.
_LONGEST: Final = 64

OPTOUTS: Final = frozenset(
    [lead + word for lead in _LEADS for word in _WORDS]
    + ["退订t", "退订td", "退订n", "退订回t", "退订回复t", "退订短信", "拒收短信", "拒收r", "拒绝接收", "取消订阅"]
    + ["取消赠阅", "取消接收", "stop", "stopall", "unsub", "unsubscribe", "optout"]
)


def reply_is_optout(text: str) -> bool:
    """True when the whole of a reply says that its sender wants no more marketing."""
    if len(text) > _LONGEST:
        return False
    return "".join(filter(str.isalnum, canonical(text))) in OPTOUTS
