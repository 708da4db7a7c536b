"""The journal's key: made once, kept private, and never guessed at."""

import os
from pathlib import Path

import pytest

from portguard.evidence.keys import KeyMissing, Keys, load, make


def test_made_once(tmp_path: Path) -> None:
    path = tmp_path / "evidence.key"
    umask = os.umask(0)
    keys = make(path)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert make(path).id == load(path).id == keys.id
    assert list(tmp_path.iterdir()) == [path]
    assert len(bytes.fromhex(path.read_text())) == 32


def test_what_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "evidence.key"
    with pytest.raises(KeyMissing, match="no such file"):
        load(path)
    for text, message in (("zz", "expected 32 octets in hex"), ("00", "found 1"), ("é", "expected 32 octets in hex")):
        path.write_text(text)
        with pytest.raises(KeyMissing, match=message):
            make(path)
    assert path.read_text() == "é", "a key that cannot be read is for a human to look at, never replaced"


def test_what_they_compute() -> None:
    one, other = Keys(b"a" * 32), Keys(b"b" * 32)
    assert one.id != other.id
    assert one.sealed(b"x", one.seal(b"x"))
    assert not one.sealed(b"y", one.seal(b"x"))
    assert not other.sealed(b"x", one.seal(b"x"))
    assert one.subscriber("8613900000001") == Keys(b"a" * 32).subscriber("8613900000001")
    assert one.subscriber("8613900000001") != other.subscriber("8613900000001")
    assert (one.subscriber(""), len(one.subscriber("1"))) == ("", 32)
