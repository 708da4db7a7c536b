"""Does a text tell its reader how to refuse more of it?

Read from the canonical form, so that a phrase in other widths or characters counts too. The phrases are those in use in
China (退订回T, 回TD退订, 拒收请回复R, 取消赠阅 ...) and their English fellows. A word for refusing is none of them by
itself (酒店免费退订, 本活动不支持退订, 回T领券): there must be a way, and it must not be denied.
"""

import re
from typing import Final

from portguard.sms.canonical import canonical
from portguard.sms.text import holds_usual_hint

_REFUSE: Final = (
    r"(?:退订|退定|退阅|取订|拒收|拒绝(?:接收|短信|请)|谢绝|免打扰|免扰|取消(?:赠阅|订阅|接收|关注|请|可|回|发)|"
    r"(?:不想|不愿|不愿意|不需要?|不再|如不)(?:再)?(?:接收|收到|接受|订阅|打扰|看到|要|需要?)?)"
)
_REPLY: Final = r"(?:回复|回覆|回|复|发送|发|编辑|短信)"
_CODE: Final = r"(?:[a-z]{1,4}|[0-9]{1,6}|退订|退)(?![a-z0-9])"
_QUOTED: Final = r"[\s“”\"'‘’【】\[\]():：+＋-]*+"
_END: Final = r"[\s。.!)）】]*+(?:【[^【】]*】\s*)?$"
_HINT: Final = re.compile(
    rf"{_REFUSE}[\s,，:：(]*+(?:本?短信|本?信息)?[\s,，:：(]*+(?:请|可|敬请)?(?:直接)?"
    rf"(?:{_REPLY}|按|点|戳|拨|致电|登录|登陆|http|www|{_QUOTED}(?:td|t|n|r|qx|q|[0-9])(?![a-z0-9]))|"
    rf"{_REPLY}{_QUOTED}{_CODE}{_QUOTED}(?:即可|可以?|以?便)?(?:退订|退定|退阅|取订|拒收|拒绝|取消|退|拒|屏蔽|谢绝|不再)|"
    rf"(?<![a-z0-9])(?:td|t|n|r|qx){_QUOTED}(?:退订|退定|拒收|取消订阅|取消接收)|"
    rf"退{_REPLY}{_QUOTED}[a-z0-9]{{1,4}}(?![a-z0-9])|"
    rf"{_REPLY}{_QUOTED}(?:td|tui|qx)(?![a-z0-9])|"
    rf"(?:^|[^\w])(?:退订|退定|拒收|取消订阅|取消接收|取消关注){_END}|"
    rf"取消赠阅|{_REPLY}{_QUOTED}(?:t|n|r){_END}|"
    r"(?:reply|text|txt|send|sms)\s*[\"']?\s*(?:stop|unsub|end|quit|t\b)|unsubscribe|opt\s?-?out"
)
# Signs that only part the characters of a word.
_BETWEEN: Final = re.compile(r"(?<=[\u4e00-\u9fff])[.*·_\-~ ]+(?=[a-z0-9\u4e00-\u9fff])")
# What stands before the word and denies it.
_DENIED: Final = re.compile(r"(?:不支持|不接受|不能|不可以?|不予|不得|不会|无法|无权|无需|勿|未|不)(?:随意|自行|再)?$")


def tells_how_to_refuse(raw: bytes) -> bool:
    """True when the UTF-16BE text holds an opt-out phrase."""
    if holds_usual_hint(raw):
        return True
    text = _BETWEEN.sub("", canonical(raw.decode("utf-16-be", "replace")))
    return any(not _DENIED.search(text[max(0, hint.start() - 8) : hint.start()]) for hint in _HINT.finditer(text))
