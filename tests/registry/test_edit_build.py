"""Edits in a folder: checked as a reload would, one at a time, written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portguard.registry import edit_build
from portguard.registry.build import build
from portguard.registry.content import content_digest
from portguard.registry.edit import Edit
from portguard.registry.edit_build import Made, make
from portguard.registry.image import Image
from tests.registry.folder import sound, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound registry, with one table in each format."""
    tables = sound()
    write(tmp_path / "registry", {"signatures": tables.pop("signatures")}, "yaml")
    write(tmp_path / "registry", {"scopes": tables.pop("scopes")}, "jsonl")
    return write(tmp_path / "registry", tables)


def suspend(signature: str) -> Edit:
    return Edit("change", "signatures", {"signature": signature}, {"status": "suspended"})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def process(folder: Path, out: Path, edit: Edit, *arguments: str) -> subprocess.Popen[bytes]:
    """The process, with the edit on its way to it."""
    begun = subprocess.Popen(
        [sys.executable, "-P", "-m", "portguard.registry.edit_build", str(folder), str(out), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    assert begun.stdin is not None
    begun.stdin.write(msgspec.json.encode(edit))
    begun.stdin.close()
    return begun


def printed(begun: subprocess.Popen[bytes]) -> Made:
    with begun:
        assert begun.stdout is not None
        return msgspec.json.decode(begun.stdout.read(), type=Made)


def test_an_edit_is_what_a_build_of_the_folder_finds(folder: Path, tmp_path: Path) -> None:
    made = make(folder, tmp_path / "out", suspend("青芽茶业"))
    assert (made.result, made.file, made.line) == ("done", "signatures.yaml", 1)
    assert (made.before["signature"], made.after["status"]) == ("青芽茶业", "suspended")
    assert made.content == content_digest(folder)
    built = build(folder, tmp_path / "out")
    assert built.revision == made.revision
    image = Image(built.path)
    assert [row.status for row in image.signatures("青芽茶业")] == ["suspended"]
    image.close()
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".edit")] == []


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (Edit("remove", "signatures", {"signature": "青芽茶业"}), "scopes.jsonl:1: signature: '青芽茶业' is not"),
        (Edit("add", "signatures", row={"signature": "新", "enterprise": "nobody"}), "'nobody' is no id in ent"),
        (
            Edit("add", "subleases", row={"port": "106900001", "lessor": "river", "lessee": "hub"}),
            "gets back what it leases out itself",
        ),
        (Edit("change", "accounts", {"system_id": "tea01"}, {"networks": ["10.0.0.0/99"]}), "is no network"),
    ],
)
def test_a_broken_edit_changes_nothing(folder: Path, tmp_path: Path, edit: Edit, error: str) -> None:
    before = files(folder)
    made = make(folder, tmp_path / "out", edit)
    assert made.result == "refused"
    assert any(error in line for line in made.errors), made.errors
    assert files(folder) == before


@pytest.mark.parametrize(
    ("edit", "result"),
    [
        (Edit("remove", "signatures", {"signature": "没有"}), "absent"),
        (Edit("remove", "../signatures", {"signature": "没有"}), "invalid"),
        (Edit("change", "scopes", {"enterprise": ""}, {"status": "active"}), "absent"),
        (Edit("change", "accounts", {"binary": False}, {"tps": 1}), "ambiguous"),
        (Edit("change", "accounts", {"system_id": "tea01"}, {"tps": ""}), "unchanged"),
    ],
)
def test_what_is_no_edit(folder: Path, tmp_path: Path, edit: Edit, result: str) -> None:
    before = files(folder)
    made = make(folder, tmp_path / "out", edit)
    assert (made.result, bool(made.message)) == (result, True)
    assert files(folder) == before


def test_a_dry_run_builds_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    made = make(folder, tmp_path / "out", suspend("青芽茶业"), dry_run=True)
    assert (made.result, (tmp_path / "out" / made.revision / "registry.image").exists()) == ("checked", True)
    assert files(folder) == before


def test_a_table_that_is_not_there_yet(tmp_path: Path) -> None:
    tables = sound()
    folder = write(tmp_path / "registry", {name: tables[name] for name in ("enterprises", "accounts", "ports")})
    made = make(folder, tmp_path / "out", Edit("add", "signatures", row={"signature": "新茶", "enterprise": "tea"}))
    assert (made.result, made.line) == ("done", 2)
    assert (folder / "signatures.csv").read_text("utf-8").endswith("\n新茶,tea,,,\n")


def test_mode_and_link_of_the_file_stay(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    (folder / "signatures.yaml").rename(elsewhere)
    (folder / "signatures.yaml").symlink_to(elsewhere)
    elsewhere.chmod(0o604)
    assert make(folder, tmp_path / "out", suspend("青芽茶业")).result == "done"
    assert (folder / "signatures.yaml").is_symlink()
    assert "suspended" in elsewhere.read_text("utf-8")
    assert elsewhere.stat().st_mode & 0o777 == 0o604


def meanwhile(monkeypatch: pytest.MonkeyPatch, folder: Path, table: str, text: str) -> None:
    """Somebody writes to a table while the candidate is built."""

    def slow(*arguments: Any) -> Any:
        built = build(*arguments)
        path = folder / table
        path.write_text(path.read_text("utf-8") + text, "utf-8")
        return built

    monkeypatch.setattr(edit_build, "build", slow)


def test_a_human_who_writes_the_same_table_meanwhile_wins(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, folder, "signatures.yaml", "- {signature: 秋茶, enterprise: tea}\n")
    made = make(folder, tmp_path / "out", suspend("青芽茶业"))
    assert (made.result, "was written by somebody else meanwhile" in made.message) == ("conflict", True)
    text = (folder / "signatures.yaml").read_text("utf-8")
    assert ("秋茶" in text, "suspended" in text) == (True, False)
    assert not list(folder.glob(".*"))


def test_another_table_that_changes_meanwhile_is_no_conflict(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, folder, "words.csv", "春茶,marketing/food,2\n")
    made = make(folder, tmp_path / "out", suspend("青芽茶业"))
    assert (made.result, made.content) == ("done", "")


def test_a_folder_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    # A folder where the new file would be written: what even root cannot write over.
    (folder / ".signatures.yaml.edit").mkdir()
    before = (folder / "signatures.yaml").read_bytes()
    made = make(folder, tmp_path / "out", suspend("青芽茶业"))
    assert (made.result, "may portguard's user write there?" in made.message) == ("unwritable", True)
    assert (folder / "signatures.yaml").read_bytes() == before


@pytest.mark.slow
def test_many_at_once_are_all_made(folder: Path, tmp_path: Path) -> None:
    names = [f"茶{number}号" for number in range(6)]
    begun = [
        process(folder, tmp_path / "out", Edit("add", "signatures", row={"signature": name, "enterprise": "tea"}))
        for name in names
    ]
    made = [printed(one) for one in begun]
    assert [one.result for one in made] == ["done"] * len(names)
    text = (folder / "signatures.yaml").read_text("utf-8")
    assert all(text.count(name) == 1 for name in names)
    assert content_digest(folder) in {one.content for one in made}
    build(folder, tmp_path / "out")


def test_the_process(folder: Path, tmp_path: Path) -> None:
    begun = process(folder, tmp_path / "out", suspend("青芽茶业"), "--dry-run")
    assert printed(begun).result == "checked"
    assert begun.returncode == 0
    begun = process(folder, tmp_path / "out", suspend("没有"))
    assert printed(begun).result == "absent"
    assert begun.returncode == 1
    found = subprocess.run(
        [sys.executable, "-P", "-m", "portguard.registry.edit_build", str(folder), str(tmp_path / "out")],
        input=b'{"action": "drop"}', capture_output=True, check=False,
    )
    assert (found.returncode, msgspec.json.decode(found.stdout)["result"]) == (1, "invalid")


def test_hidden_files_and_subfolders_are_no_content(folder: Path) -> None:
    before = content_digest(folder)
    (folder / ".hidden").write_text("x")
    assert content_digest(folder) == before
    (folder / "README").write_text("x")
    assert content_digest(folder) != before
    (folder / "README").unlink()
    assert content_digest(folder) == before
