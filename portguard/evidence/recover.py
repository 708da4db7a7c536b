"""What a crash left: where the journal can go on, and what has to be said about it.

What is behind the last seal was never durable and is cut off. Anything else is left as it is, for `verify` to show: a
segment that is damaged further up, or one that lacks records which were durable. The journal then goes on in a new
segment, with a number that was never given before.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from portguard.evidence.frames import (
    EVENT,
    GARBAGE,
    HASH,
    HEADER,
    NO_HASH,
    SEAL,
    VIOLATION,
    Frame,
    Header,
    read_header,
    read_seal,
    scan,
    seal_is_ours,
)
from portguard.evidence.keys import Keys
from portguard.evidence.rows import LEFT_OUT, UNDECODABLE, decode_event, decode_violation
from portguard.evidence.segment import Segment, segments_in

CUT: Final = "cut"
DAMAGED: Final = "damaged"
MISSING: Final = "missing"
UNREADABLE: Final = "unreadable"
_STEP: Final = 1000


@dataclass
class Found:
    """Where the journal goes on: behind record `number` with this `hash`, in `segment` or, when None, in a new one.
    `notes` are fields of journal events that say what was found."""

    number: int = 0
    hash: bytes = NO_HASH
    taken: dict[bytes, int] = field(default_factory=dict)
    segment: Segment | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)


class Reading:
    """A segment read to its end by `steps`: `segment` as far as it is sealed, None where nothing is."""

    def __init__(self, first: int, path: Path, keys: Keys) -> None:
        self.header: Header | None = None
        self.segment: Segment | None = None
        self.taken: dict[bytes, int] = {}
        self.damaged = False
        self.number = first - 1
        self.size = 0
        self._path = path
        self._keys = keys
        self._pending: list[Frame] = []
        self._doubtful = False

    def steps(self) -> Iterator[None]:
        """Read; stops for whoever has other things to do every few thousand frames. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.size = os.fstat(descriptor).st_size
            for seen, one in enumerate(scan(descriptor), 1):
                self._see(one)
                if seen % _STEP == 0:
                    yield
        finally:
            os.close(descriptor)

    def _see(self, one: Frame) -> None:
        if one.kind == HEADER and self.header is None and one.start == HASH and one.sound:
            self.header = read_header(one.payload)
            if self.header is not None:
                self.taken.update(self.header.taken)
        elif one.kind == SEAL and one.sound:
            self._seal(one)
        elif one.kind == GARBAGE or not one.sound:
            self._doubtful = True
        else:
            self._pending.append(one)

    def _seal(self, one: Frame) -> None:
        """What is before a seal was written, whatever has happened to it since."""
        if self.header is None:
            self.damaged = True
            return
        ours = self.header.key != self._keys.id or seal_is_ours(self._keys, one.before, one.number, one.payload)
        self.damaged |= self._doubtful or not ours
        seal = read_seal(one.payload)
        if seal is not None:
            self.taken.update(seal.taken)
        segment = self.segment
        if segment is None:
            segment = self.segment = Segment(self.number + 1, self.number, self.header.at)
        for record in self._pending:
            count(segment, record)
        self.number = segment.last = one.number
        segment.octets, segment.hash = one.end, one.hash
        self._pending, self._doubtful = [], False


def count(segment: Segment, one: Frame) -> None:
    """A record's part in what is known of its segment."""
    segment.mark(one.number, one.start)
    try:
        if one.kind == VIOLATION:
            violation = decode_violation(one.payload)
            segment.tallies.violation(violation)
            segment.spans(violation.at)
        elif one.kind == EVENT:
            event = decode_event(one.payload)
            segment.tallies.event(event)
            if event.kind != LEFT_OUT:
                segment.events.append((one.number, event.at))
            segment.spans(event.at)
    except UNDECODABLE:
        # The octets are as they were written; a later version may have written them.
        pass


def recover(folder: Path, keys: Keys, node: str, known: int) -> Found:
    """Where the journal in `folder` goes on; `known` is the last number of which somebody knows that it was durable.
    Cuts what was never durable. Raises OSError."""
    found = Found()
    segments = segments_in(folder)
    while segments:
        first, path = segments.pop()
        reading = Reading(first, path, keys)
        for _ in reading.steps():
            continue
        if reading.segment is not None:
            _go_on(found, path, reading, keys, node, known)
            break
        if known >= first:
            found.notes.append({"what": UNREADABLE, "segment": path.name, "octets": reading.size})
            continue
        path.unlink()
        found.notes.append({"what": CUT, "segment": path.name, "octets": reading.size})
    if found.number < known:
        found.notes.append({"what": MISSING, "first": found.number + 1, "last": known})
        found.number = known
        found.segment = None
    elif any(note["what"] == UNREADABLE for note in found.notes):
        found.segment = None
    return found


def _go_on(found: Found, path: Path, reading: Reading, keys: Keys, node: str, known: int) -> None:
    segment, header = reading.segment, reading.header
    assert segment is not None
    assert header is not None
    found.number, found.hash, found.taken = reading.number, segment.hash, reading.taken
    if reading.damaged:
        found.notes.append({"what": DAMAGED, "segment": path.name})
    torn = reading.size - segment.octets
    if torn and known <= reading.number:
        os.truncate(path, segment.octets)
        found.notes.append({"what": CUT, "segment": path.name, "octets": torn})
        torn = 0
    if not torn and header.key == keys.id and header.node == node:
        found.segment = segment
