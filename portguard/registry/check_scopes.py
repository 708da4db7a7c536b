"""Do signatures, scopes and templates agree? What is scoped is registered, and can be used by someone.

A canonical form shared by signatures of different enterprises is a warning: two brands may look alike honestly, but
rule 203 cannot then tell a disguise of one from the other.
"""

import re
from collections.abc import Iterator
from typing import Final

from portguard.registry.dates import overlap
from portguard.registry.model import ScopeRow, SignatureRow
from portguard.registry.review import Review

_VARIABLE: Final = re.compile(r"\{[^{}]{1,40}\}")


class _Registrations:
    """Rows of the signatures table by text; nearly every text has one, so the rest is kept apart."""

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
        return iter(self._first)


def check_signatures(review: Review) -> None:
    """Owners on file, sound dates, a text registered once to an enterprise on any day; look-alikes are warned of."""
    table = review.registry.signatures
    registrations = _Registrations()
    for index, (line, row) in enumerate(table.numbered()):
        review.knows_enterprise(table, line, "enterprise", row.enterprise)
        review.check_dates(table, line, row)
        for earlier in registrations.add(row.signature, index):
            other = table.rows[earlier]
            if (
                other.enterprise == row.enterprise
                and "revoked" not in (row.status, other.status)
                and overlap(row, other)
            ):
                message = f"{row.signature!r} is registered to {row.enterprise!r} in row {table.lines[earlier]} already"
                review.error(table, line, "signature", f"{message}, on some of the same days")
    review.fold_signatures()
    for form, texts in review.canonical.items():
        if len(texts) > 1:
            _warn_of_look_alikes(review, registrations, form, texts)


def _warn_of_look_alikes(review: Review, registrations: _Registrations, form: str, texts: tuple[str, ...]) -> None:
    table = review.registry.signatures
    first = registrations.of(texts[0])
    owners = {table.rows[index].enterprise for index in first}
    for text in texts[1:]:
        index = registrations.of(text)[0]
        if table.rows[index].enterprise not in owners:
            message = f"{text!r} looks like {texts[0]!r} of another enterprise in row {table.lines[first[0]]}"
            review.warn(table, table.lines[index], "signature", f"{message} (both fold to {form!r})")


def check_scopes(review: Review) -> None:
    """Each scope's signature is registered, its port on file, and somebody may use it."""
    registry, table = review.registry, review.registry.scopes
    if table and not registry.signatures and registry.signatures.complete:
        review.error(table, 0, "", "scopes are of registered signatures, and there is no table signatures")
        return
    registered = {(row.signature, row.enterprise) for row in registry.signatures.rows}
    lines: dict[ScopeRow, int] = {}
    for line, row in table.numbered():
        if review.knows_enterprise(table, line, "enterprise", row.enterprise):
            _check_registered(review, registered, line, row)
        review.check_dates(table, line, row)
        review.check_categories(table, line, "categories", row.categories)
        review.check_regions(table, line, row.regions)
        review.check_hours(table, line, row.hours)
        if row.provider not in ("", "*"):
            review.knows_enterprise(table, line, "provider", row.provider)
        _check_scope_port(review, line, row)
        first = lines.setdefault(row, line)
        if first != line:
            review.warn(table, line, "", f"says the same as row {first}")
    if table and table.complete and registry.signatures.complete:
        scoped = {(row.signature, row.enterprise) for row in table.rows}
        for line, signature in registry.signatures.numbered():
            if (signature.signature, signature.enterprise) not in scoped and signature.status == "active":
                review.warn(
                    registry.signatures,
                    line,
                    "signature",
                    f"{signature.signature!r} has no scope: it can be used nowhere",
                )
    _keep_first_signatures(review)


def _check_registered(review: Review, registered: set[tuple[str, str]], line: int, row: ScopeRow) -> None:
    if (row.signature, row.enterprise) not in registered and review.registry.signatures.complete:
        message = f"{row.signature!r} is not registered to {row.enterprise!r} in signatures"
        review.error(review.registry.scopes, line, "signature", message)


def _check_scope_port(review: Review, line: int, row: ScopeRow) -> None:
    table = review.registry.scopes
    if not row.port:
        if not row.provider:
            message = "is blank, and so is port; a scope without a port names its provider, or * for anyone"
            review.error(table, line, "provider", message)
        return
    if not review.registry.ports.complete:
        return
    port = review.ports.longest(row.port)
    if port:
        named = row.provider not in ("", "*") and review.registry.subleases.complete
        if named and row.provider not in review.holders[port] and not review.leases.touches(row.provider, row.port):
            message = f"{row.provider!r} neither holds nor leases {row.port}: nobody can use this scope"
            review.warn(table, line, "provider", message)
    elif not review.ports.any_under(row.port):
        review.error(table, line, "port", f"no registered port covers {row.port}, and none begins with it")
    elif not row.provider:
        message = (
            f"is blank, but no registered port covers {row.port}, so nobody may send on exactly that; name one or *"
        )
        review.error(table, line, "provider", message)


def _keep_first_signatures(review: Review) -> None:
    """Fill `first_signatures`: with signature_per_extension a number keeps the first signature scoped on it."""
    table = review.registry.scopes
    lines: dict[str, int] = {}
    if not review.extension_ports:
        return
    for line, row in table.numbered():
        if not row.port or row.status == "revoked" or review.ports.longest(row.port) not in review.extension_ports:
            continue
        kept = review.first_signatures.setdefault(row.port, row.signature)
        first = lines.setdefault(row.port, line)
        if kept != row.signature:
            message = (
                f"{row.port} keeps {kept!r}, registered for it in row {first}; {row.signature!r} cannot be used there"
            )
            review.warn(table, line, "signature", f"{message} until that row is revoked")


def check_templates(review: Review) -> None:
    """Ids are unique, the signature is registered, the category known, and every { has its }."""
    registry, table = review.registry, review.registry.templates
    if not table:
        return
    registered: set[tuple[str, str]] = {_owner(row) for row in registry.signatures.rows}
    lines: dict[str, int] = {}
    for line, row in table.numbered():
        first = lines.setdefault(row.id, line)
        if first != line:
            review.error(table, line, "id", f"{row.id!r} is the id of row {first} already")
        known = review.knows_enterprise(table, line, "enterprise", row.enterprise)
        if known and (row.signature, row.enterprise) not in registered and registry.signatures.complete:
            message = f"{row.signature!r} is not registered to {row.enterprise!r} in signatures"
            review.error(table, line, "signature", message)
        review.check_categories(table, line, "category", (row.category,))
        literal = _VARIABLE.sub("", row.text)
        if "{" in literal or "}" in literal:
            review.error(table, line, "text", "a { or } is alone; a variable is written {name}")
        elif not literal.strip():
            review.error(table, line, "text", "is nothing but variables and would fit every text")


def _owner(row: SignatureRow) -> tuple[str, str]:
    return row.signature, row.enterprise
