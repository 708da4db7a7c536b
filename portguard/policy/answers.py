"""What the registry said of accounts' numbers and signatures, as rows of plain numbers: a million answers fit where a
tenth as many objects would, and most processor's caches hold many of them.

Nouns: an *answer* is what a PortGrant and a Grant say together of one account, number and signature. Its *row* has what
tells it from others, and the place of its *shape* (`shapes`). What is asked for is read out of its row into `port` and
`grant`, the same two objects each time. Rows stand in *parts*; one that is full is divided in two (extendible hashing),
until there are as many as there may be. From then on a row goes that was not used lately.

Not every answer has a row: those with templates, of numbers of other than 8 to 20 digits, of signatures of more than 16
units or written otherwise than they are on file, and those that refuse number or signature have not.

Compiled; used by `lookup`.
"""

from secrets import randbits
from typing import Final

from librt.strings import read_i64_be
from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from portguard.policy.grant import NO_TALLY, NO_USES, Account, Grant, PortGrant
from portguard.policy.kept import digits_of, stirred
from portguard.policy.shapes import MOST_NAMES, Shapes, is_usual
from portguard.policy.terms import Use

# A part is _BUCKETS blocks, each of _WAYS tags and behind them _WAYS rows, so that what is asked about one after the
# other is in one page of memory.
_WAYS: Final = 8
_COLUMNS: Final = 8
_BLOCK: Final = _WAYS + _WAYS * _COLUMNS
_BUCKETS: Final = 512
_BUCKET_BITS: Final = 9  # of a hash, which say the bucket
_FIRST_WAY: Final = 31  # the bits above say which way of it to look at first
_ROWS: Final = _BUCKETS * _WAYS
_HALF: Final = _ROWS // 2

# A tag, 0 where there is no row: from which hour (since the epoch) until which it holds, 20 bits each; 22 further bits
# of the hash, the first of which say the part; and whether it was used since somebody looked for room.
_SINCE: Final = 43
_UNTIL: Final = 23
_HOURS: Final = 0xFFFFF
_HASH: Final = 0x3FFFFF
_HOUR_SECONDS: Final = 3600.0

# The columns of a row. The key: up to fifteen last digits of the number; account, the digits before them, how many
# those are in all, and octets of the signature; its units, four a column. Then the places of shape, holder and owners,
# and digits of the port; where what it has used of caps is, and where it was counted (an entry of `counters.Tallies`).
_PLACES: Final = 6
_ENTRY: Final = 7
_SHAPE: Final = 49
_HOLDER: Final = 27
_OWNERS: Final = 5
_DIGITS: Final = 31
_USES: Final = 41
_ENTRY_BITS: Final = 0x1FFFFFFFFFF
_MOST_USES: Final = 0x3FFFFF

_LEAST_DIGITS: Final = 8
_MOST_DIGITS: Final = 20
_READ_AT_ONCE: Final = 15
_MOST_PARTS: Final = 0xFFFFF
_OCTETS: Final = 32  # of the longest signature
_SEVEN_OCTETS: Final = 0xFFFFFFFFFFFFFF


@mypyc_attr(acyclic=True)
class Part:
    """_ROWS rows whose tags agree in `depth` bits of their hash."""

    def __init__(self, depth: i64) -> None:
        self.depth = depth
        self.count: i64 = 0
        self.hand: i64 = 0
        self.blocks: vec[i64] = vec[i64](_EMPTY)


_EMPTY: Final = [0] * (_BUCKETS * _BLOCK)
_NO_PART: Final = Part(0)


class Answers:
    """Up to `most` answers of one revision, in whole parts. What `find` has found stands in `port` and `grant` until it
    is asked again."""

    def __init__(self, most: i64) -> None:
        self.port = PortGrant(0, 1.0, 0.0, b"")
        self.grant = Grant(0, 1.0, 0.0, b"", ())
        self.count: i64 = 0
        self._most_parts: i64 = min((most + _ROWS - 1) // _ROWS, _MOST_PARTS)
        self._depth: i64 = 0
        self._number_of_parts: i64 = 1
        self._parts: list[Part] = [Part(0)]
        self._shapes = Shapes()
        self._uses: list[list[Use]] = []
        self._free: list[int] = []
        # The key that was asked for last, and its hash; nobody outside knows what would collide.
        self._seed: i64 = randbits(40)
        self._k0: i64 = 0
        self._k1: i64 = 0
        self._k2: i64 = 0
        self._k3: i64 = 0
        self._k4: i64 = 0
        self._k5: i64 = 0
        self._hash: i64 = 0
        # What was found last.
        self._part = _NO_PART
        self._row: i64 = 0

    def __len__(self) -> int:
        return int(self.count)

    # ---- asking

    def find(self, a: Account, buf: bytes, start: i64, end: i64, name: i64, name_end: i64, hour: i64) -> bool:
        """Is an answer known to the account, the number buf[start:end] and the signature buf[name:name_end] (UTF-16BE),
        and does it hold in that hour (since the epoch)?"""
        if not self._key(a, buf, start, end, name, name_end):
            return False
        part = self._parts[self._hash >> _BUCKET_BITS & (len(self._parts) - 1)]
        place = self._place(part)
        if place < 0:
            return False
        tag: i64 = part.blocks[place]
        if hour < tag >> _SINCE or hour >= tag >> _UNTIL & _HOURS:
            return False
        if tag & 1 == 0:
            part.blocks[place] = tag | 1
        self._part = part
        self._row = row_of(place)
        self._fill(buf[start:end], buf[name:name_end], tag, part.blocks[self._row + _PLACES])
        return True

    def _key(self, a: Account, buf: bytes, start: i64, end: i64, name: i64, name_end: i64) -> bool:
        """Make the key of it; False where there is none."""
        digits: i64 = end - start
        size: i64 = name_end - name
        if a.place == 0 or digits < _LEAST_DIGITS or digits > _MOST_DIGITS or size <= 0 or size > _OCTETS or name < 8:
            return False
        high: i64 = digits
        while end - start > _READ_AT_ONCE:
            digit: i64 = i64(buf[start]) - 0x30
            if digit < 0 or digit > 9:
                return False
            high = high << 4 | digit
            start += 1
        self._k0 = digits_of(buf, start, end)
        if self._k0 < 0:
            return False
        self._k1 = a.place << 31 | high << 6 | size
        h = stirred(stirred(self._seed, self._k0), self._k1)
        self._k2 = units(buf, name, size)
        h = stirred(h, self._k2)
        self._k3 = self._k4 = self._k5 = 0
        if size > 8:
            self._k3 = units(buf, name + 8, size - 8)
            h = stirred(h, self._k3)
        if size > 16:
            self._k4 = units(buf, name + 16, size - 16)
            self._k5 = units(buf, name + 24, size - 24)
            h = stirred(stirred(h, self._k4), self._k5)
        self._hash = h ^ h >> 19
        return True

    def _place(self, part: Part) -> i64:
        """Where the part has the tag of what was asked for last, -1 where it has none."""
        blocks = part.blocks
        wanted: i64 = self._hash >> _BUCKET_BITS & _HASH
        first: i64 = (self._hash & (_BUCKETS - 1)) * _BLOCK
        way: i64 = self._hash >> _FIRST_WAY
        last: i64 = way + _WAYS
        while way < last:
            place: i64 = first + (way & _WAYS - 1)
            tag: i64 = blocks[place]
            if tag >> 1 & _HASH == wanted and tag != 0:
                row = row_of(place)
                if (
                    blocks[row] == self._k0 and blocks[row + 1] == self._k1 and blocks[row + 2] == self._k2
                    and blocks[row + 3] == self._k3 and blocks[row + 4] == self._k4 and blocks[row + 5] == self._k5
                ):  # fmt: skip
                    return place
            way += 1
        return -1

    def _fill(self, number: bytes, name: bytes, tag: i64, places: i64) -> None:
        """Read an answer out of its row."""
        shape = self._shapes.known[places >> _SHAPE]
        port = self.port
        port.source = number
        port.hits = shape.port_hits
        port.since = float(tag >> _SINCE) * _HOUR_SECONDS
        port.until = float(tag >> _UNTIL & _HOURS) * _HOUR_SECONDS
        port.digits = places & _DIGITS
        port.holder = self._shapes.names[places >> _HOLDER & MOST_NAMES][0]
        port.permits = shape.permits
        port.regions = shape.regions
        port.signature_required = shape.signature_required
        port.keeps = shape.keeps
        grant = self.grant
        grant.name = name
        grant.hits = shape.hits
        grant.since = port.since
        grant.until = port.until
        grant.enterprises = self._shapes.names[places >> _OWNERS & MOST_NAMES]
        grant.registered = shape.registered
        grant.scopes = shape.scopes
        grant.plain = shape.plain
        grant.limited = shape.limited
        grant.uses = NO_USES
        grant.label = b""
        grant.tally = NO_TALLY
        grant.braking = -1

    def entry(self) -> i64:
        """Where the answer that was found last was counted, as `note` was told; 0 for nowhere."""
        return self._part.blocks[self._row + _ENTRY] & _ENTRY_BITS

    def uses(self) -> list[Use]:
        """What the answer that was found last has used of caps, by scope; none where it has not been asked."""
        place: i64 = self._part.blocks[self._row + _ENTRY] >> _USES
        if place == 0:
            return NO_USES
        return self._uses[place - 1]

    def note(self, entry: i64, uses: list[Use]) -> None:
        """What became of the answer that was found or put last: where it was counted, and what it has used of caps."""
        blocks = self._part.blocks
        before: i64 = blocks[self._row + _ENTRY]
        place: i64 = before >> _USES
        if place == 0 and len(uses) > 0:
            place = self._uses_place(uses)
        if place << _USES | entry != before:
            blocks[self._row + _ENTRY] = place << _USES | entry

    def lasting(self) -> tuple[PortGrant, Grant]:
        """The answer that was found last, in objects of its own."""
        port = PortGrant(self.port.hits, self.port.since, self.port.until, self.port.source)
        port.digits = self.port.digits
        port.holder = self.port.holder
        port.permits = self.port.permits
        port.regions = self.port.regions
        port.signature_required = self.port.signature_required
        port.keeps = self.port.keeps
        found = self.grant
        grant = Grant(found.hits, found.since, found.until, found.name, found.enterprises)
        grant.registered = found.registered
        grant.scopes = found.scopes
        grant.plain = found.plain
        grant.limited = found.limited
        if len(found.uses) > 0:
            grant.uses = found.uses.copy()
        grant.tally = found.tally
        grant.label = found.label
        return port, grant

    # ---- keeping

    def put(
        self, a: Account, buf: bytes, start: i64, end: i64, name: i64, name_end: i64, port: PortGrant, grant: Grant
    ) -> bool:
        """Keep what the registry said, which is no object of `find`, if it fits into a row; False when it does not."""
        if self._most_parts == 0 or not is_usual(port, grant) or grant.name != buf[name:name_end]:
            return False
        if not self._key(a, buf, start, end, name, name_end):
            return False
        shape = self._shapes.place(port, grant)
        holder = self._shapes.name((port.holder,))
        owners = self._shapes.name(grant.enterprises)
        since: i64 = hours(-(-grant.since // _HOUR_SECONDS))
        until: i64 = hours(grant.until // _HOUR_SECONDS)
        if shape < 0 or holder < 0 or owners < 0 or until <= since:
            return False
        part = self._parts[self._hash >> _BUCKET_BITS & (len(self._parts) - 1)]
        place = self._place(part)
        if place < 0:
            place = self._room(part)
            while place < 0:
                self._divide(part)
                part = self._parts[self._hash >> _BUCKET_BITS & (len(self._parts) - 1)]
                place = self._room(part)
        row = row_of(place)
        blocks = part.blocks
        used: i64 = blocks[row + _ENTRY] >> _USES
        if used > 0:
            self._uses[used - 1] = NO_USES
            self._free.append(int(used))
        blocks[place] = since << _SINCE | until << _UNTIL | (self._hash >> _BUCKET_BITS & _HASH) << 1
        blocks[row] = self._k0
        blocks[row + 1] = self._k1
        blocks[row + 2] = self._k2
        blocks[row + 3] = self._k3
        blocks[row + 4] = self._k4
        blocks[row + 5] = self._k5
        blocks[row + _PLACES] = shape << _SHAPE | holder << _HOLDER | owners << _OWNERS | port.digits
        blocks[row + _ENTRY] = 0
        self._part = part
        self._row = row
        return True

    def _room(self, part: Part) -> i64:
        """A place for the tag of what was asked for last: a free one, or that of a row which was not used lately; -1
        where the part is to be divided first."""
        blocks = part.blocks
        first: i64 = (self._hash & (_BUCKETS - 1)) * _BLOCK
        way: i64 = self._hash >> _FIRST_WAY
        last: i64 = way + _WAYS
        while way < last:
            place: i64 = first + (way & _WAYS - 1)
            if blocks[place] == 0:
                part.count += 1
                self.count += 1
                return place
            way += 1
        # Where one bucket is full and most others are not, somebody may have made its keys.
        if part.count >= _HALF and self._number_of_parts < self._most_parts:
            return -1
        while True:
            part.hand = (part.hand + 1) & (_WAYS - 1)
            place = first + part.hand
            if blocks[place] & 1 == 0:
                return place
            blocks[place] = blocks[place] ^ 1

    def _divide(self, old: Part) -> None:
        if old.depth == self._depth:
            self._parts = self._parts + self._parts
            self._depth += 1
        depth = old.depth
        halves = [Part(depth + 1), Part(depth + 1)]
        block: i64 = 0
        while block < _BUCKETS * _BLOCK:
            place: i64 = block
            while place < block + _WAYS:
                tag: i64 = old.blocks[place]
                if tag != 0:
                    half = halves[tag >> 1 >> depth & 1]
                    half.count += 1
                    half.blocks[place] = tag
                    at: i64 = row_of(place)
                    end: i64 = at + _COLUMNS
                    while at < end:
                        half.blocks[at] = old.blocks[at]
                        at += 1
                place += 1
            block += _BLOCK
        # Every place that leads to the old one agrees with the key in its bits; the next bit says which half it is for.
        step: i64 = 1 << depth
        at = self._hash >> _BUCKET_BITS & (step - 1)
        while at < len(self._parts):
            self._parts[at] = halves[at >> depth & 1]
            at += step
        self._number_of_parts += 1

    def _uses_place(self, uses: list[Use]) -> i64:
        """The place of what one more has used, counted from 1; 0 where there is no room."""
        if len(self._free) > 0:
            place = self._free.pop()
            self._uses[place - 1] = uses
            return place
        if len(self._uses) >= _MOST_USES:
            return 0
        self._uses.append(uses)
        return len(self._uses)

    def shed(self, count: i64) -> bool:
        """Give up so many, or some more; False when none are left. For what no message asks for any more."""
        parts = int(count // _ROWS) + 1
        del self._parts[-parts:]
        return len(self._parts) > 0


def units(buf: bytes, start: i64, size: i64) -> i64:
    """The first four of UTF-16 units as one number, of fewer only those; 0 for none. `size` is in octets; where it is
    less than eight, octets before `start` are read, too."""
    if size >= 8:
        return read_i64_be(buf, start)
    if size <= 0:
        return 0
    # Not 1 << n: compiled, that is a C int, and the mask of four octets would be none.
    return read_i64_be(buf, start + size - 8) & (_SEVEN_OCTETS >> 8 * (7 - size))


def row_of(place: i64) -> i64:
    """Where the row of the tag at `place` is."""
    way: i64 = place % _BLOCK
    return place - way + _WAYS + way * _COLUMNS


def hours(since_epoch: float) -> i64:
    """Whole hours, as tags have them."""
    return min(max(int(since_epoch), 0), _HOURS)
