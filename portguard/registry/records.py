"""The rows of the tables that messages are judged by, as an image holds them: what they are, and their octets.

Nouns: a *record* is a row whose times are epoch seconds and whose categories are their numbers; an *entry* is all
records under one key, and what a reader would otherwise have to look up elsewhere. What the key says is not said again
in the octets. Numbers, lengths and counts are LEB128, texts UTF-8 behind their length, times eight octets,
little-endian.

Compiled: a message whose signature was not met before waits for this.
"""

from typing import Final

from librt.strings import BytesWriter, read_i64_le
from mypy_extensions import i64, u8

NO_LIMIT: Final = 4611686018427387904
ACTIVE: Final = "active"
STATUSES: Final[list[str]] = [ACTIVE, "suspended", "revoked"]

# The first octet of a record: its status, which times follow, and four flags of its own.
_FROM: Final = 4
_UNTIL: Final = 8
_FIRST: Final = 16
_SECOND: Final = 32
_THIRD: Final = 64
_FOURTH: Final = 128
# Of an entry.
_LEASED: Final = 1
_KEEPS: Final = 2
_TEMPLATED: Final = 1
_APART: Final = 2

_ANY_EXTENSION: Final = 255


class Cursor:
    """Reads octets from a place onward. They are an image's own, so that their form is not in doubt; what is read past
    their end is an IndexError."""

    def __init__(self, raw: bytes, at: i64) -> None:
        self.raw = raw
        self.at = at

    def octet(self) -> i64:
        value: i64 = self.raw[self.at]
        self.at += 1
        return value

    def number(self) -> i64:
        raw, at = self.raw, self.at
        octet: i64 = raw[at]
        value = octet & 127
        shift: i64 = 7
        while octet > 127:
            at += 1
            octet = raw[at]
            value |= (octet & 127) << shift
            shift += 7
        self.at = at + 1
        return value

    def octets(self) -> bytes:
        length = self.number()
        start = self.at
        self.at = start + length
        return self.raw[start : start + length] if length > 0 else b""

    def skip(self) -> None:
        """Over octets or a text."""
        length = self.number()
        self.at += length

    def text(self) -> str:
        length = self.number()
        start = self.at
        self.at = start + length
        return self.raw[start : start + length].decode() if length > 0 else ""

    def time(self) -> i64:
        value: i64 = read_i64_le(self.raw, self.at)
        self.at += 8
        return value


class Dated:
    """In force from `valid_from` until before `valid_until` (epoch seconds), while `status` is active."""

    def __init__(self, valid_from: i64, valid_until: i64, status: str) -> None:
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.status = status

    def dates(self, flags: i64, cursor: Cursor) -> None:
        """Take over what the flags of a record announce."""
        if flags & 3 != 0:
            self.status = STATUSES[flags & 3]
        if flags & _FROM != 0:
            self.valid_from = cursor.time()
        if flags & _UNTIL != 0:
            self.valid_until = cursor.time()


class PortRecord(Dated):
    """`categories` as `sms.category.packed` has them, `regions` are names with | between them; `extension_digits` -1:
    up to 20 digits in all. `holder_active` follows from the enterprises."""

    def __init__(self, port: str, holder: str) -> None:
        super().__init__(0, NO_LIMIT, ACTIVE)
        self.port = port
        self.holder = holder
        self.holder_active = True
        self.categories = b""
        self.regions = ""
        self.extension_digits: i64 = -1
        self.signature_required = False
        self.signature_per_extension = False


class SubleaseRecord(Dated):
    """Covers every number that begins with `port`."""

    def __init__(self, port: str, lessor: str, lessee: str) -> None:
        super().__init__(0, NO_LIMIT, ACTIVE)
        self.port = port
        self.lessor = lessor
        self.lessee = lessee
        self.exclusive = False
        self.categories = b""
        self.filing = ""


class SignatureRecord(Dated):
    """One registration of a signature; `enterprise_active` follows from the enterprises."""

    def __init__(self, signature: str, enterprise: str) -> None:
        super().__init__(0, NO_LIMIT, ACTIVE)
        self.signature = signature
        self.enterprise = enterprise
        self.enterprise_active = True


class ScopeRecord(Dated):
    """`hours` are [start, end) in minutes of the local day; `daily_cap` 0 is no cap; a blank `port` is every number;
    `owner` is the place of its enterprise among the registrations of the signature."""

    def __init__(self, signature: str, enterprise: str, port: str) -> None:
        super().__init__(0, NO_LIMIT, ACTIVE)
        self.owner: i64 = 0
        self.signature = signature
        self.enterprise = enterprise
        self.port = port
        self.categories = b""
        self.regions = ""
        self.hours: list[tuple[int, int]] = []
        self.daily_cap: i64 = 0
        self.provider = ""


class PortEntry:
    """What is registered for one number. `leased`: there are subleases of it or of a longer one; `keeps`: some number
    under it may keep the first signature registered for it."""

    def __init__(self, leased: bool, keeps: bool, rows: list[PortRecord]) -> None:
        self.leased = leased
        self.keeps = keeps
        self.rows = rows


class SignatureEntry:
    """The octets under one text: its registrations and its scopes, which are read when they are asked for. `templated`:
    some registrations have templates. Where the scopes are too many to stand here, `apart` has a bit for each number of
    digits that their ports have, and they stand under keys of their own, from octet `at` to `end` of the scopes; else
    `at` is where they begin here."""

    def __init__(self, raw: bytes, signature: str) -> None:
        self.raw = raw
        self.signature = signature
        self.templated = raw[0] & _TEMPLATED != 0
        self._rows: list[SignatureRecord] = []
        cursor = Cursor(raw, 1)
        self.registrations = cursor.number()
        count = self.registrations
        while count > 0:
            count -= 1
            flags = cursor.octet()
            cursor.skip()
            cursor.at += octets_of_dates(flags)
        self.apart: i64 = 0
        self.at = cursor.at
        self.end: i64 = 0
        if raw[0] & _APART != 0:
            self.apart = cursor.number()
            self.at = cursor.number()
            self.end = self.at + cursor.number()

    @property
    def rows(self) -> list[SignatureRecord]:
        """The registrations."""
        if len(self._rows) == 0:
            cursor = Cursor(self.raw, 1)
            count = cursor.number()
            while count > 0:
                count -= 1
                of_row = cursor.octet()
                row = SignatureRecord(self.signature, cursor.text())
                row.enterprise_active = of_row & _FIRST != 0
                row.dates(of_row, cursor)
                self._rows.append(row)
        return self._rows

    def enterprise(self) -> str:
        """That of the only registration: behind the octets of flags, of their number, and of its own flags."""
        return Cursor(self.raw, 3).text()

    def likeness(self, number: bytes, may_send: bool) -> bytes:
        """What decides about the signature on `number`, on which the sender `may_send` or not, beside the names of
        signature and enterprise: entries that have this in common are judged alike. b"" where more decides: several
        registrations, their templates, scopes that stand apart."""
        raw = self.raw
        if raw[0] != 0 or self.registrations != 1:
            return b""
        found = BytesWriter()
        found.append(u8(len(number)))
        found.append(u8(1 if may_send else 0))
        found.append(u8(raw[2]))
        found.write(raw[self.at - octets_of_dates(raw[2]) : self.at])
        cursor = ScopeCursor(raw, self.at)
        while cursor.next(number, False):
            size: i64 = cursor.end - cursor.at
            found.append(u8(cursor.digits))
            found.append(u8(size & 0xFF))
            found.append(u8(size >> 8 & 0xFF))
            found.write(raw[cursor.at : cursor.end])
        return found.getvalue()

    def covering(self, number: bytes) -> list[ScopeRecord]:
        """The scopes that stand here whose port `number` begins with, the longer ports first."""
        return scopes(self.rows, self.raw, self.at, number, False) if self.apart == 0 else []

    def scopes(self) -> list[ScopeRecord]:
        """All scopes that stand here."""
        return scopes(self.rows, self.raw, self.at, b"", True) if self.apart == 0 else []


# ---- reading


def port_entry(raw: bytes, port: str) -> PortEntry:
    """The entry of a number."""
    cursor = Cursor(raw, 0)
    flags = cursor.octet()
    rows: list[PortRecord] = []
    count = cursor.number()
    while count > 0:
        count -= 1
        of_row = cursor.octet()
        extension = cursor.octet()
        row = PortRecord(port, cursor.text())
        row.holder_active = of_row & _FIRST != 0
        row.signature_required = of_row & _SECOND != 0
        row.signature_per_extension = of_row & _THIRD != 0
        if extension != _ANY_EXTENSION:
            row.extension_digits = extension
        if of_row & _FOURTH != 0:
            row.categories = cursor.octets()
            row.regions = cursor.text()
        row.dates(of_row, cursor)
        rows.append(row)
    return PortEntry(flags & _LEASED != 0, flags & _KEEPS != 0, rows)


def sublease_rows(raw: bytes, port: str) -> list[SubleaseRecord]:
    """The subleases of a number."""
    cursor = Cursor(raw, 0)
    rows: list[SubleaseRecord] = []
    count = cursor.number()
    while count > 0:
        count -= 1
        flags = cursor.octet()
        lessor = cursor.text()
        row = SubleaseRecord(port, lessor, cursor.text())
        row.exclusive = flags & _FIRST != 0
        row.categories = cursor.octets()
        row.filing = cursor.text()
        row.dates(flags, cursor)
        rows.append(row)
    return rows


def octets_of_dates(flags: i64) -> i64:
    """How many octets the dates take that the flags of a record announce."""
    octets: i64 = 0
    if flags & _FROM != 0:
        octets += 8
    if flags & _UNTIL != 0:
        octets += 8
    return octets


def is_apart(raw: bytes) -> bool:
    """True for the octets of a signature whose scopes stand elsewhere."""
    return raw[0] & _APART != 0


class ScopeCursor(Cursor):
    """Goes through the scopes of an entry. At one, from `at` on stands what it is beside its port, up to `end`; the
    port are the `digits` octets before."""

    def __init__(self, raw: bytes, at: i64) -> None:
        super().__init__(raw, at)
        self.left = self.number()
        self.end = self.at
        self.digits: i64 = 0

    def next(self, number: bytes, every: bool) -> bool:
        """Go to the next whose port `number` begins with, or simply to the next; False when there is none."""
        raw = self.raw
        most: i64 = len(number)
        while self.left > 0:
            self.left -= 1
            self.at = self.end
            length = self.number()
            start = self.at
            self.end = start + length
            size: i64 = raw[start]
            start += 1
            same: i64 = 0
            if size <= most:
                while same < size and raw[start + same] == number[same]:
                    same += 1
            if same == size or every:
                self.digits = size
                self.at = start + size
                return True
        return False

    def scope(self, owners: list[SignatureRecord]) -> ScopeRecord:
        """The one it is at."""
        return _scope(owners, self, self.raw[self.at - self.digits : self.at].decode())


def scopes(owners: list[SignatureRecord], raw: bytes, at: i64, number: bytes, every: bool) -> list[ScopeRecord]:
    """The scopes that stand in `raw` from `at` on: those whose port `number` begins with, or every one."""
    found: list[ScopeRecord] = []
    cursor = ScopeCursor(raw, at)
    while cursor.next(number, every):
        found.append(cursor.scope(owners))
    return found


def _scope(owners: list[SignatureRecord], cursor: Cursor, port: str) -> ScopeRecord:
    place = cursor.number()
    owner = owners[place]
    scope = ScopeRecord(owner.signature, owner.enterprise, port)
    scope.owner = place
    flags = cursor.octet()
    if flags & _FIRST != 0:
        scope.provider = cursor.text()
    scope.categories = cursor.octets()
    if flags & _SECOND != 0:
        scope.regions = cursor.text()
    if flags & _THIRD != 0:
        count = cursor.number()
        while count > 0:
            count -= 1
            start = cursor.number()
            scope.hours.append((int(start), int(cursor.number())))
    if flags & _FOURTH != 0:
        scope.daily_cap = cursor.number()
    scope.dates(flags, cursor)
    return scope
