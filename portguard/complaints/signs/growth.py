"""More and more: enterprises whose signatures a port carries, accounts and ports that carry a signature.

Nouns: a *thing* has *members*, each known since the message with which it came to count. A thing's members of the last
window are held against those before it; while it is young, the latter half of its life against the former, and more of
them are needed: an aggregator's brands are not all seen in the first hour; a subleased port's come when others are
known.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from portguard.complaints.options import GrowthOptions
from portguard.complaints.signs.alert import HOUR, NAMED, Alert, Watched, quiet

# Some 200 octets a thing and 100 a member.
MOST_THINGS: Final = 20_000
MOST_MEMBERS: Final = 200_000
MOST_MEMBERS_OF_ONE: Final = 1_000

_DAY: Final = 86400.0


class Member(Struct, array_like=True, gc=False):
    """`since`: the message with which it came to count, 0 while it has not; `count` goes no further than that."""

    since: float
    seen: float
    count: int


class Thing(Struct, array_like=True, gc=False):
    """`quiet_until` is the end of the cool-down."""

    since: float
    members: dict[str, Member]
    quiet_until: float = 0.0
    touched: float = 0.0


# (thing, new members, known members, hours) -> the summary
Say = Callable[[str, int, int, float], str]


class Growth:
    """One sign of this kind: `name` is the alert's, `subject` what its things are, `members` what theirs."""

    def __init__(self, options: GrowthOptions, name: str, subject: str, members: str, say: Say) -> None:
        self.options = options
        self.name = name
        self._subject = subject
        self._members = members
        self._say = say
        self.things: Watched[Thing] = Watched(MOST_THINGS)
        self._count = 0

    def see(self, name: str, member: str, messages: int, now: float) -> Alert | None:
        """So many messages of this member of the thing."""
        thing = self.things.get(name)
        if thing is None:
            # Where more comes than is watched, most of it ends here.
            if not self.things.wants(name):
                return None
            thing = self._begun(name, now)
            if thing is None:
                return None
        thing.touched = now
        found = thing.members.get(member)
        if found is None:
            if len(thing.members) >= MOST_MEMBERS_OF_ONE:
                return None
            found = thing.members[member] = Member(0.0, now, 0)
            self._count += 1
            self._make_room(now)
            if name not in self.things:
                return None
        found.seen = now
        if found.since:
            return None
        found.count += messages
        if found.count < self.options.messages:
            return None
        found.since = now
        # Most things have a few members all their life.
        return self._judge(name, thing, now) if len(thing.members) >= self.options.least else None

    def _begun(self, name: str, now: float) -> Thing | None:
        """A new thing; None where it had to go at once."""
        for gone in self.things.watch(name, Thing(now, {}, touched=now), now):
            self._count -= len(gone.members)
        return self.things.get(name)

    def usual(self, name: str, member: str, now: float) -> bool:
        """Was this a member before the window began? True, too, of a thing too young to tell, or unknown."""
        thing = self.things.get(name)
        if thing is None or now - thing.since < self.options.learn_hours * HOUR:
            return True
        found = thing.members.get(member)
        return found is not None and 0 < found.since <= now - self.options.window_hours * HOUR

    def _judge(self, name: str, thing: Thing, now: float) -> Alert | None:
        options = self.options
        self._forget(thing, now)
        # A clock that was set back leaves times ahead of it: what came then is known.
        thing.since = min(thing.since, now)
        age = max(now - thing.since, 1.0)
        window = min(options.window_hours * HOUR, age / 2)
        new = [member for member, one in thing.members.items() if now - window < one.since <= now]
        known = max(sum(1 for one in thing.members.values() if one.since) - len(new), 1)
        needed = max(options.least, options.growth * known) * (1 + options.learn_hours * HOUR / age)
        if len(new) < needed or quiet(thing.quiet_until, now, options.cool_down_hours):
            return None
        thing.quiet_until = now + options.cool_down_hours * HOUR
        evidence = {
            "new": len(new), "known": known, "hours": round(window / HOUR, 1), "needed": round(needed, 1),
            self._members: new[-NAMED:],
        }  # fmt: skip
        summary = self._say(name, len(new), known, window / HOUR)
        return Alert(self.name, "warning", {self._subject: name}, summary, evidence)

    # ---- memory

    def _forget(self, thing: Thing, now: float) -> None:
        before = now - self.options.forget_days * _DAY
        gone = [member for member, one in thing.members.items() if one.seen < before]
        for member in gone:
            del thing.members[member]
        self._count -= len(gone)

    def _make_room(self, now: float) -> None:
        while self._count > MOST_MEMBERS and len(self.things) > 1:
            for gone in self.things.make_room(now):
                self._count -= len(gone.members)

    def dump(self) -> bytes:
        """The memory, for `load`."""
        return msgspec.msgpack.encode(list(self.things.items()))

    def load(self, octets: bytes) -> None:
        """Remember what was dumped. Raises msgspec.DecodeError or ValidationError."""
        for name, thing in msgspec.msgpack.decode(octets, type=list[tuple[str, Thing]])[-self.things.most :]:
            self.things[name] = thing
        self._count = sum(len(thing.members) for thing in self.things.values())
        self._make_room(max((thing.touched for thing in self.things.values()), default=0.0))
