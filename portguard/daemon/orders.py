"""What the main process and a worker say to each other over their channel, as types.

    main asks        start Orders -> Started       prepare Path · swap digest · abandon      drain -> Drained
                     status -> Status              sessions from -> SessionPage · end_session number -> bool
                     counts -> [Reading]           kept -> [the numbers of the oldest and of the newest chunk]
                     recent (from, to) -> RecentPage, of the chunks with these numbers
                     last_sender (number, subscriber) -> Sender
    main tells       connection peer + socket · restrain [Restraint] · tally bool · journal + socket · hurry
                     used [Used] · reached [Reached], both of others
    a worker asks    last_sender (number, subscriber) -> enterprise
    a worker tells   gone: connections that have ended, in all · swept octets (`policy.tally.rows`)
                     counted [Reading], before its end · used [Used] · reached [Reached]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from portguard.policy.restraint import Restraint
from portguard.settings.schema import Settings

# The sections that the path of a message needs; a worker is told no other, and so holds no other's secrets.
SECTIONS: Final = frozenset(
    {"node", "listen", "smsc", "limits", "registry", "policy", "concat", "tag", "consent", "evidence"}
)


class Orders(msgspec.Struct, frozen=True):
    """Everything that a worker needs to serve. `number` counts from 1; `listens`: the sockets that come with it are
    listening ones, whose connections it accepts by itself; `max_connections` is this worker's. `tally`: somebody wants
    to hear what was sent by whom."""

    number: int
    workers: int
    settings: Settings
    discard_key: bytes
    image: Path
    listens: bool
    max_connections: int
    restraints: list[Restraint] = []
    tally: bool = False


class Started(msgspec.Struct, frozen=True):
    """The worker serves, and where it listens if it does."""

    listen: list[str]


class Drained(msgspec.Struct, frozen=True):
    """Was everything owed delivered in time, and how many links were left."""

    done: bool
    left: int


class Status(msgspec.Struct, frozen=True):
    """Links by state, and the SMSCs: "up" or why one is away. `links` are those of
    each worker, in the answer for all."""

    sessions: dict[str, int]
    smsc: dict[str, str]
    links: dict[int, int] = {}


class Session(msgspec.Struct):
    """One ESME link. `account` is "" before its bind; `bound_since`: epoch seconds of its bind, or of the connection;
    `smsc` the name of the one it is connected to, "" while there is none; `owed` answers that the SMSC owes it."""

    id: str
    account: str
    peer: str
    state: str
    bound_since: float
    smsc: str
    owed: int
    worker: int = 1


class SessionPage(msgspec.Struct, frozen=True):
    """A part of the links; `next` is what to ask for then, -1 at the end."""

    sessions: list[Session]
    next: int


class Chunk(msgspec.Struct, array_like=True, frozen=True):
    """Octets that `account` sent at epoch second `at`: whole PDUs, and at the end perhaps the beginning of one that
    comes whole at the head of the link's next."""

    account: str
    at: float
    data: bytes


class RecentPage(msgspec.Struct, frozen=True):
    """A part of what there is, as `packed` has it; `next` is what to ask for then, -1 at the end."""

    chunks: bytes
    next: int


def packed(chunks: Sequence[Chunk | tuple[str, float, bytes]]) -> bytes:
    """Chunks, or their fields, in octets; main passes these on without a look."""
    return msgspec.msgpack.encode(chunks)


def unpacked(octets: bytes) -> list[Chunk]:
    """The inverse. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(octets, type=list[Chunk])


class Sender(msgspec.Struct, frozen=True):
    """Who sent last, and when (epoch seconds); "" when nobody is remembered."""

    enterprise: str
    at: float


def for_a_worker(settings: Settings) -> Settings:
    """The settings without the sections that are none of a worker's business."""
    fields = msgspec.structs.fields(Settings)
    return msgspec.structs.replace(
        settings, **{field.name: field.default for field in fields if field.name not in SECTIONS}
    )
