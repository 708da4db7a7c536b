"""What is tallied is told as it was, whatever octets and numbers it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

from portguard.policy.counters import Tallies
from portguard.policy.grant import NO_TALLY, Tally
from portguard.policy.labels import label_head
from portguard.policy.reasons import ALLOW, REJECT, TAG
from portguard.policy.tally import rows

SIZES = [0, 1, 127, 128, 255, 256]
counts = st.one_of(st.sampled_from([*SIZES, (1 << 60) - 1]), st.integers(0, 1 << 40))
largest = st.one_of(st.sampled_from([*SIZES, (1 << 63) - 1]), st.integers(0, 1 << 40))
names = st.text(st.characters(codec="utf-8"), max_size=300)
sizes = st.sampled_from([0, 1, 31, 32, 255, 256, 65536])
octets = st.one_of(st.binary(max_size=40), st.sampled_from([b"\xff" * 255, b"\xff" * 256]))


@given(
    st.lists(st.tuples(counts, counts, counts, largest, largest), max_size=5), st.tuples(names, names, names, names),
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
        submitted, refused, tagged, delivered, failed = numbers
        entry = tallies.enter(tally, sample)
        for action, recipients in ((ALLOW, submitted - refused - tagged), (REJECT, refused), (TAG, tagged)):
            assert tallies.count(entry, tally.index, action, recipients)
        tallies.settle(entry, delivered, failed)
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


@given(
    st.integers(1, 5), st.integers(0, 12),
    st.lists(
        st.one_of(
            st.tuples(st.just("sent"), st.integers(0, 7), st.integers(1, 3)),
            st.tuples(st.just("answered"), st.integers(0, 30), st.integers(0, 1)),
            st.tuples(st.just("sweep"), st.integers(0, 3), st.just(0)),
        ),
        max_size=60,
    ),
)  # fmt: skip
def test_all_is_told_of_whom_it_is_or_counted_as_lost(most: int, later: int, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is sent, answered later and told in between, in parts or whole."""
    tallies = Tallies(most)
    tallies.later = later
    senders = [Tally(0, NO_TALLY) for _ in range(8)]
    for place, sender in enumerate(senders):
        sender.head, sender.number, sender.digits = label_head("a", "e"), b"%d" % place, 1
    sent, answers, told = Counter[int](), Counter[int](), Counter[tuple[int, str]]()
    messages: list[tuple[int, int]] = []  # by whom, and in which entry
    lost = 0
    for what, which, number in steps:
        before = int(tallies.lost)
        if what == "sent":
            sender = senders[which]
            if not tallies.count(sender.entry, 0, ALLOW, number) and tallies.enter(sender, b""):
                assert tallies.count(sender.entry, 0, ALLOW, number)
            if tallies.lost == before:
                sent[which] += number
                messages.append((which, int(sender.entry)))
        elif what == "answered" and which < len(messages):
            # What is lost is not among those that there is room for, or is older than what is remembered.
            whose, entry = messages[-1 - which]
            tallies.settle(entry, 1, number)
            if tallies.lost == before:
                answers[whose] += 1
            else:
                old = entry < tallies.end - most - max(most, later)
                assert old or tallies.full()
        elif what == "sweep":
            tallies.sweep()
            add(told, tallies.take(which))
        lost += int(tallies.lost) - before
    while tallies.told < tallies.end:
        tallies.sweep()
        add(told, tallies.take(2))
    assert tallies.lost == lost
    assert {whose: count for (whose, kind), count in told.items() if kind == "sent"} == dict(sent)
    assert {whose: count for (whose, kind), count in told.items() if kind == "answered"} == dict(answers)


def add(told: Counter[tuple[int, str]], part: bytes) -> None:
    """Add up the numbers of some rows that are not zero."""
    for row in rows(part) if part else []:
        for kind, count in (("sent", row.submitted), ("answered", row.delivered)):
            if count:
                told[int(row.number), kind] += count
