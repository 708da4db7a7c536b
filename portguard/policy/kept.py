"""What is kept of the registry's answers, and what is let go for a new one.

Noun: a *slot* says where an answer is kept: a PortGrant under its number with the account, a Grant under its signature
with the PortGrant. A hand goes round the slots; where one was used since the hand last came by it goes on, the next
one that was not is given up (CLOCK: nearly as good as giving up what was used longest ago, and the hits pay no more
than a flag). So room is made one answer at a time, and never all at once.

Compiled; used by `lookup`.
"""

from mypy_extensions import i64, mypyc_attr

from portguard.policy.grant import NO_GRANT, NO_PORT, Account, Grant, PortGrant


@mypyc_attr(acyclic=True)
class Slot:
    """Of a PortGrant where `grant` is NO_GRANT."""

    def __init__(self, account: Account, port: PortGrant, grant: Grant, key: bytes) -> None:
        self.account = account
        self.port = port
        self.grant = grant
        self.key = key


class Kept:
    """At most `most` answers; either those that permit, or `refusals`, which are kept apart so that a sender of junk
    cannot push out what is permitted."""

    def __init__(self, most: i64, refusals: bool) -> None:
        self.most = most
        self.refusals = refusals
        self.slots: list[Slot] = []
        self.hand: i64 = 0

    def put_port(self, a: Account, port: PortGrant, key: bytes) -> None:
        """Keep what was found for a number."""
        self.take(Slot(a, port, NO_GRANT, key))
        if self.refusals:
            a.refused[key] = port
        else:
            a.ports[key] = port

    def put_grant(self, a: Account, port: PortGrant, grant: Grant, key: bytes) -> None:
        """Keep what was found for a signature on a number."""
        self.take(Slot(a, port, grant, key))
        if self.refusals:
            if len(port.refused) == 0:
                port.refused = {}
            port.refused[key] = grant
        else:
            port.put(key, grant)

    def take(self, slot: Slot) -> None:
        """Put a slot in, in the place of another where there are as many as may be."""
        if len(self.slots) < self.most:
            self.slots.append(slot)
            return
        hand = self.hand
        # Once round at most: by then every flag is down.
        while self.used(self.slots[hand]):
            hand = hand + 1 if hand + 1 < len(self.slots) else 0
        self.give_up(self.slots[hand])
        self.slots[hand] = slot
        self.hand = hand + 1 if hand + 1 < len(self.slots) else 0

    def used(self, slot: Slot) -> bool:
        """Was it used since it was last asked about?"""
        grant = slot.grant
        if grant is not NO_GRANT:
            was = grant.used
            grant.used = False
            return was
        was = slot.port.used
        slot.port.used = False
        return was

    def give_up(self, slot: Slot) -> None:
        """Forget an answer, unless another has taken its place."""
        key = slot.key
        if slot.grant is not NO_GRANT:
            if not self.refusals:
                slot.port.drop(key, slot.grant)
            elif slot.port.refused.get(key, NO_GRANT) is slot.grant:
                del slot.port.refused[key]
        else:
            ports = slot.account.refused if self.refusals else slot.account.ports
            if ports.get(key, NO_PORT) is slot.port:
                del ports[key]

    def shed(self, count: i64) -> bool:
        """Give up so many, the last ones first; False when none are left. For what no message asks for any more."""
        while count > 0 and len(self.slots) > 0:
            self.give_up(self.slots.pop())
            count -= 1
        return len(self.slots) > 0
