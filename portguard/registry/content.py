"""What a registry folder holds, as one digest: where two folders have the same, a build would read the same.

Noun: `Digests` remember what was in a file, so that a large one is read again only when the file system says that it is
another: by device, inode, size, and the times of the last change of its content and of its state. The last of these
cannot be set by whoever writes a file, so what escapes is a file that is changed while the clock stands at the very
instant of an earlier change: a clock set back, or a disk written to behind the file system's back. A change within two
seconds before the file was read is not trusted to have been the last of its instant.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path
from typing import Final

import msgspec

_SETTLED: Final = 2_000_000_000


class Digests:
    """Kept in `path`, which nobody else must be able to write; without a path, or where it cannot be read, every file
    is read."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        if path is not None:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                self._known = msgspec.json.decode(path.read_bytes(), type=dict[str, str])

    def of(self, path: Path) -> tuple[str, str]:
        """(what the file system says of a file, digest of its content); the first is "" where it may not be trusted.
        Raises OSError."""
        with path.open("rb") as file:
            began = time.time_ns()
            before = os.fstat(file.fileno())
            name = _name(before)
            known = self._known.get(name)
            if known is not None:
                return name, known
            digest = hashlib.file_digest(file, hashlib.blake2b).hexdigest()
            settled = max(before.st_mtime_ns, before.st_ctime_ns) <= began - _SETTLED
            return (name if settled and _name(os.fstat(file.fileno())) == name else ""), digest

    def keep(self, known: dict[str, str]) -> None:
        """Remember these and no others, also after a restart if the disk takes it."""
        if known == self._known:
            return
        self._known = known
        if self._path is not None:
            beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
            with contextlib.suppress(OSError):
                beside.write_bytes(msgspec.json.encode(known))
                beside.replace(self._path)


def _name(status: os.stat_result) -> str:
    parts = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return ":".join(map(str, parts))


def content_digest(folder: Path, digests: Digests | None = None) -> str:
    """32 hex digits over the names and the content of all files but hidden ones. Raises OSError."""
    digests = digests or Digests()
    digest = hashlib.blake2b(digest_size=16)
    known: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        digest.update(b"\0" + os.fsencode(path.name))
        if path.is_file():
            name, of_file = digests.of(path)
            digest.update(bytes.fromhex(of_file))
            if name:
                known[name] = of_file
    digests.keep(known)
    return digest.hexdigest()
