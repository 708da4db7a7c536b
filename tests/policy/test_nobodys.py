"""What is told of a number or a signature without asking the revision is what the revision says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.policy.counters import Records
from portguard.policy.desk import Desk, Message, Outcome
from portguard.policy.grant import NO_GRANT
from portguard.policy.record import Violation, parse
from tests.policy.conftest import Office
from tests.policy.folder import when
from tests.policy.messages import CODE, NORTH, OK

NOON = when("2026-11-11T12:00:00")
SIGNS = (
    "星辰商城", "星辰商成", "星辰商鋪", "无名小店", "无名", "无", "小店abc", "ABC小店", "0123", "小0店", "店" * 12,
    "店" * 13, "星辰\u200b",
)  # fmt: skip
NUMBERS = (OK, OK + "01", "1099000", "1", "2" * 20, "", "12a")


def told(desk: Desk, number: str, sign: str) -> tuple[Outcome, list[Violation]]:
    records = desk.engine.records = Records(1 << 20, 1000)
    outcome = desk.judge(Message("first", number, NORTH, f"【{sign}】{CODE}", at=NOON))
    return outcome, list(parse(records.take()))


def both(office: Office, mode: str = "enforce") -> tuple[Desk, Desk]:
    """A desk that asks the revision everything, and one that does not."""
    slow, fast = office.desk(mode=mode), office.desk(mode=mode)
    fast.engine.noting = False
    return slow, fast


@pytest.mark.parametrize("mode", ["enforce", "tag", "monitor"])
@pytest.mark.parametrize("number", NUMBERS)
def test_every_sign_on_every_number(office: Office, mode: str, number: str) -> None:
    slow, fast = both(office, mode=mode)
    for sign in SIGNS:
        for _ in range(2):
            assert told(fast, number, sign) == told(slow, number, sign), sign


def test_it_is_told_so(office: Office) -> None:
    _, fast = both(office)
    told(fast, "1099000", "无名小店")
    account = fast.engine.accounts["first"]
    assert account.nowhere is not None
    assert account.refused == {}
    assert fast.engine.is_nobodys("无名小店".encode("utf-16-be"), "无名小店")
    assert not fast.engine.is_nobodys("APPLE商店".encode("utf-16-be"), "APPLE商店")


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(
    st.one_of(st.sampled_from(NUMBERS), st.from_regex("1[0-9]{2,12}", fullmatch=True)),
    st.one_of(st.sampled_from(SIGNS), st.text("星辰商城铺鋪店0aAｂ Ⅷ犇", min_size=1, max_size=14)),
), max_size=6))  # fmt: skip
def test_any_signs_on_any_numbers(office: Office, said: list[tuple[str, str]]) -> None:
    slow, fast = both(office)
    for number, sign in said:
        assert told(fast, number, sign) == told(slow, number, sign)


def test_nothing_is_kept_for_an_account_that_is_not_on_file(office: Office) -> None:
    engine = office.desk().engine
    engine.noting = False
    engine.present = NOON
    stranger = engine.account("nobody at all")
    assert not stranger.known
    for number in (OK, "1099000", "12a"):
        port = engine.port_of(stranger, number.encode(), NOON)
        engine.grant_of(stranger, port, "无名小店".encode("utf-16-be"), NOON)
        assert (port.first, port.signatures, port.refused) == (NO_GRANT, {}, {})
    assert (stranger.ports, stranger.refused) == ({}, {})
    known = engine.account("first")
    engine.port_of(known, OK.encode(), NOON)
    assert list(known.ports) == [OK.encode()]
