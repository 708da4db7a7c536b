"""The state folder."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from portguard.daemon.state import CANDIDATES_KEPT, REVISIONS_KEPT, StateError, StateFolder
from tests.daemon.processes import environment


def image(state: StateFolder, revision: str, age: int) -> Path:
    folder = state.revisions / revision
    folder.mkdir()
    (folder / "registry.image").write_bytes(b"x")
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_folder_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    state = StateFolder(tmp_path / "state")
    state.open()
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    state.close()


def test_second_daemon_is_told_who_has_it(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    code = (
        "import sys; from pathlib import Path; from portguard.daemon.state import *\n"
        "try: StateFolder(Path(sys.argv[1])).open()\n"
        "except StateError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(state.path)],
        capture_output=True, text=True, timeout=30, check=True, env=environment(),
    )
    assert said.stdout.strip() == f"{state.path}: another portguard (pid {os.getpid()}) runs with this state folder"
    state.close()
    again = StateFolder(state.path)
    again.open()
    again.close()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="not a directory"):
        StateFolder(tmp_path / "file" / "state").open()
    with pytest.raises(StateError, match="file exists"):
        StateFolder(tmp_path / "file").open()


def test_discard_key_is_kept(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    key = state.discard_key()
    assert len(key) == 32
    assert state.discard_key() == key
    assert stat.S_IMODE((state.path / "discard.key").stat().st_mode) == 0o600
    (state.path / "discard.key").write_text("damaged")
    assert state.discard_key() != key
    state.close()


def test_what_was_prepared_is_remembered_while_its_image_is_there(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    folder = image(state, "a" * 16, 0)
    state.remember("content", "a" * 16)
    assert state.prepared("content") == "a" * 16
    assert state.prepared("other") is None
    (folder / "registry.image").unlink()
    assert state.prepared("content") is None
    (state.path / "prepared.json").write_text("{")
    assert state.prepared("content") is None
    state.close()


def test_old_images_go_and_those_that_served_stay(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    names = [f"{number:016x}" for number in range(12)]
    for number, name in enumerate(names):
        image(state, name, age=number)
    (state.revisions / ".lock").write_text("")
    line = names[:4:-1]
    state.served("0" * 15 + "5", line)
    left = sorted(path.name for path in state.revisions.iterdir())
    # The newest three are the one in use, which is now touched, and two that were only built.
    assert left == [".lock", *names[: CANDIDATES_KEPT - 1], *sorted(line[-REVISIONS_KEPT:])]
    state.close()


def test_what_is_prepared_is_forgotten_with_its_image(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.open()
    for name in ("a" * 16, "b" * 16):
        image(state, name, 0)
        state.remember(f"content of {name}", name)
    shutil.rmtree(state.revisions / ("a" * 16))
    state.remember("more", "b" * 16)
    assert msgspec.json.decode((state.path / "prepared.json").read_bytes()) == {"more": "b" * 16}
    state.close()
