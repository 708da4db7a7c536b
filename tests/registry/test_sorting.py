"""Rows come back in the order of their keys and lines, whether they fitted into memory or not."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.registry.sorting import Sorter

rows = st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=60)


@settings(deadline=None)
@given(rows, st.integers(1, 70))
def test_any_rows_in_runs_of_any_size(pairs: list[tuple[bytes, bytes]], run: int) -> None:
    with Sorter(run=run) as sorter:
        for line, (key, value) in enumerate(pairs):
            sorter.add((key, line, value))
        expected = sorted((key, line, value) for line, (key, value) in enumerate(pairs))
        assert list(sorter.sorted()) == expected


def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with Sorter(folder, run=10) as sorter:
        for line in range(5):
            sorter.add((b"x", line, b""))
        assert not folder.exists()
        for line in range(5, 25):
            sorter.add((b"x", line, b""))
        assert list(folder.iterdir()) == []
        assert [line for _, line, _ in sorter.sorted()] == list(range(25))
    assert list(folder.iterdir()) == []
