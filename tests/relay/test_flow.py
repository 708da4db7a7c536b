"""The way of bytes between legs and relay: what is read is counted and fed, what is left is written, and no failure of
one link reaches another."""

from __future__ import annotations

import pytest

from portguard.relay.flow import LARGE_CHUNK, Arrivals, Flow, Lane, Stream
from portguard.relay.pair import Pair


class Owner:
    """A leg and a link in one, which note what they are told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.breaks = False

    def failed(self) -> None:
        self.told.append("failed")

    def give_way(self) -> None:
        self.told.append("give way")

    def obey(self, pair: Pair) -> None:
        self.told.append(f"obey {pair.peer}")
        if self.breaks:
            raise RuntimeError("boom")

    def crash(self, where: str) -> None:
        self.told.append(f"crash while {where}")


class Table:
    """Two lanes of one flow, and what has been written to each of their streams."""

    def __init__(self) -> None:
        self.dirty: list[Pair] = []
        self.arrivals = Arrivals()
        self.flow = Flow(self.dirty, self.arrivals)
        self.owners = [Owner(), Owner()]
        self.pairs = [Pair(name, 0.0) for name in ("first", "second")]
        self.lanes: list[Lane] = []
        self.written: list[tuple[str, bytes]] = []
        self.feeds: list[tuple[str, bytes, float]] = []
        for owner, pair in zip(self.owners, self.pairs, strict=True):
            esme, smsc = Stream(self.flow, owner), Stream(self.flow, owner)
            esme.pair = smsc.pair = pair
            esme.feed = self.feed
            esme.send = lambda data, name=pair.peer: self.written.append((f"{name} esme", data))
            smsc.send = lambda data, name=pair.peer: self.written.append((f"{name} smsc", data))
            lane = Lane(owner, esme)
            lane.smsc = smsc
            lane.take(pair)
            self.lanes.append(lane)

    def feed(self, pair: Pair, data: bytes, now: float) -> None:
        """In place of the relay: everything passes, in halves; an octet of 0 is too much for it."""
        self.feeds.append((pair.peer, data, now))
        if b"\0" in data:
            raise ValueError("cannot be read")
        pair.to_smsc += [data[: len(data) // 2], data[len(data) // 2 :]]
        self.touch(pair)

    def touch(self, pair: Pair) -> None:
        if not pair.dirty:
            pair.dirty = True
            self.dirty.append(pair)


@pytest.fixture
def table() -> Table:
    return Table()


def test_what_was_read_is_fed_and_what_that_leaves_is_written_as_one(table: Table) -> None:
    table.lanes[0].esme.received(b"abcd")
    assert [(name, data) for name, data, _ in table.feeds] == [("first", b"abcd")]
    assert table.written == [("first smsc", b"abcd")]
    assert (table.dirty, table.pairs[0].dirty, table.pairs[0].to_smsc) == ([], False, [])
    assert (table.arrivals.octets, table.arrivals.reads) == (4, 1)
    table.lanes[0].esme.received(b"ef")
    assert (table.arrivals.octets, table.arrivals.reads) == (6, 2)
    assert table.feeds[1][2] >= table.feeds[0][2] > 0.0
    assert table.owners[0].told == []


def test_another_pair_that_has_become_dirty_is_written_too(table: Table) -> None:
    table.pairs[1].to_esme.append(b"receipt")
    table.touch(table.pairs[1])
    table.lanes[0].esme.received(b"ab")
    assert sorted(table.written) == [("first smsc", b"ab"), ("second esme", b"receipt")]


def test_a_read_that_cannot_be_dealt_with_is_the_legs_own(table: Table) -> None:
    table.pairs[1].to_esme.append(b"receipt")
    table.touch(table.pairs[1])
    table.lanes[0].esme.received(b"a\0")
    assert table.owners[0].told == ["failed"]
    assert table.written == [("second esme", b"receipt")]
    assert table.owners[1].told == []


def test_a_link_that_fails_when_it_is_written_does_not_keep_others_from_it(table: Table) -> None:
    table.owners[1].breaks = table.pairs[1].close_esme = True
    for pair in table.pairs:
        pair.to_esme.append(b"x")
        table.touch(pair)
    table.flow.flush()
    assert sorted(table.written) == [("first esme", b"x"), ("second esme", b"x")]
    assert table.owners[1].told == ["obey second", "crash while writing"]
    assert (table.owners[0].told, table.dirty) == ([], [])


def test_orders_are_obeyed_after_what_was_to_be_written(table: Table) -> None:
    for flag in ("want_smsc", "close_smsc", "close_esme"):
        pair = table.pairs[0]
        setattr(pair, flag, True)
        pair.to_esme.append(flag.encode())
        table.touch(pair)
        table.flow.flush()
        assert table.written.pop() == ("first esme", flag.encode())
        assert table.owners[0].told.pop() == "obey first"
        setattr(pair, flag, False)
        table.touch(pair)
        table.flow.flush()
    assert (table.owners[0].told, table.written) == ([], [])


def test_a_closing_leg_neither_reads_nor_writes_and_without_a_connection_it_is_dropped(table: Table) -> None:
    esme = table.lanes[0].esme
    esme.closing = True
    esme.received(b"late")
    table.lanes[1].smsc = None
    for pair in table.pairs:
        pair.to_esme.append(b"e")
        pair.to_smsc.append(b"s")
        table.touch(pair)
    table.flow.flush()
    assert sorted(table.written) == [("first smsc", b"s"), ("second esme", b"e")]
    assert (table.feeds, table.arrivals.reads, table.pairs[1].to_smsc) == ([], 0, [])
    table.lanes[1].esme.send = None
    table.lanes[1].esme.write(b"gone")
    assert len(table.written) == 2


def test_after_a_pair_has_ended_its_link_is_asked_for_nothing(table: Table) -> None:
    table.touch(table.pairs[0])
    table.pairs[0].close_esme = True
    table.lanes[0].pair = None
    table.flow.flush()
    table.pairs[1].link = None
    table.touch(table.pairs[1])
    table.flow.flush()
    assert (table.owners[0].told, table.dirty) == ([], [])


def test_a_stream_that_is_over_knows_nobody(table: Table) -> None:
    esme = table.lanes[0].esme
    esme.over()
    esme.received(b"late")
    esme.write(b"late")
    assert (esme.pair, esme.feed, esme.send, table.feeds, table.written) == (None, None, None, [], [])


def test_large_reads_give_way(table: Table) -> None:
    esme = table.lanes[0].esme
    esme.received(b"x" * (LARGE_CHUNK - 1))
    assert table.owners[0].told == []
    esme.received(b"x" * LARGE_CHUNK)
    assert table.owners[0].told == ["give way"]


def test_the_first_read_after_a_poll_is_told_while_somebody_wants_to_know() -> None:
    arrivals, told = Arrivals(), list[int]()
    arrivals.tell = lambda: told.append(int(arrivals.octets))
    arrivals.add(1)
    arrivals.wants = True
    for _ in range(3):
        arrivals.add(10)
    assert told == [11]
    arrivals.told = False  # the poll is over
    arrivals.add(100)
    arrivals.add(100)
    assert told == [11, 131]
