"""Appending to the journal: records are chained and sealed in memory, and written as a whole; one process at a time.

`violation`, `event` and `took` only add to the batch. `write` seals the batch and puts it on the disk; when that fails
the journal is `stuck`: the same octets are tried again by the next `write`, and until one succeeds nothing may be
added. Nothing is ever half there: a failed write is cut off again. The clock only says when: order is by number.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import Final

from portguard.evidence.frames import (
    EVENT,
    FORMAT,
    HASH,
    HEADER,
    NO_HASH,
    SEAL,
    VIOLATION,
    Header,
    Seal,
    frame,
    header_payload,
    name_of,
    seal_payload,
)
from portguard.evidence.keys import Keys
from portguard.evidence.rows import LEFT_OUT, Event, Violation, encode
from portguard.evidence.segment import Segment

DURABLE: Final = "durable"
LOCK: Final = "lock"
# Clients of which the last frame is remembered.
MOST_CLIENTS: Final = 256
# What a record may take; an event that is larger is kept without its fields.
MOST_RECORD: Final = 512 << 10
DAY: Final = 86400.0
_U64: Final = Struct("<Q")


class JournalBusy(Exception):
    """Another writer has this journal."""


class Journal:
    """`number` is the last record's, `durable` the last that is on the disk, `head` the hash behind it. `closed` are
    segments that were ended since the index last took them."""

    def __init__(self, folder: Path, keys: Keys, node: str, most_octets: int, wall: Callable[[], float]) -> None:
        self.folder = folder
        self.number = 0
        self.durable = 0
        self.head = NO_HASH
        self.segment: Segment | None = None
        self.closed: list[Segment] = []
        self.taken: dict[bytes, int] = {}
        self.records = 0
        self._keys = keys
        self._node = node
        self.most_octets = most_octets
        self._wall = wall
        self._hash = NO_HASH
        self._parts: list[bytes] = []
        self._batch = b""
        self._first_of_batch = 0
        self._took: dict[bytes, int] = {}
        self._rotating = False
        self._unpublished = False
        self._file = -1
        self._folder_changed = False
        self._lock = -1
        self._durable = -1

    # ---- open and close

    def lock(self) -> None:
        """Make the folder where it is missing and take it for this process. Raises JournalBusy, OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise JournalBusy(f"{self.folder}: another process writes to this journal") from None

    def resume(self, number: int, hash: bytes, taken: dict[bytes, int], segment: Segment | None) -> None:
        """Go on behind a record; in `segment`, or in a new one. Raises OSError."""
        self.number = self.durable = number
        self.head = self._hash = hash
        self.taken = dict(taken)
        self.segment = segment
        if segment is None:
            self._rotating = True
        else:
            self._file = os.open(self.folder / name_of(segment.first), os.O_WRONLY | os.O_CLOEXEC)
        self._durable = os.open(self.folder / DURABLE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._publish()

    def close(self) -> None:
        """Let go of the files; what was not written is lost."""
        for descriptor in (self._file, self._durable, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._durable = self._lock = -1

    # ---- the batch

    @property
    def waiting(self) -> int:
        """Records that are not durable yet."""
        return self.number - self.durable

    @property
    def dirty(self) -> bool:
        """Is there anything to write?"""
        return bool(self._batch or self._parts or self._took)

    @property
    def stuck(self) -> bool:
        """Has the last write failed?"""
        return bool(self._batch)

    def violation(self, row: Violation) -> int:
        """Add a violation; gives its number."""
        if self._rotating:
            self._begin_segment()
        number = self._append(VIOLATION, encode(row))
        segment = self.segment
        assert segment is not None
        segment.tallies.violation(row)
        segment.spans(row.at)
        return number

    def event(self, event: Event) -> int:
        """Add an event; gives its number."""
        if self._rotating:
            self._begin_segment()
        payload = encode(event)
        if len(payload) > MOST_RECORD:
            event = Event(event.kind[:64], event.at, {"oversize": len(payload)})
            payload = encode(event)
        number = self._append(EVENT, payload)
        segment = self.segment
        assert segment is not None
        segment.tallies.event(event)
        if event.kind != LEFT_OUT:
            segment.events.append((number, event.at))
        segment.spans(event.at)
        return number

    def took(self, client: bytes, id: int) -> None:
        """What a client's frame `id` held is in the batch."""
        self.taken.pop(client, None)
        self.taken[client] = id
        while len(self.taken) > MOST_CLIENTS:
            del self.taken[next(iter(self.taken))]
        self._took[client] = id

    def tick(self) -> None:
        """A new day begins a new segment."""
        if self._unpublished:
            self._publish()
        if self.segment is not None and self._wall() // DAY != self.segment.opened // DAY:
            self.rotate()

    def rotate(self) -> None:
        """Begin a new segment with the next record, if nothing is in the batch."""
        if self.segment is not None and self.segment.octets and not self.dirty:
            self._rotating = True

    def _append(self, kind: int, payload: bytes) -> int:
        assert not self._batch, "nothing may be added while a write has failed"
        if not self._first_of_batch:
            self._first_of_batch = self.number + 1
        self.number += 1
        octets, self._hash = frame(kind, self.number, payload, self._hash)
        self._parts += (octets, self._hash)
        return self.number

    def _begin_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self.segment is not None:
            self.segment.sealed = True
            self.closed.append(self.segment)
        self._rotating = False
        now, first = self._wall(), self.number + 1
        self.segment = Segment(first, self.number, now)
        header = Header(FORMAT, self._node, self._keys.id, now, self.taken)
        octets, hash = frame(HEADER, first, header_payload(header), self._hash)
        self._parts += (self._hash, octets, hash)
        self._hash = hash

    # ---- the disk

    def write(self) -> None:
        """Seal the batch and put it on the disk. Raises OSError; then nothing has changed, and the next call tries the
        same again."""
        if not self._batch:
            if not self._parts and not self._took:
                return
            self._seal()
        segment = self.segment
        assert segment is not None
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self.folder / name_of(segment.first), flags, 0o600)
            self._folder_changed = True
        try:
            _write_all(self._file, self._batch, segment.octets)
            os.fdatasync(self._file)
            if self._folder_changed:
                _sync_folder(self.folder)
        except OSError:
            self._cut(segment.octets)
            raise
        self._folder_changed = False
        self._written(segment)

    def _seal(self) -> None:
        if self.segment is None or self._rotating:
            self._begin_segment()
        payload = seal_payload(self._keys, self._hash, self.number, Seal(self._wall(), self._took))
        octets, self._hash = frame(SEAL, self.number, payload, self._hash)
        self._batch = b"".join((*self._parts, octets, self._hash))
        self._parts = []
        self._took = {}

    def _written(self, segment: Segment) -> None:
        if self._first_of_batch and segment.octets:
            segment.mark(self._first_of_batch, segment.octets)
        self._first_of_batch = 0
        self.records += self.number - self.durable
        segment.octets += len(self._batch)
        segment.last = self.durable = self.number
        segment.hash = self.head = self._batch[-HASH:]
        self._batch = b""
        self._publish()
        if segment.octets >= self.most_octets:
            self._rotating = True

    def _cut(self, octets: int) -> None:
        # The disk may be gone. What is behind the last seal is no record, and the next write goes over it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, octets)

    def _publish(self) -> None:
        """Tell readers how far the journal is durable. After a crash this may say less than is there, never more."""
        try:
            os.pwrite(self._durable, _U64.pack(self.durable), 0)
            self._unpublished = False
        except OSError:
            self._unpublished = True


def durable_in(folder: Path) -> int:
    """The last durable number that a writer told, 0 when there is none. Raises OSError but for a missing file."""
    try:
        octets = (folder / DURABLE).read_bytes()
    except FileNotFoundError:
        return 0
    return int(_U64.unpack(octets)[0]) if len(octets) == _U64.size else 0


def _write_all(descriptor: int, octets: bytes, offset: int) -> None:
    view = memoryview(octets)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
