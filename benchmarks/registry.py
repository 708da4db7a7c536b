"""A large registry: what building its image takes, how large that is, and what messages pay for asking it.

    python benchmarks/registry.py [--rows 100000] [--folder DIR] [--json registry.json]

`--rows` is how many signatures there are; `registry_rows` says what comes with them (7.7 rows a signature; a million
is what is claimed). The builder runs as the daemon runs it, a process of its own. Times are processor
time where that is the question, else they say so. What is asked, by Zipf's law and evenly over all signatures, is what
the path asks for a message: the number, then the signature on it, through the caches of an engine at their usual size.
Memory is Private_Dirty of this process. With `--folder` tables and images are kept, and found again.
"""

import argparse
import gc
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, time
from typing import Any

from portguard.daemon.builder import fingerprint
from portguard.flavour import flavour
from portguard.policy.assembly import build_engine, build_revision
from portguard.policy.engine import Engine
from portguard.policy.options import PolicyOptions
from portguard.policy.revision import Revision
from portguard.registry.diff import diff
from portguard.registry.image import Image
from portguard.relay.options import LimitsOptions
from registry_rows import Shape, write

MISSES = 5_000
REPETITIONS = 7
WARM_UP = 1_000_000
MESSAGES = 300_000
TIMEZONE, COUNTRY = "Asia/Shanghai", "86"


# ---- the builder


def built(folder: Path, out: Path) -> dict[str, Any]:
    """Build the registry in `folder` as the daemon does."""
    out.mkdir(parents=True, exist_ok=True)
    began = perf_counter()
    command = [sys.executable, "-P", "-m", "portguard.registry.build", str(folder), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(printed.decode())
    result = json.loads(printed)
    return {
        "path": result["path"],
        "rows": sum(result["counts"].values()),
        "octets": result["octets"],
        "wall_s": perf_counter() - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }


def another(folder: Path, place: Path) -> Path:
    """The same registry with one scope more."""
    place.mkdir()
    for path in folder.iterdir():
        if path.name != "scopes.csv":
            (place / path.name).symlink_to(path.resolve())
    shutil.copy(folder / "scopes.csv", place / "scopes.csv")
    with (place / "scopes.csv").open(encoding="utf-8") as file:
        header, row = file.readline().rstrip("\n").split(","), file.readline().rstrip("\n").split(",")
    more = dict(zip(header, row, strict=True)) | {"hours": "09:00-10:00"}
    with (place / "scopes.csv").open("a", encoding="utf-8") as file:
        file.write(",".join(more[name] for name in header) + "\n")
    return place


# ---- what is asked


class Asked:
    """Who sends what: `draw` gives so many (account, number, signature as on the wire), the same ones every time."""

    def __init__(self, shape: Shape, how: str) -> None:
        self.shape = shape
        self._zipf = how == "zipf"
        ranks = range(1, shape.signatures + 1)
        self._weights = list(accumulate(1.0 / rank for rank in ranks)) if self._zipf else []
        self._random = random.Random(12321)
        # Who sends most has nothing to do with where a signature stands in the files.
        self._order = list(range(shape.signatures))
        random.Random(1).shuffle(self._order)

    def draw(self, count: int) -> list[tuple[str, bytes, bytes]]:
        found, shape, weights, draw = [], self.shape, self._weights, self._random.random
        for _ in range(count):
            place = bisect(weights, draw() * weights[-1]) if self._zipf else int(draw() * shape.signatures)
            index = self._order[place]
            key = shape.signature(index).encode("utf-16-be")
            found.append((shape.account(index), shape.number(index).encode(), key))
        return found


def lookups(engine: Engine, asked: Sequence[tuple[str, bytes, bytes]], at: float) -> float:
    """Seconds of processor time."""
    account, port_of, grant_of = engine.account, engine.port_of, engine.grant_of
    began = process_time()
    for name, number, key in asked:
        a = account(name)
        grant_of(a, port_of(a, number, at), key, at)
    return process_time() - began


def private_mb() -> float:
    """Private_Dirty of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


def traffic(path: str, shape: Shape, how: str) -> dict[str, float]:
    """One engine's caches under so many messages, from empty."""
    gc.collect()
    at = time()
    asked = Asked(shape, how)
    warm_up = [asked.draw(50_000) for _ in range(min(WARM_UP, 5 * shape.signatures) // 50_000 or 1)]
    measured = [asked.draw(50_000) for _ in range(MESSAGES // 50_000)]
    before = private_mb()
    limits = LimitsOptions()
    engine = build_engine(
        revision(path), answers=limits.answers, grants=limits.grants, refusals=limits.refusals
    )
    engine.set_clock(at, at)
    engine.present = at
    for messages in warm_up:
        lookups(engine, messages, at)
    gc.collect()
    memory = private_mb() - before
    misses = engine.counters.grant_misses
    times = [lookups(engine, messages, at) / len(messages) for messages in measured]
    missed = (engine.counters.grant_misses - misses) / MESSAGES
    swap = swapped(engine, path)
    return {"us": median(times) * 1e6, "missed": missed, "private_mb": memory, **swap}


def swapped(engine: Engine, path: str) -> dict[str, float]:
    """What a swap takes on the path, at once and at the ticks that follow."""
    following = revision(path)
    began = perf_counter()
    engine.swap(following)
    at_once = perf_counter() - began
    ticks = []
    while engine.leaving:
        began = perf_counter()
        engine.shed(1000)
        ticks.append(perf_counter() - began)
    return {"swap_us": at_once * 1e6, "shed_ms": median(ticks) * 1e3 if ticks else 0.0, "shed_ticks": len(ticks)}


def revision(path: str) -> Revision:
    """A revision under the usual settings."""
    return build_revision(Image(path), PolicyOptions(), TIMEZONE, COUNTRY)


def misses(path: str, shape: Shape) -> dict[str, float]:
    """Microseconds of one question that no cache answers."""
    asked, at = Asked(shape, "even"), time()
    began = perf_counter()
    image = Image(path)
    opened = perf_counter() - began
    on_file = build_revision(image, PolicyOptions(), TIMEZONE, COUNTRY)
    limits = build_engine(on_file).limits
    rows = [
        (on_file.account(name, limits).enterprise, number, key.decode("utf-16-be"))
        for name, number, key in asked.draw(MISSES)
    ]
    began = process_time()
    ports = [on_file.port(enterprise, number, at) for enterprise, number, _ in rows]
    first = (process_time() - began) / MISSES * 1e6
    if any(port.hits for port in ports):
        sys.exit("a sender may not send on his own port")
    told = list(zip(ports, rows, strict=True))

    def numbers() -> None:
        for enterprise, number, _ in rows:
            on_file.port(enterprise, number, at)

    def signatures() -> None:
        for port, (enterprise, _, text) in told:
            on_file.signature(port, enterprise, text, at, bracketed=True)

    def strangers() -> None:
        for port, (enterprise, _, text) in told:
            on_file.signature(port, enterprise, text + "无", at, bracketed=True)

    def disguises() -> None:
        for port, (enterprise, _, text) in told:
            on_file.signature(port, enterprise, text[:1] + "·" + text[1:], at, bracketed=True)

    found = {"open_ms": opened * 1e3, "number, first touch": first}
    for name, work in (
        ("number", numbers), ("signature", signatures), ("not on file", strangers), ("disguised", disguises)
    ):
        found[name] = best(work) / MISSES * 1e6
    return found


def best(work: Callable[[], None]) -> float:
    """Processor seconds, the least of several times."""
    times = []
    for _ in range(REPETITIONS):
        began = process_time()
        work()
        times.append(process_time() - began)
    return min(times)


# ---- all of it


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds on the clock, and what came of it."""
    began = perf_counter()
    result = work()
    return perf_counter() - began, result


def measure(place: Path, shape: Shape) -> dict[str, Any]:
    """Every figure."""
    folder = place / "registry"
    found: dict[str, Any] = {}
    if not folder.exists():
        write(folder, shape)
    build = found["build"] = built(folder, place / "revisions")
    found["fingerprint_s"], _ = timed(lambda: fingerprint(folder, TIMEZONE, COUNTRY))
    changed = place / "changed"
    if not changed.exists():
        another(folder, changed)
    again = found["one row more"] = built(changed, place / "revisions")
    images = Image(build["path"]), Image(again["path"])
    found["diff_s"], changes = timed(lambda: list(diff(*images)))
    if len(changes) != 1:
        sys.exit(f"one row was added, and {len(changes)} changes are found")
    found["octets"] = images[0].octets()
    found["misses_us"] = misses(build["path"], shape)
    found["traffic"] = {how: traffic(build["path"], shape, how) for how in ("zipf", "even")}
    return found


def show(found: dict[str, Any]) -> None:
    """The figures as lines."""
    build, again = found["build"], found["one row more"]
    rows = build["rows"]
    print(f"build          {rows:,} rows: {build['cpu_s']:.1f} s of processor time "
          f"({build['wall_s']:.1f} s on the clock), {build['peak_mb']:,.0f} MB at most")  # fmt: skip
    print(f"one row more   {again['cpu_s']:.1f} s; the difference is found in {found['diff_s']:.1f} s on the clock")
    print(f"image          {build['octets'] / 1e6:,.1f} MB, {build['octets'] / rows:.1f} octets a row of the tables")
    for name, octets in found["octets"].items():
        if octets:
            print(f"  {name:12} {octets / 1e6:8.1f} MB")
    misses = found["misses_us"]
    print(f"open           {misses['open_ms']:.2f} ms on the clock; fingerprint of the folder "
          f"{found['fingerprint_s']:.2f} s")  # fmt: skip
    print("asked of the image, us of processor time")
    for name in ("number, first touch", "number", "signature", "not on file", "disguised"):
        print(f"  {name:20} {misses[name]:6.2f}")
    print("through the caches     us a message   not kept   private MB   swap us   then ms a tick")
    for how, row in found["traffic"].items():
        print(f"  {how:20} {row['us']:12.2f} {row['missed']:10.1%} {row['private_mb']:12.1f} {row['swap_us']:9.0f} "
              f"{row['shed_ms']:10.2f} x {row['shed_ticks']}")  # fmt: skip


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="signatures; 7.7 rows each")
    parser.add_argument("--folder", type=Path, help="keep tables and images here")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args()
    shape = Shape(given.rows)
    print(f"portguard {flavour()}, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="portguard-bench-") as name:
        place = given.folder or Path(name)
        place.mkdir(parents=True, exist_ok=True)
        found = measure(place, shape)
    show(found)
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"flavour": flavour(), **found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
