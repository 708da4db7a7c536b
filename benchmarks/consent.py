"""The consent ledger: octets a pair on disk, the cost of a lookup, the rate of an import and of revocations.

    python benchmarks/consent.py [--pairs 1000000] [--enterprises 20] [--again] [--json consent.json]

Pairs are random mobile numbers of China over some enterprises, each with a date, a source and categories. The import is
of a csv file in no order, read, checked and sorted as `portguard consent import` does it. Lookups are `Ledger.judge` on
random pairs that are on file, and on others, in a ledger that was warmed; the figure is the best of several
repetitions. What is said of 100 million pairs is calculated, not measured, and says so.
"""

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, time
from typing import Any
from zoneinfo import ZoneInfo

import lmdb

from portguard.consent.ledger import Ledger
from portguard.consent.load import CSV, Import, Silence
from portguard.consent.options import ConsentOptions
from portguard.consent.store import Store
from portguard.flavour import flavour
from portguard.policy.ledger import COUNTS

MARKETING = 48
LOOKUPS = 50_000
REPETITIONS = 5
REVOCATIONS = 2_000
HUNDRED_MILLION = 100_000_000


def pairs(count: int, enterprises: int) -> Iterator[tuple[str, str]]:
    """Random pairs; the same ones every time."""
    numbers = random.Random(12321)
    for _ in range(count):
        yield f"brand{numbers.randrange(enterprises)}", f"861{numbers.randrange(3_000_000_000, 10_000_000_000)}"


def write_file(path: Path, count: int, enterprises: int) -> None:
    """The file to import."""
    with path.open("w", encoding="utf-8") as file:
        file.write("enterprise,subscriber,granted_at,source,categories,expires_at\n")
        for n, (enterprise, subscriber) in enumerate(pairs(count, enterprises)):
            day = f"2025-{n % 12 + 1:02}-{n % 28 + 1:02}"
            source = "request" if n % 5 == 0 else "opt-in"
            file.write(f"{enterprise},{subscriber},{day},{source},marketing/retail|marketing/food,2099-12-31\n")


class Watched(Silence):
    """Notes when reading ended and writing began."""

    def __init__(self) -> None:
        self.read_by = perf_counter()

    def read(self, octets: int, rows: int, bad: int) -> None:
        """Reading goes on."""
        self.read_by = perf_counter()


def imported(folder: Path, file: Path) -> dict[str, float]:
    """Import the file; seconds by phase."""
    store, watched = Store(folder), Watched()
    began = perf_counter()
    with file.open("rb") as stream:
        result = Import(store, "86", ZoneInfo("Asia/Shanghai"), time()).run(stream, file.name, CSV, watched)
    ended = perf_counter()
    store.close()
    if result.bad:
        sys.exit(f"{result.bad} rows were refused")
    return {
        "rows": result.sound, "changed": result.changed, "seconds": ended - began,
        "reading_seconds": watched.read_by - began, "rows_a_second": result.sound / (ended - began),
    }  # fmt: skip


def size(folder: Path) -> dict[str, float]:
    """Octets a record: of the file, and of the pages of the records themselves."""
    store = Store(folder, readonly=True)
    with store.environment.begin() as transaction:
        stat = transaction.stat(store.pairs)
    records, page = stat["entries"], store.environment.stat()["psize"]
    store.close()
    data = folder / "data.mdb"
    return {"records": records, "file_octets": data.stat().st_size, "octets_a_pair": data.stat().st_size / records,
            "octets_a_pair_in_leaves": page * stat["leaf_pages"] / records}  # fmt: skip


def lookups(ledger: Ledger, count: int, enterprises: int) -> dict[str, float]:
    """Microseconds a lookup of pairs that are on file and of strangers."""
    on_file = list(pairs(min(count, 2_000_000), enterprises))
    random.Random(1).shuffle(on_file)
    on_file = on_file[:LOOKUPS]
    strangers = [(enterprise, str(int(subscriber) + 1)) for enterprise, subscriber in on_file]
    found = {}
    at = time()
    for name, asked in (("on_file", on_file), ("stranger", strangers)):
        best, judge = float("inf"), ledger.judge
        for _ in range(REPETITIONS):
            began = perf_counter()
            for enterprise, subscriber in asked:
                judge(enterprise, subscriber, MARKETING, at)
            best = min(best, (perf_counter() - began) / len(asked))
        found[f"{name}_us"] = best * 1e6
    if any(ledger.judge(*pair, MARKETING, at) != COUNTS for pair in on_file[:1000]):
        sys.exit("a pair that is on file does not count")
    return found


def other_costs(ledger: Ledger) -> dict[str, float]:
    """What else happens on the path: a tick, `sent`, and what a revocation takes until it is on the disk."""
    began = perf_counter()
    for n in range(1000):
        ledger.tick(float(n))
    tick = perf_counter() - began
    began = perf_counter()
    for n in range(10_000):
        ledger.sent("106912345678", f"86139{n:08}", "brand1")
    sent = perf_counter() - began
    began = perf_counter()
    for n in range(REVOCATIONS):
        ledger.revoke("brand1", f"86139{n:08}", time(), "reply")
    taken = perf_counter() - began
    if not ledger.wait(ledger.queued, 120):
        sys.exit("revocations are not committed")
    return {"tick_us": tick * 1e3, "sent_us": sent * 100, "revoke_us": taken / REVOCATIONS * 1e6,
            "revocations_committed_a_second": REVOCATIONS / (perf_counter() - began)}  # fmt: skip


def measured(folder: Path, count: int, enterprises: int, again: bool) -> dict[str, Any]:
    """Everything, in a folder of its own."""
    file, ledger_folder = folder / "consents.csv", folder / "consent"
    write_file(file, count, enterprises)
    found: dict[str, Any] = {"import": imported(ledger_folder, file), "size": size(ledger_folder)}
    if again:
        found["again"] = imported(ledger_folder, file)
    ledger = Ledger(ledger_folder, ConsentOptions(ledger_folder))
    began = perf_counter()
    ledger.warm()
    found["warm_seconds"] = perf_counter() - began
    found["lookup"] = lookups(ledger, count, enterprises)
    found["other"] = other_costs(ledger)
    ledger.close()
    octets = found["size"]["octets_a_pair"]
    found["extrapolated_100_million"] = {
        "gigabytes": octets * HUNDRED_MILLION / 1e9,
        "import_minutes": HUNDRED_MILLION / found["import"]["rows_a_second"] / 60,
    }
    return found


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--enterprises", type=int, default=20)
    parser.add_argument("--again", action="store_true", help="import the same file once more, which changes nothing")
    parser.add_argument("--folder", type=Path, help="where the files go for the time of the run")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        found = measured(folder, options.pairs, options.enterprises, options.again)
    finally:
        shutil.rmtree(folder)
    machine = {"python": platform.python_version(), "lmdb": ".".join(map(str, lmdb.version())), "flavour": flavour(),
               "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}  # fmt: skip
    print(" ".join(f"{name}={value}" for name, value in machine.items()))
    read, once = found["import"], found["size"]
    print(f"import      {read['rows']:,} rows in {read['seconds']:.1f} s: {read['rows_a_second']:,.0f} rows a second "
          f"(reading and checking {read['reading_seconds']:.1f} s of it)")  # fmt: skip
    if options.again:
        print(f"again       {found['again']['seconds']:.1f} s, {found['again']['changed']:,} pairs changed")
    print(f"size        {once['octets_a_pair']:.1f} octets a pair in the file, {once['octets_a_pair_in_leaves']:.1f} "
          f"in its leaves ({once['file_octets'] / 1e6:,.1f} MB)")  # fmt: skip
    lookup = found["lookup"]
    print(f"lookup      {lookup['on_file_us']:.2f} us on file, {lookup['stranger_us']:.2f} us not on file")
    other = found["other"]
    print(f"path        tick {other['tick_us']:.1f} us, sent {other['sent_us']:.2f} us, "
          f"revoke {other['revoke_us']:.1f} us")  # fmt: skip
    print(f"revocations {other['revocations_committed_a_second']:,.0f} a second until the last is on the disk")
    more = found["extrapolated_100_million"]
    print(f"100 million pairs, EXTRAPOLATED from these, not measured: {more['gigabytes']:.1f} GB, import "
          f"{more['import_minutes']:.0f} min")  # fmt: skip
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
