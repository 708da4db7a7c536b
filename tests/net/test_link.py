"""Links over real sockets: what passes, back-pressure both ways, ends, and crashes that stay with their link."""

import asyncio
import gc
import socket
import weakref

import pytest

from portguard.net.leg import HIGH_WATER, UNSENT
from portguard.net.link import Link
from portguard.relay.flow import LARGE_CHUNK, Lane
from tests.net.loopback import Serve, dying, echo, on_uvloop, proxy, refusing, silent, smsc, until
from tests.net.passthrough import AHEAD, BOOM, GARBAGE, LARGE, LOST, QUIT, Pair

# What two kernels may hold in socket buffers beyond what portguard holds, generously.
KERNEL = 32 * 1024 * 1024
BLOCK = b"x" * 65536


def link_of(pair: Pair) -> Link:
    """The link of a pair."""
    assert isinstance(pair.link, Lane)
    assert isinstance(pair.link.link, Link)
    return pair.link.link


def test_bytes_pass_both_ways() -> None:
    async def main() -> None:
        async with smsc(echo, tlv="never") as first, proxy(first) as running:
            reader, writer = await running.client()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert running.relay.tlvs == ["never"]
            writer.close()
            await until(running.relay.idle)
            assert running.relay.calls == ["open", "smsc_open", "esme_eof", "esme_lost", "closed"]

    on_uvloop(main())


def test_both_legs_send_without_delay_and_keep_little_in_the_kernel() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            await running.client()
            link = next(iter(running.exchange.links))
            assert isinstance(link, Link)
            assert link.smsc is not None
            for leg in (link.esme, link.smsc):
                assert leg.transport is not None
                sock = leg.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    on_uvloop(main())


def test_stopped_smsc_pauses_the_esme() -> None:
    async def main() -> None:
        async def stopped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"bound")
            await resume.wait()
            while await reader.read(1 << 20):
                pass

        resume = asyncio.Event()
        async with smsc(stopped) as first, proxy(first) as running:
            _, writer = await running.client()
            pair = running.relay.pairs[0]
            link = link_of(pair)
            sent = 0
            while sent < KERNEL and not (link.smsc is not None and link.smsc.blocked):
                writer.write(BLOCK)
                sent += len(BLOCK)
                await asyncio.sleep(0)
            await until(lambda: link.smsc is not None and link.smsc.blocked)
            taken = pair.received
            for _ in range(200):
                writer.write(BLOCK)
                await asyncio.sleep(0)
            assert pair.received <= taken + 4 * HIGH_WATER
            assert link.esme.transport is not None
            assert not link.esme.transport.is_reading()
            assert link.smsc is not None
            assert link.smsc.transport is not None
            assert link.smsc.transport.is_reading()
            total = 4 + sent + 200 * len(BLOCK)
            resume.set()
            await until(lambda: pair.received == total)
            await until(lambda: link.smsc is not None and not link.smsc.blocked)

    on_uvloop(main())


def test_slow_esme_pauses_both_its_legs() -> None:
    async def main() -> None:
        produced = 0

        async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal produced
            await reader.read(65536)
            writer.write(b"bound")
            while produced < 2 * KERNEL:
                writer.write(BLOCK)
                produced += len(BLOCK)
                await writer.drain()

        async with smsc(flooding) as first, proxy(first) as running:
            reader, _ = await running.client()
            link = link_of(running.relay.pairs[0])
            await until(lambda: link.esme.blocked)
            assert link.esme.transport is not None
            assert link.smsc is not None
            assert link.smsc.transport is not None
            assert not link.esme.transport.is_reading()
            assert not link.smsc.transport.is_reading()
            assert link.esme.transport.get_write_buffer_size() < 8 * HIGH_WATER
            taken = 0
            while taken < 2 * KERNEL:
                taken += len(await reader.read(1 << 20))
            assert taken == 2 * KERNEL
            await until(lambda: not link.esme.blocked)

    on_uvloop(main())


def test_link_that_floods_leaves_others_their_turn() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            _, flood = await running.client()
            flooding = running.relay.pairs[0]
            link = link_of(flooding)
            with socket.create_connection(("127.0.0.1", running.port)) as modest:
                await until(lambda: len(running.relay.pairs) == 2)
                link.esme.read(False)
                flood.write(b"x" * KERNEL)
                # Full: the kernel takes no more while nothing is read.
                waiting = [0]
                while waiting[-1] != waiting[len(waiting) // 2] or not waiting[-1]:
                    await asyncio.sleep(0.005)
                    waiting.append(KERNEL - flood.transport.get_write_buffer_size())
                assert waiting[-1] > 10 * LARGE_CHUNK
                running.relay.chunks.clear()
                # The other becomes readable while the flood is being read, not before.
                running.relay.at_large_chunk = lambda: modest.sendall(b"please")
                link.esme.read(True)
                await until(lambda: any(pair is not flooding for pair, _ in running.relay.chunks))
                sizes = [size if pair is flooding else 0 for pair, size in running.relay.chunks]
                first_large = next(place for place, size in enumerate(sizes) if size >= LARGE)
                assert sizes.index(0) - first_large <= 2
            flood.transport.abort()

    on_uvloop(main())


@pytest.mark.slow
@pytest.mark.parametrize("side", ["esme", "smsc"])
def test_peer_that_never_reads_is_closed_after_the_write_timeout(side: str) -> None:
    async def main() -> None:
        async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"bound")
            if side == "smsc":
                await asyncio.Event().wait()
            while True:
                writer.write(BLOCK)
                await writer.drain()

        async def keep_writing(writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(BLOCK)
                await writer.drain()

        async with smsc(flooding, write_timeout=0.2) as first, proxy(first, write_timeout=0.2) as running:
            _, writer = await running.client()
            task = asyncio.create_task(keep_writing(writer)) if side == "smsc" else None
            await until(running.relay.idle)
            if task is not None:
                task.cancel()

    on_uvloop(main())


def test_answer_before_a_close_arrives_although_more_input_is_waiting() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            writer.write(QUIT)
            for _ in range(64):
                writer.write(BLOCK)
            assert await reader.read() == b"bye"
            writer.close()
            await until(running.relay.idle)

    on_uvloop(main())


@pytest.mark.slow
def test_client_that_ignores_the_end_is_closed_all_the_same() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            writer.write(QUIT)
            assert await reader.read() == b"bye"
            await until(running.relay.idle)
            assert not writer.is_closing()

    on_uvloop(main())


def test_a_pair_that_has_ended_goes_without_the_collector() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            pair = weakref.ref(running.relay.pairs[0])
            gc.collect()
            gc.disable()  # its leg and its link refer to each other, and may wait for the collector
            try:
                assert pair() is not None
                writer.close()
                await until(lambda: "closed" in running.relay.calls)
                running.relay.chunks.clear()
                await until(lambda: pair() is None)
            finally:
                gc.enable()

    on_uvloop(main())


def test_half_closed_esme_still_gets_its_answers() -> None:
    async def main() -> None:
        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"bound")
            data = await reader.readexactly(7)
            await answer.wait()
            writer.write(data)
            await reader.read()

        answer = asyncio.Event()
        async with smsc(late) as first, proxy(first) as running:
            reader, writer = await running.client()
            running.relay.owes_after_eof = True
            writer.write(b"request")
            writer.write_eof()
            pair = running.relay.pairs[0]
            await until(lambda: pair.eof)
            answer.set()
            assert await reader.readexactly(7) == b"request"
            running.relay.finish(pair)
            running.exchange.flush()
            assert await reader.read() == b""
            await until(running.relay.idle)

    on_uvloop(main())


def test_smsc_leg_that_outlives_its_esme_ends_with_the_pair() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            running.relay.owes_after_loss = True
            await running.client()
            link = link_of(running.relay.pairs[0])
            link.esme.abort()
            await until(lambda: "esme_lost" in running.relay.calls)
            assert running.exchange.links
            running.relay.finish(running.relay.pairs[0])
            running.exchange.flush()
            await until(running.relay.idle)
            assert not running.exchange.links

    on_uvloop(main())


def test_established_smsc_that_goes_closes_the_esme() -> None:
    async def main() -> None:
        async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"bound")
            await reader.read(65536)
            writer.write(b"last words")
            writer.close()

        async with smsc(short) as first, proxy(first) as running:
            reader, writer = await running.client()
            writer.write(b"x")
            assert await reader.read() == b"last words"
            writer.close()
            await until(running.relay.idle)
            assert "smsc_lost" in running.relay.calls

    on_uvloop(main())


def test_exception_closes_its_own_link_and_no_other() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            doomed_reader, doomed = await running.client()
            doomed.write(BOOM)
            assert await doomed_reader.read() == b""
            await until(lambda: len(running.relay.pairs) == 1)
            assert running.exchange.crashes == 1
            writer.write(b"alive")
            assert await reader.readexactly(5) == b"alive"

    on_uvloop(main())


@pytest.mark.parametrize("call", ["open", "smsc_open", "esme_lost", "smsc_lost", "closed", "tick"])
def test_exception_in_any_call_is_contained(call: str) -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            relay = running.relay
            sound = getattr(relay, call)

            def failing(*arguments: object) -> None:
                setattr(relay, call, sound)
                raise RuntimeError("boom")

            if call in ("esme_lost", "smsc_lost", "closed"):
                _, other = await running.client()
                link = link_of(running.relay.pairs[1])
                assert link.smsc is not None
                setattr(relay, call, failing)
                (link.smsc if call == "smsc_lost" else link.esme).abort()
            else:
                setattr(relay, call, failing)
                _, other = await running.connect()
            await until(lambda: running.exchange.crashes)
            if call != "tick":
                await until(lambda: len(running.exchange.links) == 1)
            writer.write(b"alive")
            assert await reader.readexactly(5) == b"alive"
            other.close()

    on_uvloop(main())


def test_failover_past_refused_hanging_and_dying_smscs() -> None:
    async def main() -> None:
        async with (
            smsc(silent, name="hanging", bind_timeout=0.3) as hanging,
            smsc(dying, name="dying") as falling,
            smsc(echo, name="sound") as sound,
            proxy(refusing(), hanging, falling, sound) as running,
        ):
            await running.client()
            health = {upstream.name: upstream.sound for upstream in running.exchange.upstreams.all}
            assert health == {"refusing": False, "hanging": False, "dying": False, "sound": True}
            await running.client()
            assert running.relay.calls.count("smsc_open") == 4

    on_uvloop(main())


def saying(octets: bytes, *, leaving: bool = False) -> Serve:
    """An SMSC that says so much to the bind, and then nothing, or goes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(octets)
        while not leaving and await reader.read(65536):
            pass
        writer.close()

    return serve


def test_failover_past_smscs_that_say_anything_but_an_answer_to_the_bind(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            smsc(saying(AHEAD), name="enquiring", bind_timeout=0.3) as enquiring,
            smsc(saying(GARBAGE), name="raving") as raving,
            smsc(saying(AHEAD, leaving=True), name="dying") as falling,
            smsc(echo, name="sound") as sound,
            proxy(enquiring, raving, falling, sound) as running,
        ):
            await running.client()
            health = {upstream.name: upstream.sound for upstream in running.exchange.upstreams.all}
            assert health == {"enquiring": False, "raving": False, "dying": False, "sound": True}
            connects = [tuple(upstream.connects.values()) for upstream in running.exchange.upstreams.all]
            assert connects == [(0, 1), (0, 1), (0, 1), (1, 0)]

    on_uvloop(main())
    away = [record.smsc for record in caplog.records if record.message == "SMSC is away"]  # type: ignore[attr-defined]
    assert away == ["enquiring", "raving", "dying"]


@pytest.mark.parametrize("reason", ["closed", "reset", "framing"])
def test_links_lost_in_mid_session_are_counted_and_said_once_a_second(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async def failing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"bound")
            await reader.read(65536)
            if reason == "reset":
                writer.transport.abort()
            elif reason == "closed":
                writer.close()
            else:
                writer.write(LOST)
                await reader.read(65536)

        async with smsc(failing, name="one") as one, proxy(one) as running:
            upstream = running.exchange.upstreams.all[0]
            for _ in range(3):
                reader, writer = await running.client()
                writer.write(b"message")
                assert await reader.read() == b""
            assert sum(upstream.lost.values()) == 3
            assert set(upstream.lost) <= ({"closed", "reset"} if reason == "reset" else {reason})
            reader, writer = await running.client()
            writer.write(QUIT)
            assert await reader.read() == b"bye"
            assert sum(upstream.lost.values()) == 3, "an ESME that leaves loses nothing"

    on_uvloop(main())
    said = [record for record in caplog.records if record.message == "link to the SMSC lost"]
    assert 1 <= len(said) <= 3
    assert (said[0].smsc, said[0].links) == ("one", 1)  # type: ignore[attr-defined]


def test_bind_fails_only_after_every_smsc_was_tried_even_those_known_to_be_away() -> None:
    async def main() -> None:
        async with proxy(refusing("a"), refusing("b")) as running:
            for binds in (1, 2, 3):
                reader, writer = await running.connect()
                assert await reader.read() == b"bind failed"
                failed = [upstream.connects["failed"] for upstream in running.exchange.upstreams.all]
                assert failed == [binds, binds]
                writer.close()

    on_uvloop(main())


def test_esme_that_leaves_while_connecting_takes_the_attempt_with_it() -> None:
    async def main() -> None:
        async with smsc(silent) as hanging, proxy(hanging) as running:
            _, writer = await running.connect()
            await until(lambda: "open" in running.relay.calls)
            writer.transport.abort()
            await until(lambda: "closed" in running.relay.calls)
            assert not running.exchange.links

    on_uvloop(main())


def test_impatient_esmes_do_not_hide_an_smsc_that_hangs() -> None:
    async def main() -> None:
        async with smsc(silent, name="hanging", bind_timeout=0.2) as hanging, proxy(hanging) as running:
            upstream = running.exchange.upstreams.all[0]
            _, writer = await running.connect()
            await until(lambda: not upstream.sound)
            writer.close()

    on_uvloop(main())


def test_drain_waits_for_every_link() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            reader, writer = await running.client()
            drained = asyncio.create_task(running.exchange.drain(10))
            assert await reader.read() == b"draining"
            writer.close()
            assert await drained

    on_uvloop(main())


def test_drain_is_bounded() -> None:
    async def main() -> None:
        async with smsc(echo) as first, proxy(first) as running:
            await running.client()
            assert not await running.exchange.drain(0.05)

    on_uvloop(main())


