"""Reading: by number as consumers do, by what is wanted, counts from the index and without it."""

import random
from collections import Counter
from pathlib import Path

import pytest

from portguard.evidence.index import INDEX
from portguard.evidence.reader import Filter, Reader
from portguard.evidence.tallies import LEFT_OUT, OTHERS
from portguard.policy.reasons import MONITOR, REJECT, TAG
from tests.evidence.packed import NOON, named
from tests.evidence.stage import Stage


def numbers(reader: Reader, after: int, limit: int) -> list[int]:
    return [number for number, _, _ in reader.rows(after, limit)]


def test_no_journal(tmp_path: Path) -> None:
    with Reader(tmp_path / "none") as reader:
        assert (reader.latest(), reader.oldest(), reader.rows(0, 10), reader.counts(("code",))) == (0, 0, [], {})
        assert list(reader.named(Filter())) == []
        assert reader.last(Filter(), 5) == []


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_a_consumer_sees_each_record_once(tmp_path: Path, limit: int, indexed: bool) -> None:
    stage = Stage(tmp_path, small=3000)
    with Reader(stage.folder) as reader:
        seen: list[int] = []
        for n in range(20):
            stage.batches(n % 5 + 1)
            if indexed:
                stage.turn()
            while found := numbers(reader, seen[-1] if seen else 0, limit):
                seen += found
        assert seen == list(range(1, stage.journal.number + 1))
        assert len(stage.files()) > 3
        assert reader.damaged == 0
    stage.close()


def test_from_anywhere_by_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.evidence.segment.MARK_OCTETS", 500)
    stage = Stage(tmp_path, small=20_000)
    stage.batches(*[7] * 40)
    stage.turn()
    assert stage.keeper._index is not None
    with Reader(stage.folder) as reader:
        for after in random.Random(1).sample(range(280), 100):
            assert numbers(reader, after, 3) == list(range(after + 1, min(after + 4, 281)))
    stage.close()


def test_what_is_not_durable_is_not_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(2)
    with stage.files()[0].open("ab") as file:
        file.write(b"half a frame")
    with Reader(stage.folder) as reader:
        assert numbers(reader, 0, 10) == [1, 2]
        assert numbers(reader, 2, 10) == []
        stage.batches(1)
        assert numbers(reader, 2, 10) == [3]
        assert reader.damaged == 0
    stage.close()


def test_what_is_damaged_is_left_out_and_counted(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.batches(3, 3)
    stage.close()
    path = stage.files()[0]
    octets = bytearray(path.read_bytes())
    octets[octets.find(b"acct")] ^= 1
    path.write_bytes(octets)
    with Reader(stage.folder) as reader:
        assert numbers(reader, 0, 10) == [2, 3, 4, 5, 6]
        assert reader.damaged == 1
        assert numbers(reader, 6, 10) == []


def test_a_segment_that_is_removed_meanwhile(tmp_path: Path) -> None:
    stage = Stage(tmp_path, small=1000)
    stage.batches(4, 4, 4)
    with Reader(stage.folder) as reader:
        assert numbers(reader, 0, 2) == [1, 2]
        stage.files()[0].unlink()
        assert numbers(reader, 2, 10) == [5, 6, 7, 8, 9, 10, 11, 12]
        assert reader.oldest() == 5
    stage.close()


def mixed(tmp_path: Path) -> Stage:
    """Ninety violations in several segments: three accounts, three rules, three hours."""
    stage = Stage(tmp_path, small=4000)
    for n in range(90):
        stage.violations(
            1, at=NOON + 3600 * (n // 30), code=(204, 300, 400)[n % 3], action=(REJECT, TAG, MONITOR)[n % 2],
            label=named(f"account{n % 3}", f"brand{n % 5}", port=f"106{n % 2}"),
        )  # fmt: skip
        if n % 4 == 0:
            stage.write()
    stage.event("left_out", account="account1", rule="scope_port", code=300, count=1000)
    stage.event("audit", who="x")
    stage.write()
    return stage


@pytest.mark.parametrize("indexed", ["whole", "partly", "none"])
def test_what_is_wanted(tmp_path: Path, indexed: str) -> None:
    stage = mixed(tmp_path)
    if indexed == "whole":
        stage.turn()
    stage.close() if indexed != "none" else stage.crash()
    if indexed == "none":
        (stage.folder / INDEX).unlink(missing_ok=True)
    with Reader(stage.folder) as reader:
        everything = list(reader.named(Filter()))
        assert len(everything) == 92
        for wanted in (Filter(kind="violation"), Filter(rule="scope_port"), Filter(account="account2", port="1061"),
                       Filter(since=NOON + 3600, until=NOON + 7200), Filter(signature="brand4", rule="consent_missing"),
                       Filter(kind="audit"), Filter(enterprise="nobody"), Filter(rule="no_such_rule")):  # fmt: skip
            expected = []
            for number, kind, fields in everything:
                fits = wanted.admits(float(str(fields["at"]))) and wanted.kind in (None, kind)
                for name in ("rule", "account", "enterprise", "port", "signature"):
                    value = getattr(wanted, name)
                    fits = fits and (value is None or (kind == "violation" and fields[name] == value))
                expected += [number] if fits else []
            assert [number for number, _, _ in reader.named(wanted)] == expected, wanted
            assert reader.octets == reader.total
            assert [number for number, _, _ in reader.last(wanted, 5)] == expected[-5:], wanted


@pytest.mark.parametrize("indexed", ["whole", "partly", "none"])
def test_counts(tmp_path: Path, indexed: str) -> None:
    """The same whether the index has everything, only the beginning, or is not there."""
    stage = Stage(tmp_path, small=4000)
    if indexed == "partly":
        stage.violations(5, code=300, at=NOON)
        stage.write()
        stage.turn()
        stage.crash()
        stage = Stage(tmp_path, small=4000)
    before = 5 if indexed == "partly" else 0
    stage.crash()
    stage = mixed(tmp_path)
    if indexed == "whole":
        stage.turn()
    if indexed != "none":
        stage.crash()
    else:
        stage.crash()
        (stage.folder / INDEX).unlink(missing_ok=True)
    with Reader(stage.folder) as reader:
        hour = int(NOON // 3600)
        assert reader.counts(()) == {(): 1090 + before}
        by_code = {(204,): 30, (300,): 1030 + before, (400,): 30}
        assert reader.counts(("code",)) == by_code
        assert reader.counts(("action",)) == {
            (action,): count + (before if action == REJECT else 0)
            for action, count in ((REJECT, 45), (TAG, 45), (LEFT_OUT, 1000))
        }  # fmt: skip
        assert reader.counts(("hour",), until=hour + 2)[(hour + 1,)] == 30
        assert reader.counts(("account", "code"), where={"port": "1061"}) == Counter(
            {(f"account{n % 3}", (204, 300, 400)[n % 3]): 15 for n in range(3)}
        )
        with pytest.raises(ValueError, match="nothing that is counted by"):
            reader.counts(("hour; DROP TABLE tallies",))


def test_invented_signatures_do_not_make_the_index_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portguard.evidence.tallies.MOST_KEYS", 10)
    stage = Stage(tmp_path)
    for n in range(50):
        stage.violations(1, label=named("evil", f"brand{n}"))
        stage.violations(1, label=named("good", "brand"))
    stage.write()
    stage.turn()
    with Reader(stage.folder) as reader:
        counts = reader.counts(("account", "signature"))
        assert counts[("good", "brand")] == 50
        assert counts[("evil", OTHERS)] == 40
        assert len(counts) == 12
    stage.close()
