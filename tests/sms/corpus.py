"""Composed messages: templates of our own writing, filled in by rule, in the shapes in which the trade sends them.

`notices` are verification codes and notifications, `offers` advertisements. Brands and numbers are invented. The same
call always gives the same messages: the choices follow from a counter, not from chance.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "texts"


def _words(listed: str) -> list[str]:
    return listed.split()


BRANDS: Final = _words(
    "北原银行 青禾商城 顺捷物流 云杉科技 海棠支付 清源通信 小鹿出行 百川保险 学思网校 康宁医院 幸福物业 星河游戏"
)
CHOICES: Final = {
    "p": _words("王女士 李强 张先生 陈晓雯 刘师傅 欧阳敏 周 赵老师"),
    "d": _words("11月5日 12月18日 2026-03-02 1月9号 10/31 明日 6月30日 2026年7月1日"),
    "t": _words("18:30 9:00 23时59分 14点 20:00 7:45"),
    "m": _words("1 3 6 9 11 12"),
    "r": _words("3.85 0.02 4.1 2.9 1.5"),
    "y": _words("58.00 1,203.55 320 12800.00 9.9 ￥66.5 2156.33 0.01"),
    "item": _words("蓝牙耳机 羽绒服 空气炸锅 电动牙刷 纸尿裤 运动鞋 扫地机器人 床上四件套 洗面奶 儿童书包"),
    "addr": _words("幸福路 滨江 人民广场 城东 建设大道 高新区 南门 万和城"),
    "url": _words("http://t.cn/Ab3kQ1 https://m.qh.com/o/8Z2 qh.cn/x9 dwz.cn/7Hs2a s.sj-ex.com/91"),
    "out": _words("退订回T 回TD退订 拒收请回复R 退订回N 回复TD退订 回T退订"),
    "b": _words("Acme Contoso Yunshan"),
    "hot": _words("95500 400-800-0000 4006668888 96110"),
    "ph": _words("13800000000 0571-80000000 13900000000 80000000"),
}
SLOT: Final = re.compile(r"\{(\w+)\}")


class Message(NamedTuple):
    """A filled template: what it is, and which line of which group it comes from."""

    text: str
    category: str
    group: str
    template: str


def notices(fillings: int = 2) -> list[Message]:
    """Verification codes and notifications, each template filled `fillings` times."""
    return list(_filled("notices.tsv", fillings))


def offers(fillings: int = 2) -> list[Message]:
    """Advertisements, each template filled `fillings` times."""
    return list(_filled("offers.tsv", fillings))


def _filled(name: str, fillings: int) -> Iterator[Message]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows):
        for filling in range(fillings):
            count = number * 7 + filling * 31
            yield Message(_signed(_fill(row["text"], count), count), row["category"], row["group"], row["text"])


def _fill(template: str, count: int) -> str:
    seen = 0

    def value(slot: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return _value(slot[1], count + 13 * seen)

    return SLOT.sub(value, template)


def _value(slot: str, count: int) -> str:
    digits = str((count * 7919 + 104729) * 48271)
    if slot in CHOICES:
        return CHOICES[slot][count % len(CHOICES[slot])]
    if slot == "n":
        return str(2 + count % 8)
    if slot == "nn":
        return str(11 + count * 7 % 88)
    return {"n4": digits[-4:], "n6": digits[-6:], "no": (digits * 2)[:12]}[slot]


def _signed(text: str, count: int) -> str:
    brand = BRANDS[count % len(BRANDS)]
    return (f"【{brand}】{text}", f"【{brand}】{text}", f"{text}【{brand}】", text)[count % 4]
