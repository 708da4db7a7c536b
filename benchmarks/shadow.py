"""The shadow diff: recent traffic judged under what serves and under a candidate, in the process that a daemon starts.

    python benchmarks/shadow.py [--messages 100000] [--rows 10000] [--json shadow.json]

Three candidates: one that changes no verdict, one in which a signature of each account is suspended (every eighth
message), and one that lacks every port (all messages). Wall time and CPU are the whole process's, its start and the
reading of its task included; the median of several runs.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, time
from typing import Any

from on_file import write_registry
from portguard.daemon.orders import Chunk, packed
from portguard.daemon.shadow import written
from portguard.daemon.shadow_judge import Task
from portguard.flavour import flavour
from portguard.policy.options import PolicyOptions
from portguard.registry.build import build
from reels import reel
from traffic import ACCOUNTS, PDU_OCTETS, RING, signature, system_id

PDUS = 10  # in a chunk
REPETITIONS = 3


def candidates(folder: Path, rows: int) -> dict[str, Path]:
    """The image that serves, as "serves", and one for each candidate."""
    write_registry(folder / "registry", rows)
    images = {"serves": build(folder / "registry", folder / "revisions").path}
    suspended = {signature(account, 1) for account in range(ACCOUNTS)}
    _rewrite(folder / "registry" / "regions.csv", str, "13999,北京\n")
    images["nothing changes"] = build(folder / "registry", folder / "revisions").path
    _rewrite(
        folder / "registry" / "signatures.csv",
        lambda line: f"{line},{'suspended' if line.split(',')[0] in suspended else 'active'}",
        header="signature,enterprise,status",
    )
    images["one in eight"] = build(folder / "registry", folder / "revisions").path
    _rewrite(
        folder / "registry" / "ports.csv", lambda line: f"{line},{'active' if line[:4] == '1065' else 'revoked'}",
        header="port,holder,extension_digits,signature_required,status",
    )
    images["every one"] = build(folder / "registry", folder / "revisions").path
    return {name: Path(path) for name, path in images.items()}


def _rewrite(path: Path, row: Any, more: str = "", header: str = "") -> None:
    lines = path.read_text("utf-8").splitlines()
    text = "\n".join([header or lines[0], *map(row, lines[1:])])
    path.write_text(f"{text}\n{more}", "utf-8")


def chunks(messages: int) -> list[Chunk]:
    """The accounts' traffic of the last minutes, a chunk of `PDUS` at a time."""
    octets, start, found = PDU_OCTETS * PDUS, time() - messages / 1000, []
    for number in range(messages // PDUS):
        requests = reel(number % ACCOUNTS).requests.octets
        at = number // ACCOUNTS * octets % (RING // PDUS * octets)
        sent = start + number * PDUS / 1000
        found.append(Chunk(system_id(number % ACCOUNTS), sent, requests[at : at + octets]))
    return found


def measured(octets: bytes) -> dict[str, Any]:
    """One run of the process: wall and CPU seconds, MiB of memory at its largest, and what it found."""
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "portguard.daemon.shadow"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(octets)
    process.stdin.close()
    found = json.loads(process.stdout.read())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    traffic = found["traffic"]
    return {
        "seconds": perf_counter() - started, "cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024,
        "judging": traffic["seconds"], "messages": traffic["messages"], "changed": traffic["changed"],
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000, help="ports and signatures that nobody uses")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    facts = {
        "machine": platform.machine(), "processors": os.cpu_count(), "python": platform.python_version(),
        "flavour": flavour(), "octets": PDU_OCTETS, "pdus_a_chunk": PDUS, "accounts": ACCOUNTS,
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        images = candidates(Path(folder), chosen.rows)
        traffic = chunks(chosen.messages)
        for name in list(images)[1:]:
            octets = written(Task(
                images["serves"], images[name], "Asia/Shanghai", "86", PolicyOptions(mode="enforce"),
                pages=[packed(traffic)], most_messages=chosen.messages, seconds=600.0,
            ))
            runs = [measured(octets) for _ in range(REPETITIONS)]
            results[name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(
                f"{name:16} {results[name]['seconds']:6.2f} s wall, {results[name]['cpu']:6.2f} s CPU, "
                f"{results[name]['mib']:5.0f} MiB; {results[name]['changed']:,.0f} of "
                f"{results[name]['messages']:,.0f} messages change"
            )
    if chosen.json is not None:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps({"facts": facts, "results": results}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
