"""Each sign is raised by what it is for, once, and by nothing else; ordinary traffic of the same size raises none.

The scenarios are hidden in the traffic of `world`, some 11,000 rows and 400,000 messages a day, after five days of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from portguard.policy.tally import TallyRow
from portguard.sms.category import MARKETING, NOTIFICATION, VERIFICATION
from tests.complaints.signs.conftest import DAYS
from tests.complaints.signs.watching import Scenario, Watch, said
from tests.complaints.signs.world import BEGIN, DAY, NAMES, World, row, violation

After = Callable[..., Watch]
MORNING = DAYS + 8 / 24
LOAN = "{who}，您有最高{n}万元的备用金额度已通过审核，点击立即领取，利息低至日万分之二，无需抵押 t.cn/{n}，退订回T"


def tallies(make: Callable[[float, Random], list[TallyRow]]) -> Scenario:
    """A scenario of tallies alone, with chance of its own."""
    random = Random(7)

    def scenario(at: float, rows: Sequence[TallyRow]) -> tuple[list[TallyRow], list[dict[str, object]]]:
        return make(at, random), []

    return scenario


def loan(random: Random, signature: str) -> str:
    return f"【{signature}】" + LOAN.format(who=random.choice(NAMES), n=random.randrange(5, 50))


# ---- ordinary traffic


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_days_after_with_a_holiday_are_silent(after: After, seed: int) -> None:
    watch = after(holiday=DAYS + 1) if seed == 1 else after(holiday=DAYS)
    assert watch.run(DAYS, 2) == []
    assert watch.rows > 20_000
    assert watch.messages > 800_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_three_weeks_are_silent(tmp_path: Path, seed: int) -> None:
    """From the first hour: growth, weekends, campaigns, a holiday."""
    watch = Watch(tmp_path / "complaints.sqlite", World(seed))
    assert watch.run(0, 21) == []
    assert watch.messages > 8_000_000
    watch.store.close()


@pytest.mark.parametrize("hour", [*(pytest.param(hour, marks=pytest.mark.slow) for hour in (0, 12, 21)), 7.5])
def test_a_watch_that_begins_at_any_hour_is_silent(tmp_path: Path, hour: float) -> None:
    watch = Watch(tmp_path / "complaints.sqlite", World(3))
    assert watch.run(hour / 24, 1.1) == []
    watch.store.close()


# ---- more and more


@pytest.mark.slow
def test_a_bank_s_port_is_subleased(after: After) -> None:
    """Four strangers a day on a port that carried one brand and its card."""
    strangers: list[str] = []

    def sublease(at: float, random: Random) -> list[TallyRow]:
        if len(strangers) < 4 * (1 + (at - BEGIN) / DAY - MORNING):
            strangers.append(f"外人{len(strangers)}")
        return [
            row("bank1", "bank1", "1065100", "1065100", "bank1", name, f"stranger-{name}", NOTIFICATION, 3,
                f"【{name}】您的包裹{random.randrange(9999)}已到{name}门店")
            for name in strangers
        ]  # fmt: skip

    alerts = after().run(MORNING, 3, tallies(sublease))
    assert said(alerts) == [("port_enterprises", {"port": "1065100"})]
    evidence = alerts[0].evidence
    assert (evidence["known"], evidence["new"]) == (2, 8)
    assert evidence["enterprises"] == [f"stranger-外人{n}" for n in range(8)]
    assert alerts[0].summary.startswith("Port 1065100 carries signatures of 8 more enterprises than the 2 it had ")


def test_one_signature_is_suddenly_on_many_accounts(after: After) -> None:
    accounts: list[int] = []

    def stolen(at: float, random: Random) -> list[TallyRow]:
        accounts.append(len(accounts))
        return [
            row(f"shop{n:02}", f"shop{n}", f"1069{70000 + n}", f"1069{70000 + n}", f"shop{n}", "银行1", "bank1",
                NOTIFICATION, 2, f"【银行1】您的积分{random.randrange(9999)}分即将清零")
            for n in accounts[:7]
        ]  # fmt: skip

    alerts = after().run(MORNING, 0.4, tallies(stolen))
    assert said(alerts) == [("signature_accounts", {"signature": "银行1"})]
    assert alerts[0].evidence["known"] == 1


def test_one_signature_is_suddenly_on_many_ports(after: After) -> None:
    ports: list[int] = []

    def spread(at: float, random: Random) -> list[TallyRow]:
        ports.append(len(ports))
        return [
            row("hub0-0", "hub0", f"10688{n:02}", f"10688{n:02}77", "hub0", "小店1号", "shop1", NOTIFICATION, 2,
                f"【小店1号】您的订单{random.randrange(9999)}已发货")
            for n in ports[:14]
        ]  # fmt: skip

    alerts = after().run(MORNING, 0.4, tallies(spread))
    assert said(alerts) == [("signature_ports", {"signature": "小店1号"})]


# ---- one text


def test_one_text_is_spread_thinly_under_many_signatures(after: After) -> None:
    """Three messages each half hour, under the signatures of twelve brands, on their own ports and accounts."""

    def spam(at: float, random: Random) -> list[TallyRow]:
        shops = random.sample([n for n in range(25) if n % 3], 5)
        return [
            row(f"shop{n:02}", f"shop{n}", f"1069{70000 + n}", f"1069{70000 + n}", f"shop{n}", f"小店{n}号", f"shop{n}",
                MARKETING, 3, loan(random, f"小店{n}号"))
            for n in shops
        ]  # fmt: skip

    alerts = after().run(MORNING, 0.5, tallies(spam))
    assert [alert.alert for alert in alerts] == ["text_spread"]
    evidence = alerts[0].evidence
    assert "备用金额度已通过审核" in str(evidence["text"])
    assert isinstance(each := evidence["messages_each"], int | float)
    assert each < 20
    assert evidence["unusual_ports"] == 0


def test_one_text_is_spread_thinly_without_signatures(after: After) -> None:
    def spam(at: float, random: Random) -> list[TallyRow]:
        return [
            row(f"shop{n:02}", f"shop{n}", f"1069{70000 + n}", f"1069{70000 + n}", f"shop{n}", "", "", 0, 1,
                loan(random, "").removeprefix("【】"))
            for n in random.sample(range(25), 6)
        ]  # fmt: skip

    assert [alert.alert for alert in after().run(MORNING, 0.5, tallies(spam))] == ["text_spread"]


def test_one_text_is_spread_under_one_signature_on_ports_that_are_not_its(after: After) -> None:
    def spam(at: float, random: Random) -> list[TallyRow]:
        return [
            row(f"hub{n % 4}-0", f"hub{n % 4}", f"10690{n % 4}{n % 3}", f"10690{n % 4}{n % 3}9999", f"hub{n % 4}",
                "银行2", "bank2", MARKETING, 1, loan(random, "银行2"))
            for n in random.sample(range(12), 4)
        ]  # fmt: skip

    alerts = after().run(MORNING, 0.5, tallies(spam))
    assert "text_spread" in {alert.alert for alert in alerts}
    # It is a signature that is suddenly everywhere, too.
    assert {alert.alert for alert in alerts} <= {"text_spread", "signature_ports", "signature_accounts"}


# ---- unregistered signatures


def test_a_surge_of_unregistered_signatures(after: After) -> None:
    def surge(at: float, rows: Sequence[TallyRow]) -> tuple[list[TallyRow], list[dict[str, object]]]:
        if not MORNING + 0.2 < (at - BEGIN) / DAY < MORNING + 0.3:
            return [], []
        text = "【野号】恭喜中奖"
        more = row("shop10", "shop10", "106970010", "106970010", "shop10", "野号", "", 0, 60, text, refused=60)
        return [more], [violation("shop10", f"野号{n}", at) for n in range(60)]

    alerts = after().run(MORNING, 0.4, surge)
    assert said(alerts) == [("unregistered_surge", {"account": "shop10"})]
    evidence = alerts[0].evidence
    assert isinstance(share := evidence["share"], float)
    assert share > 0.5
    assert evidence["usual_share"] == pytest.approx(0.004, abs=0.002)
    assert isinstance(names := evidence["signatures"], list)
    assert {f"野号{n}" for n in range(19)} <= set(names)


def test_a_surge_that_the_journal_left_out_counts(after: After) -> None:
    watch = after()
    at = BEGIN + DAYS * DAY
    fields = {"at": at, "account": "hub0-0", "rule": "signature_unregistered", "code": 204, "count": 5000}
    assert said(watch.signs.journal([(10**9, "left_out", fields)], at)) == [
        ("unregistered_surge", {"account": "hub0-0"})
    ]
    other = {**fields, "account": "hub1-0", "code": 300, "rule": "scope_port"}
    assert watch.signs.journal([(10**9 + 1, "left_out", other)], at) == []


def test_many_more_messages_with_many_more_misspelt_are_no_surge(after: After) -> None:
    """Ten times the traffic of an account, with ten times what is usually wrong in it."""

    def peak(at: float, rows: Sequence[TallyRow]) -> tuple[list[TallyRow], list[dict[str, object]]]:
        more = row("hub0-0", "hub0", "1069000", "10690000000", "hub0", "品牌000", "brand0-0", NOTIFICATION, 40_000, "")
        return [more], [violation("hub0-0", "品牌00O", at) for _ in range(130)]

    assert after().run(MORNING, 0.3, peak) == []


# ---- verification


def test_a_verification_number_turns_to_marketing(after: After) -> None:
    def turned(at: float, random: Random) -> list[TallyRow]:
        return [row("shop03", "shop3", "106970003", "106970003", "shop3", "小店3号", "shop3", MARKETING, 15,
                    loan(random, "小店3号"))]  # fmt: skip

    alerts = after().run(MORNING, 0.4, tallies(turned))
    assert said(alerts) == [("verification_turned", {"port": "106970003"})]
    evidence = alerts[0].evidence
    assert evidence["marketing"] == 60
    assert isinstance(before := evidence["before"], dict)
    assert before["marketing"] == 0
    assert before["verification"] > 500


def test_a_number_of_an_aggregator_s_port_turns_to_marketing(after: After) -> None:
    """Its port as a whole carries everything."""
    watch = after()
    world = watch.world
    brand = next(b for b in world.brands if b.mix[0] > 0.9 and b.daily > 1000 and b.signature.startswith("品牌"))
    port, number, holder = brand.numbers[0]

    def turned(at: float, random: Random) -> list[TallyRow]:
        account, enterprise = brand.accounts[0]
        return [row(account, enterprise, port, number, holder, brand.signature, brand.owner, MARKETING, 40,
                    loan(random, brand.signature))]  # fmt: skip

    assert said(watch.run(MORNING, 0.4, tallies(turned))) == [("verification_turned", {"number": number})]


@pytest.mark.parametrize(("categories", "count"), [
    (["verification"], 1), (["verification", "marketing/retail"], 0), ([], 0),
])  # fmt: skip
def test_what_a_port_is_registered_for_is_known_from_the_first_hour(
    tmp_path: Path, categories: list[str], count: int
) -> None:
    watch = Watch(tmp_path / "complaints.sqlite", World())
    watch.signs._facts._categories["106970003"] = [name.partition("/")[0] for name in categories]
    alerts = []
    for n in range(6):
        more = row("shop03", "shop3", "106970003", "106970003", "shop3", "小店3号", "shop3", MARKETING, 20, "")
        alerts += watch.feed([more], [], BEGIN + n * 600)
    assert len(alerts) == count
    watch.store.close()


def test_a_few_advertisements_on_a_verification_number_are_not_yet_a_sign(after: After) -> None:
    def few(at: float, random: Random) -> list[TallyRow]:
        return [row("shop03", "shop3", "106970003", "106970003", "shop3", "小店3号", "shop3", MARKETING, 2,
                    loan(random, "小店3号"))]  # fmt: skip

    assert after().run(MORNING, 0.4, tallies(few)) == []


# ---- once


def test_a_sign_is_raised_once_also_after_a_restart(after: After) -> None:
    def turned(at: float, random: Random) -> list[TallyRow]:
        return [row("shop03", "shop3", "106970003", "106970003", "shop3", "小店3号", "shop3", MARKETING, 15,
                    loan(random, "小店3号"))]  # fmt: skip

    first = after()
    assert len(first.run(MORNING, 0.4, tallies(turned))) == 1
    # Killed: nothing was saved but what the alert itself saved.
    first.store.close()
    again = after()
    assert again.run(MORNING + 0.4, 0.4, tallies(turned)) == []
    events = [event.fields for event in again.store.events(10)]
    assert [fields["alert"] for fields in events] == ["verification_turned"]
    assert set(events[0]) == {"alert", "severity", "subject", "summary", "evidence", "at"}


def test_signs_that_are_off_are_silent(five_days: Path, tmp_path: Path, after: After) -> None:
    after().store.close()
    off: dict[str, Any] = {name: {"on": False} for name in ("verification_turned", "unregistered_surge", "text_spread")}
    watch = Watch(tmp_path / "complaints.sqlite", World(), **off)
    at = BEGIN + DAYS * DAY
    more = row("shop03", "shop3", "106970003", "106970003", "shop3", "小店3号", "shop3", MARKETING, 500, "")
    assert watch.feed([more], [violation("shop03", "x", at)] * 500, at) == []
    watch.store.close()


def test_verification_that_all_brands_word_alike_is_no_spread(after: After) -> None:
    def logins(at: float, random: Random) -> list[TallyRow]:
        return [
            row(f"shop{n:02}", f"shop{n}", f"1069{70000 + n}", f"1069{70000 + n}", f"shop{n}", f"小店{n}号", f"shop{n}",
                VERIFICATION, 3, f"【小店{n}号】您的登录验证码是{random.randrange(10**6)}，三分钟内有效，切勿告诉他人")
            for n in range(25)
        ]  # fmt: skip

    assert after().run(MORNING, 0.3, tallies(logins)) == []
