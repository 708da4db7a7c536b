"""What waits for an answer of the SMSC, by the number it was sent under; and what was delivered, by the id it got.

Nouns: a *Forwarded* message, whose answer settles something; `Pending`, those of one link; `Originals`, what a later
replace_sm or a receipt may name, in rows of plain numbers: a hundred thousand objects would cost more to let go of than
a message costs to judge.

Compiled.
"""

from typing import Final

from librt.strings import read_i64_be
from librt.vecs import vec
from mypy_extensions import i64

from portguard.policy.grant import NO_TALLY, Tally
from portguard.policy.terms import Use

PROBES: Final = 8
# The longest address that is remembered: a subscriber's fits in (E.164), and what submit_sm carries (SMPP 3.4 §4.4.1).
ADDRESS_OCTETS: Final = 20
_WORD: Final = 7  # octets of an address in one number that is never negative
_NO_USES: Final[list[Use]] = []


class Forwarded:
    """A message passed on: what the SMSC's answer settles (`uses` of caps, a sampled time), and what a later
    replace_sm of it lacks and needs. `destination` is where destination_addr and its TON and NPI are kept, and
    `octets` of it, 0 when no replacement is possible; `refused` is the unsuccess_sme of recipients that were taken out
    of a submit_multi; `recipients` are counted in `tally` once the SMSC has taken it, 0 for a part that is not the last
    of its message. One that waits no longer has the `sequence` -1."""

    def __init__(self) -> None:
        self.sequence: i64 = -1
        self.octets: i64 = 0
        self.ton: i64 = 0
        self.npi: i64 = 0
        self.first: i64 = 0
        self.second: i64 = 0
        self.third: i64 = 0
        self.data_coding: i64 = 0
        self.esm_class: i64 = 0
        self.content: i64 = 0
        self.recipients: i64 = 0
        self.uses = _NO_USES
        self.refused = b""
        self.sent = 0.0
        self.tally = NO_TALLY

    def send_to(self, buf: bytes, start: i64, end: i64, ton: i64, npi: i64) -> None:
        """Remember the destination_addr buf[start:end]."""
        size: i64 = end - start
        self.octets = 0
        if size <= ADDRESS_OCTETS:
            self.octets = size
        self.ton = ton
        self.npi = npi
        self.first = word(buf, start, end)
        self.second = word(buf, start + _WORD, end)
        self.third = word(buf, start + 2 * _WORD, end)


NOTHING_FORWARDED: Final = Forwarded()
_NO_PLACES: Final[list[Forwarded]] = []


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


class Pending:
    """Forwarded messages by sequence_number, which mostly count up: a table in which each has PROBES places. It grows
    to twice the power of two from `most` on; where there is no place even then, one that waits is forgotten."""

    def __init__(self, most: i64) -> None:
        self.count: i64 = 0
        self.most = most
        self._places = _NO_PLACES
        self._mask: i64 = -1

    def put(self, sequence: i64) -> Forwarded:
        """A place for one more that waits for its answer; whoever asks fills it in."""
        while True:
            for step in range(PROBES if self._mask >= 0 else 0):
                free = self._places[(sequence + step) & self._mask]
                if free.sequence < 0:
                    free.sequence = sequence
                    self.count += 1
                    return free
            if self._mask >= self.most:
                old = self._places[sequence & self._mask]
                old.sequence = sequence
                return old
            self._grow()

    def _grow(self) -> None:
        before = self._places
        self._mask = self._mask * 2 + 1 if self._mask > 0 else 2 * PROBES - 1
        self._places = [Forwarded() for _ in range(self._mask + 1)]
        self.count = 0
        for sent in before:
            if sent.sequence >= 0:
                self._settle_in(sent)

    def _settle_in(self, sent: Forwarded) -> None:
        for step in range(PROBES):
            place: i64 = (sent.sequence + step) & self._mask
            if self._places[place].sequence < 0:
                self._places[place] = sent
                self.count += 1
                return

    def take(self, sequence: i64) -> Forwarded:
        """The message with this number, which waits no longer; NOTHING_FORWARDED when there is none. It is valid until
        the next `put`."""
        if self.count > 0:
            for step in range(PROBES):
                sent = self._places[(sequence + step) & self._mask]
                if sent.sequence == sequence:
                    sent.sequence = -1
                    self.count -= 1
                    return sent
        return NOTHING_FORWARDED


class Original:
    """A delivered message, as a later replace_sm or a receipt needs it. `destination` is dest_addr_ton, -npi and
    destination_addr; `recipients` are those that no receipt has said not to have got it; `place` is for `Originals`."""

    def __init__(
        self, place: i64, system_id: str, destination: bytes, data_coding: i64, esm_class: i64, content: i64,
        recipients: i64, tally: Tally,
    ) -> None:
        self.place = place
        self.system_id = system_id
        self.destination = destination
        self.data_coding = data_coding
        self.esm_class = esm_class
        self.content = content
        self.recipients = recipients
        self.tally = tally


NO_ORIGINAL: Final = Original(-1, "", b"", 0, 0, 0, 0, NO_TALLY)
# The columns of a row: a hash of the message_id, the three words of the address, five octets more, recipients.
_COLUMNS: Final = 6
_PLACES_A_ROW: Final = 4  # of the index: one message in some tens of thousands finds none free


class Originals:
    """Delivered messages by message_id, the last `most` to twice as many. They are known by a hash of their ids, of 41
    bits: one in millions may be taken for another. Where none is ever asked for, the index stays empty."""

    def __init__(self, most: i64) -> None:
        self.most = most
        self._size: i64 = 0
        self._count: i64 = 0
        self._rows: vec[i64] = vec[i64]()
        self._owners: list[str] = []
        self._tallies: list[Tally] = []
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
        self._tallies = [NO_TALLY] * int(size)
        self._index = vec[i64]([-1] * int(size * _PLACES_A_ROW))
        self._mask = size * _PLACES_A_ROW - 1

    def add(self, system_id: str, buf: bytes, start: i64, end: i64, sent: Forwarded) -> None:
        """The SMSC calls a message of the account buf[start:end]."""
        if self._size == 0:
            self._begin()
        key = hashed(buf, start, end)
        place: i64 = self._count & (self._size - 1)
        self._owners[place] = system_id
        self._tallies[place] = sent.tally
        rows = self._rows
        row: i64 = place * _COLUMNS
        rows[row] = key
        rows[row + 1] = sent.first
        rows[row + 2] = sent.second
        rows[row + 3] = sent.third
        rows[row + 4] = (
            sent.octets | sent.ton << 8 | sent.npi << 16 | sent.data_coding << 24 | sent.esm_class << 32
            | sent.content << 40
        )
        rows[row + 5] = sent.recipients
        self._count += 1

    def _index_all(self) -> None:
        """Let the index lead to what has come since the last time."""
        number: i64 = max(self._indexed, self._count - self._size)
        while number < self._count:
            self._point(number)
            number += 1
        self._indexed = number

    def _point(self, number: i64) -> None:
        """Let the index lead to the message of that number: from a free place, or that of the oldest there."""
        index = self._index
        key: i64 = self._rows[(number & (self._size - 1)) * _COLUMNS]
        oldest: i64 = key & self._mask
        for step in range(PROBES):
            place: i64 = (key + step) & self._mask
            known: i64 = index[place]
            if known < self._count - self._size or self._rows[(known & (self._size - 1)) * _COLUMNS] == key:
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
        key = hashed(message_id, 0, len(message_id))
        for step in range(PROBES):
            number: i64 = self._index[(key + step) & self._mask]
            place: i64 = number & (self._size - 1)
            if number >= max(self._count - self._size, 0) and self._rows[place * _COLUMNS] == key:
                return self._original(place)
        return NO_ORIGINAL

    def _original(self, place: i64) -> Original:
        row: i64 = place * _COLUMNS
        more: i64 = self._rows[row + 4]
        words = [int(self._rows[row + column]).to_bytes(_WORD, "big") for column in (1, 2, 3)]
        octets = int(more & 0xFF)
        return Original(
            place, self._owners[place], bytes([more >> 8 & 0xFF, more >> 16 & 0xFF]) + b"".join(words)[:octets],
            more >> 24 & 0xFF, more >> 32 & 0xFF, more >> 40 & 0xFF, self._rows[row + 5], self._tallies[place],
        )

    def failed(self, original: Original) -> None:
        """One recipient less has got it."""
        row: i64 = original.place * _COLUMNS
        self._rows[row + 5] = original.recipients - 1


def hashed(buf: bytes, start: i64, end: i64) -> i64:
    """A number of 41 bits for the octets buf[start:end]."""
    found: i64 = end - start
    while start < end:
        found = ((found ^ i64(buf[start])) * 0x1E3779 >> 3 ^ found << 7) & 0x1FFFFFFFFFF
        start += 1
    return found ^ found >> 23
