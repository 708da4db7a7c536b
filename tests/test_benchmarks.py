"""The benchmark programs run, and what they send is what their registry permits: both ends compare every octet."""

import ast
import asyncio
import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate, cycle, islice
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"

pytestmark = pytest.mark.slow


def environment() -> dict[str, str]:
    """Without PYTHONSAFEPATH: a program of the benchmark finds its own modules beside it. With short reels: to make the
    whole ones takes longer than to send as much of them as the tests do."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    return {**kept, "PORTGUARD_BENCH_RING": "2048"}


def run(program: str, *arguments: str) -> str:
    return ran([str(BENCHMARKS / program), *arguments])


def ran(arguments: list[str]) -> str:
    result = subprocess.run(
        [sys.executable, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_engine_permits_and_refuses_what_it_should(tmp_path: Path) -> None:
    run("engine.py", "--seconds", "0.01", "--rows", "10", "--messages", "400", "--json", str(tmp_path / "engine.json"))
    assert json.loads((tmp_path / "engine.json").read_text())["us_a_message"]["scan and judge"] > 0


def test_what_the_compiler_is_shown_is_mostly_permitted() -> None:
    printed = run("training.py", "--messages", "3000")
    sent, _, counts = printed.partition(": ")[2].partition(" messages in ")
    found = ast.literal_eval(counts.partition(", ")[2])
    assert int(sent) == sum(found.values()) >= 3000
    assert found["allow"] > int(sent) / 2
    assert found["reject"] > 0
    assert found["tag"] > 0


def test_the_ledger_finds_what_it_imported(tmp_path: Path) -> None:
    printed = run("consent.py", "--pairs", "2000", "--again", "--folder", str(tmp_path), "--json", str(tmp_path / "c"))
    found = json.loads((tmp_path / "c").read_text())
    assert (found["size"]["records"], found["again"]["changed"]) == (2000, 0)
    assert "EXTRAPOLATED from these, not measured" in printed


def test_the_journal_has_and_verifies_what_it_was_given(tmp_path: Path) -> None:
    run("evidence.py", "--records", "2000", "--folder", str(tmp_path), "--json", str(tmp_path / "e"))
    found = json.loads((tmp_path / "e").read_text())
    assert found["write"]["records"] == 2000
    assert found["read"]["verify"]["a_second"] > 0


def test_a_registry_is_built_asked_and_swapped(tmp_path: Path) -> None:
    printed = run("registry.py", "--rows", "500", "--folder", str(tmp_path / "r"), "--json", str(tmp_path / "r.json"))
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["one row more"]["rows"] == found["build"]["rows"] + 1
    assert found["build"]["octets"] < 120 * found["build"]["rows"]
    assert found["traffic"]["zipf"]["missed"] == 0
    assert "octets a row of the tables" in printed


HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="no haproxy")
needs_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two cores are needed")
# The rate is one that the interpreted flavour carries: beyond it the builder, which gives way to everything on its
# core, may wait for longer than a test does.
SHORT = (
    "--rounds", "1", "--seconds", "0.3", "--warm-up", "0.2", "--rows", "10", "--big", "40", "--reloaded", "20",
    "--rate", "2000",
)  # fmt: skip

# What no option shortens: one second around a reload instead of five, no more refusals a second than the interpreted
# flavour carries, fewer idle pairs, and fewer messages through the engine, which takes them all twice for each figure.
HURRIED = f"""
import sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import extremes, inside, line_rate

extremes.AROUND = 1.0
extremes.RECORD_RATE = 2000
extremes.IDLE = 200
inside.MESSAGES = 400
"""


def measured(out: Path, *parts: str, budget: int = 5) -> tuple[dict[str, Any], str]:
    """What parts find; some take what is left of the budget, the others end by themselves and are given time to."""
    printed = ran(["-c", HURRIED + "line_rate.main()", *parts, *SHORT, "--budget", str(budget), "--results", str(out)])
    assert (out / "line_rate.svg").read_text().startswith("<?xml")
    found: dict[str, Any] = json.loads((out / "line_rate.json").read_text())
    assert set(found) == set(parts)
    return found, printed


@needs_cores
@needs_haproxy
def test_every_octet_passes_every_proxy(tmp_path: Path) -> None:
    found, printed = measured(tmp_path, "closed", "kinds", budget=300)
    assert {(row["name"], row["group"]) for row in found["closed"]["rows"]} == {
        (proxy, f"W={window}") for proxy in ("haproxy", "relay", "portguard") for window in (1, 10, 100, 1000)
    }
    assert {row["name"] for row in found["kinds"]["rows"]} == {"permitted", "mixed", "hostile", "fresh"}
    # A short run on a busy machine may cost less than /proc counts, or see nothing come back.
    rows = [row for part in found.values() for row in part["rows"]]
    assert all(row["rate"] >= 0 and row["cpu_us"] >= 0 for row in rows)
    assert sum(row["rate"] > 0 for row in rows) > len(rows) / 2
    assert "| W=100 | portguard |" in printed
    assert "| CPU, closed loop, W=10 | ≤ 1.6x haproxy (least 2.2x) | " in printed
    assert printed.count("its part has not run") > 10


@needs_cores
def test_refusals_leave_records_and_two_workers_count_as_one(tmp_path: Path) -> None:
    found, _ = measured(tmp_path, "records", "workers", "engine", budget=300)
    assert found["records"]["rows"][0]["records"] == found["records"]["rows"][0]["sent"] > 0
    beside = {"haproxy", "two haproxies"} if HAPROXY else set()
    assert {row["name"] for row in found["workers"]["rows"]} == {"portguard", "two workers", *beside}
    assert found["engine"]["rows"]


@needs_cores
def test_a_registry_is_reloaded_and_another_started_over_what_it_prepared(tmp_path: Path) -> None:
    found, printed = measured(tmp_path, "reload", "registry")
    assert found["reload"]["rows"][0]["signatures"] == 20
    assert found["registry"]["start_seconds"] > 0
    assert "at 40 signatures" in printed


@needs_cores
def test_memory_is_read_while_messages_pass_and_are_refused(tmp_path: Path) -> None:
    row = measured(tmp_path, "memory")[0]["memory"]["rows"][0]
    assert min(row["permitted_messages"], row["hostile_messages"], row["private"]) > 0


BROKEN = f"""{HURRIED}
import budget, time

def broken(stage):
    "Fails."
    raise RuntimeError("on purpose")

def hung(stage):
    "Never ends."
    time.sleep(1000)

budget.GRACE = 1.0
line_rate.PARTS |= {{"closed": (broken, 1), "paced": (hung, 1), "records": (line_rate.PARTS["records"][0], 100)}}
line_rate.main()
"""


@needs_cores
def test_a_part_that_fails_or_hangs_lets_the_others_run() -> None:
    result = subprocess.run(
        [sys.executable, "-c", BROKEN, "closed", "paced", "records", *SHORT, "--budget", "60"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "### closed: FAILED: on purpose" in result.stdout
    assert "### paced: FAILED: not over after 2 s, given up" in result.stdout
    assert "| durable records a second, none left out | reported | " in result.stdout
    assert "failed: closed, paced" in result.stderr


class Thief(asyncio.Protocol):
    """A proxy that does something to the stream of an ESME once so many octets have passed."""

    def __init__(self, sink: int, deed: Callable[[bytes], bytes]) -> None:
        self._sink, self._deed, self._passed, self._waiting = sink, deed, 0, b""
        self._other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        _, back = await asyncio.get_running_loop().create_connection(lambda: Back(self._transport), port=self._sink)
        back_transport = back._own
        self._other = back_transport
        back_transport.write(self._waiting)

    def data_received(self, data: bytes) -> None:
        before, self._passed = self._passed, self._passed + len(data)
        if before < 100_000 <= self._passed:
            data = self._deed(data)
        if self._other is None:
            self._waiting += data
        else:
            self._other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()


class Back(asyncio.Protocol):
    """The sink's side of it."""

    def __init__(self, esme: asyncio.Transport) -> None:
        self._esme = esme

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._own = transport

    def data_received(self, data: bytes) -> None:
        self._esme.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._esme.close()


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(lambda data: data[172:], id="lost"),
        pytest.param(lambda data: data[:172] + data, id="doubled"),
        pytest.param(lambda data: data[:-1] + bytes((data[-1] ^ 1,)), id="changed"),
        pytest.param(lambda data: data[172:344] + data[:172] + data[344:], id="reordered"),
    ],
)
async def test_a_proxy_that_is_not_faithful_is_found_out(deed: Callable[[bytes], bytes]) -> None:
    crew = await asyncio.create_subprocess_exec(
        sys.executable, str(BENCHMARKS / "crew.py"), env=environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert crew.stdin is not None
    assert crew.stdout is not None
    server = None
    try:
        sink = json.loads(await crew.stdout.readline())["sink"]
        server = await asyncio.get_running_loop().create_server(lambda: Thief(sink, deed), "127.0.0.1", 0)
        traffic = {"connections": 1, "window": 10}
        order = {"ports": [server.sockets[0].getsockname()[1]], "traffic": traffic, "warm_up": 10, "seconds": 10}
        crew.stdin.write(json.dumps(order).encode() + b"\n")
        assert "not what was sent" in json.loads(await crew.stdout.readline())["error"]
    finally:
        crew.kill()
        await crew.wait()
        if server is not None:
            server.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=5), max_size=6), st.lists(st.integers(0, 40), max_size=12))
def test_a_stream_is_compared_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, pdus: list[bytes], sizes: list[int]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("ring")
    ring, stream, at = module.Ring(module.Tape(pdus)), b"".join(pdus) * 500, 0
    ends = list(accumulate(map(len, pdus * 500)))
    for size in sizes:
        piece = stream[at : at + size]
        for place in range(len(piece)):
            assert not ring.matches(piece[:place] + bytes((piece[place] ^ 1,)) + piece[place + 1 :])
        assert ring.matches(piece)
        at += len(piece)
        assert ring.pdus == bisect_right(ends, at)
    if not pdus:
        assert not ring.matches(b"more")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=6), st.lists(st.integers(0, 20), max_size=12)
)
def test_a_stream_is_sent_however_many_go_at_once(
    monkeypatch: pytest.MonkeyPatch, pdus: list[bytes], counts: list[int]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("ring")
    ring = module.Ring(module.Tape(pdus))
    sent = [ring.take(count) for count in counts]
    assert b"".join(sent) == b"".join(islice(cycle(pdus), sum(counts)))
    assert ring.pdus == sum(counts)
    assert ring.matches(pdus[ring.pdus % len(pdus)])


async def test_moments_in_which_the_machine_is_braked_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("witness")
    took = 5e-6
    monkeypatch.setattr(module, "look", lambda: took)
    witness = module.Witness()
    async with witness.watching(lambda: (0, {})):
        await asyncio.sleep(0.3)
        braked, took = perf_counter(), 5e-6 * (module.SLOW + 0.1)
        await asyncio.sleep(0.1)
        free, took = perf_counter(), 5e-6 * (module.SLOW - 0.1)
        await asyncio.sleep(0.1)
    assert not witness.sound(braked + 0.05, free - 0.04)
    assert not witness.sound(0.0, braked + 0.05)
    slices = [(one.at, other.at) for one, other in witness.slices()]
    before = [slice for slice in slices if slice[1] < braked]
    after = [slice for slice in slices if slice[0] > free]
    assert before
    assert after
    assert slices == before + after


def test_so_are_moments_in_which_the_machine_kept_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("witness")
    witness = module.Witness()
    taken = {50: module.TAKEN, 60: 0.01, 63: 0.003}
    witness._looks = [module.Look(place / 500, 5e-6, taken.get(place, 0.0)) for place in range(1, 100)]
    witness.readings = [module.Reading(place / 50, 0, {}) for place in range(11)]
    witness._judge()
    # From before they were taken to the look after, and what overlaps is one.
    assert witness.stretches == [pytest.approx((0.108, 0.128))]
    assert witness.sound(0.0, 0.107)
    assert not witness.sound(0.107, 0.109)
    assert witness.sound(0.129, 0.2)
    assert [one.at for one, _ in witness.slices()] == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08, 0.14, 0.16, 0.18])


async def test_the_witness_asks_with_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("witness")
    given, enough = [0.0, 0.004, 0.0, 0.0], asyncio.Event()

    def asked() -> float:
        if len(given) == 1:
            enough.set()
        return given.pop(0) if given else 0.0

    witness = module.Witness()
    async with witness.watching(lambda: (0, {}), asked):
        await enough.wait()
    assert [look.taken for look in witness._looks[:3]] == [0.0, 0.004, 0.0]
    assert not witness.sound(witness._looks[1].at - 0.004, witness._looks[1].at)


def test_a_core_is_taken_by_others_and_not_by_threads_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("cpu")
    # Nanoseconds that the main thread ran and waited, and that all threads ran.
    stats = iter([b"5 7 3", b"6 7 3", b"6 1007 4", b"6 2007 5", b"6 2107 6", b"6 2607 7"])
    clocks = iter([9, 10, 10, 1010, 2010, 2010])
    with contextlib.closing(module.Kept(os.getpid())) as kept:
        assert kept.seconds() >= 0.0
        assert os.pread(kept._file, 64, 0).split()[0].isdigit()
        assert time.clock_gettime_ns(kept._clock) > 0
        monkeypatch.setattr(os, "pread", lambda file, octets, offset: next(stats))
        monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: next(clocks))
        kept.seconds()
        assert [kept.seconds() * 1e9 for _ in range(5)] == pytest.approx([0, 1000, 0, 0, 500])


def test_a_run_in_which_nothing_came_back_is_made_again_and_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    stage, proxies = importlib.import_module("stage"), importlib.import_module("proxies")
    still, moved = (
        {"measuring": 0.0, "messages": messages, "seconds": 1.0, "sent": messages, "cpu": {"message": 0.5, "crew": 0.5}}
        for messages in (0, 5)
    )

    class Crew:
        def __init__(self, runs: list[dict[str, Any]]) -> None:
            self._runs = [dict(run) for run in runs for _ in "be"]
            self.seconds: list[float] = []

        def order(self, order: dict[str, Any]) -> None:
            self.seconds.append(order["seconds"])

        def answer(self, seconds: float) -> dict[str, Any]:
            return self._runs.pop(0)

    proxy = proxies.Proxy("relay", 1, "", {"message": [1]}, tmp_path / "log")
    (tmp_path / "log").touch()
    given = SimpleNamespace(rounds=1, seconds=1.0, warm_up=0.0, rows=1, big=1, reloaded=1, rate=1)
    ground = SimpleNamespace(proxy_core=0)

    def run(*runs: dict[str, Any]) -> tuple[int, list[float]]:
        crew = Crew(list(runs))
        made = stage.Stage(ground, contextlib.ExitStack(), crew, given, 0.0, print).run(proxy, window=10)
        return made["messages"], crew.seconds

    assert run(moved) == (5, [1.0])
    assert run(still, still, moved) == (5, [1.0, 4.0, 16.0])
    with pytest.raises(proxies.Failed, match="no message came back in 3 runs"):
        run(still, still, still, moved)


@pytest.mark.may_skip
@pytest.mark.skipif(not (BENCHMARKS / "results" / "line_rate.json").exists(), reason="no results in this clone")
def test_the_readme_has_what_was_measured() -> None:
    run("goals.py", "--check")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["goals.py", "{}/none.json"], "none.json has no results"),
        (["goals.py", "--check", "{}/broken.json"], "broken.json has no results"),
        (["goals.py", "{}/other.json"], "no parts of a benchmark"),
        (["goals.py", "--chekc"], "unrecognized arguments: --chekc"),
        (["engine.py", "--messages", "100"], "more than the 100 that come in one chunk"),
        (["line_rate.py", "nosuch"], "parts are engine, closed"),
    ],
)  # fmt: skip
def test_wrong_arguments_and_files_are_named(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "broken.json").write_text('{"closed": ')
    (tmp_path / "other.json").write_text('{"closed": 3}')
    program, *rest = [argument.format(tmp_path) for argument in arguments]
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS / program), *rest], env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert said in result.stderr
    assert "Traceback" not in result.stderr
