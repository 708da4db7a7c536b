"""Every row comes back as it was written, and of scopes those come back that cover the number."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from portguard.registry import octets
from portguard.registry.records import (
    NO_LIMIT,
    STATUSES,
    Cursor,
    ScopeRecord,
    SignatureEntry,
    SignatureRecord,
    port_entry,
    sublease_rows,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
times = st.integers(-(2**40), 2**40)
flags = st.booleans()
categories = st.binary(max_size=4)
numbers = st.text("0123456789", max_size=20)


@dataclass
class Period:
    begins: int
    ends: int
    status: str

    @property
    def dates(self) -> octets.Dates:
        return octets.Dates(self.begins, self.ends, self.status)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.begins, self.ends, self.status))


periods = st.builds(Period, st.just(0) | times, st.just(NO_LIMIT) | times, st.sampled_from(STATUSES))


@given(st.integers(0, 2**60))
def test_numbers(value: int) -> None:
    cursor = Cursor(b"\xff" + octets.number(value) + b"\x05", 1)
    assert (cursor.number(), cursor.number()) == (value, 5)


Port = tuple[str, bool, bool, bool, int | None, bytes, str, Period]


@given(
    flags, flags,
    st.lists(st.tuples(texts, flags, flags, flags, st.none() | st.integers(0, 20), categories, texts, periods)),
)  # fmt: skip
def test_ports(leased: bool, keeps: bool, rows: list[Port]) -> None:
    raw = octets.port_entry(leased, keeps, [octets.port(*row[:-1], row[-1].dates) for row in rows])
    entry = port_entry(raw, "1069")
    assert (entry.leased, entry.keeps) == (leased, keeps)
    assert [
        (
            r.holder, r.holder_active, r.signature_required, r.signature_per_extension, r.extension_digits,
            r.categories, r.regions, r.valid_from, r.valid_until, r.status,
        )
        for r in entry.rows
    ] == [(*row[:4], -1 if row[4] is None else row[4], *row[5:7], *row[7]) for row in rows]  # fmt: skip
    assert all(row.port == "1069" for row in entry.rows)


@given(st.lists(st.tuples(texts, texts, flags, categories, texts, periods)))
def test_subleases(rows: list[tuple[str, str, bool, bytes, str, Period]]) -> None:
    found = sublease_rows(octets.listed([octets.sublease(*row[:-1], row[-1].dates) for row in rows]), "1")
    assert [
        (r.lessor, r.lessee, r.exclusive, r.categories, r.filing, r.valid_from, r.valid_until, r.status) for r in found
    ] == [(*row[:-1], *row[-1]) for row in rows]


limits = st.tuples(
    texts, categories, texts, st.lists(st.tuples(st.integers(0, 1440), st.integers(0, 1440)), max_size=3),
    st.integers(0, 10**9), periods,
)  # fmt: skip
Limits = tuple[str, bytes, str, list[tuple[int, int]], int, Period]


def said(scope: ScopeRecord) -> tuple[object, ...]:
    return (
        scope.enterprise, scope.port, scope.provider, scope.categories, scope.regions, scope.hours, scope.daily_cap,
        scope.valid_from, scope.valid_until, scope.status,
    )  # fmt: skip


@given(
    flags, st.lists(st.tuples(texts, flags, periods), min_size=1, max_size=4),
    st.lists(st.tuples(numbers, st.integers(0, 3), limits), max_size=6), numbers,
)  # fmt: skip
def test_signatures_with_their_scopes(
    templated: bool, owners: list[tuple[str, bool, Period]], rows: list[tuple[str, int, Limits]], number: str
) -> None:
    scopes = [
        octets.scope(port.encode(), owner % len(owners), octets.scope_limits(*limits[:-1], limits[-1].dates))
        for port, owner, limits in rows
    ]
    raw = octets.signature_entry(
        templated, [octets.signature(enterprise, active, period.dates) for enterprise, active, period in owners], scopes
    )
    entry = SignatureEntry(raw, "云端")
    assert (entry.templated, entry.apart) == (templated, 0)
    assert [
        (r.signature, r.enterprise, r.enterprise_active, r.valid_from, r.valid_until, r.status) for r in entry.rows
    ] == [("云端", enterprise, active, *period) for enterprise, active, period in owners]
    expected = [
        (owners[owner % len(owners)][0], port, *limits[:-1], *limits[-1]) for port, owner, limits in rows
    ]
    assert [said(scope) for scope in entry.scopes()] == expected
    assert [said(scope) for scope in entry.covering(number.encode())] == [
        scope for scope in expected if number.startswith(str(scope[1]))
    ]


def test_scopes_that_stand_apart() -> None:
    row = octets.signature("mall", True, octets.Dates(0, NO_LIMIT, "active"))
    entry = SignatureEntry(octets.signature_entry_apart(True, [row], [0, 4, 12], 1000, 500), "云端")
    assert (entry.templated, entry.apart, entry.at, entry.end) == (True, 1 | 1 << 4 | 1 << 12, 1000, 1500)
    assert entry.scopes() == entry.covering(b"1069") == []
    assert [type(row) for row in entry.rows] == [SignatureRecord]
