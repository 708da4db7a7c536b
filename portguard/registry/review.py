"""What every cross-check needs: the registry, the indexes over it, and where findings go.

Nouns: a *review* is one check of one registry; an *error* keeps it from being served, a *warning* does not. A
reference into a table that could not be read whole is not held against anyone: the table's own errors are said
instead.
"""

from collections.abc import Iterator
from typing import Any

from portguard.registry.hours import Span, parse_span
from portguard.registry.load import Registry, Table
from portguard.registry.model import EnterpriseRow, PortRow, ScopeRow, SignatureRow, SubleaseRow
from portguard.registry.ports import Leases, Prefixes
from portguard.registry.problems import Problems
from portguard.registry.subscriber import region_prefix
from portguard.sms.canonical import canonical_signature
from portguard.sms.category import parse

DatedRow = PortRow | SubleaseRow | SignatureRow | ScopeRow


class Registrations:
    """Indexes into the signatures table by text; nearly every text has one, so the rest is kept apart."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._more: dict[str, list[int]] = {}

    def add(self, text: str, index: int) -> list[int]:
        """Note a row; returns the earlier ones of this text."""
        first = self._first.setdefault(text, index)
        if first == index:
            return []
        more = self._more.setdefault(text, [])
        earlier = [first, *more]
        more.append(index)
        return earlier

    def of(self, text: str) -> list[int]:
        first = self._first.get(text)
        return [] if first is None else [first, *self._more.get(text, ())]

    def texts(self) -> Iterator[str]:
        """Every text once, in the order of the table."""
        return iter(self._first)


class Review:
    """`errors` already holds what was found while loading. `registrations`, `canonical` and `first_signatures` are
    filled by the checks of signatures and scopes; the last two go into the image."""

    def __init__(self, registry: Registry, errors: Problems, country: str) -> None:
        self.registry = registry
        self.errors = errors
        self.warnings = Problems()
        self.country = country
        self.enterprises: dict[str, EnterpriseRow] = {row.id: row for row in registry.enterprises.rows}
        self.ports = Prefixes(row.port for row in registry.ports.rows)
        self.holders: dict[str, tuple[str, ...]] = {}
        for port in registry.ports.rows:
            earlier = self.holders.get(port.port, ())
            if port.holder not in earlier:
                self.holders[port.port] = (*earlier, port.holder)
        self.extension_ports = {row.port for row in registry.ports.rows if row.signature_per_extension}
        self.leases = Leases(registry.subleases.numbered())
        self.region_names = {row.region for row in registry.regions.rows}
        self.regions = {region_prefix(row.prefix, country): row.region for row in registry.regions.rows}
        self.registrations = Registrations()
        self.canonical: dict[str, tuple[str, ...]] = {}
        self.first_signatures: dict[str, str] = {}
        self._category_faults: dict[str, str] = {}
        self._spans: dict[str, Span | str] = {}
        self._unknown_regions: set[str] = set()

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
        """Fill `canonical`: the registered texts of each canonical form, in the order of the table."""
        for text in self.registrations.texts():
            form = canonical_signature(text)
            if form:
                self.canonical[form] = (*self.canonical.get(form, ()), text)


def _category_fault(name: str) -> str:
    try:
        parse(name)
    except ValueError as error:
        return str(error)
    return ""
