"""Complaints in a daemon: the control socket's commands, other writers, reloads, broken files, kills."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portguard.complaints.store import Complaint, Store
from portguard.daemon.control import ControlError, ask
from portguard.evidence.reader import Reader
from tests.daemon.processes import DEADLINE, Daemon, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow

ZONE = ZoneInfo("Asia/Shanghai")
BRAND = "恒讯短信"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


def row(n: int, **fields: str) -> dict[str, str]:
    at = (datetime.now(ZONE) - timedelta(minutes=1)).isoformat()
    return {"id": f"c{n}", "received_at": at, "subscriber": f"139{n:08}", "number": "106900001", **fields}


def take(daemon: Daemon, *rows: dict[str, str]) -> dict[str, Any]:
    return ask(daemon.state, "complaints_import", DEADLINE, rows=list(enumerate(rows, 2)), file="in.csv")


def standing(daemon: Daemon, **wanted: Any) -> dict[str, str]:
    items = ask(daemon.state, "complaints_list", DEADLINE, least="watch", **wanted)["items"]
    return {item["name"]: item["level"] for item in items}


def records(daemon: Daemon, kind: str) -> list[dict[str, object]]:
    return [fields for _, found, fields in Reader(daemon.folder / "evidence").rows(0, 10_000) if found == kind]


def test_import_list_hold_lift(daemon: Daemon) -> None:
    answer = take(daemon, *(row(n, signature=BRAND) for n in range(20)), row(20, number="999"), row(3))
    assert answer == {
        "ok": True, "results": {"accepted": 20, "unknown_port": 1, "duplicate": 1}, "revoked": 0,
        "problems": [
            [22, "number", "no registered port covers '999'"], [23, "id", "'c3' of 12321 is on file already"],
        ],
    }  # fmt: skip
    # The port does not answer for a signature that is kept back.
    assert standing(daemon) == {BRAND: "suspend"}
    who: dict[str, Any] = {"who": "wang", "why": "told by phone"}
    assert ask(daemon.state, "complaints_hold", kind="signature", name=BRAND, level="watch", hours=1.0, **who)["ok"]
    assert standing(daemon) == {BRAND: "watch"}
    assert ask(daemon.state, "complaints_lift", kind="signature", name=BRAND, **who) == {"ok": True, "before": "watch"}
    assert standing(daemon) == {}
    until(lambda: len(records(daemon, "audit")) == 2, "both to be in the journal")
    hold, lift = records(daemon, "audit")
    assert (hold["who"], hold["what"], hold["target"], hold["level"]) == ("wang", "hold", f"signature {BRAND}", "watch")
    assert (lift["what"], lift["before"], lift["outcome"]) == ("lift", "watch", "ok")


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("complaints_import", {}, "Object missing required field `rows`"),
    ("complaints_import", {"rows": [[1, {"id": 7}]]}, "Expected `str | array`, got `int`"),
    ("complaints_import", {"rows": [], "x": 1}, "Object contains unknown field `x`"),
    ("complaints_list", {"least": "stop"}, "Invalid enum value 'stop'"),
    ("complaints_hold", {"kind": "port", "name": "x", "level": "tag", "hours": 1.0, "who": "a", "why": "b"},
     "name: 'x' is no number"),
    ("complaints_hold", {"kind": "port", "name": "1", "level": "stop", "hours": 1.0, "who": "a", "why": "b"},
     "level: 'stop' is none of none, watch, tag, throttle, suspend"),
    ("complaints_lift", {"kind": "port", "name": "1", "who": "", "why": "b"}, "who: 1 to 64 printable characters"),
]  # fmt: skip


def test_what_is_wrong_is_said(daemon: Daemon) -> None:
    for command, arguments, said in WRONG:
        answer = ask(daemon.state, command, DEADLINE, **arguments)
        assert not answer["ok"]
        assert said in answer["error"]


def test_another_process_s_complaints_are_acted_on(daemon: Daemon) -> None:
    """What an import put there that began while no daemon ran."""
    at = datetime.now().timestamp() - 1
    store = Store(daemon.state / "complaints.sqlite")
    with store.transaction():
        for n in range(20):
            assert store.put(Complaint(
                "12321", f"o{n}", at, at, f"hash{n}", "106900001", "106900001", "hub", BRAND, True, '["hub"]', "[]", 3,
                0, "", "[]",
            ))  # fmt: skip
    store.close()
    until(lambda: standing(daemon) == {BRAND: "suspend"}, "the daemon to see them")


def test_a_reload_is_matched_with(daemon: Daemon) -> None:
    assert take(daemon, row(1, number="106900999"))["results"] == {"unknown_port": 1}
    ports = daemon.registry / "ports.csv"
    ports.write_text(ports.read_text(encoding="utf-8") + "106900999,hub,,,4,,,,,active\n", encoding="utf-8")
    assert daemon.ask("reload")["ok"]
    new = row(1, number="106900999")
    until(lambda: take(daemon, new)["results"] != {"unknown_port": 1}, "the new port to be known")


def test_a_broken_file_is_set_aside_and_said(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        take(daemon, row(1))
    path = tmp_path / "state" / "complaints.sqlite"
    path.write_bytes(b"what a disk left of it" * 1000)
    with Daemon(tmp_path) as daemon:
        assert take(daemon, row(1))["results"] == {"accepted": 1}
        until(lambda: [alert["alert"] for alert in records(daemon, "alert")] == ["state_set_aside"], "the alert")
    assert (tmp_path / "state" / "complaints.sqlite.broken-1").read_bytes().startswith(b"what a disk left")


def test_a_file_of_a_later_version_ends_the_start(tmp_path: Path) -> None:
    with Daemon(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "state" / "complaints.sqlite") as change:
        change.execute("PRAGMA user_version = 7")
    change.close()
    daemon = Daemon(tmp_path).start()
    assert daemon.wait() == 1
    assert "complaints.sqlite: its format is 7, this version reads 1" in daemon.said()
    assert "Traceback" not in daemon.said()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    acknowledged = 0
    daemon = Daemon(tmp_path).start().serving()
    assert daemon.process is not None
    pid = daemon.process.pid
    for n in range(0, 400, 10):
        if n == 200:
            os.kill(pid, signal.SIGKILL)
        try:
            answer = take(daemon, *(row(m, signature=BRAND) for m in range(n, n + 10)))
        except ControlError:
            break
        acknowledged += answer["results"]["accepted"]
    daemon.wait()
    assert acknowledged >= 200
    with Daemon(tmp_path) as again:
        assert standing(again) == {BRAND: "suspend"}
        items = ask(again.state, "complaints_list", DEADLINE, of="complaints", limit=1000)["items"]
        assert len(items) in (acknowledged, acknowledged + 10)
        until(lambda: len(records(again, "complaint")) >= len(items), "all of them to be in the journal")
        ids = {str(found["id"]) for found in records(again, "complaint")}
        assert ids == {item["id"] for item in items}


