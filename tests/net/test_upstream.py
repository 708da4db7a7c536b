"""The order in which SMSCs are tried."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from portguard.net.options import SmscOptions
from portguard.net.upstream import LONGEST_BACKOFF, Upstream, Upstreams


def upstreams(**weights: int) -> Upstreams:
    options = [SmscOptions(name=name, address="127.0.0.1:1", weight=weight) for name, weight in weights.items()]
    return Upstreams([Upstream(each, None) for each in options])


def names(found: list[Upstream]) -> str:
    return "".join(upstream.name for upstream in found)


def test_without_weights_the_order_is_as_written() -> None:
    three = upstreams(a=0, b=0, c=0)
    assert [names(three.order(0.0)) for _ in range(3)] == ["abc", "abc", "abc"]


def test_failed_one_goes_last_until_its_back_off_ends_and_order_is_kept() -> None:
    three = upstreams(a=0, b=0, c=0)
    a, b, _ = three.all
    a.failed("refused", 10.0)
    b.failed("refused", 10.0)
    assert names(three.order(10.5)) == "cab"
    b.answered()
    assert names(three.order(10.5)) == "bca"


def test_one_bind_finds_out_whether_it_is_back() -> None:
    two = upstreams(a=0, b=0)
    two.all[0].failed("refused", 10.0)
    assert names(two.order(11.0)) == "ab"
    assert names(two.order(11.0)) == "ba"
    two.all[0].answered()
    assert names(two.order(11.0)) == "ab"


def test_back_off_doubles_to_a_bound_and_an_answer_ends_it() -> None:
    (only,) = upstreams(a=0).all
    waits = []
    for _ in range(12):
        only.failed("refused", 0.0)
        waits.append(only.retry_at)
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_BACKOFF
    only.answered()
    only.failed("refused", 0.0)
    assert only.retry_at == 1.0


def test_probe_that_gets_through_restores_the_place_and_keeps_the_back_off() -> None:
    (only,) = upstreams(a=0).all
    for _ in range(3):
        only.failed("does not answer the bind", 0.0)
    only.reachable()
    assert only.sound
    only.failed("does not answer the bind", 0.0)
    assert only.retry_at == 8.0


def test_weights_share_new_binds_and_those_without_stand_by() -> None:
    four = upstreams(standby=0, a=3, b=1, last=0)
    firsts = Counter(four.order(0.0)[0].name for _ in range(400))
    assert firsts == {"a": 300, "b": 100}
    assert [upstream.name for upstream in four.order(0.0)[2:]] == ["standby", "last"]


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["failed", "answered", "reachable", "order"])), max_size=30),
)
def test_every_one_is_tried_whatever_happened(weights: list[int], events: list[tuple[int, str]]) -> None:
    some = upstreams(**{f"s{number}": weight for number, weight in enumerate(weights)})
    now = 0.0
    for place, event in events:
        upstream = some.all[place % len(some.all)]
        now += 0.5
        if event == "failed":
            upstream.failed("refused", now)
        elif event == "answered":
            upstream.answered()
        elif event == "reachable":
            upstream.reachable()
        else:
            some.order(now)
    assert sorted(map(id, some.order(now))) == sorted(map(id, some.all))


def test_lost_links_are_said_at_most_once_a_second_and_none_is_left_out() -> None:
    upstream = Upstreams.from_options([SmscOptions(name="a", address="127.0.0.1:1")]).all[0]
    assert [upstream.lose("closed", at) for at in (10.0, 10.2, 10.9, 11.0, 11.1)] == [1, 0, 0, 3, 0]
    assert upstream.lost == {"closed": 5}
