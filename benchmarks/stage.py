"""Running things: load, sink and the proxies as long as they are needed, and runs of traffic through them.

Nouns: a *contender* is a proxy with traffic of its own; a *group* is what is compared in one case, its first contender
the base. A round is one run of each contender of each group, in an order that changes from round to round; ratios to
the base are taken within a round, and their median is what counts: a machine's speed changes from minute to minute and
the ratio much less. What goes wrong is a `Failed`: a message lost, doubled or changed, one that portguard did not
count, or silence.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from cpu import pin, stolen_seconds
from proxies import HERE, PROXIES, Failed, Ground, Proxy, Setting, cores, counted, end, portguard

FIGURES = (
    "cpu_us", "journal_us", "main_us", "rate", "core", "load_core", "p50_ms", "p99_ms", "p999_ms", "p99_all_ms",
    "late_p99_ms", "slowed", "stolen",
)
# How long load and sink may take to make their messages, to bind, and to get the last answers; they give up before.
BEGIN_SECONDS, END_SECONDS = 120.0, 90.0
# Runs in which nothing comes back: so many, each so many times as long as the one before.
TRIES, LONGER = 3, 4


@dataclass(frozen=True)
class Contender:
    """A proxy under a name, with the traffic that is sent through it: the fields of `load.Traffic`."""

    name: str
    proxy: Proxy
    traffic: dict[str, Any] = field(default_factory=dict)


Groups = dict[str, list[Contender]]
Run = dict[str, Any]
Say = Callable[[str], None]


class Stage:
    """Proxies by name, started when first asked for. `rounds`, `seconds` and `warm_up` are those of every run; no round
    begins that would not be over at the instant `until` (monotonic), but for the first."""

    def __init__(
        self, ground: Ground, stack: contextlib.ExitStack, crew: "Crew", given: Any, until: float, said: Say
    ) -> None:
        self.rounds: int = given.rounds
        self.seconds: float = given.seconds
        self.warm_up: float = given.warm_up
        self.rows: int = given.rows
        self.big: int = given.big
        self.reloaded: int = given.reloaded
        self.rate: int = given.rate
        self.until = until
        self.say = said
        self.ground = ground
        self._stack = stack
        self._last: tuple[Proxy, dict[str, Any]]
        # When it began to measure, and what had been stolen of the proxy's core by then.
        self._began = (0.0, 0.0)
        self._crew = crew
        self._proxies: dict[str, Proxy] = {}
        self._runs: dict[str, contextlib.ExitStack] = {}
        self._settings: dict[str, Setting] = {}
        self._counted: dict[int, tuple[int, int]] = {}

    def proxy(self, name: str, setting: Setting | None = None) -> Proxy:
        """The proxy of that name; with a `setting`, portguard run so."""
        if name not in self._proxies:
            if setting is None and name == "portguard":
                setting = Setting(rows=self.rows)
            made = PROXIES[name](self.ground) if setting is None else portguard(self.ground, name, setting)
            self._runs[name] = self._stack.enter_context(contextlib.ExitStack())
            self._proxies[name] = self._runs[name].enter_context(made)
            if setting is not None:
                self._settings[name] = setting
        return self._proxies[name]

    def again(self, name: str) -> Proxy:
        """portguard of that name ended, and started over what it has prepared."""
        self._runs[name].close()
        made = portguard(self.ground, name, self._settings[name], again=True)
        self._proxies[name] = self._runs[name].enter_context(made)
        return self._proxies[name]

    @property
    def versions(self) -> dict[str, str]:
        """What has been measured."""
        return {name: proxy.version for name, proxy in self._proxies.items()}

    def begin(
        self, proxy: Proxy, seconds: float = 0.0, trace: str = "", until_told: bool = False, alone: bool = True,
        **traffic: Any,
    ) -> None:
        """Have the crew send traffic through a proxy; returns once it measures. `end` has the figures. Not `alone`:
        another process of the daemon may use the proxy's core, and waiting for that counts."""
        if traffic.get("kind") == "mixed":
            traffic["about"] = proxy.revision
        order = {
            "ports": [port for port in (proxy.port, proxy.other_port) if port],
            "traffic": {"kind": proxy.kind, **traffic}, "warm_up": self.warm_up,
            "seconds": seconds or self.seconds, "watch": proxy.pids, "trace": trace,
            "until_told": until_told, "alone": alone,
        }
        self._crew.order(order)
        self._last = (proxy, order)
        if "measuring" not in (answer := self._crew.answer(self.warm_up + BEGIN_SECONDS)):
            self._fail(answer)
        self._began = (monotonic(), stolen_seconds(self.ground.proxy_core))

    def end(self) -> Run:
        """What was measured, and a word to the crew that waits `until_told`. Raises Failed when a message was lost or
        changed on the way, or not counted."""
        proxy, order = self._last
        if order["until_told"]:
            self._crew.order({})
        if "error" in (found := self._crew.answer(order["seconds"] + END_SECONDS)):
            self._fail(found)
        since, before = self._began
        stolen = (stolen_seconds(self.ground.proxy_core) - before) / max(monotonic() - since, 1e-9)
        if proxy.metrics:
            self._compare(proxy, found["sent"])
        cpu, messages, seconds = found.pop("cpu"), max(found["messages"], 1), found["seconds"]
        return {
            **found,
            "cpu_us": cpu["message"] / messages * 1e6,
            "journal_us": cpu.get("journal", 0.0) / messages * 1e6,
            "main_us": cpu.get("main", 0.0) / messages * 1e6,
            "core": cpu["message"] / seconds,
            "load_core": cpu["crew"] / seconds,
            "stolen": stolen,
        }

    def run(self, proxy: Proxy, seconds: float = 0.0, **traffic: Any) -> Run:
        """One run, from begin to end; where nothing came back meanwhile, a longer one. Raises Failed as `end` does, and
        when nothing comes back in any of TRIES."""
        for turn in range(TRIES):
            self.begin(proxy, (seconds or self.seconds) * LONGER**turn, **traffic)
            run = self.end()
            if run["messages"] > 0 and run["cpu_us"] > 0:
                return run
        raise Failed(f"{proxy.name}, {self._last[1]['traffic']}: no message came back in {TRIES} runs")

    def _fail(self, answer: Run) -> None:
        proxy, order = self._last
        log = proxy.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise Failed(f"{proxy.name}, {order['traffic']}: {answer.get('error', answer)}\n{log}")

    def _compare(self, proxy: Proxy, sent: int) -> None:
        """portguard has counted each submit_sm, and decided about each, once, over all its workers."""
        main, now = proxy.pids["main"][0], counted(proxy)
        before = self._counted.get(main, (0, 0))
        self._counted[main] = now
        came, decided = now[0] - before[0], now[1] - before[1]
        # Of `mixed` some are parts of long messages, which are decided about as one.
        if came != sent or (decided != sent and self._last[1]["traffic"]["kind"] != "mixed"):
            raise Failed(f"{proxy.name}: {sent} messages were answered; /metrics has {came}, and {decided} decisions")

    def measure(self, groups: Groups) -> list[Run]:
        """The runs of as many rounds as there is time for, interleaved; each knows its round and group."""
        runs, longest = [], 0.0
        for turn in range(self.rounds):
            began = monotonic()
            if turn and began + longest > self.until:
                break
            for group, contenders in groups.items():
                for place in range(len(contenders)):
                    one = contenders[(place + turn) % len(contenders)]
                    run = {"round": turn, "group": group, "name": one.name, **self.run(one.proxy, **one.traffic)}
                    runs.append(run)
                    self.say(
                        f"round {turn + 1}  {group:12} {one.name:20} {run['cpu_us']:8.3f} us/message"
                        f" {run['rate']:9.0f}/s  core {run['core']:4.0%}  slowed {run['slowed']:4.0%}"
                        f"  p99 {run['p99_ms']:8.2f} ms"
                    )
            longest = max(longest, monotonic() - began)
        return runs


def summary(runs: list[Run]) -> list[Run]:
    """For each group and contender the medians, and the median of the ratios to the group's base within each round."""
    rows = []
    for group in dict.fromkeys(run["group"] for run in runs):
        of_group = [run for run in runs if run["group"] == group]
        names = list(dict.fromkeys(run["name"] for run in of_group))
        base = {run["round"]: run for run in of_group if run["name"] == names[0]}
        for name in names:
            own = [run for run in of_group if run["name"] == name]
            row: Run = {"group": group, "name": name, **{key: median(run[key] for run in own) for key in FIGURES}}
            for ratio, key in (("ratios", "cpu_us"), ("rate_ratios", "rate")):
                row[ratio] = [run[key] / base[run["round"]][key] for run in own]
            rows.append({**row, "ratio": median(row["ratios"]), "rate_ratio": median(row["rate_ratios"])})
    return rows


def table(rows: list[Run]) -> Iterator[str]:
    """The summary as Markdown. CPU is that of the message process a message, beside it that of the journal's writer and
    of main; `slowed`: the share of the time that is left out because the machine was not at full speed, `all`: p99 with
    it; `stolen`: the share in which the proxy's core wanted to run and the host did not let it; `late`: the 99th
    percentile, in ms, of how late the load generator itself was."""
    base = rows[0]["name"]
    yield (
        f"| | | CPU us | to {base} (range) | journal us | main us | messages/s | to {base} | p50 | p99 | p99.9 ms"
        " | all | slowed | stolen | late ms |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        spread = f"{row['ratio']:.2f}x ({min(row['ratios']):.2f}-{max(row['ratios']):.2f})"
        yield (
            f"| {row['group']} | {row['name']} | {row['cpu_us']:.3f} | {spread} | {row['journal_us']:.3f}"
            f" | {row['main_us']:.3f}"
            f" | {row['rate']:.0f} | {row['rate_ratio']:.2f}x"
            f" | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {row['p999_ms']:.2f}"
            f" | {row['p99_all_ms']:.2f} | {row['slowed']:.0%} | {row['stolen']:.0%} | {row['late_p99_ms']:.2f} |"
        )


class Crew:
    """The process that is load and sink."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._running = running
        self._held = b""
        answer = self.answer(BEGIN_SECONDS)
        if "sink" not in answer:
            raise Failed(f"load and sink did not start: {answer['error']}")
        self.sink: int = answer["sink"]

    def order(self, order: dict[str, Any]) -> None:
        """Have it do something."""
        assert self._running.stdin is not None
        try:
            self._running.stdin.write(json.dumps(order).encode() + b"\n")
            self._running.stdin.flush()
        except OSError:
            raise Failed("load and sink have ended") from None

    def answer(self, seconds: float) -> Run:
        """What it says next, within so many seconds."""
        assert self._running.stdout is not None
        fd, until = self._running.stdout.fileno(), monotonic() + seconds
        while b"\n" not in self._held:
            if not select.select([fd], [], [], max(until - monotonic(), 0.0))[0]:
                return {"error": f"load and sink said nothing for {seconds:.0f} s"}
            data = os.read(fd, 1 << 16)
            if not data:
                return {"error": "load and sink have ended"}
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return Run(json.loads(line))


@contextlib.contextmanager
def stage(folder: Path, given: Any, until: float, say: Say) -> Iterator[Stage]:
    """Load and sink, running, and what starts and ends the proxies. `say` tells whoever watches how far it is."""
    proxy_core, load_core = cores()
    with contextlib.ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        pin(load_core)
        command = [sys.executable, str(HERE / "crew.py")]
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        stack.callback(end, running)
        crew = Crew(running)
        yield Stage(Ground(folder, crew.sink, proxy_core, load_core), stack, crew, given, until, say)
