"""What is tallied is told as it was, whatever octets and numbers it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

from portguard.policy.counters import Tallies, label_head
from portguard.policy.grant import NO_TALLY, Tally
from portguard.policy.tally import rows

counts = st.one_of(st.sampled_from([0, 1, 127, 128, 255, 256, (1 << 63) - 1, -1]), st.integers(0, 1 << 40))
names = st.text(st.characters(codec="utf-8"), max_size=300)
sizes = st.sampled_from([0, 1, 31, 32, 255, 256, 65536])
octets = st.one_of(st.binary(max_size=40), st.sampled_from([b"\xff" * 255, b"\xff" * 256]))


@given(
    st.lists(st.tuples(counts, counts, counts, counts, counts), max_size=5), st.tuples(names, names, names, names),
    st.text(max_size=300).map(lambda text: text.encode("utf-16-be", "surrogatepass")),
    octets, sizes, st.integers(0, 4), st.integers(0, 15), st.integers(1, 3),
)  # fmt: skip
def test_rows_are_what_was_tallied(
    sent: list[tuple[int, int, int, int, int]], named: tuple[str, str, str, str], signature: bytes, number: bytes,
    size: int, category: int, industry: int, at_once: int,
) -> None:  # fmt: skip
    account, enterprise, holder, owner = named
    tallies, sample = Tallies(100), b"\x00" * size
    for numbers in sent:
        tally = Tally(category << 4 | industry, NO_TALLY)
        tally.head, tally.number, tally.digits, tally.name = label_head(account, enterprise), number, 3, signature
        tally.holder, tally.owner = holder, owner
        tally.submitted, tally.refused, tally.tagged, tally.delivered, tally.failed = numbers
        tallies.touch(tally, sample)
    tallies.sweep()
    told = []
    while part := tallies.take(at_once):
        told.append(rows(part))
    assert all(0 < len(part) <= at_once for part in told)
    found = [row for part in told for row in part]
    assert sorted((row.submitted, row.refused, row.tagged, row.delivered, row.failed) for row in found) == sorted(sent)
    text = signature.decode("utf-16-be", "surrogatepass")[:256].encode("utf-8", "replace").decode()
    for row in found:
        assert (row.account, row.enterprise, row.holder, row.owner) == tuple(name[:256] for name in named)
        assert (row.port, row.number, row.signature) == (number[:3].decode("latin-1"), number.decode("latin-1"), text)
        assert (row.category, row.industry, row.sample) == (category, industry, sample)


def test_what_is_no_sweep_is_no_rows() -> None:
    assert rows(b"") == []
    for broken in (b"\xdd\x00\x00\x00\x02\x9f", b"text", b"\x91\x90", b"\x91\x9f" + b"\xc0" * 15):
        with pytest.raises(DecodeError):
            rows(broken)
