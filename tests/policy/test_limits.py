"""What is counted across messages: rates and daily caps, kept by name over reloads, given back when refused."""

from __future__ import annotations

import itertools
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, convert

from portguard.policy.counters import Histogram
from portguard.policy.desk import Desk, Message
from portguard.policy.limits import Frequency, Limits, Windows, frequency_key
from portguard.policy.options import FrequencyOptions
from portguard.policy.reasons import ACTION_BY_NAME, ORDINAL
from portguard.policy.terms import Bucket
from portguard.sms.category import packed
from tests.policy.conftest import Office
from tests.policy.folder import Tables, when
from tests.policy.messages import CODE
from tests.policy.wire import submit, ucs2

TEN = when("2026-11-11T10:00")
LIMITED = "【星辰限量】" + CODE


def send(desk: Desk, text: str = LIMITED, at: float = TEN, **fields: object) -> int:
    """The code of the verdict on a message."""
    message = Message("first", "106900011", "13910001234", text, at=at, **fields)  # type: ignore[arg-type]
    return desk.judge(message).code


def give_back(desk: Desk) -> None:
    """What the relay does when the SMSC refuses the message judged last."""
    desk.engine.limits.undo(desk.engine.uses, desk.engine.counted)


def test_a_refusal_by_the_smsc_gives_the_cap_back(office: Office) -> None:
    desk = office.desk()
    assert [send(desk), send(desk)] == [0, 0]
    give_back(desk)
    assert [send(desk), send(desk)] == [0, 305]


def test_nothing_is_given_back_for_what_was_not_counted(office: Office) -> None:
    desk = office.desk()
    assert [send(desk), send(desk), send(desk)] == [0, 0, 305]
    assert desk.engine.uses == []
    assert send(desk, "【星辰商城】" + CODE) == 0
    assert desk.engine.uses == []


def test_a_message_that_another_rule_refuses_uses_nothing_up(office: Office) -> None:
    desk = office.desk()
    for _ in range(5):
        assert desk.judge(Message("first", "10690002", "13910001234", LIMITED, at=TEN)).code == 104
    assert [send(desk), send(desk), send(desk)] == [0, 0, 305]


def test_a_message_that_is_only_tagged_counts(office: Office) -> None:
    desk = office.desk(mode="tag")
    assert [desk.judge(Message("first", "10690002", "1", LIMITED, at=TEN)).code for _ in range(2)] == [104, 104]
    assert send(desk) == 305


def test_a_reload_keeps_what_is_used_up(office: Office) -> None:
    desk = office.desk()
    assert [send(desk), send(desk)] == [0, 0]
    desk.engine.swap(office.revision(mode="enforce", sublease_depth=2))
    assert send(desk) == 305


def test_a_scheduled_message_counts_on_its_day(office: Office) -> None:
    desk = office.desk()
    tomorrow = submit("106900011", ucs2(LIMITED), schedule=b"261112100000032+")
    assert [send(desk, pdu=tomorrow) for _ in range(3)] == [0, 0, 305]
    assert [send(desk) for _ in range(3)] == [0, 0, 305]
    assert send(desk, at=when("2026-11-12T09:00")) == 305
    assert send(desk, at=when("2026-11-13T09:00")) == 0


def test_days_long_past_are_forgotten() -> None:
    limits = Limits()
    for day in (10, 11, 12, 13):
        limits.use(b"scope", day).messages += 1
    limits.forget(12)
    assert [limits.use(b"scope", day).messages for day in (10, 11, 12, 13)] == [0, 1, 1, 1]


def test_no_more_is_given_back_than_was_used() -> None:
    limits = Limits()
    limits.use(b"scope", 1).messages = 2
    for _ in range(5):
        limits.give_back(limits.use(b"scope", 1))
    assert limits.use(b"scope", 1).messages == 0


def test_what_others_have_counted_is_used_up_too(office: Office) -> None:
    desk = office.desk()
    limits = desk.engine.limits
    assert send(desk) == 0
    limits.sweep()
    ((key, day, messages),) = limits.take_changed(10)
    assert messages == 1
    limits.hear([(key, day, 1)])
    assert send(desk) == 305
    # The SMSC of the others refused theirs.
    limits.hear([(key, day, 0)])
    assert [send(desk), send(desk)] == [0, 305]


def test_what_has_changed_is_told_once_and_in_parts() -> None:
    limits = Limits()
    for number in range(5):
        limits.count(limits.use(bytes([number]), 1))
        limits.count(limits.use(bytes([number]), 1))
    assert limits.take_changed(3) == [], "nothing has been swept yet"
    limits.sweep()
    told = [*limits.take_changed(3), *limits.take_changed(3), *limits.take_changed(3)]
    assert sorted(told) == [(bytes([number]), 1, 2) for number in range(5)]
    limits.give_back(limits.use(b"\0", 1))
    limits.sweep()
    assert limits.take_changed(3) == [(b"\0", 1, 1)]
    assert limits.take_changed(3) == []


def test_what_changes_while_it_is_told_waits_for_the_next_sweep() -> None:
    """Under steady traffic a telling would never end."""
    limits = Limits()
    limits.shared = True

    def send() -> None:
        for number in range(4):
            limits.count(limits.use(bytes([number]), 1))
            limits.reach((bytes([number]), 7, (1, 0, 0), 1))

    send()
    limits.sweep()
    used, reached = [], []
    for _ in range(10):
        used += limits.take_changed(1)
        reached += limits.take_reached(1)
        send()
    assert sorted(key for key, *_ in used) == [bytes([number]) for number in range(4)], "each once"
    assert len(reached) == 4
    limits.sweep()
    assert sorted(limits.take_changed(10)) == [(bytes([number]), 1, 11) for number in range(4)]
    assert len(limits.take_reached(100)) == 40


def test_what_could_not_be_told_is_told_with_the_next_sweep() -> None:
    limits = Limits()
    limits.count(limits.use(b"a", 1))
    limits.sweep()
    limits.count(limits.use(b"b", 1))
    limits.sweep()
    assert sorted(limits.take_changed(10)) == [(b"a", 1, 1), (b"b", 1, 1)]


def test_an_account_keeps_its_bucket() -> None:
    limits = Limits()
    assert limits.bucket("a") is limits.bucket("a")
    assert limits.bucket("a") is not limits.bucket("b")


@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(1, 20))
def test_a_bucket_never_gives_more_than_its_rate(pauses: list[float], tps: int) -> None:
    bucket, now, taken = Bucket(), 100.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(tps, now)
    assert taken <= tps + (now - 100.0) * tps + 1e-6


def test_a_bucket_fills_up_again_and_no_further() -> None:
    bucket = Bucket()
    assert [bucket.take(2, 5.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(2, 5.5) for _ in range(2)] == [True, False]
    assert [bucket.take(2, 99.0) for _ in range(3)] == [True, True, False]


def test_a_rate_is_judged_for_messages_that_arrived(office: Office) -> None:
    desk = office.desk()
    message = Message("slow", "106900011", "13910001234", "【星辰商城】" + CODE, at=TEN)
    assert [desk.judge(message).code for _ in range(5)] == [0] * 5
    message.arrived = True
    assert [desk.judge(message).code for _ in range(3)] == [0, 0, 600]


def test_histogram() -> None:
    histogram = Histogram([1.0, 2.0])
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.observe(value, 2)
    assert histogram.read() == ([1.0, 2.0], [4, 4, 2], 16.0)


def test_counters_tell_action_rule_and_category(office: Office) -> None:
    desk = office.desk()
    send(desk, "【星辰商城】" + CODE)
    send(desk, "【无名小店】" + CODE)
    send(desk, "【无名小店】" + CODE)
    assert sorted(desk.engine.counters.read()) == [
        (ACTION_BY_NAME["allow"], -1, 1, 1), (ACTION_BY_NAME["reject"], ORDINAL[204], 1, 2),
    ]


def scoped(*scopes: dict[str, object]) -> Tables:
    """A brand with these scopes on one port, and two regions."""
    return {
        "enterprises": [{"id": "a"}], "accounts": [{"system_id": "first", "enterprise": "a"}],
        "ports": [{"port": "106900011", "holder": "a"}], "signatures": [{"signature": "好品牌", "enterprise": "a"}],
        "scopes": [{"signature": "好品牌", "enterprise": "a", "provider": "*", **scope} for scope in scopes],
        "regions": [{"prefix": "1391000", "region": "beijing"}, {"prefix": "1391600", "region": "shanghai"}],
    }


def test_each_scope_has_a_cap_of_its_own(office: Office) -> None:
    desk = office.desk(scoped({"regions": "beijing", "daily_cap": 1}, {"regions": "shanghai", "daily_cap": 1}))
    north, east = (
        Message("first", "106900011", number, "【好品牌】" + CODE, at=TEN) for number in ("13910001234", "13916001234")
    )
    assert [desk.judge(message).code for message in (north, east, north, east)] == [0, 0, 305, 305]


def test_scopes_that_limit_alike_have_caps_of_their_own_by_signature_and_port_and_not_by_number(office: Office) -> None:
    tables = scoped({"port": "106900011", "daily_cap": 1}, {"port": "106900012", "daily_cap": 1})
    desk = office.desk({
        **tables,
        "ports": [{"port": port, "holder": "a"} for port in ("106900011", "106900012")],
        "signatures": [{"signature": name, "enterprise": "a"} for name in ("好品牌", "又一家")],
        "scopes": [*tables["scopes"], *({**row, "signature": "又一家"} for row in tables["scopes"])],
    })
    asked = [(number, name) for number in ("106900011", "106900012") for name in ("好品牌", "又一家")]
    for digits, code in (("", 0), ("1", 305), ("2", 305)):
        for number, name in asked:
            message = Message("first", number + digits, "13910001234", f"【{name}】" + CODE, at=TEN)
            assert desk.judge(message).code == code, (number, digits, name)


def test_what_was_used_is_found_again_by_whoever_kept_it(office: Office) -> None:
    """The digests stand in a file that outlives the program: a change of them would forget a day's use."""
    row = {
        "port": "10690001", "regions": "shanghai|beijing", "hours": "08:00-20:00", "daily_cap": 9,
        "categories": "verification",
    }
    desk = office.desk(scoped(row))
    assert send(desk, "【好品牌】" + CODE) == 0
    (used,) = desk.engine.uses
    named = "好品牌\0a\x0010690001\0*\0beijing|shanghai\0[(480, 1200)]".encode() + b"\0" + packed(["verification"])
    assert used.key == blake2b(named, digest_size=16).digest()


def test_a_second_scope_takes_over_when_the_first_is_used_up(office: Office) -> None:
    desk = office.desk(scoped({"daily_cap": 1, "hours": "08:00-20:00"}, {"daily_cap": 2}))
    assert [send(desk, "【好品牌】" + CODE) for _ in range(4)] == [0, 0, 0, 305]


def test_a_scope_without_a_cap_never_counts(office: Office) -> None:
    desk = office.desk(scoped({"daily_cap": 1}, {"categories": "verification"}))
    assert [send(desk, "【好品牌】" + CODE) for _ in range(3)] == [0, 0, 0]


def test_time_that_runs_backward_owes_nothing() -> None:
    bucket = Bucket()
    assert [bucket.take(1, 1000.0), bucket.take(1, 10.0), bucket.take(1, 11.0)] == [True, False, True]


def test_frequencies_are_bounded_and_know_the_newest() -> None:
    hours = Frequency(60, 10)
    for number in range(1000):
        for _ in range(3):
            hours.add(hash(b"%d" % number), 7, 1)
        assert len(hours.recent) <= 10
        assert len(hours.before) <= 10
        assert all(hours.of(hash(b"%d" % late), 7) == 3 for late in range(max(0, number - 9), number + 1))
    assert hours.of(hash(b"999"), 60) == hours.of(hash(b"0"), 7) == 0


tags = st.integers(1, 2**47 - 1)


@given(st.lists(st.tuples(tags | st.integers(1, 64).map(lambda n: n << 12), st.integers(0, 65_535)), max_size=50))
def test_windows_know_what_was_put_last(puts: list[tuple[int, int]]) -> None:
    windows, wanted = Windows(), dict[int, int]()
    for tag, count in puts:
        windows.put(tag, count)
        wanted[tag] = count
    assert {tag: windows.get(tag) for tag in wanted} == wanted
    assert len(windows) == len(wanted)


@pytest.mark.parametrize("alike", [0, 5], ids=["spread", "of few parts"])
def test_windows_grow_part_by_part(alike: int) -> None:
    random = Random(7)
    windows, wanted = Windows(), dict[int, int]()
    # Tags that have the first bits of their part in common make the one they share be divided again and again.
    fixed = (1 << alike) - 1 << 12
    while len(wanted) < 40_000:
        tag = random.getrandbits(47) & ~fixed | 1
        wanted[tag] = random.getrandbits(16)
        windows.put(tag, wanted[tag])
        if len(wanted) % 5000 == 0:
            assert all(windows.get(tag) == count for tag, count in wanted.items())
    assert len(windows) == len(wanted)
    assert sum(windows.get(random.getrandbits(47) | fixed) >= 0 for _ in range(1000)) == 0


def test_a_count_goes_as_far_as_a_limit_may_be_and_no_further() -> None:
    hours = Frequency(60, 10)
    for more in (65_530, 10, -3):
        hours.add(hash(b"one"), 7, more)
    assert hours.of(hash(b"one"), 7) == 65_532
    assert convert({"minute": 65_535}, FrequencyOptions).minute == 65_535
    with pytest.raises(ValidationError, match=r"<= 65535.*minute"):
        convert({"minute": 65_536}, FrequencyOptions)


def test_keys_of_frequencies_are_each_ones_own() -> None:
    asked = itertools.product(("8613910001234", "861391000123", ""), range(5), ("4".encode("utf-16-be"), b"", b"\0\1"))
    keys = [frequency_key(*one) for one in asked]
    assert len(set(keys)) == len(keys)


def test_one_less_is_one_less_wherever_it_was_counted() -> None:
    hours = Frequency(60, 10)
    for _ in range(3):
        hours.add(hash(b"one"), 7, 1)
    for number in range(10):
        hours.add(hash(b"%d" % number), 7, 1)
    assert len(hours.recent) == 1, "that one is of the older half"
    found = []
    for _ in range(4):
        hours.add(hash(b"one"), 7, -1)
        found.append(hours.of(hash(b"one"), 7))
    assert found == [2, 1, 0, 0]


def test_what_others_were_not_told_of_is_bounded() -> None:
    limits = Limits()
    limits.shared = True
    for number in range(100_010):
        limits.reach((b"%d" % number, 7, (1, 0, 0), 1))
    limits.sweep()
    limits.reach((b"no room either", 7, (1, 0, 0), 1))
    told = limits.take_reached(60_000) + limits.take_reached(60_000)
    assert sorted(int(key) for key, *_ in told) == list(range(100_000))
    assert limits.take_reached(10) == []
    limits.sweep()
    assert limits.take_reached(10) == []
