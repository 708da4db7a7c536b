"""What the registry said of accounts' numbers and signatures, as rows of plain numbers: a million answers fit where a
tenth as many objects would, and one is found in a line or two of memory.

Nouns: an *answer* is what a PortGrant and a Grant say together of one account, number and signature. Its *row* has what
tells it from others, and the place of its *shape*: all that many have in common. What is asked for is read out of its
row into `port` and `grant`, the same two objects each time. Sixty-four rows are a *bucket*, and an answer is in the
one that its key's hash says or nowhere; where that is full, a row goes that was not used lately. Rows of an earlier
revision are *stale*: nobody asks for them any more, and new ones take their places.

Not every answer has a row: those with templates, of numbers of other than 8 to 20 digits, of signatures of more than 12
units or written otherwise than they are on file, and those that refuse number or signature have not.

Compiled; used by `lookup`.
"""

from secrets import randbits
from typing import Final

from librt.vecs import extend, vec
from mypy_extensions import i64, mypyc_attr

from portguard.policy.grant import NO_TALLY, NO_USES, PORT_REFUSALS, SIGNATURE_REFUSALS, Account, Grant, PortGrant
from portguard.policy.kept import digits_of, hashed, units
from portguard.policy.terms import Use

# A row has the octets of a line of memory. All are in one vec; where that is large its numbers begin 40 octets behind
# the beginning of a page (glibc maps it by itself), and so many are left out that rows are whole lines.
_COLUMNS: Final = 8
_BASE: Final = 3
# The fewer a bucket has, the more rows go although there is room in others: with three quarters of all that there may
# be, one in 1300 (by Poisson's law), of buckets of eight one in 19. Where it is full, one goes of the few that are
# looked at first: what takes its place is found as soon.
_WAYS: Final = 64
_NEAREST: Final = 8
_BUCKET: Final = _WAYS * _COLUMNS
# Of a hash: which row of the bucket to look at first, and how many bits say the bucket.
_FIRST_WAY: Final = 0x3F
_WAY_BITS: Final = 6
_BUCKET_BITS: Final = 35

# The columns of a row. Its term, 0 where there is no row: from which hour (since the epoch) until which it holds, and
# whether it was used since somebody looked for room. The key: up to fifteen last digits of the number; account, the
# digits before them, how many those are in all, and octets of the signature; its units, four a column. Then the places
# of shape, holder and owners, and digits of the port; where what it has used of caps is, and where it was counted (an
# entry of `counters.Tallies`).
_K0: Final = 1
_K1: Final = 2
_K2: Final = 3
_K3: Final = 4
_K4: Final = 5
_PLACES: Final = 6
_ENTRY: Final = 7
_SINCE: Final = 21
_UNTIL: Final = 1
_HOURS: Final = 0xFFFFF
_HOUR_SECONDS: Final = 3600.0
_ACCOUNT: Final = 31
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
_OCTETS: Final = 24  # of the longest signature

# Of one revision; a row has room for the places of no more.
_MOST_SHAPES: Final = 0x3FFF
_MOST_NAMES: Final = 0x3FFFFF


@mypyc_attr(acyclic=True)
class _Shape:
    """What PortGrant and Grant say but account, number, signature, enterprises and dates."""

    def __init__(self, port: PortGrant, grant: Grant) -> None:
        self.port_hits = port.hits
        self.permits = port.permits
        self.regions = port.regions
        self.signature_required = port.signature_required
        self.keeps = port.keeps
        self.hits = grant.hits
        self.scopes = grant.scopes
        self.plain = grant.plain
        self.limited = grant.limited
        self.registered = grant.registered


class _Shapes:
    """Those of one revision in `known`, and the `names` of its enterprises: each once."""

    def __init__(self) -> None:
        self.known: list[_Shape] = []
        self.names: list[tuple[str, ...]] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._name_places: dict[tuple[str, ...], int] = {}

    def place(self, port: PortGrant, grant: Grant) -> i64:
        """The place of an answer's shape, -1 where there is no room for it."""
        # What is shared is the same object each time, and the shape keeps it.
        key = (
            int(port.hits), id(port.permits), id(port.regions), port.signature_required, port.keeps, int(grant.hits),
            id(grant.scopes), id(grant.plain), grant.limited, grant.registered,
        )  # fmt: skip
        found = self._places.get(key, -1)
        if found < 0 and len(self.known) < _MOST_SHAPES:
            found = self._places[key] = len(self.known)
            self.known.append(_Shape(port, grant))
        return found

    def name(self, names: tuple[str, ...]) -> i64:
        """The place of enterprises, -1 where there is no room for them."""
        found = self._name_places.get(names, -1)
        if found < 0 and len(self.names) < _MOST_NAMES:
            found = self._name_places[names] = len(self.names)
            self.names.append(names)
        return found


class Answers:
    """Up to `most` answers of the present revision, in whole buckets. What `find` has found stands in `port` and
    `grant` until it is asked again."""

    def __init__(self, most: i64) -> None:
        self.port = PortGrant(0, 1.0, 0.0, b"")
        self.grant = Grant(0, 1.0, 0.0, b"", ())
        self.count: i64 = 0
        # Rows of accounts up to that place are stale; 0 is no account's.
        self._stale: i64 = 0
        self._buckets: i64 = (most + _WAYS - 1) // _WAYS
        self._rows = _empty_rows(max(self._buckets, 1))
        self._hand: i64 = 0
        self._shapes = _Shapes()
        # What `port` and `grant` have been filled with: the places, but for the digits, and the term.
        self._places: i64 = -1
        self._term: i64 = -1
        self._uses: list[list[Use]] = []
        self._free: list[int] = []
        # The key that was asked for last, and its hash; nobody outside knows what would collide.
        self._seed: i64 = randbits(40)
        self._k0: i64 = 0
        self._k1: i64 = 0
        self._k2: i64 = 0
        self._k3: i64 = 0
        self._k4: i64 = 0
        self._hash: i64 = 0
        # The row that was found last.
        self._row: i64 = _BASE

    def __len__(self) -> int:
        return int(self.count)

    def renew(self, place: i64) -> None:
        """Another revision serves, whose accounts have places above that one."""
        self._stale = place
        self.count = 0
        self._shapes = _Shapes()
        self._places = -1
        self._uses = []
        self._free = []

    # ---- asking

    def find(self, a: Account, buf: bytes, start: i64, end: i64, name: i64, name_end: i64, hour: i64) -> bool:
        """Is an answer known to the account, the number buf[start:end] and the signature buf[name:name_end] (UTF-16BE),
        and does it hold in that hour (since the epoch)?"""
        if not self._key(a, buf, start, end, name, name_end):
            return False
        row = self._place()
        if row < 0:
            return False
        rows = self._rows
        term: i64 = rows[row]
        if hour < term >> _SINCE or hour >= term >> _UNTIL & _HOURS:
            return False
        if term & 1 == 0:
            rows[row] = term | 1
        self._row = row
        self._fill(buf[start:end], buf[name:name_end], term, rows[row + _PLACES])
        return True

    def _key(self, a: Account, buf: bytes, start: i64, end: i64, name: i64, name_end: i64) -> bool:
        """Make the key of it; False where there is none."""
        digits: i64 = end - start
        size: i64 = name_end - name
        if a.place <= self._stale or digits < _LEAST_DIGITS or digits > _MOST_DIGITS or size <= 0 or size > _OCTETS:
            return False
        if name < 8:
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
        self._k1 = a.place << _ACCOUNT | high << 6 | size
        self._k2 = units(buf, name, size)
        self._k3 = self._k4 = 0
        if size > 8:
            self._k3 = units(buf, name + 8, size - 8)
        if size > 16:
            self._k4 = units(buf, name + 16, size - 16)
        self._hash = hashed(self._seed, self._k0, self._k1, self._k2, self._k3, self._k4)
        return True

    def _place(self) -> i64:
        """Where the row of what was asked for last is, -1 where there is none."""
        rows = self._rows
        bucket = self._bucket()
        way: i64 = self._hash & _FIRST_WAY
        for turn in range(i64(_WAYS)):
            row: i64 = bucket + (way ^ turn) * _COLUMNS
            if (
                rows[row + _K0] == self._k0 and rows[row + _K1] == self._k1 and rows[row + _K2] == self._k2
                and rows[row + _K3] == self._k3 and rows[row + _K4] == self._k4
            ):  # fmt: skip
                return row
            if rows[row] == 0:
                return -1
        return -1

    def _bucket(self) -> i64:
        """Where the bucket of what was asked for last begins."""
        return _BASE + ((self._hash >> _WAY_BITS) * self._buckets >> _BUCKET_BITS) * _BUCKET

    def _fill(self, number: bytes, name: bytes, term: i64, places: i64) -> None:
        """Read an answer out of its row. Much of it is often that of the last one."""
        port = self.port
        grant = self.grant
        if places >> _OWNERS != self._places:
            self._places = places >> _OWNERS
            shape = self._shapes.known[places >> _SHAPE]
            port.hits = shape.port_hits
            port.permits = shape.permits
            port.regions = shape.regions
            port.signature_required = shape.signature_required
            port.keeps = shape.keeps
            port.holder = self._shapes.names[places >> _HOLDER & _MOST_NAMES][0]
            grant.hits = shape.hits
            grant.registered = shape.registered
            grant.scopes = shape.scopes
            grant.plain = shape.plain
            grant.limited = shape.limited
            grant.enterprises = self._shapes.names[places >> _OWNERS & _MOST_NAMES]
        if term >> _UNTIL != self._term:
            self._term = term >> _UNTIL
            port.since = grant.since = float(term >> _SINCE) * _HOUR_SECONDS
            port.until = grant.until = float(term >> _UNTIL & _HOURS) * _HOUR_SECONDS
        port.source = number
        port.digits = places & _DIGITS
        grant.name = name
        # What was found out about the last one.
        if grant.uses is not NO_USES:
            grant.uses = NO_USES
        if grant.tally is not NO_TALLY:
            grant.tally = NO_TALLY
        if len(grant.label) > 0:
            grant.label = b""
        grant.braking = -1

    def entry(self) -> i64:
        """Where the answer that was found last was counted, as `note` was told; 0 for nowhere."""
        return self._rows[self._row + _ENTRY] & _ENTRY_BITS

    def uses(self) -> list[Use]:
        """What the answer that was found last has used of caps, by scope; none where it has not been asked."""
        place: i64 = self._rows[self._row + _ENTRY] >> _USES
        if place == 0:
            return NO_USES
        return self._uses[place - 1]

    def note(self, entry: i64, uses: list[Use]) -> None:
        """What became of the answer that was found or put last: where it was counted, and what it has used of caps."""
        rows = self._rows
        before: i64 = rows[self._row + _ENTRY]
        place: i64 = before >> _USES
        if place == 0 and len(uses) > 0:
            place = self._uses_place(uses)
        if place << _USES | entry != before:
            rows[self._row + _ENTRY] = place << _USES | entry

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
        if self._buckets == 0 or not _is_usual(port, grant) or grant.name != buf[name:name_end]:
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
        row = self._place()
        if row < 0:
            row = self._room()
        rows = self._rows
        used: i64 = rows[row + _ENTRY] >> _USES
        if used > 0 and rows[row + _K1] >> _ACCOUNT > self._stale:
            self._uses[used - 1] = NO_USES
            self._free.append(int(used))
        rows[row] = since << _SINCE | until << _UNTIL
        rows[row + _K0] = self._k0
        rows[row + _K1] = self._k1
        rows[row + _K2] = self._k2
        rows[row + _K3] = self._k3
        rows[row + _K4] = self._k4
        rows[row + _PLACES] = shape << _SHAPE | holder << _HOLDER | owners << _OWNERS | port.digits
        rows[row + _ENTRY] = 0
        self._row = row
        return True

    def _room(self) -> i64:
        """A place for the row of what was asked for last: one without a row or with a stale one, or of a row that was
        not used lately."""
        rows = self._rows
        bucket = self._bucket()
        way: i64 = self._hash & _FIRST_WAY
        for turn in range(i64(_WAYS)):
            row: i64 = bucket + (way ^ turn) * _COLUMNS
            if rows[row] == 0 or rows[row + _K1] >> _ACCOUNT <= self._stale:
                self.count += 1
                return row
        while True:
            self._hand = (self._hand + 1) & (_NEAREST - 1)
            row = bucket + (way ^ self._hand) * _COLUMNS
            if rows[row] & 1 == 0:
                return row
            rows[row] = rows[row] ^ 1

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


def _empty_rows(buckets: i64) -> vec[i64]:
    """All the memory there will be, written to: to grow would be to copy, and to wait for pages."""
    bucket = vec[i64]([0] * _BUCKET)
    rows = extend(vec[i64](capacity=_BASE + buckets * _BUCKET), vec[i64]([0] * _BASE))
    for _ in range(buckets):
        rows = extend(rows, bucket)
    return rows


def hours(since_epoch: float) -> i64:
    """Whole hours, as tags have them."""
    return min(max(int(since_epoch), 0), _HOURS)


def _is_usual(port: PortGrant, grant: Grant) -> bool:
    """Is an answer to be a row?"""
    if (port.hits & PORT_REFUSALS) | (grant.hits & SIGNATURE_REFUSALS) != 0 or len(port.source) == 0:
        return False
    return grant.templates is None and grant.detail is None and not grant.own_width
