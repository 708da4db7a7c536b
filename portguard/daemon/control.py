"""The control socket: `portguard reload` and its like talk to the running daemon over it.

One request and one answer a connection, each a line of JSON. The folder is 0700 and the peer's user must be the
daemon's or root; requests are bounded in size, time and number.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

LONGEST_REQUEST = 64 * 1024
REQUEST_SECONDS = 5.0
CONNECTIONS = 16
# Beyond this a path does not fit a socket's address (108 octets with its NUL).
LONGEST_ADDRESS = 100

log = logging.getLogger("portguard.daemon")

Command = Callable[["Request"], Awaitable[dict[str, Any]]]


class Request(msgspec.Struct, frozen=True):
    """A command by name with what it needs. `user`: the uid of whoever asks, as the kernel says."""

    command: str
    arguments: dict[str, Any] = {}
    user: int = -1


class ControlError(Exception):
    """There is no daemon to ask, or it did not answer; the message says which."""


class NotRunning(ControlError):
    """There is no daemon."""


class ControlServer:
    """Answers requests with its `commands`, by name."""

    def __init__(self, path: Path, commands: dict[str, Command]) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen. The state folder's lock makes sure that an old socket is nobody's. Raises OSError."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        sock.setblocking(False)
        self._path.unlink(missing_ok=True)
        with _short(self._path) as address:
            sock.bind(address)
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=LONGEST_REQUEST)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            answer = await self._answer(reader, writer)
            writer.write(msgspec.json.encode(answer) + b"\n")
            async with asyncio.timeout(REQUEST_SECONDS):
                await writer.drain()
        except (TimeoutError, OSError):
            pass
        finally:
            self._open -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        user = _user(writer)
        if user not in (0, os.geteuid()):
            return _refusal("only the daemon's own user and root may ask")
        if self._open > CONNECTIONS:
            return _refusal("too many requests at once")
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readuntil(b"\n")
            request = msgspec.structs.replace(msgspec.json.decode(line, type=Request), user=user)
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return _refusal("a request is one line of JSON of at most 64 KiB")
        except msgspec.DecodeError as error:
            return _refusal(f"no sound request: {error}")
        command = self._commands.get(request.command)
        if command is None:
            return _refusal(f"unknown command {request.command!r}; known are {', '.join(self._commands)}")
        try:
            return {"ok": True, **await command(request)}
        except Exception as error:
            log.exception("command failed", extra={"command": request.command})
            return _refusal(f"{request.command} failed: {error}")


def ask(state: Path, command: str, seconds: float = 3600.0, **arguments: Any) -> dict[str, Any]:
    """Ask the daemon that runs with this state folder; its answer has "ok". Raises ControlError."""
    path = state / "control.sock"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with sock:
        sock.settimeout(REQUEST_SECONDS)
        try:
            with _short(path) as address:
                sock.connect(address)
            sock.sendall(msgspec.json.encode(Request(command, arguments)) + b"\n")
            sock.settimeout(seconds)
            with sock.makefile("rb") as file:
                answer: dict[str, Any] = msgspec.json.decode(file.readline(), type=dict[str, Any])
                return answer
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no portguard runs with the state folder {state}") from None
        except PermissionError:
            raise ControlError(f"{path}: permission denied; ask as the daemon's user or root") from None
        except TimeoutError:
            raise ControlError(f"portguard did not answer within {seconds:.0f} s") from None
        except (OSError, msgspec.DecodeError) as error:
            raise ControlError(f"{path}: the daemon went away before it answered ({error})") from error


def _user(writer: asyncio.StreamWriter) -> int:
    """The uid of the peer, as the kernel says."""
    sock = writer.get_extra_info("socket")
    _, user, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(user)


def _refusal(reason: str) -> dict[str, Any]:
    return {"ok": False, "error": reason}


@contextlib.contextmanager
def _short(path: Path) -> Any:
    """A name of the socket that fits an address, however deep its folder lies."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
