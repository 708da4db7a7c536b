"""What has been used of daily caps, over all workers, all their lives, and restarts: the main process adds up what each
worker counts, tells the others, and keeps it in the state folder.

Noun: a *used* row is (key, day, messages): the digest of a scope (`terms.quota_key`), a day of the node's zone in days
since 1970, and what was counted. A cap that several workers use is exact but for what passes in a second. So is a
subscriber's frequency: of that each message is told, as a *reached* row (`Limits.untold`), and passed on as it came.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from time import time
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from portguard.aside import set_aside
from portguard.daemon.state import replace_file

Used = tuple[bytes, int, int]

USED_AT_ONCE: Final = 1000
# What a power cut takes.
SAVE_SECONDS: Final = 15.0
# Of the keys of one day; what is beyond them is counted by each worker alone.
MOST_KEYS: Final = 2_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()

log = logging.getLogger("portguard.daemon")


class Uses:
    """`path` is the file it is kept in; `clock` says epoch seconds."""

    def __init__(self, path: Path, timezone: str, clock: Callable[[], float] = time) -> None:
        self._path = path
        self._zone = ZoneInfo(timezone)
        self._clock = clock
        # By day and key: all that was counted, and of it what a worker has counted in its present life.
        self._all: dict[int, Counter[bytes]] = {}
        self._lives: dict[int, dict[tuple[int, bytes], int]] = {}
        self._changed = False
        self._load()

    def take(self, worker: int, rows: Iterable[Used]) -> list[tuple[bytes, int]]:
        """A worker's counts of its present life; returns the keys and days to tell the others of."""
        self._forget()
        life = self._lives.setdefault(worker, {})
        taken = []
        for key, day, messages in rows:
            of_day = self._all.setdefault(day, Counter())
            if key not in of_day and len(of_day) >= MOST_KEYS:
                continue
            of_day[key] += messages - life.get((day, key), 0)
            life[day, key] = messages
            taken.append((key, day))
        self._changed = self._changed or bool(taken)
        return taken

    def elsewhere(self, worker: int, wanted: Iterable[tuple[bytes, int]]) -> list[Used]:
        """What others than this life of the worker have counted."""
        life = self._lives.get(worker, {})
        return [
            (key, day, self._all[day][key] - life.get((day, key), 0)) for key, day in wanted if day in self._all
        ]

    def pages(self, worker: int) -> Iterator[list[Used]]:
        """All of it, for a worker whose life begins."""
        known = [(key, day) for day, of_day in self._all.items() for key in of_day]
        for start in range(0, len(known), USED_AT_ONCE):
            yield self.elsewhere(worker, known[start : start + USED_AT_ONCE])

    def ended(self, worker: int) -> None:
        """A life of the worker is over; what it counted stays."""
        self._lives.pop(worker, None)

    async def keep(self) -> None:
        """Write it every SAVE_SECONDS, for ever."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what has changed; where that cannot be done it is said, and tried again."""
        try:
            await asyncio.to_thread(self.save)
        except OSError as error:
            log.error("what was used of daily caps cannot be kept", extra={"reason": error.strerror or str(error)})

    def save(self) -> None:
        """Write what has changed. Raises OSError."""
        if not self._changed:
            return
        self._changed = False
        rows = [(key, day, count) for day, of_day in list(self._all.items()) for key, count in list(of_day.items())]
        try:
            replace_file(self._path, msgspec.msgpack.encode(rows))
        except OSError:
            self._changed = True
            raise

    def _load(self) -> None:
        try:
            rows = msgspec.msgpack.decode(self._path.read_bytes(), type=list[Used])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            path = self._path
            with suppress(OSError):  # a folder that nobody may write to: writing will say so
                path = set_aside(self._path)
            log.error("what was used of daily caps cannot be read and begins anew", extra={
                "path": str(path), "reason": str(error),
            })  # fmt: skip
            return
        for key, day, count in rows:
            self._all.setdefault(day, Counter())[key] += count
        self._forget()

    def _forget(self) -> None:
        """Days before yesterday count no more; days to come do (scheduled messages)."""
        today = datetime.fromtimestamp(self._clock(), self._zone).toordinal() - _EPOCH
        for day in [day for day in self._all if day < today - 1]:
            del self._all[day]
            for life in self._lives.values():
                for place in [place for place in life if place[0] == day]:
                    del life[place]
