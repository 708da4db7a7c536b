"""A report as CSV: one long table that any spreadsheet or script can pivot."""

import csv
from collections.abc import Iterator
from typing import IO, Final

from portguard.evidence.report import DIMENSIONS, Numbers, Report, slot_name

COLUMNS: Final = (
    "table", "key", "title", "submitted", "hits", "tagged", "refused", "delivered", "complaints", "per_million",
)  # fmt: skip
# What a spreadsheet would take for a formula is made text (OWASP, CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write(report: Report, out: IO[str]) -> None:
    """All tables of the report, each row with the name of its table in front; `rule` rows have their hits by action in
    the columns of the same meaning."""
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows(report):
        writer.writerow(row)


def rows(report: Report) -> Iterator[list[object]]:
    """The rows below the header."""
    yield _row("total", report.node, report.enterprise, report.total)
    for at, numbers in report.slots.items():
        yield _row("time", slot_name(report, at), "", numbers)
    for rule in report.rules:
        yield ["rule", rule.code, rule.name, "", rule.hits, rule.tagged, rule.refused + rule.discarded, "", "", ""]
    for name in DIMENSIONS:
        for line in report.tables[name]:
            yield _row(name, line.key, line.title, line.numbers)
        rest = report.rests[name]
        if rest.lines:
            yield _row(name, f"({rest.lines} others)", "", rest.numbers)
    for kind, happenings in report.happenings.items():
        for one in happenings:
            yield [kind, f"{report.local(one.at).isoformat()}", safe(f"{one.what} {one.detail} {one.by}".strip()),
                   *[""] * (len(COLUMNS) - 3)]  # fmt: skip


def _row(table: str, key: str, title: str, n: Numbers) -> list[object]:
    rate = "" if n.per_million is None else round(n.per_million, 4)
    return [table, safe(key), safe(title), n.submitted, n.hits, n.tagged, n.refused, n.arrived, n.complaints, rate]


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
