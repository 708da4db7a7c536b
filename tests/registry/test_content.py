"""The digest of a folder is that of its content, whatever is remembered of its files."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from portguard.registry import content
from portguard.registry.content import Digests, content_digest


def write(path: Path, text: str, seconds_ago: float = 60.0) -> None:
    """A file whose content was changed so long ago."""
    path.write_text(text, encoding="utf-8")
    then = path.stat().st_mtime_ns - int(seconds_ago * 1e9)
    os.utime(path, ns=(then, then))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "registry"
    place.mkdir()
    write(place / "ports.csv", "port,holder\n1069,hub\n")
    write(place / "accounts.csv", "system_id,enterprise\nhub01,hub\n")
    return place


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each file that is read. The time since its state changed is not waited for."""
    monkeypatch.setattr(content, "_SETTLED", -1_000_000_000)
    read: list[int] = []
    whole = hashlib.file_digest

    def counted(file: Any, method: Any) -> Any:
        read.append(1)
        return whole(file, method)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return read


def test_files_that_did_not_change_are_not_read_again(folder: Path, tmp_path: Path, reads: list[int]) -> None:
    first = content_digest(folder)
    digests = Digests(tmp_path / "digests.json")
    assert content_digest(folder, digests) == first
    before = len(reads)
    assert content_digest(folder, digests) == first
    assert content_digest(folder, Digests(tmp_path / "digests.json")) == first
    assert len(reads) == before
    # Links to the same files, as an edit has them, hold the same.
    (tmp_path / "links").mkdir()
    for path in folder.iterdir():
        (tmp_path / "links" / path.name).symlink_to(path)
    assert content_digest(tmp_path / "links", digests) == first
    assert len(reads) == before


def test_any_change_is_seen(folder: Path, tmp_path: Path, reads: list[int]) -> None:
    digests = Digests(tmp_path / "digests.json")
    seen = {content_digest(folder, digests)}
    ports = folder / "ports.csv"
    stood = ports.stat()
    ports.write_text("port,holder\n1069,hum\n", encoding="utf-8")
    # As long as before, and with its old time: the file system knows better.
    os.utime(ports, ns=(stood.st_atime_ns, stood.st_mtime_ns))
    seen.add(content_digest(folder, digests))
    (folder / "new").write_text("port,holder\n1069,hug\n", encoding="utf-8")
    os.utime(folder / "new", ns=(stood.st_atime_ns, stood.st_mtime_ns))
    (folder / "new").replace(ports)
    seen.add(content_digest(folder, digests))
    ports.rename(folder / "ports.jsonl")
    seen.add(content_digest(folder, digests))
    assert len(seen) == 4
    assert content_digest(folder, digests) == content_digest(folder)


def test_what_changed_a_moment_ago_is_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = Digests(tmp_path / "digests.json")
    content_digest(folder, digests)
    assert not (tmp_path / "digests.json").exists()
    monkeypatch.setattr(content, "_SETTLED", -1_000_000_000)
    content_digest(folder, digests)
    assert (tmp_path / "digests.json").exists()


@pytest.mark.parametrize("rubbish", ["", "[]", '{"1:2": 3}', "\0"])
def test_a_memory_that_cannot_be_read_is_none(folder: Path, tmp_path: Path, rubbish: str) -> None:
    (tmp_path / "digests.json").write_text(rubbish)
    assert content_digest(folder, Digests(tmp_path / "digests.json")) == content_digest(folder)


def test_a_place_that_takes_no_file_is_no_fault(folder: Path, tmp_path: Path, reads: list[int]) -> None:
    digests = Digests(tmp_path / "nowhere" / "digests.json")
    assert content_digest(folder, digests) == content_digest(folder, digests) == content_digest(folder)
