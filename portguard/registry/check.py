"""Do the rows of a registry agree with each other? All that do not, at once.

`check` is the one entry, for `portguard check`, the builder and every reload alike. It takes what `load` read, and
gives a `Review`: its errors keep the registry from being served, its warnings say what an administrator probably did
not mean.

Here: enterprises, accounts, regions, words. `check_ports` has ports and subleases, `check_scopes` signatures and
scopes.
"""

import ipaddress
from pathlib import Path

from portguard.registry.check_ports import check_ports, check_subleases
from portguard.registry.check_scopes import check_scopes, check_signatures, check_templates
from portguard.registry.dates import Calendar
from portguard.registry.load import Registry, load
from portguard.registry.model import EnterpriseRow
from portguard.registry.problems import Problems
from portguard.registry.progress import UNSEEN, Progress
from portguard.registry.review import Review
from portguard.registry.subscriber import region_prefix
from portguard.sms.category import word_error


def check_folder(
    folder: Path | str,
    country: str = "86",
    calendar: Calendar | None = None,
    place: Path | None = None,
    progress: Progress = UNSEEN,
) -> Review:
    """Load and check the registry in `folder`. What does not fit into memory is put in `place`, or where the system has
    its temporary files, until the review is closed."""
    registry, problems = load(folder, progress)
    return check(registry, problems, country, calendar, place)


def check(
    registry: Registry,
    problems: Problems,
    country: str = "86",
    calendar: Calendar | None = None,
    place: Path | None = None,
) -> Review:
    """Check every row against the others; `problems` are those of loading, and are among the review's errors."""
    review = Review(registry, problems, country, calendar or Calendar("UTC"), place)
    _check_absent(review)
    _check_enterprises(review)
    _check_accounts(review)
    check_ports(review)
    check_subleases(review)
    check_signatures(review)
    check_scopes(review)
    check_templates(review)
    _check_regions(review)
    _check_words(review)
    return review


def _check_absent(review: Review) -> None:
    registry = review.registry
    for table, off in (
        (registry.signatures, "no signature is asked for on file (rules 203 to 205 are off)"),
        (registry.scopes, "signatures may be used anywhere and for anything (rules 300 to 305 are off)"),
    ):
        if not table and table.complete:
            review.warnings.add(table.name, 0, "", f"there is no such table: {off}")
    for name in ("enterprises", "accounts", "ports"):
        table = getattr(registry, name)
        if table and table.complete and not table.count:
            review.warn(table, 0, "", "has no rows: every message will be refused")


def _check_enterprises(review: Review) -> None:
    table = review.registry.enterprises
    lines: dict[str, int] = {}
    for line, row in table.numbered():
        first = lines.setdefault(row.id, line)
        if first != line:
            review.error(table, line, "id", f"{row.id!r} is the id of row {first} already")
        _check_platform(review, line, row)


def _check_platform(review: Review, line: int, row: EnterpriseRow) -> None:
    table = review.registry.enterprises
    if row.kind != "merchant":
        if row.platform:
            review.error(table, line, "platform", f"only a merchant names a platform; this one's kind is {row.kind}")
    elif not row.platform:
        review.error(table, line, "platform", "is blank; a merchant names its platform")
    elif review.knows_enterprise(table, line, "platform", row.platform):
        kind = review.enterprises[row.platform].kind
        if kind != "platform":
            review.error(table, line, "platform", f"the kind of {row.platform!r} is {kind}, not platform")


def _check_accounts(review: Review) -> None:
    registry, table = review.registry, review.registry.accounts
    senders = {row.holder for row in registry.ports.rows}
    senders.update(row.lessee for row in registry.subleases.rows)
    whole = registry.ports.complete and registry.subleases.complete
    lines: dict[str, int] = {}
    for line, row in table.numbered():
        first = lines.setdefault(row.system_id, line)
        if first != line:
            review.error(table, line, "system_id", f"{row.system_id!r} is the system_id of row {first} already")
        for network in row.networks:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                review.error(table, line, "networks", f"{network!r} is no network like 10.1.0.0/16 and no address")
        known = review.knows_enterprise(table, line, "enterprise", row.enterprise)
        if known and whole and row.enterprise not in senders and row.status == "active":
            message = f"{row.enterprise!r} neither holds nor leases a port: this account can send nothing"
            review.warn(table, line, "enterprise", message)


def _check_regions(review: Review) -> None:
    table = review.registry.regions
    lines: dict[str, int] = {}
    for line, row in table.numbered():
        prefix = region_prefix(row.prefix, review.country)
        if not prefix:
            review.error(table, line, "prefix", f"{row.prefix!r} has no digits after its prefix")
            continue
        first = lines.setdefault(prefix, line)
        if first != line:
            review.error(table, line, "prefix", f"{row.prefix!r} is the prefix of row {first} already")


def _check_words(review: Review) -> None:
    table = review.registry.words
    lines: dict[tuple[str, str], int] = {}
    for line, row in table.numbered():
        review.check_categories(table, line, "category", (row.category,))
        first = lines.setdefault((row.word, row.category), line)
        if first != line:
            review.error(table, line, "word", f"{row.word!r} is in row {first} already, for the same category")
        error = word_error(row.word)
        if error is not None:
            review.error(table, line, "word", error)
