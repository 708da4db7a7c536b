"""Complaints and traffic put together, for one thread: the daemon's own, or a command's while no daemon runs.

    STATE/complaints.sqlite    complaints, what ports and signatures stand at, what the signs remember
    STATE/traffic.sqlite       what was submitted and delivered, by hour
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from portguard.complaints import listing
from portguard.complaints.desk import Desk
from portguard.complaints.intake import Intake, LastSender, Revoke, Taken
from portguard.complaints.match import Matcher
from portguard.complaints.rows import Reading
from portguard.complaints.signs.watch import Signs
from portguard.complaints.store import Hold, Store
from portguard.daemon.replies import marketing_enterprises
from portguard.evidence.keys import KEY
from portguard.evidence.keys import make as make_keys
from portguard.evidence.traffic import Traffic
from portguard.policy.restraint import Restraint
from portguard.registry.formats import RawRow
from portguard.registry.image import Image
from portguard.settings.schema import Settings

COMPLAINTS = "complaints.sqlite"
TRAFFIC = "traffic.sqlite"
_DAY = 86400.0


class NoRevision(Exception):
    """There is no registry to match complaints with yet."""


class Rooms:
    """Raises ComplaintsError, TrafficError, KeyMissing, OSError. Methods are the desk's, the intake's and the signs';
    time is epoch seconds, passed in."""

    def __init__(
        self, settings: Settings, state: Path, revoke: Revoke | None = None, last_sender: LastSender | None = None
    ) -> None:
        options, node = settings.complaints, settings.node
        days = settings.evidence.retention_days or options.retention_days
        self.traffic = Traffic(state / TRAFFIC, retention_days=max(days, options.retention_days))
        try:
            self.store = Store(state / COMPLAINTS)
        except BaseException:
            self.traffic.close()
            raise
        self.desk = Desk(self.store, options, self.traffic.delivered, self.traffic.known_since)
        self.signs = Signs(options.signs, self.store)
        reading = Reading(node.country, ZoneInfo(node.timezone), options.retention_days * _DAY)
        hashed = make_keys(state / KEY).subscriber
        self._intake = Intake(self.store, reading, hashed, revoke, last_sender)
        self._country = node.country
        self._matcher: Matcher | None = None

    def know(self, image: Image) -> None:
        """Match with this image from now on; it stays open until the next is known."""
        self._matcher = Matcher(image, self._country, marketing_enterprises)
        self.signs.know(image)

    def take(self, rows: Sequence[tuple[int, RawRow]], file: str, now: float) -> Taken:
        """Take a batch of complaints. Raises NoRevision."""
        if self._matcher is None:
            raise NoRevision("no registry is in service yet; complaints are matched with it")
        return self._intake.take(rows, file, self._matcher, now)

    def turn(self, now: float) -> list[Restraint]:
        """Decide, and say what is in force."""
        self.desk.turn(now)
        return self.desk.restraints(now)

    def targets(self, now: float, **wanted: Any) -> list[listing.Row]:
        """Rates and levels by port and signature."""
        return listing.targets(self.desk, now, **wanted)

    def complaints(self, since: float, until: float, **wanted: Any) -> list[listing.Row]:
        """Single complaints, the newest first."""
        return listing.complaints(self.desk, since, until, **wanted)

    def hold(self, hold: Hold) -> None:
        """Pin a target. Raises HoldError."""
        self.desk.hold(hold)

    def lift(self, kind: str, name: str, who: str, why: str, now: float) -> str:
        """Lift what is on a target; the level it was at. Raises HoldError."""
        return self.desk.lift(kind, name, who, why, now)

    def send(self, emit: Callable[[str, dict[str, object]], None], limit: int) -> int:
        """Give what is in the outbox to the journal; how many events that were."""
        events = self.store.events(limit)
        for event in events:
            emit(event.kind, event.fields)
        if events:
            self.store.sent(events[-1].number)
        return len(events)

    def close(self) -> None:
        """Write what is in memory, as far as it can be, and let go of the files."""
        with suppress(Exception):
            self.traffic.flush()
        with suppress(Exception):
            self.signs.save()
        self.traffic.close()
        self.store.close()
