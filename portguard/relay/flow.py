"""The way of bytes between sockets and relay: what a leg has read goes to the relay, and what that leaves is written.

Nouns: a *Stream* is one leg of a link, as far as bytes are concerned; a *Lane* has both streams of a link and the lists
of its pair; the *Flow*, one a process, writes what is on the dirty list; *Arrivals* count what was read.

Compiled, since every read comes by here. Knows neither sockets nor an event loop, but what it was given to call.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

# A read of so many octets may have left more behind it: others have their turn first.
LARGE_CHUNK: Final = 128 * 1024


class Arrivals:
    """Octets read, and by how many reads. While it `wants` to know of the first after a poll, that is told by `tell`,
    once until `told` is taken back."""

    def __init__(self) -> None:
        self.octets: i64 = 0
        self.reads: i64 = 0
        self.wants = False
        self.told = False
        self.tell: Callable[[], object] | None = None

    def add(self, octets: i64) -> None:
        """A leg has read that many octets."""
        self.octets += octets
        self.reads += 1
        if self.wants and not self.told and self.tell is not None:
            self.told = True
            self.tell()


class Stream:
    """One leg, which `send` writes to while there is a connection; `feed` takes what was read, for the `pair`. `first`,
    if there is one, is told of the first octets. `owner` is the leg itself, told of failures and large reads."""

    def __init__(self, flow: "Flow", owner: Any) -> None:
        self.flow = flow
        self.owner = owner
        self.pair: Any = None
        self.feed: Any = None
        self.first: Callable[[], object] | None = None
        self.send: Callable[[bytes], object] | None = None
        self.closing = False

    def received(self, data: bytes) -> None:
        """The leg has read something."""
        if self.closing:
            return
        if self.first is not None:
            first = self.first
            self.first = None
            first()
        flow = self.flow
        octets: i64 = len(data)
        flow.arrivals.add(octets)
        try:
            self.feed(self.pair, data, time.monotonic())
        except Exception:
            self.owner.failed()
        flow.flush()
        if octets >= LARGE_CHUNK:
            self.owner.give_way()

    def over(self) -> None:
        """The connection has gone: let go of the pair, and of what it holds, before the collector finds the leg."""
        self.closing = True
        self.pair = self.feed = self.first = self.send = None

    def write(self, data: bytes) -> None:
        """Write, unless the leg has gone or is on its way out."""
        send = self.send
        if send is not None and not self.closing:
            send(data)


class Lane:
    """A link as the flow sees it: its pair has `lane` for its link, and `obey` of the link does what else the pair asks
    for. `smsc` is None while there is no connection to one."""

    def __init__(self, link: Any, esme: Stream) -> None:
        self.link = link
        self.esme = esme
        self.smsc: Stream | None = None
        self.pair: Any = None
        self.to_esme: list[bytes] = []
        self.to_smsc: list[bytes] = []

    def take(self, pair: Any) -> None:
        """This is the link's pair."""
        self.pair = pair
        self.to_esme = pair.to_esme
        self.to_smsc = pair.to_smsc
        pair.link = self

    def carry_out(self) -> None:
        """Write what is in `to_*` as one bytes each, then connect or close as asked."""
        parts = self.to_esme
        if len(parts) > 0:
            self.esme.write(parts[0] if len(parts) == 1 else b"".join(parts))
            parts.clear()
        parts = self.to_smsc
        if len(parts) > 0:
            smsc = self.smsc
            if smsc is not None:
                smsc.write(parts[0] if len(parts) == 1 else b"".join(parts))
            parts.clear()
        if self.pair is not None and self.pair.asks:
            self.link.obey(self.pair)


class Flow:
    """`dirty` are the pairs that the relay has something for; it stays the relay's own list."""

    def __init__(self, dirty: list[Any], arrivals: Arrivals) -> None:
        self.dirty = dirty
        self.arrivals = arrivals

    def flush(self) -> None:
        """Write, connect and close what the relay has asked for since the last call."""
        dirty = self.dirty
        while len(dirty) > 0:
            pair = dirty.pop()
            pair.dirty = False
            lane = pair.link
            if isinstance(lane, Lane):
                try:
                    lane.carry_out()
                except Exception:
                    lane.link.crash("writing")
