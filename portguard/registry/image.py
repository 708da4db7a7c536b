"""The file of one revision: its layout, its writer and its reader.

Nouns: a *record* is a row as the image holds it (times are epoch seconds, limits are plain ints); an *image* is an
lmdb environment, a folder with one `data.mdb`, that is written once in key order and never changed; a *database* is
one named part of it. `Meta` names the revision and says which prefix lengths occur, so that a longest-prefix search
asks only those.

    accounts    system_id             AccountRecord         canonical  canonical text        [signature, ...]
    enterprises id                    EnterpriseRecord      templates  signature NUL owner   [TemplateRecord, ...]
    ports       number                [PortRecord, ...]     numbers    full number           signature
    subleases   number                [SubleaseRecord, ...] regions    leading digits        region
    signatures  signature             [SignatureRecord, ..] words      word NUL category     (word, category, weight)
    scopes      signature NUL port    [ScopeRecord, ...]    meta       "meta"                Meta

Keys are UTF-8 (a longer one than lmdb takes is hashed), values msgpack. Knows nothing of the registry's files, and
decides nothing: a number or a text goes in exactly, and what is on file for exactly that comes out.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import lmdb
from msgspec import MsgspecError, Struct
from msgspec.msgpack import Decoder, Encoder

FORMAT: Final = 1
NO_LIMIT: Final = 2**62
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
MAP_SIZE: Final = 1 << 36

_LONGEST_KEY: Final = 480
_BATCH: Final = 50_000
_META_KEY: Final = b"meta"


class ImageError(Exception):
    """The folder is no image that this version can serve from; the text says why."""


class Meta(Struct, frozen=True):
    """What the revision is. `digest`: 16 hex digits; lengths in ascending order; `counts`: rows of each table."""

    digest: str
    format: int
    timezone: str
    country: str
    counts: dict[str, int]
    port_lengths: list[int]
    sublease_lengths: list[int]
    scope_lengths: list[int]
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


class PortRecord(Struct, array_like=True, frozen=True):
    """In force from `valid_from` until before `valid_until`; `extension_digits` -1: up to 20 digits in all."""

    port: str
    holder: str
    categories: list[str]
    regions: list[str]
    extension_digits: int
    signature_required: bool
    signature_per_extension: bool
    valid_from: int
    valid_until: int
    status: str


class SubleaseRecord(Struct, array_like=True, frozen=True):
    """Covers every number that begins with `port`."""

    port: str
    lessor: str
    lessee: str
    exclusive: bool
    categories: list[str]
    filing: str
    valid_from: int
    valid_until: int
    status: str


class SignatureRecord(Struct, array_like=True, frozen=True):
    """One registration of a signature."""

    signature: str
    enterprise: str
    valid_from: int
    valid_until: int
    status: str


class ScopeRecord(Struct, array_like=True, frozen=True):
    """`hours` are [start, end) in minutes of the local day; `daily_cap` 0 is no cap."""

    signature: str
    enterprise: str
    port: str
    categories: list[str]
    regions: list[str]
    hours: list[tuple[int, int]]
    daily_cap: int
    provider: str
    valid_from: int
    valid_until: int
    status: str


class TemplateRecord(Struct, array_like=True, frozen=True):
    """A template of one signature of one enterprise, which are in the key."""

    id: str
    category: str
    text: str


WordRecord = tuple[str, str, int]

_TYPES: Final[dict[str, Any]] = {
    "accounts": AccountRecord,
    "enterprises": EnterpriseRecord,
    "ports": list[PortRecord],
    "subleases": list[SubleaseRecord],
    "signatures": list[SignatureRecord],
    "scopes": list[ScopeRecord],
    "canonical": list[str],
    "templates": list[TemplateRecord],
    "numbers": str,
    "regions": str,
    "words": WordRecord,
}


def image_key(*parts: str) -> bytes:
    """The key of a record: its parts in UTF-8 with NUL between them, hashed where lmdb could not hold it."""
    # surrogatepass: what was looked up came from the wire, and a miss is no error.
    key = "\0".join(parts).encode("utf-8", "surrogatepass")
    if len(key) > _LONGEST_KEY:
        return b"\xff" + hashlib.blake2b(key, digest_size=32).digest()
    return key


class ImageWriter:
    """Writes one image into a folder that is still empty: databases in the order of `DATABASES`, then `finish`.

    Raises lmdb.Error or OSError when the disk does not take it; the folder is then worth nothing.
    """

    def __init__(self, folder: Path, map_size: int = MAP_SIZE) -> None:
        self._environment = lmdb.open(
            str(folder),
            map_size=map_size,
            max_dbs=len(DATABASES) + 1,
            lock=False,
            sync=False,
            meminit=False,
        )
        self._hash = hashlib.blake2b(digest_size=8)
        self._encode = Encoder().encode

    def write(self, database: str, records: Iterable[tuple[bytes, object]]) -> int:
        """Append (key, record) pairs that come in ascending order of their keys; returns how many."""
        self._hash.update(b"\0" + database.encode())
        handle = self._environment.open_db(database.encode())
        encode, written = self._encode, 0
        pairs = iter(records)
        while batch := [(key, encode(record)) for key, record in islice(pairs, _BATCH)]:
            self._hash.update(b"".join(b"%d:%b%d:%b" % (len(k), k, len(v), v) for k, v in batch))
            with self._environment.begin(write=True, db=handle) as transaction:
                _, added = transaction.cursor().putmulti(batch, append=True)
            if added != len(batch):
                raise ValueError(f"{database}: keys are not in ascending order")
            written += added
        return written

    def digest(self, *extra: str) -> str:
        """16 hex digits for everything written so far, and for what else makes the revision another one."""
        final = self._hash.copy()
        final.update("\0".join(("", str(FORMAT), *extra)).encode())
        return final.hexdigest()

    def finish(self, meta: Meta) -> None:
        """Write `meta`, and everything to the disk itself; the image is whole only afterwards."""
        handle = self._environment.open_db(b"meta")
        with self._environment.begin(write=True, db=handle) as transaction:
            transaction.put(_META_KEY, self._encode(meta))
        self._environment.sync(True)
        self.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._environment.close()


class _Environments:
    """The images this process has mapped. lmdb refuses to map one file twice, so its readers share the environment."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], tuple[Any, int]] = {}

    def take(self, folder: Path) -> tuple[tuple[int, int], Any]:
        """The environment of the image in `folder` and the name to give it back under; raises lmdb.Error, OSError."""
        status = (folder / "data.mdb").stat()
        name = status.st_dev, status.st_ino
        environment, readers = self._open.get(name, (None, 0))
        if environment is None:
            environment = lmdb.open(str(folder), readonly=True, create=False, lock=False, max_dbs=len(DATABASES) + 1)
            pages = environment.info()["last_pgno"] + 1
            # Reading beyond the end of a mapped file is a bus error, not an exception.
            if status.st_size < pages * environment.stat()["psize"]:
                environment.close()
                raise ImageError("data.mdb is cut short")
        self._open[name] = environment, readers + 1
        return name, environment

    def give_back(self, name: tuple[int, int]) -> None:
        """Unmap the image when this was its last reader."""
        environment, readers = self._open.pop(name)
        if readers > 1:
            self._open[name] = environment, readers - 1
        else:
            environment.close()


_environments: Final = _Environments()


class Image:
    """A reader of one image. The pages are shared with every other process that reads it; for use by one thread."""

    def __init__(self, path: Path | str) -> None:
        """Map the image in folder `path`; raises ImageError when there is none that can be served from."""
        self.path = Path(path)
        try:
            self._name, self._environment = _environments.take(self.path)
        except OSError as error:
            raise ImageError(f"{path}: no registry image: {error.strerror}") from error
        except (lmdb.Error, ImageError) as error:
            raise ImageError(f"{path}: no registry image: {error}") from error
        # One transaction for life: an image never changes, so there is never anything newer to see.
        self._transaction = self._environment.begin(buffers=True)
        try:
            self.meta = self._read_meta()
            self._handles = {name: self._handle(name) for name in DATABASES}
        except (lmdb.Error, MsgspecError, ImageError) as error:
            self.close()
            raise ImageError(f"{path}: the registry image cannot be used: {error}") from error
        self._decoders = {name: Decoder(_TYPES[name]) for name in DATABASES}

    def _read_meta(self) -> Meta:
        raw = self._transaction.get(_META_KEY, db=self._handle("meta"))
        if raw is None:
            raise ImageError("it was never finished")
        meta = Decoder(Meta).decode(raw)
        if meta.format != FORMAT:
            raise ImageError(f"its format is {meta.format}, this version reads {FORMAT}")
        return meta

    def _handle(self, database: str) -> Any:
        return self._environment.open_db(database.encode(), txn=self._transaction, create=False)

    def _get(self, database: str, key: bytes) -> Any:
        if not key:
            return None
        raw = self._transaction.get(key, db=self._handles[database])
        return None if raw is None else self._decoders[database].decode(raw)

    def account(self, system_id: str) -> AccountRecord | None:
        record: AccountRecord | None = self._get("accounts", image_key(system_id))
        return record

    def accounts(self) -> Iterator[AccountRecord]:
        """Every account, in the order of the system_ids."""
        for _, record in self.records("accounts"):
            yield record

    def enterprise(self, id: str) -> EnterpriseRecord | None:
        record: EnterpriseRecord | None = self._get("enterprises", image_key(id))
        return record

    def ports(self, number: str) -> list[PortRecord]:
        """What is registered for exactly this number, in the order of the table (dates do not overlap)."""
        return self._get("ports", image_key(number)) or []

    def subleases(self, number: str) -> list[SubleaseRecord]:
        """Subleases of exactly this number."""
        return self._get("subleases", image_key(number)) or []

    def signatures(self, text: str) -> list[SignatureRecord]:
        """All registrations of exactly this text."""
        return self._get("signatures", image_key(text)) or []

    def scopes(self, signature: str, port: str) -> list[ScopeRecord]:
        """Scopes of a signature for exactly this port; "" are those without a port."""
        return self._get("scopes", image_key(signature, port)) or []

    def canonical(self, text: str) -> list[str]:
        """The registered signatures whose canonical form is `text`."""
        return self._get("canonical", image_key(text)) or []

    def templates(self, signature: str, enterprise: str) -> list[TemplateRecord]:
        return self._get("templates", image_key(signature, enterprise)) or []

    def first_signature(self, number: str) -> str | None:
        """The signature that keeps this full number under a port with signature_per_extension."""
        signature: str | None = self._get("numbers", image_key(number))
        return signature

    def region(self, digits: str) -> str:
        """The region of the longest prefix of `digits` (E.164 without +), "" when there is none."""
        for length in reversed(self.meta.region_lengths):
            if length <= len(digits):
                region: str | None = self._get("regions", image_key(digits[:length]))
                if region is not None:
                    return region
        return ""

    def words(self) -> list[WordRecord]:
        """The registry's own lexicon as (word, category, weight); [] when the table is absent."""
        return [record for _, record in self.records("words")]

    def records(self, database: str) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) of a database in the order of the keys."""
        decode = self._decoders[database].decode
        for key, raw in self._transaction.cursor(self._handles[database]):
            yield bytes(key), decode(raw)

    def raw_records(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """Every (key, value) as stored, for comparing images without decoding what is the same."""
        for key, raw in self._transaction.cursor(self._handles[database]):
            yield bytes(key), bytes(raw)

    def decode(self, database: str, raw: bytes) -> Any:
        """The record of a value from `raw_records`."""
        return self._decoders[database].decode(raw)

    def warm(self) -> None:
        """Read the whole file once, so that no lookup waits for the disk. It takes a while: call it off the path."""
        buffer = bytearray(1 << 20)
        with (self.path / "data.mdb").open("rb", buffering=0) as file:
            while file.readinto(buffer):
                continue

    def close(self) -> None:
        """Unmap the file; nothing may be asked afterwards."""
        self._transaction.abort()
        _environments.give_back(self._name)
