"""A registry of 20,000 ports and 500 signatures is edited under load: nobody is hurt, and the next message obeys."""

from __future__ import annotations

import csv
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, run_portguard
from tests.e2e.load import Load
from tests.e2e.peers.client import send, text
from tests.e2e.peers.node_client import NodeClient
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until
from tests.registry import generate

pytestmark = pytest.mark.e2e

PORTS, SIGNATURES = 20_000, 500
RELOAD_SECONDS = 120.0
LINKS, PAUSE = 3, 0.01
# The account, number and signature of the generated registry's first enterprise; tps would stand in the way of load.
ACCOUNT, NUMBER, SIGNATURE = "acc0", generate.port_number(0), generate.signature_text(0)


@pytest.fixture
def daemon(smsc: NodeSmsc, make_daemon: MakeDaemon) -> Daemon:
    made = make_daemon(smsc.port, registry={})
    generate.generate(made.registry, PORTS, SIGNATURES)
    edit(made.registry, "accounts", "system_id", ACCOUNT, tps="")
    made.start()
    return made


def edit(registry: Path, table: str, key: str, value: str, **fields: str) -> None:
    """Changes fields of the rows of a csv table whose `key` is `value`, and replaces the file in one step."""
    with (registry / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    changed = [{**row, **fields} if row[key] == value else row for row in rows]
    assert changed != rows, f"no {table} row with {key} = {value}"
    t.write_table(registry, table, changed)


@pytest.fixture
def load(daemon: Daemon, smsc: NodeSmsc) -> Iterator[Load]:
    """Traffic through every reload; in the end no link was lost and no answer is missing."""
    running = Load(daemon.port, LINKS, system_id=ACCOUNT, source=NUMBER, signature=SIGNATURE, pause=PAUSE)
    smsc.wait_received(300)
    yield running
    book = running.stop()
    assert (book.lost_links, book.refused_binds, book.unanswered) == (0, 0, set())


def swapped(daemon: Daemon, before: str) -> str:
    """The revision after `before`, waited for."""
    return until(lambda: now if (now := daemon.revision()) != before else "", "the next revision", RELOAD_SECONDS)


def test_a_signature_is_revoked_and_given_back(daemon: Daemon, load: Load) -> None:
    client = NodeClient()
    client.bind(daemon.port, ACCOUNT)
    message = text(NUMBER, t.NORTHERN, f"【{SIGNATURE}】您好")
    assert send(client, [message])[0].status == 0
    first = daemon.revision()
    edit(daemon.registry, "signatures", "signature", SIGNATURE, status="revoked")
    second = swapped(daemon, first)
    assert send(client, [message])[0].status == c.ESME_RSUBMITFAIL
    assert daemon.metric("portguard_messages_total", action="reject", rule="signature_inactive") >= 1
    edit(daemon.registry, "signatures", "signature", SIGNATURE, status="active")
    third = swapped(daemon, second)
    assert send(client, [message])[0].status == 0
    # The revision is a digest of the content: `status` is a column more than at first, with the default in it.
    assert len({first, second, third}) >= 2
    client.unbind()
    assert load.book.statuses() == {0, c.ESME_RSUBMITFAIL}


def test_a_broken_edit_changes_nothing(daemon: Daemon, load: Load) -> None:
    before = daemon.revision()
    failed = daemon.metric("portguard_registry_reloads_total", result="failed")
    edit(daemon.registry, "ports", "port", generate.port_number(7), holder="nobody-on-file", extension_digits="many")
    until(lambda: "ports.csv:9" in daemon.log(), "the errors in the log", RELOAD_SECONDS)
    until(lambda: daemon.metric("portguard_registry_reloads_total") > failed, "the failed reload in the metrics")
    log = daemon.log()
    assert "extension_digits" in log
    assert daemon.revision() == before
    done = run_portguard("reload", "-c", str(daemon.settings), folder=daemon.folder)
    assert done.returncode == 1
    assert "ports.csv:9: extension_digits: " in done.stdout + done.stderr
    client = NodeClient()
    client.bind(daemon.port, ACCOUNT)
    assert send(client, [text(NUMBER, t.NORTHERN, f"【{SIGNATURE}】您好")])[0].status == 0
    client.unbind()
    assert load.book.statuses() == {0}


def test_by_signal_and_by_command(daemon: Daemon, load: Load) -> None:
    daemon_settings = str(daemon.settings)
    first = daemon.revision()
    done = run_portguard("reload", "-c", daemon_settings, folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    assert daemon.revision() == first
    edit(daemon.registry, "accounts", "system_id", "acc1", max_binds="7")
    daemon.signal(signal.SIGHUP)
    second = swapped(daemon, first)
    edit(daemon.registry, "accounts", "system_id", "acc1", max_binds="8")
    done = run_portguard("reload", "-c", daemon_settings, folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    assert daemon.revision() not in {first, second}


def test_an_account_is_suspended_while_bound(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")
    staying = raw.bind(daemon.port, "star2")
    smsc.hold()
    link.send(raw.submit(2, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
    smsc.wait_received(1)
    before = daemon.revision()
    edit(daemon.registry, "accounts", "system_id", "star", status="suspended")
    swapped(daemon, before)
    # A message now is refused by rule 601; what was owed is still answered; then the session is unbound.
    link.send(raw.submit(3, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
    assert link.expect(c.SUBMIT_SM_RESP, c.ESME_RINVSYSID).sequence_number == 3
    smsc.release()
    assert link.expect(c.SUBMIT_SM_RESP).sequence_number == 2
    unbind = link.expect(c.UNBIND)
    link.send(encode.response(c.UNBIND, 0, unbind.sequence_number))
    assert link.until_closed() == []
    assert daemon.metric("portguard_messages_total", action="reject", rule="account_inactive") == 1
    staying.send(raw.submit(4, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
    staying.expect(c.SUBMIT_SM_RESP)
    for each in (link, staying):
        each.close()


def test_what_is_kept_of_the_registry_can_be_seen(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.start()
    link = raw.bind(daemon.port, "star")

    def seen() -> tuple[float, float, float]:
        asked = [daemon.metric("portguard_registry_asked_total", about=about) for about in ("number", "signature")]
        return daemon.metric("portguard_registry_answers"), *asked  # type: ignore[return-value]

    def sent(sequence: int) -> None:
        link.send(raw.submit(sequence, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
        link.expect(c.SUBMIT_SM_RESP, c.ESME_ROK)

    for sequence in range(2, 7):
        sent(sequence)
    assert seen() == (1, 1, 1)
    assert daemon.metric("portguard_tallies_lost_total") == 0
    before = daemon.revision()
    edit(daemon.registry, "accounts", "system_id", "star2", max_binds="7")
    swapped(daemon, before)
    assert seen() == (0, 1, 1)
    sent(7)
    assert seen() == (1, 2, 2)
    link.close()
