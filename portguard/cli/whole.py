"""Files that are there whole or not at all, whatever ends the command."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def whole(path: Path, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete. Without a `mode` it has that of the file in whose place it
    comes. What has no content of its own, like /dev/stdout, is written to as it is. Raises OSError."""
    if not replaceable(path):
        with path.open("wb") as stream:
            yield stream
        return
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(beside, flags, 0o666 if mode is None else mode)
        with os.fdopen(descriptor, "wb") as stream:
            if mode is None and path.exists():
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
            yield stream
            stream.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except OSError as error:
        if error.filename == str(beside):  # nobody asked for that one
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with suppress(OSError):
            beside.unlink()


def replaceable(path: Path) -> bool:
    """Is there a regular file, or nothing yet?"""
    return path.is_file() or not path.exists()
