"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from datetime import datetime
from importlib.resources import files
from typing import Final

import jinja2
from markupsafe import Markup

from portguard.evidence import report_charts
from portguard.evidence.report import DAY, DIMENSIONS, LINES, Numbers, Report, slot_name

TITLES: Final = {
    "enterprise": "Enterprises", "port": "Ports", "signature": "Signatures", "account": "Accounts",
    "content": "Kinds of content",
}  # fmt: skip
HAPPENED: Final = {
    "escalation": "Escalations", "alert": "Alerts", "registry": "Changes of the registry", "audit": "What people did",
    "journal": "The journal itself",
}  # fmt: skip


def render(report: Report) -> str:
    """The whole page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True)  # fmt: skip
    environment.filters.update(count=count, share=share, rate=rate)
    template = environment.from_string(files("portguard.evidence").joinpath("report.html").read_text("utf-8"))

    def when(at: float) -> str:
        return f"{report.local(at):%Y-%m-%d %H:%M}"

    return template.render(
        r=report, when=when, period=period(report), by="day" if report.slot == DAY else "hour", dimensions=DIMENSIONS,
        titles=TITLES, happened=HAPPENED, lines=LINES, slot=lambda at: slot_name(report, at),
        charts={
            "messages": Markup(report_charts.messages(report)), "rules": Markup(report_charts.rules(report)),
            "complaints": Markup(report_charts.complaints(report)),
        },
    )  # fmt: skip


def count(number: int) -> str:
    """1,234; a dash for nothing, which is easier to overlook in a table."""
    return f"{number:,}" if number else "–"


def share(part: int, whole: int) -> str:
    """A percentage with as many digits as say something."""
    if not whole or not part:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


def rate(numbers: Numbers) -> str:
    """Complaints per million delivered."""
    found = numbers.per_million
    if found is None:
        return "–" if not numbers.complaints else "none delivered"
    return f"{found:,.2f}" if found else "–"


def period(report: Report) -> str:
    """The period, in days where it is whole days."""
    since, until = report.local(report.since), report.local(report.until)
    if since.time() == until.time() == datetime.min.time():
        last = report.local(report.until - 1)
        return f"{since:%Y-%m-%d}" if since.date() == last.date() else f"{since:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
