"""What is on file for the benchmark: a registry that permits its traffic, and the settings of the portguard under test.

Every table is there and every account has what a real one has: half of them send over a sublease, signatures have
scopes with categories, regions, hours or daily caps, and some have templates. Rows that no message meets fill it up.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from traffic import ACCOUNTS, PREFIXES, SIGNATURES, port, signature, system_id

_CODE = "您的验证码是{code}，五分钟内有效，请勿泄露给他人，如非本人操作请忽略{rest}"

_SETTINGS = """
[node]
state = "state"

[listen]
address = "127.0.0.1:{port}"

[[smsc]]
name = "sink"
address = "127.0.0.1:{smsc}"

[registry]
path = "registry"
watch = false

[policy]
mode = "enforce"

[metrics]
address = "127.0.0.1:{metrics}"
"""


def write_settings(folder: Path, listen: int, smsc: int, metrics: int) -> Path:
    """portguard.toml in `folder`; returns its path."""
    path = folder / "portguard.toml"
    path.write_text(_SETTINGS.format(port=listen, smsc=smsc, metrics=metrics), encoding="utf-8")
    return path


def write_registry(folder: Path, more: int) -> None:
    """The tables, with `more` ports, signatures and scopes that nobody uses."""
    folder.mkdir()
    accounts = range(ACCOUNTS)
    enterprises = [
        ["platform", "平台", "sp"],
        ["rest", "其余", "sp"],
        *([f"ent{a}", f"企业{a}", "sp"] for a in accounts),
    ]
    _table(folder, "enterprises", ["id", "name", "kind"], enterprises)
    _table(folder, "accounts", ["system_id", "enterprise"], ([system_id(a), f"ent{a}"] for a in accounts))
    ports = [[port(a), "platform" if a % 2 else f"ent{a}", "8", "true"] for a in accounts]
    ports += [[f"1065{n:08}", "rest", "4", "true"] for n in range(more)]
    _table(folder, "ports", ["port", "holder", "extension_digits", "signature_required"], ports)
    leased = [[port(a), "platform", f"ent{a}"] for a in accounts if a % 2]
    _table(folder, "subleases", ["port", "lessor", "lessee"], leased)
    signed = [(a, s, signature(a, s)) for a in accounts for s in range(SIGNATURES)]
    signatures = [[text, f"ent{a}"] for a, _, text in signed] + [[f"商户{n:07}", "rest"] for n in range(more)]
    _table(folder, "signatures", ["signature", "enterprise"], signatures)
    scopes = [[text, f"ent{a}", port(a), *_narrowed(s), "*"] for a, s, text in signed]
    scopes += [[f"商户{n:07}", "rest", f"1065{n:08}", "", "", "", "", ""] for n in range(more)]
    names = ["signature", "enterprise", "port", "categories", "regions", "hours", "daily_cap", "provider"]
    _table(folder, "scopes", names, scopes)
    templates = [[f"code{a}", signature(a, 0), f"ent{a}", "verification", _CODE] for a in accounts]
    _table(folder, "templates", ["id", "signature", "enterprise", "category", "text"], templates)
    _table(folder, "regions", ["prefix", "region"], PREFIXES.items())
    _table(folder, "words", ["word", "category", "weight"], [["秋季新品", "marketing/retail", "3"]])


def _narrowed(number: int) -> list[str]:
    """categories, regions, hours and daily_cap of a scope, in turn."""
    categories = "verification|notification|marketing/retail" if number % 2 else ""
    regions = "|".join(PREFIXES.values()) if number % 3 == 0 else ""
    hours = "00:00-24:00" if number % 4 == 1 else ""
    return [categories, regions, hours, "1000000000" if number % 4 == 2 else ""]


def _table(folder: Path, name: str, fields: list[str], rows: Iterable[Iterable[str]]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows(rows)
