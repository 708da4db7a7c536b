"""The state folder: what is this daemon's own, mode 0700.

    lock            held while the daemon runs; a second daemon on the same folder is told who has it
    control.sock    the control socket
    discard.key     the key of discarded messages' ids, kept so that they are recognised after a restart
    complaints.sqlite, traffic.sqlite, evidence.key   see daemon.complaints_rooms and evidence.keys
    prepared.json   which content of the registry became which revision
    digests.json    what the registry's files held when they were last read
    uses.msgpack    what has been used of daily caps
    history.json    which revisions have served, and whether one was brought back
    revisions/      the images, one folder each
"""

import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import TextIO

import msgspec

from portguard.registry.content import Digests
from portguard.registry.image import FILE
from portguard.registry.revisions import prune, revisions

# Of those that have served, and of those that were only built.
REVISIONS_KEPT = 5
CANDIDATES_KEPT = 3


class StateError(Exception):
    """The state folder cannot be used; the message says why."""


class StateFolder:
    """Use `open` first; the lock lasts until `close` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revisions = path / "revisions"
        self.control = path / "control.sock"
        self.history = path / "history.json"
        self.uses = path / "uses.msgpack"
        self.digests = Digests(path / "digests.json")
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
        replace_file(path, key.hex().encode("ascii"))
        return key

    # ---- prepared revisions

    def prepared(self, fingerprint: str) -> str | None:
        """The revision that was built from this content, if its image is still there."""
        revision = self._known().get(fingerprint)
        return revision if revision is not None and (self.revisions / revision / FILE).exists() else None

    def remember(self, fingerprint: str, revision: str) -> None:
        """Note what was built from this content. Raises OSError."""
        there = {path.name for path in revisions(self.revisions)}
        known = {of: known for of, known in self._known().items() if known != revision and known in there}
        known[fingerprint] = revision
        replace_file(self._prepared, msgspec.json.encode(known))

    def served(self, revision: str, line: list[str]) -> None:
        """Note that this revision is in use; the last of `line`, and the newest candidates, are kept beside it."""
        os.utime(self.revisions / revision)
        prune(self.revisions, {revision, *line[-REVISIONS_KEPT:]}, CANDIDATES_KEPT)

    def _known(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._prepared.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
