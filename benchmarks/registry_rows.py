"""A registry of any size, shaped like a big operator's: what `registry.py` builds, and who may send what under it.

For n signatures there are n ports, 5n scopes, n/10 subleases and merchants, and n/100 senders with an account each.
Ports have 11, 12 or 14 digits; a signature's five scopes are of different ports, narrowed in five ways. The rows stand
in no order of their keys. The same size gives the same rows.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

_HANZI = (
    "云海星河山林风雨春秋东南西北金玉明新天达通优佳美信和泰安康乐成源茂宏远商城科技数码品家居旅行教育"
    "流一三四五六七八九百千万红黄蓝白青花草木石火水田光年月日心思文字书画声音歌舞早晚长高大小平方正直清凉"
)
_CATEGORIES = ("verification|notification", "marketing/retail", "", "notification|marketing", "verification")
_REGIONS = ("beijing", "shanghai", "guangdong", "sichuan", "zhejiang", "hubei", "fujian")
_SCATTER = 7_368_787  # a prime: multiplied by it, neighbours in the file are no neighbours in the order of the keys


class Shape:
    """The rows of a registry of `signatures` signatures."""

    def __init__(self, signatures: int) -> None:
        self.signatures = signatures
        self.ports = signatures
        self.senders = max(signatures // 100, 2)
        self.merchants = max(signatures // 10, 2)
        self.subleases = max(signatures // 10, 1)

    def number(self, port: int) -> str:
        """A port's number: one in ten of 11 digits, one in ten of 14, the others of 12."""
        if port % 10 == 1:
            return f"1065{port:07}"
        if port % 10 == 2:
            return f"1066{port:08}{port % 97:02}"
        return f"1069{port:08}"

    def holder(self, port: int) -> str:
        return f"sp{port % self.senders:05}"

    def account(self, port: int) -> str:
        """The account of a port's holder."""
        return f"acc{port % self.senders:05}"

    def signature(self, index: int) -> str:
        """Four to six characters, another for each index."""
        index = index * _SCATTER % 985_074_869
        text = ""
        while index or len(text) < 4:
            index, digit = divmod(index, len(_HANZI))
            text += _HANZI[digit]
        return text

    def owner(self, index: int) -> str:
        return f"brand{index % self.merchants:06}"

    def scoped(self, index: int, scope: int) -> int:
        """The port of a signature's first, second ... fifth scope."""
        return (index + scope * (self.ports // 5 + 1)) % self.ports

    def tables(self) -> Iterator[tuple[str, list[str], Iterable[list[str]]]]:
        """(name, fields, rows) of each table."""
        order = self._scattered
        yield "enterprises", ["id", "name", "kind"], (
            [id, name, "sp"] for id, name in (
                *((f"sp{n:05}", f"服务商{n}") for n in range(self.senders)),
                *((f"brand{n:06}", f"品牌{n}") for n in range(self.merchants)),
            )
        )  # fmt: skip
        yield "accounts", ["system_id", "enterprise", "tps"], (
            [f"acc{n:05}", f"sp{n:05}", "1000"] for n in range(self.senders)
        )
        yield "ports", ["port", "holder", "categories", "extension_digits", "signature_required", "valid_until"], (
            [self.number(n), self.holder(n), "", "6", "true", "" if n % 3 else "2030-12-31"] for n in order(self.ports)
        )
        yield "subleases", ["port", "lessor", "lessee", "filing", "valid_until"], (
            [self.number(n), self.holder(n), self.holder(n + 1), f"file {n}", "2031-06-30"]
            for n in order(self.subleases)
        )
        yield "signatures", ["signature", "enterprise", "valid_from"], (
            [self.signature(n), self.owner(n), "2024-01-01" if n % 2 else ""] for n in order(self.signatures)
        )
        names = ["signature", "enterprise", "port", "categories", "regions", "hours", "daily_cap", "provider"]
        yield "scopes", [*names, "valid_until", "status"], (
            self._scope(n, scope) for n in order(self.signatures) for scope in range(5)
        )
        # Of every region at least one.
        prefixes = range(1300000, 1300000 + max(min(self.signatures, 500_000), 1000 * len(_REGIONS)))
        yield "regions", ["prefix", "region"], ([str(n), _REGIONS[n // 1000 % 7]] for n in prefixes)

    def _scope(self, index: int, scope: int) -> list[str]:
        port = self.scoped(index, scope)
        return [
            self.signature(index),
            self.owner(index),
            self.number(port) + ("01" if scope == 3 else ""),
            _CATEGORIES[(index + scope) % 5],
            "|".join(_REGIONS[index % 7 :]) if scope == 2 else "",
            "08:00-22:00" if scope == 1 else "",
            str(1000 + index % 9 * 1000) if scope == 3 else "",
            ("", "", self.holder(port), "", "*")[scope],
            "2030-12-31" if scope == 4 else "",
            "suspended" if scope == 4 and index % 10 == 0 else "",
        ]

    @staticmethod
    def _scattered(count: int) -> Iterator[int]:
        return (n * _SCATTER % count for n in range(count)) if count % _SCATTER else iter(range(count))


def write(folder: Path, shape: Shape) -> int:
    """The tables as csv files in `folder`; returns how many rows there are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, fields, rows in shape.tables():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(fields)
            for row in rows:
                writer.writerow(row)
                written += 1
    return written
