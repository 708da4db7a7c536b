"""Server-sent events: the journal's records as they come, each stream at its reader's own pace.

A stream has a cursor into the journal and no queue: one that is slow reads later, and what it costs is bounded by what
it reads. Its event ids are the records' numbers, so that Last-Event-ID goes on where it stopped, whatever happened in
between. Violations beyond `per_second` are left out, and counted in an event of their own.
"""

import asyncio
import time
from typing import Final, Protocol

import msgspec

from portguard.admin.model import EventsQuery, Record
from portguard.admin.steering import Caller, Refusal, Steering

EVERY: Final = 0.5
AT_ONCE: Final = 200
BEAT_SECONDS: Final = 15.0
WRITE_SECONDS: Final = 30.0
RETRY_MS: Final = 2000


class Sink(Protocol):
    """Where a stream goes; `gone` once nobody reads it any more."""

    @property
    def gone(self) -> bool: ...

    async def write(self, data: bytes) -> None: ...


class Streams:
    """All streams of the API, at most `most` at once."""

    def __init__(self, steering: Steering, most: int) -> None:
        self._steering = steering
        self._most = most
        self._streams: set[Stream] = set()

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._streams)

    def begin(self, wanted: EventsQuery, caller: Caller, after: int) -> "Stream":
        """A stream from behind record `after`. Raises Refusal."""
        kinds = frozenset(kind for kind in wanted.kinds.split(",") if kind)
        if "audit" in kinds and caller.role != "admin":
            raise Refusal("invalid", "who did what is for admins", field="kinds", remedy="leave audit out")
        if len(self._streams) >= self._most:
            raise Refusal("busy", f"{self._most} streams are open", remedy="close one, or set admin.streams")
        stream = Stream(self._steering, kinds, after, wanted.per_second)
        self._streams.add(stream)
        return stream

    def end(self, stream: "Stream") -> None:
        """It is over."""
        self._streams.discard(stream)

    def close(self) -> None:
        """Bring all of them to their end."""
        for stream in self._streams:
            stream.stop()


class Stream:
    """`kinds` empty is every kind but audit."""

    def __init__(self, steering: Steering, kinds: frozenset[str], after: int, per_second: int) -> None:
        self._steering = steering
        self._kinds = kinds
        self._after = after
        self._per_second = per_second
        self._second = 0
        self._sent = 0
        self._left_out = 0
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End it at the next chance."""
        self._stopped.set()

    async def run(self, sink: Sink) -> None:
        """Write until the reader goes or the API ends. Raises ConnectionResetError, TimeoutError."""
        await self._write(sink, f"retry: {RETRY_MS}\n: since record {self._after}\n\n".encode())
        beat = time.monotonic()
        while not self._stopped.is_set() and not sink.gone:
            records = await self._steering.records(self._after, AT_ONCE)
            said = b"".join(map(self._event, records)) + self._counted()
            now = time.monotonic()
            if said or now - beat >= BEAT_SECONDS:
                beat = now
                await self._write(sink, said or b": still here\n\n")
            if len(records) < AT_ONCE:
                await self._pause()

    def _event(self, record: Record) -> bytes:
        """A record as an event, b"" for one that is not wanted or beyond the rate."""
        self._after = record.number
        wanted = record.kind in self._kinds if self._kinds else record.kind != "audit"
        if not wanted:
            return b""
        if record.kind == "violation":
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._sent = second, 0
            self._sent += 1
            if self._sent > self._per_second:
                self._left_out += 1
                return b""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (
            record.number, record.kind.encode(), msgspec.json.encode(record.fields),
        )

    def _counted(self) -> bytes:
        """How many violations were left out since it was last said."""
        if not self._left_out:
            return b""
        count, self._left_out = self._left_out, 0
        return b'id: %d\nevent: left_out\ndata: {"kind":"violation","count":%d}\n\n' % (self._after, count)

    @staticmethod
    async def _write(sink: Sink, octets: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await sink.write(octets)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(EVERY):
                await self._stopped.wait()
        except TimeoutError:
            return
