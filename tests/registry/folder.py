"""A small sound registry to break in one place at a time."""

from copy import deepcopy
from pathlib import Path

from portguard.registry.check import check_folder
from portguard.registry.review import Review
from tests.registry.generate import write_table

Row = dict[str, str]
Tables = dict[str, list[Row]]

SOUND: Tables = {
    "enterprises": [
        {"id": "telco", "name": "Operator", "kind": "operator", "platform": ""},
        {"id": "hub", "name": "Hub", "kind": "sp", "platform": ""},
        {"id": "river", "name": "River", "kind": "sp", "platform": ""},
        {"id": "mall", "name": "Mall", "kind": "platform", "platform": ""},
        {"id": "tea", "name": "Tea", "kind": "merchant", "platform": "mall"},
    ],
    "accounts": [
        {"system_id": "hub01", "enterprise": "hub", "networks": "10.0.0.0/8|::1", "tps": "100"},
        {"system_id": "tea01", "enterprise": "tea", "networks": "", "tps": ""},
    ],
    "ports": [
        {"port": "106900001", "holder": "hub", "valid_from": "2024-01-01", "valid_until": "2026-12-31"},
        {"port": "1069000018", "holder": "mall", "valid_from": "", "valid_until": ""},
    ],
    "subleases": [
        {"port": "106900001", "lessor": "hub", "lessee": "river", "exclusive": "", "valid_until": ""},
        {"port": "10690000155", "lessor": "river", "lessee": "tea", "exclusive": "false", "valid_until": ""},
    ],
    "signatures": [
        {"signature": "青芽茶业", "enterprise": "tea", "valid_from": "", "valid_until": ""},
        {"signature": "山海商城", "enterprise": "mall", "valid_from": "", "valid_until": ""},
    ],
    "scopes": [
        {
            "signature": "青芽茶业",
            "enterprise": "tea",
            "port": "10690000155",
            "categories": "marketing/food",
            "regions": "广东",
            "hours": "08:00-22:00|23:00-01:00",
            "daily_cap": "10",
            "provider": "",
        },
        {
            "signature": "山海商城",
            "enterprise": "mall",
            "port": "",
            "categories": "",
            "regions": "",
            "hours": "",
            "daily_cap": "",
            "provider": "mall",
        },
    ],
    "templates": [
        {
            "id": "t1",
            "signature": "青芽茶业",
            "enterprise": "tea",
            "category": "notification",
            "text": "您的茶{name}已发货",
        },
    ],
    "regions": [{"prefix": "1380755", "region": "广东"}, {"prefix": "+861380010", "region": "北京"}],
    "words": [{"word": "秋茶", "category": "marketing/food", "weight": "3"}],
}


def sound() -> Tables:
    """A copy that a test may change."""
    return deepcopy(SOUND)


def write(folder: Path, tables: Tables, extension: str = "csv") -> Path:
    """The tables as files in `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_table(folder, name, rows, extension)
    return folder


def review(folder: Path, tables: Tables) -> Review:
    """Write the tables and check them, to the end."""
    found = check_folder(write(folder, tables))
    found.settle()
    return found
