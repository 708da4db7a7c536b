"""Longest prefix against a model that tries every number, and the ways by which a lessor has a number."""

from hypothesis import given
from hypothesis import strategies as st

from portguard.registry.model import SubleaseRow
from portguard.registry.ports import Leases, Prefixes

# Few digits, so that numbers are often prefixes of each other.
numbers = st.text("012", min_size=1, max_size=6)


@given(st.lists(numbers), numbers)
def test_longest_prefix_is_what_trying_all_of_them_finds(registered: list[str], number: str) -> None:
    prefixes = Prefixes(registered)
    covering = sorted({prefix for prefix in registered if number.startswith(prefix)}, key=len)
    assert prefixes.longest(number) == (covering[-1] if covering else "")
    assert list(prefixes.covering(number)) == covering
    assert prefixes.any_under(number) == any(prefix.startswith(number) for prefix in registered)


enterprises = st.sampled_from("abcd")
subleases = st.lists(
    st.builds(
        SubleaseRow, port=numbers, lessor=enterprises, lessee=enterprises, status=st.sampled_from(["active", "revoked"])
    ),
    max_size=8,
)


@given(subleases, enterprises, numbers, st.integers(0, 6))
def test_sources_are_what_trying_all_of_them_finds(
    rows: list[SubleaseRow], enterprise: str, number: str, shortest: int
) -> None:
    leases = Leases(enumerate(rows, 2))
    expected = [
        (line, row)
        for line, row in enumerate(rows, 2)
        if row.lessee == enterprise and number.startswith(row.port) and len(row.port) >= shortest
    ]
    assert sorted(line for line, _ in leases.sources(enterprise, number, shortest)) == [line for line, _ in expected]
    assert leases.touches(enterprise, number) == any(
        row.lessee == enterprise and (number.startswith(row.port) or row.port.startswith(number)) for row in rows
    )


@given(subleases)
def test_a_circle_is_found_exactly_where_walking_upward_comes_back(rows: list[SubleaseRow]) -> None:
    leases = Leases(enumerate(rows, 2))

    def comes_back(lessee: str, last: SubleaseRow, walked: tuple[SubleaseRow, ...]) -> bool:
        if last.lessor == lessee:
            return True
        return any(
            comes_back(lessee, row, (*walked, row))
            for row in rows
            if row.status == "active" and row.lessee == last.lessor and last.port.startswith(row.port)
            if all(row is not other for other in walked)
        )

    for index, row in enumerate(rows):
        expected = row.status == "active" and comes_back(row.lessee, row, (row,))
        cycle = leases.cycle(index)
        assert bool(cycle) == expected
        assert not cycle or cycle[0] == index + 2
