"""The state folder: what is this daemon's own, mode 0700.

    lock            held while the daemon runs; a second daemon on the same folder is told who has it
    control.sock    the control socket
    discard.key     the key of discarded messages' ids, kept so that they are recognised after a restart
    prepared.json   which content of the registry became which revision
    revisions/      the images, one folder each
"""

import fcntl
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import TextIO

import msgspec

REVISIONS_KEPT = 5


class StateError(Exception):
    """The state folder cannot be used; the message says why."""


class StateFolder:
    """Use `open` first; the lock lasts until `close` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revisions = path / "revisions"
        self.control = path / "control.sock"
        self._prepared = path / "prepared.json"
        self._lock: TextIO | None = None

    def open(self) -> None:
        """Make the folder where it is missing, and take the lock. Raises StateError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_owner()
            self.revisions.mkdir(exist_ok=True, mode=0o700)
            self._take_lock()
        except OSError as error:
            raise StateError(f"{error.filename or self.path}: {(error.strerror or str(error)).lower()}") from error

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_owner(self) -> None:
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            users = f"uid {found.st_uid}; portguard runs as uid {os.geteuid()}"
            raise StateError(f"{self.path}: belongs to another user ({users})")
        if stat.S_IMODE(found.st_mode) & 0o077:
            self.path.chmod(0o700)

    def _take_lock(self) -> None:
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(32).strip() or "unknown"
            lock.close()
            raise StateError(f"{self.path}: another portguard (pid {holder}) runs with this state folder") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def discard_key(self) -> bytes:
        """The key of discarded messages' ids, made at the first start. Raises OSError."""
        path = self.path / "discard.key"
        try:
            key = bytes.fromhex(path.read_text("ascii"))
            if len(key) >= 32:
                return key
        except (FileNotFoundError, ValueError):
            pass
        key = secrets.token_bytes(32)
        _replace(path, key.hex().encode("ascii"))
        return key

    # ---- prepared revisions

    def prepared(self, fingerprint: str) -> str | None:
        """The revision that was built from this content, if its image is still there."""
        revision = self._known().get(fingerprint)
        return revision if revision is not None and (self.revisions / revision / "data.mdb").exists() else None

    def remember(self, fingerprint: str, revision: str) -> None:
        """Note what was built from this content. Raises OSError."""
        known = {of: known for of, known in self._known().items() if known != revision}
        known[fingerprint] = revision
        _replace(self._prepared, msgspec.json.encode(known))

    def served(self, revision: str) -> None:
        """Note that this revision is in use, and remove the images that are long out of it."""
        os.utime(self.revisions / revision)
        images = [path for path in self.revisions.iterdir() if path.is_dir() and not path.name.startswith(".")]
        images.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in images[REVISIONS_KEPT:]:
            if path.name != revision:
                shutil.rmtree(path, ignore_errors=True)

    def _known(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._prepared.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
