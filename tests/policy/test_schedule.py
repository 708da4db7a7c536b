"""schedule_delivery_time: the instant at which dates and hours are judged (SMPP 3.4 §7.1.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.desk import Message, MessageError
from portguard.policy.schedule import absolute, delivery_time
from tests.policy.conftest import Office
from tests.policy.folder import when
from tests.policy.messages import CODE
from tests.policy.wire import submit, ucs2

NOW = when("2026-11-11T10:00")


@pytest.mark.parametrize(
    ("field", "local"),
    [
        (b"261112093000032+", "2026-11-12T09:30:00"),  # 32 quarters of an hour east of UTC: Shanghai itself
        (b"261112013000000+", "2026-11-12T09:30:00"),
        (b"261112013000000-", "2026-11-12T09:30:00"),
        (b"261111203000020-", "2026-11-12T09:30:00"),  # five hours west
        (b"261112093000532+", "2026-11-12T09:30:00.5"),
        (b"280229000000032+", "2028-02-29T00:00:00"),
        (b"261111095900032+", "2026-11-11T10:00:00"),  # past: now
        (b"200101000000032+", "2026-11-11T10:00:00"),
        (b"000000000000000R", "2026-11-11T10:00:00"),
        (b"000000013000000R", "2026-11-11T11:30:00"),
        (b"000001000000000R", "2026-11-12T10:00:00"),
        (b"000100000000000R", "2026-12-11T10:00:00"),
        (b"010000000000000R", "2027-11-11T10:00:00"),
        (b"000300000000000R", "2027-02-11T10:00:00"),
    ],
)
def test_instants(field: bytes, local: str) -> None:
    assert delivery_time(absolute(when(local)), NOW) == when(local)
    assert delivery_time(field, NOW) == when(local)


def test_a_month_from_the_31st_is_the_last_day_of_the_next() -> None:
    assert delivery_time(b"000100000000000R", when("2026-10-31T10:00")) == when("2026-11-30T10:00")
    assert delivery_time(b"000400000000000R", when("2027-10-31T10:00")) == when("2028-02-29T10:00")


@pytest.mark.parametrize(
    "field",
    [
        b"", b"2", b"26111209300003",
        b"261112093000032+0", b"261112093000032 ", b"261112093000032r", b"26111209300003+2",
        b"261312093000032+", b"260012093000032+", b"261100093000032+", b"261131093000032+", b"270229093000032+",
        b"261112243000032+", b"261112096000032+", b"261112093060032+", b"261112093000049+", b"-61112093000032+",
        b"\xb261112093000032+"[:16],
    ],
)
def test_malformed(field: bytes) -> None:
    assert delivery_time(field, NOW) == -1.0


@given(st.binary(max_size=20) | st.from_regex(rb"\A[0-9]{15}[+R-]\Z"))
def test_any_field_is_an_instant_or_malformed(field: bytes) -> None:
    found = delivery_time(field, NOW)
    assert found == -1.0 or found >= NOW


def outcome(office: Office, schedule: bytes, **policy: Any) -> str:
    """The rule's code, or the error, of a message that is scheduled."""
    pdu = submit("10690013", ucs2(CODE), schedule=schedule)
    try:
        return str(office.desk(**policy).judge(Message("first", at=NOW, pdu=pdu)).code)
    except MessageError as error:
        return str(error)


def test_dates_are_judged_when_it_will_be_delivered(office: Office) -> None:
    assert outcome(office, b"") == "0"
    assert outcome(office, b"261111235959032+") == "0"
    assert outcome(office, b"261112000000032+") == "104"
    assert outcome(office, b"000000140000000R") == "104"


def tried(office: Office, validity: bytes, **policy: Any) -> str:
    """The same of a message that the SMSC may try to deliver for a time."""
    pdu = submit("10690013", ucs2(CODE), validity=validity)
    try:
        return str(office.desk(**policy).judge(Message("first", at=NOW, pdu=pdu)).code)
    except MessageError as error:
        return str(error)


def test_dates_are_judged_to_the_end_of_the_validity_too(office: Office) -> None:
    assert tried(office, b"000000135959000R") == "0"
    assert tried(office, b"000000140000000R") == "104"
    assert tried(office, b"200101000000032+") == "0", "a validity that is past promises nothing"
    assert tried(office, b"991231235959032+", max_validity_hours=12) == "0", "the SMSC has given up by then"
    assert tried(office, b"991231235959032+", max_validity_hours=15) == "104"


def test_a_malformed_validity_is_an_error_of_the_pdu(office: Office) -> None:
    assert "ESME_RINVEXPIRY" in tried(office, b"261399000000032+")
    assert "ESME_RINVEXPIRY" in tried(office, b"tomorrow")


def test_malformed_and_too_late_are_errors_of_the_pdu(office: Office) -> None:
    assert "ESME_RINVSCHED" in outcome(office, b"261399000000032+")
    assert "ESME_RINVSCHED" in outcome(office, b"x")
    assert outcome(office, b"000014000000000R") == "104"
    assert "ESME_RINVSCHED" in outcome(office, b"000014000001000R")
    assert "ESME_RINVSCHED" in outcome(office, b"000000020000000R", max_schedule_hours=1)
    assert outcome(office, b"000000010000000R", max_schedule_hours=1) == "0"
