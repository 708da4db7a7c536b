"""What the evidence journal takes: records a second that its writer makes durable, octets a record, and what reading,
verifying, exporting and counting cost.

    python benchmarks/evidence.py [--records 1000000] [--folder DIR] [--json FILE]

The writer is the process that `portguard run` starts; this program is a worker that always has the next batch ready.
`--records 10000000` is half a year of a busy node; it needs some 2.5 GB of disk.
"""

import argparse
import io
import json
import os
import platform
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Final, cast
from zoneinfo import ZoneInfo

import msgspec

from cpu import Meter
from portguard.daemon.child import own_environment
from portguard.evidence import wire
from portguard.evidence.client import RecordsDoor
from portguard.evidence.export import FORMATS, export, sink
from portguard.evidence.keys import KEY, load
from portguard.evidence.options import EvidenceOptions
from portguard.evidence.reader import Filter, Reader
from portguard.evidence.verify import Verification
from portguard.evidence.writer import WriterSettings
from portguard.flavour import flavour
from portguard.policy.counters import Records
from portguard.policy.desk import submit_sm_of
from portguard.policy.labels import label
from portguard.policy.reasons import CATALOGUE, MONITOR, ORDINAL, REJECT, TAG
from portguard.smpp.constants import SUBMIT_SM

POOL: Final = 20_000
CASES: Final = 300
BATCH: Final = 1_000
AHEAD_OCTETS: Final = 4 << 20
BEGIN: Final = 1_790_000_000
DAYS: Final = 183
ALONE: Final = 100
CODES: Final = (204, 300, 302, 400, 101, 203, 402, 307)
TEXT: Final = "您好，您在我店预订的商品已经到货，全场五折起，满三百减五十，详询门店，退订回T"


def pool() -> tuple[bytearray, list[int]]:
    """Packed violations, and where each begins. A few senders break a rule again and again (Zipf's law over CASES, each
    of one account, port, signature, rule, action and kind of content), one record in twenty is of anybody."""
    numbers = random.Random(12321)
    weights = [1 / (rank + 1) for rank in range(CASES)]
    records = Records(1 << 30, 1)
    octets, starts = bytearray(), []
    for n, case in enumerate(numbers.choices(range(CASES), weights, k=POOL)):
        of = random.Random(case if n % 20 else n)
        brand, account = of.randrange(300), of.randrange(60)
        port, name = f"1069{of.randrange(200):04}", f"品牌{brand}"
        whose = label(f"account{account}", f"enterprise{account % 20}", port, port + "01", f"holder{account % 7}", name,
                      f"enterprise{brand % 20}")  # fmt: skip
        code, action = of.choice(CODES), of.choice((REJECT, REJECT, TAG, MONITOR))
        pdu = submit_sm_of(0, f"{port}01".encode(), 0, f"139{numbers.randrange(10**8):08}".encode(), 8,
                           f"【{name}】{TEXT}{n}".encode("utf-16-be"))  # fmt: skip
        records.pack(float(BEGIN), 1 << ORDINAL[code], b"revision", CATALOGUE[ORDINAL[code]].status, action,
                     ORDINAL[code], of.choice((0x10, 0x31, 0x32)), SUBMIT_SM, whose, pdu, b"")  # fmt: skip
        starts.append(len(octets))
        octets += records.take()
    return octets, starts


def batches(count: int) -> Iterator[bytes]:
    """`count` records in batches, their times spread evenly over DAYS."""
    octets, starts = pool()
    starts.append(len(octets))
    step = DAYS * 86400 / count
    patch = struct.Struct("<d").pack_into
    for n in range(0, count, BATCH):
        first = n % POOL
        for at in range(first, first + BATCH):
            patch(octets, starts[at] + 4, BEGIN + (n + at - first) * step)
        yield bytes(octets[starts[first] : starts[first + BATCH]])


class Writer:
    """The journal's writer as a process, and a worker's door to it."""

    def __init__(self, folder: Path) -> None:
        self.sock, theirs = socket.socketpair()
        told = WriterSettings(EvidenceOptions(path=folder / "evidence", retention_days=0), "bench", "86", folder / KEY)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "portguard.evidence.writer", msgspec.json.encode(told, enc_hook=str).decode(),
             str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=own_environment(),
        )  # fmt: skip
        theirs.close()
        ours, other = socket.socketpair()
        hello = wire.pack(wire.HELLO, 0, wire.encode(wire.Hello(os.urandom(8), "main")))
        socket.send_fds(self.sock, [hello + wire.pack(wire.CLIENT, 0, b"")], [other.fileno()])
        other.close()
        self.door = RecordsDoor("benchmark", ours)

    def turn(self) -> None:
        """Send and hear once something can be sent or heard."""
        poll = select.poll()
        poll.register(self.door.fileno(), select.POLLIN | (select.POLLOUT if self.door.blocked else 0))
        poll.poll(1000)
        self.door.turn()
        if not self.door.attached:
            sys.exit("the writer has ended")

    def durable(self) -> None:
        """Wait until nothing waits."""
        while self.door.waiting:
            self.turn()

    def close(self) -> None:
        """End it."""
        self.door.detach()
        self.sock.close()
        self.process.wait(60)


def written(folder: Path, count: int) -> dict[str, float]:
    """Have the writer take `count` records as fast as it can."""
    writer = Writer(folder)
    door = writer.door
    alone = []
    warm = next(batches(BATCH * 20))
    door.records(warm)
    writer.durable()
    size = len(warm) // BATCH
    for _ in range(ALONE):
        began = perf_counter()
        door.records(warm[: struct.unpack_from("<I", warm)[0]])
        door.turn()
        writer.durable()
        alone.append(perf_counter() - began)
    meter = Meter([writer.process.pid])
    began, before = perf_counter(), meter.seconds()
    for batch in batches(count):
        door.records(batch)
        door.turn()
        while door.waiting > AHEAD_OCTETS:
            writer.turn()
    writer.durable()
    seconds, cpu = perf_counter() - began, meter.seconds() - before
    meter.close()
    writer.close()
    alone.sort()
    return {
        "records": count, "seconds": seconds, "records_a_second": count / seconds, "cpu_us_a_record": cpu / count * 1e6,
        "octets_in_a_record": size, "alone_ms_median": alone[ALONE // 2] * 1e3, "alone_ms_worst": alone[-1] * 1e3,
    }  # fmt: skip


def timed(work: Callable[[], int]) -> dict[str, float]:
    """Seconds, and things a second."""
    began = perf_counter()
    count = work()
    seconds = perf_counter() - began
    return {"seconds": seconds, "a_second": count / seconds}


class Nowhere(io.RawIOBase):
    """Takes octets and forgets them, so that an export's own cost is seen."""

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        return len(octets)


def read(folder: Path) -> dict[str, Any]:
    """Verify, read by number, export, and count."""
    journal = folder / "evidence"
    found: dict[str, Any] = {}
    verification = Verification(journal, load(folder / KEY))
    found["verify"] = timed(lambda: verification.run().records)
    if not verification.verdict.sound:
        sys.exit(f"the journal is not sound: {verification.verdict.problems[:3]}")
    with Reader(journal) as reader:
        latest = reader.latest()
        found["rows"] = timed(lambda: _rows(reader, min(latest, 200_000)))
        found["tail_ms"] = timed(lambda: len(reader.rows(latest - 10, 10)))["seconds"] * 1e3
        for kind in FORMATS:
            stream = cast(IO[bytes], io.BufferedWriter(Nowhere()))
            some = Filter(until=BEGIN + DAYS * 86400 * min(1.0, 500_000 / latest))
            found[kind] = timed(
                lambda kind=kind, stream=stream, some=some: export(  # type: ignore[misc]
                    reader.named(some), sink(kind, stream, ZoneInfo("Asia/Shanghai")), lambda counts: None
                ).total()
            )
        for by in (("code",), ("hour", "code"), ("account", "port", "signature", "code"), ("signature", "content")):
            found[f"count by {', '.join(by)}"] = _counted(reader, by, {})
        found["count one enterprise by hour"] = _counted(reader, ("hour", "code"), {"enterprise": "enterprise3"})
    return found


def _counted(reader: Reader, by: tuple[str, ...], where: dict[str, object]) -> dict[str, float]:
    return timed(lambda: sum(reader.counts(by, where=where).values()))


def _rows(reader: Reader, count: int) -> int:
    after = 0
    while after < count:
        after = reader.rows(after, 1000)[-1][0]
    return after


def sizes(folder: Path, count: int) -> dict[str, float]:
    """Octets a record, in the segments and in the index."""
    files = list((folder / "evidence").iterdir())
    segments = sum(path.stat().st_size for path in files if path.suffix == ".journal")
    index = sum(path.stat().st_size for path in files if path.name.startswith("index"))
    return {"octets_a_record": segments / count, "index_octets_a_record": index / count}


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="a multiple of 1000")
    parser.add_argument("--folder", type=Path, help="where the journal goes for the time of the run")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        found: dict[str, Any] = {"write": written(folder, options.records)}
        found["size"] = sizes(folder, options.records)
        found["read"] = read(folder)
    finally:
        shutil.rmtree(folder)
    machine = {"python": platform.python_version(), "flavour": flavour(), "cores": len(os.sched_getaffinity(0)),
               "system": platform.platform()}  # fmt: skip
    print(" ".join(f"{name}={value}" for name, value in machine.items()))
    write, size = found["write"], found["size"]
    print(f"write    {write['records_a_second']:,.0f} records a second, {write['records']:,} in "
          f"{write['seconds']:.1f} s; {write['cpu_us_a_record']:.1f} us of the writer's CPU each")  # fmt: skip
    print(f"alone    one record is durable after {write['alone_ms_median']:.0f} ms (median of {ALONE}), "
          f"{write['alone_ms_worst']:.0f} ms at worst")  # fmt: skip
    print(f"size     {size['octets_a_record']:.0f} octets a record, {size['index_octets_a_record']:.1f} in the index; "
          f"the path packs it in {write['octets_in_a_record']}")  # fmt: skip
    for name, one in found["read"].items():
        if name == "tail_ms":
            print(f"tail     the last ten records in {one:.2f} ms")
        elif name.startswith("count"):
            print(f"{name}: {one['seconds']:.2f} s")
        else:
            print(f"{name:8} {one['a_second']:,.0f} records a second")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
