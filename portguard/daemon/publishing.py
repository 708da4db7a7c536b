"""The office of MQTT: what the broker is told of this node, and what the commands that come over it do.

The records come from the journal. Which revision serves and what the node restrains is looked at once a second, so that
nobody has to tell.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from time import time
from typing import Any, Final, TypeVar

import msgspec

from portguard.complaints.desk import HoldError
from portguard.complaints.store import ComplaintsError
from portguard.daemon.administering import Nothing
from portguard.daemon.complaining import Kind, LiftRequest
from portguard.daemon.complaints import MOST_ROWS
from portguard.daemon.complaints_rooms import NoRevision
from portguard.daemon.desk import Desk, running
from portguard.daemon.reload import Outcome
from portguard.daemon.state import StateError
from portguard.daemon.wiring import build_facts
from portguard.evidence.reader import Reader
from portguard.mqtt.access import AccessError
from portguard.mqtt.client import Client
from portguard.mqtt.commands import Command
from portguard.mqtt.feed import Journal
from portguard.mqtt.topics import EVERY_NODE
from portguard.registry.image import Image, ImageError
from portguard.telemetry.sources import Sources

FOLDER: Final = "mqtt"
LOOK_SECONDS: Final = 1.0
# Of a registry that was refused, or of rows; who wants all of a registry's runs `portguard check`.
ERRORS_SHOWN: Final = 50

T = TypeVar("T")
Answer = dict[str, Any]


class ComplaintsCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Complaints as objects."""

    rows: list[Any]


class SuspendCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing of a port or a signature is delivered for so long."""

    kind: Kind
    name: str
    who: str
    why: str
    seconds: float = 86400.0


@contextlib.asynccontextmanager
async def publishing(desk: Desk) -> AsyncIterator[None]:
    """Open while there is a broker to be told; none without [mqtt]."""
    readers: list[Reader] = []
    client = _client(desk, readers)
    if client is None:
        yield
        return
    mqtt_metrics_of(client, desk.metrics)
    desk.journal.hear_alerts(client.alert)
    _tell(desk, client, started := time())
    async with running(client.run()), running(_keep_telling(desk, client, started)):
        try:
            yield
        finally:
            await client.stop()
            for reader in readers:
                reader.close()


def _client(desk: Desk, readers: list[Reader]) -> Client | None:
    """Raises StateError."""
    options, node = desk.settings.mqtt, desk.settings.node.id
    if options is None:
        return None
    if node == EVERY_NODE:
        raise StateError(f"node.id: {node!r} is no name of a node on MQTT, where it stands for all of them")

    def journal() -> Journal:
        reader = desk.journal.reader()
        readers.append(reader)
        return Journal(reader.rows, reader.latest)

    try:
        client = Client(
            options, node, desk.state.path / FOLDER, journal, desk.journal.emit, commands_of(desk),
            desk.complaints.follow,
        )
        client.check()
    except AccessError as error:
        raise StateError(str(error)) from error
    except OSError as error:
        raise StateError(f"{error.filename or FOLDER}: {(error.strerror or str(error)).lower()}") from error
    return client


# ---- what the broker is told


async def _keep_telling(desk: Desk, client: Client, started: float) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        _tell(desk, client, started)


def _tell(desk: Desk, client: Client, started: float) -> None:
    revision = desk.reloader.revision
    client.status(
        version=build_facts()["version"], mode=desk.settings.policy.mode, revision=revision, since=started,
    )
    client.state("restraints", {"restraints": [msgspec.to_builtins(one) for one in desk.complaints.own]})
    if client.said("registry").get("revision") == revision:
        return
    counts: dict[str, int] = {}
    # The image may have been removed by now; the next look finds another revision.
    with contextlib.suppress(ImageError):
        image = Image(desk.state.revisions / revision)
        counts = image.meta.counts
        image.close()
    since = desk.reloader.history.served.get(revision, started)
    client.state("registry", {"revision": revision, "since": since, "counts": counts})


# ---- commands


def commands_of(desk: Desk) -> dict[str, Command]:
    """What the commands do, by name."""

    complaints = desk.complaints

    async def reload(wanted: Nothing) -> Answer:
        return _outcome(await desk.reloader.reload("mqtt"))

    async def take(wanted: ComplaintsCommand) -> Answer:
        if len(wanted.rows) > MOST_ROWS:
            return {"ok": False, "error": f"at most {MOST_ROWS:,} rows at once"}
        taken = await complaints.take_objects(wanted.rows)
        problems = [{"row": one.row, "field": one.field, "message": one.message} for one in taken.problems]
        return {"results": taken.results, "revoked": taken.revoked, **_shown("problems", problems)}

    async def suspend(wanted: SuspendCommand) -> Answer:
        held = await complaints.hold(wanted.kind, wanted.name, "suspend", wanted.seconds, wanted.who, wanted.why)
        return {"until": held.until}

    async def resume(wanted: LiftRequest) -> Answer:
        return {"before": await complaints.lift(wanted.kind, wanted.name, wanted.who, wanted.why)}

    return {
        "reload": _command(Nothing, reload), "complaints": _command(ComplaintsCommand, take),
        "suspend": _command(SuspendCommand, suspend), "resume": _command(LiftRequest, resume),
    }


def _command(kind: type[T], act: Callable[[T], Awaitable[Answer]]) -> Command:
    async def command(arguments: dict[str, Any]) -> Answer:
        try:
            return await act(msgspec.convert(arguments, kind))
        except (msgspec.ValidationError, HoldError, ComplaintsError, NoRevision) as error:
            return {"ok": False, "error": str(error)}

    return command


def _outcome(outcome: Outcome) -> Answer:
    reply: Answer = {
        "ok": outcome.done, "result": outcome.result, "revision": outcome.revision, "counts": outcome.counts,
        **_shown("errors", outcome.errors), **_shown("warnings", outcome.warnings),
    }
    return reply if outcome.done else {**reply, "error": f"the registry was {outcome.result}"}


def _shown(name: str, found: list[Any]) -> Answer:
    """The first of them, and how many there are if those are not all."""
    shown: Answer = {name: found[:ERRORS_SHOWN]}
    return shown if len(found) <= ERRORS_SHOWN else {**shown, f"{name}_in_all": len(found)}


# ---- metrics


def mqtt_metrics_of(client: Client, metrics: Sources) -> None:
    """Add what is known of the broker and of what it was told."""
    feeds = client.feeds
    metrics.gauge("mqtt_connected", "1 while the broker is there", (), lambda: [((), float(client.connected))])
    metrics.counter("mqtt_links", "Connections to the broker", (), lambda: [((), float(client.links))])
    metrics.counter(
        "mqtt_published", "Messages that the broker has acknowledged", ("feed",),
        lambda: [
            *(((name,), float(feed.published)) for name, feed in feeds.items()),
            (("early",), float(client.early.published)),
        ],
    )
    metrics.counter(
        "mqtt_left_out", "Violations that were sampled out, and counted in messages", (),
        lambda: [((), float(sum(feed.left_out for feed in feeds.values())))],
    )
    metrics.counter(
        "mqtt_missing", "Records that were removed before they could be published", ("feed",),
        lambda: (((name,), float(feed.missing)) for name, feed in feeds.items()),
    )
    metrics.gauge(
        "mqtt_backlog_records", "Records of the journal that are not published yet", ("feed",),
        lambda: (((name,), float(feed.backlog)) for name, feed in feeds.items()),
    )
    metrics.counter(
        "mqtt_commands", "Commands over MQTT by what became of them", ("command", "outcome"),
        lambda: _outcomes(client),
    )


def _outcomes(client: Client) -> Iterable[tuple[tuple[str, str], float]]:
    return ((of, float(count)) for of, count in client.commands.outcomes.items())
