"""The desk: decides what ports and signatures stand at, says so, and does what humans say instead.

Noun: a *turn* looks at what came and at what has run out, and leaves events in the outbox. Whatever the desk knows is
in its store; everything here may wait for the disk, and belongs into one thread that is not the loop's. Time is epoch
seconds, passed in.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from portguard.complaints.escalation import RANK, Counts, Finding, find, impose, served
from portguard.complaints.options import LEVELS, NONE, WINDOWS, ComplaintsOptions
from portguard.complaints.store import KINDS, PORT, Hold, Store, Target
from portguard.policy.restraint import Restraint
from portguard.registry.model import Number, SignatureText

BY: Final = "complaints"
LONGEST_HOLD: Final = 366 * 86400.0

_DAY: Final = 86400.0
_ANCHORS: Final = 24
_AT_ONCE: Final = 50
_FORGETS_EVERY: Final = 3600.0
_SEVERITY: Final = {"watch": "info", "tag": "warning", "throttle": "warning", "suspend": "critical"}
_TURNED: Final = "turned"

# (kind, name, since, until) -> messages delivered of a target; raises whatever it likes, and then nothing is decided.
Delivered = Callable[[str, str, float, float], int]
# Epoch second from which on deliveries are known, None when none are.
KnownSince = Callable[[], float | None]


class HoldError(ValueError):
    """A hold that cannot be; the message says which part and why."""


class Desk:
    """Raises ComplaintsError where the store does."""

    def __init__(self, store: Store, options: ComplaintsOptions, delivered: Delivered, known_since: KnownSince) -> None:
        self.store = store
        self.options = options
        self._delivered = delivered
        self._known_since = known_since
        self._forgotten_at: float | None = None

    # ---- turns

    def turn(self, now: float) -> None:
        """Decide on every target with new complaints, and on those whose term or hold has run out."""
        store = self.store
        after, upto = int(store.recall(_TURNED) or b"0"), store.last_row()
        ended = [(target.kind, target.name) for target in store.targets() if target.until <= now]
        holds = [hold for hold in store.holds() if hold.until <= now]
        self._forget(now)
        if after == upto and not ended and not holds:
            return
        anchors: dict[tuple[str, str], list[float]] = {target: [] for target in ended}
        for kind, name, at in store.touched(after, upto, now - self.options.late_days * _DAY):
            anchors.setdefault((kind, name), []).append(at)
        with store.transaction():
            for hold in holds:
                self._unhold(hold, now)
        # Signatures first: what they answer for does not count against their ports. Others may write in between, and
        # after a crash all is decided again, which changes nothing that was.
        for some in batched(sorted(anchors, key=lambda target: KINDS.index(target[0])), _AT_ONCE):
            with store.transaction():
                for target in some:
                    self._decide(store.target(*target), sorted(anchors[target])[-_ANCHORS:], now)
        with store.transaction():
            store.remember(_TURNED, str(upto).encode())
            store.sent(0)

    def _decide(self, target: Target, anchors: list[float], now: float) -> None:
        highest = self.options.port_highest if target.kind == PORT else self.options.signature_highest
        ended = target.level != NONE and target.until <= now
        stays: Finding | None = None
        before = target.level
        if ended:
            target = served(target)
            lowest = min(before, highest, key=RANK.__getitem__)
            stays = find(self.options, self._counts(target, now, now), lowest, self.options.keep)
        found = [find(self.options, self._counts(target, max(at, 0.0), now), highest) for at in {now, *anchors}]
        best = max((one for one in found if one is not None), key=lambda one: RANK[one.level], default=None)
        level = stays.level if stays is not None else NONE if ended else target.level
        if best is not None and RANK[best.level] > RANK[level]:
            self._change(impose(self.options, target, best, now), before, best, now)
        elif stays is not None:
            self._change(impose(self.options, target, stays, now), before, stays, now)
        elif ended:
            reason = "the term is over, and what complaints came since bear out no level"
            self._change(target._replace(level=NONE, since=now, until=0.0, reason=reason), before, None, now)

    def counts(self, target: tuple[str, str], now: float) -> Counts:
        """What the windows that end now hold, deliveries of targets without complaints included."""
        return self._counts(self.store.target(*target), now, now, always=True)

    def _counts(self, target: Target, at: float, now: float, *, always: bool = False) -> Counts:
        """What came in the windows that end at `at`, as far back as deliveries are known."""
        known = self._known_since()
        asked: dict[tuple[float, bool], tuple[int, int]] = {}

        def counts(window: str, fresh: bool) -> tuple[int, int]:
            since = max(at - WINDOWS[window], target.forgiven, target.used if fresh else 0.0)
            if known is not None:
                since = max(since, known)
            if (since, fresh) not in asked:
                complaints = delivered = 0
                if since < at:
                    complaints = self.store.count(target.kind, target.name, since, at, now, fresh=fresh)
                if complaints or (always and since < at):
                    delivered = self._delivered(target.kind, target.name, since, at)
                asked[since, fresh] = complaints, delivered
            return asked[since, fresh]

        return counts

    def _change(self, target: Target, before: str, finding: Finding | None, now: float) -> None:
        self.store.keep(target)
        hold = next((h for h in self.store.holds() if (h.kind, h.name) == target[:2] and h.until > now), None)
        self._say_escalation(target.kind, target.name, target.level, before, target.until, target.reason, BY, hold)
        if finding is None or RANK[target.level] <= RANK[before] or hold is not None:
            return
        evidence = msgspec.to_builtins(finding)
        evidence["until"] = target.until
        self.store.say("alert", {
            "alert": f"complaint_{target.level}", "severity": _SEVERITY[target.level],
            "subject": {target.kind: target.name},
            "summary": f"{_named(target.kind, target.name)} is now at {target.level}: {finding}", "evidence": evidence,
        })  # fmt: skip

    def _say_escalation(
        self, kind: str, name: str, level: str, before: str, until: float, reason: str, by: str, hold: Hold | None
    ) -> None:
        self.store.say("escalation", {
            "kind": kind, "name": name, "level": level, "before": before, "until": until, "reason": reason, "by": by,
            "held": hold.level if hold is not None else "",
        })  # fmt: skip

    def _forget(self, now: float) -> None:
        """What is too old goes, an hour after the start at the earliest: a wrong clock is usually right by then."""
        if self._forgotten_at is None:
            self._forgotten_at = now
        if not 0 <= now - self._forgotten_at < _FORGETS_EVERY:
            self._forgotten_at = now
            with self.store.transaction():
                self.store.forget(now - self.options.retention_days * _DAY)
                self.store.forget_targets(now - self.options.retention_days * _DAY)

    # ---- what is in force

    def restraints(self, now: float) -> list[Restraint]:
        """Everything that keeps messages back or tags them, in a fixed order."""
        found = []
        for kind, name, level, until in self.standing(now):
            if RANK[level] >= RANK["tag"]:
                per_minute = self.options.levels.throttle.per_minute if level == "throttle" else 0
                found.append(msgspec.convert(
                    {"kind": kind, "name": name, "level": level, "until": until, "per_minute": per_minute}, Restraint
                ))  # fmt: skip
        return found

    def standing(self, now: float) -> list[tuple[str, str, str, float]]:
        """(kind, name, level, until) of every target that is not at "none"; a hold is before what complaints say."""
        levels = {(t.kind, t.name): (t.level, t.until) for t in self.store.targets() if t.until > now}
        levels |= {(hold.kind, hold.name): (hold.level, hold.until) for hold in self.store.holds() if hold.until > now}
        return [(*target, *levels[target]) for target in sorted(levels) if levels[target][0] != NONE]

    def pinned(self, now: float) -> set[tuple[str, str]]:
        """(kind, name) of every target that a hold is on."""
        return {(hold.kind, hold.name) for hold in self.store.holds() if hold.until > now}

    def level(self, kind: str, name: str, now: float) -> str:
        """The level in force."""
        return next((row[2] for row in self.standing(now) if row[:2] == (kind, name)), NONE)

    # ---- humans

    def hold(self, hold: Hold) -> None:
        """Pin a target to a level until a time; what complaints say goes on beneath. Raises HoldError."""
        if hold.level not in LEVELS:
            raise HoldError(f"level: {hold.level!r} is none of {', '.join(LEVELS)}")
        if not hold.at < hold.until <= hold.at + LONGEST_HOLD:
            raise HoldError("until: a time within a year from now is expected")
        _check_name(hold.kind, hold.name)
        _check_human(hold.who, hold.why)
        with self.store.transaction():
            before = self.level(hold.kind, hold.name, hold.at)
            self.store.pin(hold)
            self._say_escalation(hold.kind, hold.name, hold.level, before, hold.until, hold.why, hold.who, hold)

    def lift(self, kind: str, name: str, who: str, why: str, now: float) -> str:
        """Set a target to "none", take its hold away and forgive the complaints so far; the level it was at. Raises
        HoldError."""
        _check_name(kind, name)
        _check_human(who, why)
        with self.store.transaction():
            before = self.level(kind, name, now)
            target = self.store.target(kind, name)
            self.store.keep(target._replace(level=NONE, since=now, until=0.0, forgiven=now, reason=why))
            self.store.unpin(kind, name)
            if before != NONE:
                self._say_escalation(kind, name, NONE, before, 0.0, why, who, None)
        return before

    def _unhold(self, hold: Hold, now: float) -> None:
        self.store.unpin(hold.kind, hold.name)
        level = self.level(hold.kind, hold.name, now)
        until = self.store.target(hold.kind, hold.name).until if level != NONE else 0.0
        reason = f"the hold of {hold.who} has run out"
        self._say_escalation(hold.kind, hold.name, level, hold.level, until, reason, BY, None)


def _check_name(kind: str, name: str) -> None:
    types: dict[str, object] = {PORT: Number, "signature": SignatureText}
    if kind not in types:
        raise HoldError(f"kind: {kind!r} is neither port nor signature")
    try:
        msgspec.convert(name, types[kind])
    except msgspec.ValidationError:
        raise HoldError(f"name: {name!r} is no {'number' if kind == PORT else 'signature'}") from None


def _check_human(who: str, why: str) -> None:
    for field, text, longest in (("who", who, 64), ("why", why, 200)):
        if not text.strip() or len(text) > longest or not text.isprintable():
            raise HoldError(f"{field}: 1 to {longest} printable characters are expected")


def batched(targets: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """Runs of at most `size`."""
    for start in range(0, len(targets), size):
        yield targets[start : start + size]


def _named(kind: str, name: str) -> str:
    return f"port {name}" if kind == PORT else f"signature 【{name}】"
