"""Who may send on a number and under a signature: chains, carve-outs, providers; and what is cached obeys its dates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from portguard.policy.assembly import build_engine
from portguard.policy.desk import Desk, Message
from tests.policy.conftest import Office
from tests.policy.folder import OWN_TAGS, Row, Tables, when
from tests.policy.messages import CODE
from tests.policy.registry import TABLES
from tests.policy.wire import submit, ucs2

NOON = when("2026-11-11T12:00")


def ask(desk: Desk, account: str, source: str, text: str = CODE, at: float = NOON) -> int:
    """The code of the verdict, 0 for allow."""
    return desk.judge(Message(account, source, "13910001234", text, at=at)).code


def rows(*, ports: Sequence[Row], subleases: Sequence[Row] = (), **more: object) -> Tables:
    """Tables with enterprises a to i, each with an account of its name."""
    names = "abcdefghi"
    tables: dict[str, Sequence[Row]] = {
        "enterprises": [{"id": name} for name in names],
        "accounts": [{"system_id": name, "enterprise": name} for name in names],
        "ports": ports,
    }
    if subleases:
        tables["subleases"] = subleases
    return {**tables, **more}  # type: ignore[dict-item]


def lease(port: str, lessor: str, lessee: str, **more: object) -> Row:
    """A sublease."""
    return {"port": port, "lessor": lessor, "lessee": lessee, **more}


# ---- ports and carve-outs

def test_the_longest_port_decides_and_does_not_fall_back(office: Office) -> None:
    tables = rows(ports=[
        {"port": "1069", "holder": "a"}, {"port": "106911", "holder": "b", "valid_until": "2026-11-10"},
        {"port": "10691122", "holder": "a"},
    ])
    desk = office.desk(tables)
    assert [ask(desk, "a", number) for number in ("10691", "10691199", "106911221")] == [0, 101, 0]
    assert [ask(desk, "b", number) for number in ("10691", "10691199", "106911221")] == [101, 104, 101]


def test_of_one_number_on_file_twice_the_row_in_force_counts(office: Office) -> None:
    tables = rows(ports=[
        {"port": "1069", "holder": "a", "valid_until": "2026-11-10"},
        {"port": "1069", "holder": "b", "valid_from": "2026-11-11"},
    ])
    desk = office.desk(tables)
    before, after = when("2026-11-10T23:59:59"), when("2026-11-11T00:00")
    assert [ask(desk, "a", "10690", at=at) for at in (before, after)] == [0, 101]
    assert [ask(desk, "b", "10690", at=at) for at in (before, after)] == [101, 0]


def test_extensions_count_from_the_registered_port(office: Office) -> None:
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a", "extension_digits": 2}]))
    assert [ask(desk, "a", number) for number in ("1069", "106912", "1069123")] == [0, 0, 105]


# ---- chains of subleases

CHAIN = [lease("1069", left, right) for left, right in zip("abcdefgh", "bcdefghi", strict=True)]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_depth(office: Office, depth: int) -> None:
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=CHAIN), sublease_depth=depth)
    for links, account in enumerate("abcdefghi"):
        assert ask(desk, account, "10690") == (103 if links > depth else 0), account


def test_of_several_chains_the_one_that_breaks_least_counts(office: Office) -> None:
    subleases = [
        lease("1069", "a", "b"), lease("1069", "b", "c"),  # too deep
        lease("10691", "a", "c", valid_until="2026-11-10"),  # over
        lease("106911", "a", "c"),  # sound
    ]
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases))
    assert [ask(desk, "c", number) for number in ("10690", "10691", "106911")] == [103, 103, 0]
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases[2:]))
    assert [ask(desk, "c", number) for number in ("10690", "10691", "106911")] == [101, 102, 0]


def test_a_chain_narrows_to_the_longer_prefix_and_never_widens(office: Office) -> None:
    subleases = [lease("10691", "a", "b"), lease("106912", "b", "c")]
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases), sublease_depth=2)
    assert [ask(desk, "b", number) for number in ("10690", "10691", "106912")] == [101, 0, 0]
    assert [ask(desk, "c", number) for number in ("10690", "10691", "106912")] == [101, 101, 0]


def test_a_carve_out_is_not_covered_by_a_sublease_of_the_port_around_it(office: Office) -> None:
    ports = [{"port": "1069", "holder": "a"}, {"port": "10691", "holder": "c"}]
    desk = office.desk(rows(ports=ports, subleases=[lease("1069", "a", "b")]))
    assert [ask(desk, "b", number) for number in ("10690", "10691")] == [0, 101]


def test_a_broken_link_breaks_all_after_it(office: Office) -> None:
    subleases = [lease("1069", "a", "b", status="suspended"), lease("1069", "b", "c")]
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases), sublease_depth=2)
    assert [ask(desk, account, "10690") for account in "abc"] == [0, 102, 102]


def test_exclusive_takes_from_its_lessor_alone_and_in_its_dates(office: Office) -> None:
    subleases = [lease("1069", "a", "b"), lease("10691", "b", "c", exclusive="true", valid_until="2026-11-11")]
    desk = office.desk(rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases), sublease_depth=2)
    assert [ask(desk, account, "10691") for account in "abc"] == [0, 101, 0]
    assert [ask(desk, account, "10690") for account in "abc"] == [0, 0, 101]
    assert [ask(desk, account, "10691", at=when("2026-11-12T00:00")) for account in "abc"] == [0, 0, 102]


def test_categories_of_port_and_every_link_narrow(office: Office) -> None:
    tables = rows(
        ports=[{"port": "1069", "holder": "a", "categories": "verification|notification"}],
        subleases=[
            lease("1069", "a", "b", categories="notification|marketing"),
            lease("1069", "b", "c", categories="verification"),
        ],
    )
    desk = office.desk(tables, sublease_depth=2)
    parcel, sale = "您的快递已到驿站，请凭取件码8866尽快领取。", "双十一全场五折，满300减50，优惠券限时抢购，退订回T"
    assert [ask(desk, "a", "1069", text) for text in (CODE, parcel, sale)] == [0, 0, 306]
    assert [ask(desk, "b", "1069", text) for text in (CODE, parcel, sale)] == [306, 0, 306]
    assert [ask(desk, "c", "1069", text) for text in (CODE, parcel, sale)] == [306, 306, 306]


def test_thousands_of_chains_are_no_more_work_than_their_rows(office: Office) -> None:
    names = [f"n{layer}{place}" for layer in range(6) for place in range(6)]
    subleases = [lease("1069", "a", f"n0{place}") for place in range(6)]
    subleases += [
        lease("1069", f"n{layer}{left}", f"n{layer + 1}{right}")
        for layer in range(5) for left in range(6) for right in range(6)
    ]
    subleases += [lease("1069", f"n5{place}", "b") for place in range(6)]
    tables = rows(ports=[{"port": "1069", "holder": "a"}], subleases=subleases)
    tables = {**tables, "enterprises": [*tables["enterprises"], *({"id": name} for name in names)]}
    desk = office.desk(tables)
    assert [ask(desk, account, "10690") for account in "bc"] == [103, 101]
    assert ask(office.desk(tables, sublease_depth=7), "b", "10690") == 0


# ---- signatures and scopes

def brand(**scope: object) -> Tables:
    """A brand of enterprise i with one scope, on a port of a that b and c lease (c only a longer number)."""
    return rows(
        ports=[{"port": "1069", "holder": "a"}],
        subleases=[lease("1069", "a", "b"), lease("10691", "a", "c")],
        signatures=[{"signature": "好品牌", "enterprise": "i"}],
        scopes=[{"signature": "好品牌", "enterprise": "i", **scope}],
    )


@pytest.mark.parametrize(
    ("scope", "at_1069", "at_10691"),
    [
        ({"port": "1069"}, {"a": 0, "b": 0, "c": 101}, {"a": 0, "b": 0, "c": 301}),
        ({"port": "10691"}, {"a": 300, "b": 300, "c": 101}, {"a": 0, "b": 0, "c": 0}),
        ({"port": "1069", "provider": "*"}, {"a": 0, "b": 0, "c": 101}, {"a": 0, "b": 0, "c": 0}),
        ({"port": "1069", "provider": "b"}, {"a": 301, "b": 0, "c": 101}, {"a": 301, "b": 0, "c": 301}),
        ({"provider": "c"}, {"a": 301, "b": 301, "c": 101}, {"a": 301, "b": 301, "c": 0}),
        ({"provider": "*"}, {"a": 0, "b": 0, "c": 101}, {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_providers(office: Office, scope: dict[str, object], at_1069: dict[str, int], at_10691: dict[str, int]) -> None:
    desk = office.desk(brand(**scope))
    assert {account: ask(desk, account, "1069", "【好品牌】" + CODE) for account in "abc"} == at_1069
    assert {account: ask(desk, account, "10691", "【好品牌】" + CODE) for account in "abc"} == at_10691


def test_all_registrations_of_one_text_are_tried(office: Office) -> None:
    tables = rows(
        ports=[{"port": "1069", "holder": "a"}, {"port": "1068", "holder": "a"}, {"port": "1067", "holder": "a"}],
        signatures=[{"signature": "好品牌", "enterprise": "h"}, {"signature": "好品牌", "enterprise": "i"}],
        scopes=[
            {"signature": "好品牌", "enterprise": "h", "port": "1069", "categories": "notification"},
            {"signature": "好品牌", "enterprise": "i", "port": "1069", "categories": "verification"},
            {"signature": "好品牌", "enterprise": "i", "port": "1068", "categories": "notification"},
        ],
    )
    desk = office.desk(tables)
    assert [ask(desk, "a", number, "【好品牌】" + CODE) for number in ("1069", "1068", "1067")] == [0, 302, 300]


def test_scopes_of_a_registration_out_of_force_do_not_count(office: Office) -> None:
    tables = rows(
        ports=[{"port": "1069", "holder": "a"}, {"port": "1068", "holder": "a"}],
        signatures=[
            {"signature": "好品牌", "enterprise": "h", "status": "suspended"},
            {"signature": "好品牌", "enterprise": "i"},
        ],
        scopes=[
            {"signature": "好品牌", "enterprise": "h", "port": "1069"},
            {"signature": "好品牌", "enterprise": "i", "port": "1068"},
        ],
    )
    desk = office.desk(tables)
    assert [ask(desk, "a", number, "【好品牌】" + CODE) for number in ("1069", "1068")] == [300, 0]


def test_signature_per_extension(office: Office) -> None:
    tables = rows(
        ports=[{"port": "1069", "holder": "a", "signature_per_extension": "true"}],
        signatures=[{"signature": "好品牌", "enterprise": "i"}, {"signature": "新品牌", "enterprise": "i"}],
        scopes=[
            {"signature": "好品牌", "enterprise": "i", "port": "10691"},
            {"signature": "新品牌", "enterprise": "i", "port": "10691"},
            {"signature": "新品牌", "enterprise": "i", "port": "1069", "provider": "*"},
        ],
    )
    desk = office.desk(tables)
    assert [ask(desk, "a", "10691", text + CODE) for text in ("【好品牌】", "【新品牌】")] == [0, 300]
    assert [ask(desk, "a", "10692", text + CODE) for text in ("【好品牌】", "【新品牌】")] == [300, 0]


def test_absent_tables_switch_their_rules_off(office: Office) -> None:
    ports = [{"port": "1069", "holder": "a", "signature_required": "true"}]
    desk = office.desk(rows(ports=ports))
    assert [ask(desk, "a", "1069", text) for text in ("【什么都行】" + CODE, "【】", CODE)] == [0, 201, 200]
    desk = office.desk(rows(ports=ports, signatures=[{"signature": "好品牌", "enterprise": "i"}]))
    assert [ask(desk, "a", "1069", text) for text in ("【什么都行】" + CODE, "【好品牌】" + CODE)] == [204, 0]


# ---- what is cached

@pytest.mark.parametrize(
    ("account", "source", "text", "turns", "before", "after"),
    [
        ("second", "1069001131", CODE, "2026-11-12T00:00", 0, 102),
        ("first", "10690013", CODE, "2026-11-12T00:00", 0, 104),
        ("first", "10690003", CODE, "2026-11-11T00:00", 0, 104),
        ("first", "10690004", CODE, "2026-11-12T00:00", 104, 0),
        ("third", "106900111", CODE, "2026-11-12T00:00", 102, 0),
        ("first", "1069000861", CODE, "2026-11-11T00:00", 101, 0),
        ("tea", "1069000861", CODE, "2026-11-11T00:00", 0, 102),
        ("first", "106900081", "【今日商行】" + CODE, "2026-11-11T00:00", 205, 0),
        ("first", "106900081", "【今日商行】" + CODE, "2026-11-12T00:00", 0, 205),
        ("first", "106900081", "〖今日商行〗" + CODE, "2026-11-12T00:00", 203, 203),
        ("first", "1069000814", "【星辰专线】" + CODE, "2026-11-11T00:00", 0, 300),
    ],
)
def test_a_date_counts_to_the_second_although_the_answer_is_cached(
    office: Office, account: str, source: str, text: str, turns: str, before: int, after: int
) -> None:
    desk, turn = office.desk(), when(turns)
    times = (turn - 3600, turn - 1, turn, turn + 1, turn - 1, turn)
    expected = [before, before, after, after, before, after]
    assert [ask(desk, account, source, text, at) for at in times] == expected


def test_an_answer_is_looked_up_once(office: Office) -> None:
    desk = office.desk()
    for _ in range(3):
        ask(desk, "first", "106900011", "【星辰商城】" + CODE)
        ask(desk, "first", "10770001", "【星辰商城】" + CODE)
        ask(desk, "first", "106900011", "【无名小店】" + CODE)
    counters = desk.engine.counters
    assert (counters.port_misses, counters.grant_misses) == (2, 3)


def test_a_scheduled_message_leaves_the_cache_as_it_was(office: Office) -> None:
    desk, turn = office.desk(), when("2026-11-12T00:00")
    tomorrow = submit("1069001131", ucs2(CODE), schedule=b"261112100000032+")
    assert ask(desk, "second", "1069001131", at=turn - 60) == 0
    for _ in range(3):
        assert desk.judge(Message("second", at=turn - 60, pdu=tomorrow)).code == 102
        assert ask(desk, "second", "1069001131", at=turn - 60) == 0
    assert ask(desk, "second", "1069001131", at=turn) == 102


def test_caches_are_bounded_and_junk_does_not_push_out_what_is_permitted(office: Office) -> None:
    revision = office.revision()
    desk = Desk(revision, OWN_TAGS)
    desk.engine = build_engine(revision, grants=50, refusals=50)
    ask(desk, "first", "106900011", "【星辰商城】" + CODE)
    account = desk.engine.account("first")
    for number in range(500):
        ask(desk, "first", f"1077{number:04}", "【星辰商城】" + CODE)
        ask(desk, "first", "106900011", f"【无名{number}】" + CODE)
        ask(desk, "first", "106900011", f"〖月光银行〗{'，' * (number % 7)}" + CODE)
    ports = [*account.ports.values(), *account.refused.values()]
    assert len(account.refused) + sum(len(port.refused) for port in ports) <= 50
    misses = desk.engine.counters.grant_misses
    assert ask(desk, "first", "106900011", "【星辰商城】" + CODE) == 0
    assert desk.engine.counters.grant_misses == misses
    for number in range(500):
        ask(desk, "first", f"10690008{number:04}", "【星辰商城】" + CODE)
    assert sum(1 + len(port.signatures) for port in account.ports.values()) <= 50


def test_a_swap_is_obeyed_by_the_next_message(office: Office) -> None:
    desk = office.desk()
    assert ask(desk, "first", "106900011", "【星辰商城】" + CODE) == 0
    signatures = [
        {**row, "status": "suspended"} if row["signature"] == "星辰商城" else row for row in TABLES["signatures"]
    ]
    desk.engine.swap(office.revision({**TABLES, "signatures": signatures}))
    assert ask(desk, "first", "106900011", "【星辰商城】" + CODE) == 205
    desk.engine.swap(office.revision())
    assert ask(desk, "first", "106900011", "【星辰商城】" + CODE) == 0


def test_an_account_that_is_not_on_file_leaves_nothing_behind(office: Office) -> None:
    desk = office.desk()
    for number in range(100):
        assert ask(desk, f"nobody{number}", "106900011") == 601
    assert not desk.engine.accounts
    assert not desk.engine.limits.buckets
