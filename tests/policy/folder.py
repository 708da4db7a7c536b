"""Registry folders and desks from Python rows: what the tests of the decision start from.

`Tables` are rows by table; a row has only the fields that say something. Lists are written as on file, with `|`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from portguard.policy.assembly import build_revision
from portguard.policy.desk import Desk
from portguard.policy.options import PolicyOptions
from portguard.policy.revision import Revision
from portguard.registry.build import build
from portguard.registry.image import Image

Row = Mapping[str, object]
Tables = Mapping[str, Sequence[Row]]

TIMEZONE = "Asia/Shanghai"
ZONE = ZoneInfo(TIMEZONE)
OWN_TAGS = [0x1D01, 0x1D02, 0x1D03, 0x1D04]


def write(folder: Path, tables: Tables) -> Path:
    """The tables as csv files in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        fields = list(dict.fromkeys(field for row in rows for field in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(rows)
    return folder


def revision(folder: Path, tables: Tables, policy: Mapping[str, object] | None = None) -> Revision:
    """A revision of the tables under `[policy]`, whose mode is "enforce" unless set. Files go under `folder`."""
    built = build(write(folder / "registry", tables), folder / "revisions", TIMEZONE, "86")
    options = msgspec.convert({"mode": "enforce", **(policy or {})}, PolicyOptions)
    return build_revision(Image(built.path), options, TIMEZONE, "86")


def desk(folder: Path, tables: Tables, **policy: object) -> Desk:
    """A Desk over the tables under `[policy]`."""
    return Desk(revision(folder, tables, policy), OWN_TAGS)


def when(text: str) -> float:
    """Epoch seconds of a local time like 2026-11-11T10:00."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()
