"""The way of bytes between sockets and relay: what a leg has read goes to the relay, and what that leaves is written.

Nouns: a *Stream* is one leg of a link, as far as bytes are concerned; a *Lane* has both streams of a link and the lists
of its pair; the *Flow*, one a process, writes what is on the dirty list; *Arrivals* count what was read, and *Recent*
keeps some of it.

Compiled, since every read comes by here. Knows neither sockets nor an event loop, but what it was given to call.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from librt.vecs import vec
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


class Recent:
    """What ESMEs have sent lately, as it came: (account, epoch seconds, octets), for judging it once more. At most
    `most` chunks of `octets` in all; the oldest are forgotten. A chunk may end in the beginning of a PDU, which comes
    whole at the head of the link's next. It is kept while `on`. Chunks are numbered from 1; the newest is `last`.

    Where that many octets come in less than `seconds`, chunks are left out here and there: what is kept goes back
    further then, and what is not is written over while the processor's cache still has it. They stand in columns and in
    memory that has been there from the beginning: as many objects would be the garbage collector's to look through, all
    at once, and a heap that grows by them does so while messages wait (a huge page takes 9 ms in some guests).
    """

    def __init__(self, most: i64, octets: i64, seconds: float = 0.0) -> None:
        self.on = most > 0
        self.octets = octets
        self._a_second = float(octets) / seconds if seconds > 0.0 else 0.0
        self._room = float(octets)
        self._at = 0.0
        self._system_ids: list[str] = [""] * int(most)
        self._times: vec[float] = vec[float]([0.0] * int(most))
        # Where each begins, counted on and on over all turns of the ring, and its length. A chunk is never divided.
        self._begins: vec[i64] = vec[i64]([0] * int(most))
        self._lengths: vec[i64] = vec[i64]([0] * int(most))
        self._most: i64 = most
        self._ring = memoryview(bytearray(b"\0") * int(octets))  # written to, not only asked for
        self._end: i64 = 0
        self._first: i64 = 0
        self._count: i64 = 0
        self.last: i64 = 0

    def add(self, system_id: str, at: float, data: bytes) -> None:
        """One more chunk, which is copied."""
        length: i64 = len(data)
        if length > self.octets or self._most == 0:
            return
        if self._a_second > 0.0 and not self._has_room(at, length):
            return
        begin: i64 = self._end % self.octets
        if begin + length > self.octets:
            self._end += self.octets - begin
            begin = 0
        until: i64 = begin + length
        oldest: i64 = self._end + length - self.octets
        while self._count > 0 and (self._count >= self._most or self._begins[self._first] < oldest):
            self._first = (self._first + 1) % self._most
            self._count -= 1
        place: i64 = (self._first + self._count) % self._most
        self._ring[begin:until] = data
        self._system_ids[place] = system_id
        self._times[place] = at
        self._begins[place] = self._end
        self._lengths[place] = length
        self._end += length
        self._count += 1
        self.last += 1

    def _has_room(self, at: float, octets: i64) -> bool:
        if at > self._at:
            self._room += (at - self._at) * self._a_second
            if self._room > float(self.octets):
                self._room = float(self.octets)
        self._at = at  # a clock that was set back fills nothing, and does not stop it from being filled
        if self._room <= 0.0:
            return False
        self._room -= float(octets)
        return True

    def oldest(self) -> i64:
        """The number of the oldest chunk that is kept; one more than `last` when there is none."""
        return self.last - self._count + 1

    def page(self, start: i64, last: i64, octets: i64) -> list[tuple[str, float, bytes]]:
        """Chunks from number `start` to `last`, as far as they are kept: as many as have `octets`, and one more."""
        found: list[tuple[str, float, bytes]] = []
        oldest = self.oldest()
        room = octets
        at = start if start > oldest else oldest
        while at <= last and at <= self.last and room > 0:
            place: i64 = (self._first + at - oldest) % self._most
            begin: i64 = self._begins[place] % self.octets
            until: i64 = begin + self._lengths[place]
            found.append((self._system_ids[place], self._times[place], bytes(self._ring[begin:until])))
            room -= self._lengths[place]
            at += 1
        return found


class Stream:
    """One leg, which `send` writes to while there is a connection; `feed` takes what was read, for the `pair`. `owner`
    is the leg itself, told of failures and large reads."""

    def __init__(self, flow: "Flow", owner: Any) -> None:
        self.flow = flow
        self.owner = owner
        self.pair: Any = None
        self.feed: Any = None
        self.send: Callable[[bytes], object] | None = None
        self.closing = False

    def received(self, data: bytes) -> None:
        """The leg has read something."""
        if self.closing:
            return
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
        self.pair = self.feed = self.send = None

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
