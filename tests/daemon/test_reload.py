"""Reloads, edits and rollbacks of one node, with the real processes and a list in the place of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portguard.daemon.builder import build
from portguard.daemon.reload import Outcome, Reloader, ServeError
from portguard.daemon.state import StateFolder
from portguard.net.options import ListenOptions
from portguard.registry.content import content_digest
from portguard.registry.edit import Edit
from portguard.registry.image import Image
from portguard.registry.options import RegistryOptions
from portguard.settings.node import NodeOptions
from portguard.settings.schema import Settings
from tests.registry.folder import sound, write


class Node:
    """A registry, a state folder, and what was taken into service."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "registry"
        self.tables = sound()
        write(self.folder, self.tables)
        self.settings = Settings(
            node=NodeOptions(state=place / "state"), listen=ListenOptions(), smsc=[],
            registry=RegistryOptions(self.folder, priority="low"),
        )
        self.served: list[str] = []
        self.heard: list[tuple[str, str, str]] = []
        self.refuse = False
        self.start()

    def start(self) -> None:
        """A process begins."""
        self.state = StateFolder(self.settings.node.state)
        self.state.open()
        self.reloader = Reloader(self.settings, self.state, self._serve)
        self.reloader.changed = lambda before, why, outcome: self.heard.append((before, why, outcome.revision))

    def restart(self) -> None:
        self.state.close()
        self.start()

    async def _serve(self, image: Image) -> None:
        image.close()
        if self.refuse:
            raise ServeError(["worker 1: no"])
        self.served.append(image.meta.digest)

    def tps(self, number: int) -> None:
        """Change a row by hand."""
        self.tables["accounts"][0]["tps"] = str(number)
        write(self.folder, self.tables)

    async def reload(self, why: str = "control", **how: Any) -> str:
        outcome = await self.reloader.reload(why, **how)
        assert outcome.revision == self.reloader.revision
        return outcome.result

    async def revisions(self, count: int) -> list[str]:
        """So many different revisions, served one after the other."""
        for number in range(1, count + 1):
            self.tps(number)
            assert await self.reload() == "success"
        return list(self.served)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.state.close()


def suspend(signature: str = "青芽茶业") -> Edit:
    return Edit("change", "signatures", {"signature": signature}, {"status": "suspended"})


@pytest.mark.slow
async def test_back_and_on(node: Node) -> None:
    first, second, third = await node.revisions(3)
    outcome = await node.reloader.rollback("", "alice")
    assert (outcome.result, outcome.revision, bool(outcome.counts)) == ("success", second, True)
    held = node.reloader.history.rollback
    assert held is not None
    assert (held.revision, held.before, held.why) == (second, third, "alice")
    # What is noticed is no news; it is when somebody asks.
    assert await node.reload("change", noticed=True) == "held"
    assert node.reloader.revision == second
    assert (await node.reloader.rollback("", "alice")).revision == first
    outcome = await node.reloader.rollback("", "alice")
    assert (outcome.result, outcome.errors) == ("refused", ["no revision from before the present one is kept"])
    assert await node.reload() == "success"
    assert (node.reloader.revision, node.reloader.history.rollback) == (third, None)
    assert node.served == [first, second, third, second, first, third]
    assert node.heard[-1] == (first, "control", third)


async def test_by_name(node: Node) -> None:
    first, second = await node.revisions(2)
    outcome = await node.reloader.rollback("zz", "alice")
    assert outcome.errors == [f"no revision 'zz' is kept; there are {second}, {first}"]
    assert (await node.reloader.rollback(first[:6], "alice")).revision == first
    assert (await node.reloader.rollback(first, "alice")).result == "unchanged"
    assert (await node.reloader.rollback(second, "alice")).result == "success"


@pytest.mark.slow
async def test_nowhere_to_go_back_to_is_no_reload_that_was_refused(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    (first,) = await node.revisions(1)
    for name, said in (("", "no revision from before"), ("zz", "no revision 'zz' is kept")):
        outcome = await node.reloader.rollback(name, "alice")
        assert (outcome.result, outcome.revision) == ("refused", first)
        assert outcome.errors[0].startswith(said)
    assert node.reloader.results == {"success": 1, "refused": 0, "failed": 0}
    assert node.reloader.latest is not None
    assert node.reloader.latest.result == "success"
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "no rollback")] * 2


@pytest.mark.slow
async def test_it_ends_when_the_files_change(node: Node) -> None:
    first, _ = await node.revisions(2)
    await node.reloader.rollback("", "alice")
    node.tps(3)
    assert await node.reload("change", noticed=True) == "success"
    assert node.reloader.history.rollback is None
    # And when they change to what serves already.
    await node.reloader.rollback(first, "alice")
    node.tps(1)
    assert await node.reload("change", noticed=True) == "unchanged"
    assert (node.reloader.revision, node.reloader.history.rollback) == (first, None)


@pytest.mark.slow
async def test_it_outlasts_a_restart(node: Node) -> None:
    first, second = await node.revisions(2)
    await node.reloader.rollback("", "alice")
    node.restart()
    assert await node.reload("start") == "success"
    assert (node.reloader.revision, node.reloader.history.line) == (first, [first])
    assert await node.reload("change", noticed=True) == "held"
    node.restart()
    node.tps(4)
    assert await node.reload("start") == "success"
    assert node.reloader.revision not in (first, second)
    assert node.reloader.history.rollback is None


async def test_a_restart_without_the_image_serves_the_folder(node: Node) -> None:
    first, second = await node.revisions(2)
    await node.reloader.rollback("", "alice")
    node.restart()
    (node.state.revisions / first / "registry.image").write_bytes(b"damaged")
    assert await node.reload("start") == "success"
    assert (node.reloader.revision, node.reloader.history.rollback) == (second, None)


@pytest.mark.slow
async def test_another_zones_revision_is_not_gone_back_to(node: Node) -> None:
    first, second = await node.revisions(2)
    node.settings = Settings(
        node=NodeOptions(state=node.settings.node.state, timezone="UTC"), listen=ListenOptions(), smsc=[],
        registry=node.settings.registry,
    )
    node.restart()
    await node.reload("start")
    outcome = await node.reloader.rollback(first, "alice")
    assert outcome.errors == [f"revision {first} was built for another node.timezone or node.country"]
    assert (node.reloader.results["refused"], node.reloader.results["failed"]) == (0, 0)
    assert node.reloader.revision not in (first, second)


async def test_workers_that_refuse_change_nothing(node: Node) -> None:
    _, second = await node.revisions(2)
    node.refuse = True
    outcome = await node.reloader.rollback("", "alice")
    assert (outcome.result, outcome.errors) == ("failed", ["worker 1: no"])
    assert (node.reloader.revision, node.reloader.history.rollback) == (second, None)
    node.refuse = False
    assert (await node.reloader.rollback("", "alice")).result == "success"


@pytest.mark.slow
async def test_a_reload_that_is_under_way_gives_way_to_a_rollback(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await node.revisions(2)
    building, go = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **how: Any) -> Any:
        building.set()
        await go.wait()
        return await build(*arguments, **how)

    monkeypatch.setattr("portguard.daemon.reload.build", slow)
    node.tps(3)
    under_way = asyncio.create_task(node.reloader.reload("control"))
    await building.wait()
    assert (await node.reloader.rollback("no such", "alice")).result == "refused"
    assert (await node.reloader.rollback("", "alice")).revision == first
    go.set()
    outcome: Outcome = await under_way
    assert outcome.errors == ["a rollback came in between: reload again to have the folder served"]
    assert node.reloader.revision == first
    # The folder had changed already when somebody went back.
    assert await node.reload("change", noticed=True) == "held"
    assert await node.reload() == "success"


async def test_an_edit_serves_without_a_second_build(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = await node.revisions(1)

    async def never(*arguments: Any, **how: Any) -> Any:
        raise AssertionError("built once more")

    monkeypatch.setattr("portguard.daemon.reload.build", never)
    made, outcome = await node.reloader.edit(suspend(), "alice")
    assert outcome is not None
    assert (made.result, outcome.result, outcome.revision) == ("done", "success", made.revision)
    assert made.revision != first
    assert "suspended" in (node.folder / "signatures.csv").read_text("utf-8")
    # The watcher comes after it and finds nothing to do.
    assert await node.reload("change", noticed=True) == "unchanged"
    assert node.heard[-1] == (first, "alice", made.revision)


@pytest.mark.slow
async def test_an_edit_that_is_refused_changes_nothing(node: Node) -> None:
    (first,) = await node.revisions(1)
    before = content_digest(node.folder)
    made, outcome = await node.reloader.edit(Edit("remove", "signatures", {"signature": "青芽茶业"}), "alice")
    assert (made.result, outcome) == ("refused", None)
    made, outcome = await node.reloader.edit(suspend(), "alice", dry_run=True)
    assert (made.result, outcome) == ("checked", None)
    assert (content_digest(node.folder), node.reloader.revision) == (before, first)


async def test_an_edit_beside_a_broken_table_stands_and_is_not_served(node: Node) -> None:
    (first,) = await node.revisions(1)
    node.tables["ports"][0]["holder"] = "nobody"
    write(node.folder, node.tables)
    made, outcome = await node.reloader.edit(suspend(), "alice")
    assert (made.result, outcome) == ("refused", None)
    assert any("nobody" in line for line in made.errors)
    assert node.reloader.revision == first


@pytest.mark.slow
async def test_edits_at_once(node: Node) -> None:
    await node.revisions(1)
    rows = [Edit("add", "signatures", row={"signature": f"新茶{n}", "enterprise": "tea"}) for n in range(4)]
    found = await asyncio.gather(*(node.reloader.edit(row, "alice") for row in rows))
    assert [made.result for made, _ in found] == ["done"] * 4
    image = Image(node.state.revisions / node.reloader.revision)
    assert all(image.signatures(f"新茶{n}") for n in range(4))
    image.close()


@pytest.mark.slow
async def test_a_candidate_is_built_and_not_served(node: Node) -> None:
    (first,) = await node.revisions(1)
    node.tps(9)
    built = await node.reloader.candidate()
    assert (node.reloader.revision, node.served) == (first, [first])
    assert built.revision != first
    assert (await node.reloader.candidate()).revision == built.revision
    assert await node.reload() == "success"
    assert node.reloader.revision == built.revision
    node.tables["ports"][0]["holder"] = "nobody"
    write(node.folder, node.tables)
    assert (await node.reloader.candidate()).errors
