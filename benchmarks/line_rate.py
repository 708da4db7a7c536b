"""Line rate: CPU per message, rates, latencies and memory of portguard beside other proxies, in one run.

    python benchmarks/line_rate.py --budget 540                 every part, in nine minutes
    python benchmarks/line_rate.py closed paced --rounds 2      some parts, roughly
    python benchmarks/line_rate.py registry reload --big 1000000 --reloaded 1000000 --results benchmarks/results

Every proxy runs on one core, load and sink on another. A round is one run of each proxy with the same traffic, in an
order that changes from round to round; ratios are taken within a round, and their median is what is claimed. A part
that fails says why, the others go on, and the exit code is 1.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from math import inf, isfinite
from pathlib import Path
from types import FrameType
from typing import Any

import extremes
import goals
import inside
import parts
import plot
import scale
from budget import Budget
from proxies import Failed, LeftOut
from stage import Stage, stage
from traffic import ACCOUNTS, PDU_OCTETS, SIGNATURES

# Each part with its weight: about the seconds that it takes with four rounds of one second.
PARTS: dict[str, tuple[Callable[[Stage], parts.Part], float]] = {
    "engine": (inside.engine, 15),
    "closed": (parts.closed, 80),
    "paced": (parts.paced, 95),
    "fastest": (extremes.fastest, 95),
    "batching": (parts.batching, 45),
    "kinds": (parts.kinds, 55),
    "records": (extremes.records, 12),
    "peers": (parts.peers, 45),
    "workers": (parts.workers, 50),
    "memory": (extremes.memory, 35),
    "reload": (extremes.reload, 35),
    "shadow": (extremes.shadow, 30),
    "registry": (scale.registry, 50),
    "profile": (inside.profile, 14),
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join(PARTS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {known}; all unless given")
    parser.add_argument("--budget", type=float, default=0.0, help="seconds for all parts: fewer rounds where need be")
    parser.add_argument("--rounds", type=int, default=4, help="at most; each is an interleaved pair of a comparison")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured in each run")
    parser.add_argument("--warm-up", type=float, default=0.5, help="before them, in seconds")
    parser.add_argument("--rows", type=int, default=1000, help="ports, signatures and scopes on file beside those used")
    parser.add_argument("--big", type=int, default=100_000, help="signatures on file in `registry`")
    parser.add_argument("--reloaded", type=int, default=25_000, help="signatures on file in `reload`")
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second in `shadow`, half in `reload`")
    parser.add_argument("--nice", type=int, default=0, help="of all processes that are measured (negative: as root)")
    parser.add_argument("--results", type=Path, help="folder for line_rate.json and .svg; parts not run stay in them")
    parser.add_argument("--readme", action="store_true", help="also write the tables of benchmarks/README.md")
    given = parser.parse_args()
    if not set(given.parts) <= set(PARTS):
        parser.error(f"parts are {known}")
    if given.readme and given.results is None:
        parser.error("--readme shows what is in --results")
    if min(given.rounds, given.seconds, given.big, given.reloaded, given.rate) <= 0 or given.budget < 0:
        parser.error("--rounds, --seconds, --big, --reloaded and --rate are more than nothing")
    given.parts = given.parts or list(PARTS)
    return given


def machine() -> dict[str, str]:
    """Where this is measured."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return {
        "cpu": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, uvloop {version('uvloop')}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load average": " ".join(f"{value:.1f}" for value in os.getloadavg()),
    }


def about(given: argparse.Namespace) -> dict[str, Any]:
    """What is measured, and how."""
    return {
        **machine(),
        "traffic": (
            f"{PDU_OCTETS}-octet submit_sm in UCS-2, {ACCOUNTS} accounts of {SIGNATURES} signatures each, every octet"
            f" compared; eight connections and permitted messages unless said; {given.rows} further ports, signatures"
            " and scopes on file; enforce mode, the journal and /metrics on"
        ),
        "method": f"at most {given.rounds} rounds interleaved, {given.seconds:g} s each after {given.warm_up:g} s",
    }


@contextlib.contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """Whatever takes longer is a failure, wherever it waits."""

    def over(number: int, frame: FrameType | None) -> None:
        raise Failed(f"not over after {seconds:.0f} s, given up")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds if isfinite(seconds) else 0.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def measured(part: str, folder: Path, given: argparse.Namespace, budget: Budget) -> dict[str, Any]:
    """One part, with proxies of its own: what one part leaves behind is not the next one's."""
    measure = PARTS[part][0]
    until, limit = budget.begin(part)
    folder.mkdir()
    with given_up_after(limit), stage(folder, given, until, budget.say) as ground:
        rows, lines, further = measure(ground)
        versions = ground.versions
    summary = (measure.__doc__ or "").partition("\n")[0]
    shown = ", ".join(f"{proxy} {named}" for proxy, named in versions.items())
    pairs = f"\n\n{further['pairs']} interleaved rounds" if "pairs" in further else ""
    print(f"\n### {part}: {summary}\n\n{shown}{pairs}\n", *lines, sep="\n", flush=True)
    return {"about": summary, "versions": versions, "rows": rows, **further}


def all_parts(given: argparse.Namespace, facts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(what was found by part, the parts that failed)."""
    found, failed = dict[str, Any](), list[str]()
    budget = Budget(given.budget, {part: PARTS[part][1] for part in given.parts})
    with tempfile.TemporaryDirectory(prefix="portguard-bench-", ignore_cleanup_errors=True) as name:
        for part in given.parts:
            key = goals.sized(part, {"registry": given.big, "reload": given.reloaded}.get(part, 0))
            try:
                found[key] = {**facts, **machine(), **measured(part, Path(name) / part, given, budget)}
            except LeftOut as error:
                found[key] = {**facts, "left out": str(error), "rows": []}
                print(f"\n### {part}: left out: {error}", flush=True)
            except Exception as error:  # whatever it is, the other parts are worth having
                failed.append(part)
                found[key] = {**facts, "failed": str(error)[:500] or type(error).__name__, "rows": []}
                print(f"\n### {part}: FAILED: {error}", flush=True)
                if not isinstance(error, Failed):
                    traceback.print_exc()
    print(f"\n{budget.elapsed:.0f} s in all", flush=True)
    return found, failed


def rounded(value: Any) -> Any:
    """Figures to five digits: the rest is noise, and makes every line of the file another one."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if abs(value) < inf else None
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Measures, prints, writes."""
    given = options()
    os.nice(given.nice)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the proxies end with it
    facts = about(given)
    for key, value in facts.items():
        print(f"{key}: {value}", flush=True)
    found, failed = all_parts(given, facts)
    everything = found
    if given.results is not None:
        given.results.mkdir(parents=True, exist_ok=True)
        out = given.results / "line_rate.json"
        before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        everything = rounded({**before, **found})
        out.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n### Goals\n", *goals.table(everything), sep="\n", flush=True)
    if given.results is not None:
        plot.draw(everything, given.results / "line_rate.svg")
    if given.readme:
        goals.write_readme(everything)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
