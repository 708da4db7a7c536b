"""The ledger's lmdb environment: what is on file, for every process of the node.

Nouns: a *view* is one read transaction, a consistent and soon outdated picture; an *edit* is one write transaction,
on the disk when it is left (`edit` has the work). lmdb's lock admits one writer at a time of all processes; readers
wait for nobody.

    pairs        enterprise id (4) -> its records, sorted, 18 octets each (DUPFIXED: no overhead a record)
    enterprises  name -> id          attributes  id (3) -> msgpack
    proofs       enterprise id, subscriber, attribute id -> text

One process opens an environment once. The map is reserved address space and no memory; should it ever be too small,
`Store.grow` doubles it, and other processes follow (`Store.follow`).
"""

import os
from pathlib import Path
from typing import Any, Final

import lmdb
import msgspec

from portguard.consent.record import SUBSCRIBER
from portguard.consent.standing import Attribute

MAP_SIZE: Final = 1 << 36
FORMAT: Final = b"1"

_DATABASES: Final = 5
_LITTLE: Final = 1 << 20
_READERS: Final = 1000
_DECODE: Final = msgspec.msgpack.Decoder(Attribute).decode


class ConsentError(Exception):
    """The ledger cannot be used, and why, in words for its operator."""


class Store:
    """An open environment. Raises ConsentError when there is none, or none that can be used."""

    def __init__(self, path: Path | str, *, readonly: bool = False, map_size: int = MAP_SIZE) -> None:
        self.path = Path(path)
        self.readonly = readonly
        try:
            if not readonly:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.environment = lmdb.open(
                str(self.path), map_size=map_size, max_dbs=_DATABASES, max_readers=_READERS, mode=0o600,
                readonly=readonly, create=not readonly, meminit=False,
            )
        except (lmdb.Error, OSError) as error:
            raise ConsentError(f"{self.path}: the consent ledger cannot be opened: {plain(error)}") from error
        try:
            self._open_databases()
            # Readers that were killed would keep old pages from being used again.
            self.environment.reader_check()
        except (lmdb.Error, OSError, ConsentError) as error:
            self.environment.close()
            raise ConsentError(f"{self.path}: the consent ledger cannot be used: {plain(error)}") from error

    def _open_databases(self) -> None:
        """Takes its turn at the write lock, for a moment, unless the store is only read."""
        try:
            if self.readonly:
                found = self._take(None)
            else:
                with self.environment.begin(write=True) as transaction:
                    found = self._take(transaction)
        except lmdb.NotFoundError:
            raise ConsentError("it was never finished") from None
        if found != FORMAT:
            raise ConsentError(f"its format is {found!r}, this version reads {FORMAT!r}")

    def _take(self, transaction: lmdb.Transaction | None) -> bytes:
        """Open the databases, in a write transaction make them; returns the format they have."""
        take, create = self.environment.open_db, transaction is not None
        self.pairs = take(b"pairs", transaction, create=create, dupsort=True, dupfixed=True)
        self.enterprises = take(b"enterprises", transaction, create=create)
        self.attributes = take(b"attributes", transaction, create=create)
        self.proofs = take(b"proofs", transaction, create=create)
        meta = take(b"meta", transaction, create=create)
        if transaction is None:
            with self.environment.begin(db=meta) as look:
                return bytes(look.get(b"format", b""))
        if transaction.get(b"format", db=meta) is None:
            transaction.put(b"format", FORMAT, db=meta)
        return bytes(transaction.get(b"format", b"", db=meta))

    def view(self) -> "View":
        """What is committed now. Raises lmdb.MapResizedError when another process has grown the map."""
        return View(self)

    def grow(self) -> None:
        """Double the map. No view or edit of this process may be open."""
        self.environment.set_mapsize(self.environment.info()["map_size"] * 2)

    def follow(self) -> None:
        """Take up the size another process has given the map. No view or edit of this process may be open."""
        self.environment.set_mapsize(0)

    def warm(self) -> None:
        """Read the file once, so that no lookup waits for the disk. It takes a while: call it off the path."""
        buffer = bytearray(1 << 20)
        with (self.path / "data.mdb").open("rb", buffering=0) as file:
            while file.readinto(buffer):
                continue

    def close(self) -> None:
        """Let go of the file. Nothing may be asked afterwards."""
        self.environment.close()


class View:
    """One read transaction, for one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transaction = store.environment.begin()
        cursor = self.transaction.cursor(store.pairs)
        self.seek = cursor.set_range_dup
        self.value = cursor.value
        self.next = cursor.next_dup
        self._cursor = cursor

    def enterprise(self, name: str) -> bytes | None:
        """The id of an enterprise; None when nothing was ever on file of it. An id is for ever."""
        return self.transaction.get(name_key(name), db=self._store.enterprises)

    def enterprises(self) -> dict[bytes, str]:
        """Every enterprise by its id."""
        return {bytes(id): name.decode() for name, id in self.transaction.cursor(self._store.enterprises)}

    def attribute(self, id: bytes) -> Attribute:
        """What an attribute id stands for."""
        return _DECODE(self.transaction.get(id, b"", db=self._store.attributes))

    def attributes(self) -> dict[bytes, Attribute]:
        """Every attribute by its id."""
        return {bytes(id): _DECODE(raw) for id, raw in self.transaction.cursor(self._store.attributes)}

    def records(self, enterprise: bytes, subscriber: bytes) -> list[bytes]:
        """The records of one pair."""
        return records_at(self._cursor, enterprise, subscriber)

    def proof(self, enterprise: bytes, record: bytes) -> str:
        """The proof kept with a grant, "" when there is none."""
        raw = self.transaction.get(proof_key(enterprise, record), db=self._store.proofs)
        return "" if raw is None else raw.decode()

    def counts(self) -> tuple[int, int]:
        """(enterprises, records) on file."""
        stat = self.transaction.stat
        return stat(self._store.enterprises)["entries"], stat(self._store.pairs)["entries"]

    def close(self) -> None:
        """End the transaction: the pages it saw may be used again."""
        self.transaction.abort()


def records_at(cursor: Any, enterprise: bytes, subscriber: bytes) -> list[bytes]:
    """The records of a pair, by a cursor over `pairs`."""
    found: list[bytes] = []
    more = cursor.set_range_dup(enterprise, subscriber)
    while more:
        record = cursor.value()
        if record[:SUBSCRIBER] != subscriber:
            break
        found.append(record)
        more = cursor.next_dup()
    return found


def name_key(name: str) -> bytes:
    """The key of an enterprise. What is looked up may come from anywhere, and a miss is no error."""
    return name.encode("utf-8", "surrogatepass")[:500] or b"\0"


def proof_key(enterprise: bytes, record: bytes) -> bytes:
    """The key of a grant's proof."""
    return enterprise + record[: SUBSCRIBER + 3]


def plain(error: BaseException, folder: Path | None = None) -> str:
    """What went wrong, without lmdb's or the system's decoration. On a full disk the end of a write may have failed
    with another reason than its beginning would have: the space that is left in `folder` tells."""
    if isinstance(error, lmdb.MapFullError):
        return "the map is full"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error)
    known = ("No space left on device", "File too large", "Permission denied", "Read-only file system",
             "Disk quota exceeded", "No such file or directory", "Input/output error")  # fmt: skip
    for cause in known:
        if cause in text:
            full = cause in ("No space left on device", "Disk quota exceeded")
            if cause == "Input/output error" and folder is not None:
                left = os.statvfs(folder)
                full = left.f_bavail * left.f_frsize < _LITTLE
            return "the disk is full" if full else cause.lower()
    return text
