"""Everything at once, as it stands in an operator's network: SMSC, ESME, broker, journal, admin API and complaints.

A storm of complaints comes in over the API; the signature is suspended on the wire, which MQTT, the metrics, the
journal and the report tell; an administrator lifts it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from portguard.sim.ports import free_port
from portguard.smpp import constants as c
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, run_portguard
from tests.e2e.ear import Ear
from tests.e2e.peers.client import ADDRESS
from tests.e2e.raw import RawSmsc
from tests.e2e.test_complaints import BRANDS, Sender, complained, shared
from tests.e2e.waiting import until
from tests.mqtt.broker import Broker

pytestmark = pytest.mark.e2e

NODE = "portguard/e2e/"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path / "broker")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def ear(tmp_path: Path, broker: Broker) -> Iterator[Ear]:
    listening = Ear(tmp_path, broker.port)
    yield listening
    listening.close()


class Api:
    """The admin API, called with a token of `portguard admin token add`."""

    def __init__(self, daemon: Daemon, port: int, role: str) -> None:
        self._port = port
        words = ("admin", "token", "add", "-c", str(daemon.settings), "--role", role, role)
        done = run_portguard(*words, folder=daemon.folder)
        assert done.returncode == 0, done.stderr
        self._token = done.stdout.strip()

    def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The answer's body."""
        connection = http.client.HTTPConnection(ADDRESS, self._port, timeout=20)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, f"/v1{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            octets = answer.read()
            assert answer.status == status, octets
            return json.loads(octets)
        finally:
            connection.close()


def test_a_storm_from_the_complaint_to_the_report(
    raw_smsc: RawSmsc, make_daemon: MakeDaemon, broker: Broker, ear: Ear
) -> None:
    port = free_port()
    more = f'[mqtt]\nurl = "{broker.url}"\n[admin]\naddress = "{ADDRESS}:{port}"\n'
    daemon = make_daemon(raw_smsc.port, more=more, registry=shared())
    daemon.start()
    admin, reader = Api(daemon, port, "admin"), Api(daemon, port, "reader")
    sender = Sender(daemon, raw_smsc)
    assert [sender.send(brand) for brand in BRANDS] == [0, 0]

    # The feed: a reader may not write, and of the rows one is broken and one comes twice.
    rows = complained(25, BRANDS[0])
    reader.call("POST", "/complaints", {"rows": rows}, status=403)
    feed = [*rows, rows[0], {**rows[1], "id": "bad", "number": "not a number"}]
    taken = admin.call("POST", "/complaints", {"rows": feed})
    assert taken["results"]["accepted"] == 25, taken
    assert sum(count for result, count in taken["results"].items() if result != "accepted") == 2, taken

    # The wire: that signature is refused with 501, the other brand of the same number is not.
    until(lambda: sender.send(BRANDS[0]) == c.ESME_RSUBMITFAIL, "the suspension")
    assert sender.send(BRANDS[1]) == 0
    (stands,) = [one for one in reader.call("GET", "/suspensions")["items"] if one["kind"] == "signature"]
    assert (stands["name"], stands["level"]) == (BRANDS[0], "suspend")
    assert daemon.metric("portguard_suspensions", kind="signature", level="suspend") == 1
    until(lambda: ear.on(f"{NODE}alerts"), "the alert on MQTT")
    assert {"complaint_suspend"} == {alert["alert"] for alert in ear.on(f"{NODE}alerts")}
    until(lambda: [told for told in ear.on(f"{NODE}violations") if told.get("code") == 501], "the refusal on MQTT")
    until(lambda: reader.call("GET", "/violations")["items"], "the refusal in the journal")

    # An administrator lifts it, with a reason, and is remembered for it.
    path = f"/suspensions/signature/{quote(BRANDS[0])}"
    reader.call("DELETE", f"{path}?why=no", status=403)
    lifted = admin.call("DELETE", f"{path}?why=a%20mistake")
    assert (lifted["name"], lifted["before"]) == (BRANDS[0], "suspend")
    until(lambda: sender.send(BRANDS[0]) == 0, "the signature to be let through")
    until(lambda: [told for told in ear.on(f"{NODE}escalations") if told["level"] == "none"], "the lift on MQTT")

    # The report has all of it, and the journal is whole.
    page, sheet = daemon.folder / "report.html", daemon.folder / "report.csv"
    done = run_portguard("report", "-c", str(daemon.settings), "-o", str(page), "-o", str(sheet), folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    html = page.read_text("utf-8")
    escalated = f"signature {BRANDS[0]}: none -&gt; suspend"
    for words in ("501 complaint_suspended", f"【{BRANDS[0]}】", escalated, "a mistake"):
        assert words in html, words
    assert "complaint_suspended" in sheet.read_text("utf-8-sig")
    done = run_portguard("evidence", "verify", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 0, done.stdout
    assert "1391000" not in json.dumps([said for said in ear.messages() if "payload" in said])
    daemon.stop()
