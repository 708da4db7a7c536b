"""`portguard top`: what two snapshots come to, and the picture of it, at any size and with hostile texts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from portguard.cli import top_words as words
from portguard.cli.printable import printable
from portguard.cli.root import portguard
from portguard.cli.top_pace import Latency, Moment, as_json, latency, moment
from portguard.cli.top_view import SORTS, Wishes, screen, waiting
from portguard.daemon import snapshot as s
from tests.cli.table import node
from tests.policy.registry import TABLES

HOSTILE = "a\x1b[31mb\u202ec\x07\x9bd\ne"


def process(name: str, **more: Any) -> s.ProcessView:
    known: dict[str, Any] = {
        "pid": 7, "serving": True, "links": 0, "restarts": 0, "seconds": 100.0, "cpu_seconds": 1.0,
        "resident_bytes": 5e7,
    }  # fmt: skip
    return s.ProcessView(name, **{**known, **more})


def snapshot(**more: Any) -> s.Snapshot:
    """An idle node, but for what is given."""
    known: dict[str, Any] = {
        "at": 1_795_591_236.0, "clock": 100.0, "node": "gw1", "zone": "Asia/Shanghai", "version": "0.1.0",
        "flavour": "compiled", "mode": "enforce", "pid": 1, "seconds": 90.0, "draining": False,
        "registry": s.RegistryView("0cfbca33", 1_795_591_146.0, {"success": 1, "refused": 0}, "success", False),
        "messages": [], "decision": s.Times(), "relay": s.Times(), "smsc": s.Times(), "decision_errors": 0,
        "connections_refused": {}, "sessions": {}, "owed": 0, "owed_most": 100,
        "smscs": [s.SmscView("a", "up", 0, 0)], "accounts": [], "accounts_in_all": 0, "links": [], "links_in_all": 0,
        "journal": s.JournalView("ok", "", 12, 0, 0, 0, 4096, 0, 0),
        "processes": [process("main"), process("worker 1", pid=8), process("journal", pid=9)], "standing": {},
        "restraints": [], "complaints": {},
    }  # fmt: skip
    return s.Snapshot(**{**known, **more})


def busy(**more: Any) -> Moment:
    """Two seconds of a node with everything to show."""
    bounds = [1e-6, 1e-3]
    before = snapshot(messages=[s.Verdicts("allow", "", 100), s.Verdicts("reject", "signature_unregistered", 5)],
                      decision=s.Times(bounds, [10, 0, 0], 0.1))  # fmt: skip
    accounts = [s.AccountView(f"account{n}", 1, n, 100 - n, n % 7, 1, 90, 0) for n in range(40)]
    links = [s.LinkView(f"8-{n}", f"account{n}", "10.0.0.1", "BOUND_TRX", before.at - 60 * n, "a", n, 1)
             for n in range(40)]  # fmt: skip
    violation = {
        "at": before.at, "account": "account1", "number": "1066000031", "signature": "青芽秋茶", "rule":
        "signature_unregistered", "code": 204, "action": "reject", "subscriber": "45e38161aabb", "status": "x",
    }
    alert = {"at": before.at, "alert": "evidence_full", "severity": "critical", "summary": "The disk is full."}
    known: dict[str, Any] = {
        "clock": 102.0,
        "messages": [s.Verdicts("allow", "", 300), s.Verdicts("reject", "signature_unregistered", 7),
                     s.Verdicts("tag", "signature_missing", 4)],
        "decision": s.Times(bounds, [10, 99, 1], 0.2), "accounts": accounts, "accounts_in_all": 400, "links": links,
        "links_in_all": 400, "owed": 780, "sessions": {"BOUND_TRX": 400},
        "processes": [process("main", cpu_seconds=1.5), process("worker 1", pid=8, cpu_seconds=3.0),
                      process("journal", pid=9)],
        "violations": [violation] * 20, "alerts": [alert], "standing": {"suspend": 1},
        "restraints": [s.RestraintView("signature", "云帆物流", "suspend", before.at + 7200)],
        "mqtt": s.MqttView(False, 1, 5, 0, 0), "consent": s.ConsentView(3, 1), "complaints": {"accepted": 25},
    }  # fmt: skip
    return moment(before, replace(before, **{**known, **more}))


def picture(
    found: Moment, width: int, height: int | None, wishes: Wishes | None = None, *, colour: bool = False
) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(screen(found, wishes or Wishes(), width, height))
    return file.getvalue()


# ---- the pace

def test_rates_are_those_between_two_looks() -> None:
    pace = busy().pace
    assert pace is not None
    assert pace.seconds == 2.0
    assert pace.messages == {"allow": 100.0, "monitor": 0.0, "tag": 2.0, "discard": 0.0, "reject": 1.0}
    assert [(one.rule, one.per_second, one.count) for one in pace.rules] == [
        ("signature_missing", 2.0, 4), ("signature_unregistered", 1.0, 7)
    ]  # fmt: skip
    assert pace.cpu == {"main": 0.25, "worker 1": 1.0, "journal": 0.0}
    assert pace.decision == Latency(100, 1e-3, 1e-3, None, 1e-3)
    assert pace.smsc == Latency()


def test_a_daemon_that_was_started_again_begins_anew() -> None:
    before = snapshot(messages=[s.Verdicts("allow", "", 1000)])
    assert moment(None, before).pace is None
    assert moment(before, replace(before, pid=2, clock=200.0)).pace is None
    assert moment(before, before).pace is None


def test_what_a_killed_worker_took_with_it_is_no_negative_rate() -> None:
    before = snapshot(messages=[s.Verdicts("allow", "", 1000)], decision=s.Times([1.0], [9, 0], 1.0))
    after = replace(before, clock=101.0, messages=[s.Verdicts("allow", "", 900)], decision=s.Times([1.0], [5, 0], 1.0),
                    processes=[process("main"), process("worker 1", pid=18, cpu_seconds=0.1)])  # fmt: skip
    pace = moment(before, after).pace
    assert pace is not None
    assert pace.messages["allow"] == 0.0
    assert pace.decision.count == 0
    assert "worker 1" not in pace.cpu


def test_latencies() -> None:
    bounds = [0.001, 0.01, 0.1]
    nothing = s.Times(bounds, [0, 0, 0, 0], 0.0)
    assert latency(nothing, s.Times(bounds, [50, 49, 1, 0], 1.0)) == Latency(100, 0.001, 0.01, 0.1, 0.1)
    assert latency(nothing, s.Times(bounds, [0, 0, 0, 3], 1.0)) == Latency(3, None, None, None, 0.1)
    assert latency(s.Times(), s.Times(bounds, [1, 0, 0, 0], 1.0)).worst == 0.001
    assert latency(nothing, nothing) == Latency()


# ---- words

@pytest.mark.parametrize(("said", "expected"), [
    (words.rate(0), "0"), (words.rate(0.34), "0.3"), (words.rate(9.94), "9.9"), (words.rate(9.96), "10"),
    (words.rate(123456.7), "123,457"),
    (words.short(0), "0"), (words.short(99_999), "99,999"), (words.short(123_456), "123k"),
    (words.short(4_500_000), "4.5M"), (words.short(250_000_000), "250M"), (words.short(7e13), "70.0T"),
    (words.octets(0), "0 B"), (words.octets(1500), "1.5 kB"), (words.octets(57e6), "57 MB"),
    (words.span(-3), "0s"), (words.span(59.9), "59s"), (words.span(185), "3m 5s"), (words.span(15000), "4h 10m"),
    (words.span(266400), "3d 2h"),
    (words.latency(Latency()), "–"), (words.latency(Latency(1, 2e-6, 1e-3, None, 2.0)), "2µs/1ms/>2s"),
    (words.spark([]), ""), (words.spark([0, 0]), "▁▁"), (words.spark([0, 50, 100]), "▁▅█"),
])  # fmt: skip
def test_words(said: str, expected: str) -> None:
    assert said == expected


# ---- the picture

@pytest.mark.parametrize("width", [20, 40, 79, 80, 119, 120, 140, 300])
@pytest.mark.parametrize("height", [1, 5, 11, 14, 24, 40, 100])
@pytest.mark.parametrize("links", [False, True])
def test_it_fills_the_screen_and_no_more(width: int, height: int, links: bool) -> None:
    for found in (busy(), Moment(snapshot())):
        lines = picture(found, width, height, Wishes(links=links)).splitlines()
        assert len(lines) == height
        assert max(cell_len(line) for line in lines) <= width


def test_at_80x24_there_is_something_of_everything() -> None:
    text = picture(busy(), 80, 24)
    for wanted in (
        "portguard gw1", "up 1m 30s", "0cfbca33", "messages/s 103", "permitted 100", "refused 1.0", "tagged 2.0",
        "decision 1ms/1ms/>1ms", "400 bound trx", "owed 780", "a up", "ok  record 12", "away  5 records",
        "3 opt-outs, 1 not on disk yet", "1 at suspend", "signature 云帆物流 for 2h 0m", "1/1 workers", "(4 of 400)",
        "account0", "200 signature_missing", "evidence_full", "204 signature_unregistered", "q quit",
    ):  # fmt: skip
        assert wanted in text, wanted


def test_what_is_wrong_comes_first_in_its_line() -> None:
    smscs = [s.SmscView(f"smsc{n}", "up", 5, 5) for n in range(20)] + [s.SmscView("last", "connection refused", 0, 0)]
    journal = s.JournalView("full", "the disk is full", 12, 5, 100, 1000, 4096, 1, 17)
    text = picture(busy(smscs=smscs, journal=journal), 80, 24)
    assert "smsc       last away (connection refused)" in text
    assert "journal    full: the disk is full" in text


def test_sorts_and_links() -> None:
    first = {
        sort: picture(busy(), 140, None, Wishes(sort)).split("ACCOUNT")[1].splitlines()[1].split()[0] for sort in SORTS
    }
    assert first == {
        "messages": "account0", "refused": "account6", "owed": "account39", "links": "account0", "name": "account0",
    }
    links = picture(busy(), 80, 24, Wishes(links=True))
    assert "LINK (" in links
    assert links.index("account39") < links.index("account38")


def test_hostile_texts_do_not_reach_the_terminal() -> None:
    found = busy(
        node=HOSTILE, smscs=[s.SmscView(HOSTILE, HOSTILE, 0, 0)], accounts=[s.AccountView(HOSTILE, 1)],
        links=[s.LinkView("1", HOSTILE, HOSTILE, HOSTILE, 0.0, HOSTILE, 0, 1)],
        restraints=[s.RestraintView("signature", HOSTILE, "suspend", 0.0)],
        violations=[{"at": 0.0, "account": HOSTILE, "number": HOSTILE, "signature": HOSTILE + "长" * 5000}],
        alerts=[{"at": 0.0, "alert": HOSTILE, "severity": HOSTILE, "summary": HOSTILE}],
        connections_refused={HOSTILE: 1}, journal=s.JournalView("full", HOSTILE, 1, 0, 0, 0, 0, 0, 0),
    )  # fmt: skip
    for wishes in (Wishes(), Wishes(links=True), Wishes(trouble=HOSTILE)):
        for width in (80, 140):
            lines = picture(found, width, 40, wishes).splitlines()
            assert len(lines) == 40
            assert all(line.isprintable() for line in lines)
    said = as_json(found)
    assert said.isprintable()
    assert json.loads(said)["node"] == HOSTILE


def test_printable_is_a_json_escape() -> None:
    assert printable("青芽 tea") == "青芽 tea"
    for text in (HOSTILE, "\U000e0041\u200b"):
        assert json.loads(f'"{printable(text)}"') == text


def test_colours_only_where_there_are_any() -> None:
    assert "\x1b" not in picture(busy(), 80, 24)
    assert "\x1b[" in picture(busy(), 80, 24, colour=True)


def test_the_last_line_says_what_is_the_matter() -> None:
    trouble = Wishes(trouble="not heard of since 12:00:00: no portguard runs; trying again")
    assert picture(busy(), 80, 24, trouble).splitlines()[-1].startswith(" not heard of since 12:00:00")
    assert "paused" in picture(busy(), 80, 24, Wishes(paused=True)).splitlines()[-1]
    console = Console(file=io.StringIO(), width=80)
    console.print(waiting(trouble, 80, 24))


def test_many_workers_are_summed_up() -> None:
    many = [process("main"), *(process(f"worker {n}", pid=10 + n, serving=n != 3) for n in range(1, 17))]
    text = picture(busy(processes=many), 80, 24)
    assert "15/16 workers" in text


# ---- the command

def test_without_a_daemon(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    for arguments in ([], ["--once"], ["--json"], ["--once", "--json"]):
        result = CliRunner().invoke(portguard, ["top", "-c", str(config), *arguments])
        assert (result.exit_code, result.stdout) == (1, "")
        assert "no portguard runs with the state folder" in result.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    config = node(tmp_path, TABLES)
    for arguments in (["--interval", "0.2"], ["--sort", "luck"]):
        result = CliRunner().invoke(portguard, ["top", "-c", str(config), *arguments])
        assert result.exit_code == 2
