"""All workers of the node, as the main process asks and tells them: what is on one is on all, or on none.

Whoever in the main process wants something of the message path asks here, and never waits for a worker that hangs or
has gone. A worker that is started again gets what is so now: revision, restraints, the journal's socket.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

import msgspec

from portguard.daemon.channel import ChannelClosed, Refused
from portguard.daemon.child import CrashLoop
from portguard.daemon.member import ASK_SECONDS, Member
from portguard.daemon.minute import Minute
from portguard.daemon.orders import (
    Drained,
    Orders,
    RecentPage,
    Sender,
    Session,
    SessionPage,
    Started,
    Status,
    for_a_worker,
)
from portguard.daemon.reload import ServeError
from portguard.daemon.state import StateFolder
from portguard.daemon.uses import Used, Uses
from portguard.net.leg import LINGER
from portguard.policy.restraint import Restraint
from portguard.policy.tally import TallyRow
from portguard.settings.schema import Settings
from portguard.telemetry.sources import Reading, add_up

# A ledger of a hundred million pairs is read once at the start.
START_SECONDS: Final = 900.0
PREPARE_SECONDS: Final = 120.0
SWAP_SECONDS: Final = 30.0
COUNT_EVERY: Final = 5.0
# Its ESMEs have long given it up by then.
HANGS_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
# Between pages of recent traffic, which the worker makes while messages wait.
PAGE_PAUSE: Final = 0.001

T = TypeVar("T")
P = TypeVar("P", SessionPage, RecentPage)

log = logging.getLogger("portguard.daemon")


class Workers:
    """`listening`: bound sockets, which a single worker listens on. `failed` is done when a worker cannot be kept
    alive, with the reason. `came_up` is told of every worker that has begun to serve; `on_gone` hears of connections
    that were given to a worker and have ended."""

    def __init__(
        self, settings: Settings, state: StateFolder, listening: list[socket.socket], max_connections: int,
    ) -> None:
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._settings = for_a_worker(settings)
        self._discard_key = state.discard_key()
        self._listening = listening
        self._max_connections = max_connections
        self.came_up: Callable[[Member], None] = lambda member: None
        self.on_gone: Callable[[int], None] = lambda connections: None
        self._on_tallies: Callable[[list[TallyRow]], None] | None = None
        self.restraints: list[Restraint] = []
        self._uses = Uses(state.uses, settings.node.timezone)
        self.minute = Minute()
        self._image: Path | None = None
        self._lock = asyncio.Lock()
        # A worker keeps its place for one reader of pages.
        self._paging = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.members = [Member(number, self) for number in range(1, settings.node.workers + 1)]

    # ---- their lives

    async def start(self) -> None:
        """Start the processes; they serve from the first revision on. Raises OSError."""
        for member in self.members:
            await member.child.start()
            self._begin(self._keep(member))
        self._begin(self._count_now_and_then())
        self._begin(self._uses.keep())

    def began(self, member: Member) -> None:
        """A life of a member began: it gets what serves, if anything does yet."""
        if self._image is not None:
            self._begin(self._bring_back(member))

    async def _keep(self, member: Member) -> None:
        try:
            await member.child.keep()
        except CrashLoop as error:
            if not self.failed.done():
                self.failed.set_result(str(error))

    async def _bring_back(self, member: Member) -> None:
        """What serves now, on a worker that was started again; one that cannot is ended, and counted as such."""
        async with self._lock:
            channel = member.channel
            try:
                assert self._image is not None
                await self._bring_up(member, self._image)
                log.info(f"{member.name} serves again", extra={"pid": member.child.pid})
            except ServeError as error:
                for line in error.lines:
                    log.error(f"{member.name} cannot serve", extra={"reason": line})
                if member.channel is channel:
                    member.child.kill()

    async def _bring_up(self, member: Member, image: Path) -> None:
        workers = len(self.members)
        orders = Orders(
            member.number, workers, self._settings, self._discard_key, image, workers == 1, self._max_connections,
            self.restraints, self._on_tallies is not None,
        )
        listening = [sock.dup() for sock in self._listening] if orders.listens else []
        try:
            started = await member.ask("start", Started, orders, seconds=START_SECONDS, sockets=listening)
        except Refused as error:
            raise ServeError(error.lines) from error
        except ChannelClosed:
            raise ServeError([f"{member.name} ended before it served"]) from None
        except TimeoutError:
            raise ServeError([f"{member.name} did not serve within {START_SECONDS:.0f} s"]) from None
        member.listen = started.listen
        member.heard = monotonic()
        member.up.set()
        self._begin(self._tell_uses(member))
        self.came_up(member)

    async def drain(self) -> Drained:
        """Have every worker finish what is owed, and end; was all of it done, and how many links were left."""
        limits = self._settings.limits
        seconds = limits.drain_timeout + limits.unbind_timeout + LINGER + ASK_SECONDS
        for member in self.members:
            member.child.stopping()
        found = await asyncio.gather(
            *(member.ask("drain", Drained, seconds=seconds) for member in self.members), return_exceptions=True
        )
        ended = [one for one in found if isinstance(one, Drained)]
        return Drained(len(ended) == len(found) and all(one.done for one in ended), sum(one.left for one in ended))

    def hurry(self) -> None:
        """Have every worker abort what is left."""
        for member in self.members:
            member.tell("hurry")

    async def close(self) -> None:
        """See every worker to its end."""
        for member in self.members:
            member.child.stopping()
        self.hurry()
        await asyncio.gather(*(member.child.stop(END_SECONDS) for member in self.members))
        for task in list(self._tasks):
            task.cancel()
        for member in self.members:
            member.let_go()
        await self._uses.write()

    # ---- what the main process asks

    @property
    def serving(self) -> list[Member]:
        """The workers that serve now."""
        return [member for member in self.members if member.serving]

    @property
    def addresses(self) -> list[str]:
        """Where the workers themselves listen."""
        return [address for member in self.members for address in member.listen]

    async def serve(self, image: Path, digest: str) -> None:
        """Take a revision into service on all workers, or on none. Raises ServeError."""
        async with self._lock:
            if self._image is None:
                await _all(self._bring_up(member, image) for member in self.members)
            else:
                await self._exchange(image, digest)
            self._image = image

    async def _exchange(self, image: Path, digest: str) -> None:
        """In two steps: when all have opened it, all swap."""
        serving = self.serving
        try:
            await _all(self._prepare(member, image) for member in serving)
        except ServeError:
            await asyncio.gather(*(member.ask("abandon", type(None)) for member in serving), return_exceptions=True)
            raise
        await asyncio.gather(*(self._swap(member, digest) for member in serving))

    async def _prepare(self, member: Member, image: Path) -> None:
        try:
            await member.ask("prepare", type(None), image, seconds=PREPARE_SECONDS)
        except Refused as error:
            raise ServeError([f"{member.name}: {line}" for line in error.lines]) from error
        except ChannelClosed:
            raise ServeError([f"{member.name} ended while it opened the revision"]) from None
        except TimeoutError:
            raise ServeError([f"{member.name} did not open it within {PREPARE_SECONDS:.0f} s"]) from None

    async def _swap(self, member: Member, digest: str) -> None:
        """One that has gone, or cannot, comes back with what serves."""
        try:
            await member.ask("swap", type(None), digest, seconds=SWAP_SECONDS)
        except (ChannelClosed, Refused, TimeoutError) as error:
            log.error(f"{member.name} could not swap", extra={"reason": str(error) or type(error).__name__})
            member.child.kill()

    async def restrain(self, restraints: list[Restraint]) -> None:
        """These restraints and no others, on every worker; one that is started again gets them with its orders."""
        async with self._lock:
            self.restraints = list(restraints)
            for member in self.serving:
                member.tell("restrain", self.restraints)

    @property
    def on_tallies(self) -> Callable[[list[TallyRow]], None] | None:
        """Gets the rows of every worker's sweep, a bounded number at a time. Without it nothing is tallied."""
        return self._on_tallies

    @on_tallies.setter
    def on_tallies(self, hear: Callable[[list[TallyRow]], None] | None) -> None:
        self._on_tallies = hear
        for member in self.serving:
            member.tell("tally", hear is not None)

    def swept(self, found: list[TallyRow]) -> None:
        """A part of a member's sweep came."""
        if self._on_tallies is not None:
            self.minute.hear(found, monotonic())
            self._on_tallies(found)

    # ---- what is used of daily caps

    def used(self, member: Member, rows: list[Used]) -> None:
        """A member has counted; the others hear of it."""
        changed = self._uses.take(member.number, rows)
        for other in self.serving:
            if other is not member and changed:
                other.tell("used", self._uses.elsewhere(other.number, changed))

    def reached(self, member: Member, rows: msgspec.Raw) -> None:
        """Messages went through a member to subscribers whose frequency is limited; the others count them, too."""
        for other in self.serving:
            if other is not member:
                other.tell("reached", rows)

    async def _tell_uses(self, member: Member) -> None:
        """What was counted before this life of a member, or by others."""
        for page in self._uses.pages(member.number):
            if member.channel is None or not member.tell("used", page):
                return
            await member.channel.sent()

    # ---- what they say

    def ended(self, member: Member) -> None:
        """A life of a member is over."""
        self._uses.ended(member.number)

    def gone(self, connections: int) -> None:
        """Connections that a member was given have ended."""
        if connections:
            self.on_gone(connections)

    async def sessions(self) -> list[Session]:
        """Every ESME link of the node, as it was a moment ago."""
        found: list[Session] = []
        async with self._paging:
            for member in self.serving:
                async for page in self._pages(member, SessionPage, "sessions", lambda after: after):
                    for session in page.sessions:
                        session.worker = member.number
                    found += page.sessions
        return found

    async def _pages(
        self, member: Member, kind: type[P], name: str, body: Callable[[int], object], after: int = 0
    ) -> AsyncIterator[P]:
        """Whatever a member has to say that is too much for one answer; what there is of it when it stops answering."""
        while after >= 0:
            try:
                page = await member.ask(name, kind, body(after))
            except (ChannelClosed, Refused, TimeoutError) as error:
                log.warning(f"{member.name} did not say all of its {name}", extra={"reason": str(error)})
                return
            yield page
            after = page.next

    async def close_session(self, id: str) -> bool:
        """End one link, answers that are owed delivered first; False when there is none of that id."""
        pid, _, number = id.partition("-")
        for member in self.serving:
            if pid == str(member.child.pid) and number.isascii() and number.isdigit():
                try:
                    return await member.ask("end_session", bool, int(number))
                except (ChannelClosed, Refused, TimeoutError):
                    return False
        return False

    async def status(self) -> Status:
        """Links by state, and the SMSCs, over all workers: one is up where all find it up."""
        sessions: dict[str, int] = {}
        smscs: dict[str, str] = {}
        links: dict[int, int] = {}
        for member, said in await self._ask_all("status", Status):
            links[member.number] = sum(said.sessions.values())
            for state, count in said.sessions.items():
                sessions[state] = sessions.get(state, 0) + count
            for name, reason in said.smsc.items():
                if smscs.get(name, "up") == "up":
                    smscs[name] = reason
        return Status(sessions, smscs, links)

    async def recent(self, limit: int) -> AsyncIterator[bytes]:
        """What ESMEs have sent lately, at most `limit` chunks of each worker: pages for `orders.unpacked`. It is taken
        slowly, since the workers have messages to attend to."""
        for member, (oldest, last) in await self._ask_all("kept", tuple[int, int]):
            first = max(oldest, last - limit + 1)
            async for page in self._pages(member, RecentPage, "recent", lambda at: (at, last), first):  # noqa: B023
                yield page.chunks
                await asyncio.sleep(PAGE_PAUSE)

    async def last_sender(self, number: str, subscriber: str) -> str:
        """Who last sent this subscriber marketing from that number, through whichever worker; "" when nobody is
        remembered."""
        question = number, subscriber
        found = await asyncio.gather(
            *(member.ask("last_sender", Sender, question) for member in self.serving), return_exceptions=True
        )
        senders = [sender for sender in found if isinstance(sender, Sender) and sender.enterprise]
        return max(senders, key=lambda sender: sender.at).enterprise if senders else ""

    async def counts(self) -> list[Reading]:
        """What all workers counted, those that have ended too, added up."""
        await asyncio.gather(*(member.count() for member in self.members))
        return self.counted()

    def counted(self) -> list[Reading]:
        """What `counts` last found."""
        return add_up([said for member in self.members for said in (member.before, member.last)])

    async def _ask_all(self, name: str, kind: type[T]) -> list[tuple[Member, T]]:
        """The answers of those that give one."""
        serving = self.serving
        found = await asyncio.gather(*(member.ask(name, kind) for member in serving), return_exceptions=True)
        return [
            (member, said) for member, said in zip(serving, found, strict=True) if not isinstance(said, BaseException)
        ]

    async def _count_now_and_then(self) -> None:
        """So that a worker that is killed takes little of its counts with it, and one that hangs is noticed."""
        while True:
            await asyncio.sleep(COUNT_EVERY)
            await self.counts()
            for member in self.serving:
                if monotonic() - member.heard > HANGS_SECONDS:
                    log.error(f"{member.name} hangs and is killed", extra={"pid": member.child.pid})
                    member.child.kill()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the workers failed", exc_info=task.exception())


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of it, then raise the errors as one. Raises ServeError."""
    found = await asyncio.gather(*work, return_exceptions=True)
    lines: list[str] = []
    for error in found:
        if isinstance(error, ServeError):
            lines += error.lines
        elif isinstance(error, BaseException):
            raise error
    if lines:
        raise ServeError(list(dict.fromkeys(lines)))
