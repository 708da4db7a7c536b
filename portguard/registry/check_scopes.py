"""Do signatures, scopes and templates agree? What is scoped is registered, and can be used by someone.

A canonical form shared by signatures of different enterprises is a warning: two brands may look alike honestly, but
rule 203 cannot then tell a disguise of one from the other.
"""

import re
from typing import Any, Final

from portguard.registry.dates import overlap
from portguard.registry.load import Table
from portguard.registry.model import ScopeRow, TemplateRow
from portguard.registry.review import Review
from portguard.sms.template import variable_error

_SOUND_KEPT: Final = 1 << 16
_VARIABLE: Final = re.compile(r"\{[^{}]{1,40}\}")


def check_signatures(review: Review) -> None:
    """Owners on file, sound dates, a text registered once to an enterprise on any day; look-alikes are warned of."""
    table, enterprises = review.registry.signatures, review.enterprises
    for line, row in table.numbered():
        if row.enterprise not in enterprises:
            review.knows_enterprise(table, line, "enterprise", row.enterprise)
        if row.valid_until is not None:
            review.check_dates(table, line, row)
    for places in review.registrations.repeated():
        _check_repeated(review, places)
    review.fold_signatures()
    for form, texts in review.canonical.items():
        if len(texts) > 1:
            _warn_of_look_alikes(review, form, texts)


def _check_repeated(review: Review, places: list[int]) -> None:
    """Registrations of one text: to different enterprises, or on different days."""
    table = review.registry.signatures
    by_enterprise: dict[str, list[int]] = {}
    for place in places:
        row = table.rows[place]
        earlier = by_enterprise.setdefault(row.enterprise, [])
        for other in earlier:
            if "revoked" not in (row.status, table.rows[other].status) and overlap(row, table.rows[other]):
                message = f"{row.signature!r} is registered to {row.enterprise!r} in row {table.lines[other]} already"
                review.error(table, table.lines[place], "signature", f"{message}, on some of the same days")
        earlier.append(place)


def _warn_of_look_alikes(review: Review, form: str, texts: list[str]) -> None:
    table, registrations = review.registry.signatures, review.registrations
    first = registrations.of(texts[0])
    owners = {table.rows[index].enterprise for index in first}
    for text in texts[1:]:
        index = registrations.first(text)
        if table.rows[index].enterprise not in owners:
            message = f"{text!r} looks like {texts[0]!r} of another enterprise in row {table.lines[first[0]]}"
            review.warn(table, table.lines[index], "signature", f"{message} (both fold to {form!r})")


def check_scopes(review: Review) -> None:
    """Each scope's signature is registered, its port on file, and somebody may use it.

    Reads the table while it checks. What becomes of rows that say the same is seen when they are put in order.
    """
    registry, table = review.registry, review.registry.scopes
    if table and not registry.signatures and registry.signatures.complete:
        review.error(table, 0, "", "scopes are of registered signatures, and there is no table signatures")
        return
    scoped = bytearray(len(registry.signatures.rows))
    enterprises, kept = review.enterprises, _Kept(review)
    sound: set[tuple[object, ...]] = set()
    for line, row in table.numbered():
        faults, owner = review.errors.count, -1
        if row.enterprise in enterprises or review.knows_enterprise(table, line, "enterprise", row.enterprise):
            owner = _owner(review, line, row, scoped)
        if row.valid_until is not None:
            review.check_dates(table, line, row)
        # Many rows have the same limits, and those were found sound already.
        limits = row.categories, row.regions, row.hours
        if limits not in sound:
            before = review.errors.count
            review.check_categories(table, line, "categories", row.categories)
            review.check_regions(table, line, row.regions)
            review.check_hours(table, line, row.hours)
            if review.errors.count == before:
                if len(sound) >= _SOUND_KEPT:
                    sound.clear()
                sound.add(limits)
        if row.provider not in ("", "*") and row.provider not in enterprises:
            review.knows_enterprise(table, line, "provider", row.provider)
        port = _check_scope_port(review, line, row)
        if port in review.extension_ports:
            kept.see(line, row)
        if owner >= 0 and review.errors.count == faults:
            review.scopes.add(line, row, owner, review.spans)
    if table and table.complete and registry.signatures.complete:
        for used, (line, signature) in zip(scoped, registry.signatures.numbered(), strict=True):
            if not used and signature.status == "active":
                message = f"{signature.signature!r} has no scope: it can be used nowhere"
                review.warn(registry.signatures, line, "signature", message)


def _owner(review: Review, line: int, row: ScopeRow, scoped: bytearray) -> int:
    """The place of the row's enterprise among the registrations of its signature, all of which are scoped now."""
    signatures, places = review.registry.signatures.rows, review.registrations
    first = places.first(row.signature)
    if first >= 0 and signatures[first].enterprise == row.enterprise and places.stands_once(row.signature):
        scoped[first] = 1
        return 0
    found = _registrations(review, review.registry.scopes, line, row)
    for place in found:
        scoped[place] = 1
    return places.of(row.signature).index(found[0]) if found else -1


def _registrations(review: Review, table: Table[Any], line: int, row: ScopeRow | TemplateRow) -> list[int]:
    """The signature's registrations to the row's enterprise, by their index; an error where there is none."""
    signatures = review.registry.signatures
    found = [i for i in review.registrations.of(row.signature) if signatures.rows[i].enterprise == row.enterprise]
    if not found and signatures.complete:
        message = f"{row.signature!r} is not registered to {row.enterprise!r} in signatures"
        review.error(table, line, "signature", message)
    return found


def _check_scope_port(review: Review, line: int, row: ScopeRow) -> str:
    """The registered port that covers the scope's, "" for none."""
    table = review.registry.scopes
    if not row.port:
        if not row.provider:
            message = "is blank, and so is port; a scope without a port names its provider, or * for anyone"
            review.error(table, line, "provider", message)
        return ""
    port = review.ports.longest(row.port)
    if not review.registry.ports.complete:
        return port
    if port:
        named = row.provider not in ("", "*") and review.registry.subleases.complete
        if named and row.provider not in review.holders(port) and not review.leases.touches(row.provider, row.port):
            message = f"{row.provider!r} neither holds nor leases {row.port}: nobody can use this scope"
            review.warn(table, line, "provider", message)
    elif not review.ports.any_under(row.port):
        review.error(table, line, "port", f"no registered port covers {row.port}, and none begins with it")
    elif not row.provider:
        message = (
            f"is blank, but no registered port covers {row.port}, so nobody may send on exactly that; name one or *"
        )
        review.error(table, line, "provider", message)
    return port


class _Kept:
    """Fills `first_signatures`: with signature_per_extension a number keeps the first signature scoped on it."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._lines: dict[str, int] = {}

    def see(self, line: int, row: ScopeRow) -> None:
        """A scope under such a port."""
        if row.status == "revoked":
            return
        kept = self._review.first_signatures.setdefault(row.port, row.signature)
        first = self._lines.setdefault(row.port, line)
        if kept != row.signature:
            message = (
                f"{row.port} keeps {kept!r}, registered for it in row {first}; {row.signature!r} cannot be used there"
            )
            table = self._review.registry.scopes
            self._review.warn(table, line, "signature", f"{message} until that row is revoked")


def check_templates(review: Review) -> None:
    """Ids are unique, the signature is registered, the category known, and every { has its }."""
    table = review.registry.templates
    lines: dict[str, int] = {}
    for line, row in table.numbered():
        first = lines.setdefault(row.id, line)
        if first != line:
            review.error(table, line, "id", f"{row.id!r} is the id of row {first} already")
        if review.knows_enterprise(table, line, "enterprise", row.enterprise):
            _registrations(review, table, line, row)
        review.check_categories(table, line, "category", (row.category,))
        literal = _VARIABLE.sub("", row.text)
        if "{" in literal or "}" in literal:
            review.error(table, line, "text", "a { or } is alone; a variable is written {name}")
        elif error := variable_error(row.text):
            review.error(table, line, "text", error)
        elif not literal.strip():
            review.error(table, line, "text", "is nothing but variables and would fit every text")
