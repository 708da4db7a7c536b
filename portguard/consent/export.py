"""The ledger as rows again, those that an import takes: by enterprise and subscriber, a row a record, as a stream.

What is read is of several views, each soon given up: an export of hours would otherwise keep every old page of the
store from being used again. A pair that changes meanwhile is given as it was or as it is.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Final

import msgspec

from portguard.consent.record import ATTRIBUTE, NEVER, unpack
from portguard.consent.standing import REVOCATION, Attribute
from portguard.consent.store import Store, View

COLUMNS: Final = (
    "enterprise", "subscriber", "granted_at", "source", "categories", "expires_at", "proof", "revoked_at",
)  # fmt: skip

_AT_ONCE: Final = 20_000

Row = dict[str, str | list[str]]


def rows(store: Store, enterprise: str | None = None) -> Iterator[Row]:
    """Every record, or those of one enterprise; fields that say nothing are left out, `categories` is a list."""
    view = store.view()
    names = view.enterprises()
    view.close()
    attributes: dict[bytes, Attribute] = {}
    for id, name in sorted(names.items()):
        if enterprise in (None, name):
            yield from _of_one(store, id, name, attributes)


def _of_one(store: Store, id: bytes, name: str, attributes: dict[bytes, Attribute]) -> Iterator[Row]:
    last = b"\0"
    while last:
        view = store.view()
        try:
            found = _after(view, id, last)
            for record in found:
                if record[ATTRIBUTE] not in attributes:
                    attributes[record[ATTRIBUTE]] = view.attribute(record[ATTRIBUTE])
            batch = [_row(name, record, attributes[record[ATTRIBUTE]], view.proof(id, record)) for record in found]
        finally:
            view.close()
        yield from batch
        last = found[-1] if len(found) == _AT_ONCE else b""


def _after(view: View, id: bytes, last: bytes) -> list[bytes]:
    """The next records of an enterprise after `last`."""
    found: list[bytes] = []
    more = view.seek(id, last)
    while more and len(found) < _AT_ONCE:
        record = view.value()
        if record != last:
            found.append(record)
        more = view.next()
    return found


def _row(name: str, packed: bytes, attribute: Attribute, proof: str) -> Row:
    record = unpack(packed)
    revoked = attribute.kind == REVOCATION
    fields: Row = {
        "enterprise": name,
        "subscriber": "+" + record.subscriber,
        "granted_at": "" if revoked else _time(record.at),
        "source": attribute.source,
        "categories": list(attribute.categories),
        "expires_at": "" if revoked or record.expires == NEVER else _time(record.expires),
        "proof": proof,
        "revoked_at": _time(record.at) if revoked else "",
    }
    return {field: value for field, value in fields.items() if value}


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_jsonl(found: Iterator[Row], stream: IO[bytes]) -> int:
    """An object a line; returns how many."""
    encode, buffer, count = msgspec.json.Encoder().encode_into, bytearray(), 0
    for row in found:
        encode(row, buffer)
        stream.write(buffer + b"\n")
        count += 1
    return count


def write_csv(found: Iterator[Row], stream: IO[bytes]) -> int:
    """A header and a row each, lists with |; returns how many."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    writer, count = csv.writer(text, lineterminator="\n"), 0
    writer.writerow(COLUMNS)
    for row in found:
        cells = [row.get(name, "") for name in COLUMNS]
        writer.writerow(["|".join(cell) if isinstance(cell, list) else cell for cell in cells])
        count += 1
    text.flush()
    text.detach()
    return count
