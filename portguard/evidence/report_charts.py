"""The charts of a report: bars and lines over time, drawn by matplotlib as SVG to stand in the page.

Text stays text, in the reader's own fonts; colours are told apart by who sees few of them, and every chart has its
numbers in a table beside it.
"""

import io
import re
from collections.abc import Sequence
from typing import Any, Final

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from portguard.evidence.report import HOUR, Report, ranked_rules
from portguard.policy.reasons import RULE_BY_CODE

SEVERE: Final = 0.25
_SIZE: Final = (9.2, 2.7)
_GREY: Final = "#57606a"
_GRID: Final = "#e3e7ec"
PASSED: Final = "#9db7d5"
TAGGED: Final = "#e0a526"
REFUSED: Final = "#b5362c"
_LINE: Final = "#7a3e9d"
# Okabe and Ito's colours, and a grey for the rest.
_RULES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_OTHERS: Final = "#b8bec6"
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none", "svg.hashsalt": "portguard", "font.family": "sans-serif", "font.size": 9,
    "axes.edgecolor": _GRID, "axes.labelcolor": _GREY, "xtick.color": _GREY, "ytick.color": _GREY,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
}  # fmt: skip


def messages(report: Report) -> str:
    """What became of the messages, slot by slot."""
    slots = list(report.slots.values())
    layers = [
        ("passed", PASSED, [slot.passed for slot in slots]),
        ("tagged", TAGGED, [slot.tagged for slot in slots]),
        ("refused", REFUSED, [slot.refused for slot in slots]),
    ]
    return _stacked(report, "messages", layers)


def rules(report: Report) -> str:
    """Hits of the rules that fire most, slot by slot."""
    codes = ranked_rules(report, len(_RULES))
    counts = list(report.rules_by_slot.values())
    layers = [
        (f"{code} {RULE_BY_CODE[code].name if code in RULE_BY_CODE else 'failed'}", colour, [c[code] for c in counts])
        for code, colour in zip(codes, _RULES, strict=False)
    ]
    others = [sum(count for code, count in c.items() if code not in codes) for c in counts]
    if any(others):
        layers.append(("others", _OTHERS, others))
    return _stacked(report, "hits", layers)


def complaints(report: Report) -> str:
    """Complaints, and their rate per million delivered with the rate that counts as severe."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0], 3.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        _bars(above, report, [("complaints", REFUSED, [slot.complaints for slot in report.slots.values()])])
        above.set_ylabel("complaints")
        rates = [slot.per_million for slot in report.slots.values()]
        known = [float("nan") if rate is None else rate for rate in rates]
        below.plot(_middles(report), known, color=_LINE, marker="o", markersize=3, linewidth=1.2, gid="rate")
        below.axhline(SEVERE, color=_GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        below.annotate(f"{SEVERE} a month counts as severe", (0.005, SEVERE), xycoords=("axes fraction", "data"),
                       textcoords="offset points", xytext=(2, 4), color=_GREY, fontsize=8,
                       bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})  # fmt: skip
        below.set_ylim(bottom=0)
        below.set_ylabel("per million delivered")
        _dress(below, report)
        return _svg(figure, "Complaints over time, and per million delivered")


def _stacked(report: Report, what: str, layers: Sequence[tuple[str, str, list[int]]]) -> str:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        _bars(axes, report, layers)
        axes.set_ylabel(what)
        _dress(axes, report)
        if layers:
            figure.legend(loc="outside upper left", ncols=min(len(layers), 4), frameon=False, fontsize=8.5,
                          handlelength=1, handleheight=1)  # fmt: skip
        return _svg(figure, f"{what.capitalize()} over time")


def _bars(axes: Any, report: Report, layers: Sequence[tuple[str, str, list[int]]]) -> None:
    at, width = _middles(report), report.slot / 86400 * 0.86
    bottom = [0] * len(at)
    for label, colour, counts in layers:
        axes.bar(at, counts, width, bottom=bottom, color=colour, label=label, linewidth=0)
        bottom = [below + count for below, count in zip(bottom, counts, strict=True)]
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=_GRID, linewidth=0.8)


def _middles(report: Report) -> list[float]:
    """Where the slots stand on the axis: matplotlib's days, of the node's own time."""
    half = (HOUR if report.slot == HOUR else report.slot) / 2
    return [float(date2num(report.local(at + half).replace(tzinfo=None))) for at in report.slots]


def _dress(axes: Any, report: Report) -> None:
    locator = AutoDateLocator(minticks=4, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlim(*(float(date2num(report.local(at).replace(tzinfo=None))) for at in (report.since, report.until)))
    axes.grid(axis="y", color=_GRID, linewidth=0.8)


def _svg(figure: Figure, title: str) -> str:
    """The figure as an element of a page, with a title for who cannot see it."""
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    head = rf'<svg viewBox="\1" role="img" aria-label="{title}">'
    text = re.sub(r'<svg [^>]*viewBox="([^"]+)"[^>]*>', head, text, count=1)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
