"""Imports and exports: every format, bad rows among good ones, files larger than memory is given, round trips."""

import csv
import io
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.consent import load
from portguard.consent.edit import Edit
from portguard.consent.export import rows, write_csv, write_jsonl
from portguard.consent.load import CSV, JSONL, Import
from portguard.consent.spool import Spool
from portguard.consent.store import ConsentError, Store
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from tests.consent.model import FINANCE, MARKETING, RETAIL, judged

ZONE = ZoneInfo("Asia/Shanghai")
NOW = 1_790_000_000.0  # 2026-09-21
HEAD = "enterprise,subscriber,granted_at,source,categories,expires_at,proof\n"


def taken(folder: Path, text: str | bytes, kind: str = CSV) -> Import:
    """An import that has run."""
    store = Store(folder)
    try:
        running = Import(store, "86", ZONE, NOW)
        running.run(io.BytesIO(text if isinstance(text, bytes) else text.encode()), "in", kind)
        return running
    finally:
        store.close()


def exported(folder: Path, enterprise: str | None = None) -> list[dict[str, object]]:
    """The ledger as rows."""
    store = Store(folder, readonly=True)
    stream = io.BytesIO()
    write_jsonl(rows(store, enterprise), stream)
    store.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_csv_file(tmp_path: Path) -> None:
    text = HEAD + (
        "brand,13900000001,2026-01-01,opt-in,marketing/retail|marketing/finance,2026-12-31,form 17\n"
        "brand,+8613900000002,2026-01-01T08:00:00Z,Opt-In,,,\n"
        "brand,008613900000003,2026-01-01T08:00:00,,,,\n"
    )
    running = taken(tmp_path, text)
    assert (running.result.sound, running.result.changed, running.result.bad, running.result.unstated) == (3, 3, 0, 1)
    answers = [judged(tmp_path, "brand", "8613900000001", content, NOW) for content in (MARKETING, FINANCE, RETAIL, 54)]
    assert answers == [COUNTS, COUNTS, COUNTS, MISSING]
    assert judged(tmp_path, "brand", "8613900000002", MARKETING, NOW) == COUNTS
    assert exported(tmp_path)[0] == {
        "enterprise": "brand", "subscriber": "+8613900000001", "granted_at": "2025-12-31T16:00:00Z", "source": "opt-in",
        "categories": ["marketing/finance", "marketing/retail"], "expires_at": "2026-12-31T15:59:59Z",
        "proof": "form 17",
    }  # fmt: skip


def test_a_jsonl_file(tmp_path: Path) -> None:
    lines = [
        {"enterprise": "brand", "subscriber": 13900000001, "granted_at": "2026-01-01", "categories": ["marketing"]},
        {"enterprise": "brand", "subscriber": "13900000002", "granted_at": "2026-01-01", "source": None},
    ]
    running = taken(tmp_path, "\n\n".join(map(json.dumps, lines)), JSONL)
    assert (running.result.sound, running.result.bad) == (2, 0)
    assert judged(tmp_path, "brand", "8613900000001", MARKETING, NOW) == COUNTS


def test_again_changes_nothing(tmp_path: Path) -> None:
    text = HEAD + "".join(f"brand,139000000{n:02},2026-01-01,opt-in,,,\n" for n in range(50))
    assert taken(tmp_path, text).result.changed == 50
    before = exported(tmp_path)
    assert taken(tmp_path, text).result.changed == 0
    more = text + "brand,13900000099,2026-01-01,opt-in,,,\n"
    assert taken(tmp_path, more).result.changed == 1, "begun again after it was broken off"
    assert exported(tmp_path)[:50] == before


def test_of_rows_alike_the_later_one_counts(tmp_path: Path) -> None:
    taken(tmp_path, HEAD + "b,13900000001,2026-01-01,,marketing/retail,,\nb,13900000001,2026-01-01,,marketing/food,,\n")
    assert [row["categories"] for row in exported(tmp_path)] == [["marketing/food"]]


def test_optouts_among_the_rows(tmp_path: Path) -> None:
    text = "enterprise,subscriber,granted_at,revoked_at\nb,13900000001,2026-01-01,\nb,13900000001,,2026-01-01\n"
    assert taken(tmp_path, text + "b,13900000002,,2026-09-21\n").result.sound == 3
    assert judged(tmp_path, "b", "8613900000001", MARKETING, NOW) == REVOKED
    assert judged(tmp_path, "b", "8613900000002", MARKETING, NOW) == REVOKED


@pytest.mark.parametrize(("row", "field", "message"), [
    ("no such id!,13900000001,2026-01-01,,,,", "enterprise", "is not an id"),
    (",13900000001,2026-01-01,,,,", "enterprise", "is blank"),
    ("b,,2026-01-01,,,,", "subscriber", "is blank"),
    ("b,1390000000x,2026-01-01,,,,", "subscriber", "'139****00x' is not a subscriber's number"),
    ("b,１３９００００００００１,2026-01-01,,,,", "subscriber", "is not a subscriber's number"),
    ("b,12345678901234567,2026-01-01,,,,", "subscriber", "'123****67' is longer than any"),
    ("b,13900000001,,,,,", "granted_at", "is blank"),
    ("b,13900000001,yesterday,,,,", "granted_at", "'yesterday' is not a time like"),
    ("b,13900000001,2026-02-30,,,,", "granted_at", "is not a time like"),
    ("b,13900000001,1969-01-01,,,,", "granted_at", "is not a time like"),
    ("b,13900000001,9999-12-31T23:59:59-23:59,,,,", "granted_at", "in the future"),
    ("b,13900000001,2026-09-22,,,,", "granted_at", "in the future"),
    ("b,13900000001,2026-01-01,,sales,,", "categories", "expected one of verification"),
    ("b,13900000001,2026-01-01,,marketing/none,,", "categories", "expected an industry"),
    ("b,13900000001,2026-01-01,,,2025-12-31,", "expires_at", "is not after granted_at"),
    ("b,13900000001,2026-01-01,,,soon,", "expires_at", "is not a time like"),
    (f"b,13900000001,2026-01-01,{'x' * 65},,,", "source", "a source of at most 64"),
    (f"b,13900000001,2026-01-01,,,,{'x' * 501}", "proof", "a proof of at most 500"),
    ("b,13900000001,2026-01-01,opt\u200bin,,,", "source", "invisible character"),
    ("b,13900000001,2026-01-01", "", "has 3 fields, the header has 7"),
    ("13900000001 13900000001,b,2026-01-01,,,,", "enterprise", "'139****01 139****01' is not an id"),
    ('b,"13900000001', "", "is not sound csv"),
])  # fmt: skip
def test_a_bad_row_is_named_and_the_next_is_read(tmp_path: Path, row: str, field: str, message: str) -> None:
    good = "b,13900000009,2026-01-01,,,,\n"
    # An open quote swallows what follows it.
    text = HEAD + good + row + ("\n" if '"' in row else "\n" + good.replace("09", "08"))
    running = taken(tmp_path, text)
    first = running.problems.kept[0]
    assert (first.file, first.row, first.field, message in first.message) == ("in", 3, field, True), first
    assert (running.result.sound, running.result.bad) == (1 if '"' in row else 2, 1)
    assert len(exported(tmp_path)) == running.result.sound
    assert "1390000000" not in "".join(running.problems.lines())


def test_more_than_one_fault_of_a_row(tmp_path: Path) -> None:
    running = taken(tmp_path, HEAD + "!,x,2026-01-01,,,,\nb,13900000001,x,,y,,\n")
    assert [(problem.row, problem.field) for problem in running.problems.kept] == [
        (2, "enterprise"), (2, "subscriber"), (3, "granted_at"), (3, "categories"),
    ]  # fmt: skip
    assert running.result.bad == 2


@pytest.mark.parametrize("line", [
    "[]", "1", "{", '{"enterprise":"b","enterprise":"b"}', '{"enterprise":{"a":1}}', "\udcff", '{"x":1}',
    '{"enterprise":"b","subscriber":"13900000001","granted_at":["2026-01-01"]}', "[" * 5000,
    '{"enterprise":"b","subscriber":"13900000001","granted_at":"2026-01-01","granted_at ":"2026"}',
    '{"enterprise":"b","subscriber":"13900000001","granted_at":"2026-01-01","revoked_at":"2026-01-01"}',
    '{"enterprise":"b","subscriber":"13900000001","revoked_at":"2026-01-01","proof":"x"}',
    '{"enterprise":"\\ud800","subscriber":"13900000001","granted_at":"2026-01-01"}',
])  # fmt: skip
def test_hostile_lines(tmp_path: Path, line: str) -> None:
    good = '{"enterprise":"b","subscriber":"13900000009","granted_at":"2026-01-01"}'
    running = taken(tmp_path, f"{line}\n{good}\n".encode("utf-8", "surrogateescape"), JSONL)
    assert (running.result.sound, running.result.bad) == (1, 1)
    assert running.problems.kept[0].row == 1


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda more: HEAD.encode() + more)),
       st.sampled_from([CSV, JSONL]))  # fmt: skip
def test_any_octets_are_rows_or_problems(tmp_path_factory: pytest.TempPathFactory, raw: bytes, kind: str) -> None:
    running = taken(tmp_path_factory.mktemp("any"), raw, kind)
    assert running.result.sound == 0
    assert running.result.bad <= running.problems.count


def test_a_header_that_will_not_do(tmp_path: Path) -> None:
    running = taken(tmp_path, "enterprise,msisdn\nb,1\n")
    assert [str(problem) for problem in running.problems.kept] == [
        "in:1: msisdn: is no column of this table; it has enterprise, subscriber, granted_at, source, categories, "
        "expires_at, proof, revoked_at",
        "in:1: subscriber: the column is missing",
    ]


def test_round_trips(tmp_path: Path) -> None:
    text = HEAD + (
        'brand,13900000001,2026-01-01,opt-in,marketing/retail,2026-12-31,"a ""proof"", 中文"\n'
        "brand,13900000001,2026-01-02,request,,,\nother,13900000002,2026-01-01T00:00:01Z,,,2099-01-01,\n"
    )
    first = tmp_path / "first"
    taken(first, text)
    taken(first, "enterprise,subscriber,revoked_at,source\nbrand,13900000001,2026-01-03,reply\n")
    for kind, write in ((CSV, write_csv), (JSONL, write_jsonl)):
        store, stream = Store(first, readonly=True), io.BytesIO()
        assert write(rows(store), stream) == 4
        store.close()
        assert taken(tmp_path / kind, stream.getvalue(), kind).result.bad == 0
        assert exported(tmp_path / kind) == exported(first)
    assert [row["enterprise"] for row in exported(first, "other")] == ["other"]
    assert exported(first, "none") == []


def test_an_export_in_several_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.consent.export._AT_ONCE", 7)
    for count in (0, 1, 6, 7, 8, 14, 50):
        folder = tmp_path / str(count)
        taken(folder, HEAD + "".join(f"b,139000000{n:02},2026-01-01,,,,\n" for n in range(count)))
        assert [row["subscriber"] for row in exported(folder)] == [f"+86139000000{n:02}" for n in range(count)]


def test_a_csv_export_has_a_header(tmp_path: Path) -> None:
    taken(tmp_path, HEAD + "b,13900000001,2026-01-01,,marketing|verification,,\n")
    store, stream = Store(tmp_path, readonly=True), io.BytesIO()
    write_csv(rows(store), stream)
    store.close()
    found = list(csv.DictReader(io.StringIO(stream.getvalue().decode())))
    assert found[0]["categories"] == "marketing|verification"


# ---- size

@given(st.lists(st.binary(min_size=4, max_size=4), max_size=60), st.integers(1, 20))
def test_a_spool_sorts(tmp_path_factory: pytest.TempPathFactory, found: list[bytes], run: int) -> None:
    with Spool(tmp_path_factory.getbasetemp(), 4, run) as spool:
        for row in found:
            spool.add(row)
        places = [spool.keep(text) for text in ("", "中", "x" * 100)]
        assert list(spool.sorted()) == sorted(found)
        assert [spool.text(place) for place in [0, *places]] == ["", "", "中", "x" * 100]


def test_many_runs_and_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.consent.spool._RUN", 100)
    monkeypatch.setattr(Spool.__init__, "__defaults__", (100,))
    monkeypatch.setattr(load, "_COMMIT", 64)
    numbers = [f"139{n * 7919 % 100_000_000:08}" for n in range(1000)]
    text = HEAD + "".join(f"b{n % 3},{number},2026-01-01,,,,p{n}\n" for n, number in enumerate(numbers))
    assert taken(tmp_path, text).result.changed == 1000
    found = exported(tmp_path)
    assert len(found) == 1000
    assert {(row["enterprise"], row["subscriber"], row["proof"]) for row in found} == {
        (f"b{n % 3}", f"+86{number}", f"p{n}") for n, number in enumerate(numbers)
    }
    assert taken(tmp_path, text).result.changed == 0


def test_sorted_records_fill_their_pages(tmp_path: Path) -> None:
    text = HEAD + "".join(f"b,139{n * 7919 % 100_000_000:08},2026-01-01,opt-in,,,\n" for n in range(30_000))
    taken(tmp_path, text)
    store = Store(tmp_path, readonly=True)
    stat = store.environment.stat
    with store.environment.begin() as transaction:
        pages = transaction.stat(store.pairs)
    assert stat()["psize"] * (pages["leaf_pages"] + pages["branch_pages"]) / 30_000 < 19
    store.close()


def test_a_disk_that_is_full_names_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lmdb

    commits = iter([100, lmdb.DiskError("mdb_txn_commit: No space left on device")])

    def edit(store: Store) -> object:
        found = next(commits)
        if isinstance(found, Exception):
            raise found
        return real(store)

    real = Edit
    monkeypatch.setattr(load, "Edit", edit)
    monkeypatch.setattr(load, "_COMMIT", 10)
    text = HEAD + "".join(f"b,139000000{n:02},2026-01-01,,,,\n" for n in range(15))
    with pytest.raises(ConsentError, match="the disk is full; 10 of 15 rows are on file, import again for the others"):
        taken(tmp_path, text)
    monkeypatch.undo()
    assert taken(tmp_path, text).result.changed == 5
