"""Alerts that do not wait for the journal: while it cannot be written, they are published as they come.

Noun: an *early* alert has an `id`, by which its record in the journal, later, is known to be said already. What is
remembered does not outlive the process, so at worst an alert comes twice, with the same id.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from portguard.mqtt.link import Refused, Sends
from portguard.mqtt.payload import Outgoing

MOST_WAITING: Final = 1_000
MOST_SAID: Final = 10_000
AGAIN_SECONDS: Final = 5.0

log = logging.getLogger("portguard.mqtt")


class Early:
    """`put` an alert's message, `run` over each link; `is_said` and `leave` are for the feed of the journal."""

    def __init__(self) -> None:
        self.published = 0
        self._waiting: OrderedDict[str, Outgoing] = OrderedDict()
        self._said: OrderedDict[str, None] = OrderedDict()
        self._stirred = asyncio.Event()

    def put(self, id: str, message: Outgoing) -> None:
        """To be published as soon as there is a broker. The oldest of too many are left to the journal."""
        self._waiting[id] = message
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
        self._stirred.set()

    def is_said(self, id: object) -> bool:
        """Does the broker have it?"""
        return id in self._said

    def leave(self, id: object) -> None:
        """It is in the journal, and published from there."""
        if isinstance(id, str):
            self._waiting.pop(id, None)

    async def run(self, link: Sends) -> None:
        """Publish over this link until it ends or the task is cancelled. Raises aiomqtt.MqttError."""
        while True:
            self._stirred.clear()
            while self._waiting:
                id, message = next(iter(self._waiting.items()))
                try:
                    await link.send(message)
                except Refused as error:
                    log.error("an alert was refused", extra={"topic": message.topic, "reason": str(error)})
                    if not error.forever:
                        await asyncio.sleep(AGAIN_SECONDS)
                        continue
                else:
                    self.published += 1
                self._waiting.pop(id, None)
                self._said[id] = None
                if len(self._said) > MOST_SAID:
                    self._said.popitem(last=False)
            await self._stirred.wait()
