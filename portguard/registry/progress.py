"""How far a build has come, for whoever waits for it: first the tables are read, then the image is written."""

from collections.abc import Callable
from time import monotonic
from typing import Final

READING: Final = 0.65

Tell = Callable[[float, str], None]


class Progress:
    """`tell` is called with the share that is done (0 to 1) and what is being done, every few `seconds` at most."""

    def __init__(self, tell: Tell | None = None, seconds: float = 0.5) -> None:
        self._tell = tell
        self._seconds = seconds
        self._octets = 1
        self._before = 0
        self._rows = 1
        self._written = 0
        # What takes no longer than that is not spoken of.
        self._told = monotonic()

    def expect(self, octets: int) -> None:
        """The tables are so large."""
        self._octets = max(octets, 1)

    def read(self, file: str, octets: int) -> None:
        """So much of a table is read."""
        self._say(READING * min((self._before + octets) / self._octets, 1.0), f"reading {file}")

    def done(self, file: str, octets: int) -> None:
        """A table is read whole; it had so many octets."""
        self.read(file, octets)
        self._before += octets

    def expect_rows(self, rows: int) -> None:
        """So many rows are to be written."""
        self._rows = max(rows, 1)

    def wrote(self, database: str, rows: int) -> None:
        """So many more rows are written."""
        self._written += rows
        self._say(READING + (1 - READING) * min(self._written / self._rows, 1.0), f"writing {database}")

    def _say(self, share: float, what: str) -> None:
        if self._tell is None:
            return
        now = monotonic()
        if now - self._told >= self._seconds:
            self._told = now
            self._tell(share, what)


UNSEEN: Final = Progress()
