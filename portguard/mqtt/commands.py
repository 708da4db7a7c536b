"""Commands: from a message to its reply.

A command is done once and answered each time it comes. Commands of one *lane* are done one after the other, so that a
resume never overtakes its suspend, and a long reload keeps no suspend waiting. Whoever may publish to the command
topics on the broker may give those commands that the settings permit; the broker does not say who that was, so the
audit names the topic.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import aiomqtt
import msgspec

from portguard.mqtt.answers import Answers
from portguard.mqtt.link import RECEIVE_MAXIMUM, Refused
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing, encoded
from portguard.mqtt.topics import Topics

Emit = Callable[[str, dict[str, object]], None]
# What is behind a command: its arguments as they came; what it returns goes into the reply. "ok" may be among it.
Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

LANES: Final = {"reload": "registry", "complaints": "complaints", "suspend": "restraints", "resume": "restraints"}
LONGEST_IDENTITY: Final = 256
LONGEST_SHOWN: Final = 200
REPLY_SECONDS: Final = 3_600
# A sender that floods is slowed down by not being acknowledged, and cannot fill the journal with its audits.
PAUSE_SECONDS: Final = 0.02

log = logging.getLogger("portguard.mqtt")


class Replies(Protocol):
    """What a command needs of the link it came over."""

    async def send(self, message: Outgoing) -> None: ...

    def done(self, message: aiomqtt.Message) -> None: ...


class Malformed(Exception):
    """A command that cannot be read; the message says why."""


class Commands:
    """`functions` are what the commands do, one for each. `outcomes` counts (command, outcome)."""

    def __init__(
        self, options: MqttOptions, topics: Topics, functions: Mapping[str, Command], answers: Answers, emit: Emit
    ) -> None:
        self.outcomes: dict[tuple[str, str], int] = {}
        self._options = options
        self._topics = topics
        self._functions = functions
        self._answers = answers
        self._emit = emit
        self._lanes: dict[str, asyncio.Queue[tuple[Replies, aiomqtt.Message]]] = {}
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Work from now on. The lanes outlive the links: what has been begun is finished."""
        for lane in dict.fromkeys([*LANES.values(), ""]):
            self._lanes[lane] = asyncio.Queue()
            self._workers.append(asyncio.create_task(self._work(self._lanes[lane])))

    async def stop(self, seconds: float) -> None:
        """Let what is being done come to its end for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for queue in self._lanes.values():
                    await queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def take(self, link: Replies, message: aiomqtt.Message) -> None:
        """A message on a command topic. It is acknowledged when it has been answered."""
        name = self._topics.command(message.topic.value)
        queue = self._lanes[LANES.get(name, "")]
        if message.qos == 0 and queue.qsize() >= RECEIVE_MAXIMUM:
            self._count(name, "dropped")
        else:
            queue.put_nowait((link, message))

    def link_ended(self) -> None:
        """What has not been begun comes again over the next link."""
        for queue in self._lanes.values():
            while not queue.empty():
                queue.get_nowait()
                queue.task_done()

    async def _work(self, queue: asyncio.Queue[tuple[Replies, aiomqtt.Message]]) -> None:
        while True:
            link, message = await queue.get()
            try:
                await self._answer(link, message)
            except Exception:
                log.exception("a command could not be answered", extra={"topic": message.topic.value[:LONGEST_SHOWN]})
            finally:
                queue.task_done()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answer(self, link: Replies, message: aiomqtt.Message) -> None:
        name = self._topics.command(message.topic.value)[:LONGEST_SHOWN]
        reply = {"node": self._topics.node, "command": name, **await self._done(name, message)}
        topic = getattr(message.properties, "ResponseTopic", self._topics.reply)
        correlation = getattr(message.properties, "CorrelationData", b"")
        if why := self._topics.refuses(topic):
            topic, reply = self._topics.reply, {**reply, "response_topic": why}
        with contextlib.suppress(aiomqtt.MqttError):
            try:
                await link.send(Outgoing(topic, encoded(reply), expiry=REPLY_SECONDS, correlation=correlation))
            except Refused as error:
                log.warning("a reply was refused", extra={"command": name, "reason": str(error)})
            link.done(message)

    async def _done(self, name: str, message: aiomqtt.Message) -> dict[str, Any]:
        """The reply of a command, which has been done now, or was done when it came before."""
        payload = message.payload
        try:
            self._check(name, message)
            arguments = _arguments(payload)
            identity = _identity(message, arguments)
        except Malformed as error:
            return self._refuse(name, str(error), payload)
        shown = {"id": str(arguments["id"])} if "id" in arguments else {}
        key = self._answers.key(name, identity, payload) if identity else ""
        given = self._answers.given(key) if key else None
        if given is not None:
            self._count(name, "repeated")
            return {**given, "repeated": True}
        reply = shown | await self._run(name, {key: value for key, value in arguments.items() if key != "id"}, payload)
        if key:
            try:
                await self._answers.remember(key, reply)
            except OSError as error:
                log.error("a reply could not be stored; its command may be done again", extra={
                    "command": name, "reason": str(error),
                })
        return reply

    async def _run(self, name: str, arguments: dict[str, Any], payload: bytes) -> dict[str, Any]:
        target = str(arguments.get("name", ""))[:LONGEST_SHOWN]
        try:
            result = await self._functions[name](arguments)
        except Exception as error:
            log.exception("a command failed", extra={"command": name})
            self._audit(name, target, "failed", payload, str(error))
            return {"ok": False, "error": f"{name} failed: {error}"}
        reply = {"ok": True, **result}
        self._audit(name, target, "ok" if reply["ok"] else "refused", payload, str(reply.get("error", "")))
        return reply

    def _check(self, name: str, message: aiomqtt.Message) -> None:
        if name not in LANES:
            raise Malformed(f"there is no command {name!r}; there are {', '.join(LANES)}")
        if name not in self._options.commands:
            raise Malformed(f"{name} may not come over MQTT: mqtt.commands does not list it")
        if message.retain:
            raise Malformed("a command may not be retained: it would be done again at each connection")
        if len(message.payload) > self._options.command_bytes:
            raise Malformed(
                f"the payload has {len(message.payload)} octets, and mqtt.command_bytes permits "
                f"{self._options.command_bytes}"
            )

    def _refuse(self, name: str, why: str, payload: bytes) -> dict[str, Any]:
        self._audit(name, "", "refused", payload, why)
        return {"ok": False, "error": why}

    def _count(self, name: str, outcome: str) -> None:
        of = (name if name in LANES else "other", outcome)
        self.outcomes[of] = self.outcomes.get(of, 0) + 1

    def _audit(self, name: str, target: str, outcome: str, payload: bytes, why: str) -> None:
        self._count(name, outcome)
        # Not the payload: complaints name subscribers.
        self._emit("audit", {
            "who": "mqtt", "role": "mqtt", "what": name, "target": target, "outcome": outcome, "octets": len(payload),
            **({"why": why[:LONGEST_SHOWN]} if why else {}),
        })


def _arguments(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {}
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"the payload is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Malformed("the payload is no JSON object")
    return found


def _identity(message: aiomqtt.Message, arguments: dict[str, Any]) -> bytes:
    """What its sender knows the command by: correlation data, or `id` in the payload; empty where there is neither."""
    given = arguments.get("id", "")
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise Malformed("id is text or a number")
    identity: bytes = getattr(message.properties, "CorrelationData", b"") or str(given).encode("utf-8", "replace")
    if len(identity) > LONGEST_IDENTITY:
        raise Malformed(f"correlation data and id have at most {LONGEST_IDENTITY} octets")
    return identity
