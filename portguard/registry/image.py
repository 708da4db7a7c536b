"""The file of one revision: what its databases hold, its writer and its reader.

Noun: an *image* is a folder with one file (`store`), written once and never changed; `Meta` names the revision.

    accounts    system_id             AccountRecord     canonical  canonical text        signatures
    enterprises id                    EnterpriseRecord  templates  signature NUL owner   [TemplateRecord, ...]
    ports       number                PortEntry         numbers    full number           signature
    subleases   number                SubleaseRecords   regions    leading digits        region
    signatures  signature             SignatureEntry    words      word NUL category     (word, category, weight)
    scopes      signature NUL port    ScopeRecords, of a signature that has too many to stand in its own entry

Keys are UTF-8. `canonical` lacks the texts that are their own canonical form and share it with no other. What messages
are judged by is in the octets of `records`; the rest is JSON. Knows nothing of the registry's files, and decides
nothing: a number or a text goes in, and what is on file for exactly that, or for the numbers it begins with, comes out.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import MsgspecError, Struct

from portguard.registry.reader import Reader
from portguard.registry.records import (
    Cursor,
    PortEntry,
    PortRecord,
    ScopeRecord,
    SignatureEntry,
    SignatureRecord,
    SubleaseRecord,
    is_apart,
    port_entry,
    scopes,
    sublease_rows,
)
from portguard.registry.store import StoreError, StoreFile, StoreWriter

FORMAT: Final = 3
FILE: Final = "registry.image"
DATABASES: Final = (
    "accounts",
    "enterprises",
    "ports",
    "subleases",
    "signatures",
    "scopes",
    "canonical",
    "templates",
    "numbers",
    "regions",
    "words",
)

WordRecord = tuple[str, str, int]


class ImageError(Exception):
    """The folder is no image that this version can serve from; the text says why."""


class Meta(Struct, frozen=True):
    """What the revision is. `digest`: 16 hex digits; `counts`: rows of each table; lengths of the numbers in ascending
    order."""

    digest: str
    timezone: str
    country: str
    counts: dict[str, int]
    port_lengths: list[int]
    sublease_lengths: list[int]
    region_lengths: list[int]
    has_signatures: bool
    has_scopes: bool


class AccountRecord(Struct, array_like=True, frozen=True):
    """0 in `max_binds` and `tps` is no limit; `mode` is "" where the node's holds."""

    system_id: str
    enterprise: str
    networks: list[str]
    mode: str
    max_binds: int
    tps: int
    charset: str
    binary: bool
    status: str


class EnterpriseRecord(Struct, array_like=True, frozen=True):
    """`platform` is an enterprise's id for a merchant, else ""."""

    id: str
    name: str
    kind: str
    platform: str
    status: str


class TemplateRecord(Struct, array_like=True, frozen=True):
    """A template of one signature of one enterprise, which are in the key."""

    id: str
    category: str
    text: str


_JSON: Final[dict[str, Any]] = {
    "accounts": AccountRecord,
    "enterprises": EnterpriseRecord,
    "templates": list[TemplateRecord],
    "words": WordRecord,
}


def image_key(*parts: str) -> bytes:
    """The key of an entry: its parts in UTF-8 with NUL between them."""
    # surrogatepass: what was looked up came from the wire, and a miss is no error.
    return "\0".join(parts).encode("utf-8", "surrogatepass")


class ImageWriter:
    """Writes one image into a folder that is still empty: databases in the order of `DATABASES`, then `finish`.

    Raises OSError when the disk does not take it; the folder is then worth nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._file = StoreWriter(folder / FILE)
        self._encode = msgspec.json.Encoder().encode

    def write(self, database: str, entries: Iterable[tuple[bytes, Any]]) -> int:
        """Append (key, entry) pairs that come in ascending order of their keys; returns how many."""
        if database in _JSON:
            encode = self._encode
            entries = ((key, encode(entry)) for key, entry in entries)
        return self._file.write(database, entries)

    def digest(self, *extra: str) -> str:
        """16 hex digits for everything written so far, and for what else makes the revision another one."""
        return self._file.digest(str(FORMAT), *extra)

    def finish(self, meta: Meta) -> None:
        """Write `meta`, and everything to the disk itself; the image is whole only afterwards."""
        self._file.finish(FORMAT, meta)

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._file.close()


class Image:
    """A reader of one image. The pages are shared with every other process that reads it."""

    def __init__(self, path: Path | str) -> None:
        """Map the image in folder `path`; raises ImageError when there is none that can be served from."""
        self.path = Path(path)
        try:
            self._file = StoreFile(self.path / FILE)
        except OSError as error:
            raise ImageError(f"{path}: no registry image: {error.strerror}") from error
        except (StoreError, MsgspecError) as error:
            raise ImageError(f"{path}: no registry image: {error}") from error
        try:
            if self._file.format != FORMAT:
                raise ImageError(f"its format is {self._file.format}, this version reads {FORMAT}")
            self.meta = msgspec.json.decode(self._file.meta, type=Meta)
        except (MsgspecError, ImageError) as error:
            self.close()
            raise ImageError(f"{path}: the registry image cannot be used: {error}") from error
        self._stores = {name: self._file.store(name) for name in DATABASES}
        meta = self.meta
        self.reader = Reader(self._stores, meta.port_lengths, meta.sublease_lengths, meta.region_lengths)

    def _json(self, database: str, key: bytes) -> Any:
        raw = self._stores[database].get(key)
        return None if raw is None else msgspec.json.decode(raw, type=_JSON[database])

    def account(self, system_id: str) -> AccountRecord | None:
        record: AccountRecord | None = self._json("accounts", image_key(system_id))
        return record

    def accounts(self) -> Iterator[AccountRecord]:
        """Every account, in the order of the system_ids."""
        for _, record in self.records("accounts"):
            yield record

    def enterprise(self, id: str) -> EnterpriseRecord | None:
        record: EnterpriseRecord | None = self._json("enterprises", image_key(id))
        return record

    # ---- numbers

    def longest_port(self, number: str) -> PortEntry | None:
        """What is registered for the longest port that `number` begins with."""
        return self.reader.longest_port(number.encode())

    def covering_subleases(self, number: str, shortest: int) -> list[SubleaseRecord]:
        """Subleases of the ports of at least `shortest` digits that `number` begins with, shorter ports first."""
        return self.reader.subleases(number.encode(), shortest)

    def covering_scopes(self, signature: str, number: str) -> list[ScopeRecord]:
        """Scopes of a signature for the ports that `number` begins with, the longer first, those without one last."""
        entry = self.reader.signature(signature)
        return [] if entry is None else self.reader.scopes(entry, number.encode())

    def ports(self, number: str) -> list[PortRecord]:
        """What is registered for exactly this number, in the order of the table (dates do not overlap)."""
        raw = self._stores["ports"].get(image_key(number))
        return [] if raw is None else port_entry(raw, number).rows

    def subleases(self, number: str) -> list[SubleaseRecord]:
        """Subleases of exactly this number."""
        raw = self._stores["subleases"].get(image_key(number))
        return [] if raw is None else sublease_rows(raw, number)

    def scopes(self, signature: str, port: str) -> list[ScopeRecord]:
        """Scopes of a signature for exactly this port; "" are those without a port."""
        return [row for row in self.covering_scopes(signature, port) if row.port == port]

    def first_signature(self, number: str) -> str | None:
        """The signature that keeps this full number under a port with signature_per_extension."""
        return self.reader.first_signature(number.encode())

    def region(self, digits: str) -> str:
        """The region of the longest prefix of `digits` (E.164 without +), "" when there is none."""
        return self.reader.region(digits)

    # ---- texts

    def signatures(self, text: str) -> list[SignatureRecord]:
        """All registrations of exactly this text, in the order of the table."""
        entry = self.reader.signature(text)
        return [] if entry is None else entry.rows

    def canonical(self, text: str) -> list[str]:
        """The registered signatures whose canonical form is `text`."""
        return self.reader.canonical(text)

    def templates(self, signature: str, enterprise: str) -> list[TemplateRecord]:
        return self._json("templates", image_key(signature, enterprise)) or []

    def words(self) -> list[WordRecord]:
        """The registry's own lexicon as (word, category, weight); [] when the table is absent."""
        return [record for _, record in self.records("words")]

    # ---- everything

    def records(self, database: str) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) of a database in the order of the keys, or a list of records where one key may have
        several; the scopes are all here, wherever they stand."""
        for key, raw in self.raw_records("signatures" if database == "scopes" else database):
            if database == "scopes":
                yield from self._scopes_of(self.signature_entry(key, raw))
            else:
                yield key, self.decode(database, key, raw)

    def _scopes_of(self, entry: SignatureEntry) -> Iterator[tuple[bytes, list[ScopeRecord]]]:
        rows = sorted(self.every_scope(entry), key=lambda row: row.port)
        for port, same in groupby(rows, lambda row: row.port):
            yield image_key(entry.signature, port), list(same)

    def raw_records(self, database: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every (key, value) as stored of keys that begin with `prefix`, for comparing and looking without decoding."""
        for key, raw in self._file.records(database):
            if key.startswith(prefix):
                yield key, raw
            elif key > prefix:
                return

    def decode(self, database: str, key: bytes, raw: bytes) -> Any:
        """The record or the records of a value from `raw_records`."""
        if database in _JSON:
            return msgspec.json.decode(raw, type=_JSON[database])
        if database == "ports":
            return port_entry(raw, key.decode()).rows
        if database == "subleases":
            return sublease_rows(raw, key.decode())
        if database == "signatures":
            return self.signature_entry(key, raw).rows
        if database == "canonical":
            cursor = Cursor(raw, 0)
            return [cursor.text() for _ in range(cursor.number())]
        return raw.decode()

    def signature_entry(self, key: bytes, raw: bytes) -> SignatureEntry:
        """The entry of a value from `raw_records` of signatures."""
        return SignatureEntry(raw, key.decode())

    def apart(self, key: bytes, raw: bytes | None) -> bytes | None:
        """The octets of the scopes that stand apart from this value of `raw_records` of signatures; None for none."""
        entry = self.signature_entry(key, raw) if raw is not None and is_apart(raw) else None
        return None if entry is None else self._file.raw("scopes", int(entry.at), int(entry.end))

    def every_scope(self, entry: SignatureEntry) -> list[ScopeRecord]:
        """All scopes of a signature."""
        found = entry.scopes()
        if entry.apart:
            for _, raw in self._file.records("scopes", int(entry.at), int(entry.end)):
                found += scopes(entry.rows, raw, 0, b"", True)
        return found

    def octets(self) -> dict[str, int]:
        """The size of each database in the file."""
        return self._file.octets()

    def warm(self) -> None:
        """Read the whole file once, so that no lookup waits for the disk. It takes a while: call it off the path."""
        buffer = bytearray(1 << 20)
        with (self.path / FILE).open("rb", buffering=0) as file:
            while file.readinto(buffer):
                continue

    def close(self) -> None:
        """Unmap the file; nothing may be asked afterwards."""
        self._file.close()
