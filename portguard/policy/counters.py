"""What the path leaves behind for others: plain native integers and octets, read when somebody asks.

Nouns: a *Histogram* (bounds in seconds, cumulative only when read); *Counters*, the engine's own; *Tallies*, which
grants have been used since the last sweep; *Records*, violations on their way to the journal; *Recent*, late traffic.

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
    write_i64_le,
)
from librt.vecs import vec
from mypy_extensions import i16, i32, i64, u8

from portguard.policy.grant import NO_TALLY, RULES, Account, Grant, PortGrant, Tally
from portguard.policy.labels import head_of, pack_named, pack_number, written
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
            pack_named(
                b, written(t.number[: t.digits]), written(t.number), t.holder,
                utf_16_be_decode(t.name, "surrogatepass", True)[0], t.owner,
            )  # fmt: skip
            b.append(u8(t.index >> 4))
            b.append(u8(t.index & 15))
            pack_number(b, t.submitted)
            pack_number(b, t.refused)
            pack_number(b, t.tagged)
            pack_number(b, t.delivered)
            pack_number(b, t.failed)
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


_NO_CHUNK: Final = ("", 0.0, b"")


class Recent:
    """What ESMEs have sent lately, as it came: (account, epoch seconds, octets), for judging it once more. At most
    `most` chunks of `octets` in all; the oldest are forgotten. A chunk may end in the beginning of a PDU, which comes
    whole at the head of the link's next. It is kept while `on`. Chunks are numbered from 1; the newest is `last`.

    Where that many octets come in less than `seconds`, chunks are left out here and there: what is kept goes back
    further then, and what is not is written over while the processor's cache still has it.
    """

    def __init__(self, most: i64, octets: i64, seconds: float = 0.0) -> None:
        self.on = most > 0
        self.octets = octets
        self.kept: i64 = 0
        self._a_second = float(octets) / seconds if seconds > 0.0 else 0.0
        self._room = float(octets)
        self._at = 0.0
        self._chunks: list[tuple[str, float, bytes]] = [_NO_CHUNK] * int(most)
        self._first: i64 = 0
        self._count: i64 = 0
        self.last: i64 = 0

    def add(self, system_id: str, at: float, data: bytes) -> None:
        """One more chunk; it is not copied."""
        if self._a_second > 0.0 and not self._has_room(at, len(data)):
            return
        size = len(self._chunks)
        while self._count > 0 and (self._count >= size or self.kept + len(data) > self.octets):
            self.kept -= len(self._chunks[self._first][2])
            self._chunks[self._first] = _NO_CHUNK
            self._first = (self._first + 1) % size
            self._count -= 1
        if size > 0 and len(data) <= self.octets:
            self._chunks[(self._first + self._count) % size] = (system_id, at, data)
            self._count += 1
            self.kept += len(data)
            self.last += 1

    def _has_room(self, at: float, octets: i64) -> bool:
        if at > self._at:
            self._room += (at - self._at) * self._a_second
            if self._room > float(self.octets):
                self._room = float(self.octets)
        self._at = at  # a clock that was set back fills nothing, and does not stop it from being filled
        if self._room <= 0.0:
            return False
        self._room -= float(octets)
        return True

    def oldest(self) -> i64:
        """The number of the oldest chunk that is kept; one more than `last` when there is none."""
        return self.last - self._count + 1

    def page(self, start: i64, last: i64, octets: i64) -> list[tuple[str, float, bytes]]:
        """Chunks from number `start` to `last`, as far as they are kept: as many as have `octets`, and one more."""
        found: list[tuple[str, float, bytes]] = []
        size: i64 = len(self._chunks)
        oldest = self.oldest()
        room = octets
        at = start if start > oldest else oldest
        while at <= last and at <= self.last and room > 0:
            chunk = self._chunks[(self._first + at - oldest) % size]
            found.append(chunk)
            room -= len(chunk[2])
            at += 1
        return found
