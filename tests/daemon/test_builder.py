"""What main hears of the builder while it works."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from portguard.daemon import builder
from portguard.daemon.builder import BuildBroken, build, compare
from portguard.daemon.process import LOW_NICE, give_priority
from portguard.daemon.state import StateFolder
from tests.registry.folder import sound, write
from tests.registry.generate import generate


@pytest.mark.slow
async def test_how_far_a_build_is_comes_in_while_it_works(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    heard: list[str] = []
    folder = generate(tmp_path / "large", 80_000, 40_000)
    built = await build(folder, state, "Asia/Shanghai", "86", priority="normal", heard=heard.append)
    assert built.revision
    assert heard
    assert all(line.split("% ")[1].split()[0] in ("reading", "writing") for line in heard)
    # A small one is done before there is anything to say, and a wrong one says what is wrong all the same.
    wrong = sound()
    wrong["ports"][1]["holder"] = "nobody"
    folder = write(tmp_path / "wrong", wrong)
    refused = await build(folder, state, "Asia/Shanghai", "86", priority="normal", heard=heard.append)
    assert refused.errors == ["ports.csv:3: holder: 'nobody' is no id in enterprises"]
    state.close()


@pytest.mark.parametrize(
    ("priority", "policy", "nice"), [("normal", "OTHER", 0), ("low", "BATCH", LOW_NICE), ("idle", "IDLE", LOW_NICE)]
)
def test_how_a_process_of_ours_gives_way(priority: str, policy: str, nice: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        before = os.getpriority(os.PRIO_PROCESS, process.pid)
        give_priority(process.pid, priority)
        found = os.sched_getscheduler(process.pid), os.getpriority(os.PRIO_PROCESS, process.pid)
        process.communicate(b"\n")
    assert found == (getattr(os, f"SCHED_{policy}"), nice or before)
    # One that has gone by then is nobody's fault.
    give_priority(process.pid, priority)


@pytest.fixture
def busy_processor() -> Iterator[subprocess.Popen[bytes]]:
    """One processor for this process and what it starts, and somebody who wants all of it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize("may", [True, False], ids=["permitted", "not permitted"])
async def test_a_build_that_gets_no_processor_gives_way_less_for_a_while(
    may: bool, tmp_path: Path, busy_processor: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if may and os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_NICE)[0] < 20 - LOW_NICE:
        pytest.skip("only root, or LimitNICE=+10, may lift a process")
    caplog.set_level("INFO")
    monkeypatch.setattr(builder, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(builder, "LOW_SECONDS", 0.1)
    found: list[int] = []

    def give(pid: int, name: str) -> None:
        # A kernel that does not permit more: one may become idle, and stays so.
        if may or name == "idle":
            give_priority(pid, name)
        found.append(os.sched_getscheduler(pid))

    monkeypatch.setattr(builder, "give_priority", give)
    state = StateFolder(tmp_path / "state")
    state.open()
    folder = write(tmp_path / "sound", sound())
    building = asyncio.create_task(build(folder, state, "Asia/Shanghai", "86", priority="idle"))
    while len(found) < (4 if may else 2):
        assert not building.done(), "it was done before it starved"
        await asyncio.sleep(0.05)
    busy_processor.kill()
    assert (await building).revision
    idle, low = os.SCHED_IDLE, os.SCHED_BATCH
    assert found[:4] == ([idle, low, idle, low] if may else [idle, idle])
    said = "got no processor, it has low priority now and then" if may else "gets no processor: registry.priority"
    assert f"the build {said}" in caplog.text
    assert caplog.text.count("no processor") == 1
    state.close()


async def test_a_comparison_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b""
        await asyncio.sleep(60)

    monkeypatch.setattr(builder, "COMPARE_SECONDS", 0.1)
    with pytest.raises(BuildBroken, match="the comparison took longer than 0 s and was ended"):
        await compare(never(), 0.0, "idle")
