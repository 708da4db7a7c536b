"""Line rate: CPU per message of portguard beside proxies that look at nothing, in one run.

    python benchmarks/line_rate.py --windows 10,100 --rounds 5 --json results.json

Every proxy runs on one core, load and sink on another. A round is one run of each proxy with the same traffic, in an
order that changes from round to round; ratios are taken within a round, and their median is what is claimed.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from cpu import pin, resident_octets
from proxies import HERE, Proxy, cores, free_port, haproxy, portguard, process, relay, wait_for
from traffic import ACCOUNTS, PDU_OCTETS, SIGNATURES

BASE = "haproxy"
FIGURES = ("cpu_us", "rate", "cpu_share", "p50_ms", "p99_ms")
PROXIES = (BASE, "relay", "portguard")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", default="10,100,1000", help="messages outstanding on each connection")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured in each run")
    parser.add_argument("--warm-up", type=float, default=1.0, help="before them, in seconds")
    parser.add_argument("--proxies", default=",".join(PROXIES), help="which of " + ", ".join(PROXIES))
    parser.add_argument("--rows", type=int, default=1000, help="ports, signatures and scopes on file beside those used")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args()
    given.windows = [int(window) for window in given.windows.split(",")]
    given.proxies = given.proxies.split(",")
    if not set(given.proxies) <= set(PROXIES) or BASE not in given.proxies:
        parser.error(f"--proxies: some of {', '.join(PROXIES)}, and {BASE} among them")
    return given


def machine() -> dict[str, str]:
    """Where this is measured."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return {
        "cpu": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextlib.contextmanager
def everything(given: argparse.Namespace) -> Iterator[list[Proxy]]:
    """The sink and the proxies, running."""
    proxy_core, load_core = cores()
    with tempfile.TemporaryDirectory(prefix="portguard-bench-") as name, contextlib.ExitStack() as stack:
        folder, sink = Path(name), free_port()
        log = folder / "sink.log"
        running = stack.enter_context(process([sys.executable, str(HERE / "sink.py"), str(sink)], load_core, log))
        wait_for(running, sink, log)
        found = []
        if "haproxy" in given.proxies:
            found.append(stack.enter_context(haproxy(folder, sink, proxy_core)))
        if "relay" in given.proxies:
            found.append(stack.enter_context(relay(folder, sink, proxy_core)))
        if "portguard" in given.proxies:
            found.append(stack.enter_context(portguard(folder, sink, proxy_core, given.rows)))
        pin(load_core)
        yield found


def one_run(proxy: Proxy, window: int, given: argparse.Namespace) -> dict[str, Any]:
    """One run of the load generator against a proxy."""
    command = [sys.executable, str(HERE / "load.py"), str(proxy.port), str(proxy.pid)]
    command += ["--connections", str(given.connections), "--window", str(window)]
    command += ["--seconds", str(given.seconds), "--warm-up", str(given.warm_up)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{proxy.name}, window {window}: {result.stderr}")
    found: dict[str, Any] = json.loads(result.stdout)
    return {"proxy": proxy.name, "window": window, **found, "resident": resident_octets(proxy.pid)}


def measure(proxies: list[Proxy], given: argparse.Namespace) -> list[dict[str, Any]]:
    """All runs, interleaved."""
    runs = []
    for turn in range(given.rounds):
        for window in given.windows:
            for place in range(len(proxies)):
                proxy = proxies[(place + turn) % len(proxies)]
                run = {"round": turn, **one_run(proxy, window, given)}
                runs.append(run)
                print(
                    f"round {turn + 1}  W={window:<5} {proxy.name:10} {run['cpu_us']:7.3f} us/message"
                    f" {run['rate']:9.0f}/s  core {run['cpu_share']:4.0%}  p99 {run['p99_ms']:7.2f} ms",
                    file=sys.stderr,
                )
    return runs


def summary(runs: list[dict[str, Any]], names: list[str], windows: list[int]) -> list[dict[str, Any]]:
    """For each window and proxy the medians, and the median of the ratios to the base within each round."""
    rows = []
    for window in windows:
        base = {run["round"]: run["cpu_us"] for run in runs if (run["proxy"], run["window"]) == (BASE, window)}
        for name in names:
            own = [run for run in runs if (run["proxy"], run["window"]) == (name, window)]
            ratios = [run["cpu_us"] / base[run["round"]] for run in own]
            medians = {key: median(run[key] for run in own) for key in FIGURES}
            rows.append({"window": window, "proxy": name, **medians, "ratio": median(ratios), "ratios": ratios})
    return rows


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The summary as Markdown."""
    yield f"| W | proxy | CPU us/message | to {BASE} (range) | messages/s | core | p50 ms | p99 ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        spread = f"{row['ratio']:.2f}x ({min(row['ratios']):.2f}-{max(row['ratios']):.2f})"
        yield (
            f"| {row['window']} | {row['proxy']} | {row['cpu_us']:.3f} | {spread} | {row['rate']:.0f}"
            f" | {row['cpu_share']:.0%} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} |"
        )


def main() -> None:
    """Measures, prints, writes."""
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the proxies end with it
    with everything(given) as proxies:
        about = {
            **machine(),
            "proxies": {proxy.name: proxy.version for proxy in proxies},
            "traffic": (
                f"closed loop, {given.connections} connections, {PDU_OCTETS}-octet submit_sm in UCS-2,"
                f" {ACCOUNTS} accounts of {SIGNATURES} signatures each, all permitted, every octet compared;"
                f" {given.rows} further ports, signatures and scopes on file"
            ),
            "method": f"{given.rounds} rounds interleaved, {given.seconds:g} s each after {given.warm_up:g} s",
        }
        for key, value in about.items():
            print(f"{key}: {value}")
        runs = measure(proxies, given)
    rows = summary(runs, given.proxies, given.windows)
    print("\n".join(["", *table(rows)]))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({**about, "summary": rows, "runs": runs}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
