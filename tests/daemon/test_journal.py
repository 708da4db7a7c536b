"""The main process's side of the journal: a writer that cannot be kept alive stops nothing; alerts say how it is."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from portguard.daemon import child, journal
from portguard.daemon.journal import Journal, JournalError
from portguard.daemon.state import StateFolder
from portguard.evidence.options import EvidenceOptions
from portguard.net.options import ListenOptions
from portguard.registry.options import RegistryOptions
from portguard.settings.schema import Settings

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Journal]:
    """A journal that is closed again."""
    state = StateFolder(tmp_path / "state")
    state.open()
    settings = Settings(
        listen=ListenOptions("127.0.0.1:0"), smsc=[], registry=RegistryOptions(tmp_path / "registry"),
        evidence=EvidenceOptions(path=tmp_path / "evidence"),
    )  # fmt: skip
    found = Journal(settings, state)
    yield found
    await found.close()
    state.close()


async def until(condition: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (what is waited for is on the disk, or in another process)
            await asyncio.sleep(0.02)
    assert condition(), what


def records(made: Journal) -> list[tuple[str, dict[str, object]]]:
    with made.reader() as reader:
        return [(kind, fields) for _, kind, fields in reader.rows(0, 1000)]


async def test_what_is_emitted_is_there(made: Journal) -> None:
    made.emit("audit", {"who": "jane"})
    await made.start()
    await made.ready()
    await until(lambda: records(made), "the event")
    ((kind, fields),) = records(made)
    assert (kind, fields["who"], fields["node"]) == ("audit", "jane", "gw1")
    before = made.advanced
    await until(lambda: made.facts()["number"] == 1, "the writer's word")
    assert made.advanced > before
    assert made.facts()["state"] == "ok"
    assert len(made.facts()["head"]) == 64


async def test_a_journal_that_cannot_be_opened(made: Journal, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file")
    await made.start()
    with pytest.raises(JournalError, match=r"evidence.path: the journal cannot be opened: .*evidence: file exists"):
        await made.ready()


async def test_a_writer_that_ends_before_it_says_anything(made: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MODULE", "portguard.no_such_module")
    made._child = made._new_child()
    await made.start()
    with pytest.raises(JournalError, match="the journal's writer ended with exit code 1"):
        await made.ready()


async def test_a_crash_loop_ends_nothing(made: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again for as long as the daemon runs, and what was emitted meanwhile is there once."""
    monkeypatch.setattr(child, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(child, "CRASHES", 3)
    monkeypatch.setattr(journal, "AGAIN_SECONDS", 0.01)
    await made.start()
    await made.ready()
    for n in range(4):
        lives = made.lives
        made.emit("audit", {"n": n})
        os.kill(made._child.pid, signal.SIGKILL)
        await until(lambda lives=lives: made.lives > lives and made._child.pid, "another life")  # type: ignore[misc]
    await until(lambda: len([1 for kind, _ in records(made) if kind == "audit"]) == 4, "all events")
    assert [fields["n"] for kind, fields in records(made) if kind == "audit"] == [0, 1, 2, 3]
    assert made.facts()["restarts"] == 4


async def test_a_full_disk_is_an_alert_and_so_is_its_end(made: Journal) -> None:
    await made.start()
    await made.ready()
    made.emit("audit", {})
    await until(lambda: records(made), "the first record")
    limits = resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE, (10, limits[1]))
    heard: list[dict[str, object]] = []
    made.hear_alerts(heard.append)
    made.emit("audit", {})
    await until(lambda: made.status.state == "full", "the state")
    # Whoever wants to hear alerts hears them at once, and they are in the journal later.
    assert [(fields["alert"], fields["severity"]) for fields in heard] == [("evidence_full", "critical")]
    assert made.alerts["evidence_full"] == 1
    late: list[dict[str, object]] = []
    made.hear_alerts(late.append)
    made.emit("alert", {"alert": "clock_jumped", "severity": "warning", "summary": "It jumped."})
    assert [fields["alert"] for fields in late] == ["evidence_full", "clock_jumped"]
    assert heard == late
    resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE, limits)
    await until(lambda: len(records(made)) == 5, "all of it")
    assert [fields["id"] for kind, fields in records(made) if kind == "alert"][:2] == [one["id"] for one in heard]
    assert len(heard) == 2
    alerts = [fields for kind, fields in records(made) if kind == "alert"]
    assert [(fields["alert"], fields["severity"]) for fields in alerts] == [
        ("evidence_full", "critical"), ("clock_jumped", "warning"), ("evidence_recovered", "info")
    ]  # fmt: skip
    assert alerts[0]["summary"] == "The evidence journal cannot be written (file too large): records wait."


async def test_what_was_emitted_just_before_the_disk_was_full_is_heard_too(made: Journal) -> None:
    await made.start()
    await made.ready()
    made.emit("audit", {})
    await until(lambda: records(made), "the first record")
    limits = resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE, (10, limits[1]))
    heard: list[object] = []
    made.hear_alerts(lambda fields: heard.append(fields["alert"]))
    made.emit("alert", {"alert": "text_spread", "severity": "warning", "summary": "A text."})
    assert heard == []
    await until(lambda: len(heard) == 2, "both alerts")
    assert heard == ["text_spread", "evidence_full"]
    resource.prlimit(made._child.pid, resource.RLIMIT_FSIZE, limits)


async def test_a_writer_that_cannot_be_kept_alive_is_an_alert(
    made: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(child, "CRASHES", 2)
    await made.start()
    await made.ready()
    heard: list[object] = []
    made.hear_alerts(lambda fields: heard.append(fields["alert"]))
    for n in range(2):
        await until(lambda n=n: made.lives == n + 1 and made._child.pid, "a life")  # type: ignore[misc]
        os.kill(made._child.pid, signal.SIGKILL)
    await until(lambda: heard, "the alert")
    assert heard == ["evidence_failing"]
    assert made.facts()["state"] == "failing"
    assert "giving up" in made.facts()["reason"]
