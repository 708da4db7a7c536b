"""The registry of these tests: small, and with a row for each rule to break.

A registry is `Tables`: rows by table, each row its filled fields by name. The enterprise `star` sends; what keeps it
from sending stands on the row in question.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

Row = dict[str, str]
Tables = dict[str, list[Row]]

ZONE = ZoneInfo("Asia/Shanghai")
PAST = "2020-12-31"

# Numbers, by what is the matter with them.
OWN = "10690001"
SHORT_EXTENSION = "10690002"
SUSPENDED = "10690003"
FOREIGN = "10690004"
EXPIRED_SUBLEASE = "10690005"
DEEP_SUBLEASE = "10690006"
GONE_HOLDER = "10690007"
NO_MARKETING = "10690008"
SUBLEASED = "10690009"
FREE_TEXT = "10690010"
UNREGISTERED = "10770001"

# Signatures, likewise.
STAR = "星辰商城"
MOON = "月光银行"
OLD = "旧日商行"
ELSEWHERE = "星辰出行"
OTHER_PROVIDER = "星辰代发"
VERIFYING = "星辰验证"
NORTH = "星辰北京"
NIGHT = "星辰夜间"
CAPPED = "星辰限量"
NOBODY = "无名小店"

NORTHERN, SOUTHERN = "13910001234", "13916001234"


def standard() -> Tables:
    """All tables."""
    return {
        "enterprises": [
            {"id": "operator", "kind": "operator"},
            {"id": "star", "kind": "platform"},
            {"id": "sun", "kind": "sp"},
            {"id": "gone", "kind": "sp", "status": "suspended"},
        ],
        "accounts": [
            {"system_id": "star", "enterprise": "star"},
            {"system_id": "star2", "enterprise": "star"},
            {"system_id": "tagged", "enterprise": "star", "mode": "tag"},
            {"system_id": "watched", "enterprise": "star", "mode": "monitor"},
            {"system_id": "silent", "enterprise": "star"},
            {"system_id": "slow", "enterprise": "star", "tps": "5"},
            {"system_id": "twice", "enterprise": "star", "max_binds": "2"},
            {"system_id": "inside", "enterprise": "star", "networks": "10.0.0.0/8|192.168.7.7"},
            {"system_id": "local", "enterprise": "star", "networks": "127.0.0.0/8"},
            {"system_id": "asleep", "enterprise": "star", "status": "suspended"},
        ],
        "ports": [
            {"port": OWN, "holder": "star", "signature_required": "true"},
            {"port": SHORT_EXTENSION, "holder": "star", "extension_digits": "2"},
            {"port": SUSPENDED, "holder": "star", "status": "suspended"},
            {"port": FOREIGN, "holder": "sun"},
            {"port": EXPIRED_SUBLEASE, "holder": "sun"},
            {"port": DEEP_SUBLEASE, "holder": "operator"},
            {"port": GONE_HOLDER, "holder": "gone"},
            {"port": NO_MARKETING, "holder": "star", "categories": "verification|notification"},
            {"port": SUBLEASED, "holder": "operator"},
            {"port": FREE_TEXT, "holder": "star"},
        ],
        "subleases": [
            {"port": EXPIRED_SUBLEASE, "lessor": "sun", "lessee": "star", "valid_until": PAST},
            {"port": DEEP_SUBLEASE, "lessor": "operator", "lessee": "sun"},
            {"port": DEEP_SUBLEASE, "lessor": "sun", "lessee": "star"},
            {"port": GONE_HOLDER, "lessor": "gone", "lessee": "star"},
            {"port": SUBLEASED, "lessor": "operator", "lessee": "star"},
        ],
        "signatures": [
            *({"signature": each, "enterprise": "star"} for each in (STAR, ELSEWHERE, OTHER_PROVIDER, VERIFYING)),
            *({"signature": each, "enterprise": "star"} for each in (NORTH, NIGHT, CAPPED)),
            {"signature": MOON, "enterprise": "sun"},
            {"signature": OLD, "enterprise": "star", "valid_until": PAST},
        ],
        "scopes": _scopes(),
        "regions": [{"prefix": "13910", "region": "北京"}, {"prefix": "13916", "region": "上海"}],
    }


def _scopes() -> list[Row]:
    held = [OWN, SHORT_EXTENSION, SUSPENDED, NO_MARKETING]
    everywhere = [*held, EXPIRED_SUBLEASE, DEEP_SUBLEASE, GONE_HOLDER, SUBLEASED]
    narrow = {
        OTHER_PROVIDER: {"provider": "sun"},
        VERIFYING: {"categories": "verification"},
        NORTH: {"regions": "北京"},
        NIGHT: {"hours": not_now()},
        CAPPED: {"daily_cap": "1"},
        OLD: {},
    }
    return [
        *({"signature": STAR, "enterprise": "star", "port": port, "provider": "star"} for port in everywhere),
        {"signature": STAR, "enterprise": "star", "port": FREE_TEXT},
        {"signature": ELSEWHERE, "enterprise": "star", "port": SUBLEASED},
        {"signature": MOON, "enterprise": "sun", "port": FOREIGN},
        *({"signature": name, "enterprise": "star", "port": OWN, **more} for name, more in narrow.items()),
    ]


def not_now() -> str:
    """Hours of the day that do not hold the present one, nor the next."""
    now = datetime.now(ZONE)
    return f"{now + timedelta(hours=6):%H:%M}-{now + timedelta(hours=8):%H:%M}"


def write(folder: Path, registry: Tables) -> None:
    """Writes every table as csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in registry.items():
        write_table(folder, name, rows)


def write_table(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Writes one table as csv, in one step."""
    fields = list(dict.fromkeys(field for row in rows for field in row))
    fresh = folder / f".{name}.fresh"
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)
    fresh.replace(folder / f"{name}.csv")
