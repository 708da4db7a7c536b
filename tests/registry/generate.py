"""A registry folder of any size, for tests and measurements: invented names, the same rows for the same sizes.

`python tests/registry/generate.py FOLDER PORTS SIGNATURES [csv|jsonl|yaml]`
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import yaml

_FIRST = "云海星河山林风雨春秋东南西北金玉明华新天"
_SECOND = "达通联创优佳美信和泰丰盛安康乐成源茂宏远"
_THIRD = "商城科技数码食品家居旅行教育金融物流医药"

Rows = Iterable[dict[str, str]]


def enterprise_id(index: int) -> str:
    return f"e{index:06d}"


def port_number(index: int) -> str:
    """12 digits under 1069."""
    return f"1069{index:08d}"


def signature_text(index: int) -> str:
    """A brand of three to seven characters, another for each index."""
    a, index = index % len(_FIRST), index // len(_FIRST)
    b, index = index % len(_SECOND), index // len(_SECOND)
    c, index = index % len(_THIRD), index // len(_THIRD)
    return _FIRST[a] + _SECOND[b] + _THIRD[c] + (str(index) if index else "")


def tables(ports: int, signatures: int) -> dict[str, Rows]:
    """The rows of each table. One enterprise for every ten ports, holder of those; signatures go round the ports."""
    enterprises = max(1, ports // 10)
    holder = [enterprise_id(i * enterprises // ports) for i in range(ports)]

    def owner(signature: int) -> str:
        return holder[signature % ports]

    return {
        "enterprises": (
            {"id": enterprise_id(i), "name": f"企业{i}", "kind": "sp", "status": "active"} for i in range(enterprises)
        ),
        "accounts": (
            {"system_id": f"acc{i}", "enterprise": enterprise_id(i), "tps": "1000"} for i in range(enterprises)
        ),
        "ports": (
            {"port": port_number(i), "holder": holder[i], "extension_digits": "8", "signature_required": "true"}
            for i in range(ports)
        ),
        "signatures": ({"signature": signature_text(i), "enterprise": owner(i)} for i in range(signatures)),
        "scopes": (
            {
                "signature": signature_text(i),
                "enterprise": owner(i),
                "port": port_number(i % ports),
                "categories": "verification|notification",
                "valid_until": "2030-12-31",
            }
            for i in range(signatures)
        ),
        "regions": ({"prefix": str(prefix), "region": f"province{prefix % 31}"} for prefix in range(1300, 1400)),
    }


def write_table(folder: Path, name: str, rows: Rows, extension: str = "csv") -> Path:
    """One table in one of the three formats; the first row says which columns there are."""
    path = folder / f"{name}.{extension}"
    with path.open("w", encoding="utf-8", newline="") as stream:
        if extension == "csv":
            _write_csv(stream, iter(rows))
        elif extension == "jsonl":
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            yaml.safe_dump(list(rows), stream, allow_unicode=True)
    return path


def _write_csv(stream: TextIO, rows: Iterator[dict[str, str]]) -> None:
    first = list(islice(rows, 1))
    if first:
        writer = csv.DictWriter(stream, first[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(first)
        writer.writerows(rows)


def generate(folder: Path, ports: int, signatures: int, extension: str = "csv") -> Path:
    """Write a whole registry; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables(ports, signatures).items():
        write_table(folder, name, rows, extension)
    return folder


if __name__ == "__main__":
    generate(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:5])
