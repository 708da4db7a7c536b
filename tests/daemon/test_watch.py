"""Noticing that a folder has changed and come to rest."""

import asyncio
import shutil
from pathlib import Path

import pytest
import uvloop

from portguard.daemon.watch import changes, look


@pytest.mark.slow
def test_one_notice_for_many_writes_and_again_for_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "registry"
        folder.mkdir()
        (folder / "ports.csv").write_text("a")
        watching = changes(folder, 0.2)
        notice = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            for number in range(5):
                (folder / "ports.csv").write_text(f"b{number}")
                await asyncio.sleep(0.02)
            await notice
            settled = look(folder)
            notice = asyncio.ensure_future(anext(watching))
            (folder / ".swap").write_text("hidden files are nobody's business")
            shutil.copytree(folder, tmp_path / "new")
            (tmp_path / "new" / "ports.csv").write_text("replaced")
            folder.rename(tmp_path / "old")
            (tmp_path / "new").rename(folder)
            await notice
            assert look(folder) != settled
        await watching.aclose()  # type: ignore[attr-defined]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_folder_that_is_not_there_looks_empty(tmp_path: Path) -> None:
    assert look(tmp_path / "absent") == ()
