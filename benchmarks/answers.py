"""What an ESME of the benchmark must get back, compared as it comes.

Each class takes the octets of one link and tells which messages they answer, by their numbers from 0 on; `ended` once
the unbind is answered. What must not come raises a Mismatch.
"""

from collections.abc import Sequence

from portguard.smpp.constants import UNBIND_RESP
from reels import Reel
from ring import Mismatch, Ring
from traffic import HEADER, UNBIND_ANSWER


class InOrder:
    """All messages pass, or all are refused: one stream of octets."""

    def __init__(self, reel: Reel) -> None:
        self._ring = Ring(reel.answers if any(reel.passes) else reel.refusals)
        self._goodbye = b""
        self.ended = False

    def take(self, data: bytes) -> Sequence[int]:
        before = self._ring.pdus
        if self._goodbye or not self._ring.matches(data):
            self._take_end(data)
        return range(before, self._ring.pdus)

    def _take_end(self, data: bytes) -> None:
        for length in range(min(len(data), len(UNBIND_ANSWER)) + 1):
            at = len(data) - length
            goodbye = self._goodbye + data[at:]
            if UNBIND_ANSWER.startswith(goodbye) and self._ring.matches(data[:at]):
                self._goodbye = goodbye
                self.ended = goodbye == UNBIND_ANSWER
                return
        raise Mismatch("not the answers expected", data)


class Merged:
    """Some are refused: answers of the SMSC and refusals, each in order, one among the other."""

    def __init__(self, reel: Reel) -> None:
        self._answers, self._refusals = Ring(reel.answers), Ring(reel.refusals)
        self._passing = _Places(reel.passes, 1)
        self._refused = _Places(reel.passes, 0)
        self._held = b""
        self.ended = False

    def take(self, data: bytes) -> Sequence[int]:
        if self._held:
            data = self._held + data
        found, pos, end = [], 0, len(data)
        while end - pos >= 16:
            length = data[pos + 3]
            if pos + length > end:
                break
            pdu = data[pos : pos + length]
            if length > 16 and self._answers.matches(pdu):
                found.append(self._passing.number(self._answers.pdus - 1))
            elif length == 16 and pdu == UNBIND_ANSWER:
                self.ended = True
            elif self._refusals.matches(pdu):
                found.append(self._refused.number(self._refusals.pdus - 1))
            else:
                raise Mismatch("not the answers expected", pdu)
            pos += length
        self._held = data[pos:]
        return found


class _Places:
    """Which message of a reel is the nth of a fate."""

    def __init__(self, passes: bytes, fate: int) -> None:
        self._numbers = [number for number, one in enumerate(passes) if one == fate]
        self._round = len(passes)

    def number(self, ordinal: int) -> int:
        turns, place = divmod(ordinal, len(self._numbers))
        return turns * self._round + self._numbers[place]


class AnyOrder:
    """Answers of a proxy that does not keep their order: each is the one to its sequence number, and comes once."""

    def __init__(self, reel: Reel) -> None:
        self._tape = reel.answers
        self._size = reel.answers.pdus
        self._came = [0] * self._size
        self._held = b""
        self.ended = False

    def take(self, data: bytes) -> Sequence[int]:
        data, found, pos = self._held + data, [], 0
        while len(data) - pos >= HEADER.size:
            length, command, _, sequence = HEADER.unpack_from(data, pos)
            if pos + length > len(data):
                break
            place = sequence - 1
            if command == UNBIND_RESP:
                self.ended = True
            elif 0 <= place < self._size and data[pos : pos + length] == self._answer(place):
                found.append(self._came[place] * self._size + place)
                self._came[place] += 1
            else:
                raise Mismatch("not the answers expected", data[pos : pos + length])
            pos += length
        self._held = data[pos:]
        return found

    def _answer(self, place: int) -> bytes:
        starts = self._tape.starts
        return self._tape.octets[starts[place] : starts[place + 1]]


def answers_to(reel: Reel, reworded: bool) -> InOrder | Merged | AnyOrder:
    """How the answers to this traffic are compared."""
    if reworded:
        return AnyOrder(reel)
    return Merged(reel) if 0 < sum(reel.passes) < len(reel.passes) else InOrder(reel)
