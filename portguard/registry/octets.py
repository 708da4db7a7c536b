"""The octets of records and entries: what `records` reads, written."""

from collections.abc import Iterable, Sequence
from typing import Final

from portguard.registry.records import NO_LIMIT, STATUSES

_STATUS: Final = {status: code for code, status in enumerate(STATUSES)}
_FROM: Final = 4
_UNTIL: Final = 8
_NO_EXTENSION: Final = b"\xff"


def number(value: int) -> bytes:
    """LEB128 of a number that is not negative."""
    if value < 128:
        return bytes((value,))
    octets = bytearray()
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def sized(octets: bytes) -> bytes:
    """Octets behind their length."""
    return number(len(octets)) + octets


def text(value: str) -> bytes:
    """A text behind its length."""
    return sized(value.encode())


def listed(rows: Sequence[bytes]) -> bytes:
    """Rows behind their number."""
    return number(len(rows)) + b"".join(rows)


class Dates:
    """When a row is in force: the bits of its first octet for that, and the octets at its end."""

    __slots__ = ("bits", "octets")

    def __init__(self, valid_from: int, valid_until: int, status: str) -> None:
        """Epoch seconds; 0 and NO_LIMIT are open."""
        self.bits = _STATUS[status] | (_FROM if valid_from else 0) | (_UNTIL if valid_until != NO_LIMIT else 0)
        times = (valid_from or None, valid_until if valid_until != NO_LIMIT else None)
        self.octets = b"".join(time.to_bytes(8, "little", signed=True) for time in times if time is not None)


def _first(dates: Dates, *flags: bool) -> bytes:
    bits = dates.bits
    for place, flag in enumerate(flags):
        bits |= flag << 4 + place
    return bytes((bits,))


def port(
    holder: str, holder_active: bool, signature_required: bool, per_extension: bool, extension_digits: int | None,
    categories: bytes, regions: str, dates: Dates,
) -> bytes:  # fmt: skip
    """A row of `port_entry`."""
    narrowed = bool(categories or regions)
    extension = _NO_EXTENSION if extension_digits is None else bytes((extension_digits,))
    first = _first(dates, holder_active, signature_required, per_extension, narrowed)
    limits = sized(categories) + text(regions) if narrowed else b""
    return first + extension + text(holder) + limits + dates.octets


def port_entry(leased: bool, keeps: bool, rows: Sequence[bytes]) -> bytes:
    """What `records.port_entry` reads."""
    return bytes((leased | keeps << 1,)) + listed(rows)


def sublease(lessor: str, lessee: str, exclusive: bool, categories: bytes, filing: str, dates: Dates) -> bytes:
    """A row of `sublease_rows`."""
    return _first(dates, exclusive) + text(lessor) + text(lessee) + sized(categories) + text(filing) + dates.octets


def signature(enterprise: str, enterprise_active: bool, dates: Dates) -> bytes:
    """A row of `signature_entry`."""
    return _first(dates, enterprise_active) + text(enterprise) + dates.octets


def signature_entry(templated: bool, rows: Sequence[bytes], scopes: Sequence[bytes]) -> bytes:
    """What `records.signature_entry` reads, with its scopes."""
    return bytes((templated,)) + listed(rows) + listed(scopes)


def signature_entry_apart(templated: bool, rows: Sequence[bytes], digits: Iterable[int], at: int, octets: int) -> bytes:
    """The same, with ports of so many digits whose scopes stand apart in `octets` octets from `at` on."""
    lengths = 0
    for length in digits:
        lengths |= 1 << length
    return bytes((templated | 2,)) + listed(rows) + number(lengths) + number(at) + number(octets)


def scope_limits(
    provider: str, categories: bytes, regions: str, hours: Sequence[tuple[int, int]], daily_cap: int, dates: Dates
) -> bytes:
    """What a scope has beside its port and its owner."""
    octets = [_first(dates, provider != "", regions != "", bool(hours), daily_cap > 0)]
    if provider:
        octets.append(text(provider))
    octets.append(sized(categories))
    if regions:
        octets.append(text(regions))
    if hours:
        octets.append(listed([number(start) + number(end) for start, end in hours]))
    if daily_cap:
        octets.append(number(daily_cap))
    octets.append(dates.octets)
    return b"".join(octets)


def scope(port: bytes, owner: int, limits: bytes) -> bytes:
    """A row of `scopes`; `owner` is the place of its enterprise among the signature's registrations."""
    return sized(bytes((len(port),)) + port + number(owner) + limits)
