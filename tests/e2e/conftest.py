"""Fixtures: an SMSC, daemons and clients, each ended with the test that asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import raw, tables
from tests.e2e.daemon import Daemon
from tests.e2e.peers import every
from tests.e2e.peers.client import Client
from tests.e2e.peers.smsc import NodeSmsc
from tests.e2e.raw import RawSmsc

MakeDaemon = Callable[..., Daemon]
MakeClient = Callable[[str], Client]


@pytest.fixture
def smsc() -> Iterator[NodeSmsc]:
    """node-smpp as the SMSC."""
    running = NodeSmsc()
    yield running
    running.kill()


@pytest.fixture
def raw_smsc() -> Iterator[RawSmsc]:
    """An SMSC made of sockets."""
    running = RawSmsc()
    yield running
    running.close()


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[MakeDaemon]:
    """Makes daemons that are not started yet, with the standard registry unless another is given."""
    made: list[Daemon] = []

    def make(*smscs: int, more: str = "", registry: tables.Tables | None = None, **limits: Any) -> Daemon:
        folder = tmp_path / f"daemon{len(made)}"
        folder.mkdir()
        daemon = Daemon(folder, smscs, more, tables.standard() if registry is None else registry, **limits)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture(autouse=True)
def close_raw_links(make_daemon: MakeDaemon) -> Iterator[None]:
    """Closes the sockets that the test has opened, before its daemons end: those would wait for an answer to unbind."""
    yield
    while raw.OPEN:
        raw.OPEN.pop().close()


@pytest.fixture
def make_client(make_daemon: MakeDaemon) -> Iterator[MakeClient]:
    """Makes clients by name; they end before the test's daemons."""
    made: list[Client] = []

    def make(name: str) -> Client:
        client = every.client(name)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=every.NAMES)
def client(request: pytest.FixtureRequest, make_client: MakeClient) -> Client:
    """Each of the four clients in turn."""
    return make_client(request.param)


@dataclass(frozen=True, slots=True)
class Between:
    """A daemon that several tests share, and the SMSC behind it."""

    daemon: Daemon
    smsc: NodeSmsc


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Between]:
    """A daemon over the standard registry for a module's tests; the module's SETTINGS are added to its settings."""
    smsc = NodeSmsc()
    more = getattr(request.module, "SETTINGS", "")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), [smsc.port], more, tables.standard())
    try:
        daemon.start()
        yield Between(daemon, smsc)
    finally:
        smsc.release()
        try:
            daemon.stop()
        finally:
            smsc.kill()


@pytest.fixture
def raw_deaf() -> Iterator[RawSmsc]:
    """An SMSC that accepts connections and answers nothing."""
    running = RawSmsc(answer_binds=False)
    yield running
    running.close()
