"""Rates and levels for people."""

from collections.abc import Callable

from portguard.complaints.listing import complaints, targets
from portguard.complaints.store import Hold
from tests.complaints.stage import DAY, HOUR, NOW, Stage, hashed

BRAND = "星辰商城"


def test_targets_with_their_rates(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.delivered = 2_400_000
    one.complain(20, signature=BRAND)
    one.complain(2, at=NOW - 2 * HOUR, signature="月光银行", number="1069000199")
    one.desk.turn(NOW)
    one.desk.hold(Hold("port", "10690008", "tag", NOW, NOW + DAY, "wang", "told by phone"))
    rows = targets(one.desk, NOW)
    assert [(row["kind"], row["name"], row["level"]) for row in rows] == [
        ("signature", BRAND, "suspend"), ("port", "10690008", "tag"), ("signature", "月光银行", "none"),
        ("port", "10690001", "none"), ("port", "1069000199", "none"),
    ]  # fmt: skip
    first, held, quiet = rows[:3]
    assert first["hour"] == {"complaints": 20, "delivered": 100_000, "per_million": 200.0}
    assert first["month"] == {"complaints": 20, "delivered": 72_000_000, "per_million": 0.278}
    assert (first["enterprises"], first["holder"], first["until"]) == (["mall"], "first", NOW + 72 * HOUR)
    assert (held["held_by"], held["beneath"], held["reason"]) == ("wang", "none", "told by phone")
    assert held["until"] == NOW + DAY
    assert quiet["hour"] == {"complaints": 0, "delivered": 100_000, "per_million": 0.0}
    # The port's own: the suspended signature answers for the others.
    assert rows[3]["day"] == {"complaints": 0, "delivered": 2_400_000, "per_million": 0.0}


def test_filters(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.complain(20, signature=BRAND)
    one.complain(1, signature="月光银行")
    one.desk.turn(NOW)
    assert [row["name"] for row in targets(one.desk, NOW, kind="port")] == ["10690001"]
    assert [row["name"] for row in targets(one.desk, NOW, name=BRAND)] == [BRAND]
    assert [row["name"] for row in targets(one.desk, NOW, least="tag")] == [BRAND]
    assert len(targets(one.desk, NOW, limit=1)) == 1
    assert targets(one.desk, NOW + 40 * DAY) == []


def test_single_complaints(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.complain(1, at=NOW - DAY, signature=BRAND, text="电话13812345678")
    one.complain(1, number="1069000199")
    rows = complaints(one.desk, 0, NOW)
    assert [(row["id"], row["port"]) for row in rows] == [("c2", "1069000199"), ("c1", "10690001")]
    assert (rows[1]["text"], rows[1]["subscriber"]) == ("电话138****78", hashed("8613900000001"))
    assert [row["id"] for row in complaints(one.desk, 0, NOW, signature=BRAND)] == ["c1"]
    assert [row["id"] for row in complaints(one.desk, 0, NOW, port="1069000199")] == ["c2"]
    assert [row["id"] for row in complaints(one.desk, NOW - HOUR, NOW)] == ["c2"]
    assert len(complaints(one.desk, 0, NOW, limit=1)) == 1
