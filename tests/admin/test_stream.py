"""Server-sent events: what is sent, from where, and how much at most."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any, cast

import pytest

from portguard.admin.model import EventsQuery, Record
from portguard.admin.steering import Caller, Refusal, Steering
from portguard.admin.stream import AT_ONCE, Streams
from tests.admin.running import Node
from tests.daemon.processes import until

# Left out by `make quick`.
pytestmark = pytest.mark.slow

ADMIN = Caller("console", "admin", "http")
READER = Caller("watcher", "reader", "http")


class Journal:
    """Records in a list."""

    def __init__(self, *kinds: str) -> None:
        self.rows = [Record(number, kind, {"n": number}) for number, kind in enumerate(kinds, 1)]

    async def records(self, after: int, limit: int) -> list[Record]:
        return [row for row in self.rows if row.number > after][:limit]


class Sink:
    """Keeps what was written, and stops the stream when the journal has been read."""

    gone = False

    def __init__(self) -> None:
        self.octets = b""

    async def write(self, data: bytes) -> None:
        self.octets += data


async def written(
    journal: Journal, wanted: EventsQuery, caller: Caller = READER, after: int = 0
) -> list[dict[str, str]]:
    """The events of a stream over this journal."""
    streams, sink = Streams(cast(Steering, journal), 1), Sink()
    stream = streams.begin(wanted, caller, after)
    running = asyncio.create_task(stream.run(sink))
    while f"\nid: {journal.rows[-1].number}\n".encode() not in sink.octets:
        await asyncio.sleep(0)
        if running.done() or stream._after == journal.rows[-1].number:
            break
    streams.close()
    await running
    streams.end(stream)
    assert streams.open == 0
    return events(sink.octets)


def events(octets: bytes) -> list[dict[str, str]]:
    """The events of a text/event-stream, as its fields."""
    found = []
    for block in octets.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append(fields)
    return found


async def test_everything_but_who_did_what() -> None:
    found = await written(Journal("alert", "audit", "violation", "start"), EventsQuery())
    assert [(one["id"], one["event"], one["data"]) for one in found] == [
        ("1", "alert", '{"n":1}'), ("3", "violation", '{"n":3}'), ("4", "start", '{"n":4}'),
    ]


async def test_only_what_is_wanted_and_from_where_it_is() -> None:
    journal = Journal("alert", "audit", "alert", "escalation", "alert", "audit")
    found = await written(journal, EventsQuery("alert,audit"), ADMIN, after=2)
    assert [(one["id"], one["event"]) for one in found] == [("3", "alert"), ("5", "alert"), ("6", "audit")]


async def test_violations_are_sampled_and_counted_and_nothing_else_is() -> None:
    journal = Journal(*["violation"] * (AT_ONCE + 50), *["alert"] * 30)
    found = await written(journal, EventsQuery(per_second=5))
    kinds = [one["event"] for one in found]
    counted = sum(json.loads(one["data"])["count"] for one in found if one["event"] == "left_out")
    assert kinds.count("alert") == 30
    # The clock may turn a second in between.
    assert kinds.count("violation") in (5, 10)
    assert kinds.count("violation") + counted == AT_ONCE + 50


async def test_who_may_see_what_and_how_many_there_may_be() -> None:
    streams = Streams(cast(Steering, Journal()), 1)
    with pytest.raises(Refusal, match="who did what is for admins"):
        streams.begin(EventsQuery("audit"), READER, 0)
    stream = streams.begin(EventsQuery(), READER, 0)
    with pytest.raises(Refusal, match="1 streams are open") as caught:
        streams.begin(EventsQuery(), READER, 0)
    assert caught.value.kind == "busy"
    streams.end(stream)
    streams.begin(EventsQuery("audit"), ADMIN, 0)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("node")) as running:
        assert isinstance(running, Node)
        yield running


class Reading:
    """A stream of a node."""

    def __init__(self, node: Node, path: str, **how: Any) -> None:
        self.connection = node.connection()
        node.send(self.connection, "GET", path, **how)
        self.response: HTTPResponse = self.connection.getresponse()

    def event(self) -> dict[str, Any]:
        """The next one."""
        fields: dict[str, Any] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        if "event" not in fields:
            return self.event()
        return {**fields, "data": json.loads(fields["data"])}

    def close(self) -> None:
        self.response.close()
        self.connection.close()


def test_a_stream_of_a_node(node: Node) -> None:
    reading = Reading(node, "/v1/events?kinds=audit,registry")
    assert reading.response.status == 200
    assert reading.response.getheader("Content-Type") == "text/event-stream"
    assert reading.response.getheader("Cache-Control") == "no-store"
    edit = {"action": "change", "table": "accounts", "where": {"system_id": "hub01"}, "row": {"tps": 99}}
    node.ok("POST", "/v1/registry/edits", edit)
    registry, audit = reading.event(), reading.event()
    assert (registry["event"], audit["event"]) == ("registry", "audit")
    assert (registry["data"]["revision"], registry["data"]["why"]) == (node.revision(), "console (http)")
    said = audit["data"]
    assert (said["who"], said["what"], said["outcome"]) == ("console", "registry change", "done")
    assert audit["data"]["after"]["tps"] == 99
    reading.close()

    # What came while nobody looked is there for whoever says where he stopped.
    node.ok("POST", "/v1/registry/reload")
    again = Reading(node, "/v1/events?kinds=audit", headers={"Last-Event-ID": registry["id"]})
    assert [again.event()["data"]["what"] for _ in range(2)] == ["registry change", "reload"]
    again.close()
    again = Reading(node, f"/v1/events?kinds=audit&after={audit['id']}")
    assert again.event()["data"]["what"] == "reload"
    again.close()


def test_streams_are_few_and_end(node: Node) -> None:
    until(lambda: open_streams(node) == 0, "the streams of others to be ended")
    kept = [Reading(node, "/v1/events") for _ in range(2)]
    assert node.problem(503, "GET", "/v1/events")["remedy"] == "close one, or set admin.streams"
    for reading in kept:
        reading.connection.sock.shutdown(socket.SHUT_RDWR)
        reading.close()
    until(lambda: open_streams(node) == 0, "the streams to be found gone")
    assert node.problem(422, "GET", "/v1/events?kinds=audit", token=node.reader)["field"] == "kinds"
    assert node.problem(400, "GET", "/v1/events", headers={"Last-Event-ID": "x"})["field"] == "Last-Event-ID"
    node.problem(400, "GET", "/v1/events?kinds=A")


def open_streams(node: Node) -> float:
    metrics = node.ok("GET", "/v1/metrics")["items"]
    return float(next(one["value"] for one in metrics if one["name"] == "portguard_admin_streams"))


def test_a_stream_does_not_keep_the_node_from_ending(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Node(tmp_path_factory.mktemp("ending")) as node:
        assert isinstance(node, Node)
        reading = Reading(node, "/v1/events")
    assert reading.response.read() is not None
    reading.close()
