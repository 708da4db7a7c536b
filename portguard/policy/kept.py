"""What is kept of the registry's answers, and what is let go for a new one.

Noun: a *slot* says where an answer is kept: a PortGrant under its number with the account, a Grant under its signature
with the PortGrant; the first signature of a number has no slot, and goes when the number goes. A hand goes round the
slots; where one was used since the hand last came by it goes on, the next one that was not is given up (CLOCK: nearly
as good as giving up what was used longest ago, and the hits pay no more than a flag). So room is made one answer at a
time, and never all at once. Where there is none left, an answer is kept when it is asked for again soon: most numbers
that come seldom would push out another one, and be gone before they come again.

Regions of subscribers are kept, too: `Regions`, one for each slot.

Compiled; used by `lookup`.
"""

from typing import Final

from librt.strings import read_i64_be
from librt.vecs import vec
from mypy_extensions import i32, i64

from portguard.policy.grant import NO_GRANT, NO_PORT, Account, Grant, PortGrant

_REGIONS: Final = 1 << 15
_NATIONAL: Final = 2  # of dest_addr_ton (SMPP 3.4 §5.2.5)
# Eight octets at once: half of each, what an ASCII digit has in the other half, and what lifts ten digits' successors.
_NIBBLES: Final = 0x0F0F0F0F0F0F0F0F
_THREES: Final = 0x0303030303030303
_SIXES: Final = 0x0606060606060606
_SEVEN_OCTETS: Final = 0xFFFFFFFFFFFFFF
_KEY_OCTETS: Final = 0x3F


class Kept:
    """At most `most` answers; either those that permit, or `refusals`, which are kept apart so that a sender of junk
    cannot push out what is permitted."""

    def __init__(self, most: i64, refusals: bool) -> None:
        self.most = most
        self.refusals = refusals
        self.hand: i64 = 0
        # The slots, in columns; `_grants` has NO_GRANT in the slot of a number.
        self._accounts: list[Account] = []
        self._ports: list[PortGrant] = []
        self._grants: list[Grant] = []
        self._keys: list[bytes] = []
        # Digests of what was asked for last and is not kept, a third to two thirds of `most`.
        doors: i64 = 16
        while 3 * doors < most:
            doors *= 2
        self._doors: vec[i32] = vec[i32]([-1] * int(doors))

    def __len__(self) -> int:
        return len(self._keys)

    def put_port(self, a: Account, port: PortGrant, key: bytes) -> None:
        """Keep what was found for a number, if it is to be kept."""
        if not self.admits(hash(key)):
            return
        port.kept = True
        if self.refusals:
            a.refused[key] = port
        else:
            a.ports[key] = port
        self.take(a, port, NO_GRANT, key)

    def put_grant(self, a: Account, port: PortGrant, grant: Grant, key: bytes) -> None:
        """Keep what was found for a signature on a number, if it is to be kept. The first of a number goes with it."""
        if (self.refusals or port.first is not NO_GRANT) and not (port.kept and self.admits(hash((port.source, key)))):
            return
        if self.refusals:
            if len(port.refused) == 0:
                port.refused = {}
            port.refused[key] = grant
        elif not port.put(key, grant):
            return
        self.take(a, port, grant, key)

    def admits(self, digest: i64) -> bool:
        """Is there room for what has this digest, or was it asked for before, and not long ago?"""
        if len(self._keys) < self.most:
            return True
        low: i64 = digest & 0x7FFFFFFF
        door: i64 = (low >> 7) & (len(self._doors) - 1)
        if i64(self._doors[door]) == low:
            return True
        self._doors[door] = i32(low)
        return False

    def take(self, a: Account, port: PortGrant, grant: Grant, key: bytes) -> None:
        """Fill a slot, that of another answer where there are as many as may be."""
        size: i64 = len(self._keys)
        if size < self.most:
            self._accounts.append(a)
            self._ports.append(port)
            self._grants.append(grant)
            self._keys.append(key)
            return
        hand = self.hand
        # Once round at most: by then every flag is down.
        while self.used(hand):
            hand = hand + 1 if hand + 1 < size else 0
        self.give_up(hand)
        self._accounts[hand] = a
        self._ports[hand] = port
        self._grants[hand] = grant
        self._keys[hand] = key
        self.hand = hand + 1 if hand + 1 < size else 0

    def used(self, slot: i64) -> bool:
        """Was it used since it was last asked about?"""
        grant = self._grants[slot]
        if grant is not NO_GRANT:
            was = grant.used
            grant.used = False
            return was
        port = self._ports[slot]
        was = port.used
        port.used = False
        return was

    def give_up(self, slot: i64) -> None:
        """Forget an answer, unless another has taken its place."""
        key = self._keys[slot]
        port = self._ports[slot]
        grant = self._grants[slot]
        if grant is not NO_GRANT:
            if not self.refusals:
                port.drop(key, grant)
            elif port.refused.get(key, NO_GRANT) is grant:
                del port.refused[key]
        else:
            account = self._accounts[slot]
            ports = account.refused if self.refusals else account.ports
            if ports.get(key, NO_PORT) is port:
                del ports[key]
            port.kept = False

    def retract(self, port: PortGrant) -> None:
        """What was kept of a number just now is a row: give it up again, if it is what came last."""
        while len(self._keys) > 0 and self._ports[-1] is port:
            self._drop_last()

    def shed(self, count: i64) -> bool:
        """Give up so many, the last ones first; False when none are left. For what no message asks for any more."""
        while count > 0 and len(self._keys) > 0:
            self._drop_last()
            count -= 1
        return len(self._keys) > 0

    def _drop_last(self) -> None:
        self.give_up(len(self._keys) - 1)
        self._accounts.pop()
        self._ports.pop()
        self._grants.pop()
        self._keys.pop()


class Regions:
    """Regions of numbers by what decides about them, a `key` of at most 60 bits; whoever comes last has the slot."""

    def __init__(self) -> None:
        self._keys: vec[i64] = vec[i64]([-1] * _REGIONS)
        self._names: list[str] = [""] * _REGIONS
        self._slot: i64 = 0

    def has(self, key: i64) -> bool:
        """Is it known? Then `found` has it; else it may be `put`."""
        self._slot = ((key ^ key >> 24) & 0xFFFFFFFFFF) * 0x1E3779 >> 20 & (_REGIONS - 1)
        return self._keys[self._slot] == key

    def found(self) -> str:
        """The region of the key that was asked about last."""
        return self._names[self._slot]

    def put(self, key: i64, region: str) -> None:
        """Keep the region of the key that was asked about last."""
        self._keys[self._slot] = key
        self._names[self._slot] = region


def digits_of(buf: bytes, start: i64, end: i64) -> i64:
    """The eight to fifteen ASCII digits buf[start:end] as one number, four bits each; -1 for anything else."""
    size: i64 = end - start
    if size < 8 or size > 15:
        return -1
    first = read_i64_be(buf, start)
    last = read_i64_be(buf, end - 8)
    if not (all_digits(first) and all_digits(last)):
        return -1
    spare: i64 = 4 * (size - 8)  # 28 at most: compiled, 1 << spare is a C int
    return bcd(first) << spare | bcd(last) & ((1 << spare) - 1)


def usual_mobile(address: bytes, ton: i64, country: str) -> str:
    """`registry.subscriber` of a Chinese mobile number as most of them are written, "" of anything else."""
    size: i64 = len(address)
    if (size == 11 or size == 13) and country == "86" and digits_of(address, 0, size) >= 0:
        if size == 11 and address[0] == 0x31 and address[1] > 0x32:
            return "86" + address.decode()
        mobile = ton != _NATIONAL or (address[size - 11] == 0x31 and address[size - 10] > 0x32)
        if mobile and size == 13 and address[0] == 0x38 and address[1] == 0x36:
            return address.decode()
    return ""


def all_digits(octets: i64) -> bool:
    """Are these eight octets ASCII digits?"""
    return (octets >> 4) & _NIBBLES == _THREES and ((octets + _SIXES) >> 4) & _NIBBLES == _THREES


def bcd(digits: i64) -> i64:
    """Eight ASCII digits in 32 bits, as binary-coded decimals."""
    pairs: i64 = digits & _NIBBLES
    pairs = (pairs | pairs >> 4) & 0x00FF00FF00FF00FF
    pairs = (pairs | pairs >> 8) & 0x0000FFFF0000FFFF
    return (pairs | pairs >> 16) & 0xFFFFFFFF


def stirred(found: i64, octets: i64) -> i64:
    """41 bits of `found` and `octets`."""
    found = ((found ^ octets >> 28) * 0x1E3779 >> 3 ^ found << 7) & 0x1FFFFFFFFFF
    return ((found ^ octets & 0xFFFFFFF) * 0x1E3779 >> 3 ^ found << 7) & 0x1FFFFFFFFFF


def hashed(seed: i64, k0: i64, k1: i64, k2: i64, k3: i64, k4: i64) -> i64:
    """41 bits of the key of a row of `answers`, whose signature has so many octets as the last bits of `k1` say."""
    h = stirred(stirred(stirred(seed, k0), k1), k2)
    if k1 & _KEY_OCTETS > 8:
        h = stirred(h, k3)
    if k1 & _KEY_OCTETS > 16:
        h = stirred(h, k4)
    return h ^ h >> 19


def units(buf: bytes, start: i64, size: i64) -> i64:
    """The first four of UTF-16 units as one number, of fewer only those; 0 for none. `size` is in octets; where it is
    less than eight, octets before `start` are read, too."""
    if size >= 8:
        return read_i64_be(buf, start)
    if size <= 0:
        return 0
    # Not 1 << n: compiled, that is a C int, and the mask of four octets would be none.
    return read_i64_be(buf, start + size - 8) & (_SEVEN_OCTETS >> 8 * (7 - size))
