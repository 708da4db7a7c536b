"""Micro-batches: when sleeping is found worth it, in a model of the load; and on sockets, that writing comes first."""

import random
import select
import socket
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portguard.net.batch import AMPLE, FULL, LOSS, MANY, MORE, PERIOD, QUIET, SAVING, SHORTEST, Batch, Controller
from portguard.net.options import SmscOptions
from tests.net.loopback import echo, on_uvloop, proxy, smsc, until


@dataclass
class Load:
    """What a second of traffic brings and costs: `octets` and `reads` without sleeping, `cost` seconds of CPU an octet;
    sleeping multiplies them, by `cheaper` and, sleeping longer, by `longer` once more. `noise` is the most by which a
    window differs from the average."""

    octets: float = 4e6
    reads: float = 13_000.0
    cost: float = 1e-7
    throughput: float = 1.0
    cheaper: float = 1.0
    longer: float = 1.0
    noise: float = 0.0


class World:
    """A Controller in charge of a model. `octets` and `seconds` are by whether it slept."""

    def __init__(self, seed: int = 1) -> None:
        self.controller = Controller()
        self.now = self.cpu = 0.0
        self.octets = [0.0, 0.0]
        self.reads = self._all = self.long = 0.0
        self.seconds = [0.0, 0.0]
        self._pause = self.controller.step(0.0, 0.0, 0, 0)
        self._random = random.Random(seed)

    def live(self, load: Load, seconds: float) -> None:
        """Let that much time go by."""
        until_ = self.now + seconds
        while self.now < until_:
            on = self.controller.period > 0.0
            long = self.controller.period > PERIOD
            octets = load.octets * self._pause * (load.throughput if on else 1.0) * self._noise(load)
            self.octets[on] += octets
            self._all += octets
            self.reads += load.reads * self._pause
            cost = load.cost * (load.cheaper if on else 1.0) * (load.longer if long else 1.0)
            self.cpu += octets * cost * self._noise(load)
            self.seconds[on] += self._pause
            self.long += self._pause * long
            self.now += self._pause
            self._pause = self.controller.step(self.now, self.cpu, int(self._all), int(self.reads))

    def forget(self) -> None:
        """Count from here on."""
        self.octets, self.seconds, self.long = [0.0, 0.0], [0.0, 0.0], 0.0

    def asleep(self) -> float:
        """Share of the time for which it slept between polls."""
        return self.seconds[1] / sum(self.seconds)

    def _noise(self, load: Load) -> float:
        return 1.0 + self._random.uniform(-load.noise, load.noise)


@given(st.floats(0.05, 1 - SAVING - 0.1), st.integers())
def test_paced_traffic_that_gets_cheaper_is_batched(cheaper: float, seed: int) -> None:
    world = World(seed)
    world.live(Load(cheaper=cheaper, noise=0.05), 2.0)
    world.forget()
    world.live(Load(cheaper=cheaper, noise=0.05), 30.0)
    assert world.asleep() > 0.9


@given(st.floats(1 - SAVING + 0.1, 3.0), st.integers())
def test_what_saves_too_little_is_not_done(cheaper: float, seed: int) -> None:
    world = World(seed)
    world.live(Load(cheaper=cheaper, noise=0.05), 60.0)
    assert world.asleep() < 0.02


def test_one_window_in_which_the_machine_did_something_else_decides_nothing() -> None:
    world, load = World(), Load(cheaper=0.6, noise=0.03)
    for place in range(8):
        world.live(load, 5.0)
        while world.controller.period > 0.0:
            world.live(load, 0.005)
        # Into one of the windows falls what takes all the processor, and lets nothing come.
        world.live(load, place * 0.01)
        world.live(Load(octets=1e3, reads=2000.0, cost=1e-5), 0.005)
        world.live(load, 0.1)
        assert world.controller.period > 0.0, place


@given(st.floats(0.05, 1 - LOSS - 0.05), st.floats(0.1, 2.0), st.integers())
def test_senders_that_wait_for_answers_keep_their_throughput(throughput: float, cheaper: float, seed: int) -> None:
    load = Load(throughput=throughput, cheaper=cheaper, noise=0.03)
    world = World(seed)
    world.live(load, 5.0)
    assert sum(world.octets) > 0.95 * load.octets * sum(world.seconds)


def shared_by_many(cheaper: float, longer: float, throughput: float = 1.0) -> Load:
    """Traffic over many connections."""
    reads = 1.5 * MANY / PERIOD
    return Load(reads=reads, cheaper=cheaper, longer=longer, throughput=throughput, noise=0.03)


@given(st.floats(0.5, 1.3), st.floats(0.3, 0.55), st.integers())
def test_over_many_connections_it_sleeps_longer(cheaper: float, longer: float, seed: int) -> None:
    world = World(seed)
    load = shared_by_many(cheaper, longer)
    world.live(load, 3.0)
    world.forget()
    world.live(load, 60.0)
    assert world.long > 0.9 * 60.0


@given(st.floats(0.5, 0.7), st.floats(1 - MORE + 0.08, 1.5), st.integers())
def test_longer_sleeps_that_save_no_more_are_not_kept(cheaper: float, longer: float, seed: int) -> None:
    world = World(seed)
    world.live(shared_by_many(cheaper, longer), 60.0)
    assert world.long < 0.05 * 60.0
    assert world.asleep() > 0.9


@given(st.floats(0.3, 1.0), st.integers())
def test_over_few_connections_it_never_sleeps_longer(cheaper: float, seed: int) -> None:
    world = World(seed)
    world.live(Load(cheaper=cheaper, longer=0.5, noise=0.03), 60.0)
    assert world.long == 0.0


@given(st.floats(0.05, 1 - LOSS - 0.05), st.integers())
def test_over_many_connections_too_senders_that_wait_keep_their_throughput(throughput: float, seed: int) -> None:
    load = shared_by_many(0.5, 0.5, throughput)
    world = World(seed)
    world.live(load, 10.0)
    assert world.long == 0.0
    assert sum(world.octets) > 0.95 * load.octets * sum(world.seconds)


@given(st.floats(0.0, 1.1))
def test_senders_that_begin_to_wait_for_answers_are_noticed_while_it_sleeps(after: float) -> None:
    world = World()
    world.live(Load(cheaper=0.5, noise=0.03), 5.0 + after)
    world.forget()
    # By less than what makes it another traffic.
    load = Load(throughput=0.65, cheaper=0.5, noise=0.03)
    world.live(load, 1.0)
    assert world.asleep() < 0.25
    assert sum(world.octets) > 0.9 * load.octets * sum(world.seconds)


def test_a_trial_that_holds_senders_up_is_cut_short() -> None:
    load, world = Load(throughput=0.2, noise=0.03), World()
    world.live(load, 1.0)
    assert 0.0 < world.seconds[1] < 0.05
    assert sum(world.octets) > 0.96 * load.octets * sum(world.seconds)


@given(st.floats(0.0, QUIET * 0.99), st.floats(0.1, 2.0))
def test_quiet_links_never_sleep(reads: float, cheaper: float) -> None:
    world = World()
    world.live(Load(octets=reads * 100, reads=reads, cheaper=cheaper), 60.0)
    assert world.asleep() == 0.0


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["paced", "waiting", "quiet", "none"]), max_size=8), st.integers())
def test_it_follows_a_load_that_changes(before: list[str], seed: int) -> None:
    loads = {
        "paced": Load(cheaper=0.5),
        "waiting": Load(octets=3e7, reads=1e5, cheaper=0.5, throughput=0.4),
        "quiet": Load(octets=1e3, reads=10.0),
        "none": Load(octets=0.0, reads=0.0),
    }
    world = World(seed)
    for name in before:
        world.live(loads[name], 20.0)
    for name, least, most in (("paced", 0.9, 1.0), ("waiting", 0.0, 0.05), ("quiet", 0.0, 0.0)):
        # Another traffic is tried soon, however long the rest was to be.
        world.live(loads[name], 1.0)
        world.forget()
        world.live(loads[name], 20.0)
        assert least <= world.asleep() <= most, name


def test_reads_that_bring_much_anyhow_are_left_alone_until_they_bring_less() -> None:
    world = World()
    world.live(Load(octets=1.1 * FULL * 13_000, cheaper=0.5), 20.0)
    assert world.seconds[1] == 0.0
    world.live(Load(octets=0.9 * FULL * 13_000, cheaper=0.5), 20.0)
    assert world.seconds[1] > 15.0


@pytest.mark.parametrize(("octets", "period"), [(4e6, PERIOD), (64e6, AMPLE / 64e6), (2e8, SHORTEST)])
@pytest.mark.parametrize("before", [4e6, 64e6, 2e8])
def test_the_more_comes_the_shorter_it_sleeps(octets: float, period: float, before: float) -> None:
    world = World()
    world.live(Load(octets=before, reads=before / 3900, cheaper=0.5), 20.0)
    world.live(Load(octets=octets, reads=octets / 3900, cheaper=0.5), 20.0)
    world.forget()
    assert world.controller.period == pytest.approx(period, rel=1e-3)
    world.live(Load(octets=octets, reads=octets / 3900, cheaper=0.5), 20.0)
    assert world.seconds[1] > 0.9 * sum(world.seconds)


def test_a_clock_that_stands_still_harms_nothing() -> None:
    controller = Controller()
    for _ in range(100):
        assert controller.step(1.0, 1.0, 1000, 1000) > 0
    assert controller.period == 0.0


class Slept:
    """In place of time. `pauses` are what was asked for, `seen` whether all `peers` had something to read by then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.seen: list[bool] = []
        self.peers: list[socket.socket] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seen.append(all(map(readable, self.peers)))
        self.now += seconds


def readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def test_what_one_poll_brought_is_written_before_the_one_sleep_that_follows() -> None:
    async def main() -> None:
        slept = Slept()
        with socket.create_server(("127.0.0.1", 0)) as server:
            options = SmscOptions(name="raw", address=f"127.0.0.1:{server.getsockname()[1]}")
            async with proxy(options, batch=Batch(500, slept.sleep, slept.clock)) as running:
                esmes = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(3)]
                for esme in esmes:
                    esme.send(b"bind")
                    await until(lambda: readable(server))
                    smsc_side, _ = server.accept()
                    slept.peers.append(smsc_side)
                    await until(lambda: all(map(readable, slept.peers)))
                for peer in slept.peers:
                    assert peer.recv(100) == b"bind"
                slept.pauses.clear()
                slept.seen.clear()
                for esme in esmes:
                    esme.send(b"hello")
                await until(lambda: slept.pauses)
                assert slept.seen == [True]
                assert 0 < slept.pauses[0] <= 500e-6
                for sock in (*esmes, *slept.peers):
                    sock.close()

    on_uvloop(main())


def test_a_poll_after_a_silence_is_not_followed_by_a_sleep() -> None:
    async def main() -> None:
        slept = Slept()
        async with smsc(echo) as first, proxy(first, batch=Batch(500, slept.sleep, slept.clock)) as running:
            reader, writer = await running.client()
            for _ in range(5):
                slept.now += 1.0
                slept.pauses.clear()
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                # The message itself came after a silence; its echo less than a period later.
                assert len(slept.pauses) <= 1

    on_uvloop(main())


def test_zero_never_sleeps() -> None:
    async def main() -> None:
        slept = Slept()
        async with smsc(echo) as first, proxy(first, batch=Batch(0, slept.sleep, slept.clock)) as running:
            reader, writer = await running.client()
            for _ in range(5):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
            assert slept.pauses == []

    on_uvloop(main())
