"""A feed: from the journal to topics, at least once and in order, with a cursor that moves when the broker has it all.

Records are taken a batch at a time. What a batch comes to is worked out on a copy of the selection; only when the
broker has acknowledged every message of it do copy and cursor count. So a link may end anywhere: the batch is done
again, with the same result.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiomqtt

from portguard.mqtt.link import Refused, Sends
from portguard.mqtt.payload import Outgoing
from portguard.mqtt.place import Place, Unreadable, keep, kept
from portguard.mqtt.selection import Selection, when

Row = tuple[int, str, dict[str, Any]]
Emit = Callable[[str, dict[str, object]], None]

BATCH: Final = 500
LOOK_SECONDS: Final = 0.2
KEEP_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 5.0
ON_THEIR_WAY: Final = 20

log = logging.getLogger("portguard.mqtt")


class Journal:
    """What the room is given of the journal: `rows(after, limit)` are its durable records after a number, in order,
    at most so many; `latest()` is the number of the last durable one, 0 when there is none."""

    def __init__(self, rows: Callable[[int, int], list[Row]], latest: Callable[[], int]) -> None:
        self.rows = rows
        self.latest = latest


class Feed:
    """One cursor. `published` counts messages, `left_out` what sampling left out, `missing` what was removed unsaid."""

    def __init__(
        self, path: Path, journal: Journal, begin: Callable[[Place], Selection], emit: Emit, *, per_second: int = 0
    ) -> None:
        self.published = 0
        self.left_out = 0
        self.missing = 0
        self._path = path
        self._journal = journal
        self._emit = emit
        self._per_second = per_second
        self._looking = threading.Lock()
        place = self._first_place()
        self.cursor = place.cursor
        self._selection = begin(place)
        self._kept = place
        self._kept_at = 0.0

    @property
    def backlog(self) -> int:
        """Records of the journal that this feed has not come to yet."""
        return max(self._journal.latest() - self.cursor, 0)

    def _first_place(self) -> Place:
        """Where the last run was. A node that publishes for the first time begins with what happens from now on."""
        try:
            place = kept(self._path, Place)
        except Unreadable as error:
            log.error("the place of a feed is unreadable: all that the journal has is published", extra={
                "feed": self._path.stem, "reason": str(error),
            })
            place = Place(0)
        if place is None:
            place = Place(self._journal.latest())
            keep(self._path, place)
        return place

    async def run(self, link: Sends) -> None:
        """Publish over this link until it ends or the task is cancelled. Raises aiomqtt.MqttError."""
        refused = ""
        while True:
            try:
                more = await self._step(link)
                refused = ""
            except aiomqtt.MqttError:
                raise
            except Exception as error:
                # The broker's refusal, a disk that is full, a journal that cannot be read: what may pass, and what does
                # not is said once. The link has no part in it.
                if str(error) != refused:
                    refused = str(error)
                    expected = isinstance(error, Refused | OSError)
                    log.error("a feed waits", exc_info=None if expected else error, extra={
                        "feed": self._path.stem, "reason": refused,
                    })
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await asyncio.sleep(0.0 if more else LOOK_SECONDS)

    async def _step(self, link: Sends) -> bool:
        """One batch; False when there is nothing more for now."""
        started = time.monotonic()
        latest, rows = await asyncio.to_thread(self._look, self.cursor)
        if latest < self.cursor:
            self._begin_again(latest)
            return True
        selection = self._selection.copy()
        messages, cursor, missing, left_out = self._work_out(selection, rows, latest)
        await self._publish(link, messages)
        self._selection, self.cursor = selection, cursor
        self.published += len(messages)
        self.left_out += left_out
        for first, last in missing:
            self._say_missing(first, last)
        await self._keep_when_due()
        if self._per_second and messages:
            await asyncio.sleep(len(messages) / self._per_second - (time.monotonic() - started))
        return cursor < latest

    def _look(self, cursor: int) -> tuple[int, list[Row]]:
        """In a thread, one at a time: a disk may take its time, and a look whose link has ended goes on."""
        with self._looking:
            latest = self._journal.latest()
            return latest, self._journal.rows(cursor, min(BATCH, latest - cursor)) if latest > cursor else []

    def _work_out(
        self, selection: Selection, rows: list[Row], latest: int
    ) -> tuple[list[Outgoing], int, list[tuple[int, int]], int]:
        """(messages, the cursor after them, runs of missing records, how many were left out)"""
        messages: list[Outgoing] = []
        missing: list[tuple[int, int]] = []
        cursor, left_out, at = self.cursor, 0, 0.0
        for number, kind, fields in rows:
            if number > cursor + 1:
                missing.append((cursor + 1, number - 1))
                messages.append(selection.missing(*missing[-1]))
            message = selection.take(number, kind, fields)
            if message is not None:
                messages.append(message)
            elif kind == "violation":
                left_out += 1
            at = when(fields)
            cursor = number
        if not rows and latest > cursor:
            missing.append((cursor + 1, latest))
            messages.append(selection.missing(*missing[-1]))
            cursor = latest
        # Behind, time is that of the records; abreast of them, that of the clock.
        messages += selection.overdue(at if cursor < latest else time.time())
        return messages, cursor, missing, left_out

    async def _publish(self, link: Sends, messages: list[Outgoing]) -> None:
        """All of them, several on their way at once. What the broker will never take is passed over, and said."""
        under_way: deque[asyncio.Task[None]] = deque()
        try:
            for message in messages:
                if len(under_way) >= ON_THEIR_WAY:
                    await under_way.popleft()
                under_way.append(asyncio.create_task(self._send(link, message)))
            while under_way:
                await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    @staticmethod
    async def _send(link: Sends, message: Outgoing) -> None:
        try:
            await link.send(message)
        except Refused as error:
            if not error.forever:
                raise
            log.error("a message is passed over", extra={
                "topic": message.topic, "octets": len(message.payload), "reason": str(error),
                "begins": message.payload[:200].decode("utf-8", "replace"),
            })

    def _begin_again(self, latest: int) -> None:
        log.error("the journal has been replaced by a shorter one; it is published from its beginning", extra={
            "feed": self._path.stem, "cursor": self.cursor, "latest": latest,
        })
        self.cursor = 0

    def _say_missing(self, first: int, last: int) -> None:
        count = last - first + 1
        self.missing += count
        log.error("records were removed before they could be published", extra={
            "feed": self._path.stem, "first": first, "last": last, "count": count,
        })
        self._emit("alert", {
            "alert": "mqtt_records_missing", "severity": "warning", "subject": {},
            "summary": f"{count} records of the journal were removed before they could be published over MQTT",
            "evidence": {"feed": self._path.stem, "first": first, "last": last},
        })

    # ---- the place on disk

    async def _keep_when_due(self) -> None:
        now = time.monotonic()
        if now - self._kept_at >= KEEP_SECONDS:
            self._kept_at = now
            await self.keep()

    async def keep(self) -> None:
        """Store how far this feed is. Raises OSError."""
        place = Place(self.cursor, self._selection.left_out())
        if place != self._kept:
            await asyncio.to_thread(keep, self._path, place)
            self._kept = place

    async def end(self) -> None:
        """Store it at the end of the process, where a full disk only means that some records come twice."""
        with contextlib.suppress(OSError):
            await self.keep()
