"""What waits for an answer of the SMSC, by the number it was sent under; and what was delivered, by the id it got.

Nouns: `Pending`, the messages of one link that were forwarded and whose answers settle something; `Originals`, what a
later replace_sm or a receipt may name. Both are rows of plain numbers: tens of thousands of objects would not fit into
a processor's cache, and a hundred thousand would cost more to let go of than a message costs to judge. A row has the
digits of a message's destination_addr and `more`: the octets of that address (0 where no replacement is possible), its
TON and NPI, data_coding, esm_class, the content, and for how many recipients it counts; and the `entry` where it is
counted (`counters.Tallies`). What few messages have is a `Rare`; of an original, when it will be delivered, if that is
not at once, and which times a replacement has stated.

Compiled.
"""

from typing import Final

from librt.strings import read_i64_be
from librt.vecs import vec
from mypy_extensions import i64

from portguard.policy.kept import stirred
from portguard.policy.limits import Reached
from portguard.policy.schedule import absolute
from portguard.policy.terms import NO_USE, Use
from portguard.smpp.scan import Scan

PROBES: Final = 8
# The longest address that is remembered: a subscriber's fits in (E.164), and what submit_sm carries (SMPP 3.4 §4.4.1).
ADDRESS_OCTETS: Final = 20
# Of `more`, one octet each: where they stand, and five bits above them.
TON: Final = 8
NPI: Final = 16
DATA_CODING: Final = 24
ESM_CLASS: Final = 32
CONTENT: Final = 40
RECIPIENTS: Final = 48
USES: Final = 0x100000000000000
RARE: Final = 0x200000000000000
# Of an original: it has times; a replacement has stated its schedule_delivery_time, or its validity_period.
TIMED: Final = 0x400000000000000
SCHEDULE_STATED: Final = 0x800000000000000
VALIDITY_STATED: Final = 0x1000000000000000
_RECIPIENT: Final = 0x1000000000000

_WORD: Final = 7  # octets of an id in one number that is never negative
_HASHED: Final = 0x100000000000000  # of the second number of an id that is longer than two


class Rare:
    """What few messages have: an `address` that is not eight to fifteen digits; `refused`, the unsuccess_sme of
    recipients taken out of a submit_multi; its uses of caps, if those are several; what it was `counted` as to
    its subscribers; when it was `sent` (monotonic), of a sample; when it will be delivered (`at`), and until when that
    is tried (`expires`), in epoch seconds, 0.0 for a message that is delivered at once."""

    def __init__(self, address: bytes, refused: bytes, uses: list[Use], counted: list[Reached], sent: float) -> None:
        self.address = address
        self.refused = refused
        self.uses = uses
        self.counted = counted
        self.sent = sent
        self.at = 0.0
        self.expires = 0.0


NO_RARE: Final = Rare(b"", b"", [], [], 0.0)


def word(buf: bytes, start: i64, end: i64) -> i64:
    """Up to _WORD octets of buf[start:end] as one number, zeros behind them."""
    left: i64 = end - start
    if left <= 0:
        return 0
    if start + 8 <= len(buf):
        found: i64 = read_i64_be(buf, start) >> 8 & 0xFFFFFFFFFFFFFF
        if left < _WORD:
            # Not by a mask: compiled, -1 << 32 is a C int that is shifted by its width.
            spare: i64 = 8 * (_WORD - left)
            found = found >> spare << spare
        return found
    found = 0
    for at in range(_WORD):
        found = found << 8 | (i64(buf[start + at]) if at < left else 0)
    return found


# The columns of `Pending`: the sequence_number (-1: free), the digits, `more`, the entry.
_PENDING: Final = 4


class Pending:
    """Forwarded messages by sequence_number, which mostly count up: a table in which each has PROBES places. It grows
    to twice the power of two from `most` on; where there is no place even then, one that waits is forgotten.

    A message's answer settles, by its place: its use of a cap in `uses` (NO_USE unless `more` has USES), and what is
    `rare` of it, if `more` has RARE.
    """

    def __init__(self, most: i64) -> None:
        self.count: i64 = 0
        self.most = most
        self.uses: list[Use] = []
        self.rare: dict[int, Rare] = {}
        self._rows: vec[i64] = vec[i64]()
        self._mask: i64 = -1

    def put(self, sequence: i64, digits: i64, more: i64, entry: i64) -> i64:
        """The place of one more that waits for its answer."""
        place = self._free(sequence)
        rows = self._rows
        row: i64 = place * _PENDING
        rows[row] = sequence
        rows[row + 1] = digits
        rows[row + 2] = more
        rows[row + 3] = entry
        return place

    def _free(self, sequence: i64) -> i64:
        while True:
            for step in range(PROBES if self._mask >= 0 else 0):
                place: i64 = (sequence + step) & self._mask
                if self._rows[place * _PENDING] < 0:
                    self.count += 1
                    return place
            if self._mask >= self.most:
                place = sequence & self._mask
                self._clear(place)
                return place
            self._grow()

    def _grow(self) -> None:
        rows, uses, rare = self._rows, self.uses, self.rare
        self._mask = self._mask * 2 + 1 if self._mask > 0 else 2 * PROBES - 1
        size: i64 = self._mask + 1
        self._rows = vec[i64]([-1] * int(size * _PENDING))
        self.uses = [NO_USE] * int(size)
        self.rare = {}
        self.count = 0
        for old in range(len(uses)):
            row: i64 = old * _PENDING
            if rows[row] >= 0:
                # Twice as many have room for all there were, each in one of its places or the next ones.
                place = self.put(rows[row], rows[row + 1], rows[row + 2], rows[row + 3])
                self.uses[place] = uses[old]
                if rows[row + 2] & RARE != 0:
                    self.rare[int(place)] = rare[old]

    def _clear(self, place: i64) -> None:
        """Forget what waits there."""
        row: i64 = place * _PENDING
        more: i64 = self._rows[row + 2]
        if more & RARE != 0:
            self.rare.pop(int(place), NO_RARE)
        if more & USES != 0:
            self.uses[place] = NO_USE

    def use(self, place: i64, use: Use) -> None:
        """The message there uses a cap up."""
        row: i64 = place * _PENDING
        self._rows[row + 2] = self._rows[row + 2] | USES
        self.uses[place] = use

    def note(self, place: i64, rare: Rare) -> None:
        """The message there has what few have."""
        row: i64 = place * _PENDING
        self._rows[row + 2] = self._rows[row + 2] | RARE
        self.rare[int(place)] = rare

    def take(self, sequence: i64) -> i64:
        """The place of the message with this number, which waits no longer; -1 when there is none. What is there is
        valid until the next `put`."""
        if self.count > 0:
            rows = self._rows
            for step in range(PROBES):
                place: i64 = (sequence + step) & self._mask
                row: i64 = place * _PENDING
                if rows[row] == sequence:
                    rows[row] = -1
                    self.count -= 1
                    return place
        return -1

    def digits(self, place: i64) -> i64:
        """The digits of the message there."""
        return self._rows[place * _PENDING + 1]

    def more(self, place: i64) -> i64:
        """What else there is of it."""
        return self._rows[place * _PENDING + 2]

    def entry(self, place: i64) -> i64:
        """Where it is counted."""
        return self._rows[place * _PENDING + 3]


class Original:
    """A delivered message, as a later replace_sm or a receipt needs it. `destination` is dest_addr_ton, -npi and
    destination_addr; `recipients` are those that no receipt has said not to have got it; `times` are its
    schedule_delivery_time and validity_period as instants, b"" for one that is delivered at once; `stated` those that a
    replacement has stated since; `place` is for `Originals`."""

    def __init__(self, place: i64, system_id: str, address: bytes, more: i64, entry: i64, times: bytes) -> None:
        self.place = place
        self.system_id = system_id
        self.destination = bytes([more >> TON & 0xFF, more >> NPI & 0xFF]) + address
        self.data_coding: i64 = more >> DATA_CODING & 0xFF
        self.esm_class: i64 = more >> ESM_CLASS & 0xFF
        self.content: i64 = more >> CONTENT & 0xFF
        self.recipients: i64 = more >> RECIPIENTS & 0xFF
        self.stated: i64 = more & (SCHEDULE_STATED | VALIDITY_STATED)
        self.entry = entry
        self.times = times

    def lend(self, s: Scan, length: i64) -> None:
        """Let a scanned replace_sm have what it does not say itself: `destination` and `times` stand behind its
        `length` octets. An empty time keeps the original's (SMPP 3.4 §4.10.1)."""
        s.dest_ton = i64(self.destination[0])
        s.dest_npi = i64(self.destination[1])
        s.dest_start = length + 2
        s.dest_end = s.end = length + len(self.destination)
        s.data_coding = self.data_coding
        s.assumed = self.content
        if len(self.times) > 0:
            if s.schedule_end == s.schedule_start:
                s.schedule_start = s.end
                s.schedule_end = s.end + _TIME
            if s.validity_end == s.validity_start:
                s.validity_start = s.end + _TIME
                s.validity_end = s.end + 2 * _TIME


NO_ORIGINAL: Final = Original(-1, "", b"", 0, 0, b"")
_TIME: Final = 16  # octets of a time (SMPP 3.4 §7.1.1)
_TENTHS: Final = 10.0
# The columns of a row: two numbers for the message_id, the digits, `more`, the entry.
_COLUMNS: Final = 5
_PLACES_A_ROW: Final = 4  # of the index: one message in some tens of thousands finds none free


class Originals:
    """Delivered messages by message_id, the last `most` to twice as many. Of an id of more than fourteen octets what is
    behind seven is known by a hash of 41 bits. Where none is ever asked for, the index stays empty."""

    def __init__(self, most: i64) -> None:
        self.most = most
        self._size: i64 = 0
        self._count: i64 = 0
        self._rows: vec[i64] = vec[i64]()
        self._owners: list[str] = []
        self.odd: dict[int, bytes] = {}
        # Of each row two numbers, tenths of epoch seconds; empty until a message has times.
        self._times: vec[i64] = vec[i64]()
        self._index: vec[i64] = vec[i64]()
        self._mask: i64 = 0
        self._indexed: i64 = 0

    def __len__(self) -> int:
        return int(min(self._count, self._size))

    def _begin(self) -> None:
        """Room is made when the first message is delivered."""
        size: i64 = PROBES
        while size < self.most:
            size *= 2
        self._size = size
        self._rows = vec[i64]([0] * int(size * _COLUMNS))
        self._owners = [""] * int(size)
        self._index = vec[i64]([-1] * int(size * _PLACES_A_ROW))
        self._mask = size * _PLACES_A_ROW - 1

    def add(
        self, system_id: str, buf: bytes, start: i64, end: i64, digits: i64, more: i64, address: bytes, entry: i64
    ) -> None:
        """The SMSC calls a message of the account buf[start:end]. Where it has no `digits`, -1, it has an `address`."""
        if self._size == 0:
            self._begin()
        place: i64 = self._count & (self._size - 1)
        rows = self._rows
        row: i64 = place * _COLUMNS
        if rows[row + 2] < 0:
            self.odd.pop(int(place), b"")
        if digits < 0:
            self.odd[int(place)] = address
        self._owners[place] = system_id
        rows[row] = word(buf, start, end)
        rows[row + 1] = rest(buf, start, end)
        rows[row + 2] = digits
        rows[row + 3] = more
        rows[row + 4] = entry
        self._count += 1

    def date(self, at: float, expires: float) -> None:
        """The message that was added last will be delivered `at`, which is tried until it `expires`."""
        if len(self._times) == 0:
            self._times = vec[i64]([0] * int(2 * self._size))
        place: i64 = (self._count - 1) & (self._size - 1)
        self._times[2 * place] = int(at * _TENTHS)
        self._times[2 * place + 1] = int(expires * _TENTHS)
        row: i64 = place * _COLUMNS
        self._rows[row + 3] = self._rows[row + 3] | TIMED

    def restate(self, original: Original, stated: i64) -> None:
        """A replacement that states these times is under way: whether they hold is the SMSC's to say. Who leaves one of
        them empty afterwards would have it judged by what may hold no longer."""
        row: i64 = original.place * _COLUMNS
        self._rows[row + 3] = self._rows[row + 3] | stated

    def _index_all(self) -> None:
        """Let the index lead to what has come since the last time."""
        number: i64 = max(self._indexed, self._count - self._size)
        while number < self._count:
            self._point(number)
            number += 1
        self._indexed = number

    def _point(self, number: i64) -> None:
        """Let the index lead to the message of that number: from a free place, or that of the oldest there."""
        index, rows = self._index, self._rows
        row: i64 = (number & (self._size - 1)) * _COLUMNS
        first: i64 = rows[row]
        second: i64 = rows[row + 1]
        key = scattered(first, second)
        oldest: i64 = key & self._mask
        for step in range(PROBES):
            place: i64 = (key + step) & self._mask
            known: i64 = index[place]
            row = (known & (self._size - 1)) * _COLUMNS
            if known < self._count - self._size or (rows[row] == first and rows[row + 1] == second):
                index[place] = number
                return
            if known < index[oldest]:
                oldest = place
        index[oldest] = number

    def find(self, message_id: bytes) -> Original:
        """The last message with this id, NO_ORIGINAL when none is remembered."""
        if self._size == 0:
            return NO_ORIGINAL
        self._index_all()
        rows = self._rows
        first = word(message_id, 0, len(message_id))
        second = rest(message_id, 0, len(message_id))
        key = scattered(first, second)
        for step in range(PROBES):
            number: i64 = self._index[(key + step) & self._mask]
            place: i64 = number & (self._size - 1)
            row: i64 = place * _COLUMNS
            if number >= max(self._count - self._size, 0) and rows[row] == first and rows[row + 1] == second:
                return self._original(place)
        return NO_ORIGINAL

    def _original(self, place: i64) -> Original:
        digits: i64 = self._rows[place * _COLUMNS + 2]
        more: i64 = self._rows[place * _COLUMNS + 3]
        address = self.odd.get(int(place), b"") if digits < 0 else f"{int(digits):0{int(more & 0xFF)}x}".encode()
        times = b""
        if more & TIMED != 0:
            times = b"".join([absolute(float(self._times[2 * place + n]) / _TENTHS) for n in range(2)])
        return Original(place, self._owners[place], address, more, self._rows[place * _COLUMNS + 4], times)

    def failed(self, original: Original) -> None:
        """One recipient less has got it."""
        row: i64 = original.place * _COLUMNS
        self._rows[row + 3] = self._rows[row + 3] - _RECIPIENT


def rest(buf: bytes, start: i64, end: i64) -> i64:
    """A number for what `word` leaves of buf[start:end]: the octets themselves, or a hash where they are too many."""
    if end - start <= 2 * _WORD:
        return word(buf, start + _WORD, end)
    found: i64 = end - start
    while start + _WORD < end:
        start += _WORD
        found = stirred(found, word(buf, start, end))
    return found | _HASHED


def stated_times(s: Scan) -> i64:
    """Which times a scanned replace_sm states."""
    stated: i64 = 0
    if s.schedule_end > s.schedule_start:
        stated = SCHEDULE_STATED
    if s.validity_end > s.validity_start:
        stated |= VALIDITY_STATED
    return stated


def scattered(one: i64, other: i64) -> i64:
    """41 bits for two numbers of up to 57: hardly ever the same ones for another two."""
    found = stirred(stirred(0, one), other)
    return found ^ found >> 23
