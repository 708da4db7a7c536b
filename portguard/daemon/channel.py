"""The line between the main process and a worker: frames of msgpack over a Unix stream socket.

Nouns: a *request* is answered, a *push* is not; either may carry sockets, which the other side gets as its own. A frame
is 4 octets of length and [kind, id, name, sockets, body]. Nothing here waits for the other side: what it does not take
is queued up to a bound, and beyond it a push is dropped and a request fails.
"""

import asyncio
import logging
import socket
from array import array
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

LONGEST_FRAME: Final = 64 * 1024 * 1024
MOST_WAITING: Final = 16 * 1024 * 1024
SOCKETS_AT_ONCE: Final = 64
READ_AT_ONCE: Final = 256 * 1024
FRAMES_AT_ONCE: Final = 64

_INT: Final = array("i").itemsize
_ROOM: Final = socket.CMSG_SPACE(SOCKETS_AT_ONCE * _INT)
_REQUEST: Final = 0
_ANSWER: Final = 1
_FAILURE: Final = 2
_PUSH: Final = 3

T = TypeVar("T")

log = logging.getLogger("portguard.daemon")


class ChannelClosed(Exception):
    """The other process has gone, or the channel was closed here."""


class Refused(Exception):
    """The other side could not do what it was asked; `lines` say why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class _Frame(msgspec.Struct, array_like=True, frozen=True):
    kind: int
    id: int
    name: str
    sockets: int
    body: msgspec.Raw


class Said:
    """What a request or push brought: `sockets` are the receiver's to close."""

    def __init__(self, body: bytes, sockets: list[socket.socket]) -> None:
        self._body = body
        self.sockets = sockets

    def read(self, kind: type[T]) -> T:
        """The body as this type. Raises msgspec.ValidationError."""
        return decode(self._body, kind)


Answer = Callable[[Said], Awaitable[Any]]
Hear = Callable[[Said], None]


def encode(value: object) -> bytes:
    """msgpack, with paths as text."""
    return msgspec.msgpack.encode(value, enc_hook=_path_to_text)


def decode(octets: bytes, kind: type[T]) -> T:
    """The inverse of `encode`. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(octets, type=kind, dec_hook=_path_from_text)


class Channel:
    """One end, on the running loop. `requests` and `pushes` by name say what the other side may ask and tell; `closed`
    is called once, when the other side has gone."""

    def __init__(
        self, sock: socket.socket, requests: Mapping[str, Answer], pushes: Mapping[str, Hear],
        closed: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._requests = requests
        self._pushes = pushes
        self._closed = closed
        self._open = True
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._queue: deque[tuple[memoryview, list[socket.socket]]] = deque()
        self._waiting = 0
        self._writing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._came = bytearray()
        self._came_sockets: list[socket.socket] = []
        self._need = 4
        self._in_body = False
        self.dropped = 0
        self._loop.add_reader(sock, self._readable)

    # ---- what is said

    async def ask(
        self, name: str, kind: type[T], body: object = None, *, seconds: float, sockets: Sequence[socket.socket] = (),
    ) -> T:
        """The other side's answer, of type `kind`. `sockets` are the channel's from now on. Raises ChannelClosed,
        Refused, TimeoutError."""
        octets = encode(body)
        if not self._open or self._waiting + len(octets) > MOST_WAITING:
            _close(sockets)
            raise ChannelClosed("the channel is closed" if not self._open else "too much waits to be sent")
        id = next(self._ids)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[id] = answer
        self._send(_REQUEST, id, name, octets, list(sockets))
        try:
            async with asyncio.timeout(seconds):
                return decode(await answer, kind)
        finally:
            self._asked.pop(id, None)

    def push(self, name: str, body: object = None, sockets: Sequence[socket.socket] = ()) -> bool:
        """Tell the other side; False when it is gone or too much waits already. `sockets` are the channel's."""
        octets = encode(body)
        if not self._open or self._waiting + len(octets) > MOST_WAITING:
            self.dropped += 1
            _close(sockets)
            return False
        self._send(_PUSH, 0, name, octets, list(sockets))
        return True

    def close(self) -> None:
        """Let go of the socket; requests under way fail. `closed` is not called."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._forget_queue()
        self._idle.set()
        _close(self._came_sockets)
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ChannelClosed("the other process has gone"))
                answer.exception()  # whoever asked may have been cancelled meanwhile
        self._asked.clear()

    @property
    def room(self) -> bool:
        """Will much more be taken?"""
        return self._open and self._waiting < MOST_WAITING // 2

    async def sent(self) -> None:
        """Until everything said has left, or the channel is closed."""
        await self._idle.wait()

    def _send(self, kind: int, id: int, name: str, body: bytes, sockets: list[socket.socket]) -> None:
        if not self._open:
            return
        frame = encode(_Frame(kind, id, name, len(sockets), msgspec.Raw(body)))
        octets = len(frame).to_bytes(4, "big") + frame
        self._queue.append((memoryview(octets), sockets))
        self._waiting += len(octets)
        if not self._writing:
            self._writable()

    def _writable(self) -> None:
        while self._queue:
            rest, sockets = self._queue[0]
            try:
                if sockets:
                    sent = socket.send_fds(self._socket, [rest], [each.fileno() for each in sockets])
                    _close(sockets)
                else:
                    sent = self._socket.send(rest)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The reader finds the end, and what came before it.
                self._forget_queue()
                break
            self._waiting -= sent
            if sent == len(rest):
                self._queue.popleft()
            else:
                self._queue[0] = rest[sent:], []
        if self._writing is not bool(self._queue):
            self._writing = bool(self._queue)
            if self._writing:
                self._idle.clear()
                self._loop.add_writer(self._socket, self._writable)
            else:
                self._idle.set()
                self._loop.remove_writer(self._socket)

    def _forget_queue(self) -> None:
        for _, sockets in self._queue:
            _close(sockets)
        self._queue.clear()

    # ---- what is heard

    def _readable(self) -> None:
        for _ in range(FRAMES_AT_ONCE):
            try:
                if not self._read_frame():
                    return
            except (OSError, EOFError, msgspec.DecodeError) as error:
                if not isinstance(error, EOFError | ConnectionError):
                    log.error("the channel to another process broke", extra={"reason": str(error)})
                self._gone()
                return

    def _read_frame(self) -> bool:
        """Read on; True when there may be more. Not an octet beyond the frame is read: its sockets come with it."""
        try:
            wanted = min(self._need - len(self._came), READ_AT_ONCE)
            # Not socket.recv_fds, which forgets its flags: what came would be inherited by every process started here.
            data, ancillary, flags, _ = self._socket.recvmsg(wanted, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return False
        for level, kind, octets in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array("i", octets[: len(octets) // _INT * _INT])
                self._came_sockets += [socket.socket(fileno=number) for number in numbers]
        if flags & socket.MSG_CTRUNC:
            log.error("out of descriptors: what another process handed over is lost")
        if not data:
            raise EOFError
        self._came += data
        if len(self._came) < self._need:
            return True
        came, self._came = bytes(self._came), bytearray()
        if not self._in_body:
            self._need, self._in_body = int.from_bytes(came, "big"), True
            if not 0 < self._need <= LONGEST_FRAME:
                raise OSError(f"a frame of {self._need} octets")
            return True
        self._need, self._in_body = 4, False
        sockets, self._came_sockets = self._came_sockets, []
        self._take(decode(came, _Frame), sockets)
        return self._open

    def _take(self, frame: _Frame, sockets: list[socket.socket]) -> None:
        said = Said(bytes(frame.body), sockets)
        if frame.kind == _REQUEST:
            work = self._loop.create_task(self._answer(frame, said))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
        elif frame.kind == _PUSH:
            hear = self._pushes.get(frame.name)
            try:
                if hear is None or len(sockets) < frame.sockets:
                    _close(sockets)
                else:
                    hear(said)
            except Exception:
                log.exception("what another process said could not be taken", extra={"about": frame.name})
        else:
            answer = self._asked.pop(frame.id, None)
            if answer is None or answer.done():
                return
            if frame.kind == _ANSWER:
                answer.set_result(bytes(frame.body))
            else:
                answer.set_exception(Refused(said.read(list[str])))

    async def _answer(self, frame: _Frame, said: Said) -> None:
        kind, body = _ANSWER, b""
        try:
            work = self._requests.get(frame.name)
            if work is None:
                raise Refused([f"unknown request {frame.name!r}"])
            if len(said.sockets) < frame.sockets:
                raise Refused(["out of descriptors"])
            body = encode(await work(said))
            if len(body) > LONGEST_FRAME - 1024:
                raise Refused([f"the answer to {frame.name} is too long"])
        except Refused as error:
            _close(said.sockets)
            kind, body = _FAILURE, encode(error.lines)
        except Exception as error:
            _close(said.sockets)
            log.exception("a request of another process failed", extra={"request": frame.name})
            kind, body = _FAILURE, encode([f"{frame.name}: {type(error).__name__}: {error}"])
        self._send(kind, frame.id, "", body, [])

    def _gone(self) -> None:
        if self._open:
            self.close()
            self._closed()


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _path_to_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be sent")


def _path_from_text(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{kind.__name__} cannot be received")
