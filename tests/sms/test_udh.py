"""User data headers: sound ones, broken ones, and which element joins the parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.sms.udh import AMBIGUOUS, NO_DOUBT, UNREAD, concat, doubt_of, udh_length


def header(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return bytes((len(body),)) + body


EIGHT = b"\x00\x03\x2a\x03\x01"
SIXTEEN = b"\x08\x04\x12\x34\x02\x02"
PORTS = b"\x05\x04\x0b\x84\x23\xf0"


@pytest.mark.parametrize(
    ("body", "length", "part"),
    [
        (header(EIGHT) + b"text", 6, (0x2A, 8, 3, 1)),
        (header(SIXTEEN) + b"text", 7, (0x1234, 16, 2, 2)),
        (header(PORTS, EIGHT), 12, (0x2A, 8, 3, 1)),
        (header(EIGHT, PORTS), 12, (0x2A, 8, 3, 1)),
        (header(EIGHT, SIXTEEN), 12, (0x1234, 16, 2, 2)),
        (header(SIXTEEN, EIGHT), 12, (0x2A, 8, 3, 1)),
        (header(PORTS), 7, None),
        (header(), 1, None),
        (header(b"\x00\x03\x2a\x00\x01"), 6, None),
        (header(b"\x00\x03\x2a\x02\x00"), 6, None),
        (header(b"\x00\x03\x2a\x02\x03"), 6, None),
        (header(EIGHT, b"\x00\x03\x2b\x00\x00"), 11, (0x2A, 8, 3, 1)),
        (header(b"\x00\x02\x2a\x02"), 5, None),
        (header(b"\x08\x03\x2a\x02\x01"), 6, None),
        (header(b"\x24\x00", EIGHT), 8, (0x2A, 8, 3, 1)),
    ],
)
def test_sound_headers(body: bytes, length: int, part: tuple[int, int, int, int] | None) -> None:
    assert udh_length(body) == length
    assert concat(body) == part


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x05",
        b"\x06\x00\x03\x2a\x03\x01",
        b"\x04\x00\x03\x2a\x03\x01",
        b"\x05\x00\x04\x2a\x03\x01",
        b"\x06\x00\x03\x2a\x03\x01\x08",
        b"\xff" + bytes(100),
        b"\x01\x00",
    ],
)
def test_headers_that_run_beyond_an_end(body: bytes) -> None:
    assert udh_length(body) == -1
    assert concat(body) is None


TURKISH = b"\x24\x01\x01"
HINDI = b"\x25\x01\x06"


@pytest.mark.parametrize(
    ("elements", "binary", "doubt"),
    [
        ((), False, NO_DOUBT),
        ((EIGHT,), False, NO_DOUBT),
        ((PORTS, EIGHT), False, NO_DOUBT),
        ((EIGHT, EIGHT), False, NO_DOUBT),
        ((EIGHT, b"\x00\x03\x2a\x03\x02"), False, AMBIGUOUS),
        ((EIGHT, b"\x00\x03\x2b\x03\x01"), False, AMBIGUOUS),
        ((EIGHT, SIXTEEN), True, AMBIGUOUS),
        ((EIGHT, b"\x00\x03\x2b\x00\x00"), False, NO_DOUBT),  # no part of anything: it is ignored
        ((EIGHT, b"\x00\x02\x03\x02"), False, NO_DOUBT),
        ((b"\x24\x01\x00", EIGHT), False, NO_DOUBT),
        ((TURKISH,), False, UNREAD),
        ((EIGHT, HINDI), True, UNREAD),
        ((b"\x12\x04\x01\x01\xff\x00",), False, UNREAD),
        ((b"\x14\x07\x01\x00\x10\x00\x09\x00\x00",), False, UNREAD),
        ((b"\x14\x07\x01\x00\x10\x00\x09\x00\x00",), True, NO_DOUBT),
        ((b"\x70\x00",), False, UNREAD),
        ((b"\x70\x00",), True, NO_DOUBT),
    ],
)
def test_what_a_handset_may_show_otherwise(elements: tuple[bytes, ...], binary: bool, doubt: int) -> None:
    assert doubt_of(header(*elements), binary) == doubt


@given(st.binary(max_size=300), st.booleans())
def test_any_sound_header_is_doubted_or_not(body: bytes, binary: bool) -> None:
    length = udh_length(body)
    if length > 0:
        assert doubt_of(body[:length], binary) in (NO_DOUBT, UNREAD, AMBIGUOUS)


@given(st.binary(max_size=300))
def test_any_octets_have_a_length_within_them_or_none(body: bytes) -> None:
    length = udh_length(body)
    assert length == -1 or 1 <= length <= len(body)
    part = concat(body)
    if part is not None:
        _, width, total, index = part
        assert width in (8, 16)
        assert 1 <= index <= total <= 255
