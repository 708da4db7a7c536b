"""A report's numbers, page and sheet, from a real journal and traffic store."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from portguard.evidence.reader import Reader
from portguard.evidence.report import DAY, HOUR, Line, Report, begin_slots, gather, midnight, slot_length
from portguard.evidence.report_page import render
from portguard.evidence.report_sheet import COLUMNS, write
from portguard.evidence.traffic import Traffic
from portguard.policy.reasons import MONITOR, REJECT, TAG
from portguard.policy.tally import TallyRow
from tests.evidence.packed import NOON, named
from tests.evidence.stage import Stage

ZONE = ZoneInfo("Asia/Shanghai")
HOUR_OF_NOON = NOON // HOUR * HOUR


def tallied(**changes: object) -> TallyRow:
    usual = {
        "account": "acct", "enterprise": "north", "port": "1069", "number": "106900010", "holder": "holder",
        "signature": "星辰商城", "owner": "north", "category": 3, "industry": 1, "submitted": 1000, "refused": 10,
        "tagged": 20, "delivered": 950, "failed": 50,
    }  # fmt: skip
    return TallyRow(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Stage, Traffic]:
    """A journal and counts of two enterprises, complaints, and what came of them."""
    stage = Stage(tmp_path)
    stage.violations(3, code=204, action=REJECT)
    stage.violations(2, code=402, action=TAG)
    stage.violations(1, code=302, action=MONITOR, label=named("south01", "月光银行", enterprise="south", port="1068"))
    stage.event("left_out", account="acct", code=204, count=7)
    for place in range(2):
        stage.event("complaint", id=str(place), port="1069", signature="星辰商城", holder="holder",
                    enterprises=["north"], chain=[])  # fmt: skip
    stage.event("complaint", id="x", port="1068", signature="", holder="south", enterprises=["south"], chain=[])
    stage.event("escalation", kind="signature", name="星辰商城", level="suspend", before="none", until=NOON + DAY,
                reason="2 complaints on <950>", by="portguard")  # fmt: skip
    stage.event("alert", alert="complaint_suspend", severity="critical", summary="signature 星辰商城 is now at suspend")
    stage.event("registry", revision="a" * 16, before="b" * 16, why="change", counts={"ports": 2})
    stage.event("audit", who="an admin", what="lift", target="signature 星辰商城", outcome="done")
    stage.write()
    stage.turn()
    stage.close()
    traffic = Traffic(tmp_path / "traffic.sqlite")
    south = tallied(
        account="south01", enterprise="south", port="1068", signature="月光银行", owner="south", category=1, industry=0,
        submitted=500, refused=0, tagged=0, delivered=500, failed=0,
    )  # fmt: skip
    traffic.add([tallied(), south], NOON)
    traffic.flush()
    return stage, traffic


def made(
    filled: tuple[Stage, Traffic], since: float = HOUR_OF_NOON, until: float = 0.0, enterprise: str = ""
) -> Report:
    stage, traffic = filled
    until = until or HOUR_OF_NOON + 2 * HOUR
    report = Report("gw1", since, until, ZONE, enterprise, NOON, "1.0", "c" * 16, slot_length(since, until))
    with Reader(stage.folder) as reader:
        return gather(report, reader, traffic, {"enterprise": lambda id: "北方<公司>" if id == "north" else ""})


def line(report: Report, table: str, key: str) -> Line:
    (found,) = [line for line in report.tables[table] if line.key == key]
    return found


def test_totals(filled: tuple[Stage, Traffic]) -> None:
    total = made(filled).total
    assert (total.submitted, total.refused, total.tagged, total.passed) == (1500, 10, 20, 1470)
    assert (total.delivered, total.arrived, total.hits, total.complaints) == (1450, 1400, 13, 3)
    assert total.per_million == pytest.approx(3 / 1400 * 1e6)


def test_rules(filled: tuple[Stage, Traffic]) -> None:
    rules = made(filled).rules
    found = {rule.code: (rule.hits, rule.refused, rule.tagged, rule.monitored, rule.left_out) for rule in rules}
    assert found == {204: (10, 3, 0, 0, 7), 402: (2, 0, 2, 0, 0), 302: (1, 0, 0, 1, 0)}


@pytest.mark.parametrize(
    ("table", "key", "submitted", "hits", "complaints"),
    [
        ("enterprise", "north", 1000, 5, 2), ("enterprise", "south", 500, 1, 1), ("port", "1069", 1000, 5, 2),
        ("signature", "月光银行", 500, 1, 0), ("account", "acct", 1000, 12, 0), ("content", "verification", 500, 0, 0),
        ("content", "marketing/retail", 1000, 0, 0),
    ],
)  # fmt: skip
def test_lines(
    filled: tuple[Stage, Traffic], table: str, key: str, submitted: int, hits: int, complaints: int
) -> None:
    numbers = line(made(filled), table, key).numbers
    assert (numbers.submitted, numbers.hits, numbers.complaints) == (submitted, hits, complaints)


def test_slots_add_up_to_the_total(filled: tuple[Stage, Traffic]) -> None:
    for since, until in ((HOUR_OF_NOON, HOUR_OF_NOON + 2 * HOUR), (NOON - 5 * DAY, NOON + 5 * DAY)):
        report = made(filled, since, until)
        for name in ("submitted", "refused", "hits", "complaints"):
            assert sum(getattr(slot, name) for slot in report.slots.values()) == getattr(report.total, name)
        assert sum(counts.total() for counts in report.rules_by_slot.values()) == report.total.hits


def test_one_enterprise_sees_its_own(filled: tuple[Stage, Traffic]) -> None:
    report = made(filled, enterprise="south")
    assert (report.total.submitted, report.total.hits, report.total.complaints) == (500, 1, 1)
    assert set(report.happenings) == {"registry"}
    assert "北方" not in render(report)


def test_another_time_has_nothing(filled: tuple[Stage, Traffic]) -> None:
    report = made(filled, NOON + 10 * DAY, NOON + 11 * DAY)
    assert (report.total.submitted, report.total.hits, report.happenings) == (0, 0, {})
    assert "No message broke a rule" in render(report)


class Page(HTMLParser):
    """What a browser would have to fetch or run, and whether elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wanted: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag in ("script", "link", "iframe", "img"):
            self.wanted.append(tag)
        self.wanted += [f"{name}={value}" for name, value in attrs if name in ("src", "srcset", "action")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_needs_nothing_else_and_is_sound(filled: tuple[Stage, Traffic]) -> None:
    html = render(made(filled))
    page = Page()
    page.feed(html)
    text = " ".join(" ".join(page.text).split())
    assert (page.open, page.wanted) == ([], [])
    assert not re.search(r"url\((?!#)", html)
    for words in ("1,500", "204 signature_unregistered", "【星辰商城】", "signature 星辰商城: none -> suspend until",
                  "2 complaints on <950>", "北方<公司>", "registry revision cccccccccccccccc"):  # fmt: skip
        assert words in text, words
    assert html.count("<svg") == 3


def test_the_sheet_has_every_line_and_no_formula(filled: tuple[Stage, Traffic], tmp_path: Path) -> None:
    report = made(filled)
    report.tables["signature"][0] = report.tables["signature"][0]._replace(key='=HYPERLINK("x")')
    out = io.StringIO(newline="")
    write(report, out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert {row["table"] for row in rows} >= {"total", "time", "rule", "enterprise", "port", "signature", "escalation"}
    assert next(row for row in rows if row["table"] == "rule" and row["key"] == "204")["hits"] == "10"
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "@"))]


def test_without_traffic_it_says_so(filled: tuple[Stage, Traffic]) -> None:
    stage, _ = filled
    report = Report("gw1", NOON - HOUR, NOON + HOUR, ZONE, "", NOON, "1.0", "", HOUR)
    with Reader(stage.folder) as reader:
        gather(report, reader, None, {})
    assert report.total.hits == 13
    assert "Nothing of the traffic was counted" in render(report)


def test_days_are_the_nodes_own() -> None:
    zone = ZoneInfo("Europe/Berlin")
    since, until = midnight("2026-03-28", zone), midnight("2026-03-30", zone, after=True)
    report = Report("gw1", since, until, zone, "", 0.0, "", "", DAY)
    assert until - since == 3 * DAY - HOUR
    begin_slots(report)
    assert [f"{report.local(at):%m-%d %H:%M}" for at in report.slots] == ["03-28 00:00", "03-29 00:00", "03-30 00:00"]
    with pytest.raises(ValueError, match="soon"):
        midnight("soon", zone)
