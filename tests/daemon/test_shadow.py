"""Recent traffic under two revisions: the same verdicts as the path's, and every difference counted once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.admin.comparison import Comparison, ShadowDiff, Verdict
from portguard.daemon.orders import Chunk, packed
from portguard.daemon.shadow import compare, framed, written
from portguard.daemon.shadow_judge import Task, Traffic, judge
from portguard.policy.desk import submit_sm_of
from portguard.policy.options import PolicyOptions
from portguard.policy.reasons import RULE_BY_CODE
from portguard.policy.restraint import Restraint
from portguard.smpp.encode import enquire_link
from portguard.sms.charset import encode
from tests.policy.folder import Tables, image, when
from tests.policy.messages import CASES, CODE, NORTH, OK, SALE, Case
from tests.policy.registry import TABLES
from tests.policy.wire import submit, ucs2
from tests.relay.test_long import mixed, parts, udh8

NOON = when("2026-11-11T12:00:00")


class Pair:
    """Two images, and tasks over them."""

    def __init__(self, place: Path, old: Tables, new: Tables) -> None:
        self.old = image(place / "old", old)
        self.new = image(place / "new", new)

    def task(self, chunks: list[Chunk], **more: Any) -> Task:
        policy = more.pop("policy", PolicyOptions(mode="enforce"))
        return Task(self.old.path, self.new.path, "Asia/Shanghai", "86", policy, pages=[packed(chunks)], **more)

    def judge(self, chunks: list[Chunk], **more: Any) -> ShadowDiff:
        found = judge(self.task(chunks, **more), self.old, self.new)
        assert found is not None
        return found


def changed(table: str, key: str, name: str, **fields: str) -> Tables:
    """The tests' registry with some fields of some rows changed."""
    rows = [{**row, **fields} if row[key] == name else row for row in TABLES[table]]
    return {**TABLES, table: rows}


@pytest.fixture(scope="module")
def suspended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A candidate in which one signature is suspended."""
    pair = Pair(
        tmp_path_factory.mktemp("suspended"), TABLES,
        changed("signatures", "signature", "星辰商城", status="suspended"),
    )
    yield pair
    pair.old.close()
    pair.new.close()


def message(text: str, source: str = OK, destination: str = NORTH) -> bytes:
    return submit(source, ucs2(text), destination=destination.encode())


def chunk(*pdus: bytes, account: str = "first", at: float = NOON) -> Chunk:
    return Chunk(account, at, b"".join(pdus))


def test_nothing_changes_under_the_same_rows(suspended: Pair) -> None:
    task = suspended.task([chunk(message("【星辰商城】" + CODE), message("【无名】" + CODE))])
    found = judge(task, suspended.old, suspended.old)
    assert found is not None
    assert (found.messages, found.changed, found.transitions, found.accounts) == (2, 0, [], [])
    assert [(rule.code, rule.old, rule.new) for rule in found.rules] == [(204, 1, 1)]


def test_no_messages(suspended: Pair) -> None:
    assert judge(suspended.task([]), suspended.old, suspended.new) is None
    assert judge(suspended.task([chunk(enquire_link(1))]), suspended.old, suspended.new) is None


def test_what_changes_is_counted_and_shown(suspended: Pair) -> None:
    found = suspended.judge([
        chunk(message("【星辰商城】" + CODE), message("【星辰限量】" + CODE), at=NOON + 2),
        chunk(*[message("【星辰商城】" + CODE + str(n)) for n in range(5)], message("【无名】" + CODE), account="mall"),
        chunk(message("【星辰商城】" + CODE, source="10690001"), account="second", at=NOON + 1),
    ])
    assert (found.messages, found.changed, found.newly_refused, found.newly_passed) == (9, 2, 2, 0)
    assert (found.complete, found.left_out) == (True, 0)
    assert (found.since, found.until) == ("2026-11-11T12:00:00.000+08:00", "2026-11-11T12:00:02.000+08:00")
    (transition,) = found.transitions
    assert transition.old == Verdict("allow", "", 0)
    assert transition.new == Verdict("reject", "signature_inactive", 205)
    assert transition.messages == 2
    example = transition.examples[1]
    assert (example.account, example.number, example.subscriber) == ("first", OK, "139****1234")
    assert (example.signature, example.category) == ("星辰商城", "verification")
    assert example.text == "【星辰商城】" + CODE.replace("123456", "######").replace("5", "#")
    assert {moved.name: moved.newly_refused for moved in found.accounts} == {"first": 1, "second": 1}
    assert [(moved.name, moved.changed) for moved in found.signatures] == [("星辰商城", 2)]
    # The mall has no such port under either: the same verdict is no change.
    assert [(rule.code, rule.old, rule.new) for rule in found.rules] == [(101, 6, 6), (205, 0, 2)]


def test_the_other_way_round_passes(suspended: Pair) -> None:
    task = suspended.task([chunk(message("【星辰商城】" + CODE))])
    found = judge(task, suspended.new, suspended.old)
    assert found is not None
    assert (found.newly_refused, found.newly_passed, found.signatures[0].name) == (0, 1, "星辰商城")


def test_a_node_that_only_looks_sees_it_too(suspended: Pair) -> None:
    found = suspended.judge([chunk(message("【星辰商城】" + CODE))], policy=PolicyOptions(mode="monitor"))
    assert (found.changed, found.newly_refused) == (1, 0)
    assert found.transitions[0].new == Verdict("monitor", "signature_inactive", 205)


def test_an_account_that_leaves(tmp_path: Path) -> None:
    for status in ("suspended", ""):
        tables = changed("accounts", "system_id", "first", status=status)
        if not status:
            tables = {**TABLES, "accounts": [row for row in TABLES["accounts"] if row["system_id"] != "first"]}
        pair = Pair(tmp_path / (status or "gone"), TABLES, tables)
        found = pair.judge([chunk(message("【星辰商城】" + CODE))])
        assert found.transitions[0].new == Verdict("reject", "account_inactive", 601)
        assert [moved.name for moved in found.accounts] == ["first"]


def test_what_complaints_restrain_is_refused_under_both(suspended: Pair) -> None:
    restraints = [Restraint("signature", "星辰商城", "suspend", NOON + 10)]
    found = suspended.judge([chunk(message("【星辰商城】" + CODE))], restraints=restraints)
    assert [(rule.code, rule.old, rule.new) for rule in found.rules] == [(205, 0, 1), (501, 1, 0)]


@pytest.mark.parametrize("header", [udh8, mixed, None])
def test_a_long_message_counts_once_and_is_judged_whole(suspended: Pair, header: Any) -> None:
    text = "【星辰商城】您好，" + SALE * 4
    pdus = parts(text, 3, header=header, source=OK.encode())
    order = [chunk(pdus[2], at=NOON), chunk(pdus[0], enquire_link(9), at=NOON + 0.1), chunk(pdus[1], at=NOON + 0.15)]
    found = suspended.judge([*order, chunk(message("【星辰限量】" + CODE), at=NOON + 5)])
    assert (found.messages, found.changed, found.left_out) == (2, 1, 1)
    assert found.transitions[0].examples[0].signature == "星辰商城"
    assert found.transitions[0].examples[0].category == "marketing/retail"
    # The same reference once more is another message.
    again = [Chunk(one.account, one.at + 20, one.data) for one in order]
    assert suspended.judge([*order, *again]).messages == 2


def test_parts_whose_rest_never_comes_are_judged_too(suspended: Pair) -> None:
    pdus = parts("【星辰商城】您好，" + SALE * 4, 3, source=OK.encode())
    found = suspended.judge([chunk(pdus[0])])
    assert (found.messages, found.changed) == (1, 1)


def outcome(case: Case) -> bytes:
    """The case as a PDU."""
    if case.pdu:
        return case.pdu
    charset = {"gbk": 5, "packed": 1}.get(case.account, 0)
    source, destination = case.source.encode(), case.dest.removeprefix("+").encode()
    ton = 0 if source.isdigit() or not source else 5
    to = 1 if case.dest.startswith("+") else 0
    return submit_sm_of(ton, source, to, destination, case.coding, encode(case.text, case.coding, charset))


def test_every_message_of_the_table_gets_the_verdict_it_is_designed_to_get(suspended: Pair) -> None:
    """Each by itself, so that nothing is used up before; what needs a history of its own is left out."""
    counted = {"account_rate", "scope_quota", "subscriber_frequency", "concat_orphan"}
    checked = 0
    for case in CASES:
        rule = RULE_BY_CODE[case.code].name if case.code else ""
        if rule in counted or case.account == "slowoff" or case.at.endswith("Z"):
            continue
        found = judge(
            suspended.task([chunk(outcome(case), account=case.account, at=when(case.at))]),
            suspended.old, suspended.old,
        )
        if found is None:
            continue
        assert [(one.rule, one.new) for one in found.rules] == ([(rule, 1)] if rule else []), case
        checked += 1
    assert checked > 150


def test_caps_and_rates_are_used_up_alike(suspended: Pair) -> None:
    texts = [message("【星辰限量】" + CODE)] * 4
    found = suspended.judge([chunk(*texts), chunk(*[message("【星辰限量】" + CODE)] * 4, account="slow", at=NOON + 1)])
    assert found.changed == 0
    assert [(rule.code, rule.old, rule.new) for rule in found.rules] == [(600, 2, 2), (305, 4, 4)]


def test_time_runs_out(suspended: Pair) -> None:
    chunks = [chunk(message("【星辰商城】" + CODE), at=NOON + n) for n in range(600)]
    found = suspended.judge(chunks, seconds=0.0)
    assert (found.messages, found.complete) == (256, False)
    assert suspended.judge(chunks).changed == 600


def test_no_more_messages_than_asked_for(suspended: Pair) -> None:
    chunks = [chunk(message("【星辰商城】" + CODE), at=NOON + n) for n in range(30)]
    assert suspended.judge(chunks, most_messages=10).messages == 10


@given(chunks=st.lists(st.tuples(st.sampled_from(["first", "", "\x00é"]), st.floats(0, 4e9), st.binary(max_size=200))))
def test_any_octets(suspended: Pair, chunks: list[tuple[str, float, bytes]]) -> None:
    judge(suspended.task([Chunk(*one) for one in chunks]), suspended.old, suspended.new)


_flips = st.lists(st.tuples(st.integers(16, 300), st.integers(0, 255)))


@given(cuts=st.lists(st.integers(0, 400), max_size=4), flips=_flips)
def test_damaged_messages(suspended: Pair, cuts: list[int], flips: list[tuple[int, int]]) -> None:
    octets = bytearray(message("【星辰商城】" + CODE) + b"".join(parts(SALE * 4, 2)))
    for place, value in flips:
        octets[place] = value
    pieces = [chunk(bytes(octets[:cut])) for cut in cuts]
    traffic = Traffic(suspended.task(pieces))
    assert len(traffic.message_of) >= traffic.messages
    judge(suspended.task(pieces), suspended.old, suspended.new)


def run(task: bytes) -> tuple[int, bytes]:
    found = subprocess.run(
        [sys.executable, "-P", "-m", "portguard.daemon.shadow"], input=task, capture_output=True, check=False
    )
    assert not found.stderr, found.stderr.decode()
    return found.returncode, found.stdout


def test_the_process(suspended: Pair) -> None:
    task = suspended.task([chunk(message("【星辰商城】" + CODE))], most_rows=5)
    code, said = run(written(task))
    assert code == 0
    found = msgspec.json.decode(said, type=Comparison)
    assert found.registry == compare(task).registry
    assert found.registry.counts == {"signatures": {"added": 0, "removed": 0, "changed": 1}}
    assert found.registry.changes[0].new["status"] == "suspended"
    assert found.traffic is not None
    assert found.traffic.changed == 1


def test_the_process_says_what_is_wrong(suspended: Pair, tmp_path: Path) -> None:
    task = msgspec.structs.replace(suspended.task([]), new=tmp_path / "absent")
    code, said = run(written(task))
    error = msgspec.json.decode(said, type=Comparison).error
    assert (code, error) == (1, f"{tmp_path}/absent: no registry image: No such file or directory")
    assert run(b"")[0] == 1
    for cut in (2, 50, -1):
        code, said = run(written(suspended.task([]))[:cut])
        assert (code, msgspec.json.decode(said, type=Comparison).error) == (1, "the task ends in the middle")


def test_pages_come_behind_the_task(suspended: Pair) -> None:
    pages = [packed([chunk(message("【星辰商城】" + CODE), at=NOON + n)]) for n in range(3)]
    code, said = run(written(suspended.task([])) + b"".join(map(framed, pages)))
    found = msgspec.json.decode(said, type=Comparison).traffic
    assert code == 0
    assert found is not None
    assert (found.messages, found.changed) == (3, 3)
