"""Members of things: what is new, what is usual, and what it takes."""

import pytest

from portguard.complaints.options import GrowthOptions
from portguard.complaints.signs import growth
from portguard.complaints.signs.growth import Growth
from tests.complaints.signs.world import BEGIN, DAY

HOUR = 3600


def made(**options: float) -> Growth:
    values = {"window_hours": 24.0, "least": 3, "messages": 1, "learn_hours": 24.0, "cool_down_hours": 24.0, **options}
    return Growth(GrowthOptions(**values), "name", "thing", "members", lambda *said: " ".join(map(str, said)))  # type: ignore[arg-type]


def test_what_is_needed_shrinks_as_a_thing_is_known() -> None:
    for days, needed in ((0.5, 9), (1, 6), (3, 4), (30, 4)):
        sign = made()
        sign.see("port", "own", 1, BEGIN)
        at = BEGIN + days * DAY
        found = [sign.see("port", f"new{n}", 1, at) for n in range(12)]
        assert next(n for n, alert in enumerate(found, 1) if alert is not None) == needed
        assert sum(alert is not None for alert in found) == 1


def test_twice_as_many_as_before() -> None:
    sign = made(growth=1.0)
    for n in range(20):
        sign.see("port", f"old{n}", 1, BEGIN)
    at = BEGIN + 240 * DAY
    for n in range(20):
        sign.see("port", f"old{n}", 1, at - 2 * DAY)
    found = [sign.see("port", f"new{n}", 1, at) for n in range(25)]
    (alert,) = [one for one in found if one is not None]
    assert (alert.evidence["known"], alert.evidence["new"], alert.evidence["hours"]) == (20, 21, 24.0)
    assert (alert.subject, alert.summary) == ({"thing": "port"}, "port 21 20 24.0")


def test_a_member_counts_from_some_message_on() -> None:
    sign = made(messages=10)
    sign.see("port", "own", 10, BEGIN)
    at = BEGIN + 30 * DAY
    assert [sign.see("port", f"new{n}", 9, at) for n in range(50)] == [None] * 50
    assert [sign.see("port", f"new{n}", 1, at) is not None for n in range(4)] == [False, False, False, True]


def test_again_after_the_cool_down_only_with_others() -> None:
    sign = made()
    sign.see("port", "own", 1, BEGIN)
    at = BEGIN + 30 * DAY
    assert sum(sign.see("port", f"a{n}", 1, at) is not None for n in range(10)) == 1
    assert not any(sign.see("port", f"a{n}", 1, at + 2 * DAY) for n in range(10))
    # Ten are known by now: it takes as many.
    found = [sign.see("port", f"b{n}", 1, at + 2 * DAY) is not None for n in range(15)]
    assert found.index(True) == 11


def test_who_was_not_seen_for_long_is_new_again() -> None:
    sign = made(forget_days=30)
    for n in range(10):
        sign.see("port", f"old{n}", 1, BEGIN)
    at = BEGIN + 100 * DAY
    found = [sign.see("port", f"old{n}", 1, at) is not None for n in range(10)]
    # Until the first new one is judged, they are only silent.
    assert not any(found)
    assert any(sign.see("port", f"new{n}", 1, at) for n in range(12))


@pytest.mark.parametrize("jump", [-365 * DAY, -2 * HOUR, 365 * DAY])
def test_clocks(jump: float) -> None:
    """A jump and back: who came in it is known, nobody is new for it."""
    sign = made()
    at = BEGIN + 30 * DAY
    for n in range(3):
        sign.see("port", f"own{n}", 1, BEGIN)
        sign.see("port", f"own{n}", 1, at)
    for n in range(3):
        assert sign.see("port", f"jumped{n}", 1, at + jump) is None
    found = [sign.see("port", f"new{n}", 1, at + 3 * DAY + n) is not None for n in range(12)]
    assert sum(found) == 1
    # And the cool-down of an alert in a jump ahead does not outlast it.
    sign = made()
    sign.see("port", "own", 1, BEGIN)
    assert any(sign.see("port", f"ahead{n}", 1, at + 365 * DAY) for n in range(10))
    assert any(sign.see("port", f"new{n}", 1, at) for n in range(30))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_MEMBERS_OF_ONE", 50)
    monkeypatch.setattr(growth, "MOST_MEMBERS", 300)
    monkeypatch.setattr(growth, "MOST_THINGS", 40)
    sign = made()
    for n in range(200):
        sign.see("flood", f"m{n}", 1, BEGIN)
    assert len(sign.things["flood"].members) == 50
    for n in range(100):
        for m in range(10):
            sign.see(f"port{n}", f"m{m}", 1, BEGIN + n)
    assert len(sign.things) <= 30
    assert sign._count == sum(len(thing.members) for thing in sign.things.values()) <= 300
    assert "port99" in sign.things
    assert "flood" not in sign.things
    again = made()
    again.load(sign.dump())
    assert again.dump() == sign.dump()
    assert again._count == sign._count


def test_usual() -> None:
    sign = made()
    assert sign.usual("brand", "port", BEGIN)
    sign.see("brand", "port", 1, BEGIN)
    assert sign.usual("brand", "other", BEGIN + 23 * HOUR)
    assert not sign.usual("brand", "other", BEGIN + 25 * HOUR)
    assert sign.usual("brand", "port", BEGIN + 25 * HOUR)
    sign.see("brand", "other", 1, BEGIN + 25 * HOUR)
    assert not sign.usual("brand", "other", BEGIN + 26 * HOUR)
    assert sign.usual("brand", "other", BEGIN + 50 * HOUR)


def subleased(ports: int, days: int) -> tuple[Growth, list[str]]:
    """Ports that each send one enterprise's messages in every sweep, and on the last day those of nine more; and which
    of them were found."""
    sign, found = made(), []
    for step in range(days * 24):
        for n in range(ports):
            sign.see(f"port{n}", "own", 1, BEGIN + step * HOUR / 12)
    at = BEGIN + days * 2 * HOUR
    for n in range(ports):
        found += [alert for m in range(9) if (alert := sign.see(f"port{n}", f"new{m}", 1, at)) is not None]
    return sign, [alert.subject["thing"] for alert in found]


def test_of_more_ports_than_can_be_remembered_a_part_is_watched_instead_of_none(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 100)
    sign, found = subleased(90, 14)
    assert (sign.things.halvings, len(found)) == (0, 90)
    sign, found = subleased(2000, 14)
    assert sign.things.halvings >= 5
    assert len(sign.things) <= 100
    assert len(found) == len(set(found)) >= 15
    assert sign._count == sum(len(thing.members) for thing in sign.things.values())


def test_with_less_to_watch_all_of_it_is_watched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 100)
    sign, _ = subleased(2000, 1)
    assert sign.things.halvings >= 4
    for step in range(20):
        at = BEGIN + 30 * DAY + step * 301
        sign.things.relax(at)
        for n in range(20):
            sign.see(f"other{n}", "own", 1, at)
    assert sign.things.halvings == 0
    assert all(f"other{n}" in sign.things for n in range(20))


def test_what_comes_seldom_makes_room_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 100)
    sign = made()
    for n in range(1000):
        sign.see(f"port{n}", "own", 1, BEGIN + n * 10)
    assert sign.things.halvings == 0
    assert list(sign.things) == [f"port{n}" for n in range(900, 1000)]


def test_what_makes_room_for_its_own_member_is_counted_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_MEMBERS", 11)
    sign = made()
    for n in range(10):
        sign.see("first", f"old{n}", 1, BEGIN)
    # All were touched in the same sweep, so that any may go.
    for name, member in (("other", "a"), ("first", "b")):
        sign.see(name, member, 1, BEGIN + 365 * DAY)
    assert list(sign.things) == ["other"]
    assert sign._count == sum(len(thing.members) for thing in sign.things.values()) > 0


def test_what_is_touched_again_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 100)
    sign = made()
    for n in range(100):
        sign.see(f"port{n}", "own", 1, BEGIN + n * 10)
    for n in range(50):
        sign.see(f"port{n}", "own", 1, BEGIN + 1000 + n * 10)
    # The memory is as good after a restart.
    again = made()
    again.load(sign.dump())
    for n in range(40):
        again.see(f"new{n}", "own", 1, BEGIN + 2000 + n * 10)
    assert set(again.things) == {f"port{n}" for n in (*range(50), *range(90, 100))} | {f"new{n}" for n in range(40)}


def test_a_clock_that_is_set_back_leaves_all_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 100)
    sign = made()
    for n in range(100):
        sign.see(f"early{n}", "own", 1, BEGIN + n * 10)
    for n in range(300):
        sign.see(f"late{n}", "own", 1, BEGIN - DAY + n * 10)
    assert sign.things.halvings == 0
    assert list(sign.things) == [f"late{n}" for n in range(200, 300)]
