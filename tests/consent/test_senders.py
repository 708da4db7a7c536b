"""The table of who sent last: right, bounded, forgetful of the oldest."""

from hypothesis import given
from hypothesis import strategies as st

from portguard.consent.senders import Senders


def test_the_last_sender_is_found_and_no_other_pair() -> None:
    senders = Senders(1024)
    assert senders.last("1069", "8613900000001") == ("", 0)
    senders.sent("1069", "8613900000001", "brand-a", 1)
    senders.sent("1069", "8613900000002", "brand-b", 2)
    senders.sent("10690", "8613900000001", "brand-c", 3)
    senders.sent("1069", "8613900000001", "brand-d", 4)
    assert senders.last("1069", "8613900000001") == ("brand-d", 4)
    assert senders.last("1069", "8613900000002") == ("brand-b", 2)
    assert senders.last("10690", "8613900000001") == ("brand-c", 3)
    assert senders.last("106908", "613900000001") == ("", 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_in_one_bucket_the_newest_four_are_remembered(sent: list[tuple[int, int]]) -> None:
    senders = Senders(4)
    order: dict[int, int] = {}
    for subscriber, enterprise in sent:
        senders.sent("1069", str(subscriber), f"e{enterprise}", 7)
        order.pop(subscriber, None)
        order[subscriber] = enterprise
    newest = list(order)[-4:]
    for subscriber in range(6):
        expected = (f"e{order[subscriber]}", 7) if subscriber in newest else ("", 0)
        assert senders.last("1069", str(subscriber)) == expected


def test_most_of_what_fits_is_remembered() -> None:
    senders = Senders(1 << 12)
    for number in range(1 << 11):
        senders.sent("1069", str(number), "a", number)
    assert sum(senders.last("1069", str(number)) == ("a", number) for number in range(1 << 11)) > 1900
