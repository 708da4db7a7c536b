"""The other end of the writer's sockets: main, which has events, and the workers, which have violation records.

Nouns: a `Door` numbers frames, keeps them until they are acknowledged, and sends without ever blocking; `Events` is
main's, on the event loop. When the writer was restarted, `attach` goes on over a new socket.
"""

import asyncio
import contextlib
import logging
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from portguard.evidence import wire
from portguard.evidence.rows import UNDECODABLE, Event, encode

MOST_EVENT_OCTETS: Final = 32 << 20
_RECEIVED: Final = 1 << 16
# A frame is handed to the socket in pieces; it takes a few hundred kilobytes at most anyway.
_PIECE: Final = 1 << 18
_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log = logging.getLogger("portguard.evidence")


class Door:
    """Frames on their way to the writer. `waiting` octets are not acknowledged as durable yet; `acknowledged` is the
    last id that is. For one thread; nothing here blocks or raises for what the writer does."""

    def __init__(
        self, name: str, sock: socket.socket | None = None, on_detach: Callable[[], None] | None = None
    ) -> None:
        self.waiting = 0
        self.acknowledged = 0
        self.sent = 0
        self._name = name
        self._client = os.urandom(8)
        self._on_detach = on_detach
        self._kept: deque[tuple[int, bytes]] = deque()
        self._unsent: deque[tuple[bytes, socket.socket | None]] = deque()
        self._offset = 0
        self._inbox = wire.Inbox()
        self._sock: socket.socket | None = None
        if sock is not None:
            self.attach(sock)

    @property
    def attached(self) -> bool:
        """Is there a writer?"""
        return self._sock is not None

    @property
    def blocked(self) -> bool:
        """Is there something that the socket did not take yet?"""
        return bool(self._unsent)

    def fileno(self) -> int:
        """The socket's descriptor, -1 without a writer."""
        return -1 if self._sock is None else self._sock.fileno()

    def attach(self, sock: socket.socket) -> None:
        """Go on over a socket to a new writer, with all that no writer has acknowledged."""
        self.detach()
        sock.setblocking(False)
        self._sock = sock
        self._inbox = wire.Inbox()
        hello = wire.pack(wire.HELLO, 0, wire.encode(wire.Hello(self._client, self._name)))
        self._unsent.append((hello, None))
        self._unsent.extend((octets, None) for _, octets in self._kept)

    def detach(self) -> None:
        """The writer is gone; what it did not acknowledge waits."""
        if self._sock is not None:
            if self._on_detach is not None:
                self._on_detach()
            self._sock.close()
            self._sock = None
        while self._unsent:
            passed = self._unsent.popleft()[1]
            if passed is not None:
                passed.close()
        self._offset = 0

    def put(self, kind: int, payload: bytes) -> int:
        """Take a frame; gives its id. `flush` sends it."""
        self.sent += 1
        octets = wire.pack(kind, self.sent, payload)
        self._kept.append((self.sent, octets))
        self.waiting += len(octets)
        if self._sock is not None:
            self._unsent.append((octets, None))
        return self.sent

    def pass_on(self, name: str, sock: socket.socket) -> None:
        """Give this writer another client's socket. The next writer will need another."""
        if self._sock is None:
            sock.close()
        else:
            self._unsent.append((wire.pack(wire.CLIENT, 0, name.encode()), sock))

    def flush(self) -> None:
        """Send what the socket takes."""
        sock, unsent = self._sock, self._unsent
        if sock is None:
            return
        try:
            while unsent:
                octets, passed = unsent[0]
                piece = memoryview(octets)[self._offset : self._offset + _PIECE]
                if passed is not None and self._offset == 0:
                    self._offset += socket.send_fds(sock, [piece], [passed.fileno()])
                else:
                    self._offset += sock.send(piece)
                if self._offset == len(octets):
                    unsent.popleft()
                    self._offset = 0
                    if passed is not None:
                        passed.close()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.detach()

    def receive(self) -> list[wire.Frame]:
        """Take what the writer says: acknowledgements are noted, the rest is returned."""
        others: list[wire.Frame] = []
        while self._sock is not None:
            try:
                octets = self._sock.recv(_RECEIVED)
                frames = self._inbox.feed(octets) if octets else []
            except (BlockingIOError, InterruptedError):
                break
            except (OSError, wire.WireError):
                octets, frames = b"", []
            if not octets:
                self.detach()
            for frame in frames:
                if frame.kind == wire.ACK:
                    self._acknowledge(frame.id)
                else:
                    others.append(frame)
            if len(octets) < _RECEIVED:
                break
        return others

    def _acknowledge(self, id: int) -> None:
        self.acknowledged = max(self.acknowledged, id)
        kept = self._kept
        while kept and kept[0][0] <= id:
            self.waiting -= len(kept.popleft()[1])


class RecordsDoor(Door):
    """A worker's: hand over what the path packed, then `turn` on every tick."""

    def records(self, octets: bytes) -> None:
        """Violation records, end to end as `policy.record` lays them out."""
        if octets:
            self.put(wire.RECORDS, octets)

    def left_out(self, rows: list[tuple[str, int, int]]) -> None:
        """(account, rule code, count) of records that were not kept."""
        if rows:
            self.put(wire.LEFT_OUT, wire.encode(rows))

    def turn(self) -> int:
        """Send and hear what is possible now; the octets that wait afterwards, which is what high water is about."""
        self.receive()
        self.flush()
        return self.waiting

    def finish(self, seconds: float) -> bool:
        """Block until nothing waits any more; False when that is not so in time, or there is no writer."""
        until = time.monotonic() + seconds
        while self.turn() and self.attached and (left := until - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN | (select.POLLOUT if self.blocked else 0))
            poll.poll(left * 1000)
        return not self.waiting


class Events:
    """Main's: events into the journal, and what the writer says of itself. Lives on one event loop.

    `status` is the last one; `lost` counts events that were not taken since too many waited. `on_status` and `on_gone`
    (the writer's socket was closed) are called on the loop.
    """

    def __init__(self, on_status: Callable[[wire.Status], None] | None = None,
                 on_gone: Callable[[], None] | None = None) -> None:  # fmt: skip
        self.status = wire.Status()
        self.lost = 0
        self._on_status = on_status
        self._on_gone = on_gone
        self._door = Door("main", on_detach=self._forget)
        self._reading = -1
        self._writing = False
        self._durable: asyncio.Event = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Octets of events that are not durable yet."""
        return self._door.waiting

    @property
    def acknowledged(self) -> int:
        """The id of the last event that is durable."""
        return self._door.acknowledged

    @property
    def last(self) -> int:
        """The id of the last event."""
        return self._door.sent

    def attach(self, sock: socket.socket) -> None:
        """Go on over the socket of a new writer."""
        self._door.attach(sock)
        self._reading = sock.fileno()
        asyncio.get_running_loop().add_reader(self._reading, self.hear)
        self._flush()

    def emit(self, kind: str, fields: Mapping[str, object]) -> int:
        """Put an event into the journal; never blocks. Gives an id for `durable`, 0 when it was not taken: too many
        wait, or it holds what has no form in the journal. `at` may be among the fields, now by default."""
        body: dict[str, Any] = dict(fields)
        at = body.pop("at", None)
        try:
            payload = encode(Event(kind, float(at) if isinstance(at, int | float) else time.time(), body))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            log.error("an event has no form in the journal", extra={"kind": kind, "reason": str(error)})
            self.lost += 1
            return 0
        if self._door.waiting + len(payload) > MOST_EVENT_OCTETS:
            if not self.lost:
                log.error("events are lost: too many wait for the journal", extra={"waiting": self._door.waiting})
            self.lost += 1
            return 0
        id = self._door.put(wire.EVENT, payload)
        self._flush()
        return id

    def add_client(self, name: str) -> socket.socket:
        """A worker's socket to the present writer. Raises OSError."""
        ours, theirs = socket.socketpair()
        self._door.pass_on(name, theirs)
        self._flush()
        return ours

    async def durable(self, id: int) -> None:
        """Return once an event is on the disk."""
        while self._door.acknowledged < id:
            await self._durable.wait()

    def gone(self, reason: str) -> None:
        """There is no writer that could say so itself: the journal is failing, until the next one says otherwise."""
        self.status = msgspec.structs.replace(self.status, state=wire.FAILING, reason=reason)
        if self._on_status is not None:
            self._on_status(self.status)

    def close(self) -> None:
        """No more events; the writer ends when its other clients have, too."""
        self._on_gone = None
        self._door.detach()

    def _forget(self) -> None:
        if self._reading >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._reading)
            loop.remove_writer(self._reading)
            self._reading = -1
            self._writing = False
            if self._on_gone is not None:
                loop.call_soon(self._on_gone)

    def _flush(self) -> None:
        self._door.flush()
        blocked = self._door.blocked
        if blocked != self._writing and self._reading >= 0:
            self._writing = blocked
            loop = asyncio.get_running_loop()
            if blocked:
                loop.add_writer(self._reading, self._flush)
            else:
                loop.remove_writer(self._reading)

    def hear(self) -> None:
        """Take what the writer said, as the loop does whenever it has said something."""
        before = self._door.acknowledged
        for frame in self._door.receive():
            with contextlib.suppress(*UNDECODABLE):
                if frame.kind == wire.STATUS:
                    self.status = wire.read_status(frame.payload)
                    if self._on_status is not None:
                        self._on_status(self.status)
                elif frame.kind == wire.NOTE:
                    note = wire.read_note(frame.payload)
                    log.log(_LEVELS.get(note.level, logging.ERROR), note.event, extra=dict(note.fields))
        if self._door.acknowledged > before:
            self._durable.set()
            self._durable = asyncio.Event()
