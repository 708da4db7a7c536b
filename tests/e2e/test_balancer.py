"""Two nodes behind HAProxy, as deploy/haproxy says."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from portguard.sim.ports import free_port
from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw, tables
from tests.e2e.cases import allowed
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.peers.client import ADDRESS
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

FILE = Path(__file__).resolve().parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
CLIENTS = [f"127.0.1.{n}" for n in range(1, 12)]
EACH = 5

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(PROGRAM is None, reason="haproxy is not installed")]


@pytest.fixture
def nodes(smsc: NodeSmsc, make_daemon: MakeDaemon) -> list[Daemon]:
    """They believe the balancer about addresses, and the account `inside` may come from one address alone."""
    registry = tables.standard()
    for row in registry["accounts"]:
        if row["system_id"] == "inside":
            row["networks"] = f"{CLIENTS[0]}/32"
    made = [make_daemon(smsc.port, registry=registry) for _ in range(2)]
    for node in made:
        node.edit("[listen]\n", f'[listen]\nproxy_protocol = ["{ADDRESS}/32"]\n')
        node.start()
    return made


@pytest.fixture
def balancer(nodes: list[Daemon], tmp_path: Path) -> Iterator[int]:
    """The port of an HAProxy with the sample's settings; only addresses, ports and how many links are others."""
    port = free_port()
    text = FILE.read_text(encoding="utf-8").replace("bind :2775\n", f"bind {ADDRESS}:{port}\n")
    text = text.replace("maxconn 20000\n", "maxconn 100\n")
    for place, node in enumerate(nodes, 1):
        server = f"server gw{place} {ADDRESS}:{node.port} port {node.metrics_port}"
        text, replaced = re.subn(rf"server gw{place} \S+$", server, text, flags=re.M)
        assert replaced == 1
    path = tmp_path / "haproxy.cfg"
    path.write_text(text, encoding="utf-8")
    assert PROGRAM is not None
    subprocess.run([PROGRAM, "-c", "-f", str(path)], check=True, capture_output=True)
    said = tmp_path / "haproxy.log"
    with said.open("w") as log:
        process = subprocess.Popen([PROGRAM, "-db", "-f", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port) or process.poll() is not None, "HAProxy to take connections")
        assert process.poll() is None, said.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_haproxy_has_nothing_to_say_about_the_sample() -> None:
    assert PROGRAM is not None
    checked = subprocess.run([PROGRAM, "-c", "-f", str(FILE)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr.replace("Configuration file is valid", "").strip()) == (0, "")


def test_a_client_keeps_to_its_node_and_its_address(nodes: list[Daemon], balancer: int) -> None:
    links = [raw.bind(balancer, "star", source=client) for _ in range(EACH) for client in CLIENTS]
    for link in links:
        link.send(raw.submit(2, allowed()))
        link.expect(c.SUBMIT_SM_RESP)
    until(lambda: sum(map(sessions, nodes)) == len(links), "all links")
    # Taken in turns, or where the fewest are, they would be 27 and 28.
    assert all(sessions(node) > 0 and sessions(node) % EACH == 0 for node in nodes)
    # What an account may, it may by its own address, not by the balancer's.
    raw.bind(balancer, "inside", source=CLIENTS[0])
    other = raw.connect(balancer, source=CLIENTS[1])
    other.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"inside"))
    other.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RBINDFAIL)


def test_a_node_that_ends_gives_its_clients_to_the_other(nodes: list[Daemon], balancer: int) -> None:
    links = [raw.bind(balancer, "star", source=client) for client in CLIENTS]
    first, second = nodes
    until(lambda: sessions(first) + sessions(second) == len(links), "all links")
    first.signal(signal.SIGTERM)
    ended = []
    for link in links:
        link.send(raw.submit(2, allowed()))
        answer = link.pdu()
        if answer is not None and answer.command_id == c.UNBIND:
            link.send(encode.response(c.UNBIND, 0, answer.sequence_number))
            ended.append(link)
    assert 0 < len(ended) < len(links)
    assert first.wait() == 0
    # Those of the other node notice nothing.
    for link in links:
        if link not in ended:
            link.send(raw.submit(3, allowed()))
            link.expect(c.SUBMIT_SM_RESP)
    until(lambda: all(_answers(balancer, client) for client in CLIENTS), "every client to be taken by the other node")
    assert second.running()


def sessions(node: Daemon) -> int:
    return sum(worker["sessions"] for worker in node.status()["workers"])


def _answers(port: int, source: str = "") -> bool:
    try:
        link = raw.connect(port, source=source)
        link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star", password=b"secret"))
        answer = link.pdu()
        link.close()
    except OSError:
        return False
    return answer is not None and answer.command_status == 0
