"""Scopes on their way from the table to the image: packed one by one, and put in the order of their signatures.

The table may be larger than the memory, so what is left of a row is what the image will hold of it.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from portguard.registry import octets
from portguard.registry.dates import Calendar
from portguard.registry.hours import Span
from portguard.registry.model import MAX_DIGITS, ScopeRow
from portguard.registry.sorting import Row, Sorter
from portguard.sms.category import packed

_KEPT: Final = 1 << 16

Scopes = list[tuple[bytes, bytes]]


class ScopeRows:
    """Takes rows in the order of the table; `signatures` gives them back, once."""

    def __init__(self, calendar: Calendar, folder: Path | None) -> None:
        self._calendar = calendar
        self._sorter = Sorter(folder)
        self._limits: dict[tuple[object, ...], bytes] = {}

    def add(self, line: int, row: ScopeRow, owner: int, spans: Callable[[tuple[str, ...]], list[Span]]) -> None:
        """Take a sound row; `owner` is the place of its enterprise among the signature's registrations."""
        said = row.provider, row.categories, row.regions, row.hours, row.daily_cap, row.valid_from, row.valid_until
        limits = self._limits.get((*said, row.status))
        if limits is None:
            if len(self._limits) >= _KEPT:
                self._limits.clear()
            begins, ends = self._calendar.begins(row.valid_from), self._calendar.ends(row.valid_until)
            limits = self._limits[*said, row.status] = octets.scope_limits(
                row.provider, packed(row.categories), "|".join(row.regions), spans(row.hours), row.daily_cap or 0,
                octets.Dates(begins, ends, row.status),
            )  # fmt: skip
        port = row.port.encode()
        # Of a signature the longer ports come first, as a reader wants them.
        key = b"%b\0%c%b" % (row.signature.encode(), MAX_DIGITS - len(port), port)
        self._sorter.add((key, line, octets.scope(port, owner, limits)))

    def signatures(self, double: Callable[[int, int], None]) -> Iterator[tuple[bytes, Scopes]]:
        """Each signature that has scopes, ascending, with (port, octets) of its scopes. `double` is told the lines of
        two that say the same, the later one first."""
        for signature, rows in groupby(self._sorter.sorted(), _signature):
            yield signature, [scope for key, same in groupby(rows, _key) for scope in _scopes(key, same, double)]

    def close(self) -> None:
        """Give memory and disk back."""
        self._sorter.close()


def _key(row: Row) -> bytes:
    return row[0]


def _signature(row: Row) -> bytes:
    return row[0][: row[0].index(0)]


def _scopes(key: bytes, rows: Iterator[Row], double: Callable[[int, int], None]) -> Iterator[tuple[bytes, bytes]]:
    """The scopes of one signature for one port."""
    port = key[key.index(0) + 2 :]
    lines: dict[bytes, int] = {}
    for _, line, packed_row in rows:
        first = lines.setdefault(packed_row, line)
        if first != line:
            double(line, first)
        yield port, packed_row
