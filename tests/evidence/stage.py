"""A journal without a process around it: written by a Keeper, on a clock of the test's."""

from pathlib import Path
from typing import Any

from portguard.evidence.facts import Facts
from portguard.evidence.keeper import Keeper
from portguard.evidence.keys import Keys
from portguard.evidence.rows import Event
from portguard.evidence.segment import segments_in
from portguard.policy.record import parse
from tests.evidence.packed import NOON, options, packed

KEYS = Keys(b"k" * 32)
DAY = 86400.0


class Stage:
    """`keeper` writes to `folder`; `wall` is what its clock says."""

    def __init__(self, root: Path, *, keys: Keys = KEYS, node: str = "gw1", small: int = 0, **changes: Any) -> None:
        self.wall = NOON
        self.said: list[str] = []
        self.options = options(root, **changes)
        self.folder = self.options.path
        self.keeper = Keeper(self.options, keys, node, lambda: self.wall)
        self.keeper.say = lambda level, event, fields: self.said.append(f"{level}: {event}: {fields}")
        self.journal = self.keeper.journal
        if small:
            self.journal.most_octets = small
        self._facts = Facts(keys, "86", plain=False)
        self._now = 0.0
        self.keeper.open(0.0)

    def violations(self, count: int = 1, **changes: Any) -> None:
        """Add violations; sequence numbers are those of the records."""
        for _ in range(count):
            octets = packed(**({"sequence": self.journal.number + 1} | changes))
            for one in parse(octets):
                self.journal.violation(self._facts.row(one))

    def event(self, kind: str = "audit", /, **fields: Any) -> None:
        self.journal.event(Event(kind, self.wall, fields))

    def write(self) -> None:
        """One batch to the disk."""
        assert self.keeper.write(), self.keeper.reason

    def batches(self, *counts: int, **changes: Any) -> None:
        """A batch of so many violations each."""
        for count in counts:
            self.violations(count, **changes)
            self.write()

    def turn(self, seconds: float = 2.0, *, rounds: int = 1) -> None:
        """Let time pass with nothing else to do: the index follows, and what it lacks is counted."""
        for _ in range(rounds):
            self._now += seconds
            self.keeper.turn(self._now, idle=True)

    def close(self) -> "Stage":
        self.keeper.close(self._now + 10)
        return self

    def crash(self) -> "Stage":
        """Let go of everything as the end of a process does, without another word to disk or index."""
        self.journal.close()
        return self

    def files(self) -> list[Path]:
        """The segments."""
        return [path for _, path in segments_in(self.folder)]
