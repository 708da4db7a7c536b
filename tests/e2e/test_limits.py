"""max_connections, max_binds, networks and the timeouts of a link."""

from __future__ import annotations

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from tests.e2e import raw
from tests.e2e.cases import allowed
from tests.e2e.conftest import Between, MakeClient, MakeDaemon
from tests.e2e.peers.client import BindRefused, send
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e


def test_max_binds_of_an_account(between: Between, make_client: MakeClient) -> None:
    first, second, third = (make_client(name) for name in ("node-smpp", "smpp34", "smpplib"))
    first.bind(between.daemon.port, "twice")
    second.bind(between.daemon.port, "twice")
    with pytest.raises(BindRefused) as refused:
        third.bind(between.daemon.port, "twice")
    assert refused.value.status == c.ESME_RBINDFAIL
    # Those who are bound notice nothing, and a place that becomes free is given away again.
    assert send(second, [allowed()])[0].status == 0
    first.unbind()
    fourth = make_client("aiosmpplib")
    fourth.bind(between.daemon.port, "twice")
    assert send(fourth, [allowed()])[0].status == 0


def test_networks(between: Between, make_client: MakeClient) -> None:
    with pytest.raises(BindRefused) as refused:
        make_client("node-smpp").bind(between.daemon.port, "inside")
    assert refused.value.status == c.ESME_RBINDFAIL
    make_client("node-smpp").bind(between.daemon.port, "local")
    assert not between.smsc.all_events("bind", system_id="inside")


def test_max_connections(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.edit("[listen]\n", "[listen]\nmax_connections = 3\n")
    daemon.start()
    links = [raw.bind(daemon.port, "star") for _ in range(3)]
    assert raw.connect(daemon.port).pdu() is None
    for number, link in enumerate(links, 2):
        link.send(raw.submit(number, allowed()))
        link.expect(c.SUBMIT_SM_RESP)
    links[0].send(encode.unbind(9))
    links[0].expect(c.UNBIND_RESP)
    assert links[0].until_closed() == []
    links[0].close()
    until(lambda: _binds(daemon.port), "the place that became free")
    for link in links:
        link.close()


def test_bind_timeout(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.edit("[listen]\n", "[listen]\nbind_timeout = 0.5\n")
    daemon.start()
    silent = raw.connect(daemon.port)
    assert silent.until_closed() == []


def test_idle_timeout_unbinds_politely(smsc: NodeSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(smsc.port)
    daemon.edit("[listen]\n", "[listen]\nidle_timeout = 1.0\n")
    daemon.start()
    link = raw.bind(daemon.port, "star")
    unbind = link.expect(c.UNBIND)
    link.send(encode.response(c.UNBIND, 0, unbind.sequence_number))
    assert link.until_closed() == []
    until(lambda: smsc.events("close"), "the end of the SMSC's link")


def test_an_smsc_that_never_answers_the_bind(raw_deaf: raw.RawSmsc, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(raw_deaf.port)
    daemon.start()
    link = raw.connect(daemon.port)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star"))
    link.send(encode.enquire_link(2))
    link.expect(c.ENQUIRE_LINK_RESP)
    link.expect(c.BIND_TRANSCEIVER_RESP, c.ESME_RBINDFAIL)
    assert link.until_closed() == []


def _binds(port: int) -> bool:
    link = raw.connect(port)
    link.send(encode.bind(c.BIND_TRANSCEIVER, 1, system_id=b"star"))
    answer = link.pdu()
    link.close()
    return answer is not None and answer.command_status == 0
