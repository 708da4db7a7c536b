"""Records as files: every format has every record, and says the same."""

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyarrow import parquet

from portguard.evidence import export as e
from portguard.evidence.reader import Filter, Found, Reader
from tests.evidence.packed import NOON, named, pdu
from tests.evidence.stage import Stage

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def found(tmp_path: Path) -> list[Found]:
    """Two violations, an event, and a violation whose sender wrote formulas."""
    stage = Stage(tmp_path)
    stage.violations(2)
    stage.event("audit", who="jane", what="=1+1", details={"n": 1, "list": [1, 2]})
    stage.violations(1, at=NOON + 0.25, octets=pdu()[:-1], label=named("=cmd|' /C calc'!A0", "@SUM(A1)", number="+861"))
    stage.write()
    stage.close()
    with Reader(stage.folder) as reader:
        return list(reader.named(Filter()))


def written(kind: str, found: list[Found]) -> bytes:
    stream = io.BytesIO()
    counts = e.export(iter(found), e.sink(kind, stream, SHANGHAI), lambda counts: None)
    assert counts == Counter(violation=3, audit=1)
    return stream.getvalue()


def test_the_columns_are_what_a_violation_has(found: list[Found]) -> None:
    fields = set(found[0][2]) | {"fault"}
    assert fields == set(e.COLUMNS) - {"record", "kind", "fields"}
    assert fields - {"at"} == {*e.TEXTS, *e.NUMBERS, *e.LISTS}


def test_csv(found: list[Found]) -> None:
    rows = list(csv.DictReader(io.StringIO(written(e.CSV, found).decode())))
    assert [(row["record"], row["kind"]) for row in rows] == [
        ("1", "violation"), ("2", "violation"), ("3", "audit"), ("4", "violation")
    ]  # fmt: skip
    assert rows[0]["at"] == "2023-11-15T06:13:20.000+08:00"
    assert rows[3]["at"] == "2023-11-15T06:13:20.250+08:00"
    assert (rows[0]["hits"], rows[0]["signature"], rows[0]["code"], rows[0]["fields"]) == ("204", "星辰商城", "204", "")
    assert json.loads(rows[2]["fields"]) == {"who": "jane", "what": "=1+1", "details": {"n": 1, "list": [1, 2]}}
    assert (rows[2]["node"], rows[2]["account"]) == ("gw1", "")
    assert rows[3]["fault"] == "no PDU with text"


def test_csv_holds_no_formula(found: list[Found]) -> None:
    for row in csv.reader(io.StringIO(written(e.CSV, found).decode())):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row), row
    rows = list(csv.DictReader(io.StringIO(written(e.CSV, found).decode())))
    assert (rows[3]["account"], rows[3]["signature"], rows[3]["number"]) == (
        "'=cmd|' /C calc'!A0", "'@SUM(A1)", "'+861"
    )  # fmt: skip


def test_jsonl(found: list[Found]) -> None:
    rows = [json.loads(line) for line in written(e.JSONL, found).splitlines()]
    assert [row["record"] for row in rows] == [1, 2, 3, 4]
    assert rows[3]["account"] == "=cmd|' /C calc'!A0"
    assert (rows[2]["kind"], rows[2]["details"]) == ("audit", {"n": 1, "list": [1, 2]})
    assert set(rows[0]) == {"record", "kind", *found[0][2]}


def test_parquet(found: list[Found]) -> None:
    table = parquet.read_table(io.BytesIO(written(e.PARQUET, found)))
    assert table.column_names == list(e.COLUMNS)
    rows: list[dict[str, Any]] = table.to_pylist()
    assert [row["record"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["at"] == datetime.fromtimestamp(NOON, UTC)
    assert (rows[0]["hits"], rows[0]["code"], rows[0]["fault"]) == ([204], 204, None)
    assert (rows[2]["account"], json.loads(rows[2]["fields"])["who"]) == (None, "jane")
    assert rows[3]["signature"] == "@SUM(A1)"


def test_many_rows_in_batches(found: list[Found], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e, "_BATCH", 2)
    assert parquet.read_table(io.BytesIO(written(e.PARQUET, found))).num_rows == 4


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(e.NoParquet, match=r"pip install 'portguard\[parquet\]'"):
        e.sink(e.PARQUET, io.BytesIO(), SHANGHAI)


@pytest.mark.parametrize(("name", "kind"), [
    ("a.csv", e.CSV), ("a.CSV", e.CSV), ("a.jsonl", e.JSONL), ("a.ndjson", e.JSONL), ("a.parquet", e.PARQUET),
    ("a.pq", e.PARQUET), ("a.txt", None), ("csv", None),
])  # fmt: skip
def test_the_name_tells_the_format(name: str, kind: str | None) -> None:
    assert e.format_of(Path(name)) == kind
