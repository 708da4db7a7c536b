"""The revisions that a node keeps: folders of images under one folder, each named by its digest.

Nouns: the *newest* is the one built or asked for last. Removing a revision that another process still serves from does
it no harm: its mapped pages stay until it lets go.
"""

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"[0-9a-f]{16}")


def revisions(folder: Path) -> list[Path]:
    """The revisions in `folder`, the newest first; [] when there is no such folder."""
    try:
        found = [(path.stat().st_mtime_ns, path) for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found, reverse=True)]


def prune(folder: Path, keep: Collection[str], newest: int = 3) -> list[str]:
    """Remove all but those named in `keep` and the `newest` ones; returns the names of those removed."""
    removed = [path for path in revisions(folder)[newest:] if path.name not in keep]
    for path in removed:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in removed]
