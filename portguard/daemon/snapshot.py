"""What `portguard top` is told: the node at one moment, as types. Counters count from the daemon's start.

Noun: a *snapshot* is all of it. Numbers of subscribers are masked already; other texts are as somebody sent them, so
whoever shows them must not trust them.
"""

from typing import Any

from msgspec import Struct, field


class Verdicts(Struct, frozen=True):
    """How many messages were decided so; `rule` is "" where none hit."""

    action: str
    rule: str
    count: float


class Times(Struct, frozen=True):
    """A histogram: `counts` by upper bound in `seconds`, and one more above the last; `total` seconds."""

    seconds: list[float] = []
    counts: list[int] = []
    total: float = 0.0


class RegistryView(Struct, frozen=True):
    """`since`: epoch seconds at which the revision began to serve; `latest`: what came of the last reload;
    `rolled_back`: the revision was brought back, and the registry folder holds another."""

    revision: str
    since: float
    reloads: dict[str, int]
    latest: str
    rolled_back: bool


class SmscView(Struct, frozen=True):
    """`state` is "up", or why it is away; `links` and `owed` are those of ESMEs' links to it."""

    name: str
    state: str
    links: int
    owed: int


class AccountView(Struct, frozen=True):
    """An account that is bound, or has sent something in the last minute; messages are those of that minute. `owed`
    are answers that SMSCs owe its links."""

    account: str
    links: int = 0
    owed: int = 0
    submitted: int = 0
    refused: int = 0
    tagged: int = 0
    delivered: int = 0
    failed: int = 0


class LinkView(Struct, frozen=True):
    """One ESME link; `since` is epoch seconds of its bind."""

    id: str
    account: str
    peer: str
    state: str
    since: float
    smsc: str
    owed: int
    worker: int


class RestraintView(Struct, frozen=True):
    """What complaints, or a human, have put on a port or a signature until an epoch second."""

    kind: str
    name: str
    level: str
    until: float


class MqttView(Struct, frozen=True):
    """`backlog` records are not published yet; `missing` were removed before they could be."""

    connected: bool
    links: int
    backlog: int
    missing: int
    left_out: int


class ConsentView(Struct, frozen=True):
    """Opt-outs heard on the wire, and revocations that are not on the disk yet."""

    optouts: int
    uncommitted: int


class JournalView(Struct, frozen=True):
    """`state` ok, full or failing, and why; `number` of the last durable record; what waits: records with the writer,
    octets of events in main and of records in the workers; `unrecorded` messages were throttled for want of room."""

    state: str
    reason: str
    number: int
    queue: int
    waiting_events: int
    waiting_records: int
    octets: int
    restarts: int
    unrecorded: int


class ProcessView(Struct, frozen=True):
    """`cpu_seconds` and `seconds` are those of its present life, `restarts` the lives before it."""

    name: str
    pid: int
    serving: bool
    links: int
    restarts: int
    seconds: float
    cpu_seconds: float
    resident_bytes: float


class Snapshot(Struct, frozen=True):
    """One node. `clock` is the daemon's monotonic clock at `at` (epoch seconds), `zone` that of its settings, `seconds`
    how long it runs. The lists of accounts and links hold the busiest; `..._in_all` say how many there are."""

    at: float
    clock: float
    node: str
    zone: str
    version: str
    flavour: str
    mode: str
    pid: int
    seconds: float
    draining: bool
    registry: RegistryView
    messages: list[Verdicts]
    decision: Times
    relay: Times
    smsc: Times
    decision_errors: int
    connections_refused: dict[str, int]
    sessions: dict[str, int]
    owed: int
    owed_most: int
    smscs: list[SmscView]
    accounts: list[AccountView]
    accounts_in_all: int
    links: list[LinkView]
    links_in_all: int
    journal: JournalView
    processes: list[ProcessView]
    standing: dict[str, int]
    restraints: list[RestraintView]
    complaints: dict[str, int]
    violations: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    mqtt: MqttView | None = None
    consent: ConsentView | None = None
