"""What the path leaves behind for others: plain native integers and octets, read when somebody asks.

Nouns: a *Histogram* (bounds in seconds, cumulative only when read); *Counters*, the engine's own; *Tallies*, what was
sent under which grants since the last sweep; *Records*, violations on their way to the journal.

Compiled. Knows nothing of Prometheus, files or sockets.
"""

from typing import Final

from librt.strings import BytesWriter, write_f64_le, write_i16_le, write_i32_be, write_i32_le, write_i64_le
from librt.vecs import append, extend, vec
from mypy_extensions import i16, i32, i64, u8

from portguard.policy.grant import NO_TALLY, RULES, Account, Tally
from portguard.policy.labels import pack_named, pack_number
from portguard.policy.reasons import DISCARD, TAG
from portguard.policy.record import HEAD_OCTETS

_CATEGORIES: Final = 5
_ACTIONS: Final = 5
_COUNTS: Final = 6  # of an entry of `Tallies`, the first its content; what most messages are is beside it
_SUBMITTED: Final = 1
_DELIVERED: Final = 2
_REFUSED: Final = 3
_TAGGED: Final = 4
_FAILED: Final = 5
_TOLD: Final = (_SUBMITTED, _REFUSED, _TAGGED, _DELIVERED, _FAILED)  # as in `tally.TallyRow`


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


class Tallies:
    """What was sent since the last sweep, in recipients, by at most `most` tallies: beyond it use is `lost`, counted.
    With 0 nobody wants to know, and nothing is tallied.

    A tally that counts has an *entry*, another one in each sweep: a number, from 1 on. The counts of a sweep's entries
    are native numbers side by side, so that a message's is one place in memory; whose they are is looked up when they
    are told, or when something is heard of a message of an earlier sweep: `later` such messages are remembered.
    """

    def __init__(self, most: i64) -> None:
        self.most = most
        self.later: i64 = 0
        self.lost: i64 = 0
        # The first entry that was not told, the first of the present sweep, and the next.
        self.told: i64 = 1
        self.begin: i64 = 1
        self.end: i64 = 1
        # The first of the sweep that leaves.
        self._left: i64 = 1
        # Of the present sweep and the one that leaves: counts, and the first PDU of each entry.
        self._counts: vec[i64] = vec[i64]()
        self._leaving: vec[i64] = vec[i64]()
        self._samples: list[bytes] = []
        self._samples_leaving: list[bytes] = []
        # Whose the last entries are, up to so many as were set when the first one was made; then the oldest goes.
        self._names: list[Tally] = []
        self._room: i64 = 0

    def count(self, entry: i64, index: i64, action: i64, recipients: i64) -> bool:
        """A verdict on a message to so many; False where the entry is none of this sweep and this content."""
        place: i64 = (entry - self.begin) * _COUNTS
        counts = self._counts
        if place < 0 or counts[place] != index:
            return False
        counts[place + _SUBMITTED] = counts[place + _SUBMITTED] + recipients
        if action >= DISCARD:
            counts[place + _REFUSED] = counts[place + _REFUSED] + recipients
        elif action == TAG:
            counts[place + _TAGGED] = counts[place + _TAGGED] + recipients
        return True

    def settle(self, entry: i64, delivered: i64, failed: i64) -> None:
        """The SMSC took a message of that entry for so many recipients, or says that so many did not get it."""
        if entry < self.begin:
            entry = self._again(entry)
            if entry == 0:
                return
        place: i64 = (entry - self.begin) * _COUNTS
        counts = self._counts
        counts[place + _DELIVERED] = counts[place + _DELIVERED] + delivered
        if failed > 0:
            counts[place + _FAILED] = counts[place + _FAILED] + failed

    def _again(self, entry: i64) -> i64:
        """The entry of the present sweep of whoever had that one."""
        tally = self.of(entry)
        if tally is NO_TALLY:
            self.lost += 1
            return 0
        if tally.entry < self.begin:
            return self.enter(tally, b"")
        return tally.entry

    def enter(self, tally: Tally, sample: bytes) -> i64:
        """An entry of the present sweep for a tally that has none, and the PDU that made it; 0 if there is no room."""
        if tally is NO_TALLY or self.full():
            self.lost += 1
            return 0
        entry = self.end
        counts = self._counts
        place: i64 = (entry - self.begin) * _COUNTS
        if len(counts) == place:
            # By itself a vec doubles, beyond what there may ever be.
            size: i64 = min(max(2 * place, 16 * _COUNTS), self.most * _COUNTS)
            counts = extend(vec[i64](capacity=size), counts)
            while len(counts) < size:
                counts = append(counts, i64(0))
            self._counts = counts
        counts[place] = tally.index
        for column in range(_COUNTS - 1):
            counts[place + 1 + column] = 0
        self._samples.append(sample)
        if self._room == 0:
            self._room = self.most + max(self.most, self.later)
        names = self._names
        if len(names) < self._room:
            names.append(tally)
        else:
            names[(entry - 1) % len(names)] = tally
        tally.entry = entry
        self.end = entry + 1
        return entry

    def full(self) -> bool:
        """True when no other tally can be entered."""
        return self.end - self.begin >= self.most or 0 < self._room <= self.end - self.told

    def of(self, entry: i64) -> Tally:
        """Whose the entry is, if that is remembered; else NO_TALLY."""
        if entry <= 0 or entry < self.end - len(self._names):
            return NO_TALLY
        return self._names[(entry - 1) % len(self._names)]

    def sweep(self) -> None:
        """Begin a sweep: what was entered until now leaves by `take`. A sweep that is still under way goes on first."""
        if self.told == self.begin:
            self._left = self.begin
            self.begin = self.end
            self._counts, self._leaving = self._leaving, self._counts
            self._samples, self._samples_leaving = self._samples_leaving, self._samples
            self._samples.clear()

    def leaving(self) -> i64:
        """How many of the sweep under way are still to be told."""
        return self.begin - self.told

    def take(self, most: i64) -> bytes:
        """Up to `most` rows of the sweep, as `policy.tally.rows` reads them; b"" when none are left."""
        count: i64 = min(self.leaving(), most)
        if count <= 0:
            return b""
        b = BytesWriter()
        b.append(0xDD)
        write_i32_be(b, i32(count))
        counts = self._leaving
        while count > 0:
            count -= 1
            slot: i64 = self.told - self._left
            t = self._names[(self.told - 1) % len(self._names)]
            self.told += 1
            b.append(0x9F)
            b.write(t.head)
            pack_named(b, t.number, t.digits, t.holder, t.name, t.owner)
            b.append(u8(t.index >> 4))
            b.append(u8(t.index & 15))
            for column in _TOLD:
                pack_number(b, counts[slot * _COUNTS + column])
            sample = self._samples_leaving[slot]
            self._samples_leaving[slot] = b""
            b.append(0xC6)
            write_i32_be(b, i32(len(sample)))
            b.write(sample)
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
