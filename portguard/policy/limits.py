"""What is counted across messages and survives a reload: daily caps, account rates, frequencies.

Nouns: a *Use* (`terms`) is what was counted against a scope's daily cap on one day; it knows what others have counted,
too: the other workers, and this one before it was started again. A *Frequency* counts what subscribers got in natural
*windows* of one length; other workers are told of each message.

Compiled. Knows no process: whoever keeps a `Limits` tells others what has changed.
"""

from typing import Final

from librt.strings import BytesWriter
from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr, u8

from portguard.policy.terms import Bucket, Use

# Windows of subscribers in each of two generations: some 90 MB at the most for each length, and only where 308 is on.
_WINDOWS_KEPT: Final = 3_000_000
# Messages that others have not been told of; what is beyond it they do not count.
_MOST_UNTOLD: Final = 100_000
# What keeps windows apart, in a product that has room in 63 bits.
_SPREAD: Final = 0x1E3779B1

_CELLS: Final = 4096
_FULL: Final = 3072
_PART_BITS: Final = 12  # of a tag, which say the cell; those above say the part
_COUNT_BITS: Final = 16
_MOST_COUNTED: Final = 0xFFFF
_TAG: Final = 0x7FFFFFFFFFFF

# Messages to a subscriber in a minute, an hour and a day; 0 is no limit.
FrequencyLimits = tuple[int, int, int]
NO_LIMITS: Final[FrequencyLimits] = (0, 0, 0)
# A message to a subscriber: key, local minute since the epoch, what is limited, and 1, or -1 if it is one less.
Reached = tuple[bytes, int, FrequencyLimits, int]


def frequency_key(subscriber: str, category: i64, name: bytes) -> bytes:
    """The key of a subscriber (digits), a kind of content and a signature (UTF-16BE)."""
    key = BytesWriter()
    key.write(subscriber.encode())
    key.append(u8(category))
    key.write(name)
    return key.getvalue()


def counted(count: i64) -> i64:
    """As far as a count goes."""
    if count < 0:
        return 0
    if count > _MOST_COUNTED:
        return _MOST_COUNTED
    return count


@mypyc_attr(acyclic=True)
class Part:
    """A table of _CELLS tags with their counts, 0 where there is none; its tags agree in `depth` bits."""

    def __init__(self, depth: i64) -> None:
        self.depth = depth
        self.count: i64 = 0
        self.cells: vec[i64] = vec[i64]([0] * _CELLS)

    def place(self, tag: i64) -> i64:
        """Where the tag is, or would be put."""
        cells = self.cells
        place: i64 = tag & (_CELLS - 1)
        while True:
            cell: i64 = cells[place]
            if cell == 0 or cell >> _COUNT_BITS == tag:
                return place
            place = (place + 1) & (_CELLS - 1)


class Windows:
    """Counts by tags of 47 bits, eight octets each. A part that is full is divided in two (extendible hashing): as many
    as there may be, no message waits for more than one part to be gone through."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self._depth: i64 = 0
        self._parts: list[Part] = [Part(0)]

    def __len__(self) -> int:
        return int(self.count)

    def get(self, tag: i64) -> i64:
        """The count of a tag, -1 when it is not known."""
        part = self._part(tag)
        cell: i64 = part.cells[part.place(tag)]
        if cell == 0:
            return -1
        return cell & _MOST_COUNTED

    def put(self, tag: i64, count: i64) -> None:
        """The count of a tag is that from now on."""
        part = self._part(tag)
        place = part.place(tag)
        if part.cells[place] == 0:
            while part.count >= _FULL:
                self._divide(tag)
                part = self._part(tag)
            place = part.place(tag)
            part.count += 1
            self.count += 1
        part.cells[place] = tag << _COUNT_BITS | count

    def change(self, tag: i64, more: i64) -> bool:
        """So many more of a tag, if it is known."""
        part = self._part(tag)
        place = part.place(tag)
        cell: i64 = part.cells[place]
        if cell == 0:
            return False
        part.cells[place] = tag << _COUNT_BITS | counted((cell & _MOST_COUNTED) + more)
        return True

    def _part(self, tag: i64) -> Part:
        return self._parts[tag >> _PART_BITS & (len(self._parts) - 1)]

    def _divide(self, tag: i64) -> None:
        old = self._part(tag)
        if old.depth == self._depth:
            self._parts = self._parts + self._parts
            self._depth += 1
        depth = old.depth
        halves = [Part(depth + 1), Part(depth + 1)]
        at: i64 = 0
        while at < _CELLS:
            cell: i64 = old.cells[at]
            if cell != 0:
                half = halves[cell >> (_COUNT_BITS + _PART_BITS + depth) & 1]
                half.cells[half.place(cell >> _COUNT_BITS)] = cell
                half.count += 1
            at += 1
        # Every place that leads to the old one agrees with the tag in its bits; the next bit says which half it is for.
        step: i64 = 1 << depth
        at = tag >> _PART_BITS & (step - 1)
        while at < len(self._parts):
            self._parts[at] = halves[at >> depth & 1]
            at += step


class Frequency:
    """What came in natural windows of so many minutes, by the `hash` of a key; `most` to twice as many are known.
    `minute` is the local minute since the epoch; those of scheduled messages are ahead, and make no room in the present
    ones."""

    def __init__(self, minutes: i64, most: i64) -> None:
        self.minutes = minutes
        self.most = most
        # By 47 bits of a hash of key and window that nobody outside knows: with all places taken, one new subscriber in
        # 20 million has a namesake.
        self.recent = Windows()
        self.before = Windows()

    def of(self, digest: i64, minute: i64) -> i64:
        """How many came."""
        tag = self._tag(digest, minute)
        found: i64 = self.recent.get(tag)
        if found < 0:
            found = self.before.get(tag)
        if found < 0:
            return 0
        return found

    def add(self, digest: i64, minute: i64, more: i64) -> None:
        """So many more. At the bound the older half is forgotten, which lets a few through rather than grow."""
        tag = self._tag(digest, minute)
        if self.recent.change(tag, more):
            return
        count: i64 = self.before.get(tag)
        if count < 0:
            count = 0
        if self.recent.count >= self.most:
            self.before = self.recent
            self.recent = Windows()
        self.recent.put(tag, counted(count + more))

    def _tag(self, digest: i64, minute: i64) -> i64:
        window: i64 = minute // self.minutes
        tag: i64 = (digest ^ window * _SPREAD) & _TAG
        if tag == 0:
            return 1
        return tag


class Limits:
    """Daily use by scope key, and a bucket by account; both are bounded by what is on file. A `day` is the local day's
    number: days since the epoch in the node's zone."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        # Uses that others have not been told of as they are now, and those of them that are being told.
        self.changed: list[Use] = []
        self._leaving: list[Use] = []
        self.days: dict[int, dict[bytes, Use]] = {}
        # Of minutes, hours and days.
        self.frequencies = [Frequency(length, _WINDOWS_KEPT) for length in (1, 60, 1440)]
        # Are there others who count? Then what they have not been told of, and what of it is being told.
        self.shared = False
        self.untold: list[Reached] = []
        self._leaving_reached: list[Reached] = []

    def bucket(self, system_id: str, on_file: bool = True) -> Bucket:
        """The account's bucket, the same one under every revision. Whoever is not on file leaves nothing behind."""
        found = self.buckets.get(system_id)
        if found is None:
            found = Bucket()
            if on_file:
                self.buckets[system_id] = found
        return found

    def use(self, key: bytes, day: i64) -> Use:
        """What is counted against the scope on that day, the same under every revision."""
        of_day = self.days.get(day)
        if of_day is None:
            of_day = self.days[day] = {}
        found = of_day.get(key)
        if found is None:
            found = of_day[key] = Use(key, day)
        return found

    def count(self, use: Use) -> None:
        """One message more."""
        use.messages += 1
        if not use.changed:
            use.changed = True
            self.changed.append(use)

    def give_back(self, use: Use) -> None:
        """One message less."""
        if use.messages > 0:
            use.messages -= 1
            if not use.changed:
                use.changed = True
                self.changed.append(use)

    def undo(self, uses: list[Use], counted: list[Reached]) -> None:
        """The message was not delivered: nothing is used up by it."""
        for use in uses:
            self.give_back(use)
        for key, minute, limits, more in counted:
            self.reach((key, minute, limits, -more))

    def sweep(self) -> None:
        """What has changed until now is to be told: `take_changed` and `take_reached` have it, and come to an end
        whatever changes meanwhile."""
        self._leaving += self.changed
        self.changed = []
        self._leaving_reached += self.untold
        self.untold = []

    def take_changed(self, most: i64) -> list[tuple[bytes, int, int]]:
        """Up to `most` uses of the last sweep: (key, day, messages counted here)."""
        rows: list[tuple[bytes, int, int]] = []
        while len(self._leaving) > 0 and len(rows) < most:
            use = self._leaving.pop()
            use.changed = False
            rows.append((use.key, int(use.day), int(use.messages)))
        return rows

    def hear(self, rows: list[tuple[bytes, int, int]]) -> None:
        """What is counted elsewhere: (key, day, messages)."""
        for key, day, messages in rows:
            self.use(key, day).others = messages

    def forget(self, today: i64) -> None:
        """Drop days before yesterday; days to come stay (scheduled messages)."""
        for day in list(self.days):
            if day < today - 1:
                del self.days[day]

    def frequent(self, key: bytes, minute: i64, limits: FrequencyLimits, reached: list[tuple[bytes, str, str]]) -> bool:
        """Would one more be beyond the limits, if it goes to those who are `reached` by the same message, too?"""
        more: i64 = 0
        for other, _, _ in reached:
            if other == key:
                more += 1
        digest: i64 = hash(key)
        for place, limit in enumerate(limits):
            if limit > 0 and self.frequencies[place].of(digest, minute) + more >= limit:
                return True
        return False

    def reach(self, row: Reached) -> None:
        """Count it, in the windows that are limited."""
        self._reach(row)
        if self.shared and len(self.untold) + len(self._leaving_reached) < _MOST_UNTOLD:
            self.untold.append(row)

    def _reach(self, row: Reached) -> None:
        key, minute, limits, more = row
        digest: i64 = hash(key)
        for place, limit in enumerate(limits):
            if limit > 0:
                self.frequencies[place].add(digest, minute, more)

    def take_reached(self, most: i64) -> list[Reached]:
        """Up to `most` messages of the last sweep."""
        rows = self._leaving_reached[-most:]
        del self._leaving_reached[-most:]
        return rows

    def hear_reached(self, rows: list[Reached]) -> None:
        """What went through others."""
        for row in rows:
            self._reach(row)
