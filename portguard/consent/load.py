"""Taking files of consents and opt-outs into the ledger, by the million, while it is in use.

Nouns: an import first reads a file to its end, then writes what it found, sorted, in commits of their own between which
other writers have their turn. A bad row is a problem and the next row is read. What is on file already is left as it
is, so that an import that was broken off is begun again, and repeating one changes nothing.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Final, Protocol
from zoneinfo import ZoneInfo

import lmdb

from portguard.consent.edit import Edit, Entry
from portguard.consent.rows import ConsentRow, Masked, Reading
from portguard.consent.spool import Spool
from portguard.consent.standing import GRANT, Attribute
from portguard.consent.store import ConsentError, Store, plain
from portguard.registry import formats
from portguard.registry.load import Fields

CSV: Final = "csv"
JSONL: Final = "jsonl"

_COMMIT: Final = 100_000
_SHOWN_EVERY: Final = 4096
# Enterprise, subscriber, the row's number in the file, attribute, at, expires, place of the proof: its order is theirs.
_ROW: Final = struct.Struct(">I7sIIIIQ")


class Progress(Protocol):
    """Told how far an import is."""

    def read(self, octets: int, rows: int, bad: int) -> None:
        """So much of the file is read."""

    def written(self, rows: int, of: int) -> None:
        """So many rows are committed."""


class Silence:
    """A Progress that nobody watches."""

    def read(self, octets: int, rows: int, bad: int) -> None:
        """Nothing."""

    def written(self, rows: int, of: int) -> None:
        """Nothing."""


class Result:
    """What became of a file: rows that were `sound` or `bad`, how many are `written`, pairs that `changed`, grants
    without a source."""

    def __init__(self) -> None:
        self.sound = 0
        self.bad = 0
        self.changed = 0
        self.unstated = 0
        self.written = 0


class Import:
    """One file on its way into a store, which has no view open in this process."""

    def __init__(self, store: Store, country: str, zone: ZoneInfo, now: float) -> None:
        self.problems = Masked()
        self.result = Result()
        self._store = store
        self._reading = Reading(country, zone, now)
        self._enterprises: dict[str, int] = {}
        self._attributes: dict[Attribute, int] = {}

    @property
    def enterprises(self) -> list[str]:
        """Those of the sound rows, as they came."""
        return list(self._enterprises)

    def run(self, stream: BinaryIO, file: str, kind: str, progress: Progress | None = None) -> Result:
        """Read and write. Raises ConsentError when ledger or disk do not take it, and says how far it came."""
        progress = progress or Silence()
        try:
            with Spool(self._store.path, _ROW.size) as spool:
                self._read(stream, file, kind, spool, progress)
                self._write(spool, progress)
        except OSError as error:
            raise ConsentError(f"{self._store.path}: sorting the rows needs space: {plain(error)}") from error
        return self.result

    def _read(self, stream: BinaryIO, file: str, kind: str, spool: Spool, progress: Progress) -> None:
        fields, problems, result = Fields(ConsentRow), self.problems, self.result
        number = before = 0
        try:
            for number, raw in self._raw_rows(stream, file, kind, fields):
                row = fields.row(raw, file, number, problems)
                if isinstance(row, ConsentRow):
                    self._spool(row, file, number, spool)
                if number - before >= _SHOWN_EVERY:
                    before = number
                    progress.read(_place(stream), spool.count, problems.count)
        except formats.Unreadable as error:
            problems.add(file, error.row, error.field, str(error))
        except OSError as error:
            problems.add(file, number, "", f"cannot be read any further: {plain(error)}")
        result.sound, result.bad = spool.count, problems.rows
        progress.read(_place(stream), spool.count, problems.count)

    def _raw_rows(self, stream: BinaryIO, file: str, kind: str, fields: Fields) -> Iterator[tuple[int, formats.RawRow]]:
        if kind == CSV:
            return formats.read_csv(stream, file, self.problems, formats.Columns(list(fields.types), fields.required))
        return formats.read_jsonl(stream, file, self.problems)

    def _spool(self, row: ConsentRow, file: str, number: int, spool: Spool) -> None:
        sound = self._reading.sound(row, file, number, self.problems)
        if sound is None:
            return
        attribute = sound.attribute
        if not attribute.source and attribute.kind == GRANT:
            self.result.unstated += 1
        enterprises, attributes = self._enterprises, self._attributes
        spool.add(
            _ROW.pack(
                enterprises.setdefault(row.enterprise, len(enterprises)), sound.subscriber, spool.count,
                attributes.setdefault(attribute, len(attributes)), sound.at, sound.expires,
                spool.keep(row.proof) if row.proof else 0,
            )
        )  # fmt: skip

    def _write(self, spool: Spool, progress: Progress) -> None:
        names, attributes = list(self._enterprises), list(self._attributes)
        rows, result = spool.sorted(), self.result
        unpack = _ROW.unpack
        while batch := list(islice(rows, _COMMIT)):
            entries = [
                Entry(names[name], subscriber, attributes[attribute], at, expires, spool.text(proof))
                for name, subscriber, _, attribute, at, expires, proof in map(unpack, batch)
            ]
            try:
                result.changed += commit(self._store, entries)
            except ConsentError as error:
                raise ConsentError(f"{error}; {result.written:,} of {spool.count:,} rows are on file, import again for "
                                   "the others") from None  # fmt: skip
            result.written += len(batch)
            progress.written(result.written, spool.count)


def _place(stream: BinaryIO) -> int:
    """How many octets of it are read; 0 where nobody knows."""
    return stream.tell() if stream.seekable() else 0


def commit(store: Store, entries: list[Entry]) -> int:
    """Put entries on file, in one transaction, giving the map the size that takes; returns how many pairs changed.
    Raises ConsentError."""
    while True:
        try:
            with Edit(store) as edit:
                return edit.put(entries)
        except lmdb.MapFullError:
            store.grow()
        except lmdb.MapResizedError:
            store.follow()
        except (lmdb.Error, OSError) as error:
            raise ConsentError(f"{store.path}: {plain(error, store.path)}") from error
