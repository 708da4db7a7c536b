"""Which revisions have served on this node, so that one can be brought back, and whether one was.

Nouns: the *line* is how the node came to what serves now, oldest first; going back shortens it, so going back twice
goes back two. A *rollback* in force says that what serves is not what stands in the registry folder, and holds until
the folder's files change or somebody asks for a reload. Both outlast a restart and an upgrade: neither brings back what
somebody has taken out of service.
"""

from pathlib import Path
from typing import Final

import msgspec

from portguard.daemon.state import replace_file

LONGEST_LINE: Final = 50


class Rollback(msgspec.Struct, frozen=True):
    """`revision` serves in place of `before`; `content` is the digest of the folder at that time (`registry.content`),
    `at` epoch seconds."""

    revision: str
    before: str
    content: str
    at: float
    why: str


class _Kept(msgspec.Struct):
    """The file. `served`: when each revision was last taken into service, epoch seconds."""

    line: list[str] = []
    served: dict[str, float] = {}
    rollback: Rollback | None = None


class History:
    """Kept in `path`; a file that cannot be read is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            self._kept = _Kept()

    @property
    def line(self) -> list[str]:
        """How the node came to what serves: the last is it."""
        return list(self._kept.line)

    @property
    def served(self) -> dict[str, float]:
        """When each revision was last taken into service."""
        return dict(self._kept.served)

    @property
    def rollback(self) -> Rollback | None:
        """The rollback in force."""
        return self._kept.rollback

    def previous(self) -> str:
        """The revision before the present one, "" when none is known."""
        return self._kept.line[-2] if len(self._kept.line) > 1 else ""

    def took(self, revision: str, at: float, rollback: Rollback | None = None) -> None:
        """Note that a revision serves from `at` on, by a rollback or not. Raises OSError."""
        kept = self._kept
        kept.rollback = rollback
        if rollback is not None and revision in kept.line:
            del kept.line[len(kept.line) - kept.line[::-1].index(revision) :]
        elif not kept.line or kept.line[-1] != revision:
            kept.line.append(revision)
        del kept.line[:-LONGEST_LINE]
        kept.served[revision] = at
        for oldest in sorted(kept.served, key=kept.served.__getitem__)[:-LONGEST_LINE]:
            del kept.served[oldest]
        replace_file(self._path, msgspec.json.encode(kept))

    def end_rollback(self) -> None:
        """The folder is what serves, or is about to. Raises OSError."""
        self._kept.rollback = None
        replace_file(self._path, msgspec.json.encode(self._kept))
