"""What is aimed at and what was measured, as one table: printed, and written into benchmarks/README.md.

    python benchmarks/goals.py [benchmarks/results/line_rate.json]     tables and plot again from what was measured
    python benchmarks/goals.py --check                                 is the README what they say?

Noun: a *goal* is a figure of one part with the bound it should keep; some have a second, the least that is acceptable.
Goals about a million signatures are read from a run with `--big 1000000` if there is one, and otherwise from the size
that `make bench` has time for; the size is said.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from inside import place_lines, symbol_lines

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
WHOLE = 1_000_000

Part = dict[str, Any]
Read = Callable[[Part], tuple[float, str]]


@dataclass(frozen=True)
class Goal:
    """`read` gives the figure of a part and how it is shown. `bound` and `least`: at most that, or at least with `up`;
    without a bound the figure is only reported."""

    what: str
    wanted: str
    part: str
    read: Read
    bound: float | None = None
    least: float | None = None
    up: bool = False

    def verdict(self, value: float) -> str:
        """met, least acceptable, missed, or reported."""

        def keeps(bound: float) -> bool:
            return value >= bound if self.up else value <= bound

        if self.bound is None:
            return "reported"
        if keeps(self.bound):
            return "met"
        return "least acceptable" if self.least is not None and keeps(self.least) else "**missed**"


def sized(part: str, signatures: int) -> str:
    """The name under which a part's results are kept that were measured with so many signatures."""
    return part if signatures < WHOLE else f"{part} of {WHOLE}"


def row_of(part: Part, group: str, name: str) -> dict[str, Any]:
    """A row of a comparison. Raises KeyError."""
    for row in part["rows"]:
        if (row.get("group"), row["name"]) == (group, name):
            return dict(row)
    raise KeyError(f"{group} {name}")


def spread(row: dict[str, Any]) -> str:
    """A ratio with the range it is the median of."""
    return f"{row['ratio']:.2f}x ({min(row['ratios']):.2f}-{max(row['ratios']):.2f})"


def beside(part: Part, group: str, shown: str, name: str, other: str) -> str:
    """The median of the ratios of two of a group, neither of which need be its base; nothing where one has not run."""
    try:
        pairs = zip(row_of(part, group, name)["ratios"], row_of(part, group, other)["ratios"], strict=True)
    except KeyError:
        return ""
    return f" ({shown.format(median(one / another for one, another in pairs))})"


def in_process(kinds: tuple[str, ...]) -> Read:
    """The dearest of some figures of engine.py."""

    def read(part: Part) -> tuple[float, str]:
        us = {row["name"]: float(row["us"]) for row in part["rows"]}
        found = {kind: us[f"relay, 100 a chunk, {kind}"] for kind in kinds}
        return max(found.values()), ", ".join(f"{kind} {value:.2f} us" for kind, value in found.items())

    return read


def cpu(group: str, name: str = "portguard", base: str = "haproxy") -> Read:
    """CPU of the message process against the base."""

    def read(part: Part) -> tuple[float, str]:
        own, other = row_of(part, group, name), row_of(part, group, base)
        return own["ratio"], f"{spread(own)}: {own['cpu_us']:.2f} us to {other['cpu_us']:.2f} us"

    return read


def p99(group: str) -> Read:
    """p99 of a paced run, HAProxy's beside it, and both with the moments in which the machine was not at full speed."""

    def read(part: Part) -> tuple[float, str]:
        own, base = row_of(part, group, "portguard"), row_of(part, group, "haproxy")
        every = f"; with slow moments {own['p99_all_ms']:.2f} and {base['p99_all_ms']:.2f} ms"
        return own["p99_ms"], f"{own['p99_ms']:.2f} ms (haproxy {base['p99_ms']:.2f} ms{every})"

    return read


def dearer(name: str, group: str) -> Read:
    """How many times portguard's CPU a peer takes, and how many times that of HAProxy, which looks at nothing."""

    def read(part: Part) -> tuple[float, str]:
        own, peer = row_of(part, group, "portguard"), row_of(part, group, name)
        shown = f"{peer['ratio']:.0f}x less: {own['cpu_us']:.2f} us to {peer['cpu_us']:.0f} us"
        return peer["ratio"], shown + beside(part, group, "haproxy {:.0f}x less", name, "haproxy")

    return read


def shared(group: str) -> Read:
    """CPU of two workers against one, and what two HAProxies take against one."""

    def read(part: Part) -> tuple[float, str]:
        value, shown = cpu(group, "two workers", "portguard")(part)
        return value, shown + beside(part, group, "two haproxies {:.2f}x of one", "two haproxies", "haproxy")

    return read


def refused(group: str, kind: str) -> Read:
    """CPU of refused traffic against permitted, and the writer's beside it."""

    def read(part: Part) -> tuple[float, str]:
        row = row_of(part, group, kind)
        return row["ratio"], f"{spread(row)}: {row['cpu_us']:.2f} us, journal's writer {row['journal_us']:.2f} us"

    return read


def fastest(part: Part) -> tuple[float, str]:
    """The highest rates."""
    rates = {row["name"]: row for row in part["rows"]}
    own, base = rates["portguard"], rates["haproxy"]
    return own["ratio"], f"{own['ratio']:.2f}x: {own['kept'] / 1e3:.0f}k/s to {base['kept'] / 1e3:.0f}k/s"


def figure(key: str, shown: str, scale: float = 1.0) -> Read:
    """A figure of a part that has one row of its own."""

    def read(part: Part) -> tuple[float, str]:
        row = {**part, **(part["rows"][0] if len(part["rows"]) == 1 else {})}
        value = float(row[key]) * scale
        return value, shown.format(value, **row)

    return read


def zipf(how: str) -> Read:
    """CPU with a big registry against a small one."""

    def read(part: Part) -> tuple[float, str]:
        row = row_of(part, "W=10", f"{part['signatures']} rows, {how}")
        return row["ratio"], f"{spread(row)} at {part['signatures']:,} signatures"

    return read


def reloaded(part: Part) -> tuple[float, str]:
    """p99 around a swap against that before."""
    row = part["rows"][0]
    ratio = row["p99_around_ms"] / row["p99_before_ms"]
    shown = f"{row['p99_around_ms']:.2f} ms to {row['p99_before_ms']:.2f} ms, {row['signatures']:,} signatures"
    return ratio, f"{ratio:.2f}x: {shown}, {row['sent']:,} messages, {row['paced']:,} a second, none lost"


def batched(part: Part) -> tuple[float, str]:
    """Closed-loop throughput with micro-batching against without, the worse of the windows."""
    found = {window: row_of(part, f"W={window}", "portguard")["rate_ratio"] for window in (10, 100)}
    return min(found.values()), ", ".join(f"{value:.2f}x at W={window}" for window, value in found.items())


def _goals() -> Iterator[Goal]:
    both = in_process(("permitted", "hostile"))
    yield Goal("engine in process, permitted or refused", "≤ 0.9 us", "engine", both, 0.9)
    yield Goal("engine in process, other kinds", "reported", "engine", in_process(("mixed", "fresh")))
    for window, bound, least in ((10, 1.6, 2.2), (100, 2.5, 3.5), (1000, 4.0, 6.0)):
        wanted = f"≤ {bound}x haproxy (least {least}x)"
        yield Goal(f"CPU, closed loop, W={window}", wanted, "closed", cpu(f"W={window}"), bound, least)
    yield Goal("CPU, closed loop, W=1", "reported", "closed", cpu("W=1"))
    for connections, bound in ((8, 0.65), (64, 1.0)):
        for rate in (20, 60, 150):
            what, group = f"paced {rate}k/s, {connections} connections", f"{rate}k/s, {connections}"
            yield Goal(f"CPU, {what}", f"≤ {bound}x haproxy", "paced", cpu(group), bound)
            yield Goal(f"p99 at full speed, {what}", "≤ 4 ms" if connections == 8 else "reported", "paced", p99(group),
                       4.0 if connections == 8 else None)  # fmt: skip
    yield Goal("CPU, paced 20k/s, 2,000 connections", "reported", "paced", cpu("20k/s, 2000"))
    yield Goal("p99 at full speed, paced 20k/s, 2,000 connections", "reported", "paced", p99("20k/s, 2000"))
    yield Goal("highest paced rate with p99 ≤ 3 ms", "≥ 0.6x haproxy's", "fastest", fastest, 0.6, up=True)
    yield Goal("throughput with batching, closed loop", "≥ 0.95x of without", "batching", batched, 0.95, up=True)
    yield Goal("CPU with batching, paced 20k/s, 8 connections", "≤ 0.8x of without", "batching",
               cpu("20k/s, 8", base="batch off"), 0.8)  # fmt: skip
    for name, bound in (("node-smpp", 20), ("smpp34", 100)):
        for group in ("W=10", "W=100"):
            what, read = f"against {name} as a proxy, {group}", dearer(name, group)
            yield Goal(what, f"≥ {bound}x less CPU", "peers", read, bound, up=True)
    for window in (10, 100):
        hostile = refused(f"W={window}", "hostile")
        yield Goal(f"every message refused, W={window}", "≤ 2x permitted", "kinds", hostile, 2)
    yield Goal("every message refused, no two alike, W=100", "reported", "kinds", refused("W=100", "fresh"))
    yield Goal("a day's mixture, W=100", "reported", "kinds", refused("W=100", "mixed"))
    yield Goal("durable records a second, none left out", "reported", "records", figure(
        "rate", "{:.0f}/s, as sent; the writer takes {journal_us:.1f} us a record"))  # fmt: skip
    yield Goal("memory, ten million refused", "flat: < 1 MB", "memory", figure(
        "hostile_in_ten_million", "{:.2f} MB, over {hostile_messages:,}", 1e-6), 1)  # fmt: skip
    yield Goal("memory, ten million permitted", "< 1 MB", "memory", figure(
        "permitted_in_ten_million", "{:.2f} MB, over {permitted_messages:,}", 1e-6), 1)  # fmt: skip
    yield Goal("memory of an idle pair of connections", "≤ 8 kB", "memory", figure(
        "octets_a_pair", "{:.1f} kB", 1e-3), 8)  # fmt: skip
    yield Goal("reload under load: p99 of the 10 s around it", "≤ 2x before", "reload", reloaded, 2)
    yield Goal("shadow diff of 100,000 messages under load", "< 5 s", "shadow", figure(
        "took", "{:.2f} s, {messages:,} messages"), 5)  # fmt: skip
    yield Goal("p99 meanwhile", "≤ 1.5x before", "shadow", figure(
        "ratio", "{:.2f}x: {p99_during_ms:.2f} ms to {p99_before_ms:.2f} ms"), 1.5)  # fmt: skip
    yield Goal("1k → 1M signatures, Zipf's law, W=10", "≤ 1.15x CPU", "registry", zipf("zipf"), 1.15)
    yield Goal("1k → 1M signatures, evenly drawn, W=10", "reported", "registry", zipf("even"))
    yield Goal("private memory of a worker over a small registry", "≤ 150 MB at 1M", "registry", figure(
        "private_more", "{:.1f} MB at {signatures:,} signatures", 1e-6), 150)  # fmt: skip
    yield Goal("the shared file, a row", "≤ 120 octets", "registry", figure(
        "octets_a_row", "{:.1f} octets, {on_file:,} rows"), 120)  # fmt: skip
    yield Goal("start from a prepared revision", "≤ 2 s at 1M", "registry", figure(
        "start_seconds", "{:.2f} s at {signatures:,} signatures"), 2)  # fmt: skip
    for window in (10, 100):
        wanted = "≤ 1.1x CPU of one, totals correct"
        yield Goal(f"two workers on one core, W={window}", wanted, "workers", shared(f"W={window}"), 1.1)


GOALS = tuple(_goals())


def table(found: dict[str, Part]) -> Iterator[str]:
    """Every goal with its measured figure, as Markdown."""
    yield "| | goal | measured | |"
    yield "|---|---|---|---|"
    for goal in GOALS:
        part = found.get(f"{goal.part} of {WHOLE}", {})
        part = part if part.get("rows") else found.get(goal.part, {})
        if not part.get("rows"):
            why = part.get("left out") or part.get("failed") or "its part has not run"
            yield f"| {goal.what} | {goal.wanted} | {str(why).splitlines()[0][:100]} | not measured |"
            continue
        try:
            value, shown = goal.read(part)
        except KeyError as error:
            yield f"| {goal.what} | {goal.wanted} | no {error.args[0]} | not measured |"
            continue
        yield f"| {goal.what} | {goal.wanted} | {shown} | {goal.verdict(value)} |"


def conditions(found: dict[str, Part]) -> Iterator[str]:
    """Where, when and how it was measured."""
    one = next((part for part in found.values() if part.get("rows")), {})
    versions: dict[str, str] = {}
    for part in found.values():
        versions |= {name: shown for name, shown in part.get("versions", {}).items() if " " not in name}
    named = ", ".join(f"{name} {shown}" for name, shown in versions.items() if name in PROGRAMS)
    loads = sorted(float(part["load average"].split()[0]) for part in found.values() if "load average" in part)
    pairs = {name: part["pairs"] for name, part in found.items() if "pairs" in part}
    if one:
        yield f"{one['cpu']}; kernel {one['kernel']}; Python {one['python']}; {named}."
        begun = sorted(part["at"] for part in found.values() if "at" in part)
        when = f"Measured in parts begun {begun[0]} to {begun[-1]}"
        yield f"{when}; load average then {loads[0]:.1f} to {loads[-1]:.1f}."
        yield f"Traffic: {one['traffic']}."
        counted = ", ".join(f"{name} {count}" for name, count in pairs.items())
        yield f"Runs of {one['method'].partition(', ')[2]}; interleaved rounds: {counted}. Medians; ranges in brackets."


PROGRAMS = ("portguard", "haproxy", "relay", "node-smpp", "smpp34")


def replaced(text: str, name: str, lines: list[str]) -> str:
    """`text` with what stands between the markers of that name made anew. Raises ValueError without them."""
    begin, end = f"<!-- {name}: made by goals.py, not by hand -->", f"<!-- end of {name} -->"
    head, found, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"no markers of {name}: {begin} ... {end}")
    return "\n".join([f"{head}{begin}", *lines, f"{end}{tail}"])


def readme(found: dict[str, Part], text: str) -> str:
    """benchmarks/README.md with its tables made anew."""
    said = [line for one in conditions(found) for line in (one, "")]
    text = replaced(text, "goals", ["", *said, *table(found), ""])
    part = found.get("profile", {})
    if part.get("rows"):
        lines = [""]
        for one in (part.get("small"), part):
            lines += [*place_lines(one["places"], one["cpu_us"], one["window"]), ""] if one else []
        lines += [*symbol_lines(part["rows"]), ""]
    else:
        lines = ["", f"Not measured: {part.get('left out') or part.get('failed') or 'not run'}", ""]
    return replaced(text, "profile", lines)


def write_readme(found: dict[str, Part], path: Path = README) -> None:
    """The tables of benchmarks/README.md."""
    path.write_text(readme(found, path.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    """Tables and plot from a file of results; with --check, whether the README has them."""
    import plot

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=HERE / "results" / "line_rate.json")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the README says otherwise")
    given = parser.parse_args()
    source: Path = given.results
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
            raise ValueError("no parts of a benchmark")
    except (OSError, ValueError) as error:
        sys.exit(f"{source} has no results ({error}): make bench makes them")
    if given.check:
        text = README.read_text(encoding="utf-8")
        if readme(found, text) != text:
            sys.exit("benchmarks/README.md does not have these results: run benchmarks/goals.py")
        return
    print(*conditions(found), "", *table(found), sep="\n")
    plot.draw(found, source.with_suffix(".svg"))
    write_readme(found)


if __name__ == "__main__":
    main()
