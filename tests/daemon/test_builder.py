"""What main hears of the builder while it works."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portguard.daemon import builder
from portguard.daemon.builder import BuildBroken, build, compare, give_priority
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
    ("priority", "policy", "nice"), [("normal", "OTHER", 0), ("low", "BATCH", 19), ("idle", "IDLE", 19)]
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


@pytest.mark.parametrize(("priority", "hint"), [("idle", 'registry.priority = "low"'), ("low", "was ended")])
async def test_what_gets_no_processor_says_what_to_do(
    priority: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b""
        await asyncio.sleep(60)

    monkeypatch.setattr(builder, "COMPARE_SECONDS", 0.1)
    with pytest.raises(BuildBroken, match=f"the comparison took longer than 0 s.*{hint}$"):
        await compare(never(), 0.0, priority)
