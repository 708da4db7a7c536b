"""What is looked at in a segment, frame by frame, and what is said about it.

A frame whose hash is wrong was altered, or what stood before it is not there any more: the number tells. Where records
were taken out, put elsewhere or made unreadable, the next frame's hash has to be wrong too, and is no news.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from portguard.evidence.frames import (
    EVENT,
    GARBAGE,
    HEADER,
    NO_HASH,
    SEAL,
    Frame,
    Header,
    read_header,
    seal_is_ours,
)
from portguard.evidence.keys import Keys
from portguard.evidence.retention import REMOVED as REMOVED_FOR_AGE
from portguard.evidence.rows import JOURNAL, decode_event

ALTERED: Final = "altered"
REMOVED: Final = "removed"
REORDERED: Final = "reordered"
UNREADABLE: Final = "unreadable"
FORGED: Final = "forged"
UNSEALED: Final = "unsealed"
GONE: Final = "missing segment"
CHAIN: Final = "broken chain"
HEAD: Final = "another head"
TOO_OLD: Final = "old head"
ANOTHER_KEY: Final = "another key"
UNFINISHED: Final = "unfinished"
# Said, and nothing against the journal.
HARMLESS: Final = frozenset({ANOTHER_KEY, UNFINISHED, TOO_OLD})
MOST_PROBLEMS: Final = 10_000
_MOST_GAPS: Final = 100_000


@dataclass(frozen=True)
class Problem:
    """`what` is one of the words above; `first` and `last` are the records it is about, 0 where it is about none."""

    segment: str
    what: str
    first: int
    last: int
    detail: str

    @property
    def harmless(self) -> bool:
        """Does it say nothing against the journal?"""
        return self.what in HARMLESS

    def __str__(self) -> str:
        which = f"record {self.first}" if self.first == self.last else f"records {self.first} to {self.last}"
        return f"{self.segment}: {f'{which}: ' if self.first else ''}{self.what}: {self.detail}"


@dataclass
class Verdict:
    """`more` counts problems beyond the MOST_PROBLEMS that are kept. `first` is the oldest record's number, `head` the
    last one's with the hash behind it. `seals` counts those whose key was checked."""

    problems: list[Problem] = field(default_factory=list)
    more: int = 0
    segments: int = 0
    records: int = 0
    seals: int = 0
    octets: int = 0
    first: int = 0
    head: tuple[int, bytes] = (0, NO_HASH)

    @property
    def sound(self) -> bool:
        """Nothing was found that speaks against the journal."""
        return not self.more and all(problem.harmless for problem in self.problems)

    def add(self, segment: str, what: str, first: int, last: int, detail: str) -> None:
        """Note a problem; it is put together with the last one if it goes on where that ends."""
        if self.problems and first:
            before = self.problems[-1]
            if (before.segment, before.what, before.detail) == (segment, what, detail) and before.last + 1 == first:
                self.problems[-1] = Problem(segment, what, before.first, last, detail)
                return
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(segment, what, first, last, detail))
        else:
            self.more += 1


class Checks:
    """`number` is the last record's and `hash` the last frame's, over all segments so far; `removed` has what was
    removed for its age: last number -> hash; `heads` are those that were noted and not found yet."""

    def __init__(self, verdict: Verdict, keys: Keys | None, known: int, heads: dict[int, bytes]) -> None:
        self.number = 0
        self.hash = NO_HASH
        self.begins_with = NO_HASH
        self.removed: dict[int, bytes] = {}
        self.heads = heads
        self._verdict = verdict
        self._keys = keys
        self._known = known
        self._name = ""
        self._header: Header | None = None
        self._held: Frame | None = None
        self._gaps: list[tuple[int, int]] = []
        self._unsealed = 0
        # The frame before stood where it does not belong: this one's hash has to be wrong.
        self._disturbed = self._was_disturbed = False
        self._garbage: Frame | None = None

    # ---- a segment

    def begin(self, name: str, first: int, builds_on: bytes) -> None:
        """A segment whose first record has to be `first`."""
        self._name = name
        self.number = first - 1
        self.hash = builds_on
        self._header = None
        self._held = None
        self._gaps = []
        self._unsealed = first
        self._disturbed = self._was_disturbed = False
        self._garbage = None

    def see(self, frame: Frame) -> None:
        """The next frame. Each is judged once the one behind it is known."""
        held, self._held = self._held, frame
        if held is not None:
            self._judge(held, frame)

    def end(self, size: int, *, last: bool) -> None:
        """The segment is at its end; only the last of all may have a tail that was never finished."""
        if self._held is not None:
            self._judge(self._held, None)
        garbage = self._garbage
        harmless = last and self._unsealed > self._known
        if garbage is not None:
            what = UNFINISHED if harmless else UNREADABLE
            self._add(what, 0, 0, f"octets {garbage.start} to {garbage.end} are no frames")
        elif self.number >= self._unsealed:
            self._add(UNFINISHED if harmless else UNSEALED, self._unsealed, self.number, "no seal is behind them")
        if self._header is None and not harmless:
            self._add(UNREADABLE, 0, 0, f"it has no header ({size} octets)")
        self._tell_gaps()

    # ---- frames

    def _judge(self, frame: Frame, following: Frame | None) -> None:
        self._was_disturbed, self._disturbed = self._disturbed, False
        if frame.kind == GARBAGE:
            self._garbage = frame
            return
        if frame.kind == HEADER:
            self._see_header(frame)
        elif frame.kind == SEAL:
            self._see_seal(frame)
        else:
            self._see_record(frame, following)
        self.hash = frame.hash

    def _see_header(self, frame: Frame) -> None:
        if not frame.sound:
            self._add(ALTERED, 0, 0, "its header is not as it was written")
        elif self._header is not None or frame.number != self.number + 1:
            self._add(REORDERED, 0, 0, f"a header that does not belong here, at octet {frame.start}")
            return
        self._header = read_header(frame.payload)
        if self._header is None:
            return
        if self._keys is None or self._header.key != self._keys.id:
            why = "no key is at hand" if self._keys is None else "it was sealed with another key than the present one"
            self._add(ANOTHER_KEY, 0, 0, f"{why}; the chain is checked, the seals cannot be")

    def _see_record(self, frame: Frame, following: Frame | None) -> None:
        self._verdict.records += 1
        number, expected = frame.number, self.number + 1
        if not frame.sound and number != expected and following is not None and _goes_on(following, expected):
            # Its own number was changed; what follows goes on as if it had not been.
            number = expected
        if number == expected:
            if not frame.sound and not self._was_disturbed:
                self._add(ALTERED, number, number, "not as it was written")
            self.number = number
        elif number > expected:
            self._lack(expected, number - 1)
            self.number = number
        else:
            self._late(number)
            return
        if frame.kind == EVENT and frame.sound:
            self._see_event(frame)

    def _see_event(self, frame: Frame) -> None:
        try:
            event = decode_event(frame.payload)
            if event.kind == JOURNAL and event.fields.get("what") == REMOVED_FOR_AGE:
                self.removed[int(event.fields["last"])] = bytes.fromhex(event.fields["hash"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return

    def _see_seal(self, frame: Frame) -> None:
        if self._garbage is not None:
            octets = f"octets {self._garbage.start} to {self._garbage.end} are no frames"
            self._add(UNREADABLE, self.number + 1 if frame.number > self.number else 0, frame.number, octets)
            self._garbage = None
            self.number = max(self.number, frame.number)
        elif frame.number > self.number:
            self._lack(self.number + 1, frame.number)
            self.number = frame.number
        elif frame.number < self.number:
            self._add(REORDERED, 0, 0, f"a seal of record {frame.number} stands behind record {self.number}")
        elif not frame.sound and not self._was_disturbed:
            self._add(ALTERED, 0, 0, f"the seal behind record {frame.number} is not as it was written")
        if frame.sound:
            self._authentic(frame)
        self._unsealed = self.number + 1

    def _authentic(self, frame: Frame) -> None:
        if self.heads.get(frame.number) == frame.hash:
            del self.heads[frame.number]
        if self._keys is None or self._header is None or self._header.key != self._keys.id:
            return
        self._verdict.seals += 1
        if not seal_is_ours(self._keys, frame.before, frame.number, frame.payload):
            first = min(self._unsealed, frame.number)
            self._add(FORGED, first, frame.number, "the seal behind them was not made with the journal's key")

    # ---- numbers that are not where they belong

    def _lack(self, first: int, last: int) -> None:
        if len(self._gaps) < _MOST_GAPS:
            self._gaps.append((first, last))
        else:
            self._add(REMOVED, first, last, "they are not there")

    def _late(self, number: int) -> None:
        self._disturbed = True
        for at, (first, last) in enumerate(self._gaps):
            if first <= number <= last:
                self._gaps[at : at + 1] = _without(first, last, number)
                self._add(REORDERED, number, number, f"it stands behind record {self.number}")
                return
        self._add(REORDERED, number, number, f"it stands once more behind record {self.number}")

    def _tell_gaps(self) -> None:
        for first, last in self._gaps:
            self._add(REMOVED, first, last, "they are not there" if last > first else "it is not there")
        self._gaps = []

    def _add(self, what: str, first: int, last: int, detail: str) -> None:
        self._verdict.add(self._name, what, first, last if first else 0, detail)


def _goes_on(frame: Frame, expected: int) -> bool:
    return frame.number == (expected if frame.kind == SEAL else expected + 1)


def _without(first: int, last: int, number: int) -> Iterator[tuple[int, int]]:
    if first < number:
        yield first, number - 1
    if number < last:
        yield number + 1, last
