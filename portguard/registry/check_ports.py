"""Do ports and subleases agree? One number has one holder at a time, and nobody leases what he does not have.

A revoked row is history: its form and ids are checked, but it is in nobody's way.
"""

from portguard.registry.dates import overlap
from portguard.registry.model import SubleaseRow
from portguard.registry.review import Review


def check_ports(review: Review) -> None:
    """Holders on file, one row for a number on any day, sound dates, categories and regions."""
    table, enterprises = review.registry.ports, review.enterprises
    for line, row in table.numbered():
        if row.holder not in enterprises:
            review.knows_enterprise(table, line, "holder", row.holder)
        if row.valid_until is not None:
            review.check_dates(table, line, row)
        if row.categories:
            review.check_categories(table, line, "categories", row.categories)
        if row.regions:
            review.check_regions(table, line, row.regions)
    for places in review.port_places.repeated():
        for place, index in enumerate(places):
            row = table.rows[index]
            for earlier in places[:place]:
                other = table.rows[earlier]
                if "revoked" not in (row.status, other.status) and overlap(row, other):
                    first = f"{row.port} is in row {table.lines[earlier]} already, held by {other.holder!r}"
                    remedy = "on some of the same days; end that row with valid_until, or revoke it"
                    review.error(table, table.lines[index], "port", f"{first} {remedy}")


def check_subleases(review: Review) -> None:
    """Both sides on file, the lessor has the number, nothing leased in a circle, twice, or past an exclusive lease."""
    table = review.registry.subleases
    for line, row in table.numbered():
        lessor_known = review.knows_enterprise(table, line, "lessor", row.lessor)
        review.knows_enterprise(table, line, "lessee", row.lessee)
        review.check_dates(table, line, row)
        review.check_categories(table, line, "categories", row.categories)
        if row.lessor == row.lessee:
            review.error(table, line, "lessee", f"{row.lessee!r} is also the lessor; nobody leases to himself")
        elif lessor_known and review.registry.ports.complete:
            _check_lessor(review, line, row)
    _check_cycles(review)
    _check_doubles(review)


def _check_lessor(review: Review, line: int, row: SubleaseRow) -> None:
    table = review.registry.subleases
    port = review.ports.longest(row.port)
    if not port:
        review.error(
            table,
            line,
            "port",
            f"no registered port covers {row.port}; a sublease is of a port on file or a longer one",
        )
        return
    holders = review.holders(port)
    if row.lessor in holders or any(True for _ in review.leases.sources(row.lessor, row.port, len(port))):
        return
    if table.complete:
        message = f"{row.lessor!r} neither holds {row.port} nor leases it (port {port} is held by {', '.join(holders)})"
        review.error(table, line, "lessor", message)


def _check_cycles(review: Review) -> None:
    table = review.registry.subleases
    known: set[frozenset[int]] = set()
    for index, (line, row) in enumerate(review.leases.rows):
        cycle = review.leases.cycle(index) if row.lessor != row.lessee else []
        if cycle and frozenset(cycle) not in known:
            known.add(frozenset(cycle))
            rows = ", ".join(str(other) for other in cycle[1:])
            review.error(table, line, "lessee", f"{row.lessee!r} gets back what it leases out itself (see row {rows})")


def _check_doubles(review: Review) -> None:
    table = review.registry.subleases
    same: dict[tuple[str, str, str], list[tuple[int, SubleaseRow]]] = {}
    exclusive: dict[tuple[str, str], list[tuple[int, SubleaseRow]]] = {}
    rows = [(line, row) for line, row in review.leases.rows if row.status != "revoked"]
    for line, row in rows:
        others = same.setdefault((row.port, row.lessor, row.lessee), [])
        first = next((number for number, other in others if overlap(row, other)), 0)
        if first:
            review.error(table, line, "port", f"the same sublease is in row {first} already, on some of the same days")
        others.append((line, row))
        if row.exclusive:
            exclusive.setdefault((row.lessor, row.port), []).append((line, row))
    for line, row in rows if exclusive else ():
        for length in range(1, len(row.port) + 1):
            for other_line, other in exclusive.get((row.lessor, row.port[:length]), ()):
                # Of two exclusive rows for one number the later is the one to blame.
                blamed = other_line < line or not row.exclusive or len(other.port) < len(row.port)
                if blamed and other.lessee != row.lessee and overlap(row, other):
                    message = f"{row.lessor!r} leases {other.port} exclusively to {other.lessee!r} in row {other_line}"
                    review.error(table, line, "lessor", f"{message}, and has no more to lease of it")
