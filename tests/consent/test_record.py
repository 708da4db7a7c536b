"""Records: 18 octets, exact inverses, in the order of subscribers."""

from hypothesis import given
from hypothesis import strategies as st

from portguard.consent.record import NEVER, RECORD, Record, pack, seconds, subscriber_key, times, unpack

digits = st.text("0123456789", min_size=1, max_size=16)
moments = st.integers(0, NEVER)


@given(digits, st.binary(min_size=3, max_size=3), moments, moments)
def test_unpack_is_the_inverse(subscriber: str, attribute: bytes, at: int, expires: int) -> None:
    packed = pack(subscriber_key(subscriber), attribute, at, expires)
    assert len(packed) == RECORD
    assert unpack(packed) == Record(subscriber, attribute, at, expires)
    assert times(packed) == (at, expires)


@given(digits, digits)
def test_a_key_is_one_subscriber_s(a: str, b: str) -> None:
    assert (subscriber_key(a) == subscriber_key(b)) == (a == b)


def test_what_nobody_can_have() -> None:
    assert subscriber_key("") == b""
    assert subscriber_key("1" * 17) == b""


@given(st.floats(-1e12, 1e12))
def test_seconds_stay_within_four_octets(at: float) -> None:
    assert 0 <= seconds(at) < NEVER
