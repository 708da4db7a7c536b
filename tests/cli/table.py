"""Files and settings for the commands: the table of messages as rows, and a portguard.toml beside its registry."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.policy.folder import Tables, write
from tests.policy.messages import Case

SETTINGS = """\
[listen]
address = "127.0.0.1:2775"

[[smsc]]
name = "a"
address = "127.0.0.1:2776"

[registry]
path = "registry"

[metrics]
address = "127.0.0.1:9464"

[policy]
mode = "enforce"
"""


def node(folder: Path, tables: Tables, more: str = "") -> Path:
    """A portguard.toml with a registry of these tables beside it; `more` follows [policy]."""
    write(folder / "registry", tables)
    config = folder / "portguard.toml"
    config.write_text(SETTINGS + more, encoding="utf-8")
    return config


def row(case: Case) -> dict[str, object]:
    """A message as `inspect` reads it."""
    if case.pdu:
        return {"account": case.account, "pdu": case.pdu.hex(), "at": case.at}
    return {
        "account": case.account, "source_addr": case.source, "destination_addr": case.dest, "text": case.text,
        "data_coding": case.coding, "at": case.at,
    }


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Rows as csv with every field that one of them has."""
    names = list(dict.fromkeys(name for one in rows for name in one))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_jsonl(text: str) -> list[dict[str, object]]:
    """JSON lines as rows."""
    return [json.loads(line) for line in text.splitlines()]
