"""What is on file for the benchmark: a registry that permits its traffic, and the settings of the portguard under test.

Every table is there and every account has what a real one has: half of them send over a sublease, signatures have
scopes with categories, regions, hours or daily caps, and some have templates. Further rows fill the registry up to any
size; only the traffic `wide` meets them.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from traffic import (
    ACCOUNTS,
    PREFIXES,
    SIGNATURES,
    enterprise,
    filling_account,
    filling_port,
    filling_signature,
    port,
    signature,
    system_id,
)

_CODE = "您的验证码是{code}，五分钟内有效，请勿泄露给他人，如非本人操作请忽略{rest}"

# Long times, since the sink makes its traffic when it is first asked for it.
_SETTINGS = """
[node]
state = "state"
workers = {workers}

[listen]
address = "127.0.0.1:{port}"
bind_timeout = 60

[[smsc]]
name = "sink"
address = "127.0.0.1:{smsc}"
bind_timeout = 60

[registry]
path = "registry"
watch = false

[policy]
mode = "enforce"

[metrics]
address = "127.0.0.1:{metrics}"

[evidence]
path = "evidence"
"""


def write_settings(folder: Path, listen: int, smsc: int, metrics: int, workers: int = 1, more: str = "") -> Path:
    """portguard.toml in `folder`; `more` goes on in its last section, [evidence]. Returns its path."""
    path = folder / "portguard.toml"
    path.write_text(
        _SETTINGS.format(port=listen, smsc=smsc, metrics=metrics, workers=workers) + more, encoding="utf-8"
    )
    return path


def write_registry(folder: Path, rows: int, scopes: int = 1) -> None:
    """The tables, filled up with `rows` ports and signatures, each signature with that many scopes."""
    folder.mkdir()
    accounts = range(ACCOUNTS)
    enterprises = [["platform", "平台", "sp"], *([enterprise(a), f"企业{a}", "sp"] for a in accounts)]
    _table(folder, "enterprises", ["id", "name", "kind"], enterprises)
    _table(folder, "accounts", ["system_id", "enterprise"], ([system_id(a), enterprise(a)] for a in accounts))
    _table(folder, "ports", ["port", "holder", "extension_digits", "signature_required"], _ports(rows))
    leased = [[port(a), "platform", enterprise(a)] for a in accounts if a % 2]
    _table(folder, "subleases", ["port", "lessor", "lessee"], leased)
    _table(folder, "signatures", ["signature", "enterprise"], _signatures(rows))
    names = ["signature", "enterprise", "port", "categories", "regions", "hours", "daily_cap", "provider"]
    _table(folder, "scopes", names, _scopes(rows, scopes))
    templates = [[f"code{a}", signature(a, 0), enterprise(a), "verification", _CODE] for a in accounts]
    _table(folder, "templates", ["id", "signature", "enterprise", "category", "text"], templates)
    _table(folder, "regions", ["prefix", "region"], PREFIXES.items())
    _table(folder, "words", ["word", "category", "weight"], [["秋季新品", "marketing/retail", "3"]])


def _signed() -> Iterator[tuple[int, int]]:
    return ((account, number) for account in range(ACCOUNTS) for number in range(SIGNATURES))


def _ports(rows: int) -> Iterator[list[str]]:
    for account in range(ACCOUNTS):
        yield [port(account), "platform" if account % 2 else enterprise(account), "8", "true"]
    for row in range(rows):
        yield [filling_port(row), enterprise(filling_account(row)), "4", "true"]


def _signatures(rows: int) -> Iterator[list[str]]:
    for account, number in _signed():
        yield [signature(account, number), enterprise(account)]
    for row in range(rows):
        yield [filling_signature(row), enterprise(filling_account(row))]


def _scopes(rows: int, scopes: int) -> Iterator[list[str]]:
    for account, number in _signed():
        yield [signature(account, number), enterprise(account), port(account), *_narrowed(number), "*"]
    for row in range(rows):
        named = [filling_signature(row), enterprise(filling_account(row)), filling_port(row)]
        for number in range(scopes):
            yield [*named, *_narrowed(row + number), ""]


def _narrowed(number: int) -> list[str]:
    """categories, regions, hours and daily_cap of a scope, in turn."""
    categories = "verification|notification|marketing/retail" if number % 2 else ""
    regions = "|".join(PREFIXES.values()) if number % 3 == 0 else ""
    hours = "00:00-24:00" if number % 4 == 1 or number % 12 == 8 else ""
    return [categories, regions, hours, "1000000000" if number % 4 == 2 else ""]


def _table(folder: Path, name: str, fields: list[str], rows: Iterable[Iterable[str]]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows(rows)
