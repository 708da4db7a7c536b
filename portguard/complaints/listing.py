"""What ports and signatures stand at and why, and the complaints behind it, as rows for people and for JSON."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from portguard.complaints.desk import Desk
from portguard.complaints.escalation import RANK, rate
from portguard.complaints.intake import event
from portguard.complaints.options import NONE, WINDOWS
from portguard.complaints.store import KINDS

Row = dict[str, object]


def targets(
    desk: Desk, now: float, *, kind: str = "", name: str = "", least: str = NONE, limit: int = 1000
) -> list[Row]:
    """Ports and signatures with complaints in the last 30 days, or that stand at something: those in force first, then
    those with the most complaints. `least`: only from this level on."""
    levels = {(row[0], row[1]): row[2:] for row in desk.standing(now)}
    return list(islice(_rows(desk, now, kind, name, least, levels), limit))


def _rows(
    desk: Desk, now: float, kind: str, name: str, least: str, levels: dict[tuple[str, str], tuple[str, float]]
) -> Iterator[Row]:
    store = desk.store
    holds = {(hold.kind, hold.name): hold for hold in store.holds() if hold.until > now}
    found = sorted({*levels, *holds}, key=lambda target: -RANK[levels.get(target, (NONE, 0.0))[0]])
    for each in KINDS:
        found += [(each, one) for one in store.names(each, now - WINDOWS["month"])]
    for target in dict.fromkeys(found):
        level, until = levels.get(target, (NONE, 0.0))
        if (kind and target[0] != kind) or (name and target[1] != name) or RANK[level] < RANK[least]:
            continue
        on_file, hold = store.target(*target), holds.get(target)
        holder, enterprises = store.facts(*target)
        row: Row = {
            "kind": target[0], "name": target[1], "level": level, "until": until or None,
            "since": on_file.since or None, "reason": hold.why if hold else on_file.reason,
            "held_by": hold.who if hold else "", "beneath": on_file.level if hold else level, "holder": holder,
            "enterprises": msgspec.json.decode(enterprises),
        }  # fmt: skip
        yield row | _windows(desk, target, now)


def _windows(desk: Desk, target: tuple[str, str], now: float) -> Row:
    """Complaints, deliveries and the rate of each window, all that are not forgiven."""
    counts = desk.counts(target, now)
    row: Row = {}
    for window in WINDOWS:
        complaints, delivered = counts(window, False)
        row[window] = {
            "complaints": complaints, "delivered": delivered,
            "per_million": round(rate(desk.options, complaints, delivered), 3),
        }  # fmt: skip
    return row


def complaints(
    desk: Desk, since: float, until: float, *, port: str = "", signature: str = "", limit: int = 1000
) -> list[Row]:
    """Single complaints, the newest first, the subscriber as a keyed hash."""
    found = desk.store.complaints(since, until, limit, port, signature)
    return [event(complaint) | {"text": complaint.text} for complaint in found]
