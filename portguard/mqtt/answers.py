"""The replies that have been given, so that a command that comes twice is done once, also over a restart.

A broker delivers at least once: what was done and not acknowledged when a link or the process ended comes again. It is
known by the correlation data or the id that its sender gave it, together with its name and payload.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec

from portguard.mqtt.place import Unreadable, keep, kept

REMEMBERED: Final = 256
REMEMBERED_SECONDS: Final = 86_400.0
# A longer reply is remembered without its details.
LONGEST_KEPT: Final = 4_096

log = logging.getLogger("portguard.mqtt")


class Answer(msgspec.Struct, frozen=True):
    at: float
    reply: dict[str, Any]


class Answers:
    """Bounded in number, length and age."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        try:
            found = kept(path, dict[str, Answer]) or {}
        except Unreadable as error:
            log.error("the replies to earlier commands are unreadable and forgotten", extra={"reason": str(error)})
            found = {}
        self._answers = OrderedDict(sorted(found.items(), key=lambda item: item[1].at))

    @staticmethod
    def key(name: str, identity: bytes, payload: bytes) -> str:
        """What a command is known by."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (name.encode(), identity, payload):
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.hexdigest()

    def given(self, key: str) -> dict[str, Any] | None:
        """The reply that this command got, None when it has not been done."""
        answer = self._answers.get(key)
        return answer.reply if answer is not None and time.time() - answer.at < REMEMBERED_SECONDS else None

    async def remember(self, key: str, reply: dict[str, Any]) -> None:
        """Remember a reply, and have it on disk on return. Raises OSError."""
        if len(msgspec.json.encode(reply)) > LONGEST_KEPT:
            reply = {name: reply[name] for name in ("id", "ok") if name in reply} | {"details": "not kept"}
        self._answers[key] = Answer(time.time(), reply)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        async with self._lock:
            await asyncio.to_thread(keep, self._path, dict(self._answers))
