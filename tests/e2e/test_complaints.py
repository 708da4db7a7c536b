"""Complaints on the wire: a storm suspends a signature, a human lifts it, and a kill forgets nothing.

The daemon, an SMSC and an ESME are real; complaints come by the command, as they do from 12321.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest

from portguard.evidence.reader import Reader
from portguard.evidence.traffic import Total, Traffic
from portguard.smpp import constants as c
from tests.e2e import raw
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, run_portguard
from tests.e2e.peers.client import text
from tests.e2e.raw import RawLink, RawSmsc
from tests.e2e.tables import Tables
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

NUMBER = "1069000188"
BRANDS = ["春山", "夏河"]
OFFER = "双十一全场五折，满300减50，优惠券限时抢购，退订回T"
NOTICE = "您的订单已发货，请注意查收"
HEAD = "id,received_at,subscriber,number,signature,text\n"


def shared() -> Tables:
    """A number of a hub's, from which two enterprises' brands are sent."""
    return {
        "enterprises": [{"id": "hub", "kind": "sp"}, *({"id": f"brand{n}", "kind": "sp"} for n in range(len(BRANDS)))],
        "accounts": [{"system_id": "hub", "enterprise": "hub"}],
        "ports": [{"port": NUMBER, "holder": "hub", "signature_required": "true"}],
        "signatures": [{"signature": brand, "enterprise": f"brand{n}"} for n, brand in enumerate(BRANDS)],
        "scopes": [
            {"signature": brand, "enterprise": f"brand{n}", "port": NUMBER, "provider": "hub"}
            for n, brand in enumerate(BRANDS)
        ],
    }


class Sender:
    """An ESME link; the SMSC takes whatever comes to it."""

    def __init__(self, daemon: Daemon, smsc: RawSmsc, number: int = 0) -> None:
        self.esme: RawLink = raw.bind(daemon.port, "hub")
        link = smsc.link(number)
        threading.Thread(target=raw.answer_everything, args=(link, lambda n: b"%d" % n), daemon=True).start()
        self._sequence = 10

    def send(self, brand: str, body: str = NOTICE, phone: str = "13910001234") -> int:
        """The status that a message is answered with."""
        self._sequence += 1
        self.esme.send(raw.submit(self._sequence, text(NUMBER, phone, f"【{brand}】{body}")))
        answer = self.esme.pdu()
        assert answer is not None and answer.command_id == c.SUBMIT_SM_RESP
        return answer.command_status


def complained(count: int, brand: str) -> list[dict[str, str]]:
    """Complaints about a brand's offers, as objects, each of another subscriber."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    return [
        {"id": f"c{n}", "received_at": at, "subscriber": f"1391000{n:04}", "number": NUMBER, "signature": brand,
         "text": f"【{brand}】{OFFER}"} for n in range(count)
    ]  # fmt: skip


def storm(daemon: Daemon, count: int, first: int = 0, brand: str = BRANDS[0], body: str = "") -> str:
    """A file of complaints."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    path = daemon.folder / f"complaints{first}.csv"
    rows = "".join(f"c{n},{at},1391000{n:04},{NUMBER},{brand},{body}\n" for n in range(first, first + count))
    path.write_text(HEAD + rows, encoding="utf-8")
    return str(path)


def command(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run_portguard("complaints", *arguments[:1], "-c", str(daemon.settings), *arguments[1:], folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    return done


def records(daemon: Daemon, kind: str) -> list[dict[str, object]]:
    """What the journal holds of a kind."""
    return [fields for _, found, fields in Reader(daemon.folder / "evidence").rows(0, 10_000) if found == kind]


def test_a_storm_suspends_and_a_human_lifts(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, registry=shared())
    daemon.start()
    sender = Sender(daemon, raw_smsc)
    assert sender.send(BRANDS[0]) == 0
    said = command(daemon, "import", storm(daemon, 25)).stdout
    assert said.startswith("25 complaints taken, 0 refused, 0 consents revoked\nsignature 春山 is at suspend until ")
    # When the import has returned, the workers know.
    assert sender.send(BRANDS[0]) == c.ESME_RSUBMITFAIL
    assert sender.send(BRANDS[1]) == 0
    assert daemon.metric("portguard_suspensions", kind="signature", level="suspend") == 1
    assert daemon.metric("portguard_suspensions", kind="port") == 0
    assert daemon.metric("portguard_complaints_total", result="accepted") == 25
    assert daemon.metric("portguard_alerts_total", alert="complaint_suspend") == 1
    until(lambda: len(records(daemon, "complaint")) == 25, "the complaints to be in the journal")
    (escalation,) = records(daemon, "escalation")
    assert (escalation["name"], escalation["before"], escalation["level"]) == (BRANDS[0], "none", "suspend")
    assert [alert["alert"] for alert in records(daemon, "alert")] == ["complaint_suspend"]
    assert "1391000" not in json.dumps(records(daemon, "complaint"))
    (violation,) = until(lambda: records(daemon, "violation"), "the refusal to be in the journal")
    assert violation["code"] == 501
    # Killed in the middle of it: what is in force stays so.
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start()
    sender = Sender(daemon, raw_smsc, 1)
    assert sender.send(BRANDS[0]) == c.ESME_RSUBMITFAIL
    assert "c0" in command(daemon, "list", "--single", "--limit", "30").stdout
    done = command(daemon, "lift", "--why", "a campaign of a competitor", "--who", "wang", "signature", BRANDS[0])
    assert done.stdout.startswith("signature 春山 was at suspend")
    assert sender.send(BRANDS[0]) == 0
    until(lambda: any(found["what"] == "lift" for found in records(daemon, "audit")), "the lift to be in the journal")
    daemon.stop()
    # Each once, although the daemon was killed.
    assert len(records(daemon, "complaint")) == 25


def test_a_hold_keeps_a_signature_back_and_runs_out(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, registry=shared())
    daemon.start()
    sender = Sender(daemon, raw_smsc)
    command(daemon, "hold", "--level", "suspend", "--hours", "0.0008", "--why", "told by phone", "port", NUMBER)
    assert sender.send(BRANDS[1]) == c.ESME_RSUBMITFAIL
    until(lambda: json.loads(command(daemon, "list", "--level", "watch", "--json").stdout) == [], "the hold to run out")
    assert sender.send(BRANDS[1]) == 0
    daemon.stop()


def test_a_complaint_about_marketing_revokes_consent_before_it_is_acknowledged(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(raw_smsc.port, more='\n[consent]\npath = "consent"\n', registry=shared())
    rows = daemon.folder / "consents.csv"
    rows.write_text("enterprise,subscriber,granted_at,source\n" + "".join(
        f"brand0,1391000{n:04},2026-01-01,opt-in\n" for n in range(3)))  # fmt: skip
    done = run_portguard("consent", "import", "-c", str(daemon.settings), str(rows), folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    daemon.start()
    sender = Sender(daemon, raw_smsc)
    assert sender.send(BRANDS[0], OFFER, phone="13910000001") == 0
    said = command(daemon, "import", storm(daemon, 1, first=1, body=OFFER)).stdout
    assert said == "1 complaints taken, 0 refused, 1 consents revoked\n"
    consent = run_portguard(
        "consent", "check", "-c", str(daemon.settings), "brand0", "13910000001", folder=daemon.folder
    )
    assert consent.stdout.startswith("does not count: ")
    # The worker's own view follows within a fraction of a second.
    until(lambda: sender.send(BRANDS[0], OFFER, phone="13910000001"), "the worker to refuse")
    assert sender.send(BRANDS[0], OFFER, phone="13910000002") == 0
    until(lambda: any(found["code"] == 401 for found in records(daemon, "violation")), "the refusal in the journal")
    daemon.stop()


def test_what_was_delivered_is_counted_to_the_last_message(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_smsc.port, registry=shared())
    daemon.start()
    sender = Sender(daemon, raw_smsc)
    command(daemon, "hold", "--level", "suspend", "--why", "told by phone", "signature", BRANDS[1])
    statuses = [sender.send(brand) for brand in (*BRANDS, BRANDS[0])]
    assert statuses == [0, c.ESME_RSUBMITFAIL, 0]
    sender.esme.close()
    daemon.stop()
    traffic = Traffic(daemon.folder / "state" / "traffic.sqlite", readonly=True)
    found = traffic.totals(0, 2e10, ("account", "port", "number", "holder", "signature", "owner", "category"))
    assert found == [
        Total(("hub", NUMBER, NUMBER, "hub", BRANDS[1], "brand1", 2), 1, 1, 0, 0, 0),
        Total(("hub", NUMBER, NUMBER, "hub", BRANDS[0], "brand0", 2), 2, 0, 0, 2, 0),
    ]
    traffic.close()
