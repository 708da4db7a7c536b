"""The benchmark's figures as one SVG: CPU beside HAProxy's by window, p99 by paced rate, and refused against permitted.

What was not measured is not drawn, and the panel says so. Colours are those of Okabe and Ito.
"""

# mypy: disable-error-code="no-untyped-call"

from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

_INK: Final = "#24292f"
_GREY: Final = "#57606a"
_GRID: Final = "#e3e7ec"
_COLOURS: Final = {"portguard": "#0072b2", "haproxy": "#57606a", "relay": "#e69f00"}
_GOAL: Final = "#d55e00"
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none", "svg.hashsalt": "portguard", "font.family": "sans-serif", "font.size": 9,
    "axes.edgecolor": "#b8bec6", "axes.labelcolor": _GREY, "xtick.color": _GREY, "ytick.color": _GREY,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.titlesize": 10,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": _INK, "axes.titlepad": 12,
    "legend.frameon": False, "legend.fontsize": 8, "legend.labelcolor": _GREY,
}  # fmt: skip
_WINDOWS: Final = (1, 10, 100, 1000)
_GOALS: Final = {10: 1.6, 100: 2.5, 1000: 4.0}
_PACES: Final = (20, 60, 150)
_KINDS: Final = ("permitted", "mixed", "hostile", "fresh")
_SHOWN: Final = ("all\npermitted", "a day's\nmixture", "all\nrefused", "refused, no\ntwo alike")

Found = dict[str, Any]


def draw(found: Found, path: Path) -> None:
    """The plot of what was found, by part."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(11.2, 3.6), layout="constrained", facecolor="white")
        FigureCanvasSVG(figure)
        panels = figure.subplots(1, 3, gridspec_kw={"width_ratios": (1.0, 1.0, 1.05), "wspace": 0.06})
        for axes, panel in zip(panels, (_windows, _paced, _kinds), strict=True):
            axes.grid(axis="y", color=_GRID, linewidth=0.8)
            axes.tick_params(length=0)
            panel(axes, found)
        figure.savefig(path, format="svg", metadata={"Date": None})
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def _rows(found: Found, part: str) -> dict[tuple[str, str], Found]:
    return {(row["group"], row["name"]): row for row in found.get(part, {}).get("rows", []) if "group" in row}


def _absent(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=_GREY)


def _windows(axes: Axes, found: Found) -> None:
    axes.set_title("CPU, closed loop, HAProxy = 1")
    rows = _rows(found, "closed")
    if not rows:
        _absent(axes)
        return
    places = range(len(_WINDOWS))
    for name, shown in (("portguard", "portguard, full rules"), ("relay", "uvloop relay"), ("haproxy", "HAProxy, TCP")):
        own = [rows[f"W={window}", name] for window in _WINDOWS]
        values = [row["ratio"] for row in own]
        axes.plot(places, values, color=_COLOURS[name], marker="o", markersize=4.5, linewidth=2, label=shown)
        if name == "portguard":
            low = [min(row["ratios"]) for row in own]
            high = [max(row["ratios"]) for row in own]
            axes.fill_between(places, low, high, color=_COLOURS[name], alpha=0.15, linewidth=0)
            for place, value in zip(places, values, strict=True):
                axes.annotate(f"{value:.1f}x", (place, value), (0, 7), textcoords="offset points", ha="center",
                              color=_COLOURS[name], fontsize=8, fontweight="bold")  # fmt: skip
    goals = [(place, _GOALS[window]) for place, window in enumerate(_WINDOWS) if window in _GOALS]
    axes.hlines([goal for _, goal in goals], [place - 0.22 for place, _ in goals], [place + 0.22 for place, _ in goals],
                colors=_GOAL, linewidth=1.6, linestyles=(0, (3, 1.5)), label="goal, at most")  # fmt: skip
    axes.set_xticks(list(places), [str(window) for window in _WINDOWS])
    axes.set_xlabel("messages outstanding on each of 8 connections")
    axes.set_ylim(0, max(4.6, 1.15 * max(max(row["ratios"]) for row in rows.values())))
    axes.set_xlim(-0.3, len(_WINDOWS) - 0.7)
    axes.legend(loc="upper left")


def _paced(axes: Axes, found: Found) -> None:
    axes.set_title("p99 latency at a paced rate, ms")
    rows = _rows(found, "paced")
    if not rows:
        _absent(axes)
        return
    places = range(len(_PACES))
    for name, shown in (("haproxy", "HAProxy"), ("portguard", "portguard")):
        for connections, dash in ((8, "-"), (64, (0, (4, 2)))):
            values = [rows[f"{pace}k/s, {connections}", name]["p99_ms"] for pace in _PACES]
            axes.plot(places, values, color=_COLOURS[name], marker="o", markersize=4.5, linewidth=2, linestyle=dash,
                      label=f"{shown}, {connections} connections")  # fmt: skip
    axes.axhline(4.0, color=_GOAL, linewidth=1.6, linestyle=(0, (3, 1.5)), label="goal for 8, at most")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.2), max(high, 6.0) * 6)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if min(low, 0.2) <= tick <= max(high, 6.0)]
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(list(places), [f"{pace}k/s" for pace in _PACES])
    axes.set_xlabel("messages a second, sent whatever comes back")
    axes.set_xlim(-0.3, len(_PACES) - 0.7)
    axes.legend(loc="upper left", ncols=1)


def _kinds(axes: Axes, found: Found) -> None:
    axes.set_title("CPU by kind of traffic, W=100, µs")
    rows = _rows(found, "kinds")
    if not rows:
        _absent(axes)
        return
    places, floor = list(range(len(_KINDS))), [0.0] * len(_KINDS)
    layers = (("cpu_us", "message process", "#0072b2"), ("journal_us", "journal's writer", "#e69f00"),
              ("main_us", "main process", "#b8bec6"))  # fmt: skip
    for key, shown, colour in layers:
        values = [rows["W=100", kind][key] for kind in _KINDS]
        axes.bar(places, values, bottom=floor, width=0.58, color=colour, label=shown)
        floor = [below + value for below, value in zip(floor, values, strict=True)]
    for place, kind in enumerate(_KINDS):
        row = rows["W=100", kind]
        axes.annotate(f"{row['cpu_us']:.2f}", (place, floor[place]), (0, 3), textcoords="offset points", ha="center",
                      color=_INK, fontsize=8, fontweight="bold")  # fmt: skip
    goal = 2 * rows["W=100", "permitted"]["cpu_us"]
    axes.hlines([goal], [1.6], [2.4], colors=_GOAL, linewidth=1.6, linestyles=(0, (3, 1.5)), label="goal, at most")
    axes.set_xticks(places, _SHOWN)
    axes.set_ylim(0, 1.5 * max([*floor, goal]))
    axes.legend(loc="upper left", ncols=2)
