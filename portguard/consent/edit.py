"""Writing to the ledger: one transaction, whole or not at all.

Nouns: an *entry* is one new record on its way to the store, with its enterprise and its proof. `Edit` is a context
manager; when it is left without an exception, everything in it has been written through to the disk.
"""

from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Final, NamedTuple

import msgspec

from portguard.consent.record import SUBSCRIBER, pack, seconds, subscriber_key
from portguard.consent.standing import REVOCATION, Attribute, settle
from portguard.consent.store import ConsentError, Store, name_key, proof_key, records_at

MOST_ATTRIBUTES: Final = 10_000

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_BARE: Final = Attribute(REVOCATION, "")
_PAIR: Final = itemgetter(0, 1)


class Entry(NamedTuple):
    """`at` and `expires` in epoch seconds; `proof` "" for none."""

    enterprise: str
    subscriber: bytes
    attribute: Attribute
    at: int
    expires: int
    proof: str


class Edit:
    """One write transaction. Waits for the writer before it. Raises lmdb.Error, of which MapFullError and
    MapResizedError want another map and another try."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> "Edit":
        store = self._store
        self._transaction = store.environment.begin(write=True, db=store.pairs)
        try:
            self._cursor = self._transaction.cursor()
            self._ids: dict[str, bytes] = {}
            self._attributes: dict[bytes, Attribute] = {}
            for id, raw in self._transaction.cursor(store.attributes):
                self._attributes[bytes(id)] = msgspec.msgpack.decode(raw, type=Attribute)
            self._attribute_ids = {attribute: id for id, attribute in self._attributes.items()}
            self._any_proofs = self._transaction.stat(store.proofs)["entries"] > 0
        except BaseException:
            self._transaction.abort()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._transaction.commit()
        else:
            self._transaction.abort()

    def revoke(self, enterprise: str, subscriber: str, at: float, source: str) -> bool:
        """Put an opt-out on file; False when one as new is there. A number nobody can have is left alone."""
        key = subscriber_key(subscriber)
        attribute = Attribute(REVOCATION, source)
        return bool(key) and self.put([Entry(enterprise, key, attribute, seconds(at), 0, "")]) > 0

    def put(self, entries: list[Entry]) -> int:
        """Take entries in the order of (enterprise, subscriber), and of their coming within a pair; returns how many
        pairs changed. ConsentError when there are too many different attributes."""
        rows = [
            (self._enterprise(e.enterprise), e.subscriber,
             pack(e.subscriber, self._attribute(e.attribute), e.at, e.expires), e.proof)
            for e in entries
        ]  # fmt: skip
        changed = 0
        for id, of_one in groupby(rows, itemgetter(0)):
            changed += self._of_one_enterprise(id, list(of_one))
        return changed

    def _of_one_enterprise(self, id: bytes, rows: list[tuple[bytes, bytes, bytes, str]]) -> int:
        """Records beyond the last one on file fill their pages to the brim; those between others cannot."""
        cursor = self._cursor
        last = b""
        if cursor.set_key(id) and cursor.last_dup():
            last = cursor.value()
        between: list[tuple[bytes, bytes]] = []
        beyond: list[tuple[bytes, bytes]] = []
        changed = 0
        for (_, subscriber), group in groupby(rows, _PAIR):
            new = [(record, proof) for _, _, record, proof in group]
            known = records_at(cursor, id, subscriber) if subscriber <= last[:SUBSCRIBER] else []
            added, dropped = self._merged(id, known, new)
            for record in dropped:
                cursor.set_key_dup(id, record)
                cursor.delete()
            changed += bool(added or dropped)
            place = beyond if subscriber > last[:SUBSCRIBER] else between
            place += [(id, record) for record in added]
        writer = self._transaction.cursor()
        writer.putmulti(between)
        writer.putmulti(beyond, append=True)
        return changed

    def _merged(
        self, id: bytes, known: list[bytes], new: list[tuple[bytes, str]]
    ) -> tuple[list[bytes], list[bytes]]:
        """(records to add, sorted; records to drop), and the proofs that go with them."""
        records = known
        for record, _ in new:
            records = settle(records, record, self._attributes) if records else [record]
        added = sorted(record for record in records if record not in known)
        dropped = [record for record in known if record not in records] if known else known
        for record in dropped if self._any_proofs else []:
            self._transaction.delete(proof_key(id, record), db=self._store.proofs)
        for record, proof in new:
            # The same row again, now with a proof, completes what is on file.
            if proof and record in records:
                self._transaction.put(proof_key(id, record), proof.encode(), db=self._store.proofs)
                self._any_proofs = True
        return added, dropped

    def _enterprise(self, name: str) -> bytes:
        id = self._ids.get(name)
        if id is None:
            enterprises, key = self._store.enterprises, name_key(name)
            id = self._transaction.get(key, db=enterprises)
            if id is None:
                id = (self._transaction.stat(enterprises)["entries"] + 1).to_bytes(4, "big")
                self._transaction.put(key, id, db=enterprises)
            self._ids[name] = id
        return id

    def _attribute(self, attribute: Attribute) -> bytes:
        id = self._attribute_ids.get(attribute)
        if id is None:
            if len(self._attributes) >= MOST_ATTRIBUTES and attribute.kind == REVOCATION:
                # No opt-out may be lost for the name of its source.
                return self._attribute(_BARE) if attribute != _BARE else self._interned(_BARE)
            if len(self._attributes) >= MOST_ATTRIBUTES:
                raise ConsentError(f"there are {MOST_ATTRIBUTES:,} different sources and sets of categories on file; "
                                   "no more are taken")  # fmt: skip
            id = self._interned(attribute)
        return id

    def _interned(self, attribute: Attribute) -> bytes:
        id = (len(self._attributes) + 1).to_bytes(3, "big")
        self._transaction.put(id, _ENCODE(attribute), db=self._store.attributes)
        self._attributes[id] = attribute
        self._attribute_ids[attribute] = id
        return id
