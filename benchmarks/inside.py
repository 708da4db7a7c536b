"""The parts of the benchmark that look inside: the engine without sockets, and where the worker spends its time."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cpu import pin
from parts import Part
from proxies import HERE, Failed, LeftOut
from stage import Run, Stage

ENGINE_SECONDS = 300.0
MESSAGES = 8192
TOP = 25
SAMPLES_A_SECOND = 2000
WINDOW, SMALL_WINDOW = 100, 10
PERF_SECONDS = 60.0
_LINE = re.compile(r"^\s*(?P<share>[\d.]+)%\s+(?P<place>\S+)\s+\[(?P<mode>.)\]\s+(?P<symbol>.+?)\s*$")


def engine(stage: Stage) -> Part:
    """The engine in process, full rules, evidence and metrics, without sockets: by stage and kind of traffic."""
    out = stage.ground.folder / "engine.json"
    seconds, messages = f"{stage.seconds / 2:g}", str(max(400, min(MESSAGES, int(MESSAGES * stage.seconds))))
    command = [sys.executable, str(HERE / "engine.py"), "--seconds", seconds, "--rows", str(stage.rows)]
    try:
        done = subprocess.run(
            [*command, "--messages", messages, "--json", str(out)], capture_output=True, text=True, check=False,
            timeout=ENGINE_SECONDS, preexec_fn=lambda: pin(stage.ground.proxy_core),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"engine.py took longer than {ENGINE_SECONDS:.0f} s") from None
    if done.returncode:
        raise Failed(f"engine.py: {done.stderr[-2000:]}")
    found = json.loads(out.read_text(encoding="utf-8"))["us_a_message"]
    rows: list[Run] = [{"name": name, "us": value} for name, value in found.items()]
    return rows, ["| | us a message |", "|---|---|", *(f"| {row['name']} | {row['us']:.3f} |" for row in rows)], {}


def profile(stage: Stage) -> Part:
    """Where the time of the message process goes, closed loop: samples of `perf record` by symbol at W=100, and by file
    at W=10."""
    if (perf := shutil.which("perf")) is None:
        raise LeftOut("perf is not installed (Debian: apt install linux-perf)")
    rows, places, us = _sampled(stage, perf, WINDOW)
    _, small_places, small_us = _sampled(stage, perf, SMALL_WINDOW)
    lines = [
        *symbol_lines(rows[:TOP]), "", *place_lines(places, us, WINDOW), "",
        *place_lines(small_places, small_us, SMALL_WINDOW),
    ]
    small = {"places": small_places, "cpu_us": small_us, "window": SMALL_WINDOW}
    return rows[:TOP], lines, {"places": places, "cpu_us": us, "window": WINDOW, "small": small}


def _sampled(stage: Stage, perf: str, window: int) -> tuple[list[Run], dict[str, float], float]:
    """(symbols with their shares, shares by file, us a message meanwhile)."""
    proxy, seconds = stage.proxy("portguard"), max(2 * stage.seconds, 1.0)
    samples = stage.ground.folder / "perf.data"
    stage.begin(proxy, window=window, seconds=seconds + 1.0)
    command = [perf, "record", "-q", "-F", str(SAMPLES_A_SECOND), "-o", str(samples)]
    pids = ",".join(map(str, proxy.pids["message"]))
    try:
        done = subprocess.run(
            [*command, "-p", pids, "--", "sleep", str(seconds)], capture_output=True, text=True, check=False,
            timeout=seconds + PERF_SECONDS,
        )
        run = stage.end()
        if done.returncode:
            raise LeftOut(f"perf cannot record here: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
        report = subprocess.run(
            [perf, "report", "-i", str(samples), "--stdio", "-q", "--no-children", "-F", "overhead,dso,sym"],
            capture_output=True, text=True, check=False, timeout=PERF_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Failed("perf does not end") from None
    rows = list(symbols(report.stdout))
    if not rows:
        raise Failed(f"perf has no samples: {report.stderr[-500:]}")
    rows = merged(rows)
    places: dict[str, float] = {}
    for row in rows:
        places[row["place"]] = places.get(row["place"], 0.0) + row["share"]
    return rows, places, run["cpu_us"]


def symbols(report: str) -> Iterator[Run]:
    """The lines of a perf report: share in percent, the file and the symbol in it."""
    for line in report.splitlines():
        if (match := _LINE.match(line)) is not None:
            kernel = match["mode"] == "k"
            place = "kernel" if kernel else place_of(match["place"])
            yield {"share": float(match["share"]), "place": place, "symbol": symbol_of(match["symbol"])}


def place_of(file: str) -> str:
    """A shared object's name without what the build adds: `x.cpython-311-x86_64-linux-gnu.so` is `x`."""
    name = Path(file).name.partition(".cpython-")[0].partition(".so")[0]
    return "portguard" if "mypyc" in name else name.strip("[]")


def symbol_of(name: str) -> str:
    """A symbol as it is called in the source: `CPyDef_engine___Engine___judge` is engine.Engine.judge."""
    if re.fullmatch(r"0x[0-9a-f]+", name):
        return "(no symbol)"
    return re.sub(r"^CPyDef_", "", name).replace("___", ".") if name.startswith("CPyDef_") else name


def merged(rows: list[Run]) -> list[Run]:
    """Lines of one symbol together, the greatest first."""
    shares: dict[tuple[str, str], float] = {}
    for row in rows:
        key = (row["place"], row["symbol"])
        shares[key] = shares.get(key, 0.0) + row["share"]
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    return [{"share": round(share, 2), "place": place, "symbol": symbol} for (place, symbol), share in ordered]


def place_lines(places: dict[str, float], us: float, window: int) -> list[str]:
    """Shares by file as Markdown, and what they are in us a message."""
    ordered = sorted(((share, place) for place, share in places.items() if share >= 0.5), reverse=True)
    return [
        f"| W={window}, {us:.2f} us a message while perf was looking | share | us |", "|---|---|---|",
        *(f"| {place} | {share:.1f} % | {share * us / 100:.2f} |" for share, place in ordered),
    ]


def symbol_lines(rows: list[Run]) -> list[str]:
    """Shares by symbol as Markdown."""
    return [
        "| share | in | symbol |", "|---|---|---|",
        *(f"| {row['share']:.1f} % | {row['place']} | `{row['symbol']}` |" for row in rows),
    ]
