"""The node as an MQTT client: one link after the other, for as long as the daemon runs.

A broker that is away is tried again with growing, jittered pauses; meanwhile nothing waits for it and nothing grows.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import aiomqtt
import msgspec
from paho.mqtt.subscribeoptions import SubscribeOptions

from portguard.mqtt import access
from portguard.mqtt.answers import Answers
from portguard.mqtt.commands import Command, Commands
from portguard.mqtt.early import Early
from portguard.mqtt.feed import Emit, Feed, Journal
from portguard.mqtt.link import Link, Refused
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing, encoded
from portguard.mqtt.selection import Events, Violations
from portguard.mqtt.topics import Topics

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# A link that held this long was a good one: the pauses begin anew.
GOOD_SECONDS: Final = 10.0
LEAVE_SECONDS: Final = 3.0
SAID_AGAIN_SECONDS: Final = 600.0

Restraints = list[dict[str, Any]]
Follow = Callable[[str, Restraints], None]

log = logging.getLogger("portguard.mqtt")


class Client:
    """`check` at the start, `run` as a task, `stop` at the end; `status` and `state` at any time. `folder` is the
    client's own, for what must outlive the process; `journal` makes a reader, one for each feed."""

    def __init__(
        self, options: MqttOptions, node: str, folder: Path, journal: Callable[[], Journal], emit: Emit,
        commands: Mapping[str, Command], follow: Follow | None = None,
    ) -> None:
        self.connected = False
        self.links = 0
        self.topics = Topics(options.prefix, node)
        self.client_id = options.client_id or f"portguard-{node}"
        self._options = options
        self._follow = follow if options.follow else None
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        topics = self.topics
        self.early = Early()
        self._events = Events(topics, options, self.early)
        self.feeds = {
            "events": Feed(folder / "events.json", journal(), lambda place: self._events, emit),
            "violations": Feed(
                folder / "violations.json", journal(), lambda place: Violations(topics, options, place.left_out), emit,
                per_second=options.publish_per_second,
            ),
        }
        self.commands = Commands(options, topics, commands, Answers(folder / "answers.json"), emit)
        self._states: dict[str, Mapping[str, Any]] = {}
        self._stale: set[str] = set()
        self._stirred = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._online: dict[str, Any] = {}
        self._said = ("", 0.0)

    # ---- what the daemon says

    def check(self) -> None:
        """Say what is unwise, and find out before anything serves whether password and certificates can be read.
        Raises AccessError."""
        access.password(self._options)
        access.tls_context(self._options)
        for warning in access.warnings(self._options):
            log.warning(warning)

    def status(self, **fields: object) -> None:
        """What the retained status says of this node beside being online."""
        self._online = fields
        self.state("status", {"status": "online", **fields})

    def state(self, name: str, fields: Mapping[str, Any]) -> None:
        """How something is from now on: published retained, at once or with the next link."""
        if self._states.get(name) != fields:
            self._states[name] = fields
            self._stale.add(name)
            self._stirred.set()

    def said(self, name: str) -> Mapping[str, Any]:
        """What `state` was given last."""
        return self._states.get(name, {})

    def alert(self, fields: Mapping[str, object]) -> None:
        """An alert that the journal cannot take at the moment; `id` is among its fields."""
        self._events.early(fields)

    # ---- life

    async def run(self) -> None:
        """Links until `stop`. What goes wrong is logged and tried again."""
        self.commands.start()
        pause = FIRST_PAUSE
        try:
            while not self._stopping.is_set():
                held = await self._one_link()
                pause = FIRST_PAUSE if held > GOOD_SECONDS else min(2 * pause, LONGEST_PAUSE)
                await self._unless_stopped(asyncio.sleep(random.uniform(pause / 2, pause)))
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish what has been begun and take leave; `run` ends with it, within a few seconds."""
        await self.commands.stop(LEAVE_SECONDS)
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * LEAVE_SECONDS):
                await self._ended.wait()
        for feed in self.feeds.values():
            await feed.end()

    async def _one_link(self) -> float:
        """From its beginning to its end; how many seconds it held."""
        link, began = None, time.monotonic()
        try:
            link = self._link()
            if await self._unless_stopped(link.open()):
                began = time.monotonic()
                await self._serve(link)
        except* (aiomqtt.MqttError, access.AccessError, OSError, Refused) as errors:
            self._say_lost(_reason(errors), time.monotonic() - began if self.connected else None)
        except* Exception:
            log.exception("the MQTT client failed; it connects anew")
        finally:
            held = time.monotonic() - began if self.connected else 0.0
            if held > GOOD_SECONDS:
                self._said = ("", 0.0)
            self.connected = False
            self.commands.link_ended()
            if link is not None:
                link.abandon()
        return held

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """True when the work is done, False when `stop` came first."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return doing.done()
        finally:
            doing.cancel()
            stopping.cancel()

    def _link(self) -> Link:
        options = self._options
        will = self._offline("the connection was lost")
        return Link(options, self.client_id, will, awaits=bool(options.commands or self._follow))

    async def _serve(self, link: Link) -> None:
        await self._subscribe(link)
        self._stale.update(self._states)
        await self._publish_states(link)
        self.connected = True
        self.links += 1
        log.info("connected to the broker", extra={"url": self._options.url, "session": (
            "resumed" if link.session_present else "new"
        )})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep_states(link)), group.create_task(self._receive(link))]
            tasks.append(group.create_task(self.early.run(link)))
            tasks += [group.create_task(feed.run(link)) for feed in self.feeds.values()]
            group.create_task(self._leave(link, tasks))

    async def _leave(self, link: Link, tasks: list[asyncio.Task[None]]) -> None:
        """At the end: no more feeding, the commands' replies out, and a last word."""
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(LEAVE_SECONDS):
            await link.send(self._offline("stopped"))
            await link.close()

    # ---- states

    def _offline(self, why: str) -> Outgoing:
        fields = {"node": self.topics.node, "status": "offline", "why": why, "was": self._online}
        return Outgoing(self.topics.of("status"), encoded(fields), retain=True)

    async def _keep_states(self, link: Link) -> None:
        while True:
            await self._stirred.wait()
            await self._publish_states(link)

    async def _publish_states(self, link: Link) -> None:
        self._stirred.clear()
        for name in sorted(self._stale):
            self._stale.discard(name)
            try:
                payload = encoded({"node": self.topics.node, **self._states[name]})
                await link.send(Outgoing(self.topics.of(name), payload, retain=True))
            except Refused as error:
                log.error("a state was refused", extra={"topic": self.topics.of(name), "reason": str(error)})
            except BaseException:
                self._stale.add(name)
                raise

    # ---- what comes in

    async def _subscribe(self, link: Link) -> None:
        options, topics = self._options, self.topics
        wanted: list[tuple[str, SubscribeOptions]] = []
        command = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        if options.commands:
            wanted.append((topics.commands, command))
            if options.fleet:
                wanted.append((topics.fleet_commands, command))
        if self._follow is not None:
            wanted.append((topics.others_restraints, SubscribeOptions(qos=1)))
        if link.session_present:
            # What an earlier run with other settings has asked for.
            every = {topics.commands, topics.fleet_commands, topics.others_restraints}
            if unwanted := every - {topic for topic, _ in wanted}:
                await link.unsubscribe(sorted(unwanted))
        for topic, how in wanted:
            for code in await link.subscribe(topic, options=how):
                if not isinstance(code, int) and code.is_failure:
                    log.error("a subscription was refused", extra={"topic": topic, "reason": str(code)})

    async def _receive(self, link: Link) -> None:
        async for message in link.messages:
            topic = message.topic.value
            if self.topics.command(topic):
                self.commands.take(link, message)
                continue
            node = self.topics.follows(topic)
            if node and self._follow is not None:
                self._take_restraints(node, message.payload)
            link.done(message)

    def _take_restraints(self, node: str, payload: bytes) -> None:
        assert self._follow is not None
        try:
            found = msgspec.json.decode(payload, type=_Restraints).restraints if payload else []
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("restraints of another node are malformed", extra={"of": node, "reason": str(error)})
            return
        self._follow(node, found)

    # ---- words

    def _say_lost(self, reason: str, held: float | None) -> None:
        """Once for each reason, and again now and then while it lasts. `held`: how many seconds it had been there."""
        said, at = self._said
        now = time.monotonic()
        if reason != said or now - at > SAID_AGAIN_SECONDS:
            self._said = (reason, now)
            hint = {"hint": f"if that goes on: does another client use the id {self.client_id}?"}
            log.warning("no broker; what happens meanwhile waits in the journal", extra={
                "url": self._options.url, "reason": reason,
                **(hint if held is not None and held < GOOD_SECONDS else {}),
            })


class _Restraints(msgspec.Struct, frozen=True):
    """The payload of `<prefix>/<node>/restraints`."""

    restraints: Restraints = []


def _reason(errors: BaseExceptionGroup[BaseException]) -> str:
    """The first of them in words."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    error = error.__cause__ or error
    return str(error) or type(error).__name__
