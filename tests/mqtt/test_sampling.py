"""Sampling: the budget of each key and second, and that every record is published or counted, whatever the order."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from portguard.mqtt.sampling import MOST_KEYS, OVERDUE_SECONDS, Key, Sampler

A: Key = ("signature_missing", "acme", "1069")
B: Key = ("signature_missing", "acme", "1068")


def test_a_budget_for_each_key_and_second_and_the_count_goes_with_the_next() -> None:
    sampler = Sampler(2)
    assert [sampler.take(A, 1.0 + step / 10) for step in range(5)] == [0, 0, -1, -1, -1]
    assert sampler.take(B, 1.9) == 0
    assert [sampler.take(A, 2.0), sampler.take(A, 2.1), sampler.take(A, 2.2)] == [3, 0, -1]
    assert sampler.left_out() == [(A, 1)]


def test_a_count_whose_key_has_gone_quiet_is_said_by_itself() -> None:
    sampler = Sampler(1)
    assert [sampler.take(A, 1.0), sampler.take(A, 1.5)] == [0, -1]
    assert sampler.overdue(1.0 + OVERDUE_SECONDS - 1) == []
    assert sampler.overdue(1.0 + OVERDUE_SECONDS) == [(A, 1)]
    assert sampler.left_out() == []


def test_a_clock_that_was_put_back_leaves_no_count_behind() -> None:
    sampler = Sampler(1)
    assert [sampler.take(A, 5000.0), sampler.take(A, 5000.5)] == [0, -1]
    assert sampler.overdue(1000.0) == [(A, 1)]


def test_keys_are_bounded_and_their_counts_are_said() -> None:
    sampler = Sampler(1)
    for number in range(MOST_KEYS + 1):
        key = ("rule", "account", str(number))
        sampler.take(key, 1.0)
        sampler.take(key, 1.0)
    said = sampler.overdue(1.0)
    assert len(said) + len(sampler.left_out()) == MOST_KEYS + 1
    assert len(sampler.left_out()) <= MOST_KEYS


def test_a_copy_goes_its_own_way_and_counts_outlive_a_restart() -> None:
    sampler = Sampler(1)
    sampler.take(A, 1.0)
    other = sampler.copy()
    assert other.take(A, 1.1) == -1
    assert sampler.left_out() == []
    assert Sampler(1, other.left_out()).take(A, 9.0) == 1


@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.floats(0, 60), st.booleans()), max_size=80), st.integers(1, 3)
)
def test_every_record_is_published_or_counted_exactly_once(records: list[tuple[Key, float, bool]], budget: int) -> None:
    sampler = Sampler(budget)
    seen: Counter[Key] = Counter()
    for key, at, sweeps in records:
        count = sampler.take(key, at)
        seen[key] += 0 if count < 0 else 1 + count
        if sweeps:
            seen.update(dict(sampler.overdue(at)))
            sampler = Sampler(budget, sampler.left_out())
    seen.update(dict(sampler.left_out()))
    assert +seen == Counter(key for key, _, _ in records)
