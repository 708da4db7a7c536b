"""A desk with everything around it that it is given: what the tests of complaints start from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from portguard.complaints.desk import Desk
from portguard.complaints.intake import Intake, Taken
from portguard.complaints.match import Matcher
from portguard.complaints.options import ComplaintsOptions
from portguard.complaints.rows import Reading
from portguard.complaints.store import Store
from portguard.policy.restraint import Restraint
from portguard.registry.image import Image
from tests.policy.folder import TIMEZONE, when

NOW = when("2026-11-11T10:00")
DAY = 86400.0
HOUR = 3600.0
ZONE = ZoneInfo(TIMEZONE)


def options(**fields: Any) -> ComplaintsOptions:
    """The defaults, but for these."""
    return msgspec.convert(fields, ComplaintsOptions)


def hashed(subscriber: str) -> str:
    return blake2b(subscriber.encode(), key=b"key", digest_size=16).hexdigest()


class Stage:
    """`delivered` messages of every target are delivered a day, since `known`; `revoked` is what was revoked."""

    def __init__(self, path: Path, image: Image, unsigned: Callable[[Image, str], list[str]] | None = None,
                 **fields: Any) -> None:  # fmt: skip
        self.options = options(**fields)
        self.store = Store(path)
        self.delivered = 1_000_000.0
        self.known: float | None = NOW - 400 * DAY
        self.asked: list[tuple[str, str, float, float]] = []
        self.revoked: list[tuple[str, str, float, str]] = []
        self.last: dict[tuple[str, str], str] = {}
        self.matcher = Matcher(image, "86", unsigned or (lambda image, number: []))
        self.intake = Intake(
            self.store, Reading("86", ZONE, self.options.retention_days * DAY), hashed,
            self.revoked.extend,
            lambda number, subscriber: self.last.get((number, subscriber), ""),
        )  # fmt: skip
        self.desk = Desk(self.store, self.options, self._delivered, lambda: self.known)
        self.now = NOW
        self._next = 0

    def _delivered(self, kind: str, name: str, since: float, until: float) -> int:
        self.asked.append((kind, name, since, until))
        return int(self.delivered * (until - since) / DAY)

    def row(self, **fields: str) -> dict[str, Any]:
        """A complaint of another subscriber each time, at the present time, unless said otherwise."""
        self._next += 1
        return {
            "id": f"c{self._next}", "received_at": self._when(self.now),
            "subscriber": f"139{self._next:08}", "number": "10690001", **fields,
        }  # fmt: skip

    @staticmethod
    def _when(at: float) -> str:
        return datetime.fromtimestamp(at, ZONE).isoformat()

    def take(self, *rows: dict[str, Any]) -> Taken:
        return self.intake.take(list(enumerate(rows, 2)), "in.csv", self.matcher, self.now)

    def complain(self, count: int, at: float | None = None, **fields: str) -> None:
        """So many complaints, all accepted, received at `at`."""
        if at is not None:
            fields["received_at"] = self._when(at)
        taken = self.take(*(self.row(**fields) for _ in range(count)))
        assert taken.results == {"accepted": count}, taken.problems

    def turn(self, now: float | None = None) -> list[tuple[str, str, str]]:
        """Turn at `now`; returns (name, before, level) of every escalation since the last time."""
        if now is not None:
            self.now = now
        self.desk.turn(self.now)
        return [
            (str(f["name"]), str(f["before"]), str(f["level"]))
            for kind, f in self.events() if kind == "escalation"
        ]  # fmt: skip

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What is in the outbox, which is empty afterwards."""
        found = self.store.events(100_000)
        if found:
            self.store.sent(found[-1].number)
        return [(event.kind, dict(event.fields)) for event in found]

    def level(self, name: str, kind: str = "signature") -> str:
        return self.desk.level(kind, name, self.now)

    def restraints(self) -> list[Restraint]:
        return self.desk.restraints(self.now)
