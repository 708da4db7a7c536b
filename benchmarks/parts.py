"""The parts of the benchmark that compare proxies run against run: what contends in each, and as what."""

from typing import Any

from proxies import LeftOut, Setting
from stage import Contender, Groups, Run, Stage, summary, table

Part = tuple[list[Run], list[str], dict[str, Any]]

UNBATCHED = Setting(more="\n[limits]\nbatch_us = 0\n")
PACES = ((8, 20_000), (8, 60_000), (8, 150_000), (64, 20_000), (64, 60_000), (64, 150_000), (2000, 20_000))


def compared(stage: Stage, groups: Groups) -> Part:
    """(rows, table, further facts) of a comparison."""
    runs = stage.measure(groups)
    rows = summary(runs)
    return rows, list(table(rows)), {"pairs": 1 + max(run["round"] for run in runs)}


def closed(stage: Stage) -> Part:
    """Closed loop: eight connections keep so many messages outstanding each."""
    names = ("haproxy", "relay", "portguard")
    return compared(stage, {
        f"W={window}": [Contender(name, stage.proxy(name), {"window": window}) for name in names]
        for window in (1, 10, 100, 1000)
    })


def paced(stage: Stage) -> Part:
    """Paced: so many messages a second over so many connections, whatever comes back."""
    return compared(stage, {
        f"{rate // 1000}k/s, {connections}": [
            Contender(name, stage.proxy(name), {"rate": rate, "connections": connections})
            for name in ("haproxy", "portguard")
        ]
        for connections, rate in PACES
    })


def batching(stage: Stage) -> Part:
    """The same portguard with limits.batch_us = 0 and as it comes."""
    off, on = stage.proxy("batch off", UNBATCHED), stage.proxy("portguard")
    cases: dict[str, dict[str, Any]] = {f"W={window}": {"window": window} for window in (10, 100)}
    cases |= {f"{rate // 1000}k/s, {connections}": {"rate": rate, "connections": connections}
              for connections, rate in PACES[:2]}
    return compared(stage, {
        case: [Contender("batch off", off, traffic), Contender("portguard", on, traffic)]
        for case, traffic in cases.items()
    })


def kinds(stage: Stage) -> Part:
    """Kinds of traffic through portguard: all permitted, a day's mixture, all refused, all refused and no two alike."""
    proxy = stage.proxy("portguard")
    return compared(stage, {
        f"W={window}": [
            Contender(kind, proxy, {"kind": kind, "window": window})
            for kind in ("permitted", "mixed", "hostile", "fresh")
        ]
        for window in (10, 100)
    })


def peers(stage: Stage) -> Part:
    """What else could be made of SMPP libraries: the least proxies of them; and HAProxy, which looks at nothing."""
    there, absent = startable(stage, "node-smpp", "smpp34", "haproxy")
    if not {"node-smpp", "smpp34"} & set(there):
        raise LeftOut("; ".join(absent))
    there = ["portguard", *there]
    for name in there:
        stage.run(stage.proxy(name), window=10)  # the first run of smpp34 begins with seconds of nothing
    rows, lines, further = compared(stage, {
        f"W={window}": [Contender(name, stage.proxy(name), {"window": window}) for name in there]
        for window in (10, 100)
    })
    return rows, [*lines, *absent], further


def workers(stage: Stage) -> Part:
    """One worker and two, on the same core, and one HAProxy and two: what sharing costs. /metrics counts every message
    of portguard once in both."""
    stage.proxy("two workers", Setting(rows=stage.rows, workers=2))
    there, absent = startable(stage, "haproxy", "two haproxies")
    rows, lines, further = compared(stage, {
        f"W={window}": [
            Contender(name, stage.proxy(name), {"window": window}) for name in ("portguard", "two workers", *there)
        ]
        for window in (10, 100)
    })
    return rows, [*lines, *absent], further


def startable(stage: Stage, *names: str) -> tuple[list[str], list[str]]:
    """Those that run now, and why the others do not."""
    there, absent = [], []
    for name in names:
        try:
            stage.proxy(name)
        except LeftOut as error:
            absent.append(f"{name}: {error}")
        else:
            there.append(name)
    return there, absent
