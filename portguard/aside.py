"""Broken files of our own: kept under another name, for whoever can still read them, while a new one is begun.

Knows no room.
"""

import contextlib
from itertools import count
from pathlib import Path


def set_aside(path: Path) -> Path:
    """Give a broken file, and the companions that SQLite may have put beside it, the first free name of NAME.broken-N;
    returns it. Raises OSError."""
    kept = next(name for n in count(1) if not (name := path.with_name(f"{path.name}.broken-{n}")).exists())
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(kept.with_name(kept.name + suffix))
    return path.replace(kept)
