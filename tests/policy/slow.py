"""What a revision should answer, worked out slowly from the rows of the tables: every row is looked at every time.

It knows no image, no cache, no index and no prefix search: only DESIGN §4. What it takes from portguard are the
canonical form and the form of a signature, which have tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise, permutations

from portguard.sms.canonical import bracket_or_width_only, canonical_signature
from portguard.sms.category import table
from portguard.sms.signature import form_error
from tests.policy.folder import ZONE, Row, Tables

Hours = list[tuple[int, int]]


@dataclass
class SlowPort:
    """As PortGrant; `hits` are codes."""

    number: str
    hits: set[int] = field(default_factory=set)
    port: str = ""
    holder: str = ""
    permits: bytes = table([])
    regions: set[str] = field(default_factory=set)
    required: bool = False


@dataclass
class SlowScope:
    """As Scope."""

    enterprise: str
    permits: bytes
    regions: set[str]
    hours: Hours
    cap: int


@dataclass
class SlowGrant:
    """As Grant; `unsigned` is for what counts as no signature at all."""

    name: str
    hits: set[int] = field(default_factory=set)
    unsigned: bool = False
    registered: bool = False
    own_width: bool = False
    enterprises: set[str] = field(default_factory=set)
    scopes: list[SlowScope] = field(default_factory=list)
    templates: set[str] = field(default_factory=set)


class Slow:
    """The answers of tables under some settings."""

    def __init__(self, tables: Tables, depth: int, case: str) -> None:
        self.tables = tables
        self.depth = depth
        self.case = case

    def rows(self, name: str) -> list[Row]:
        return list(self.tables.get(name, ()))

    def enterprise_active(self, id: str) -> bool:
        return any(row["id"] == id and in_status(row) for row in self.rows("enterprises"))

    # ---- ports

    def port(self, enterprise: str, number: str, at: float) -> SlowPort:
        found = SlowPort(number)
        if not (number.isascii() and number.isdigit() and len(number) <= 20):
            found.hits |= {106, 100, 101}
        else:
            self._registered(found, enterprise, at)
        if not self.enterprise_active(enterprise):
            found.hits.add(107)
        return found

    def _registered(self, found: SlowPort, enterprise: str, at: float) -> None:
        covering = [row for row in self.rows("ports") if found.number.startswith(text(row, "port"))]
        if not covering:
            found.hits |= {100, 101}
            return
        found.port = max((text(row, "port") for row in covering), key=len)
        same = [row for row in covering if row["port"] == found.port]
        row = next((row for row in same if in_force(row, at)), same[-1])
        found.holder = text(row, "holder")
        found.permits = table(names(row, "categories"))
        found.regions = set(names(row, "regions"))
        found.required = text(row, "signature_required") == "true"
        if not in_force(row, at):
            found.hits.add(104)
        digits = text(row, "extension_digits")
        if digits and len(found.number) - len(found.port) > int(digits):
            found.hits.add(105)
        if not self.enterprise_active(found.holder):
            found.hits.add(107)
        self._leased(found, enterprise, at)

    def _leased(self, found: SlowPort, enterprise: str, at: float) -> None:
        leases = [
            row for row in self.rows("subleases")
            if found.number.startswith(text(row, "port")) and len(text(row, "port")) >= len(found.port)
        ]  # fmt: skip
        for row in leases:
            if text(row, "exclusive") == "true" and row["lessor"] == enterprise != row["lessee"] and in_force(row, at):
                found.hits.add(101)
        if enterprise == found.holder:
            return
        # Every way from the holder to the enterprise: whole ones before broken ones, then the shorter, then the one
        # whose last link has the longer port.
        sound = [row for row in leases if in_force(row, at)]
        chains = ways(sound, found.holder, enterprise) or ways(leases, found.holder, enterprise)
        if not chains:
            found.hits.add(101)
            return
        if any(not in_force(row, at) for row in chains[0]):
            found.hits.add(102)
        if len(chains[0]) > self.depth:
            found.hits.add(103)
        for row in chains[0]:
            both = zip(found.permits, table(names(row, "categories")), strict=True)
            found.permits = bytes(a & b for a, b in both)

    # ---- signatures

    def signature(self, port: SlowPort, enterprise: str, written: str, at: float, *, bracketed: bool) -> SlowGrant:
        name, own_width, hits = self._identify(written, bracketed)
        registrations = [row for row in self.rows("signatures") if row["signature"] == name]
        if not bracketed and not registrations:
            return SlowGrant("", unsigned=True)
        found = SlowGrant(name, hits, own_width=own_width)
        if bracketed and form_error(name if own_width else written):
            found.hits.add(201)
        if registrations:
            found.registered = True
            self._judge(found, port, enterprise, registrations, at)
        return found

    def _identify(self, written: str, bracketed: bool) -> tuple[str, bool, set[int]]:
        texts = list(dict.fromkeys(text(row, "signature") for row in self.rows("signatures")))
        if bracketed and written in texts:
            return written, False, set()
        form = canonical_signature(written)
        alike = [known for known in texts if form and canonical_signature(known) == form]
        if form and not alike and "\u202e" in written:
            alike = [known for known in texts if canonical_signature(known) == form[::-1]]
        if not alike:
            return written, False, {204} if bracketed and "signatures" in self.tables else set()
        same = [known for known in alike if known.casefold() == written.casefold()]
        if bracketed and self.case == "fold" and same:
            return same[0], False, set()
        narrow = [known for known in alike if bracket_or_width_only(known, written)]
        return (narrow or alike)[0], bool(narrow), {203}

    def _judge(self, found: SlowGrant, port: SlowPort, enterprise: str, registrations: list[Row], at: float) -> None:
        found.enterprises = {text(row, "enterprise") for row in registrations}
        active = [row for row in registrations if in_force(row, at)]
        if not active:
            found.hits.add(205)
        serving = [row for row in active or registrations if self.enterprise_active(text(row, "enterprise"))]
        if not serving:
            found.hits.add(107)
        owners = {text(row, "enterprise") for row in serving or active or registrations}
        found.templates = {
            text(row, "id") for row in self.rows("templates")
            if row["signature"] == found.name and row["enterprise"] in owners
        }  # fmt: skip
        if "scopes" not in self.tables:
            return
        covering = [
            row for row in self.rows("scopes")
            if row["signature"] == found.name and port.number.startswith(text(row, "port"))
            and row["enterprise"] in owners and in_force(row, at)
        ]  # fmt: skip
        if self._kept_by_another(found.name, port.number):
            covering = []
        if not covering:
            found.hits.add(300)
            return
        granted = [row for row in covering if self._may(row, port, enterprise, at)]
        if not granted:
            found.hits.add(301)
            return
        granted.sort(key=lambda row: (bool(text(row, "daily_cap")), -len(text(row, "port"))))
        found.scopes = [
            SlowScope(
                text(row, "enterprise"), table(names(row, "categories")), set(names(row, "regions")),
                spans(names(row, "hours")), int(text(row, "daily_cap") or 0),
            )
            for row in granted
        ]  # fmt: skip

    def _kept_by_another(self, name: str, number: str) -> bool:
        """Under a port with signature_per_extension a number keeps the first signature with a scope of exactly it."""
        ports = [row for row in self.rows("ports") if number.startswith(text(row, "port"))]
        longest = max((len(text(row, "port")) for row in ports), default=0)
        if not any(len(text(r, "port")) == longest and text(r, "signature_per_extension") == "true" for r in ports):
            return False
        first = next(
            (row for row in self.rows("scopes") if row["port"] == number and text(row, "status") != "revoked"), None
        )
        return first is not None and first["signature"] != name

    def _may(self, row: Row, port: SlowPort, enterprise: str, at: float) -> bool:
        provider = text(row, "provider")
        if provider:
            return provider in ("*", enterprise)
        if row["port"] == port.number:
            return not port.hits & {100, 101, 102, 103}
        return not self.port(enterprise, text(row, "port"), at).hits & {106, 100, 101, 102, 103, 104, 105}


def ways(leases: list[Row], holder: str, enterprise: str) -> list[list[Row]]:
    """Every chain of subleases from holder to enterprise whose ports only grow longer, the shortest first; of equally
    short ones that with the longer port at its end, and the later row."""
    order = sorted(range(len(leases)), key=lambda n: len(text(leases[n], "port")))
    found = []
    for length in range(1, len(leases) + 1):
        for places in permutations(reversed(order), length):
            chain = [leases[n] for n in reversed(places)]
            if (
                chain[0]["lessor"] == holder
                and chain[-1]["lessee"] == enterprise
                and all(a["lessee"] == b["lessor"] for a, b in pairwise(chain))
                and all(text(b, "port").startswith(text(a, "port")) for a, b in pairwise(chain))
            ):
                found.append(chain)
        if found:
            break
    return found


def text(row: Row, name: str) -> str:
    return str(row.get(name, ""))


def names(row: Row, name: str) -> list[str]:
    return text(row, name).split("|") if text(row, name) else []


def spans(hours: list[str]) -> Hours:
    return [
        (int(h[0:2]) * 60 + int(h[3:5]), int(h[6:8]) * 60 + int(h[9:11])) for h in hours
    ]  # fmt: skip


def in_status(row: Row) -> bool:
    return text(row, "status") in ("", "active")


def in_force(row: Row, at: float) -> bool:
    """Active, and the day of `at` inside the dates."""
    day = datetime.fromtimestamp(at, ZONE).date().isoformat()
    begins, ends = text(row, "valid_from"), text(row, "valid_until")
    return in_status(row) and (not begins or begins <= day) and (not ends or day <= ends)
