"""Answers as rows: what is read out of one is what the registry said, of this account, number and signature."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from portguard.policy.answers import Answers
from portguard.policy.counters import Records, Tallies
from portguard.policy.desk import Desk
from portguard.policy.grant import FOREVER, NO_USES, SIGNATURE_REFUSALS, Account, Grant, PortGrant
from portguard.policy.known import UNKNOWN_TEXT, KnownTexts
from portguard.policy.restraint import Restraint, brakes
from portguard.policy.tally import TallyRow, rows
from portguard.policy.terms import EVERYTHING, NO_REGIONS, Bucket, Use
from tests.policy.asking import message
from tests.policy.conftest import Office
from tests.policy.folder import when
from tests.policy.messages import CODE, LOAN, OK, PARCEL, SALE, UNKNOWN, Case
from tests.policy.registry import TABLES
from tests.policy.test_known import TEMPLATES, changed, outcomes
from tests.policy.test_recall import HEADS, PLAIN

HOUR = 480_000
NOON = when("2026-11-11T12:00")
ROWS = 4096


def account(place: int) -> Account:
    """An account on file."""
    made = Account(f"account{place}", Bucket())
    made.known, made.place = True, place
    return made


def answer(number: bytes, name: bytes, hits: int = 0, holder: str = "holder", owner: str = "owner") -> tuple[Any, Any]:
    """What the registry might say."""
    port, grant = PortGrant(0, -FOREVER, FOREVER, number), Grant(hits, -FOREVER, FOREVER, name, (owner,))
    port.holder, port.digits, grant.registered, grant.plain = holder, len(number) % 21, True, EVERYTHING
    return port, grant


class Asked:
    """Answers that are asked for by what they are about."""

    def __init__(self, most: int) -> None:
        self.answers = Answers(most)

    def put(self, a: Account, number: bytes, name: bytes, said: tuple[PortGrant, Grant]) -> None:
        self.answers.put(a, *self.at(number, name), *said)

    def find(self, a: Account, number: bytes, name: bytes, hour: int = HOUR) -> bool:
        return self.answers.find(a, *self.at(number, name), hour)

    @staticmethod
    def at(number: bytes, name: bytes) -> tuple[bytes, int, int, int, int]:
        """A buffer that ends with the name, and where number and name stand in it."""
        buf = b"-" * 16 + number + b"\0" + name
        return buf, 16, 16 + len(number), len(buf) - len(name), len(buf)


names = st.text(st.sampled_from("星辰商城云A1\0"), min_size=0, max_size=18).map(lambda text: text.encode("utf-16-be"))
numbers = st.one_of(
    st.from_regex(r"\A(106900|0)[01]{0,16}\Z").map(str.encode),
    st.sampled_from([b"", b"1069", b"1069000x", b"106900011\xff", b"x" * 8, b"x0690001" + b"0" * 10]),
)
things = st.tuples(st.integers(0, 2), numbers, names)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(things, st.sampled_from(["put", "put", "find", "swap"]), st.integers(0, 3)), max_size=40))
def test_what_is_found_is_what_was_put_about_the_same(steps: list[tuple[tuple[int, bytes, bytes], str, int]]) -> None:
    asked, model = Asked(10 * ROWS), dict[tuple[int, bytes, bytes], int]()
    accounts = [account(place) for place in range(3)]
    for thing, step, hits in steps:
        place, number, name = thing
        fits = place > 0 and 8 <= len(number) <= 20 and number.isdigit() and 0 < len(name) <= 24
        if step == "put":
            asked.put(accounts[place], number, name, answer(number, name, hits, str(hits), f"owner{hits}"))
            if fits:
                model[thing] = hits
        elif step == "swap":
            last = accounts[-1].place
            asked.answers.renew(last)
            accounts = [account(0), account(last + 1), account(last + 2)]
            model.clear()
        assert asked.find(accounts[place], number, name) is (thing in model)
        if thing in model:
            port, grant = asked.answers.port, asked.answers.grant
            assert (port.source, port.holder, port.digits) == (number, str(model[thing]), len(number) % 21)
            assert (grant.name, grant.hits, grant.enterprises) == (name, model[thing], (f"owner{model[thing]}",))
            assert (port.permits, port.regions, grant.plain) == (EVERYTHING, NO_REGIONS, EVERYTHING)
        assert len(asked.answers) == len(model)


@pytest.mark.parametrize("most", [ROWS, 2 * ROWS, 64 * ROWS])
def test_over_many_revisions_the_places_of_the_last_ones_are_taken_first(most: int) -> None:
    asked, name, random = Asked(most), "星辰商城".encode("utf-16-be"), Random(most)
    for revision in range(6):
        a = account(revision + 1)
        keys = [b"106900%09d" % random.randrange(10**9) for _ in range(most // 64 + 1000)]
        for key in keys:
            asked.put(a, key, name, answer(key, name, owner=key.decode()))
            asked.answers.note(7, [Use(key, revision)])
        found = [key for key in keys if asked.find(a, key, name)]
        assert len(found) == len(asked.answers) >= 0.97 * len(keys)
        for key in found:
            assert asked.find(a, key, name)
            assert asked.answers.grant.enterprises == (key.decode(),)
            assert [(use.key, use.day) for use in asked.answers.uses()] == [(key, revision)]
        asked.answers.renew(a.place)
        assert not any(asked.find(a, key, name) for key in keys)
        assert len(asked.answers) == 0


@pytest.mark.parametrize("size", range(1, 13))
def test_signatures_that_differ_in_one_unit_have_rows_of_their_own(size: int) -> None:
    asked, a, number = Asked(ROWS), account(1), b"106900011"
    others = [(at, other) for at in range(size) for other in "辰明\u0ff0\0"]
    texts = ["星" * size, *("星" * at + other + "星" * (size - 1 - at) for at, other in others)]
    for text in texts:
        name = text.encode("utf-16-be")
        assert not asked.find(a, number, name), text
        asked.put(a, number, name, answer(number, name, owner=text))
    for text in texts:
        assert asked.find(a, number, text.encode("utf-16-be"))
        assert asked.answers.grant.enterprises == (text,)


@pytest.mark.parametrize("size", range(8, 21))
def test_numbers_that_differ_in_one_digit_have_rows_of_their_own(size: int) -> None:
    asked, a, name = Asked(ROWS), account(1), "星辰".encode("utf-16-be")
    numbers = ["1" * size, *("1" * at + other + "1" * (size - 1 - at) for at in range(size) for other in "0289")]
    for number in numbers:
        assert not asked.find(a, number.encode(), name), number
        asked.put(a, number.encode(), name, answer(number.encode(), name, owner=number))
    for number in numbers:
        assert asked.find(a, number.encode(), name)
        assert asked.answers.grant.enterprises == (number,)


def test_as_many_as_there_may_be_and_those_that_are_used_stay() -> None:
    asked, a, name = Asked(8 * ROWS), account(1), "星辰商城".encode("utf-16-be")
    often = [b"1069%08d" % number for number in range(100)]
    missed = 0
    for number in range(40_000):
        key = b"1068%08d" % number
        asked.put(a, key, name, answer(key, name))
        assert asked.find(a, key, name)
        again = often[number % 100]
        if not asked.find(a, again, name):
            missed += number >= 100
            asked.put(a, again, name, answer(again, name))
        assert len(asked.answers) <= 8 * ROWS
    assert len(asked.answers) > 7 * ROWS
    # Of each bucket the one goes that was not used; those that came once were used once, too.
    assert missed < 400


def test_below_the_bound_hardly_any_is_lost() -> None:
    asked, a, name = Asked(3 * ROWS), account(1), "星辰商城".encode("utf-16-be")
    keys = [b"106900%09d" % (number * 7919) for number in range(9000)]
    for key in keys:
        asked.put(a, key, name, answer(key, name, owner=key.decode()))
    found = [key for key in keys if asked.find(a, key, name) and asked.answers.grant.enterprises == (key.decode(),)]
    # A bucket may be full before others are.
    assert len(asked.answers) == len(found) > 0.99 * len(keys)


@pytest.mark.parametrize("most", [0, 1])
def test_without_room_none_is_kept(most: int) -> None:
    asked, a = Asked(most), account(1)
    asked.put(a, b"106900011", b"\0a", answer(b"106900011", b"\0a"))
    assert asked.find(a, b"106900011", b"\0a") is (most > 0)


def test_it_holds_for_the_hours_that_are_wholly_within_its_dates() -> None:
    asked, a = Asked(ROWS), account(1)
    port, grant = answer(b"106900011", b"\0a")
    grant.since, grant.until = 3600.0 * HOUR + 1.0, 3600.0 * (HOUR + 3) - 1.0
    asked.put(a, port.source, grant.name, (port, grant))
    found = [asked.find(a, port.source, grant.name, HOUR + n) for n in range(-1, 4)]
    assert found == [False, False, True, False, False]
    assert asked.find(a, port.source, grant.name, HOUR + 1)
    assert (asked.answers.grant.since, asked.answers.grant.until) == (3600.0 * (HOUR + 1), 3600.0 * (HOUR + 2))
    grant.until = 3600.0 * (HOUR + 1)
    asked.put(a, b"106900012", grant.name, (port, grant))
    assert not asked.find(a, b"106900012", grant.name, HOUR)


def test_what_is_no_row() -> None:
    asked, a = Asked(ROWS), account(1)
    for change in ("refused", "number", "detail", "width", "other name", "nobody's"):
        port, grant = answer(b"106900011", b"\0a")
        if change == "refused":
            grant.hits = SIGNATURE_REFUSALS & -SIGNATURE_REFUSALS
        elif change == "number":
            port.hits = 1 << 3  # rule 100
        elif change == "detail":
            grant.detail = object()
        elif change == "width":
            grant.own_width = True
        elif change == "other name":
            grant.name = b"\0b"
        else:
            port.source = b""
        asked.put(a, b"106900011", b"\0a", (port, grant))
        assert not asked.find(a, b"106900011", b"\0a"), change


def test_it_remembers_what_was_used_until_another_has_its_place() -> None:
    asked, a, used = Asked(ROWS), account(1), [Use(b"", 7)]
    asked.put(a, b"106900011", b"\0a", answer(b"106900011", b"\0a"))
    assert asked.find(a, b"106900011", b"\0a")
    assert (asked.answers.entry(), asked.answers.uses()) == (0, NO_USES)
    asked.answers.note(12321, used)
    assert asked.find(a, b"106900011", b"\0a")
    assert asked.answers.grant.uses is NO_USES
    assert (asked.answers.entry(), asked.answers.uses()) == (12321, used)
    port, grant = asked.answers.lasting()
    assert (port.source, grant.name) == (b"106900011", b"\0a")
    for number in range(2000):
        key = b"1069%05d" % number
        asked.put(a, key, b"\0a", answer(key, b"\0a"))
        if asked.find(a, key, b"\0a"):
            assert asked.answers.uses() is NO_USES or key == b"106900011"


# ---- on the path


def answering(desk: Desk) -> Desk:
    """A desk that keeps no reasons, as the path does: those have no rows."""
    desk.revision.noting = desk.engine.noting = False
    desk.engine.tallies, desk.engine.records = Tallies(10_000), Records(1 << 24, 1 << 24)
    return desk


def rows_alone(desk: Desk, cases: list[Case]) -> tuple[list[object], int]:
    """What the desk says where no number's texts are known; and how many it has answered from a row."""
    found, answered = list[object](), 0
    for case in cases:
        desk.engine.known = desk.engine.often = KnownTexts(1, desk.engine.lexicon, 7)
        found += outcomes(desk, [case], False)
        answered += bool(desk.engine.answered)
    return found, answered


def tallied(desk: Desk) -> Counter[tuple[object, ...]]:
    """What was tallied, as whoever hears of it adds it up."""
    found: Counter[tuple[object, ...]] = Counter()
    desk.engine.tallies.sweep()
    for row in rows(desk.engine.tallies.take(1 << 20)):
        key = replaced(row)
        found[key, "submitted"] += row.submitted
        found[key, "refused"] += row.refused
        found[key, "tagged"] += row.tagged
    return found


def entered(desk: Desk) -> int:
    """How many tallies count in the present sweep."""
    return int(desk.engine.tallies.end - desk.engine.tallies.begin)


def replaced(row: TallyRow) -> tuple[object, ...]:
    return (
        row.account, row.enterprise, row.port, row.number, row.holder, row.signature, row.owner, row.category,
        row.industry,
    )  # fmt: skip


@pytest.mark.parametrize("templates", [False, True])
def test_what_is_a_row_is_no_object_besides(office: Office, templates: bool) -> None:
    desk = answering(office.desk({**TABLES, "templates": TEMPLATES} if templates else TABLES))
    engine = desk.engine
    for number in range(50):
        case = Case(0, "allow", 0, "", source=f"106900011{number:02}", text="【星辰商城】" + CODE)
        assert desk.judge(message(case)).action == "allow"
    account = engine.account("first")
    assert (len(engine.answers), len(engine.kept), len(account.ports)) == ((0, 50, 50) if templates else (50, 0, 0))
    misses = engine.counters.port_misses, engine.counters.grant_misses
    for number in range(50):
        rows_alone(desk, [Case(0, "", 0, "", source=f"106900011{number:02}", text="【星辰商城】" + CODE)])
    assert (engine.counters.port_misses, engine.counters.grant_misses) == misses == (50, 50)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(), share=st.sampled_from([0.0, 0.0, 0.01]), templates=st.booleans(), restrained=st.booleans(),
    mode=st.sampled_from(["enforce", "tag"]),
)  # fmt: skip
def test_whoever_is_answered_from_a_row_gets_the_verdict_of_one_that_is_looked_up(
    office: Office, seed: int, share: float, templates: bool, restrained: bool, mode: str
) -> None:
    random = Random(seed)
    bodies = random.choices([CODE, PARCEL, SALE, LOAN, UNKNOWN * 4], k=3)
    some = random.choices(PLAIN, k=4)
    cases = [
        replace(random.choice(some), text=random.choice(HEADS[:12]) + changed(random.choice(bodies), random, share))
        for _ in range(50)
    ]
    tables = {**TABLES, "templates": [*TABLES["templates"], *TEMPLATES]} if templates else TABLES
    answers, asks = answering(office.desk(tables, mode=mode)), answering(office.desk(tables, mode=mode))
    asks.engine.answers = Answers(0)
    if restrained:
        for desk in (answers, asks):
            desk.engine.brakes.put(brakes([
                Restraint("signature", "星辰商城", "tag", NOON * 2), Restraint("port", "106900", "suspend", NOON * 2),
                Restraint("port", OK, "throttle", NOON * 2, per_minute=3),
            ]))  # fmt: skip
    found, answered = rows_alone(answers, cases)
    event(f"{answered // 10 * 10} and more answered from rows")
    assert (found, 0) == rows_alone(asks, cases)
    assert answers.engine.records.take() == asks.engine.records.take()
    assert tallied(answers) == tallied(asks)


@pytest.mark.parametrize(("text", "source", "answered"), [
    ("【星辰商城】" + PARCEL, OK, 5),
    ("【星辰商城】" + LOAN, OK, 5),
    ("【星辰零售】" + SALE, OK, 5),
    ("【星辰商城】" + SALE, "106900061", 5),
    ("【月光银行】" + PARCEL, OK, 5),  # refused by 300: the account is no sender of junk
    ("【星辰商域】" + PARCEL, OK, 0),  # refused by 204
    ("【星辰商城】" + PARCEL, "10680001", 0),  # refused by 100
    ("〖星辰商城〗" + PARCEL, OK, 0),
    ("【星辰商城】【物流通知】" + PARCEL, OK, 0),  # to be read
    ("【星辰模板】8866，请在页面上输入，谢谢您的配合", OK, 0),
])  # fmt: skip
def test_what_has_a_row_is_looked_up_once(office: Office, text: str, source: str, answered: int) -> None:
    desk, case = answering(office.desk()), Case(0, "", 0, "", source=source, text=text)
    said, found = rows_alone(desk, [case] * 6)
    assert len({str(one) for one in said}) == 1
    assert found == answered


def test_the_shortest_texts_are_answered_from_rows(office: Office) -> None:
    desk = answering(office.desk())
    assert rows_alone(desk, [Case(0, "", 0, "", text="【星辰商城】" + text) for text in ("您好", "好", "")])[1] == 2


def test_texts_of_which_no_two_are_alike_are_answered_from_rows_too(office: Office) -> None:
    desk, random = answering(office.desk()), Random(7)
    hanzi = [chr(0x4E00 + random.randrange(5000)) for _ in range(4000)]
    cases = [Case(0, "", 0, "", text="【星辰商城】" + "".join(hanzi[at : at + 40])) for at in range(0, 4000, 40)]
    said, answered = rows_alone(desk, cases)
    assert answered == len(cases) - 1
    assert (said, 0) == rows_alone(office.desk(), cases)


def test_another_account_and_a_next_revision_have_answers_of_their_own(office: Office) -> None:
    desk = answering(office.desk())
    sent = Case(0, "", 0, "", text="【星辰商城】" + PARCEL)
    assert rows_alone(desk, [sent] * 5)[1] == 4
    assert rows_alone(desk, [replace(sent, account="mall")] * 2) == (
        [replace_code(desk, replace(sent, account="mall"))] * 2, 0,
    )  # fmt: skip
    before = desk.engine.account("first")
    desk.engine.swap(desk.revision)
    assert len(desk.engine.answers) == 0
    after = desk.engine.account("first")
    assert after.place > before.place > 0
    assert rows_alone(desk, [sent] * 5)[1] == 4


def replace_code(desk: Desk, case: Case) -> object:
    """What a desk that was never asked before says."""
    fresh = Desk(desk.revision, [0x1D01, 0x1D02, 0x1D03, 0x1D04])
    desk.revision.noting = False
    return fresh.judge(message(case, arrived=True))


def test_kinds_of_content_in_turn_have_one_tally_each(office: Office) -> None:
    desk = answering(office.desk())
    cases = [Case(0, "", 0, "", text="【星辰商城】" + text) for text in (CODE, PARCEL)]
    rows_alone(desk, cases * 3)
    tallied(desk)
    assert rows_alone(desk, cases * 20)[1] == 40
    assert entered(desk) == 2
    # Told, they count from zero in others.
    assert sorted(count for (_, kind), count in tallied(desk).items() if kind == "submitted") == [20, 20]
    assert rows_alone(desk, cases)[1] == 2
    assert entered(desk) == 2


def test_without_room_for_tallies_none_is_made(office: Office) -> None:
    desk = answering(office.desk())
    tallies, case = desk.engine.tallies, Case(0, "", 0, "", text="【星辰商城】" + PARCEL)
    other = replace(case, source="106900012")
    rows_alone(desk, [case, other])
    tallied(desk)
    tallies.most = 0
    assert rows_alone(desk, [case])[1] == 1
    assert (entered(desk), tallies.lost) == (0, 0)
    tallies.most = 1
    assert rows_alone(desk, [other] * 2)[1] == 2
    assert (entered(desk), tallies.lost) == (1, 0)
    assert rows_alone(desk, [case] * 3)[1] == 3
    assert (entered(desk), tallies.lost) == (1, 3)
    assert desk.engine.grant.tally.index == -1


def test_a_row_goes_on_with_the_tally_of_the_message_that_it_was_made_for(office: Office) -> None:
    desk = answering(office.desk())
    assert rows_alone(desk, [Case(0, "", 0, "", text="【星辰商城】" + PARCEL)] * 3)[1] == 2
    assert [count for (_, kind), count in tallied(desk).items() if kind == "submitted"] == [3]


def test_a_row_keeps_its_tally_over_sweeps_as_long_as_that_is_remembered(office: Office) -> None:
    desk = answering(office.desk())
    desk.engine.tallies = Tallies(1)  # of which twice as many entries are remembered
    case = Case(0, "", 0, "", text="【星辰商城】" + PARCEL)
    other = replace(case, source="106900012")
    rows_alone(desk, [case] * 2)
    first = desk.engine.grant.tally
    for _ in range(3):
        tallied(desk)
        assert rows_alone(desk, [case] * 2)[1] == 2
        assert desk.engine.grant.tally is first
    for _ in range(2):
        tallied(desk)
        rows_alone(desk, [other])
    tallied(desk)
    assert rows_alone(desk, [case])[1] == 1
    assert desk.engine.grant.tally is not first
    assert [count for (_, kind), count in tallied(desk).items() if kind == "submitted"] == [1]


def test_a_text_that_comes_often_is_known_besides_its_row_until_the_next_revision(office: Office) -> None:
    desk, random = answering(office.desk()), Random(1)
    cases = [Case(0, "", 0, "", text="【星辰商城】" + changed(CODE, random, 0.0)) for _ in range(20)]
    said = outcomes(desk, cases[:5], False)
    assert desk.engine.answered
    assert all(one is UNKNOWN_TEXT for one in desk.engine.often.slots())
    said += outcomes(desk, cases[5:], False)
    assert len({str(one) for one in said}) == 1
    assert (desk.engine.answered, len(desk.engine.answers)) == (False, 1)
    assert len([one for one in desk.engine.often.slots() if one is not UNKNOWN_TEXT]) == 1
    assert [count for (_, kind), count in tallied(desk).items() if kind == "submitted"] == [20]
    desk.engine.swap(desk.revision)
    assert all(one is UNKNOWN_TEXT for one in desk.engine.often.slots())
    assert [str(one) for one in outcomes(desk, cases[:1], False)] == [str(said[0])]


def test_caps_are_counted_as_without_rows(office: Office) -> None:
    capped = {**TABLES, "scopes": [{**TABLES["scopes"][0], "signature": "云端会议", "enterprise": "first",
                                    "port": "10690001", "provider": "*", "daily_cap": 7}]}  # fmt: skip
    desk = answering(office.desk(capped))
    case = Case(0, "", 0, "", text="【云端会议】" + PARCEL)
    said, answered = rows_alone(desk, [case] * 10)
    assert [one.code for one in said] == [0] * 7 + [305] * 3  # type: ignore[attr-defined]
    assert answered == 9
    assert [use.messages for day in desk.engine.limits.days.values() for use in day.values()] == [7]
