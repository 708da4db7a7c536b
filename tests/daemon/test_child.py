"""Children: started, started again, given up, ended."""

import asyncio
import socket
from pathlib import Path

import pytest

from portguard.daemon import child as module
from portguard.daemon.child import CRASH_SECONDS, CRASHES, LONGEST_DELAY, Backoff, Child, CrashLoop
from tests.net.loopback import on_uvloop

PROGRAM = str(Path(__file__).with_name("child_main.py"))


class Kept:
    """A child of the small program, and what was told of it."""

    def __init__(self, **environment: str) -> None:
        self.ends: list[int] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.sock = socket.socket()
        self.child = Child("the child", [PROGRAM, "first"], self._sockets, self._began, self.ends.append, environment)

    def _sockets(self) -> list[socket.socket]:
        self.sock.close()
        self.sock, other = socket.socketpair()
        self.sock.setblocking(False)
        return [other]

    def _began(self) -> None:
        self.begun.put_nowait(self.child.pid)

    async def say(self, octets: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, octets)
        return await loop.sock_recv(self.sock, 100)


def test_starts_again_with_new_sockets_and_ends_when_let_go() -> None:
    async def main() -> None:
        kept = Kept()
        await kept.child.start()
        keeping = asyncio.ensure_future(kept.child.keep())
        first = await kept.begun.get()
        assert await kept.say(b"hello") == b"hello"
        assert await kept.say(b"die") == b""
        second = await kept.begun.get()
        assert second not in (0, first)
        assert await kept.say(b"again") == b"again"
        assert await kept.say(b"exit 3") == b""
        await kept.begun.get()
        assert kept.ends == [-9, 3]
        assert kept.child.lives == 3
        kept.child.stopping()
        kept.sock.close()
        await kept.child.stop(20)
        await keeping
        assert kept.ends == [-9, 3, 0]
        assert kept.child.pid == 0

    on_uvloop(main())


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the environment of another process is in /proc")
def test_what_it_is_given_for_its_environment_gives_way_to_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTGUARD_TEST_ONE", "of the operator")
    found: list[bytes] = []

    async def main() -> None:
        kept = Kept(PORTGUARD_TEST_ONE="ours", PORTGUARD_TEST_TWO="ours")
        await kept.child.start()
        assert await kept.say(b"hello") == b"hello"
        found.extend(_environment(kept.child.pid))
        kept.child.stopping()
        kept.sock.close()
        await kept.child.keep()

    on_uvloop(main())
    assert {one for one in found if one.startswith(b"PORTGUARD_TEST_")} == {
        b"PORTGUARD_TEST_ONE=of the operator", b"PORTGUARD_TEST_TWO=ours",
    }  # fmt: skip


def _environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_one_that_does_not_end_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        kept = Kept()
        await kept.child.start()
        keeping = asyncio.ensure_future(kept.child.keep())
        await kept.child.stop(0.05)
        await keeping
        assert kept.ends == [-9]
        kept.sock.close()

    on_uvloop(main())
    assert "did not end in time and was killed" in caplog.text


def test_crash_loop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)

    async def main() -> None:
        kept = Kept()
        await kept.child.start()
        keeping = asyncio.ensure_future(kept.child.keep())
        for _ in range(CRASHES):
            await kept.begun.get()
            kept.child.kill()
        with pytest.raises(CrashLoop, match=rf"the child ended {CRASHES} times within 60 s, last by signal 9; giving"):
            await keeping
        kept.sock.close()

    on_uvloop(main())


def test_back_off_grows_and_is_forgotten() -> None:
    backoff = Backoff()
    delays = [backoff.ended(float(second)) for second in range(CRASHES)]
    assert delays[-1] is None
    assert delays[:3] == [0.1, 0.2, 0.4]
    backoff = Backoff()
    rare = [backoff.ended(number * CRASH_SECONDS / 2.5) for number in range(50)]
    assert all(delay is not None and delay <= LONGEST_DELAY for delay in rare)
    assert backoff.ended(1e6) == 0.1
