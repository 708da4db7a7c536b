"""What is kept stays within its bound, and what is asked for again and again stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portguard.policy.assembly import build_engine
from portguard.policy.grant import NO_GRANT, Account, Grant, PortGrant
from portguard.policy.kept import Kept, usual_mobile
from portguard.policy.lookup import LEAVING
from portguard.policy.terms import Bucket
from portguard.registry.subscriber import subscriber
from tests.policy.conftest import Office
from tests.policy.folder import when

NOON = when("2026-11-11T12:00")


def numbers(account: Account) -> set[bytes]:
    return set(account.ports)


def ask(kept: Kept, account: Account, key: bytes) -> bool:
    """What `Lookup.port_of` does; True when it was there."""
    found = account.ports.get(key)
    if found is not None:
        found.used = True
        return True
    kept.put_port(account, PortGrant(0, 0.0, 1.0, key), key)
    return False


@given(st.lists(st.integers(0, 12)), st.integers(1, 8))
def test_never_more_than_the_bound_and_always_what_comes_twice(asked: list[int], most: int) -> None:
    kept, account = Kept(most, False), Account("a", Bucket())
    for number in asked:
        for _ in "12":
            ask(kept, account, b"%d" % number)
            assert len(account.ports) <= most
        assert b"%d" % number in account.ports
    assert len(kept) == min(most, len(set(asked))) if len(set(asked)) <= most else len(kept) == most


def test_what_is_used_outlives_what_comes_once() -> None:
    kept, account = Kept(10, False), Account("a", Bucket())
    for number in range(1000):
        for often in (b"1", b"2", b"3"):
            ask(kept, account, often)
        ask(kept, account, b"once %d" % number)
    assert numbers(account) >= {b"1", b"2", b"3"}
    assert len(account.ports) == 10


def test_what_comes_once_pushes_nothing_out() -> None:
    kept, account = Kept(10, False), Account("a", Bucket())
    first = {b"first %d" % number for number in range(10)}
    for key in first:
        ask(kept, account, key)
    for number in range(1000):
        ask(kept, account, b"once %d" % number)
    assert numbers(account) == first
    for key in (b"new", b"new"):
        ask(kept, account, key)
    assert len(numbers(account) & first) == 9
    assert b"new" in numbers(account)


def test_who_comes_again_is_known_unless_another_has_come_by_the_same_door() -> None:
    kept, account = Kept(1, False), Account("a", Bucket())
    assert kept.admits(1 << 7), "there is room"
    ask(kept, account, b"first")
    # By digests, since which door a key has is another thing in every process.
    assert [kept.admits(door << 7) for door in (1, 2, 1, 2)] == [False, False, True, True]
    assert [kept.admits(digest) for digest in (1 << 7, 1 << 7 | 5, 1 << 7, 1 << 7)] == [True, False, False, True]


def test_a_signature_of_a_number_that_is_not_kept_is_not_kept_either() -> None:
    kept, account, port = Kept(10, False), Account("a", Bucket()), PortGrant(0, 0.0, 1.0, b"1")
    for number, name in enumerate((b"a", b"b", b"c")):
        kept.put_grant(account, port, Grant(0, 0.0, 1.0, name, ()), name)
        assert len(kept) == max(0, number - 1)
        port.kept = number >= 1


def test_what_came_last_is_given_up_again_and_nothing_else_is() -> None:
    kept, account = Kept(10, False), Account("a", Bucket())
    for key in (b"1", b"2"):
        kept.put_port(account, PortGrant(0, 0.0, 1.0, key), key)
    one, other = account.ports[b"1"], account.ports[b"2"]
    for name in (b"first", b"x"):
        kept.put_grant(account, other, Grant(0, 0.0, 1.0, name, ()), name)
    kept.retract(one)
    assert (numbers(account), len(kept)) == ({b"1", b"2"}, 3)
    kept.retract(other)
    assert (numbers(account), len(kept)) == ({b"1"}, 1)
    # Whoever still has it keeps no more for it.
    kept.put_grant(account, other, Grant(0, 0.0, 1.0, b"y", ()), b"y")
    assert len(kept) == 1


def test_an_answer_that_was_replaced_is_not_given_up_for_its_old_slot() -> None:
    kept, account = Kept(2, False), Account("a", Bucket())
    old, new = PortGrant(0, 0.0, 1.0, b"1"), PortGrant(0, 1.0, 2.0, b"1")
    kept.put_port(account, old, b"1")
    kept.put_port(account, new, b"1")
    for _ in "12":
        kept.put_port(account, PortGrant(0, 0.0, 1.0, b"2"), b"2")
    assert set(account.ports) == {b"1", b"2"}
    assert account.ports[b"1"] is new


def test_grants_and_refusals_are_kept_where_they_are_looked_for() -> None:
    account, port = Account("a", Bucket()), PortGrant(0, 0.0, 1.0, b"1")
    other = PortGrant(0, 0.0, 1.0, b"2")
    first, good, bad = (Grant(hits, 0.0, 1.0, name, ()) for hits, name in ((0, b"w"), (0, b"x"), (1, b"y")))
    kept, refusals = Kept(1, False), Kept(1, True)
    port.kept = True
    kept.put_grant(account, port, first, b"w")
    kept.put_grant(account, port, good, b"x")
    refusals.put_grant(account, port, bad, b"y")
    assert (port.find(b"w"), port.find(b"x"), port.find(b"y")) == (first, good, NO_GRANT)
    assert port.refused == {b"y": bad}
    # No number shares what another has.
    assert (other.find(b"x"), other.refused) == (NO_GRANT, {})
    for _ in "12":
        kept.put_port(account, other, b"2")
        refusals.put_port(account, other, b"3")
    # The first goes when the number goes.
    assert (port.find(b"w"), port.find(b"x"), port.refused) == (first, NO_GRANT, {})
    assert (account.ports, account.refused) == ({b"2": other}, {b"3": other})


def test_what_a_swap_leaves_is_given_up_a_little_at_a_time(office: Office) -> None:
    engine = build_engine(office.revision(), grants=200, refusals=200)
    engine.set_clock(NOON, NOON)
    engine.present = NOON
    account = engine.account("first")
    for number in range(100):
        port = engine.port_of(account, b"106900011%d" % number, NOON)
        engine.grant_of(account, port, "星辰商城".encode("utf-16-be"), NOON)
    assert len(account.ports) == 100
    engine.swap(office.revision())
    assert engine.account("first") is not account
    rounds = 0
    while engine.leaving or engine.outdated:
        left = sum(len(kept) for kept in engine.leaving)
        texts = sum(len(known.slots()) for known in engine.outdated)
        engine.shed(300)
        assert left - sum(len(kept) for kept in engine.leaving) <= 300
        assert texts - sum(len(known.slots()) for known in engine.outdated) <= 300
        rounds += 1
    assert rounds >= 16_384 // 300
    assert not account.ports
    assert len(engine.account("first").ports) == 0


def test_swaps_in_quick_succession_leave_no_more_and_more_behind(office: Office) -> None:
    engine = build_engine(office.revision(), grants=200, refusals=200)
    engine.set_clock(NOON, NOON)
    engine.present = NOON
    for _ in range(10):
        engine.port_of(engine.account("first"), b"106900011", NOON)
        engine.swap(office.revision())
    assert (len(engine.leaving), len(engine.outdated)) == (2 * LEAVING, 3 * LEAVING)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"x", b"y", b"z"]))))
def test_a_number_keeps_what_a_dict_would_keep(steps: list[tuple[bool, bytes]]) -> None:
    """The first signature of a number stands beside the dict of the others, and stays."""
    port, model = PortGrant(0, 0.0, 1.0, b"1"), dict[bytes, Grant]()
    for putting, key in steps:
        if putting:
            model[key] = Grant(0, 0.0, 1.0, key, ())
            assert port.put(key, model[key]) == (key != next(iter(model)))
        elif key in model and key != next(iter(model)):
            port.drop(key, model.pop(key))
        # Of another grant under the same key, nothing is dropped.
        port.drop(key, Grant(0, 0.0, 1.0, b"another", ()))
        keys = (b"x", b"y", b"z")
        assert [port.find(key) for key in keys] == [model.get(key, NO_GRANT) for key in keys]


digits = st.text("0123456789", min_size=9, max_size=11)
BEGINNINGS = ["1", "86", "861", "+86", "0086", "85", "12", "", "01", "086", "8601", "8613", "+1"]
near_mobiles = st.builds(str.__add__, st.sampled_from(BEGINNINGS), digits)


@given(near_mobiles.map(str.encode) | st.binary(max_size=20), st.integers(0, 255), st.sampled_from(["86", "852", "1"]))
def test_a_usual_mobile_number_is_the_subscriber_that_the_registry_makes_of_it(
    address: bytes, ton: int, country: str
) -> None:
    found = usual_mobile(address, ton, country)
    assert found in ("", subscriber(address, ton, country))


def test_mobile_numbers_as_most_are_written_are_usual() -> None:
    wanted = "8613910001234"
    assert [usual_mobile(b"8613910001234", ton, "86") for ton in (0, 1, 2)] == [wanted] * 3
    assert [usual_mobile(b"8675512345678", ton, "86") for ton in (0, 1, 2)] == ["8675512345678"] * 2 + [""]
    assert [usual_mobile(b"13910001234", ton, "86") for ton in (0, 1, 2)] == [wanted] * 3
    assert usual_mobile(b"13910001234", 1, "852") == ""
