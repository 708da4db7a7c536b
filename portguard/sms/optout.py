"""Does a text tell its reader how to refuse more of it?

Read from the canonical form, so that a phrase in other widths or characters counts too. The phrases are those in use in
China (退订回T, 回TD退订, 拒收请回复R, 取消赠阅 ...) and their English fellows.
"""

import re
from typing import Final

from portguard.sms.canonical import canonical

_HINT: Final = re.compile(
    r"退订|退定|拒收|拒绝(?:接收|短信|请)|取消(?:赠阅|订阅|接收|关注)|"
    r"(?:回|回复|复|发送?|发)\s*[“\"'‘【]?\s*(?:td|tui|qx|t|n|r)(?![a-z0-9])|"
    r"(?:reply|text|txt|send|sms)\s*[\"']?\s*(?:stop|unsub|end|quit|t\b)|unsubscribe|opt\s?-?out"
)


# The usual words as they stand in most texts, found without folding.
USUAL: Final = "退订".encode("utf-16-be")
_REFUSE: Final = "拒收".encode("utf-16-be")


def tells_how_to_refuse(raw: bytes) -> bool:
    """True when the UTF-16BE text holds an opt-out phrase."""
    for word in (USUAL, _REFUSE):
        at = raw.find(word)
        if at >= 0 and at & 1 == 0:
            return True
    return _HINT.search(canonical(raw.decode("utf-16-be", "replace"))) is not None
