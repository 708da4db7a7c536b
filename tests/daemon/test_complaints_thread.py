"""The thread that complaints are taken in: what it is told, and what happens when nobody waits for it any more."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from portguard.daemon.complaints import Complaints
from portguard.daemon.complaints_rooms import Rooms
from portguard.daemon.state import StateFolder
from portguard.policy.restraint import Restraint
from portguard.registry.build import build
from portguard.registry.image import Image
from portguard.settings.load import load
from tests.daemon.processes import SETTINGS
from tests.policy.folder import TIMEZONE, write
from tests.policy.registry import TABLES

SECONDS = 20.0


async def restrain(_: Sequence[Restraint]) -> None:
    """No worker serves here."""


def quiet() -> Any:
    """A journal that nothing is read from."""
    return SimpleNamespace(alerts=Counter(), emit=lambda *_: None, reader=lambda: SimpleNamespace(rows=lambda *_: []))


def test_the_end_while_a_revision_is_taken_closes_nothing_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()
    know: Callable[[Rooms, Image], None] = Rooms.know

    def slowly(rooms: Rooms, image: Image) -> None:
        know(rooms, image)
        begun.set()
        assert go_on.wait(SECONDS)

    monkeypatch.setattr(Rooms, "know", slowly)
    state = StateFolder(tmp_path / "state")
    state.open()
    on_file = tmp_path / "portguard.toml"
    on_file.write_text(SETTINGS)
    revision = build(write(tmp_path / "registry", TABLES), state.revisions, TIMEZONE, "86").revision

    async def main() -> None:
        workers: Any = SimpleNamespace(on_tallies=None, restrain=restrain)
        reloader: Any = SimpleNamespace(revision=revision)
        settings = load(on_file)
        complaints = Complaints(settings, state, workers, reloader, quiet(), None)
        await complaints.open()
        job = asyncio.create_task(complaints.take_revision())
        assert await asyncio.to_thread(begun.wait, SECONDS)
        job.cancel()
        with suppress(asyncio.CancelledError):
            await job
        go_on.set()
        at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        row = {"id": "c1", "received_at": at, "subscriber": "13900000001", "number": "106900001"}
        taken = await complaints.take_objects([row])
        assert taken.results == {"unknown_port": 1}
        await complaints.close()

    asyncio.run(main())
    state.close()
