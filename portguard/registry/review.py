"""What every cross-check needs: the registry, the indexes over it, and where findings go.

Nouns: a *review* is one check of one registry; an *error* keeps it from being served, a *warning* does not. A
reference into a table that could not be read whole is not held against anyone: the table's own errors are said
instead.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from portguard.registry.dates import Calendar
from portguard.registry.hours import Span, parse_span
from portguard.registry.load import Registry, Table
from portguard.registry.model import EnterpriseRow, PortRow, ScopeRow, SignatureRow, SubleaseRow
from portguard.registry.ports import Leases, Prefixes
from portguard.registry.problems import Problems
from portguard.registry.scope_rows import ScopeRows, Scopes
from portguard.registry.subscriber import region_prefix
from portguard.sms.canonical import canonical_signature
from portguard.sms.category import parse

DatedRow = PortRow | SubleaseRow | SignatureRow | ScopeRow


class Places:
    """Where in a table a text stands, by the index of its row; nearly every text stands once, so the rest is kept
    apart."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._first: dict[str, int] = {}
        self._more: dict[str, list[int]] = {}
        for index, text in enumerate(texts):
            if self._first.setdefault(text, index) != index:
                self._more.setdefault(text, []).append(index)

    def first(self, text: str) -> int:
        """The first place, -1 when there is none."""
        return self._first.get(text, -1)

    def of(self, text: str) -> list[int]:
        """Every place, ascending."""
        first = self._first.get(text)
        return [] if first is None else [first, *self._more.get(text, ())]

    def repeated(self) -> Iterator[list[int]]:
        """The places of each text that stands more than once."""
        return (self.of(text) for text in self._more)

    def stands_once(self, text: str) -> bool:
        return text not in self._more

    def __iter__(self) -> Iterator[str]:
        """Every text once, in the order of the table."""
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, text: object) -> bool:
        return text in self._first


class Review:
    """`errors` already holds what was found while loading. `scopes`, `canonical` and `first_signatures` are filled by
    the checks of signatures and scopes, and go into the image."""

    def __init__(
        self, registry: Registry, errors: Problems, country: str, calendar: Calendar, folder: Path | None
    ) -> None:
        self.registry = registry
        self.errors = errors
        self.warnings = Problems()
        self.country = country
        self.enterprises: dict[str, EnterpriseRow] = {row.id: row for row in registry.enterprises.rows}
        self.port_places = Places(row.port for row in registry.ports.rows)
        self.ports = Prefixes(self.port_places)
        self.extension_ports = {row.port for row in registry.ports.rows if row.signature_per_extension}
        self.leases = Leases(registry.subleases.numbered())
        self.region_names = {row.region for row in registry.regions.rows}
        self.regions = {region_prefix(row.prefix, country): row.region for row in registry.regions.rows}
        self.registrations = Places(row.signature for row in registry.signatures.rows)
        self.calendar = calendar
        self.scopes = ScopeRows(calendar, folder)
        self.canonical: dict[str, list[str]] = {}
        self.first_signatures: dict[str, str] = {}
        self._category_faults: dict[str, str] = {}
        self._spans: dict[str, Span | str] = {}
        self._unknown_regions: set[str] = set()

    def holders(self, port: str) -> list[str]:
        """Who holds a registered port, or has held it, or will."""
        rows = self.registry.ports.rows
        return list(dict.fromkeys(rows[place].holder for place in self.port_places.of(port)))

    def sorted_scopes(self) -> Iterator[tuple[bytes, Scopes]]:
        """The scopes of each signature, ascending, once; a warning for each that says the same as an earlier one."""
        table = self.registry.scopes

        def double(line: int, first: int) -> None:
            self.warn(table, line, "", f"says the same as row {first}")

        return self.scopes.signatures(double)

    def settle(self) -> None:
        """Find what is found only when the scopes are put in order, where nothing is to be written."""
        for _ in self.sorted_scopes():
            continue

    def close(self) -> None:
        """Give memory and disk back."""
        self.scopes.close()

    def error(self, table: Table[Any], line: int, field: str, message: str) -> None:
        self.errors.add(table.file, line, field, message)

    def warn(self, table: Table[Any], line: int, field: str, message: str) -> None:
        self.warnings.add(table.file, line, field, message)

    def knows_enterprise(self, table: Table[Any], line: int, field: str, id: str) -> bool:
        """An error where no enterprise has this id; False then, and where nobody can tell."""
        if id in self.enterprises:
            return True
        if self.registry.enterprises.complete:
            self.error(
                table,
                line,
                field,
                f"{id!r} is no id in enterprises{self.errors.hint(table.file, id, self.enterprises)}",
            )
        return False

    def check_dates(self, table: Table[Any], line: int, row: DatedRow) -> None:
        if row.valid_from is not None and row.valid_until is not None and row.valid_until < row.valid_from:
            self.error(table, line, "valid_until", f"{row.valid_until} is before valid_from, {row.valid_from}")

    def check_categories(self, table: Table[Any], line: int, field: str, names: tuple[str, ...]) -> None:
        for name in names:
            fault = self._category_faults.get(name)
            if fault is None:
                fault = self._category_faults[name] = _category_fault(name)
            if fault:
                self.error(table, line, field, fault)

    def check_regions(self, table: Table[Any], line: int, names: tuple[str, ...]) -> None:
        """A name that no prefix has: an error, or without a regions table a warning, once for each name."""
        for name in names:
            if name in self.region_names or not self.registry.regions.complete:
                continue
            if self.registry.regions:
                message = f"{name!r} is no region in regions{self.errors.hint(table.file, name, self.region_names)}"
                self.error(table, line, "regions", message)
            elif name not in self._unknown_regions:
                self._unknown_regions.add(name)
                self.warn(table, line, "regions", f"there is no table regions, so {name!r} limits nothing")

    def spans(self, names: tuple[str, ...]) -> list[Span]:
        """Hours as spans, those that can be read."""
        return [span for span in map(self._span, names) if isinstance(span, tuple)]

    def check_hours(self, table: Table[Any], line: int, names: tuple[str, ...]) -> None:
        for name in names:
            span = self._span(name)
            if isinstance(span, str):
                self.error(table, line, "hours", f"{name!r}: {span}")

    def _span(self, name: str) -> Span | str:
        span = self._spans.get(name)
        if span is None:
            try:
                span = parse_span(name)
            except ValueError as error:
                span = str(error)
            self._spans[name] = span
        return span

    def fold_signatures(self) -> None:
        """Fill `canonical`: the registered texts of each canonical form, in the order of the table; left out is a form
        that is a text itself, and the form of no other."""
        others: dict[str, list[str]] = {}
        for text in self.registrations:
            form = canonical_signature(text)
            if form and form != text:
                others.setdefault(form, []).append(text)
        for form, texts in others.items():
            alike = [*texts, form] if form in self.registrations else texts
            self.canonical[form] = sorted(alike, key=self.registrations.first)


def _category_fault(name: str) -> str:
    try:
        parse(name)
    except ValueError as error:
        return str(error)
    return ""
