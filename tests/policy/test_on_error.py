"""A fault inside the decision: the message gets the verdict of `on_error`, and the next one is judged as ever."""

from __future__ import annotations

from typing import Any

import pytest

from portguard.policy.desk import Desk, Message
from portguard.policy.grant import PortGrant
from portguard.policy.revision import Revision
from tests.policy.conftest import Office
from tests.policy.folder import OWN_TAGS, when
from tests.policy.messages import CODE

TEN = when("2026-11-11T10:00")
GOOD = Message("first", "106900011", "13910001234", "【星辰商城】" + CODE, at=TEN)


class Broken(Revision):
    """A revision that fails over numbers that begin with 66."""

    def port(self, enterprise: str, source: bytes, at: float) -> PortGrant:
        if source.startswith(b"66"):
            raise RuntimeError("a fault")
        return super().port(enterprise, source, at)


def broken_desk(office: Office, **policy: Any) -> Desk:
    """A Desk over such a revision."""
    sound = office.revision(**policy)
    return Desk(Broken(sound.image, sound.settings, "Asia/Shanghai", "86"), OWN_TAGS)


def fault(at: float = TEN) -> Message:
    """A message over which the decision fails."""
    return Message("first", "66", "13910001234", "【星辰商城】" + CODE, at=at)


def test_rejected_by_default_and_counted(office: Office) -> None:
    desk = broken_desk(office)
    assert desk.judge(GOOD).action == "allow"
    found = desk.judge(fault())
    assert (found.action, found.rule, found.code, found.status) == ("reject", "", 0, "ESME_RSYSERR")
    assert (found.signature, found.category, found.hits) == ("", "unknown", [])
    assert desk.judge(GOOD).action == "allow"
    assert desk.engine.counters.errors == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_allowed_up_to_a_number_a_minute(office: Office, limit: int) -> None:
    desk = broken_desk(office, on_error="allow", on_error_limit=limit)
    for minute in (0, 61, 122):
        actions = [desk.judge(fault(TEN + minute + second)).action for second in range(5)]
        assert actions == ["allow"] * limit + ["reject"] * (5 - limit)


def test_the_number_is_each_accounts_own(office: Office) -> None:
    desk = broken_desk(office, on_error="allow", on_error_limit=1)
    assert [desk.judge(fault()).action for _ in range(2)] == ["allow", "reject"]
    other = fault()
    other.account = "second"
    assert desk.judge(other).action == "allow"


def test_no_cap_is_used_up(office: Office) -> None:
    desk = broken_desk(office, on_error="allow")
    limited = Message("first", "106900011", "13910001234", "【星辰限量】" + CODE, at=TEN)
    assert desk.judge(limited).action == "allow"
    assert desk.judge(fault()).action == "allow"
    assert desk.engine.uses == []
    assert [desk.judge(limited).code for _ in range(2)] == [0, 305]
