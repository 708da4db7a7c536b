"""Registry folders and revisions from Python rows: what the tests of the decision start from.

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


def image(place: Path, tables: Tables) -> Image:
    """The tables as an image, built under `place`."""
    return Image(build(write(place / "registry", tables), place / "revisions", TIMEZONE, "86").path)


def revision(on_file: Image, policy: Mapping[str, object]) -> Revision:
    """The image under a `[policy]`, whose mode is "enforce" unless set."""
    options = msgspec.convert({"mode": "enforce", **policy}, PolicyOptions)
    return build_revision(on_file, options, TIMEZONE, "86")


def when(text: str) -> float:
    """Epoch seconds of a local time like 2026-11-11T10:00."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()
