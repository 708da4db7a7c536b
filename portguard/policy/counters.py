"""What the path leaves behind for others: plain native integers and octets, read when somebody asks.

Nouns: a *Histogram* (bounds in seconds, cumulative only when read); *Counters*, the engine's own; *Tallies*, which
grants have been used since the last sweep; *Records*, violations on their way to the journal.

Compiled. Knows nothing of Prometheus, files or sockets.
"""

from codecs import utf_16_be_decode
from typing import Final

from librt.strings import (
    BytesWriter,
    write_f64_le,
    write_i16_le,
    write_i32_be,
    write_i32_le,
    write_i64_be,
    write_i64_le,
)
from librt.vecs import vec
from mypy_extensions import i16, i32, i64, u8

from portguard.policy.grant import NO_TALLY, RULES, Account, Grant, PortGrant, Tally
from portguard.policy.record import HEAD_OCTETS

_CATEGORIES: Final = 5
_ACTIONS: Final = 5
# A link to a tally: bits of its place among those that were touched, and above them of how many sweeps there had been.
_SLOT_BITS: Final = 17
_SLOT: Final = 0x1FFFF
_SWEEPS: Final = 0xFFFFFF


class Histogram:
    """Observations by upper bound. `counts` has one more place than `bounds`, for what is above the last."""

    def __init__(self, bounds: list[float]) -> None:
        self.bounds = bounds
        self.counts: vec[i64] = vec[i64]([0] * (len(bounds) + 1))
        self.total = 0.0

    def observe(self, value: float, times: i64) -> None:
        """`times` observations of `value` seconds each."""
        place: i64 = 0
        for bound in self.bounds:
            if value <= bound:
                break
            place += 1
        self.counts[place] = self.counts[place] + times
        self.total += value * float(times)

    def read(self) -> tuple[list[float], list[int], float]:
        """(bounds, counts by bound and above, sum of seconds)."""
        return list(self.bounds), [int(count) for count in self.counts], self.total


class Counters:
    """What the engine counts: verdicts by action, rule and category, its own time, and its errors."""

    def __init__(self) -> None:
        self.verdicts: vec[i64] = vec[i64]([0] * (_ACTIONS * (RULES + 1) * _CATEGORIES))
        self.decision = Histogram([1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2])
        self.errors: i64 = 0
        # Messages that were throttled because no record of their refusal could be kept.
        self.unrecorded: i64 = 0
        self.port_misses: i64 = 0
        self.grant_misses: i64 = 0

    def count(self, action: i64, rule: i64, category: i64) -> None:
        """One verdict; `rule` is an ordinal, -1 for none."""
        place: i64 = (action * (RULES + 1) + rule + 1) * _CATEGORIES + category
        self.verdicts[place] = self.verdicts[place] + 1

    def read(self) -> list[tuple[int, int, int, int]]:
        """(action, rule ordinal or -1, category, count) of every verdict that has occurred."""
        rows: list[tuple[int, int, int, int]] = []
        for place, count in enumerate(self.verdicts):
            if count:
                rest, category = divmod(place, _CATEGORIES)
                action, rule = divmod(rest, RULES + 1)
                rows.append((action, rule - 1, category, int(count)))
        return rows


def label(
    account: str, enterprise: str, port: str, number: str, holder: str, signature: str, owner: str, charset: int = 0
) -> bytes:
    """The octets of a `record.Label`. Text from the wire may hold half a surrogate pair, and is cut to 256 characters.

    By hand (msgpack: fixarray, str, uint), since a sender may need a new one with every message.
    """
    return _labelled(
        label_head(account, enterprise), port.encode(), number.encode(), holder, signature, owner, charset
    )


def label_head(account: str, enterprise: str) -> bytes:
    """The octets that all labels of an account begin with."""
    b = BytesWriter()
    b.append(0x98)
    _pack_text(b, account)
    _pack_text(b, enterprise)
    return b.getvalue()


def _labelled(
    head: bytes, port: bytes, number: bytes, holder: str, signature: str, owner: str, charset: i64
) -> bytes:
    b = BytesWriter()
    b.write(head)
    _pack_named(b, port, number, holder, signature, owner)
    b.append(u8(charset))
    return b.getvalue()


def _pack_named(b: BytesWriter, port: bytes, number: bytes, holder: str, signature: str, owner: str) -> None:
    _pack(b, port)
    _pack(b, number)
    _pack_text(b, holder)
    _pack(b, signature[:256].encode("utf-8", "replace"))
    _pack_text(b, owner)


def _written(octets: bytes) -> bytes:
    """The octets of an address as text."""
    return octets if octets.isascii() else octets.decode("latin-1").encode()


def _pack_text(b: BytesWriter, text: str) -> None:
    """A name from the registry or of latin-1 octets, which always has a form in UTF-8."""
    _pack(b, text[:256].encode())


def _pack(b: BytesWriter, octets: bytes) -> None:
    size: i64 = len(octets)
    if size < 32:
        b.append(u8(0xA0 | size))
    else:
        b.append(0xDA)
        b.append(u8(size >> 8))
        b.append(u8(size & 0xFF))
    b.write(octets)


def _pack_number(b: BytesWriter, number: i64) -> None:
    if 0 <= number < 128:
        b.append(u8(number))
    else:
        b.append(0xD3)
        write_i64_be(b, number)


def label_of(a: Account, port: PortGrant, grant: Grant) -> bytes:
    """The label of an account's grant on a number, made once."""
    if len(grant.label) == 0:
        grant.label = _labelled(
            head_of(a), _written(port.source[: port.digits]), _written(port.source), port.holder, grant.signature,
            grant.owner(), a.charset,
        )  # fmt: skip
    return grant.label


def head_of(a: Account) -> bytes:
    """What an account's labels begin with, made once."""
    if len(a.label_head) == 0:
        a.label_head = label_head(a.system_id, a.enterprise)
    return a.label_head


def with_number(found: bytes, a: Account, number: str) -> bytes:
    """A label of no port and no number, with this number."""
    # Behind the head is the octet of no port, and then that of no number.
    start: i64 = len(head_of(a)) + 1
    b = BytesWriter()
    b.write(found[:start])
    _pack_text(b, number)
    b.write(found[start + 1 :])
    return b.getvalue()


def tally_of(a: Account, port: PortGrant, grant: Grant, index: i64) -> Tally:
    """The grant's tally for this kind of content."""
    first = tally = grant.tally
    while tally is not NO_TALLY:
        if tally.index == index:
            return tally
        tally = tally.others
    if first is NO_TALLY:
        made = grant.tally = Tally(index, NO_TALLY)
    else:
        made = Tally(index, first.others)
        first.others = made
    made.head = head_of(a)
    made.charset = a.charset
    made.number = port.source
    made.digits = port.digits
    made.holder = port.holder
    made.name = grant.name
    made.owner = grant.owner()
    return made


class Tallies:
    """The tallies that were touched since the last sweep, at most `most` of them: beyond it use is `lost`, counted.
    With 0 nobody wants to know, and nothing is tallied."""

    def __init__(self, most: i64) -> None:
        self.most = most
        self.lost: i64 = 0
        self.sweeps: i64 = 1
        self.touched: list[Tally] = []
        self.leaving: list[Tally] = []

    def touch(self, tally: Tally, sample: bytes) -> None:
        """The tally counts again; `sample` is the PDU that made it."""
        if tally is NO_TALLY or len(self.touched) >= self.most:
            self.lost += 1
            return
        tally.touched = True
        tally.sample = sample
        self.touched.append(tally)

    def full(self) -> bool:
        """True when no other tally can be touched."""
        return len(self.touched) >= self.most

    def link(self) -> i64:
        """A link to the tally that was touched last, good until the next sweep; 0 is none."""
        slot: i64 = len(self.touched) - 1
        if slot > _SLOT:
            return 0
        return (self.sweeps & _SWEEPS) << _SLOT_BITS | slot

    def linked(self, link: i64) -> Tally:
        """The tally of a link, NO_TALLY where it has been swept."""
        slot: i64 = link & _SLOT
        if link >> _SLOT_BITS != self.sweeps & _SWEEPS or slot >= len(self.touched):
            return NO_TALLY
        return self.touched[slot]

    def sweep(self) -> None:
        """Begin a sweep: what is touched until now leaves by `take`. A sweep that is still under way goes on first."""
        if len(self.leaving) == 0:
            self.leaving = self.touched
            self.touched = []
            self.sweeps += 1

    def take(self, most: i64) -> bytes:
        """Up to `most` rows of the sweep, as `policy.tally.rows` reads them; b"" when none are left. They count from
        zero again."""
        count: i64 = len(self.leaving)
        if count == 0 or most <= 0:
            return b""
        if count > most:
            count = most
        b = BytesWriter()
        b.append(0xDD)
        write_i32_be(b, i32(count))
        while count > 0:
            t = self.leaving.pop()
            count -= 1
            b.append(0x9F)
            b.write(t.head[1:])
            _pack_named(
                b, _written(t.number[: t.digits]), _written(t.number), t.holder,
                utf_16_be_decode(t.name, "surrogatepass", True)[0], t.owner,
            )  # fmt: skip
            b.append(u8(t.index >> 4))
            b.append(u8(t.index & 15))
            _pack_number(b, t.submitted)
            _pack_number(b, t.refused)
            _pack_number(b, t.tagged)
            _pack_number(b, t.delivered)
            _pack_number(b, t.failed)
            b.append(0xC6)
            write_i32_be(b, i32(len(t.sample)))
            b.write(t.sample)
            t.submitted = 0
            t.refused = 0
            t.tagged = 0
            t.delivered = 0
            t.failed = 0
            t.sample = b""
            t.touched = False
        return b.getvalue()


class Records:
    """Violation records, packed as `policy.record` says, until the journal takes them.

    `high_water` octets may wait, here and at the journal's door (`waiting`, kept up to date by whoever takes them); 0
    keeps no records at all. `per_second` bounds those of one account; what is beyond it is counted by rule in
    `left_out`, which whoever takes the records takes, too.
    """

    def __init__(self, high_water: i64, per_second: i64) -> None:
        self.on = high_water > 0
        self.high_water = high_water
        self.per_second = per_second
        self.waiting: i64 = 0
        self.packed: i64 = 0
        self.left_out: dict[str, dict[int, int]] = {}
        self._buffer = BytesWriter()

    def full(self) -> bool:
        """True when no more may wait."""
        return len(self._buffer) + self.waiting >= self.high_water

    def room(self, a: Account, code: i64, at: float) -> bool:
        """May one more of the account be packed at epoch second `at`? If not, it is counted by its rule."""
        if not self.full() and a.recorded.take(self.per_second, at):
            return True
        of_account = self.left_out.setdefault(a.system_id, {})
        of_account[int(code)] = of_account.get(int(code), 0) + 1
        return False

    def pack(
        self, at: float, hits: i64, revision: bytes, status: i64, action: i64, rule: i64, content: i64, command: i64,
        label: bytes, pdu: bytes, text: bytes,
    ) -> None:
        """Append one record."""
        b = self._buffer
        size: i64 = HEAD_OCTETS + len(label) + len(pdu) + len(text)
        write_i32_le(b, i32(size))
        write_f64_le(b, at)
        write_i64_le(b, hits)
        b.write(revision)
        # Unsigned numbers in the octets of signed ones.
        write_i32_le(b, i32(status - 0x100000000 if status > 0x7FFFFFFF else status))
        b.append(u8(action))
        b.append(u8(rule & 0xFF))
        b.append(u8(content))
        b.append(u8(command & 0xFF))
        write_i16_le(b, i16(len(label)))
        write_i32_le(b, i32(len(pdu)))
        write_i32_le(b, i32(len(text)))
        b.write(label)
        b.write(pdu)
        b.write(text)
        self.packed += 1

    def take(self) -> bytes:
        """All records packed since the last call, end to end."""
        if len(self._buffer) == 0:
            return b""
        taken = self._buffer.getvalue()
        self._buffer.truncate(0)
        return taken

    def take_left_out(self) -> list[tuple[str, int, int]]:
        """(account, rule code, count) of what was left out since the last call."""
        rows = [(account, code, n) for account, codes in self.left_out.items() for code, n in codes.items()]
        self.left_out = {}
        return rows
