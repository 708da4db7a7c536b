"""What complaints lead to: levels, terms, holds, restarts and clocks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.complaints.desk import HoldError
from portguard.complaints.options import LEVELS
from portguard.complaints.store import Hold, Store
from portguard.policy.restraint import Restraint
from portguard.registry.image import Image
from tests.complaints.stage import DAY, HOUR, NOW, Stage

BRAND = "星辰商城"
Make = Callable[..., Stage]


def test_one_complaint_on_ten_messages_is_nothing(stage: Make) -> None:
    one = stage()
    one.delivered = 10
    one.complain(1, signature=BRAND)
    assert one.turn() == []
    assert one.restraints() == []


def test_a_storm_goes_up_step_by_step(stage: Make) -> None:
    one = stage(port_highest="none")
    one.delivered = 2_000_000
    steps = []
    for _ in range(25):
        one.complain(1, signature=BRAND)
        one.turn()
        steps.append(one.level(BRAND))
    assert steps == ["none"] * 2 + ["watch"] * 2 + ["tag"] * 5 + ["throttle"] * 10 + ["suspend"] * 6
    assert one.restraints() == [Restraint("signature", BRAND, "suspend", NOW + 72 * HOUR)]


def test_what_a_storm_says(stage: Make) -> None:
    one = stage(port_highest="none")
    one.delivered = 2_400_000
    one.complain(20, signature=BRAND)
    one.desk.turn(NOW)
    said = [(kind, fields) for kind, fields in one.events() if kind != "complaint"]
    reason = "20 complaints in an hour, 100,000 delivered: 200 per million (suspend from 50)"
    assert said == [
        ("escalation", {
            "kind": "signature", "name": BRAND, "level": "suspend", "before": "none", "until": NOW + 72 * HOUR,
            "reason": reason, "by": "complaints", "held": "",
        }),
        ("alert", {
            "alert": "complaint_suspend", "severity": "critical", "subject": {"signature": BRAND},
            "summary": f"signature 【{BRAND}】 is now at suspend: {reason}",
            "evidence": {
                "level": "suspend", "window": "hour", "complaints": 20, "delivered": 100_000, "per_million": 200.0,
                "threshold": 50.0, "until": NOW + 72 * HOUR,
            },
        }),
    ]  # fmt: skip
    one.desk.turn(NOW)
    assert one.events() == []


def test_one_subscriber_is_one_complaint(stage: Make) -> None:
    one = stage()
    for _ in range(50):
        one.complain(1, signature=BRAND, subscriber="13900000001")
    one.complain(2, signature=BRAND)
    assert one.turn() == [(BRAND, "none", "watch"), ("10690001", "none", "watch")]


@pytest.mark.parametrize(("complaints", "level"), [(9, "none"), (10, "watch"), (24, "watch"), (25, "tag"), (49, "tag"),
                                                   (50, "throttle"), (99, "throttle"), (100, "suspend")])  # fmt: skip
def test_a_month_at_a_large_sender(stage: Make, complaints: int, level: str) -> None:
    """100 million delivered in 30 days: 0.25 per million, which is severe, are 25 complaints."""
    one = stage()
    one.delivered = 100_000_000 / 30
    # Spread, so that hours and days say less.
    for n in range(complaints):
        one.complain(1, at=NOW - 1 - n * 29.5 * DAY / complaints, signature=BRAND)
    one.desk.turn(NOW)
    assert one.level(BRAND) == level


def test_the_same_rate_over_several_nodes(stage: Make) -> None:
    one = stage(nodes=4)
    one.delivered = 25_000_000 / 30
    for n in range(25):
        one.complain(1, at=NOW - 1 - n * DAY, signature=BRAND)
    one.desk.turn(NOW)
    assert one.level(BRAND) == "tag"


def test_a_suspension_ends_and_its_complaints_suspend_nobody_again(stage: Make) -> None:
    one = stage(port_highest="none")
    one.delivered = 1_000_000
    one.complain(30, signature=BRAND)
    one.desk.turn(NOW)
    one.delivered = 0  # nothing passes
    one.events()
    assert one.turn(NOW + 72 * HOUR - 1) == []
    # The month still speaks for a tag, and goes on doing so; for no more than that.
    assert one.turn(NOW + 72 * HOUR) == [(BRAND, "suspend", "tag")]
    seen, hours = set(), 72
    while one.level(BRAND) != "none":
        hours += 6
        one.turn(NOW + hours * HOUR)
        seen.add(one.level(BRAND))
    assert seen == {"tag", "none"}
    assert 30 * 24 <= hours <= 33 * 24 + 72


def test_what_comes_during_a_suspension_makes_another(stage: Make) -> None:
    one = stage(port_highest="none")
    one.delivered = 1_000_000
    one.complain(20, signature=BRAND)
    one.desk.turn(NOW)
    one.delivered = 0
    one.complain(10, at=NOW, signature=BRAND)
    one.now = NOW + DAY
    one.complain(10, signature=BRAND)
    one.events()
    assert one.turn() == []
    # Ten of them came after it began: half of what a suspension takes is enough to go on.
    assert one.turn(NOW + 72 * HOUR) == [(BRAND, "suspend", "suspend")]
    assert one.restraints() == [Restraint("signature", BRAND, "suspend", NOW + 144 * HOUR)]
    assert one.turn(NOW + 144 * HOUR) == [(BRAND, "suspend", "tag")]


def test_a_level_is_kept_while_half_of_it_is_there(stage: Make) -> None:
    one = stage(port_highest="none", levels={"watch": {"hour": "off", "month": "off"}, "tag": {"month": "off"}})
    one.delivered = 2_000_000
    one.complain(5, signature=BRAND)
    one.desk.turn(NOW)
    assert one.level(BRAND) == "tag"
    # 72 hours later: three complaints a day are half of tag's five, of 1.5 per million.
    one.now = NOW + 71 * HOUR
    one.complain(3, signature=BRAND)
    one.events()
    assert one.turn(NOW + 72 * HOUR) == [(BRAND, "tag", "tag")]
    # Then two: they bear out a watch, at half of its three.
    one.now = NOW + 143 * HOUR
    one.complain(2, signature=BRAND)
    one.events()
    assert one.turn(NOW + 144 * HOUR) == [(BRAND, "tag", "watch")]
    assert one.turn(NOW + 168 * HOUR) == [(BRAND, "watch", "none")]


def test_a_port_does_not_answer_for_a_signature_that_is_kept_back(stage: Make) -> None:
    """One spammer on an aggregator's port must not cut off the others."""
    one = stage()
    one.delivered = 1_000_000
    one.complain(40, signature=BRAND)
    one.complain(4, signature="月光银行")
    one.desk.turn(NOW)
    assert (one.level(BRAND), one.level("月光银行"), one.level("10690001", "port")) == ("suspend", "watch", "watch")
    # Nor is it suspended when the suspension is over, by the same complaints.
    for hours in range(0, 32 * 24, 12):
        one.desk.turn(NOW + hours * HOUR)
        one.now = NOW + hours * HOUR
        assert one.level("10690001", "port") in ("watch", "tag", "none")


def test_a_port_answers_for_many_small_signatures(stage: Make) -> None:
    """Two complaints each about ever new signatures: none of them has enough, their port has."""
    one = stage()
    one.delivered = 1_000_000
    for n in range(10):
        one.complain(2, signature=f"新号{n}")
    one.complain(2)
    one.desk.turn(NOW)
    assert one.restraints() == [Restraint("port", "10690001", "suspend", NOW + 72 * HOUR)]


def test_the_highest_level_without_a_human(stage: Make) -> None:
    one = stage(port_highest="tag", signature_highest="throttle")
    one.complain(100, signature=BRAND)
    one.complain(100)
    one.desk.turn(NOW)
    assert one.restraints() == [
        Restraint("port", "10690001", "tag", NOW + 72 * HOUR),
        Restraint("signature", BRAND, "throttle", NOW + 24 * HOUR, 60),
    ]
    # Settings may be lowered while something is in force; its term stays, and nothing above follows.
    lower = stage(port_highest="none", signature_highest="watch")
    lower.now = NOW + 1
    assert lower.restraints() == one.restraints()
    lower.desk.turn(NOW + 73 * HOUR)
    lower.now = NOW + 73 * HOUR
    assert lower.restraints() == []


def test_a_batch_that_comes_late_is_judged_by_when_it_was_received(stage: Make) -> None:
    """Yesterday's storm, imported this morning: the 24 hours up to now hold the end of it only."""
    one = stage(port_highest="none", levels={"suspend": {"month": "off"}})
    one.delivered = 10_000_000
    one.complain(100, at=NOW - 30 * HOUR, signature=BRAND)
    assert one.turn()[-1] == (BRAND, "none", "suspend")
    assert one.restraints() == [Restraint("signature", BRAND, "suspend", NOW + 72 * HOUR)]


def test_what_comes_too_late_imposes_nothing(stage: Make) -> None:
    one = stage()
    one.complain(100, at=NOW - 8 * DAY, signature=BRAND)
    assert one.turn() == []
    # It counts for what comes after.
    one.complain(1, signature=BRAND)
    assert one.turn()[-1][2] != "none"


def test_windows_reach_back_as_far_as_deliveries_are_known(stage: Make) -> None:
    """A node that has been counting for a day cannot hold a month's complaints against a day's messages."""
    one = stage(port_highest="none")
    one.delivered = 100_000_000
    for day in range(29):
        one.complain(2, at=NOW - 1 - day * DAY, signature=BRAND)
    one.known = NOW - DAY
    assert one.turn() == []
    one.known = NOW - 30 * DAY
    one.complain(1, at=NOW - 5 * DAY, signature=BRAND)
    assert one.turn() == []
    one.known = None
    one.delivered = 0
    one.complain(1, at=NOW - 5 * DAY, signature=BRAND)
    assert one.turn() == [(BRAND, "none", "suspend")]


def test_it_survives_a_restart(stage: Make) -> None:
    one = stage()
    one.complain(20, signature=BRAND)
    one.complain(3)
    one.turn()
    one.complain(5)
    before = one.restraints()
    one.store.close()
    again = stage()
    assert again.restraints() == before
    assert [name for name, _, level in again.turn(NOW + 1)] == ["10690001"]
    assert again.turn(NOW + 2) == []
    assert again.level(BRAND) == "suspend"
    again.turn(NOW + 72 * HOUR)
    assert again.level(BRAND) == "tag"


def test_complaints_of_another_process_are_seen(stage: Make) -> None:
    one, importer = stage(), stage()
    one.turn()
    importer.complain(20, signature=BRAND)
    assert one.turn() == [(BRAND, "none", "suspend")]


@pytest.mark.parametrize("jump", [365 * DAY, -365 * DAY, 2 * HOUR, -2 * HOUR, -NOW])
def test_a_clock_that_jumps_and_comes_back(stage: Make, jump: float) -> None:
    one = stage(port_highest="none")
    one.complain(20, signature=BRAND)
    one.turn()
    for at in (NOW + jump, NOW + jump + 60, NOW + 60):
        one.turn(at)
        assert one.restraints() == [] or one.level(BRAND) in ("tag", "suspend")
    one.complain(30, at=NOW + 60, signature="月光银行")
    one.turn(NOW + 120)
    assert one.level("月光银行") == "suspend"
    # A jump back ends nothing; one ahead, beyond the term, has ended it.
    assert one.level(BRAND) == ("suspend" if jump < 72 * HOUR else "none")


def test_the_old_goes(stage: Make) -> None:
    one = stage(retention_days=31)
    one.complain(5, at=NOW - 30 * DAY, signature=BRAND)
    one.complain(1, signature="月光银行")
    one.turn(NOW)
    one.turn(NOW + 2 * DAY)
    assert [kept.signature for kept in one.store.complaints(0, NOW, 10)] == ["月光银行"]
    # Not in the first hour: the clock may be wrong then.
    again = stage(retention_days=31)
    again.turn(NOW + 300 * DAY)
    again.turn(NOW + 300 * DAY + 60)
    assert len(again.store.complaints(0, NOW, 10)) == 1


# ---- humans


def hold(level: str, until: float = NOW + DAY, at: float = NOW, name: str = BRAND, kind: str = "signature") -> Hold:
    return Hold(kind, name, level, at, until, "wang", "told by phone")


def test_a_hold_stands_before_what_complaints_say(stage: Make) -> None:
    one = stage(port_highest="none")
    one.complain(20, signature=BRAND)
    one.turn()
    one.desk.hold(hold("none"))
    assert one.restraints() == []
    assert one.turn() == [(BRAND, "suspend", "none")]
    # It goes on beneath, without an alert; at the end of the hold it is in force again.
    one.complain(30, signature=BRAND)
    assert one.turn(NOW + DAY - 1) == []
    assert one.turn(NOW + DAY) == [(BRAND, "none", "suspend")]
    assert one.restraints() == [Restraint("signature", BRAND, "suspend", NOW + 72 * HOUR)]


def test_a_hold_without_complaints(stage: Make) -> None:
    one = stage()
    one.desk.hold(hold("suspend", name="106900011", kind="port"))
    assert one.restraints() == [Restraint("port", "106900011", "suspend", NOW + DAY)]
    one.desk.hold(hold("throttle", name="106900011", kind="port", until=NOW + 2 * DAY))
    assert one.restraints() == [Restraint("port", "106900011", "throttle", NOW + 2 * DAY, 60)]
    assert one.turn(NOW + 2 * DAY) == [
        ("106900011", "none", "suspend"), ("106900011", "suspend", "throttle"), ("106900011", "throttle", "none"),
    ]  # fmt: skip
    assert one.restraints() == []


def test_while_a_human_holds_a_signature_its_complaints_are_not_its_port_s(stage: Make) -> None:
    one = stage()
    one.desk.hold(hold("none"))
    one.complain(50, signature=BRAND)
    one.desk.turn(NOW)
    assert one.restraints() == []


def test_lifting_forgives(stage: Make) -> None:
    one = stage()
    one.complain(30, signature=BRAND)
    one.turn()
    one.now = NOW + HOUR
    assert one.desk.lift("signature", BRAND, "wang", "a campaign of a competitor", one.now) == "suspend"
    assert one.restraints() == []
    assert one.turn(NOW + HOUR + 1) == [(BRAND, "suspend", "none")]
    one.complain(2, signature=BRAND)
    assert one.turn() == []
    assert one.level("10690001", "port") == "none"
    one.complain(1, signature=BRAND)
    assert one.turn()[0] == (BRAND, "none", "watch")
    assert one.desk.lift("port", "20690001", "wang", "nothing there", one.now) == "none"


def test_lifting_ends_a_hold(stage: Make) -> None:
    one = stage()
    one.desk.hold(hold("suspend"))
    assert one.desk.lift("signature", BRAND, "wang", "enough", NOW + 1) == "suspend"
    assert one.restraints() == []


@pytest.mark.parametrize(("wrong", "message"), [
    (hold("stop"), "level: 'stop' is none of none, watch, tag, throttle, suspend"),
    (hold("tag", until=NOW), "until: a time within a year from now is expected"),
    (hold("tag", until=NOW + 367 * DAY), "until: a time within a year from now is expected"),
    (hold("tag", kind="account"), "kind: 'account' is neither port nor signature"),
    (hold("tag", kind="port"), f"name: '{BRAND}' is no number"),
    (hold("tag", name="【a b】"), "name: '【a b】' is no signature"),
    (hold("tag")._replace(who=" "), "who: 1 to 64 printable characters are expected"),
    (hold("tag")._replace(why="a\nb"), "why: 1 to 200 printable characters are expected"),
])  # fmt: skip
def test_holds_that_cannot_be(stage: Make, wrong: Hold, message: str) -> None:
    one = stage()
    with pytest.raises(HoldError) as raised:
        one.desk.hold(wrong)
    assert str(raised.value) == message
    assert one.store.holds() == []


# ---- whatever happens

STEP = st.one_of(
    st.tuples(st.just("complain"), st.integers(1, 12), st.sampled_from([BRAND, "月光银行", "", "新号"])),
    st.tuples(st.just("pass"), st.sampled_from([60.0, HOUR, DAY, 5 * DAY, 40 * DAY])),
    st.tuples(st.just("hold"), st.sampled_from(LEVELS), st.sampled_from([HOUR, 3 * DAY])),
    st.tuples(st.just("lift")),
    st.tuples(st.just("restart")),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=25), st.sampled_from([0.0, 1e6, 1e9]))
def test_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, on_file: Image, steps: list[tuple[object, ...]], delivered: float
) -> None:
    path = tmp_path_factory.mktemp("desk") / "complaints.sqlite"
    one = Stage(path, on_file)
    one.delivered = delivered
    levels: dict[str, str] = {}
    for what, *rest in steps:
        if what == "complain":
            one.complain(int(str(rest[0])), signature=str(rest[1]))
        elif what == "pass":
            one.now += float(str(rest[0]))
        elif what == "hold":
            one.desk.hold(hold(str(rest[0]), one.now + float(str(rest[1])), one.now))
        elif what == "lift":
            one.desk.lift("signature", BRAND, "wang", "enough", one.now)
        else:
            one.store.close()
            number, now = one._next, one.now
            one = Stage(path, on_file)
            one._next, one.now, one.delivered = number, now, delivered
        one.desk.turn(one.now)
        for kind, fields in one.events():
            if kind == "escalation" and not fields["held"]:
                levels[str(fields["name"])] = str(fields["level"])
            elif kind == "escalation":
                levels[str(fields["name"])] = str(fields["held"])
        standing = {row[1]: row[2] for row in one.desk.standing(one.now)}
        assert standing == {name: level for name, level in levels.items() if level != "none"}
        assert all(row[3] > one.now for row in one.desk.standing(one.now))
        tagged = {name for name, level in standing.items() if level != "watch"}
        assert {restraint.name for restraint in one.restraints()} == tagged
        one.desk.turn(one.now)
        assert one.events() == []
    one.store.close()


def test_the_store_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.complaints.store.MOST_EVENTS", 5)
    store = Store(tmp_path / "complaints.sqlite")
    for n in range(12):
        store.say("alert", {"n": n})
    store.sent(0)
    assert [event.fields["n"] for event in store.events(100)] == [7, 8, 9, 10, 11]
    store.close()
