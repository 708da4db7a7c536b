"""Sweeps of tallies: told in parts, spread over their time, all of them at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from portguard.daemon.sweeping import (
    AT_ONCE,
    BETWEEN_SECONDS,
    MOST_TALLIES,
    SPREAD,
    keep_sweeping,
    most_tallies,
    pause,
    sweep_all,
)
from portguard.policy.counters import Tallies
from portguard.policy.grant import NO_TALLY, Tally
from portguard.policy.labels import label_head
from portguard.policy.reasons import ALLOW
from portguard.policy.tally import TallyRow, rows


def touched(count: int) -> tuple[Tallies, list[Tally]]:
    """That many tallies with a message each."""
    tallies, found = Tallies(MOST_TALLIES), [Tally(0, NO_TALLY) for _ in range(count)]
    for place, tally in enumerate(found):
        tally.head, tally.number = label_head("account", "enterprise"), b"%d" % place
        send(tallies, tally)
    return tallies, found


def send(tallies: Tallies, tally: Tally) -> None:
    if not tallies.count(tally.entry, tally.index, ALLOW, 1):
        assert tallies.count(tallies.enter(tally, b""), tally.index, ALLOW, 1)


def test_few_rows_go_at_once_and_many_take_most_of_the_time_there_is() -> None:
    assert pause(0, 10.0) == pause(5 * AT_ONCE, 10.0) == BETWEEN_SECONDS
    assert pause(MOST_TALLIES, 10.0) * MOST_TALLIES / AT_ONCE == SPREAD * 10.0


@pytest.mark.parametrize(("workers", "most"), [(1, 100_000), (2, 100_000), (3, 66_666), (16, 12_500)])
def test_many_workers_tally_no_more_than_main_can_take(workers: int, most: int) -> None:
    assert most_tallies(workers) == most


def run(tallies: Tallies, tell: object, until: asyncio.Event, seconds: float) -> None:
    async def sweeping() -> None:
        task = asyncio.create_task(keep_sweeping(tallies, tell, seconds))  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            await until.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(sweeping())


def test_each_message_is_told_once_also_of_what_comes_while_a_sweep_is_told() -> None:
    tallies, all_of_them = touched(5 * AT_ONCE)
    told: Counter[int] = Counter()
    sizes: list[int] = []
    done = asyncio.Event()

    def tell(octets: bytes) -> bool:
        found = rows(octets)
        if not sizes:
            # One that is in this part, one that is not told yet: both count once more.
            for place in (0, 5 * AT_ONCE - 1):
                send(tallies, all_of_them[place])
        sizes.append(len(found))
        for row in found:
            told[int(row.number)] += row.submitted
        if sum(told.values()) == 5 * AT_ONCE + 2:
            done.set()
        return True

    run(tallies, tell, done, 0.2)
    assert max(sizes) == AT_ONCE
    assert sum(told.values()) == 5 * AT_ONCE + 2
    assert sorted(told.values())[-3:] == [1, 2, 2]
    assert sizes == [AT_ONCE] * 5 + [2]


def test_without_room_the_rest_leaves_before_what_came_since() -> None:
    tallies, all_of_them = touched(3 * AT_ONCE)
    parts: list[list[TallyRow]] = []
    done = asyncio.Event()

    def tell(octets: bytes) -> bool:
        parts.append(rows(octets))
        if len(parts) == 1:
            for tally in all_of_them:
                send(tallies, tally)
            return False
        if len(parts) == 4:
            done.set()
        return True

    run(tallies, tell, done, 0.1)
    assert [[int(row.number) for row in part] for part in parts] == [
        list(range(first, first + AT_ONCE)) for first in (0, AT_ONCE, 2 * AT_ONCE, 0)
    ]
    assert {row.submitted for part in parts for row in part} == {1}


def test_at_the_end_all_is_told_that_of_a_sweep_under_way_included() -> None:
    tallies, all_of_them = touched(3 * AT_ONCE)
    tallies.sweep()
    told = rows(tallies.take(AT_ONCE))
    for tally in all_of_them:
        send(tallies, tally)

    def tell(octets: bytes) -> bool:
        told.extend(rows(octets))
        return True

    sweep_all(tallies, tell)
    assert sum(row.submitted for row in told) == 6 * AT_ONCE
    assert tallies.take(1) == b""
    tallies.sweep()
    assert tallies.take(1) == b""


def test_at_the_end_no_more_is_told_than_there_is_room_for() -> None:
    tallies, _ = touched(3 * AT_ONCE)
    told: list[TallyRow] = []
    sweep_all(tallies, lambda octets: told.extend(rows(octets)) or False)  # type: ignore[func-returns-value]
    assert len(told) == AT_ONCE
