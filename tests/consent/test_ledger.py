"""What the ledger answers: the rules one by one, and then against a slow model in any order of events."""

import shutil
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.consent.edit import Edit, Entry
from portguard.consent.ledger import Ledger
from portguard.consent.load import commit
from portguard.consent.record import NEVER, subscriber_key
from portguard.consent.standing import GRANT, REVOCATION, Attribute
from portguard.consent.store import ConsentError, Store
from portguard.consent.writer import LedgerFull
from portguard.policy import ledger as policy
from portguard.policy.ledger import COUNTS, MISSING, REVOKED
from tests.consent.model import FINANCE, MARKETING, RETAIL, Model, granted, judged, options, put, revoked

ANNA = "8613900000001"
BEN = "8613900000002"
UTC = ZoneInfo("UTC")


def test_it_is_the_ledger_that_the_decision_asks(tmp_path: Path) -> None:
    ledger: policy.Ledger = Ledger(tmp_path, options(tmp_path), readonly=True)
    assert ledger.judge("brand", ANNA, MARKETING, 100) == MISSING


def test_an_optin_counts_for_its_pair_and_no_other(tmp_path: Path) -> None:
    put(tmp_path, granted("platform", ANNA, 100))
    assert judged(tmp_path, "platform", ANNA, MARKETING, 100) == COUNTS
    assert judged(tmp_path, "platform", BEN, MARKETING, 100) == MISSING
    assert judged(tmp_path, "merchant", ANNA, MARKETING, 100) == MISSING, "a platform's consent is not its merchants'"
    assert judged(tmp_path, "platfor", ANNA, MARKETING, 100) == MISSING


def test_it_counts_from_its_time_to_its_end(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100, expires=200))
    answers = [judged(tmp_path, "brand", ANNA, MARKETING, at) for at in (99, 99.9, 100, 199.9, 200, 1e9)]
    assert answers == [MISSING, MISSING, COUNTS, COUNTS, MISSING, MISSING]


def test_it_counts_for_its_categories(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100, categories=("marketing/finance",)),
        granted("brand", BEN, 100, categories=("notification",)))  # fmt: skip
    assert [judged(tmp_path, "brand", ANNA, content, 100) for content in (MARKETING, FINANCE, RETAIL)] == [
        COUNTS, COUNTS, MISSING,
    ]  # fmt: skip
    assert judged(tmp_path, "brand", BEN, MARKETING, 100) == MISSING


def test_the_newest_wins_whichever_came_first(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 200, categories=("marketing/retail",)))
    put(tmp_path, granted("brand", ANNA, 100))
    assert judged(tmp_path, "brand", ANNA, FINANCE, 300) == MISSING
    assert judged(tmp_path, "brand", ANNA, RETAIL, 300) == COUNTS
    put(tmp_path, granted("brand", ANNA, 300, "request"))
    assert judged(tmp_path, "brand", ANNA, FINANCE, 300) == COUNTS


def test_a_revocation_outlives_older_optins(tmp_path: Path) -> None:
    put(tmp_path, revoked("brand", ANNA, 200))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == REVOKED
    put(tmp_path, granted("brand", ANNA, 199))
    put(tmp_path, granted("brand", ANNA, 200, "request"))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == REVOKED, "within a second the opt-out wins"
    put(tmp_path, granted("brand", ANNA, 201))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == COUNTS
    assert judged(tmp_path, "brand", ANNA, MARKETING, 200) == REVOKED


def test_sources_that_do_not_count(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100, "registration"), granted("brand", BEN, 100, ""))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == MISSING
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300, accept_sources=[" Registration "]) == COUNTS
    assert judged(tmp_path, "brand", BEN, MARKETING, 300) == COUNTS
    assert judged(tmp_path, "brand", BEN, MARKETING, 300, unstated_source="refuse") == MISSING


def test_a_source_that_does_not_count_takes_nothing_away(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100, "opt-in"), granted("brand", ANNA, 200, "registration"))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == COUNTS
    put(tmp_path, revoked("brand", ANNA, 150))
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == REVOKED


def test_numbers_that_nobody_can_have(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path))
    for number in ("", "1" * 17, "1" * 500):
        ledger.revoke("brand", number, 100, "reply")
        assert ledger.judge("brand", number, MARKETING, 100) == MISSING
    ledger.revoke("brand", "not a number", 100, "reply")
    assert ledger.queued == 0
    assert ledger.judge("\udc00" * 600, ANNA, MARKETING, 100) == MISSING
    assert ledger.close()


def test_what_could_never_be_written_is_refused_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path))
    for enterprise, at, source in (("\udc00", 100, "api"), ("b", 100, "\udc00"), ("b", float("nan"), "api")):
        with pytest.raises(ValueError):
            ledger.revoke(enterprise, ANNA, at, source)
    assert (ledger.queued, ledger.judge("b", ANNA, MARKETING, 300)) == (0, MISSING)
    ledger.revoke("b", ANNA, 1e300, "x" * 1000)
    assert ledger.close()
    assert judged(tmp_path, "b", ANNA, MARKETING, 300) == REVOKED


def test_one_that_waits_badly_does_not_stop_the_writer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(number: int) -> None:
        raise RuntimeError

    ledger = Ledger(tmp_path, options(tmp_path), on_commit=fail)
    for n in (1, 2):
        ledger.revoke("b", ANNA, 100 + n, "api")
        assert ledger.wait(n, 30)
    assert ledger.close()
    assert "whoever waits for commits failed" in caplog.text


# ---- the overlay and the writer

def test_a_revocation_counts_at_once_and_is_committed(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100), granted("brand", BEN, 100))
    committed: list[int] = []
    ledger = Ledger(tmp_path, options(tmp_path), on_commit=committed.append)
    ledger.revoke("brand", ANNA, 200.7, "reply")
    assert ledger.judge("brand", ANNA, MARKETING, 300) == REVOKED
    assert ledger.judge("brand", BEN, MARKETING, 300) == COUNTS
    assert ledger.wait(ledger.queued, 30)
    ledger.tick(1.0)
    assert not ledger._overlay
    assert ledger.judge("brand", ANNA, MARKETING, 300) == REVOKED
    assert ledger.close()
    assert committed == [1]
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == REVOKED


def test_a_revocation_older_than_the_optin_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100))
    ledger = Ledger(tmp_path, options(tmp_path))
    ledger.revoke("brand", ANNA, 50, "reply")
    assert ledger.judge("brand", ANNA, MARKETING, 300) == COUNTS
    ledger.revoke("brand", ANNA, 150, "reply")
    ledger.revoke("brand", ANNA, 60, "reply")
    assert ledger.judge("brand", ANNA, MARKETING, 300) == REVOKED
    assert ledger.close()
    assert judged(tmp_path, "brand", ANNA, MARKETING, 300) == REVOKED


def test_of_an_enterprise_never_heard_of(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path))
    ledger.revoke("new", ANNA, 100, "reply")
    assert ledger.judge("new", ANNA, MARKETING, 300) == REVOKED
    assert ledger.wait(1, 30)
    ledger.tick(1.0)
    assert ledger.judge("new", ANNA, MARKETING, 300) == REVOKED
    assert ledger.close()
    put(tmp_path, granted("new", ANNA, 99))
    assert judged(tmp_path, "new", ANNA, MARKETING, 300) == REVOKED


def test_a_full_queue_says_so_and_takes_nothing(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", BEN, 50))
    ledger = Ledger(tmp_path, options(tmp_path, queue=2))
    assert ledger._store is not None
    with Edit(ledger._store):  # a process that holds the lock, so that nothing can be committed
        ledger.revoke("brand", ANNA, 100, "reply")
        ledger.revoke("brand", ANNA, 101, "reply")
        with pytest.raises(LedgerFull, match="2 revocations wait"):
            ledger.revoke("brand", BEN, 100, "reply")
        assert ledger.judge("brand", BEN, MARKETING, 100) == COUNTS, "it was refused, and the caller knows"
        assert (ledger.queued, ledger.committed) == (2, 0)
        assert not ledger.wait(2, 0.01)
    assert ledger.wait(2, 30)
    ledger.revoke("brand", BEN, 100, "reply")
    assert ledger.close()
    assert judged(tmp_path, "brand", BEN, MARKETING, 100) == REVOKED


def test_close_commits_what_waits(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path))
    for number in range(3000):
        ledger.revoke("brand", f"86139{number:08}", 100, "reply")
    assert ledger.close()
    assert all(judged(tmp_path, "brand", f"86139{n:08}", MARKETING, 100) == REVOKED for n in (0, 1500, 2999))


def test_the_view_is_renewed_by_the_clock(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path))
    ledger.tick(10.0)
    assert ledger._store is not None
    commit(ledger._store, [granted("brand", ANNA, 100)])
    ledger.tick(10.05)
    assert ledger.judge("brand", ANNA, MARKETING, 100) == MISSING
    ledger.tick(10.1)
    assert ledger.judge("brand", ANNA, MARKETING, 100) == COUNTS
    ledger.close()


def test_a_ledger_for_looking_only(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    ledger = Ledger(missing, options(missing), readonly=True)
    assert ledger.look("brand", ANNA) == []
    assert ledger.why("brand", ANNA, MARKETING, 100, UTC) == (MISSING, "there is no opt-in on file")
    with pytest.raises(ConsentError, match="reading only"):
        ledger.revoke("brand", ANNA, 100, "reply")
    ledger.tick(1.0)
    ledger.warm()
    assert ledger.close()
    assert not missing.exists()


def test_warm_reads_everything(tmp_path: Path) -> None:
    put(tmp_path, granted("brand", ANNA, 100))
    ledger = Ledger(tmp_path, options(tmp_path))
    ledger.warm()
    assert ledger.close()


# ---- for people

def test_why(tmp_path: Path) -> None:
    put(tmp_path, granted("a", ANNA, 100, "registration"), granted("b", ANNA, 100, expires=150),
        granted("c", ANNA, 100, categories=("marketing/retail",)), revoked("d", ANNA, 100), granted("d", ANNA, 90),
        granted("e", ANNA, 500), granted("f", ANNA, 100, proof="form 17"))  # fmt: skip
    ledger = Ledger(tmp_path, options(tmp_path))
    why = {name: ledger.why(name, ANNA, FINANCE, 200, UTC) for name in "abcdef"}
    assert why == {
        "a": (MISSING, "its source does not count: registration"),
        "b": (MISSING, "the opt-in expired at 1970-01-01T00:02:30+00:00"),
        "c": (MISSING, "the newest opt-in is for other content: marketing/retail"),
        "d": (REVOKED, "revoked at 1970-01-01T00:01:40+00:00, and no opt-in that counts is newer"),
        "e": (MISSING, "the opt-in is not in force yet"),
        "f": (COUNTS, "opt-in of 1970-01-01T00:01:40+00:00, source opt-in"),
    }
    assert [one.fields(UTC) for one in ledger.look("f", ANNA)] == [
        {"granted_at": "1970-01-01T00:01:40+00:00", "source": "opt-in", "proof": "form 17"}
    ]
    assert [one.kind for one in ledger.look("d", ANNA)] == [GRANT, REVOCATION]
    ledger.revoke("f", ANNA, 150, "reply")
    assert ledger.why("f", ANNA, FINANCE, 200, UTC).answer == REVOKED
    ledger.close()


def test_a_proof_goes_with_its_optin(tmp_path: Path) -> None:
    put(tmp_path, granted("f", ANNA, 100, proof="old"))
    put(tmp_path, granted("f", ANNA, 200))
    ledger = Ledger(tmp_path, options(tmp_path), readonly=True)
    assert [one.proof for one in ledger.look("f", ANNA)] == [""]
    ledger.close()
    put(tmp_path, granted("f", ANNA, 150, proof="late"))
    put(tmp_path, granted("f", ANNA, 200, proof="found"))
    ledger = Ledger(tmp_path, options(tmp_path), readonly=True)
    assert [one.proof for one in ledger.look("f", ANNA)] == ["found"]
    ledger.close()


# ---- against the model

NUMBERS = [f"8613900{n:06}" for n in range(4)]
instants = st.integers(1, 8)
events = st.builds(
    lambda kind, enterprise, subscriber, at, source, categories, life: (
        subscriber,
        Entry(enterprise, int("1" + subscriber).to_bytes(7, "big"),
              Attribute(kind, source if kind == GRANT else "api", categories if kind == GRANT else ()), at,
              (at + life if life else 0xFFFFFFFF) if kind == GRANT else 0, ""),
    ),
    st.sampled_from([GRANT, GRANT, REVOCATION]), st.sampled_from(["a", "b"]), st.sampled_from(NUMBERS), instants,
    st.sampled_from(["opt-in", "request", "registration", ""]),
    st.sampled_from([(), ("marketing",), ("marketing/finance",), ("notification",)]), st.integers(0, 3),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(events, st.lists(events, max_size=8)), max_size=12))
def test_any_events_in_any_order(steps: list[tuple[str, Entry] | list[tuple[str, Entry]]]) -> None:
    """Single opt-outs go through the running ledger, lists are imports beside it; the answers are the model's."""
    folder = Path(tempfile.mkdtemp())
    model, ledger = Model(), Ledger(folder, options(folder))
    store = ledger._store
    assert isinstance(store, Store)
    try:
        for number, step in enumerate(steps):
            batch = step if isinstance(step, list) else [step]
            for subscriber, entry in batch:
                model.add(entry, subscriber)
            if not isinstance(step, list) and step[1].attribute.kind == REVOCATION:
                ledger.revoke(step[1].enterprise, step[0], step[1].at, "api")
            else:
                commit(store, sorted([entry for _, entry in batch], key=lambda e: (e.enterprise, e.subscriber)))
                ledger.tick(float(number))
            _same(ledger, model)
        assert ledger.wait(ledger.queued, 30)
        ledger.tick(1e6)
        _same(ledger, model)
    finally:
        ledger.close()
        shutil.rmtree(folder)


def _same(ledger: Ledger, model: Model) -> None:
    for enterprise in ("a", "b"):
        for subscriber in NUMBERS:
            for content in (MARKETING, FINANCE, RETAIL):
                for at in (0, 3, 5, 20):
                    asked = enterprise, subscriber, content, at
                    assert ledger.judge(*asked) == model.judge(*asked), asked
                    assert ledger.why(*asked, UTC).answer == model.judge(*asked), asked


def test_entries_are_put_beside_revocations_and_the_map_grows_for_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, options(tmp_path), map_size=1 << 16)
    attribute = Attribute(GRANT, "opt-in")
    for number in range(400):
        person = f"86139{number:08}"
        entries = [Entry(f"brand{number % 7}", subscriber_key(person), attribute, 100, NEVER, "x" * 400)]
        assert ledger.put(entries) == 1
        assert ledger.put(entries) == 0
        ledger.revoke("other", person, 100.0, "reply")
        assert ledger.judge(f"brand{number % 7}", person, MARKETING, 150) == COUNTS
    assert ledger.wait(ledger.queued, 30.0)
    assert ledger.close()
    assert judged(tmp_path, "other", "8613900000399", MARKETING, 150) == REVOKED
    reader = Ledger(tmp_path, options(tmp_path), readonly=True)
    with pytest.raises(ConsentError, match="reading only"):
        reader.put([])
    reader.close()
