"""The signs' memory: bounds, restarts, and what is broken."""

import random
from pathlib import Path

import msgspec
import pytest

from portguard.complaints.options import SignsOptions
from portguard.complaints.signs import growth, spread, surge, turning
from portguard.complaints.signs.watch import Signs
from portguard.complaints.store import Store
from portguard.registry.image import Image
from portguard.sms.category import MARKETING, NOTIFICATION, VERIFICATION
from portguard.sms.charset import CHARSET_GBK, CHARSET_GSM7
from tests.complaints.signs.world import BEGIN, row, violation


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "complaints.sqlite")


def test_the_journal_is_read_on_from_where_the_memory_stands(store: Store) -> None:
    signs = Signs(SignsOptions(), store)
    records = [(n, "violation", violation("hub", f"x{n}", BEGIN)) for n in range(1, 31)]
    assert signs.journal(records, BEGIN) == []
    signs.save()
    assert signs.journal([(n, "violation", violation("hub", f"x{n}", BEGIN)) for n in range(31, 41)], BEGIN) == []
    # Killed: the ten that came after are read again, and count once.
    again = Signs(SignsOptions(), store)
    assert again.cursor == 30
    more = [(n, "violation", violation("hub", f"x{n}", BEGIN)) for n in range(1, 61)]
    (alert,) = again.journal(more, BEGIN)
    assert alert.evidence["unregistered"] == 50
    assert Signs(SignsOptions(), store).cursor == 60
    store.close()


def test_records_of_all_kinds_are_read_past(store: Store) -> None:
    signs = Signs(SignsOptions(), store)
    odd: list[dict[str, object]] = [
        {}, {"account": 7}, {"account": "a", "at": "x"}, {"account": "a", "hits": 3}, {"account": "a", "code": 204},
        {"account": "a", "at": -1e9, "code": 204}, {"account": "a", "at": 1e12, "code": 204, "signature": None},
    ]  # fmt: skip
    records = [(n, kind, fields) for n, (kind, fields) in enumerate(
        ((kind, fields) for kind in ("violation", "left_out", "audit", "") for fields in odd), 1)]  # fmt: skip
    assert signs.journal(records, BEGIN) == []
    assert signs.cursor == len(records)
    store.close()


def test_a_memory_that_cannot_be_read_is_learnt_anew(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("port_enterprises", "text_spread", "unregistered_surge", "verification_turned"):
        store.remember(f"signs.{name}", b"\x93broken")
    signs = Signs(SignsOptions(), store)
    assert len(caplog.records) == 4
    assert signs.tallies([row("a", "e", "1069", "1069", "h", "s", "o", 3, 5, "")], BEGIN) == []
    signs.save()
    Signs(SignsOptions(), store)
    assert len(caplog.records) == 4
    store.close()


def test_what_the_registry_says(store: Store, on_file: Image) -> None:
    signs = Signs(SignsOptions(), store)
    facts = signs._facts
    assert (facts.charset("gbk"), facts.categories("10690015")) == (CHARSET_GSM7, [])
    signs.know(on_file)
    assert (facts.charset("gbk"), facts.charset("nobody")) == (CHARSET_GBK, CHARSET_GSM7)
    assert facts.categories("10690015") == ["verification"]
    assert facts.categories("10690006") == ["marketing", "notification", "verification"]
    assert facts.categories("10690001") == []
    marketing = row("first", "first", "10690015", "10690015", "first", "s", "o", MARKETING, 20, "")
    alerts = [alert for n in range(4) for alert in signs.tallies([marketing], BEGIN + n)]
    assert [alert.alert for alert in alerts] == ["verification_turned"]
    store.close()


def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "MOST_TEXTS", 30)
    monkeypatch.setattr(spread, "MOST_OF_ONE", 20)
    monkeypatch.setattr(surge, "MOST_ACCOUNTS", 25)
    monkeypatch.setattr(turning, "MOST_CHANNELS", 25)
    signs = Signs(SignsOptions(), store)
    for n in range(100):
        letters = "".join(chr(0x4E00 + (n * 131 + k * k * 7) % 9000) for k in range(30))
        rows = [row(f"a{n}-{m}", "e", f"p{n}-{m}", f"p{n}-{m}1", "h", f"s{n}-{m}", f"o{m}", MARKETING, 5, letters)
                for m in range(30)]  # fmt: skip
        signs.tallies(rows, BEGIN + 60 * n)
        signs.journal([(n + 1, "violation", violation(f"a{n}-0", f"x{n}", BEGIN + 60 * n))], BEGIN + 60 * n)
    assert len(signs._spread._texts) == 30
    assert all(len(text.messages) <= 20 >= len(text.owners) for text in signs._spread._texts.values())
    assert len(signs._spread._keys) <= 30 * 6
    assert len(signs._surge._accounts) == 25
    assert 0 < len(signs._turning.ports) <= 25 >= len(signs._turning.numbers) > 0
    signs.save()
    again = Signs(SignsOptions(), store)
    assert len(again._spread._texts) == 30
    assert again._turning.dump() == signs._turning.dump()
    store.close()


def test_of_more_than_can_be_remembered_a_part_is_watched_and_the_log_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 50)
    monkeypatch.setattr(turning, "MOST_CHANNELS", 50)
    signs = Signs(SignsOptions(), store)
    rows = [row(f"a{n}", "e", f"p{n}", f"p{n}1", "h", f"s{n}", f"o{n}", NOTIFICATION, 5, "") for n in range(1000)]
    for sweep in range(20):
        signs.tallies(rows, BEGIN + 10 * sweep)
    kept = set(signs._port_enterprises.things)
    assert 5 < len(kept) <= 50
    for sweep in range(20, 40):
        signs.tallies(rows, BEGIN + 10 * sweep)
    assert set(signs._port_enterprises.things) == kept
    said = [line.__dict__["part"] for line in caplog.records if "watches a part" in line.message]
    assert said == [f"1 in {1 << max(one.names.halvings for one in signs._watched)}"]
    assert int(said[0].split()[-1]) >= 16
    # The same ones are watched after a restart, and what comes then pushes none of them out.
    signs.save()
    again = Signs(SignsOptions(), store)
    for sweep in range(40, 60):
        again.tallies(rows, BEGIN + 10 * sweep)
    assert set(again._port_enterprises.things) == kept
    store.remember("signs.drawn", b"\xc1")
    assert Signs(SignsOptions(), store)._port_enterprises.things.halvings == 0
    store.close()


@pytest.mark.parametrize("off", [(), ("port_enterprises",), ("signature_accounts", "signature_ports")])
def test_rows_that_are_passed_over_would_have_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: tuple[str, ...]
) -> None:
    monkeypatch.setattr(growth, "MOST_THINGS", 60)
    monkeypatch.setattr(turning, "MOST_CHANNELS", 60)
    options = msgspec.convert({name: {"on": False} for name in off}, SignsOptions)
    both = [Signs(options, Store(tmp_path / name)) for name in ("one", "other")]
    for one in both[0]._watched + both[1]._watched:
        one.names.lot = 11
    draw, seen = random.Random(5), []
    monkeypatch.setattr(both[1], "_watched_of", lambda rows, now: [row for row in rows if row.submitted])
    for sweep in range(60):
        # Too many names at first, then few, then many again.
        names = 20 if 20 <= sweep < 40 else 1500
        rows = [
            row(
                f"a{draw.randrange(40)}", "e", f"p{port}", f"p{port}{draw.choice(('', '', '1', '2'))}", "h",
                draw.choice((f"s{draw.randrange(names)}", "")), draw.choice((f"o{draw.randrange(400)}", "")),
                draw.choice((NOTIFICATION, MARKETING, VERIFICATION)), draw.choice((0, 2, 3)), "",
            ) for port in (draw.randrange(names) for _ in range(700))
        ]  # fmt: skip
        now = BEGIN + 400 * sweep
        for one in both[1]._watched:
            one.names.relax(now)
        seen.append(len(both[0]._watched_of(rows, now)) / len(rows))
        assert both[0].tallies(rows, now) == both[1].tallies(rows, now)
        assert [sign.dump() for sign in both[0]._memory.values()] == [sign.dump() for sign in both[1]._memory.values()]
    assert min(seen) < 0.4 < max(seen)
    for signs in both:
        signs._store.close()


def test_samples_beyond_what_may_be_looked_at_are_left_out_in_turns(store: Store) -> None:
    signs = Signs(SignsOptions(), store)
    looked: list[str] = []
    monkey = signs._spread._sampler
    monkey.text = lambda pdu, account: looked.append(account) or ""  # type: ignore[method-assign,func-returns-value]
    rows = [row(f"a{n}", "e", "1069", "10691", "h", "s", "o", MARKETING, 1, "") for n in range(4000)]
    for sweep in range(4):
        signs.tallies(rows, BEGIN + 10 * sweep)
    # 200 a second: half of 4,000 in ten seconds, the other half the next time; as many as a minute's at first.
    assert len(looked) == 4000 + 3 * 2000
    assert set(looked[4000:8000]) == {f"a{n}" for n in range(4000)}
    store.close()
