"""The file of tokens: what is kept, who is let in, and what is refused."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from portguard.admin.tokens import PREFIX, Tokens, TokensError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens.json"


def test_a_token_is_shown_once_and_only_its_hash_is_kept(path: Path) -> None:
    tokens = Tokens(path)
    assert tokens.all() == []
    made = tokens.add("console", "admin")
    assert made.startswith(PREFIX)
    assert len(made) > 40
    assert made not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = tokens.whose(made)
    assert found is not None
    assert (found.name, found.role) == ("console", "admin")
    assert [token.name for token in tokens.all()] == ["console"]


@pytest.mark.parametrize("wrong", ["", "pg_", "x" * 1000, "pg_é", "\udcff"])
def test_anything_else_is_nobodys(path: Path, wrong: str) -> None:
    tokens = Tokens(path)
    assert tokens.whose(wrong) is None
    made = tokens.add("console", "reader")
    assert tokens.whose(wrong) is None
    assert tokens.whose(made[:-1]) is None
    assert tokens.whose(made.upper()) is None


def test_whoever_serves_sees_what_another_process_does(path: Path) -> None:
    serving, cli = Tokens(path), Tokens(path)
    made = cli.add("console", "reader")
    assert serving.whose(made) is not None
    cli.remove("console")
    assert serving.whose(made) is None
    path.unlink()
    assert serving.all() == []


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 65, "é", "a\n"])
def test_names(path: Path, name: str) -> None:
    with pytest.raises(TokensError, match="is no name of 1 to 64"):
        Tokens(path).add(name, "reader")


def test_doubles_and_strangers(path: Path) -> None:
    tokens = Tokens(path)
    tokens.add("a", "reader")
    with pytest.raises(TokensError, match="there is a token 'a' already"):
        tokens.add("a", "admin")
    with pytest.raises(TokensError, match="there is no token 'b'"):
        tokens.remove("b")
    assert [token.role for token in tokens.all()] == ["reader"]


def test_a_file_that_others_may_read_is_not_used(path: Path) -> None:
    tokens = Tokens(path)
    made = tokens.add("a", "admin")
    path.chmod(0o644)
    path.write_text(path.read_text() + " ")
    with pytest.raises(TokensError, match="others may read it; chmod 600"):
        tokens.whose(made)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"name": "a"}]', "\xff"])
def test_a_damaged_file_lets_nobody_in(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    tokens = Tokens(path)
    with pytest.raises(TokensError, match="is no file of tokens"):
        tokens.whose("x")
    with pytest.raises(TokensError):
        tokens.add("a", "admin")
    assert path.read_bytes() == content.encode("latin-1")


def test_root_leaves_nothing_that_the_daemon_cannot_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, tuple[int, int]] = {}

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        given[Path(f"/proc/self/fd/{descriptor}").readlink().name] = uid, gid

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    Tokens(path).add("a", "reader")
    owner = path.parent.stat()
    assert given == dict.fromkeys((".tokens.json.lock", ".tokens.json.new"), (owner.st_uid, owner.st_gid))


def test_two_who_add_at_once_both_stand(path: Path) -> None:
    names = [f"t{number}" for number in range(12)]
    threads = [threading.Thread(target=lambda name=name: Tokens(path).add(name, "reader")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [token.name for token in Tokens(path).all()] == sorted(names)
