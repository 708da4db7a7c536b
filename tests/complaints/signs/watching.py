"""A watch over made-up traffic, and what it said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from portguard.complaints.options import SignsOptions
from portguard.complaints.signs.alert import Alert
from portguard.complaints.signs.watch import Signs
from portguard.complaints.store import Store
from portguard.policy.tally import TallyRow
from tests.complaints.signs.world import World

# (epoch second, what ordinary traffic there is) -> tallies and violations to add
Scenario = Callable[[float, Sequence[TallyRow]], tuple[list[TallyRow], list[dict[str, object]]]]


def nothing(at: float, rows: Sequence[TallyRow]) -> tuple[list[TallyRow], list[dict[str, object]]]:
    return [], []


class Watch:
    """Signs over a world; `rows` and `messages` count what they saw."""

    def __init__(self, path: Path, world: World, **options: Any) -> None:
        self.store = Store(path)
        self.world = world
        self.signs = Signs(msgspec.convert(options, SignsOptions), self.store)
        self.rows = 0
        self.messages = 0
        self._number = self.signs.cursor

    def run(self, first: float, days: float, scenario: Scenario = nothing) -> list[Alert]:
        """Days of traffic, the scenario among it; every alert."""
        found = []
        for at, rows, violations in self.world.steps(first, days):
            more, worse = scenario(at, rows)
            found += self.feed(rows + more, violations + worse, at)
        return found

    def feed(self, rows: list[TallyRow], violations: list[dict[str, object]], at: float) -> list[Alert]:
        """One sweep."""
        self.rows += len(rows)
        self.messages += sum(row.submitted for row in rows)
        found = self.signs.tallies(rows, at)
        records = []
        for fields in violations:
            self._number += 1
            records.append((self._number, "violation", fields))
        return found + self.signs.journal(records, at)


def said(alerts: Sequence[Alert]) -> list[tuple[str, dict[str, str]]]:
    """What they are and about what."""
    return [(alert.alert, alert.subject) for alert in alerts]
