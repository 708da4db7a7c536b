"""`portguard reload` and `run`, against a real control socket and against none."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from portguard.cli.root import portguard
from portguard.daemon.control import ControlServer, Request
from tests.cli.table import node
from tests.policy.registry import TABLES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A portguard.toml beside the tests' registry."""
    return node(tmp_path, TABLES)


def reload(config: Path, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(portguard, ["reload", "-c", str(config), *arguments])


async def answered(config: Path, answer: dict[str, Any], *arguments: str) -> Result:
    """Run the command beside a control socket that gives this answer."""

    async def command(request: Request) -> dict[str, Any]:
        return answer

    commands: dict[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {"reload": command}
    state = config.parent / "state"
    state.mkdir(exist_ok=True)
    server = ControlServer(state / "control.sock", commands)
    await server.start()
    try:
        return await asyncio.to_thread(reload, config, *arguments)
    finally:
        server.close()


def outcome(result: str, **more: Any) -> dict[str, Any]:
    """What the daemon answers."""
    return {
        "ok": result in ("success", "unchanged"), "result": result, "revision": "0123456789abcdef", "errors": [],
        "warnings": [], "counts": {}, "seconds": 0.5, **more,
    }


async def test_taken_up(config: Path) -> None:
    found = await answered(config, outcome("success", warnings=["ports.csv:2: port: odd"]))
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == "warning: ports.csv:2: port: odd\nrevision 0123456789abcdef serves now (after 0.5 s)\n"


async def test_unchanged(config: Path) -> None:
    found = await answered(config, outcome("unchanged"))
    assert (found.exit_code, found.stdout) == (0, "nothing changed; revision 0123456789abcdef serves\n")


async def test_refused(config: Path) -> None:
    found = await answered(config, outcome("refused", errors=["ports.csv:2: port: bad", "ports.csv:3: port: bad"]))
    assert (found.exit_code, found.stdout) == (1, "ports.csv:2: port: bad\nports.csv:3: port: bad\n")
    assert found.stderr == "refused; revision 0123456789abcdef goes on serving\n"


async def test_failed(config: Path) -> None:
    found = await answered(config, outcome("failed", errors=["disk full"]))
    assert (found.exit_code, found.stdout) == (1, "disk full\n")


async def test_json(config: Path) -> None:
    answer = outcome("refused", errors=["ports.csv:2: port: bad"])
    found = await answered(config, answer, "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (1, answer)


def test_no_daemon(config: Path) -> None:
    found = reload(config)
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr == f"Error: no portguard runs with the state folder {config.parent / 'state'}\n"


def test_a_socket_that_a_dead_daemon_left(config: Path) -> None:
    state = config.parent / "state"
    state.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(state / "control.sock"))
    found = reload(config)
    assert (found.exit_code, "no portguard runs" in found.stderr) == (1, True)


def test_broken_settings(config: Path) -> None:
    config.write_text("[listen]\n", encoding="utf-8")
    found = reload(config)
    assert (found.exit_code, f"{config}: smsc: is missing" in found.stderr) == (1, True)


def test_run_says_every_error_of_the_settings(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config.write_text("[listen]\naddress = 5\n", encoding="utf-8")
    found = CliRunner().invoke(portguard, ["run", "-c", str(config)])
    assert found.exit_code == 1
    said = found.stderr + capfd.readouterr().err
    assert "listen.address: " in said
    assert "registry: is missing" in said
