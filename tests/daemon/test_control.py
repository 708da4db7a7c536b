"""The control socket."""

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portguard.daemon.control import LONGEST_REQUEST, ControlError, ControlServer, Request, ask


def with_server(path: Path, work: Callable[[], Awaitable[None]]) -> None:
    async def echo(request: Request) -> dict[str, Any]:
        return {"said": request.arguments}

    async def refusing(request: Request) -> dict[str, Any]:
        return {"ok": False, "errors": ["ports.csv:3: port: expected digits"]}

    async def broken(request: Request) -> dict[str, Any]:
        raise ValueError("no way")

    async def main() -> None:
        server = ControlServer(path, {"echo": echo, "refusing": refusing, "broken": broken})
        await server.start()
        try:
            async with asyncio.timeout(20):
                await work()
        finally:
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_answers(tmp_path: Path) -> None:
    async def work() -> None:
        assert await asyncio.to_thread(ask, tmp_path, "echo", a=1) == {"ok": True, "said": {"a": 1}}
        refused = await asyncio.to_thread(ask, tmp_path, "refusing")
        assert refused == {"ok": False, "errors": ["ports.csv:3: port: expected digits"]}
        assert await asyncio.to_thread(ask, tmp_path, "broken") == {"ok": False, "error": "broken failed: no way"}
        unknown = await asyncio.to_thread(ask, tmp_path, "stop")
        assert unknown == {"ok": False, "error": "unknown command 'stop'; known are echo, refusing, broken"}
        assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o600

    with_server(tmp_path / "control.sock", work)
    assert not (tmp_path / "control.sock").exists()


def test_folder_deeper_than_an_address_may_be(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def work() -> None:
        assert (await asyncio.to_thread(ask, deep, "echo"))["ok"]

    with_server(deep / "control.sock", work)


def test_socket_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "control.sock"))
    with pytest.raises(ControlError, match=f"no portguard runs with the state folder {tmp_path}"):
        ask(tmp_path, "echo")

    async def work() -> None:
        assert (await asyncio.to_thread(ask, tmp_path, "echo"))["ok"]

    with_server(tmp_path / "control.sock", work)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no portguard runs"):
        ask(tmp_path, "status")


@pytest.mark.parametrize(
    "payload", [b"{}\n", b"nonsense\n", b"\xff\xfe\n", b"[]\n", b"x" * (LONGEST_REQUEST + 100) + b"\n"]
)
def test_unsound_requests_are_refused(tmp_path: Path, payload: bytes) -> None:
    async def work() -> None:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
        writer.write(payload)
        assert (await reader.readline()).startswith(b'{"ok":false,"error":"')
        writer.close()

    with_server(tmp_path / "control.sock", work)
