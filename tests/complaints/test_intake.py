"""Taking complaints in: what goes on file, what is refused, what is revoked, and what a crash leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from portguard.complaints.store import ComplaintsError, Store
from tests.complaints.stage import NOW, Stage, hashed

SALE = "【星辰商城】双11狂欢购物节全场满300减50，点击抢购，电话13812345678，退订回T"


def test_one_is_put_on_file_without_its_subscriber(stage: Callable[..., Stage]) -> None:
    one = stage()
    taken = one.take(one.row(text=SALE, subscriber="13912345678", number="106900017"))
    assert (taken.results, taken.problems, taken.revoked) == ({"accepted": 1}, [], 1)
    (event,) = one.events()
    assert event == ("complaint", {
        "id": "c1", "source": "12321", "received_at": NOW, "taken_at": NOW, "subscriber": hashed("8613912345678"),
        "number": "106900017", "port": "10690001", "holder": "first", "signature": "星辰商城", "registered": True,
        "enterprises": ["mall"],
        "chain": ["first > second on 10690001 (active)", "second > third on 10690001 (active)"],
        "category": "marketing", "industry": "retail", "revoked": ["mall"],
    })  # fmt: skip
    (kept,) = one.store.complaints(0, NOW, 10)
    assert "138****78" in kept.text
    raw = b"".join(path.read_bytes() for path in one.store.path.parent.glob("complaints.sqlite*"))
    assert b"13912345678" not in raw
    assert b"13812345678" not in raw
    assert one.store.path.stat().st_mode & 0o777 == 0o600


def test_bad_rows_are_refused_and_the_rest_goes_on(stage: Callable[..., Stage]) -> None:
    one = stage()
    taken = one.take(
        one.row(id="a"), one.row(id="a"), one.row(id="a", source="hotline"), one.row(number="20690001"),
        one.row(received_at="2027-01-01"), one.row(received_at="2020-01-01"), one.row(type="person"),
        one.row(subscriber=""), one.row(),
    )  # fmt: skip
    assert taken.results == {
        "accepted": 3, "duplicate": 1, "unknown_port": 1, "future": 1, "stale": 1, "person": 1, "malformed": 1,
    }  # fmt: skip
    assert [str(problem) for problem in taken.problems] == [
        "in.csv:3: id: 'a' of 12321 is on file already",
        "in.csv:5: number: no registered port covers '20690001'",
        "in.csv:6: received_at: '2027-01-01' is in the future",
        "in.csv:7: received_at: '2020-01-01' is older than 183 days (complaints.retention_days)",
        "in.csv:8: type: 'person': complaints about persons are not counted",
        "in.csv:9: subscriber: '' is not a subscriber's number (digits; + or 00 may precede)",
    ]
    # Again, also after a restart: all are known.
    again = stage()
    assert again.take(one.row(id="a"), again.row(id="c9")).results == {"duplicate": 2}


def test_only_marketing_revokes_and_the_last_sender_first_of_all(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.take(one.row(text="【星辰商城】您的验证码是1234，5分钟内有效"), one.row())
    assert one.revoked == []
    one.take(one.row(text=SALE, subscriber="13900000009", received_at="2026-11-11T09:00:00"))
    assert one.revoked == [("mall", "8613900000009", NOW - 3600, "complaint")]
    one.last["10690001", "8613900000008"] = "tea"
    one.take(one.row(text=SALE, subscriber="13900000008"))
    assert one.revoked[1:] == [("tea", "8613900000008", NOW, "complaint")]
    # A row that is refused revokes nothing.
    one.take(one.row(id="c1", text=SALE), one.row(text=SALE, number="20690001"))
    assert len(one.revoked) == 2


def test_where_nothing_can_be_revoked_the_batch_is_not_taken(stage: Callable[..., Stage]) -> None:
    one = stage()
    rows = [one.row(text=SALE), one.row(text=SALE)]

    def full(revocations: object) -> None:
        raise RuntimeError("the ledger is full")

    one.intake._revoke = full
    with pytest.raises(RuntimeError, match="full"):
        one.take(*(dict(row) for row in rows))
    assert one.store.complaints(0, NOW, 10) == []
    assert one.events() == []
    one.intake._revoke = one.revoked.extend
    assert one.take(*rows).results == {"accepted": 2}


def test_where_nothing_can_be_written_nothing_is_acknowledged(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.complain(1)
    (pages,) = one.store._ask("PRAGMA page_count")[0]
    one.store._ask(f"PRAGMA max_page_count = {pages}")
    rows = [one.row(text="好" * 1000) for _ in range(200)]
    with pytest.raises(ComplaintsError, match="full"):
        one.take(*(dict(row) for row in rows))
    assert len(one.store.complaints(0, NOW, 1000)) == 1
    one.store._ask("PRAGMA max_page_count = 1000000")
    assert one.take(*rows).results == {"accepted": 200}


def test_two_processes_take_the_same_file(tmp_path: Path, stage: Callable[..., Stage]) -> None:
    """The store decides who was first."""
    one, other = stage(), stage()
    row = one.row()
    known, one.store.known = one.store.known, lambda source, id: False  # type: ignore[method-assign]
    assert other.take(dict(row)).results == {"accepted": 1}
    taken = one.take(dict(row))
    assert (taken.results, len(taken.problems)) == ({"duplicate": 1}, 1)
    assert known("12321", "c1")


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "complaints.sqlite"
    path.write_bytes(b"no database at all, but longer than a header of one" * 100)
    store = Store(path)
    assert store.set_aside == tmp_path / "complaints.sqlite.broken-1"
    assert store.targets() == []
    store.close()
    with pytest.raises(ComplaintsError, match="unable to open"):
        Store(tmp_path / "none.sqlite", readonly=True)
