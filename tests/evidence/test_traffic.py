"""The traffic store: counts that survive, bounds that hold, windows that no clock breaks."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.evidence import traffic as store
from portguard.evidence.traffic import OTHERS, PORT, SIGNATURE, Total, Traffic
from portguard.evidence.traffic_file import HOUR, TrafficError
from portguard.policy.tally import TallyRow

AT = 1_790_000_000.0 - 1_790_000_000 % HOUR
DAY = 24 * HOUR
ROW = TallyRow(
    account="hub01", enterprise="hub", port="1069", number="10691", holder="hub", signature="茶铺", owner="tea",
    category=3, industry=1,
)  # fmt: skip


def row(**fields: object) -> TallyRow:
    """Ten messages, all delivered, unless said otherwise."""
    return msgspec.structs.replace(ROW, **{"submitted": 10, "delivered": 10, **fields})


def filled(path: Path, hours: int, each: int = 100) -> Traffic:
    """`hours` whole ones before AT, `each` delivered in the minutes of each hour."""
    traffic = Traffic(path)
    for hour in range(-hours, 0):
        for minute in (0, 30, 60):
            traffic.add([row(delivered=each if minute == 30 else 0)], AT + hour * HOUR + min(minute * 60, HOUR - 1))
    traffic.flush()
    return traffic


def test_counts_add_up_by_any_column(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite")
    traffic.add([row(), row(number="10692", refused=3, delivered=7), row(signature="银行", tagged=2)], AT)
    traffic.add([row(failed=4)], AT + 10)
    traffic.flush()
    assert traffic.totals(AT, AT + HOUR) == [Total((), 40, 3, 2, 37, 4)]
    assert traffic.totals(AT, AT + HOUR, ["signature"]) == [
        Total(("茶铺",), 30, 3, 0, 27, 4), Total(("银行",), 10, 0, 2, 10, 0),
    ]  # fmt: skip
    assert traffic.totals(AT, AT + HOUR, ["number"], {"signature": "茶铺", "category": 3}) == [
        Total(("10691",), 20, 0, 0, 20, 4), Total(("10692",), 10, 3, 0, 7, 0),
    ]  # fmt: skip
    assert traffic.totals(AT + HOUR, AT + 2 * HOUR, ["number"]) == []
    with pytest.raises(ValueError, match="no column 'subscriber'; there are account"):
        traffic.totals(AT, AT + HOUR, ["subscriber"])
    traffic.close()


def test_hours_and_local_days(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite")
    for hour in range(48):
        traffic.add([row()], AT + hour * HOUR)
    traffic.flush()
    hours = traffic.totals(AT, AT + 2 * HOUR, ["hour"])
    assert [total.group[0] for total in hours] == [AT, AT + HOUR]
    offset = 8 * HOUR
    days = traffic.totals(AT, AT + 48 * HOUR, ["day", "port"], utc_offset=offset)
    first = int((AT + offset) // DAY)
    # The first local day has what is left of it.
    left = 24 - int((AT + offset) % DAY // HOUR)
    assert [(total.group, total.submitted) for total in days] == [
        ((first, "1069"), 10 * left), ((first + 1, "1069"), 240), ((first + 2, "1069"), 10 * (24 - left)),
    ]  # fmt: skip
    traffic.close()


def test_delivered_takes_a_like_part_of_an_hour(tmp_path: Path) -> None:
    traffic = filled(tmp_path / "traffic.sqlite", 48)
    assert traffic.delivered(PORT, "1069", AT - DAY, AT) == 2400
    assert traffic.delivered(SIGNATURE, "茶铺", AT - DAY, AT) == 2400
    assert traffic.delivered(SIGNATURE, "茶铺", AT - HOUR, AT) == 100
    assert traffic.delivered(SIGNATURE, "茶铺", AT - HOUR / 2, AT) == 50
    assert traffic.delivered(SIGNATURE, "茶铺", AT - 1.5 * HOUR, AT - HOUR / 2) == 100
    assert traffic.delivered(PORT, "10690", AT - DAY, AT) == 0
    assert traffic.delivered(SIGNATURE, "1069", AT - DAY, AT) == 0
    # The present hour is only as long as what was seen of it.
    traffic.add([row(delivered=0)], AT)
    traffic.add([row(delivered=40)], AT + 600)
    traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - HOUR, AT + 600) == 140
    assert traffic.delivered(PORT, "1069", AT + 300, AT + 600) == 20
    traffic.close()


def test_receipts_of_failure_count_against_delivery_but_never_below_nothing(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite")
    traffic.add([row(failed=3)], AT)
    traffic.add([row(submitted=0, delivered=0, failed=20)], AT + HOUR)
    traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - 1, AT + 1) == 7
    assert traffic.delivered(PORT, "1069", AT - 1, AT + 2 * HOUR) == 0
    traffic.close()


@pytest.mark.parametrize("how", ["started again", "ids forgotten"])
def test_an_hour_that_is_full_knows_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite", keys_an_hour=3)
    if how == "ids forgotten":
        monkeypatch.setattr(store, "_IDS_REMEMBERED", 1)
    for _ in range(3):
        traffic.add([row(number=f"1069{n}", port=f"1069{n}") for n in range(5)], AT)
        traffic.flush()
        if how == "started again":
            traffic.close()
            traffic = Traffic(tmp_path / "traffic.sqlite", keys_an_hour=3)
    found = [(total.group[0], total.delivered) for total in traffic.totals(AT, AT + HOUR, ["number"])]
    assert sorted(found) == [(OTHERS, 60), *((f"1069{n}", 30) for n in range(3))]
    # Two ports and a signature have their delivery kept.
    assert [traffic.delivered(PORT, f"1069{n}", AT, AT + HOUR) for n in range(4)] == [30, 30, 0, 0]
    assert traffic.delivered(SIGNATURE, "茶铺", AT, AT + HOUR) == 150
    traffic.close()


def test_it_survives_a_restart(tmp_path: Path) -> None:
    filled(tmp_path / "traffic.sqlite", 2).close()
    traffic = Traffic(tmp_path / "traffic.sqlite")
    traffic.add([row(delivered=50)], AT - 1)
    traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - 2 * HOUR, AT) == 250
    assert traffic.known_since() == AT - 2 * HOUR
    assert (tmp_path / "traffic.sqlite").stat().st_mode & 0o777 == 0o600
    traffic.close()


KILLED = """
import sys
from pathlib import Path
from portguard.evidence.traffic import Traffic
from portguard.policy.tally import TallyRow
traffic = Traffic(Path(sys.argv[1]))
for n in range(1_000_000):
    row = TallyRow("hub01", "hub", "1069", str(n % 700 + 10**6), "hub", "tea", "tea", 3, 1, submitted=10, delivered=10)
    traffic.add([row], 1_790_000_000.0 + n)
    traffic.flush()
    print(n + 1, flush=True)
"""


def test_a_kill_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "traffic.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen = int(line)
        if seen == 300:
            break
    assert seen == 300
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    process.wait(30)
    flushed = int(rest[-1]) if rest else seen
    traffic = Traffic(path)
    (total,) = traffic.totals(0, 2e10)
    assert total.submitted in (10 * flushed, 10 * (flushed + 1))
    assert traffic.delivered(PORT, "1069", 0, 2e10) == total.delivered
    traffic.close()


def test_an_hour_takes_only_so_many_keys(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite", keys_an_hour=100)
    for n in range(500):
        traffic.add([row(number=str(10**6 + n), signature=f"s{n}")], AT)
        if n % 50 == 0:
            traffic.flush()
    traffic.flush()
    found = traffic.totals(AT, AT + HOUR, ["number"])
    assert len(found) == 101
    assert sum(total.submitted for total in found) == 5000
    assert next(total for total in found if total.group == (OTHERS,)).submitted == 4000
    # A port's delivery is exact all the same, because ports are few.
    assert traffic.delivered(PORT, "1069", AT - 1, AT + HOUR) == 5000
    assert traffic.lost_keys() == 400
    traffic.close()
    again = Traffic(tmp_path / "traffic.sqlite", keys_an_hour=100)
    again.add([row(number="999", signature="new")], AT + 1)
    again.add([row(number="1000000", signature="s0")], AT + 1)
    again.add([row(number="999", signature="new")], AT + HOUR)
    again.flush()
    assert len(again.totals(AT, AT + HOUR, ["number"])) == 101
    assert again.delivered(SIGNATURE, "new", AT + HOUR - 1, AT + 2 * HOUR) == 10
    assert again.delivered(SIGNATURE, "s0", AT - 1, AT + HOUR) == 20
    again.close()


def test_what_is_refused_leaves_room_for_what_is_delivered(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite", keys_an_hour=100)
    traffic.add([row(signature=f"junk{n}", refused=10, delivered=0) for n in range(300)], AT)
    traffic.flush()
    traffic.add([row(signature=f"brand{n}") for n in range(40)], AT)
    traffic.flush()
    assert len(traffic.totals(AT, AT + HOUR, ["signature"])) == 50 + 1 + 40
    assert traffic.delivered(SIGNATURE, "brand39", AT - 1, AT + 1) == 10
    assert traffic.delivered(SIGNATURE, "junk0", AT - 1, AT + 1) == 0
    traffic.close()


def test_the_oldest_hours_go_and_their_keys_with_them(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite", retention_days=1)
    for hour in range(40):
        traffic.add([row(number=f"1069{hour // 10}", signature=f"s{hour // 10}")], AT + hour * HOUR)
        traffic.flush()
    assert len(traffic.totals(0, 2e10, ["hour"])) == 24
    assert traffic.known_since() == AT + 16 * HOUR
    with sqlite3.connect(traffic.path) as look:
        assert look.execute("SELECT number FROM keys ORDER BY number").fetchall() == [
            ("10691",), ("10692",), ("10693",),
        ]  # fmt: skip
        assert look.execute("SELECT count(*) FROM names").fetchone() == (4,)
    look.close()
    traffic.close()


def test_clock_jumps_break_no_window(tmp_path: Path) -> None:
    traffic = filled(tmp_path / "traffic.sqlite", 30 * 24)
    month = traffic.delivered(PORT, "1069", AT - 30 * DAY, AT)
    # A year ahead for an hour, then back; and a day back, then ahead.
    for minute in range(0, 60, 10):
        traffic.add([row()], AT + 365 * DAY + minute * 60)
        traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - 30 * DAY, AT) == month
    traffic.add([row(delivered=100)], AT - DAY - 1)
    traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - 30 * DAY, AT) == month + 100
    for at in (-1e9, 1e15, AT):
        assert traffic.delivered(PORT, "1069", at, at) in (0, 100)
        assert traffic.delivered(PORT, "1069", at, at - DAY) == 0
    traffic.close()


def test_what_cannot_be_written_waits(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite")
    traffic.add([row()], AT)
    traffic.flush()
    # No pages are left: what a full disk looks like to SQLite.
    (pages,) = traffic._writer.execute("PRAGMA page_count").fetchone()
    traffic._writer.execute(f"PRAGMA max_page_count = {pages}")
    for n in range(300):
        traffic.add([row(number=str(10**6 + n))], AT + n)
    with pytest.raises(TrafficError, match="full"):
        traffic.flush()
    with pytest.raises(TrafficError, match="full"):
        traffic.flush()
    assert traffic.totals(AT, AT + HOUR) == [Total((), 10, 0, 0, 10, 0)]
    traffic._writer.execute("PRAGMA max_page_count = 1000000")
    traffic.flush()
    assert traffic.totals(AT, AT + HOUR) == [Total((), 3010, 0, 0, 3010, 0)]
    traffic.close()


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "traffic.sqlite"
    path.write_bytes(b"this is no database, and was none ever since" * 100)
    traffic = Traffic(path)
    traffic.add([row()], AT)
    traffic.flush()
    assert traffic.set_aside == tmp_path / "traffic.sqlite.broken-1"
    assert traffic.set_aside.exists()
    assert traffic.delivered(PORT, "1069", AT - 1, AT + 1) == 10
    traffic.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "traffic.sqlite"
    Traffic(path).close()
    with sqlite3.connect(path) as change:
        change.execute("PRAGMA user_version = 99")
    change.close()
    with pytest.raises(TrafficError, match="its format is 99, this version reads 1"):
        Traffic(path)


def test_a_reader_beside_the_writer(tmp_path: Path) -> None:
    traffic = filled(tmp_path / "traffic.sqlite", 1)
    reader = Traffic(tmp_path / "traffic.sqlite", readonly=True)
    traffic.add([row(delivered=5)], AT - 1)
    traffic.flush()
    assert reader.delivered(PORT, "1069", AT - HOUR, AT) == 105
    reader.close()
    traffic.close()
    with pytest.raises(TrafficError, match="unable to open"):
        Traffic(tmp_path / "nothing.sqlite", readonly=True)
    assert not (tmp_path / "nothing.sqlite").exists()


def test_threads_lose_no_count(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "traffic.sqlite")

    def add() -> None:
        for n in range(300):
            traffic.add([row(number=str(n % 7))], AT)

    def flush() -> None:
        for _ in range(20):
            traffic.flush()
            traffic.delivered(PORT, "1069", AT - 1, AT + 1)

    threads = [threading.Thread(target=work) for work in (add, add, flush, flush)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic.flush()
    assert traffic.delivered(PORT, "1069", AT - 1, AT + 1) == 6000
    traffic.close()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=60
    )
)
def test_it_agrees_with_a_plain_sum(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[int, str, int, bool]]
) -> None:
    traffic = Traffic(tmp_path_factory.mktemp("t") / "traffic.sqlite")
    for hour, signature, count, flush in sent:
        traffic.add([row(signature=signature, submitted=count, delivered=count)], AT + hour * HOUR)
        if flush:
            traffic.flush()
    traffic.flush()
    for signature in "abc":
        for since, until in ((0, 51), (10, 20), (5, 5)):
            wanted = sum(n for hour, name, n, _ in sent if name == signature and since <= hour < until)
            found = traffic.totals(AT + since * HOUR, AT + until * HOUR, [], {"signature": signature})
            assert (found[0].delivered if found else 0) == wanted
            assert traffic.delivered(SIGNATURE, signature, AT + since * HOUR, AT + until * HOUR - 1) == wanted
    traffic.close()
