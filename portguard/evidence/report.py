"""What a report says: counts of the traffic and of the journal, and what happened, brought together for a period.

Nouns: a *slot* is an hour or a day of the period, whichever makes it readable; a *line* is one enterprise, port,
signature, account or kind of content with its numbers; a *happening* is an event of the journal in words. Counts come
from the index and the traffic store, so that ten million records take seconds; only events are read one by one.

report        the numbers       report_charts  pictures, as SVG
report_page   the HTML page     report_sheet   the same as CSV
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from portguard.evidence.reader import Reader
from portguard.evidence.rows import Fields, content_names
from portguard.evidence.tallies import LEFT_OUT
from portguard.evidence.traffic import Total, Traffic
from portguard.policy.reasons import DISCARD, MONITOR, REJECT, RULE_BY_CODE, TAG

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LINES: Final = 50
HAPPENINGS: Final = 500
# Longer periods are shown by day.
_HOURLY: Final = 3 * DAY
COUNTED: Final = ("submitted", "refused", "tagged", "delivered", "failed")
MILLION: Final = 1_000_000
DIMENSIONS: Final = ("enterprise", "port", "signature", "account", "content")

Names = Callable[[str], str]


@dataclass
class Numbers:
    """Messages by what became of them, counted in recipients. `hits` are records of the journal: what broke a rule,
    refused or not; in mode monitor that is all there is to see."""

    submitted: int = 0
    refused: int = 0
    tagged: int = 0
    delivered: int = 0
    failed: int = 0
    hits: int = 0
    complaints: int = 0

    def add(self, total: Total) -> None:
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(total, name))

    @property
    def passed(self) -> int:
        """Neither refused nor tagged."""
        return max(self.submitted - self.refused - self.tagged, 0)

    @property
    def arrived(self) -> int:
        """Taken by the SMSC, less what a receipt said was lost."""
        return max(self.delivered - self.failed, 0)

    @property
    def per_million(self) -> float | None:
        """Complaints per million delivered, None when nothing was."""
        return self.complaints / self.arrived * MILLION if self.arrived else None


class RuleLine(NamedTuple):
    """A rule with its hits by action; `left_out` are those beyond the records that an account may leave a second."""

    code: int
    name: str
    fires_when: str
    refused: int
    discarded: int
    tagged: int
    monitored: int
    left_out: int

    @property
    def hits(self) -> int:
        return self.refused + self.discarded + self.tagged + self.monitored + self.left_out


class Line(NamedTuple):
    """One value of a dimension; `title` is what it is called, where that is known."""

    key: str
    title: str
    numbers: Numbers


class Happening(NamedTuple):
    """An event: `what` in one phrase, `detail` in words."""

    at: float
    kind: str
    what: str
    detail: str
    by: str = ""


class Rest(NamedTuple):
    """What a table leaves away."""

    lines: int
    numbers: Numbers


@dataclass
class Report:
    """Everything a page or sheet says. Times are epoch seconds, `until` is exclusive."""

    node: str
    since: float
    until: float
    zone: ZoneInfo
    enterprise: str
    made: float
    version: str
    revision: str
    slot: int
    total: Numbers = field(default_factory=Numbers)
    slots: dict[float, Numbers] = field(default_factory=dict)
    rules: list[RuleLine] = field(default_factory=list)
    rules_by_slot: dict[float, Counter[int]] = field(default_factory=dict)
    tables: dict[str, list[Line]] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)
    happenings: dict[str, list[Happening]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    records: tuple[int, int] = (0, 0)
    damaged: int = 0
    counted_since: float | None = None

    def local(self, at: float) -> datetime:
        """A time in the node's zone."""
        return datetime.fromtimestamp(at, self.zone)


class Period(NamedTuple):
    """What is asked for; `enterprise` "" for all."""

    since: float
    until: float
    enterprise: str = ""

    @property
    def hours(self) -> tuple[int, int]:
        """The hours since the epoch that it touches."""
        return int(self.since // HOUR), int(-(-self.until // HOUR))

    def where(self) -> dict[str, str]:
        return {"enterprise": self.enterprise} if self.enterprise else {}


def gather(report: Report, reader: Reader, traffic: Traffic | None, titles: Mapping[str, Names]) -> Report:
    """Fill a report in. `titles` tells names by dimension. Raises OSError, TrafficError."""
    period = Period(report.since, report.until, report.enterprise)
    begin_slots(report)
    tables: dict[str, dict[str, Numbers]] = {name: defaultdict(Numbers) for name in DIMENSIONS}
    if traffic is not None:
        report.counted_since = traffic.known_since()
        _count_traffic(report, traffic, period, tables)
    _count_hits(report, reader, period, tables)
    _read_events(report, reader, period, tables)
    for name, lines in tables.items():
        _table(report, name, lines, titles.get(name, lambda key: ""))
    report.records = reader.oldest(), reader.latest()
    report.damaged = reader.damaged
    return report


def slot_of(report: Report, at: float) -> float:
    """The beginning of the slot that `at` lies in: a whole hour, or a midnight of the node's zone."""
    if report.slot == HOUR:
        return at // HOUR * HOUR
    day = report.local(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp()


def slot_name(report: Report, at: float) -> str:
    """A slot as a person would say it."""
    return f"{report.local(at):%Y-%m-%d}" if report.slot == DAY else f"{report.local(at):%m-%d %H:00}"


def slot_length(since: float, until: float) -> int:
    """Hours or days?"""
    return HOUR if until - since <= _HOURLY else DAY


def begin_slots(report: Report) -> None:
    """Empty slots for the whole period."""
    at = slot_of(report, report.since)
    while at < report.until:
        report.slots[at] = Numbers()
        report.rules_by_slot[at] = Counter()
        # Noon of the next day is in the next day, whatever the clocks do in between.
        at = at + HOUR if report.slot == HOUR else slot_of(report, at + DAY + DAY / 2)


def _count_traffic(report: Report, traffic: Traffic, period: Period, tables: dict[str, dict[str, Numbers]]) -> None:
    since, until = (hour * HOUR for hour in period.hours)
    where = period.where()
    for total in traffic.totals(since, until, ("hour",), where):
        report.total.add(total)
        slot = report.slots.get(slot_of(report, float(total.group[0])))
        if slot is not None:
            slot.add(total)
    for name in DIMENSIONS:
        by = ("category", "industry") if name == "content" else (name,)
        for total in traffic.totals(since, until, by, where):
            tables[name][_content(*total.group) if name == "content" else str(total.group[0])].add(total)


def _content(category: Any, industry: Any) -> str:
    names = content_names(int(category) << 4 | int(industry))
    return "/".join(name for name in names if name)


def _count_hits(report: Report, reader: Reader, period: Period, tables: dict[str, dict[str, Numbers]]) -> None:
    since, until = period.hours
    where = period.where()
    by_rule: dict[int, Counter[int]] = defaultdict(Counter)
    for (hour, code, action), count in reader.counts(("hour", "code", "action"), since, until, where).items():
        by_rule[code][action] += count
        report.total.hits += count
        at = slot_of(report, hour * HOUR)
        if at in report.slots:
            report.slots[at].hits += count
            report.rules_by_slot[at][code] += count
    lines = [_rule_line(code, counts) for code, counts in by_rule.items()]
    report.rules = sorted(lines, key=lambda line: (-line.hits, line.code))
    for name in DIMENSIONS:
        for (key,), count in reader.counts((name,), since, until, where).items():
            tables[name]["/".join(filter(None, content_names(key))) if name == "content" else str(key)].hits += count


def _rule_line(code: int, counts: Counter[int]) -> RuleLine:
    rule = RULE_BY_CODE.get(code)
    return RuleLine(
        code, rule.name if rule else "", rule.fires_when if rule else "the decision itself failed", counts[REJECT],
        counts[DISCARD], counts[TAG], counts[MONITOR], counts[LEFT_OUT],
    )


def _table(report: Report, name: str, lines: dict[str, Numbers], title: Names) -> None:
    """The lines with the most to say, and what the others come to."""
    ordered = sorted(lines.items(), key=lambda item: (-item[1].complaints, -item[1].hits, -item[1].submitted, item[0]))
    report.tables[name] = [Line(key, title(key), numbers) for key, numbers in ordered[:LINES]]
    rest = Numbers()
    for _, numbers in ordered[LINES:]:
        for count in (*COUNTED, "hits", "complaints"):
            setattr(rest, count, getattr(rest, count) + getattr(numbers, count))
    report.rests[name] = Rest(len(ordered[LINES:]), rest)


# ---- what happened


def _read_events(report: Report, reader: Reader, period: Period, tables: dict[str, dict[str, Numbers]]) -> None:
    for _, kind, fields in reader.events(period.since, period.until):
        at = float(str(fields.get("at", 0.0)))
        if kind == "complaint":
            if not _concerns(period.enterprise, _names(fields, "enterprises", "chain") | _names(fields, "holder")):
                continue
            report.total.complaints += 1
            slot = report.slots.get(slot_of(report, at))
            if slot is not None:
                slot.complaints += 1
            for name in ("port", "signature"):
                if fields.get(name):
                    tables[name][str(fields[name])].complaints += 1
            for enterprise in _names(fields, "enterprises"):
                tables["enterprise"][enterprise].complaints += 1
        elif kind in _TELL and (not period.enterprise or kind in ("registry", "journal")):
            kept = report.happenings.setdefault(kind, [])
            kept.append(Happening(at, kind, *_TELL[kind](fields, report)))
            if len(kept) > HAPPENINGS:
                del kept[0]
                report.dropped[kind] += 1


def _names(fields: Fields, *keys: str) -> set[str]:
    found: set[str] = set()
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, list):
            found.update(str(one) for one in value)
    return found - {""}


def _concerns(enterprise: str, named: Iterable[str]) -> bool:
    return not enterprise or enterprise in named


def _escalation(fields: Fields, report: Report) -> tuple[str, str, str]:
    until = fields.get("until")
    ends = f" until {report.local(float(until)):%Y-%m-%d %H:%M}" if isinstance(until, int | float) and until else ""
    name = f"{fields.get('kind', '')} {fields.get('name', '')}"
    steps = f"{fields.get('before') or 'none'} -> {fields.get('level') or 'none'}{ends}"
    return f"{name}: {steps}", str(fields.get("reason", "")), str(fields.get("by", ""))


def _alert(fields: Fields, report: Report) -> tuple[str, str, str]:
    return f"{fields.get('severity', '')}: {fields.get('alert', '')}", str(fields.get("summary", "")), ""


def _registry(fields: Fields, report: Report) -> tuple[str, str, str]:
    counts = fields.get("counts")
    rows = ", ".join(f"{count} {table}" for table, count in counts.items()) if isinstance(counts, dict) else ""
    before = fields.get("before") or "none"
    return f"revision {before} -> {fields.get('revision', '')}", rows, str(fields.get("why", ""))


def _audit(fields: Fields, report: Report) -> tuple[str, str, str]:
    what = " ".join(str(fields[name]) for name in ("what", "target") if fields.get(name))
    return what, str(fields.get("outcome", "")), str(fields.get("who", ""))


def _journal(fields: Fields, report: Report) -> tuple[str, str, str]:
    what = str(fields.get("what", ""))
    rest = ", ".join(f"{name} {value}" for name, value in fields.items() if name not in ("at", "node", "what"))
    return what, rest, ""


_TELL: Final[dict[str, Callable[[Fields, Report], tuple[str, str, str]]]] = {
    "escalation": _escalation, "alert": _alert, "registry": _registry, "audit": _audit, "journal": _journal,
}  # fmt: skip


def midnight(day: str, zone: ZoneInfo, *, after: bool = False) -> float:
    """Epoch seconds at which an ISO date begins in the zone, or the next one with `after`; an ISO time is as it says.
    Raises ValueError."""
    when = datetime.fromisoformat(day)
    if after and len(day) <= len("2026-11-11"):
        when += timedelta(days=1)
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()


def ranked_rules(report: Report, most: int) -> Sequence[int]:
    """The codes of the rules with the most hits."""
    return [line.code for line in report.rules[:most]]
