"""One worker as the main process sees it: its child, its channel, and what it last said of itself.

Noun: a *member* is one of the workers; its `lives` may be many, its number is one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from time import monotonic
from typing import Final, Protocol, TypeVar

import msgspec

from portguard.daemon.channel import Answer, Channel, ChannelClosed, Refused, Said
from portguard.daemon.child import Child
from portguard.daemon.uses import Used
from portguard.policy.tally import TallyRow, rows
from portguard.telemetry.sources import Reading, add_up, lasting

MODULE: Final = "portguard.daemon.worker"
# A worker looks into its memory at random for most messages: with pages of 4 kB the way to a page costs as much as what
# is read there. So its heap asks for huge ones (glibc 2.35 and later), where the kernel has them on request.
ENVIRONMENT: Final = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
ASK_SECONDS: Final = 5.0
COUNT_SECONDS: Final = 1.0

T = TypeVar("T")


class Group(Protocol):
    """What a member tells those that it is one of."""

    def began(self, member: "Member") -> None: ...
    def gone(self, connections: int) -> None: ...
    def ended(self, member: "Member") -> None: ...
    def swept(self, found: list[TallyRow]) -> None: ...
    def used(self, member: "Member", rows: list[Used]) -> None: ...
    def reached(self, member: "Member", rows: msgspec.Raw) -> None: ...
    async def last_sender(self, number: str, subscriber: str) -> str: ...


class Member:
    """`last` is what its present life counted, `before` what the lives before it did; `given` are the connections that
    it was given and that have not ended. `up` is set while it serves, `heard` (monotonic) is when it last answered."""

    def __init__(self, number: int, group: Group) -> None:
        self.number = number
        self.name = f"worker {number}"
        self.up = asyncio.Event()
        self.listen: list[str] = []
        self.last: list[Reading] = []
        self.before: list[Reading] = []
        self.given = 0
        self.heard = 0.0
        self.channel: Channel | None = None
        self.child = Child(self.name, ["-m", MODULE], self._sockets, self._began, self._ended, ENVIRONMENT)
        self._group = group
        self._end: socket.socket | None = None
        self._gone = 0

    @property
    def serving(self) -> bool:
        return self.up.is_set()

    async def ask(
        self, name: str, kind: type[T], body: object = None, *, seconds: float = ASK_SECONDS,
        sockets: Iterable[socket.socket] = (),
    ) -> T:
        """Its answer. Raises ChannelClosed, Refused, TimeoutError."""
        if self.channel is None:
            for sock in sockets:
                sock.close()
            raise ChannelClosed(f"{self.name} does not run")
        return await self.channel.ask(name, kind, body, seconds=seconds, sockets=list(sockets))

    def tell(self, name: str, body: object = None, sockets: Iterable[socket.socket] = ()) -> bool:
        """Push; False when it is not there to hear it."""
        if self.channel is not None:
            return self.channel.push(name, body, list(sockets))
        for sock in sockets:
            sock.close()
        return False

    def give(self, peer: str, sock: socket.socket) -> None:
        """A connection of its own from now on. Raises ChannelClosed."""
        if not self.tell("connection", peer, [sock]):
            raise ChannelClosed(f"{self.name} takes no connections")
        self.given += 1

    async def count(self) -> None:
        """Take up what it counts now; when it does not say, what it said last stands."""
        with contextlib.suppress(ChannelClosed, Refused, TimeoutError):
            self.last = await self.ask("counts", list[Reading], seconds=COUNT_SECONDS)
            self.heard = monotonic()

    def let_go(self) -> None:
        """Close the channel: a worker without it drains and ends."""
        self.up.clear()
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _sockets(self) -> list[socket.socket]:
        self._end, other = socket.socketpair()
        return [other]

    def _began(self) -> None:
        assert self._end is not None
        requests: dict[str, Answer] = {"last_sender": self._last_sender}
        self.channel = Channel(
            self._end, requests,
            {
                "counted": self._hear_counted, "gone": self._hear_gone, "swept": self._hear_swept,
                "used": self._hear_used, "reached": self._hear_reached,
            },
            self.let_go,
        )
        self._group.began(self)

    def _ended(self, code: int) -> None:
        self.let_go()
        self.before = add_up([self.before, lasting(self.last)])
        self.last = []
        self._gone = 0
        given, self.given = self.given, 0
        self._group.gone(given)
        self._group.ended(self)

    async def _last_sender(self, said: Said) -> str:
        """It heard a reply."""
        return await self._group.last_sender(*said.read(tuple[str, str]))

    def _hear_counted(self, said: Said) -> None:
        self.last = said.read(list[Reading])

    def _hear_gone(self, said: Said) -> None:
        """How many have ended in all of this life: a push that was lost is made good by the next."""
        gone = said.read(int)
        ended, self._gone = gone - self._gone, gone
        self.given -= ended
        self._group.gone(ended)

    def _hear_swept(self, said: Said) -> None:
        self._group.swept(rows(said.read(bytes)))

    def _hear_used(self, said: Said) -> None:
        self._group.used(self, said.read(list[Used]))

    def _hear_reached(self, said: Said) -> None:
        self._group.reached(self, said.read(msgspec.Raw))
