"""Rows of an intake: what is in order, and every way not to be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.complaints.rows import (
    ACCEPTED,
    FUTURE,
    MALFORMED,
    PERSON,
    STALE,
    UNSAID,
    Masked,
    Reading,
    Sound,
    raw_row,
)
from tests.complaints.stage import DAY, NOW, ZONE

ROW = {"id": "1", "received_at": "2026-11-11T09:00:00", "subscriber": "13900000001", "number": "10690001"}


def read(**fields: Any) -> tuple[str, Sound | None, list[str]]:
    problems = Masked()
    raw = {name: value for name, value in {**ROW, **fields}.items() if value}
    result, sound = Reading("86", ZONE, 183 * DAY).sound(raw, "in.csv", 2, problems, NOW)
    return result, sound, problems.lines()


def test_a_bare_row() -> None:
    assert read() == (
        ACCEPTED, Sound("1", "12321", NOW - 3600, "8613900000001", "10690001", "", "", UNSAID), [],
    )  # fmt: skip


def test_a_full_row() -> None:
    result, sound, _ = read(
        signature="【星辰商城】", text=" 【星辰商城】\t满减\r\n退订回T ", type="端口", source="hotline",
        category="marketing/finance",
    )  # fmt: skip
    assert result == ACCEPTED
    assert sound is not None
    assert (sound.signature, sound.text, sound.source) == ("星辰商城", "【星辰商城】 满减\n退订回T", "hotline")
    assert sound.content == 3 * 16 + 2


@pytest.mark.parametrize(("written", "number"), [("10690001", "10690001"), ("+8610690001", "8610690001"),
                                                 ("008610690001", "8610690001")])  # fmt: skip
def test_numbers_as_people_write_them(written: str, number: str) -> None:
    _, sound, _ = read(number=written)
    assert sound is not None
    assert sound.number == number


@pytest.mark.parametrize(("written", "at"), [
    ("2026-11-11T01:00:00Z", NOW - 3600), ("2026-11-11 09:00", NOW - 3600), ("2026-11-11", NOW),
    ("2026-11-10", NOW - 10 * 3600 - 1), ("2026-11-11T10:04:59", NOW + 299),
])  # fmt: skip
def test_times(written: str, at: float) -> None:
    """A day without an hour is over, or has come as far as now."""
    _, sound, _ = read(received_at=written)
    assert sound is not None
    assert sound.received_at == at


@pytest.mark.parametrize(("fields", "result", "line"), [
    ({"id": ""}, MALFORMED, "id: is blank; an id of 1 to 128 characters without spaces is expected"),
    ({"id": "a b"}, MALFORMED, "id: 'a b' is not an id of 1 to 128 characters without spaces"),
    ({"received_at": "yesterday"}, MALFORMED,
     "received_at: 'yesterday' is not a time like 2026-11-11T09:30:00+08:00, or a date"),
    ({"received_at": "0001-01-01"}, MALFORMED, "received_at: '0001-01-01' is not a time like"),
    ({"received_at": "2026-11-11T10:05:01"}, FUTURE, "received_at: '2026-11-11T10:05:01' is in the future"),
    ({"received_at": "2026-11-12"}, FUTURE, "received_at: '2026-11-12' is in the future"),
    ({"received_at": "2026-05-01"}, STALE, "received_at: '2026-05-01' is older than 183 days"),
    ({"subscriber": "x"}, MALFORMED, "subscriber: 'x' is not a subscriber's number (digits; + or 00 may precede)"),
    ({"subscriber": "+86139000000011111"}, MALFORMED, "subscriber: '+861****11' is longer than any subscriber's"),
    ({"number": "TAOBAO"}, MALFORMED, "number: 'TAOBAO' is not the number that the message came from (digits)"),
    ({"number": "13900000002"}, PERSON, "number: '139****02' is a person's number, not a port's"),
    ({"number": "+8613900000002"}, PERSON, "number: '+86****02' is a person's number, not a port's"),
    ({"type": "person"}, PERSON, "type: 'person': complaints about persons are not counted"),
    ({"type": "点对点"}, PERSON, "type: '点对点': complaints about persons are not counted"),
    ({"type": "fax"}, MALFORMED, "type: 'fax' is not port or person, or blank (端口 or 点对点)"),
    ({"signature": "【a b】"}, MALFORMED, "signature: '【a b】' is not a signature of 1 to 64 characters"),
    ({"category": "spam"}, MALFORMED, "category: expected one of verification, notification, marketing, personal"),
    ({"source": "a b"}, MALFORMED, "source: 'a b' is not a source of 1 to 64 letters"),
    ({"text": "好" * 4001}, MALFORMED, "is not a text of at most 4000 characters"),
    ({"phone": "13900000001"}, MALFORMED, "phone: is no field of this table"),
])  # fmt: skip
def test_what_is_wrong_is_named(fields: dict[str, str], result: str, line: str) -> None:
    found, sound, lines = read(**fields)
    assert (found, sound) == (result, None)
    assert len(lines) == 1
    assert lines[0].startswith("in.csv:2: ")
    assert line in lines[0]


def test_everything_that_is_wrong_is_named_and_nobody_s_number_quoted() -> None:
    result, _, lines = read(
        received_at="13911112222", subscriber="13911112222x", number="13911112222", signature="a 13911112222",
        type="13911112222",
    )  # fmt: skip
    assert result == MALFORMED
    assert "13911112222" not in "".join(lines)
    result, _, lines = read(received_at="2027-01-01", category="x")
    assert (result, len(lines)) == (FUTURE, 2)


def test_rows_of_json() -> None:
    raw = {"id": 7, "text": " a ", "signature": None, "number": "1"}
    assert raw_row(raw) == {"id": "7", "text": "a", "number": "1"}
    assert raw_row([1]) == "an object is expected for each complaint"
    assert raw_row({"id": {"a": 1}}) == "id: a text or a number is expected"
    assert raw_row({"id": True}) == "id: a text or a number is expected"


@given(st.dictionaries(st.sampled_from([*ROW, "text", "type", "category", "source", "signature", "x"]), st.text()))
def test_any_text_is_a_row_or_has_a_problem(fields: dict[str, str]) -> None:
    result, sound, lines = read(**fields)
    assert (result == ACCEPTED) == (sound is not None) == (not lines)
