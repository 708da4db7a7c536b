"""What the main process asks of its workers: real processes, an SMSC and ESMEs of the simulator around them."""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import monotonic, time

import pytest

from portguard.daemon import serving
from portguard.daemon.acceptor import Acceptor
from portguard.daemon.orders import Chunk, RecentPage, packed, unpacked
from portguard.daemon.reload import ServeError
from portguard.daemon.shards import shard
from portguard.daemon.state import StateFolder
from portguard.daemon.workers import Workers
from portguard.net.exchange import Exchange
from portguard.net.link import Link
from portguard.net.listener import bound_sockets
from portguard.policy.restraint import Restraint
from portguard.policy.tally import TallyRow
from portguard.registry.image import Image
from portguard.relay.flow import Recent
from portguard.relay.pair import Pair
from portguard.settings.load import load
from portguard.sim.esme import Esme, EsmeOptions
from portguard.sim.message import Message
from portguard.sim.smsc import Smsc
from portguard.smpp import constants as c
from tests.net.loopback import on_uvloop, until
from tests.policy.folder import Tables, image

pytestmark = pytest.mark.slow

WORKERS = 2
ONE = "one"
OTHER = next(f"other{n}" for n in range(100) if shard(f"other{n}", WORKERS) != shard(ONE, WORKERS))
TABLES: Tables = {
    "enterprises": [{"id": ONE, "kind": "sp"}, {"id": OTHER, "kind": "sp"}],
    "accounts": [{"system_id": "a", "enterprise": ONE}, {"system_id": "b", "enterprise": OTHER}],
    "ports": [{"port": "10691", "holder": ONE}, {"port": "10692", "holder": OTHER}],
}
SETTINGS = """
[node]
workers = {workers}
[listen]
address = "127.0.0.1:0"
[[smsc]]
name = "sim"
address = "{smsc}"
[registry]
path = "registry"
[policy]
mode = "enforce"
[policy.rules]
consent_missing = {{action = "allow"}}
optout_hint_missing = {{action = "allow"}}
{more}
"""


class Node:
    """The main process's part: workers, and whoever lets ESMEs in."""

    def __init__(self, folder: Path, smsc: Smsc, on_file: Image, more: str) -> None:
        path = folder / "portguard.toml"
        path.write_text(SETTINGS.format(workers=WORKERS, smsc=smsc.address, more=more))
        self.settings = load(path)
        self.image = on_file
        self.folder = folder
        self.workers = Workers(self.settings, StateFolder(folder), [], 100)
        self.acceptor = Acceptor(self.workers, self.settings.listen, self._enterprise_of, 100, 100)
        self.esmes: list[Esme] = []

    def _enterprise_of(self, system_id: str) -> str:
        account = self.image.account(system_id)
        return account.enterprise if account is not None else ""

    async def esme(self, account: str) -> Esme:
        port = int(self.acceptor.listener.addresses[0].rpartition(":")[2])
        made = Esme(EsmeOptions(port=port, system_id=account))
        self.esmes.append(made)
        await made.connect()
        await made.bind()
        return made

    async def revision(self, name: str, tables: Tables) -> None:
        """Serve another one."""
        made = image(self.folder / name, tables)
        await self.workers.serve(made.path, made.meta.digest)
        made.close()


@contextlib.asynccontextmanager
async def running(folder: Path, more: str = "") -> AsyncIterator[Node]:
    on_file = image(folder / "first", TABLES)
    async with Smsc() as smsc:
        node = Node(folder, smsc, on_file, more)
        try:
            await node.workers.start()
            await node.workers.serve(on_file.path, on_file.meta.digest)
            node.acceptor.listener.start(bound_sockets("listen.address", "127.0.0.1:0"))
            yield node
        finally:
            for esme in node.esmes:
                esme.abort()
            node.acceptor.listener.close()
            await node.workers.close()
            on_file.close()


def on_node(folder: Path, work: Callable[[Node], Awaitable[None]], more: str = "") -> None:
    async def main() -> None:
        async with running(folder, more) as node:
            await work(node)

    on_uvloop(main())


def message(account: str, number: int = 0, text: str = "您好") -> Message:
    return Message(account, f"1069{'1' if account == 'a' else '2'}8", f"1391000{number:04}", f"{text}{number}")


def test_restraints_hold_on_every_worker_and_on_one_that_comes_back(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        a, b = await node.esme("a"), await node.esme("b")
        assert (await a.submit(message("a"))).status == 0
        until_when = time() + 3600
        await node.workers.restrain(
            [Restraint("port", "10691", "suspend", until_when), Restraint("port", "10692", "suspend", until_when)]
        )
        for esme, account in ((a, "a"), (b, "b")):
            await _until_status(esme, account, c.ESME_RSUBMITFAIL)
        member = node.workers.members[shard(ONE, WORKERS) - 1]
        os.kill(member.child.pid, signal.SIGKILL)
        await until(lambda: member.child.lives == 2 and member.serving)
        again = await node.esme("a")
        assert (await again.submit(message("a"))).status == c.ESME_RSUBMITFAIL
        await node.workers.restrain([])
        await _until_status(again, "a", 0)
        await _until_status(b, "b", 0)

    on_node(tmp_path, work)


async def _until_status(esme: Esme, account: str, status: int) -> None:
    """A push is not answered: what comes right behind it may still be judged as before."""
    for _ in range(1000):
        if (await esme.submit(message(account))).status == status:
            return
    raise AssertionError(f"never {status:#x}")


async def recent(node: Node, limit: int) -> list[Chunk]:
    return [chunk async for page in node.workers.recent(limit) for chunk in unpacked(page)]


def test_recent_traffic_of_both_in_the_order_of_time(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        esmes = {name: await node.esme(name) for name in ("a", "b")}
        for number in range(20):
            for name, esme in esmes.items():
                await esme.submit(message(name, number, "x" * 60))
        chunks = sorted(await recent(node, 1000), key=lambda chunk: chunk.at)
        assert [chunk.account for chunk in chunks] == ["a", "b"] * 20
        assert all(abs(chunk.at - time()) < 60 for chunk in chunks)
        assert chunks[0].data[4:8] == b"\0\0\0\4"
        assert len(await recent(node, 5)) == 10
        assert await recent(node, 0) == []

    on_node(tmp_path, work)


def test_recent_traffic_comes_in_pages_while_more_of_it_comes() -> None:
    class Relay:
        recent = Recent(1000, 1 << 22)

    def arrive(first: int, end: int) -> None:
        for number in range(first, end):
            Relay.recent.add("a", float(number), b"x" * 1000)

    paged = serving.Serving.__new__(serving.Serving)
    paged.relay = Relay()  # type: ignore[assignment]
    assert paged.kept() == (1, 0)
    assert paged.recent(1, 0) == RecentPage(packed([]), -1)
    arrive(1, 1201)
    assert paged.kept() == (201, 1200)
    found, at, pages = [], 501, 0
    while at >= 0:
        page = paged.recent(at, 1200)
        chunks = unpacked(page.chunks)
        assert sum(len(chunk.data) for chunk in chunks) <= serving.PAGE_OCTETS + 1000
        found += chunks
        at = page.next
        # What comes meanwhile is not told, and pushes nothing out of the rest until it reaches it.
        arrive(1201 + 10 * pages, 1211 + 10 * pages)
        pages += 1
    assert [chunk.at for chunk in found] == [float(n) for n in range(501, 1201)]
    assert pages == -(-700 // (serving.PAGE_OCTETS // 1000 + 1))
    # Of what was pushed out, the rest is told.
    arrive(2000, 2900)
    oldest, newest = paged.kept()
    assert newest - oldest == 999
    (first, *_) = unpacked(paged.recent(1, newest).chunks)
    assert first.at == float(unpacked(paged.recent(oldest, oldest).chunks)[0].at)
    assert paged.recent(1, oldest - 1) == RecentPage(packed([]), -1)


def test_many_sessions_come_in_pages() -> None:
    links = [Link.__new__(Link) for _ in range(2 * serving.SESSIONS_AT_ONCE + 1)]
    for number, link in enumerate(links):
        link.number, link.peer, link._smsc = number, "192.0.2.1", None
        link.pair = Pair("192.0.2.1", monotonic()) if number != 7 else None
    paged = serving.Serving.__new__(serving.Serving)
    paged.exchange = Exchange.__new__(Exchange)
    paged.exchange.links = set(links)
    found, at, pages = [], 0, 0
    while at >= 0:
        page = paged.sessions(at, str)
        found += page.sessions
        at = page.next
        pages += 1
    assert {session.id for session in found} == {str(link.number) for link in links} - {"7"}
    assert len(found) == len(links) - 1
    assert pages == 3


def test_sessions_are_listed_and_closed_one_by_one(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        a, b = await node.esme("a"), await node.esme("b")
        sessions = {session.account: session for session in await node.workers.sessions()}
        assert set(sessions) == {"a", "b"}
        for account, worker in (("a", shard(ONE, WORKERS)), ("b", shard(OTHER, WORKERS))):
            session = sessions[account]
            assert (session.peer, session.state, session.smsc) == ("127.0.0.1", "bound_trx", "sim")
            assert session.worker == worker
            assert session.owed == 0
            assert abs(session.bound_since - time()) < 60
        assert not await node.workers.close_session("1-1")
        assert not await node.workers.close_session("nonsense")
        assert not await node.workers.close_session(sessions["a"].id + "000")
        assert await node.workers.close_session(sessions["a"].id)
        await until(lambda: not a.connected)
        assert (await b.submit(message("b"))).status == 0
        assert node.workers.members[sessions["b"].worker - 1].given == 1

    on_node(tmp_path, work)


def test_tallies_are_told_while_somebody_listens(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        found: list[TallyRow] = []
        a, b = await node.esme("a"), await node.esme("b")
        node.workers.on_tallies = found.extend
        # The push arrives before what is sent now: each worker has answered what was asked behind it.
        await node.workers.status()
        for number in range(3):
            await a.submit(message("a", number))
            await b.submit(message("b", number))
        async with asyncio.timeout(20):
            while sum(row.submitted for row in found) < 6:  # noqa: ASYNC110 - rows come when a sweep is due
                await asyncio.sleep(0.05)
        by_account = {account: [row for row in found if row.account == account] for account in ("a", "b")}
        for account, rows in by_account.items():
            assert sum(row.submitted for row in rows) == 3
            assert {row.number for row in rows} == {message(account).source_addr}
            assert any(row.sample for row in rows)

    on_node(tmp_path, work)


def test_the_last_sender_is_known_through_whichever_worker(tmp_path: Path) -> None:
    more = '[consent]\npath = "consent"'
    tables = {
        **TABLES, "ports": [{"port": "1069", "holder": ONE}],
        "subleases": [{"port": "1069", "lessor": ONE, "lessee": OTHER}],
    }
    sale = "双十一大促全场五折，满300减50，限时抢购优惠券，退订回T"

    async def work(node: Node) -> None:
        assert await node.workers.last_sender("10697", "8613910000000") == ""
        await node.revision("shared", tables)
        a, b = await node.esme("a"), await node.esme("b")

        async def offer(esme: Esme) -> None:
            assert (await esme.submit(Message("", "10697", "13910000000", sale))).status == 0

        await offer(a)
        assert await node.workers.last_sender("10697", "8613910000000") == ONE
        # A second is what times are told apart by.
        await asyncio.sleep(1.1)
        await offer(b)
        assert await node.workers.last_sender("10697", "8613910000000") == OTHER
        assert await node.workers.last_sender("10698", "8613910000000") == ""

    on_node(tmp_path, work, more)


def test_counts_are_those_of_both_and_of_who_has_gone(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        async def allowed() -> float:
            counted = {reading.name: reading for reading in await node.workers.counts()}
            return sum(value for labels, value in counted["portguard_messages"].rows if labels[0] == "allow")

        a, b = await node.esme("a"), await node.esme("b")
        for number in range(3):
            await a.submit(message("a", number))
        await b.submit(message("b"))
        assert await allowed() == 4
        member = node.workers.members[shard(ONE, WORKERS) - 1]
        os.kill(member.child.pid, signal.SIGSTOP)
        await b.submit(message("b"))
        assert await allowed() == 5, "what a worker that does not answer said last stands"
        os.kill(member.child.pid, signal.SIGKILL)
        await until(lambda: member.child.lives == 2 and member.serving)
        assert await allowed() == 5
        again = await node.esme("a")
        await again.submit(message("a"))
        assert await allowed() == 6

    on_node(tmp_path, work)


def test_a_revision_is_taken_by_all_or_none(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        victim = node.workers.members[1]
        resource.prlimit(victim.child.pid, resource.RLIMIT_NOFILE, (5, 4096))
        less = {**TABLES, "ports": TABLES["ports"][:1]}
        with pytest.raises(ServeError, match=r"^worker 2: .*Too many open files"):
            await node.revision("second", less)
        b = await node.esme("b") if shard(OTHER, WORKERS) == 1 else None
        if b is not None:
            assert (await b.submit(message("b"))).status == 0
        resource.prlimit(victim.child.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        with pytest.raises(ServeError, match=r"worker 1: .*no registry image"):
            await node.workers.serve(tmp_path / "absent", "0" * 16)
        await node.revision("third", less)
        last = await node.esme("b")
        assert (await last.submit(message("b"))).status == c.ESME_RINVSRCADR

    on_node(tmp_path, work)


def test_a_worker_that_hangs_is_not_waited_for_and_one_that_cannot_swap_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portguard.daemon.workers.PREPARE_SECONDS", 0.5)
    monkeypatch.setattr("portguard.daemon.member.ASK_SECONDS", 0.5)

    async def work(node: Node) -> None:
        member = node.workers.members[0]
        os.kill(member.child.pid, signal.SIGSTOP)
        with pytest.raises(ServeError, match="worker 1 did not open it within"):
            await node.revision("second", {**TABLES, "ports": TABLES["ports"][:1]})
        assert len(await node.workers.sessions()) == 0
        os.kill(member.child.pid, signal.SIGCONT)
        await until(lambda: member.serving)

    on_node(tmp_path, work)


def test_a_worker_that_hangs_for_long_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, seconds in (("workers.COUNT_EVERY", 0.1), ("workers.HANGS_SECONDS", 0.5), ("member.COUNT_SECONDS", 0.1)):
        monkeypatch.setattr(f"portguard.daemon.{name}", seconds)

    async def work(node: Node) -> None:
        member = node.workers.members[0]
        first = member.child.pid
        os.kill(first, signal.SIGSTOP)
        await until(lambda: member.child.lives == 2 and member.serving)
        assert member.child.pid != first
        assert node.workers.members[1].child.lives == 1

    on_node(tmp_path, work)
    assert "worker 1 hangs and is killed" in caplog.text
