"""The channel between processes: requests, pushes, sockets handed over, bounds, and the other side's end."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from portguard.daemon import channel as module
from portguard.daemon.channel import Channel, ChannelClosed, Refused, Said
from tests.net.loopback import on_uvloop, until

ANYTHING: Any = Any


class Ends:
    """Two channels over one socketpair; `far` answers, and notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.taken: list[socket.socket] = []
        self.noted: list[socket.socket] = []
        self.closed: list[str] = []
        self.release = asyncio.Event()
        one, other = socket.socketpair()
        self.near = Channel(one, {}, {}, lambda: self.closed.append("near"))
        requests = {"double": self.double, "refuse": self.refuse, "break": self.broken, "wait": self.wait}
        self.far = Channel(
            other, {**requests, "take": self.take}, {"note": self.note}, lambda: self.closed.append("far")
        )

    async def double(self, said: Said) -> int:
        return said.read(int) * 2

    async def refuse(self, said: Said) -> None:
        raise Refused(["a.csv:1: no", "a.csv:2: no"])

    async def broken(self, said: Said) -> None:
        raise ValueError("broken")

    async def wait(self, said: Said) -> str:
        await self.release.wait()
        return "released"

    async def take(self, said: Said) -> int:
        self.taken += said.sockets
        return len(said.sockets)

    def note(self, said: Said) -> None:
        self.heard.append(said.read(ANYTHING))
        self.noted += said.sockets


def on_ends(work: Callable[[Ends], Awaitable[None]]) -> None:
    async def main() -> None:
        ends = Ends()
        try:
            await work(ends)
        finally:
            ends.near.close()
            ends.far.close()
            for sock in (*ends.taken, *ends.noted):
                sock.close()

    on_uvloop(main())


def test_requests_are_answered_each_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    async def work(ends: Ends) -> None:
        waiting = asyncio.ensure_future(ends.near.ask("wait", str, seconds=20))
        assert await ends.near.ask("double", int, 21, seconds=20) == 42
        with pytest.raises(Refused) as refused:
            await ends.near.ask("refuse", object, seconds=20)
        assert refused.value.lines == ["a.csv:1: no", "a.csv:2: no"]
        with pytest.raises(Refused, match="break: ValueError: broken"):
            await ends.near.ask("break", object, seconds=20)
        with pytest.raises(Refused, match="unknown request 'sing'"):
            await ends.near.ask("sing", object, seconds=20)
        with pytest.raises(TimeoutError):
            await ends.near.ask("wait", str, seconds=0.01)
        ends.release.set()
        assert await waiting == "released"

    on_ends(work)
    assert "a request of another process failed" in caplog.text


def test_paths_and_large_bodies_pass() -> None:
    async def work(ends: Ends) -> None:
        body = [Path("/a/b"), os.urandom(3 * module.READ_AT_ONCE)]
        assert ends.near.push("note", body)
        await until(lambda: ends.heard)
        assert ends.heard == [["/a/b", body[1]]]

    on_ends(work)


def test_sockets_are_handed_over_to_the_one_they_were_meant_for() -> None:
    async def work(ends: Ends) -> None:
        mine, theirs = socket.socketpair()
        also_mine, also_theirs = socket.socketpair()
        asked = asyncio.ensure_future(ends.near.ask("take", int, b"x" * 500_000, seconds=20, sockets=[theirs]))
        await asyncio.sleep(0)
        ends.near.push("note", 1)
        ends.near.push("note", 2, [also_theirs])
        assert await asked == 1
        await until(lambda: ends.noted)
        with mine, also_mine:
            for sock, came in ((mine, ends.taken[0]), (also_mine, ends.noted[0])):
                sock.sendall(b"hello")
                assert came.recv(5) == b"hello"
                assert not came.get_inheritable()
        assert (theirs.fileno(), also_theirs.fileno()) == (-1, -1)

    on_ends(work)


def test_the_other_side_is_gone() -> None:
    async def work(ends: Ends) -> None:
        asked = asyncio.ensure_future(ends.near.ask("wait", str, seconds=20))
        await asyncio.sleep(0)
        ends.far.close()
        with pytest.raises(ChannelClosed):
            await asked
        assert ends.closed == ["near"]
        assert not ends.near.push("note")
        with pytest.raises(ChannelClosed):
            await ends.near.ask("double", int, 1, seconds=20)
        await ends.near.sent()

    on_ends(work)


def test_what_was_said_before_the_end_arrives() -> None:
    async def work(ends: Ends) -> None:
        for number in range(500):
            ends.near.push("note", number)
        await ends.near.sent()
        ends.near.close()
        await until(lambda: ends.closed)
        assert ends.heard == list(range(500))

    on_ends(work)


def test_a_side_that_does_not_read_costs_a_bounded_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1_000_000)

    async def work(ends: Ends) -> None:
        taken = [ends.near.push("note", b"x" * 100_000) for _ in range(200)]
        assert 0 < taken.count(True) < 100
        assert ends.near.dropped == taken.count(False)
        with pytest.raises(ChannelClosed, match="too much waits"):
            await ends.near.ask("double", int, b"x" * 100_000, seconds=20)
        await until(lambda: len(ends.heard) == taken.count(True))
        assert await ends.near.ask("double", int, 1, seconds=20) == 2

    on_ends(work)


@pytest.mark.parametrize("octets", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x03abc", b"\0\0\0\x01\x90"])
def test_nonsense_closes_it(octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        closed: list[bool] = []
        channel = Channel(one, {}, {}, lambda: closed.append(True))
        with other:
            other.sendall(octets)
            await until(lambda: closed)
        channel.close()

    on_uvloop(main())
    assert "the channel to another process broke" in caplog.text


def test_a_push_that_fails_is_said_and_the_next_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        numbers: list[int] = []
        near = Channel(one, {}, {}, lambda: None)
        far = Channel(other, {}, {"note": lambda said: numbers.append(said.read(int))}, lambda: None)
        for body in ("no number", 1):
            near.push("note", body)
        near.push("unknown", 2)
        near.push("note", 3)
        await until(lambda: len(numbers) == 2)
        assert numbers == [1, 3]
        near.close()
        far.close()

    on_uvloop(main())
    assert "what another process said could not be taken" in caplog.text


def test_octets_of_a_frame_may_come_one_at_a_time() -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        heard: list[int] = []
        channel = Channel(one, {}, {"note": lambda said: heard.append(said.read(int))}, lambda: None)
        frame = module.encode([3, 0, "note", 0, 7])
        with other:
            for octet in struct.pack(">I", len(frame)) + frame:
                other.send(bytes([octet]))
                await asyncio.sleep(0)
            await until(lambda: heard)
        assert heard == [7]
        channel.close()

    on_uvloop(main())
