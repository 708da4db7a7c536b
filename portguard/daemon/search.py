"""Looking things up in what serves: a signature, a number, an account or an enterprise, with all that hangs on it.

Works on an image, in a thread of its own: the keys of a million rows are walked in a fraction of a second. Decides
nothing about a message: chains are those that the decision would find (`policy.chains`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from portguard.admin.tables import Chain, Found, Row, Search
from portguard.policy.chains import best_chain, in_force
from portguard.registry.image import Image
from portguard.registry.on_file import on_file, readable
from portguard.registry.records import PortRecord
from portguard.sms.canonical import canonical_signature

_NUL = b"\0"


def search(image: Image, wanted: Search, depth: int, at: float) -> Found:
    """What is on file of the one thing that is wanted; `depth` is policy.sublease_depth, `at` epoch seconds."""
    looking = _Search(image, wanted, depth, at)
    if wanted.signature:
        looking.signature(wanted.signature)
    elif wanted.port:
        looking.number(wanted.port)
    elif wanted.account:
        looking.account(wanted.account)
    else:
        looking.enterprise(wanted.enterprise)
    return looking.result()


class _Search:
    """One search; `found` has the rows of each table."""

    def __init__(self, image: Image, wanted: Search, depth: int, at: float) -> None:
        self._image = image
        self._limit = wanted.limit
        self._depth = depth
        self._at = at
        self._zone = ZoneInfo(image.meta.timezone)
        self._rows: dict[str, list[Row]] = {}
        self._chains: dict[tuple[str, str], Chain] = {}
        self._look_alikes: list[str] = []
        self._truncated: dict[str, bool] = {}

    def result(self) -> Found:
        """Everything so far."""
        return Found(
            self._image.meta.digest, **self._rows, chains=list(self._chains.values()),
            look_alikes=self._look_alikes, truncated=list(self._truncated),
        )

    # ---- what is looked for

    def signature(self, text: str) -> None:
        """Registrations, scopes and templates; without one of exactly this text, signatures that have it in them."""
        on_file = self._image.canonical(canonical_signature(text))
        self._look_alikes = [known for known in on_file if known != text][: self._limit]
        names = [text] if self._image.signatures(text) else self._containing(text)
        for name in names:
            self._add("signatures", self._image.signatures(name))
            entry = self._image.reader.signature(name)
            self._add("scopes", [] if entry is None else self._image.every_scope(entry))
            for key, raw in self._image.raw_records("templates", name.encode("utf-8", "surrogatepass") + _NUL):
                self._add("templates", self._records("templates", key, raw))
        self._owners("signatures", "enterprise")

    def _containing(self, text: str) -> list[str]:
        """Registered signatures that have this text in them, one more than are shown."""
        part = text.encode("utf-8", "surrogatepass")
        names: list[str] = []
        for key, _ in self._image.raw_records("signatures"):
            if part in key:
                names.append(key.decode())
                if len(names) > self._limit:
                    break
        return names

    def number(self, number: str) -> None:
        """Ports, subleases and scopes that cover the number or lie under it, and who may send on it."""
        for table in ("ports", "subleases"):
            for length in range(1, len(number)):
                self._add(table, getattr(self._image, table)(number[:length]))
            for key, raw in self._image.raw_records(table, number.encode()):
                self._add(table, self._records(table, key, raw))
        for key, scopes in self._image.records("scopes"):
            port = key.rpartition(_NUL)[2].decode("utf-8", "replace")
            if port and (number.startswith(port) or port.startswith(number)):
                self._add("scopes", scopes)
        record = self._port(number)
        if record is not None:
            self._chain(record.holder, number)
            for row in self._image.covering_subleases(number, len(record.port)):
                self._chain(row.lessee, number)
        self._owners("ports", "holder")

    def account(self, system_id: str) -> None:
        """The account, its enterprise, and on what it may send."""
        account = self._image.account(system_id)
        if account is not None:
            self._add("accounts", [account])
            self.enterprise(account.enterprise, accounts=False)

    def enterprise(self, id: str, *, accounts: bool = True) -> None:
        """The enterprise with its accounts, ports, subleases, signatures and scopes."""
        enterprise = self._image.enterprise(id)
        if enterprise is not None:
            self._add("enterprises", [enterprise])
        if accounts:
            self._add("accounts", self._with("accounts", id, lambda row: row.enterprise == id))
        self._add("ports", self._with("ports", id, lambda row: row.holder == id))
        self._add("subleases", self._with("subleases", id, lambda row: id in (row.lessor, row.lessee)))
        self._add("signatures", self._with("signatures", id, lambda row: row.enterprise == id))
        self._add("scopes", self._with("scopes", id, lambda row: id in (row.enterprise, row.provider)))
        for row in self._rows.get("ports", []):
            self._chain(id, row["port"])
        for row in self._rows.get("subleases", []):
            if row["lessee"] == id:
                self._chain(id, row["port"])

    # ---- rows

    def _with(self, table: str, id: str, mine: Callable[[Any], bool]) -> Iterator[Any]:
        """Records of a table that have to do with an enterprise. One that lacks its id is not even decoded."""
        part = id.encode("utf-8", "surrogatepass")
        if table == "scopes":
            yield from (row for _, rows in self._image.records(table) for row in rows if mine(row))
            return
        for key, raw in self._image.raw_records(table):
            if part in raw:
                yield from (row for row in self._records(table, key, raw) if mine(row))

    def _records(self, table: str, key: bytes, raw: bytes) -> list[Any]:
        found = self._image.decode(table, key, raw)
        return found if isinstance(found, list) else [found]

    def _add(self, table: str, records: Iterable[Any]) -> None:
        """Records as rows, as many as are shown."""
        rows = self._rows.setdefault(table, [])
        for record in records:
            if len(rows) >= self._limit:
                self._truncated[table] = True
                return
            rows.append(on_file(readable(record), self._zone))

    def _owners(self, table: str, field: str) -> None:
        """The enterprises that rows of a table name."""
        for id in dict.fromkeys(row[field] for row in self._rows.get(table, [])):
            enterprise = self._image.enterprise(id)
            if enterprise is not None:
                self._add("enterprises", [enterprise])

    # ---- chains

    def _port(self, number: str) -> PortRecord | None:
        """The record of the longest registered prefix, the one in force where there are several."""
        entry = self._image.longest_port(number)
        if entry is None:
            return None
        return next((row for row in entry.rows if in_force(row, self._at)), entry.rows[-1])

    def _chain(self, enterprise: str, number: str) -> None:
        """How the enterprise comes to the number."""
        record = self._port(number)
        if record is None or (enterprise, number) in self._chains or len(self._chains) >= self._limit:
            return
        subleases = self._image.covering_subleases(number, len(record.port))
        chain = None if enterprise == record.holder else best_chain(subleases, record.holder, enterprise, self._at)
        steps = [record.holder, *(link.lessee for link in chain.links)] if chain is not None else [record.holder]
        why = ""
        if not in_force(record, self._at):
            why = f"port {record.port} is not in force (rule 104)"
        elif any(s.exclusive and s.lessor == enterprise != s.lessee and in_force(s, self._at) for s in subleases):
            why = "an exclusive sublease takes it away (rule 101)"
        elif chain is None and enterprise != record.holder:
            steps, why = [], "no sublease leads there (rule 101)"
        elif chain is not None and chain.broken(self._at):
            link = chain.broken(self._at)[0]
            why = f"the sublease of {link.port} from {link.lessor} to {link.lessee} is not in force (rule 102)"
        elif chain is not None and len(chain.links) > self._depth:
            why = f"the chain is {len(chain.links)} deep, {self._depth} is permitted (rule 103)"
        self._chains[enterprise, number] = Chain(enterprise, number, record.port, steps, not why, why)
