"""The parts of the benchmark that look for a limit or watch one daemon: the highest rate, memory, records, a reload."""

import json
import os
import time
from array import array
from pathlib import Path
from statistics import median
from typing import Any

from cpu import private_octets, resident_octets
from crew import percentile
from on_file import write_registry
from parts import Part
from portguard.daemon.control import ControlError, ask
from portguard.evidence.reader import Reader
from proxies import Failed, LeftOut, Proxy, Setting
from stage import Run, Stage

KEPT_MS = 3.0
SLOWEST, FASTEST, LEAP, STEP = 20_000.0, 9_000_000.0, 1.5, 1.08
TRIES = 3
IDLE = 2000
LONG_RUN = 50_000_000
RELOAD_SECONDS = 1800.0
SHADOWED = 100_000
AROUND = 5.0  # seconds before the swap and after it
RECORD_RATE = 20_000
DURABLE_SECONDS = 20.0
ROWS = 5000  # of the journal at a time


def fastest(stage: Stage) -> Part:
    """The highest paced rate over eight connections at which p99 stays within 3 ms."""
    rows: list[Run] = []
    longest = 0.0
    for turn in range(stage.rounds):
        began = time.monotonic()
        if turn and began + longest > stage.until:
            break
        for name in ("haproxy", "portguard")[:: -1 if turn % 2 else 1]:
            run = _fastest(stage, stage.proxy(name))
            rows.append({"round": turn, "name": name, **run})
            stage.say(f"round {turn + 1}  highest rate {name:20} {run['kept']:9.0f}/s")
        longest = max(longest, time.monotonic() - began)
    kept = {
        name: [row["kept"] for row in sorted(rows, key=lambda row: int(row["round"])) if row["name"] == name]
        for name in ("haproxy", "portguard")
    }
    if not all(kept["haproxy"]):
        raise LeftOut(f"haproxy's p99 is above {KEPT_MS:g} ms at any rate: the machine is too busy for this")
    ratios = [own / base for own, base in zip(kept["portguard"], kept["haproxy"], strict=True)]
    found: list[Run] = []
    lines = ["| | messages/s with p99 within 3 ms (range) | to haproxy | the load's own core |", "|---|---|---|---|"]
    for name, values in kept.items():
        busy = max(row.get("load_core", 0.0) for row in rows if row["name"] == name)
        ratio = median(ratios) if name == "portguard" else 1.0
        found.append({"name": name, "kept": median(values), "ratio": ratio, "load_core": busy})
        spread = f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"
        lines.append(f"| {name} | {spread} | {ratio:.2f}x | {busy:.0%} |")
    return found, lines, {"pairs": len(ratios)}


def _fastest(stage: Stage, proxy: Proxy) -> Run:
    """From more than load and sink can carry down by LEAPs to a rate that it keeps, and then between that and the one
    before, halving, until they are a STEP apart. A rate has three tries, since whatever else the machine does for a
    moment is not the proxy's; from above, since bad luck at a low rate says nothing about higher ones."""
    low, high, best = 0.0, FASTEST, Run(kept=0.0)
    while high / max(low, SLOWEST) > STEP:
        rate = (low * high) ** 0.5 if low else high / LEAP
        for _ in range(TRIES):
            run = stage.run(proxy, rate=rate, seconds=stage.seconds * 0.6)
            if run["p99_ms"] <= KEPT_MS and run["rate"] >= 0.97 * rate:
                low, best = rate, {**run, "kept": rate}
                break
        else:
            high = rate
    return best


def memory(stage: Stage) -> Part:
    """Private memory of the message process: of 2,000 idle pairs, and while millions pass or are refused."""
    proxy = stage.proxy("memory", Setting(rows=stage.rows))
    stage.run(proxy, window=1000)
    at_first = _private(proxy)
    stage.begin(proxy, rate=1, connections=IDLE, seconds=2)
    time.sleep(1)
    bound = _private(proxy)
    stage.end()
    row: Run = {"octets_a_pair": (bound - at_first) / IDLE, "private": at_first}
    lines = [
        "| | |", "|---|---|",
        f"| private memory with {stage.rows} ports, signatures and scopes | {at_first / 1e6:.1f} MB |",
        f"| an idle pair of connections, of {IDLE} | {row['octets_a_pair'] / 1e3:.1f} kB |",
    ]
    kinds = ("permitted", "hostile")
    for place, kind in enumerate(kinds):
        now = time.monotonic()
        messages, growth = _growth(stage, proxy, kind, now + (stage.until - now) / (len(kinds) - place))
        row |= {f"{kind}_messages": messages, f"{kind}_growth": growth}
        slope = row[f"{kind}_in_ten_million"] = growth / max(messages, 1) * 1e7
        lines.append(
            f"| growth in ten million messages, {kind}, over {messages / 1e6:.1f} million | {slope / 1e6:.2f} MB |"
        )
    row["resident"] = sum(map(resident_octets, proxy.pids["message"]))
    lines.append(f"| resident at the end | {row['resident'] / 1e6:.1f} MB |")
    return [row], lines, {}


def _growth(stage: Stage, proxy: Proxy, kind: str, until: float) -> tuple[int, float]:
    """(messages, octets) that private memory grew by while they passed, once caches were full: after the first two
    runs. Fifty million, or as many as there is time for: the heap settles over the first twenty."""
    handled, readings = 0, list[int]()
    while handled < LONG_RUN and (len(readings) < 4 or time.monotonic() < until):
        run = stage.run(proxy, window=1000, kind=kind, seconds=2 * stage.seconds)
        readings.append(_private(proxy))
        if len(readings) > 2:
            handled += run["sent"]
        stage.say(f"memory  {kind:10} {handled / 1e6:6.1f} million messages  {readings[-1] / 1e6:8.2f} MB")
    return handled, readings[-1] - readings[1]


def records(stage: Stage) -> Part:
    """Refusals that each leave a record of their own, none left out for being many: what that costs, and is it so."""
    proxy = stage.proxy("every record", Setting(rows=stage.rows, records_per_second=1_000_000))
    run = stage.run(proxy, kind="hostile", rate=RECORD_RATE, seconds=3 * stage.seconds)
    deadline = time.monotonic() + DURABLE_SECONDS
    # Not by the number of the last record: what the daemon says of its start is on record, too, sooner or later.
    while (recorded := _violations(proxy)) < run["sent"] and time.monotonic() < deadline:
        time.sleep(0.2)
    if recorded != run["sent"]:
        raise Failed(f"{run['sent']} messages were refused, and {recorded} records are in the journal")
    writer = run["journal_us"]
    row: Run = {"records": recorded, **run, "most_a_second": 1e6 / writer if writer else 0.0}
    lines = [
        "| | |", "|---|---|",
        f"| refusals a second, each with a durable record | {run['rate']:.0f} |",
        f"| records in the journal, of as many refusals | {recorded} |",
        f"| CPU of the message process, a refusal | {run['cpu_us']:.2f} us |",
        f"| CPU of the journal's writer, a record | {writer:.2f} us |",
        f"| records a second that would fill its core (calculated) | {row['most_a_second']:.0f} |",
    ]
    return [row], lines, {}


def _violations(proxy: Proxy) -> int:
    """Records of violations in the journal."""
    reader, after, found = Reader(proxy.folder / "evidence"), 0, 0
    while rows := reader.rows(after, ROWS):
        after = rows[-1][0]
        found += sum(kind == "violation" for _, kind, _ in rows)
    return found


def reload(stage: Stage) -> Part:
    """A reload under paced load: latencies of the ten seconds around the swap beside those before."""
    rows = stage.reloaded
    proxy = stage.proxy("reload", Setting(rows=rows))
    # Half of what `shadow` has: the builder has the core of load and sink, and at the whole of it they need nine tenths
    # of that themselves, so that what is measured would be their own queue.
    rate = max(stage.rate // 2, 1)
    trace = _watched(stage, proxy, rows + 1, rate)
    asked = time.perf_counter()
    stage.say(f"reload  of {rows} signatures is asked for")
    answer = _asked(proxy, "reload")
    swapped = time.perf_counter()
    if answer.get("result") != "success":
        raise Failed(f"reload: {json.dumps(answer, ensure_ascii=False)[:2000]}")
    time.sleep(AROUND)
    run = stage.end()
    before, _ = _latencies(trace, 0.0, asked)
    during, worst = _latencies(trace, swapped - AROUND, swapped + AROUND)
    row: Run = {
        "p99_before_ms": before, "p99_around_ms": during, "worst_around_ms": worst,
        "signatures": rows, "reload_seconds": swapped - asked, "paced": rate, **run,
    }
    lines = [
        "| | |", "|---|---|",
        f"| p99 before | {before:.2f} ms |", f"| p99 of the 10 s around the swap | {during:.2f} ms |",
        f"| the slowest answer of them | {worst:.2f} ms |",
        f"| ratio of the two p99 | {during / before:.2f}x |",
        f"| the reload of {rows} signatures took | {swapped - asked:.1f} s |",
        f"| messages, {rate:,} a second, all answered and counted | {run['sent']:,} |",
    ]
    return [row], lines, {}


def shadow(stage: Stage) -> Part:
    """A shadow diff of 100,000 recent messages under the same load: how long it takes, and latencies meanwhile."""
    proxy = stage.proxy("shadow", Setting(rows=stage.rows))
    # The process that judges is main's child: it may run on either core, where the others leave it time.
    os.sched_setaffinity(proxy.pids["main"][0], {stage.ground.proxy_core, stage.ground.load_core})
    trace = _watched(stage, proxy, stage.rows + 1, stage.rate, alone=False)
    calm = time.perf_counter()
    # The candidate is built now: what is timed is the comparison.
    candidate = _asked(proxy, "compare", messages=1)["registry"]["new"]
    time.sleep(1.0)
    found: list[Run] = []
    for _ in range(stage.rounds):
        asked = time.perf_counter()
        traffic = _asked(proxy, "compare", revision=candidate, messages=SHADOWED)["traffic"]
        found.append({"asked": asked, "took": time.perf_counter() - asked, "messages": traffic["messages"]})
        stage.say(f"shadow diff of {traffic['messages']} messages in {found[-1]['took']:.2f} s")
        time.sleep(1.0)
    run = stage.end()
    before, _ = _latencies(trace, 0.0, calm)
    for one in found:
        one["p99_ms"], one["worst_ms"] = _latencies(trace, one["asked"], one["asked"] + one["took"])
    took, during = (median(one[key] for one in found) for key in ("took", "p99_ms"))
    row: Run = {
        **run, "took": took, "messages": min(one["messages"] for one in found), "p99_before_ms": before,
        "p99_during_ms": during, "ratio": during / before, "worst_during_ms": max(one["worst_ms"] for one in found),
    }
    lines = [
        "| | |", "|---|---|",
        f"| messages judged under both | {row['messages']} |", f"| from the question to the answer | {took:.2f} s |",
        f"| p99 before | {before:.2f} ms |", f"| p99 meanwhile | {during:.2f} ms |",
        f"| the slowest answer meanwhile | {row['worst_during_ms']:.2f} ms |",
        f"| ratio of the two p99 | {row['ratio']:.2f}x |",
    ]
    return [row], lines, {"pairs": len(found)}


def _watched(stage: Stage, proxy: Proxy, rows: int, rate: int, alone: bool = True) -> Path:
    """Another registry, of so many rows, lies in the folder; `rate` messages a second have passed for ten seconds and
    go on, each with its latency in the file that is returned."""
    trace = stage.ground.folder / f"{proxy.name}.trace"
    (proxy.folder / "registry").rename(proxy.folder / "registry-before")
    write_registry(proxy.folder / "registry", rows)
    most = RELOAD_SECONDS + 4 * AROUND
    stage.begin(proxy, rate=rate, seconds=most, until_told=True, trace=str(trace), alone=alone)
    time.sleep(2 * AROUND)
    return trace


def _asked(proxy: Proxy, command: str, **arguments: Any) -> Run:
    """The daemon's answer. Raises Failed."""
    try:
        answer = ask(proxy.folder / "state", command, RELOAD_SECONDS, **arguments)
    except ControlError as error:
        raise Failed(f"{command}: {error}") from error
    if not answer.get("ok", True):
        raise Failed(f"{command}: {json.dumps(answer, ensure_ascii=False)[:2000]}")
    return answer


def _latencies(trace: Path, begin: float, end: float) -> tuple[float, float]:
    """(p99 while the machine was at full speed, worst of all) in ms, of what was answered from `begin` on and before
    `end`. Raises Failed where there is nothing."""
    values = array("d")
    values.frombytes(trace.read_bytes())
    rows = zip(values[::3], values[1::3], values[2::3], strict=True)
    found = [(latency, sound) for at, latency, sound in rows if begin <= at < end]
    undisturbed = sorted(latency for latency, sound in found if sound)
    if not undisturbed:
        raise Failed("no message was answered in the time that is looked at, or none at the machine's full speed")
    return percentile(undisturbed, 0.99), max(found)[0] * 1e3


def _private(proxy: Proxy) -> int:
    return sum(map(private_octets, proxy.pids["message"]))
