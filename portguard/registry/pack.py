"""The rows of a registry that was checked, as the entries of an image, in the order of their keys."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

from portguard.registry import model, octets
from portguard.registry.image import AccountRecord, EnterpriseRecord, TemplateRecord, image_key
from portguard.registry.review import Review
from portguard.registry.scope_rows import Scopes
from portguard.registry.sorting import Sorter
from portguard.registry.store import RECORD_HEAD
from portguard.sms.category import packed

R = TypeVar("R")
S = TypeVar("S")
Pairs = Iterable[tuple[bytes, Any]]

# A signature whose scopes take more octets than this has them under keys of their own, so that a message need not look
# through all of them.
MOST_OCTETS: Final = 4096


class Pack:
    """The databases of one image, in their order. What does not fit into memory is put in `folder`."""

    def __init__(self, review: Review, folder: Path) -> None:
        self._review = review
        self._calendar = review.calendar
        self._active = {id for id, row in review.enterprises.items() if row.status == "active"}
        self._apart = Sorter(folder)
        self._apart_octets = 0

    def databases(self) -> Iterator[tuple[str, Pairs]]:
        """Every database with its entries; each is to be gone through before the next."""
        review, registry = self._review, self._review.registry
        yield "accounts", _single(registry.accounts.rows, lambda r: image_key(r.system_id), _account)
        yield "enterprises", _single(registry.enterprises.rows, lambda r: image_key(r.id), _enterprise)
        yield "ports", self._ports()
        yield "subleases", self._subleases()
        yield "signatures", self._signatures()
        yield "scopes", ((key, value) for key, _, value in self._apart.sorted())
        yield "canonical", _single(review.canonical.items(), lambda i: image_key(i[0]), lambda i: _texts(i[1]))
        yield "templates", _grouped(registry.templates.rows, lambda r: image_key(r.signature, r.enterprise), _template)
        yield "numbers", _single(review.first_signatures.items(), lambda i: image_key(i[0]), lambda i: i[1].encode())
        yield "regions", _single(review.regions.items(), lambda i: image_key(i[0]), lambda i: i[1].encode())
        yield "words", _single(registry.words.rows, lambda r: image_key(r.word, r.category), _word)

    def close(self) -> None:
        """Give memory and disk back."""
        self._apart.close()

    def _ports(self) -> Pairs:
        leased, keeping = self._review.leases.any_under, self._review.extension_ports
        for key, rows in _grouped(self._review.registry.ports.rows, lambda r: image_key(r.port), self._port):
            number = key.decode()
            yield key, octets.port_entry(leased(number), number in keeping, rows)

    def _subleases(self) -> Pairs:
        for key, rows in _grouped(self._review.registry.subleases.rows, lambda r: image_key(r.port), self._sublease):
            yield key, octets.listed(rows)

    def _signatures(self) -> Pairs:
        """Registrations and scopes, both in the order of the signatures; none has scopes that is not registered."""
        registry = self._review.registry
        templated = {row.signature.encode() for row in registry.templates.rows}
        scoped = self._review.sorted_scopes()
        next_scoped, scopes = next(scoped, _NONE)
        for key, rows in _grouped(registry.signatures.rows, lambda r: image_key(r.signature), self._signature):
            own: Scopes = []
            if key == next_scoped:
                own = scopes
                next_scoped, scopes = next(scoped, _NONE)
            if sum(len(scope) for _, scope in own) > MOST_OCTETS:
                yield key, self._put_apart(key, key in templated, rows, own)
            else:
                yield key, octets.signature_entry(key in templated, rows, [scope for _, scope in own])

    def _put_apart(self, key: bytes, templated: bool, rows: list[bytes], scopes: Scopes) -> bytes:
        """The entry of a signature whose scopes are written later."""
        by_port: dict[bytes, list[bytes]] = {}
        for port, scope in scopes:
            by_port.setdefault(port, []).append(scope)
        before = self._apart_octets
        for port, same in by_port.items():
            whole, value = key + b"\0" + port, octets.listed(same)
            self._apart.add((whole, 0, value))
            self._apart_octets += RECORD_HEAD + len(whole) + len(value)
        lengths = {len(port) for port in by_port}
        return octets.signature_entry_apart(templated, rows, lengths, before, self._apart_octets - before)

    # ---- rows

    def _port(self, row: model.PortRow) -> bytes:
        return octets.port(
            row.holder, row.holder in self._active, row.signature_required, row.signature_per_extension,
            row.extension_digits, packed(row.categories), "|".join(row.regions), self._dates(row),
        )  # fmt: skip

    def _sublease(self, row: model.SubleaseRow) -> bytes:
        categories = packed(row.categories)
        return octets.sublease(row.lessor, row.lessee, row.exclusive, categories, row.filing, self._dates(row))

    def _signature(self, row: model.SignatureRow) -> bytes:
        return octets.signature(row.enterprise, row.enterprise in self._active, self._dates(row))

    def _dates(self, row: model.PortRow | model.SubleaseRow | model.SignatureRow) -> octets.Dates:
        return octets.Dates(
            self._calendar.begins(row.valid_from), self._calendar.ends(row.valid_until), row.status
        )


_NONE: Final[tuple[bytes, Scopes]] = (b"", [])


def _single(rows: Iterable[R], key: Callable[[R], bytes], entry: Callable[[R], Any]) -> Pairs:
    """One entry for each row, whose keys differ."""
    return ((key(row), entry(row)) for row in sorted(rows, key=key))


def _grouped(
    rows: Iterable[R], key: Callable[[R], bytes], entry: Callable[[R], S]
) -> Iterator[tuple[bytes, list[S]]]:
    """The rows of each key together, in the order of the table."""
    return ((group, [entry(row) for row in same]) for group, same in groupby(sorted(rows, key=key), key))


def _account(row: model.AccountRow) -> object:
    networks = [str(ipaddress.ip_network(network, strict=False)) for network in row.networks]
    return AccountRecord(
        row.system_id, row.enterprise, networks, row.mode, row.max_binds or 0, row.tps or 0, row.charset, row.binary,
        row.status,
    )  # fmt: skip


def _enterprise(row: model.EnterpriseRow) -> object:
    return EnterpriseRecord(row.id, row.name, row.kind, row.platform, row.status)


def _template(row: model.TemplateRow) -> object:
    return TemplateRecord(row.id, row.category, row.text)


def _word(row: model.WordRow) -> object:
    return row.word, row.category, row.weight


def _texts(texts: list[str]) -> bytes:
    return octets.listed([octets.text(text) for text in texts])
