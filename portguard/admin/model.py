"""What is asked of steering and what it answers, as types: the API's description is made of them and of `tables`.

Times are ISO 8601; those without a zone are in the node's.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from portguard.admin.tables import Limit, Rollback, Row

Why = Annotated[str, Meta(min_length=1, max_length=200, description="The reason, for the record.")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Subscriber = Annotated[
    str, Meta(pattern="^[+]?[0-9]{5,20}$", description="A subscriber's number: digits; + or 00 may precede.")
]
TargetKind = Literal["port", "signature"]


class Rows(Struct, frozen=True):
    """Rows for people."""

    items: list[Row]


# ---- the node


class WorkerStatus(Struct, frozen=True):
    """One worker process."""

    worker: int
    pid: int
    serving: bool
    restarts: int


class NodeStatus(Struct, frozen=True):
    """`seconds` since the start. `building`: how far the build of a revision is, like `43% reading scopes.csv`.
    `sessions`: links by state; `smsc`: "up" or why one is away. `rollback` while what serves is not what the registry
    folder holds."""

    version: str
    flavour: str
    python: str
    node: str
    pid: int
    mode: str
    seconds: float
    listen: list[str]
    draining: bool
    revision: str
    rollback: Rollback | None
    reloads: dict[str, int]
    latest_reload: str
    building: str
    sessions: dict[str, int]
    smsc: dict[str, str]
    workers: list[WorkerStatus]


class Metric(Struct, frozen=True):
    """One number, as /metrics has it. Histograms are their sum and count."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics(Struct, frozen=True):
    """What is counted."""

    items: list[Metric]


# ---- sessions, suspensions


class SessionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`account`: only its links."""

    account: Annotated[str, Meta(max_length=15)] = ""


class SessionView(Struct, frozen=True):
    """One ESME link. `account` is "" before its bind; `since` is its bind, or the connection; `owed` answers that the
    SMSC owes it."""

    id: str
    account: str
    peer: str
    state: str
    since: str
    smsc: str
    owed: int
    worker: int


class Sessions(Struct, frozen=True):
    """Links of ESMEs."""

    items: list[SessionView]


class SessionPath(Struct, frozen=True):
    """`id` as the list of sessions has it."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]


class Closed(Struct, frozen=True):
    """The link is being brought to its end, answers that are owed delivered first."""

    id: str


class Suspension(Struct, frozen=True):
    """What complaints, or a human, have put on a port or a signature. `level`: watch, tag, throttle, suspend; `by` is
    "" or "complaints" where the counts said so."""

    kind: str
    name: str
    level: str
    until: str | None
    reason: str
    by: str


class Suspensions(Struct, frozen=True):
    """What is in force, and what is watched."""

    items: list[Suspension]


class SuspendRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Put a port (with all numbers that begin with it) or a signature at a level, in place of what complaints say."""

    kind: TargetKind
    name: Name
    why: Why
    level: Literal["none", "watch", "tag", "throttle", "suspend"] = "suspend"
    hours: Annotated[float, Meta(gt=0, le=8784)] = 24.0


class TargetPath(Struct, frozen=True):
    """A port or a signature."""

    kind: TargetKind
    name: Name


class LiftQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The reason, for the record."""

    why: Why


class Lifted(Struct, frozen=True):
    """`before` is the level that it was at."""

    kind: str
    name: str
    before: str


# ---- consent, complaints


class ConsentQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`category` as in a scope, perhaps with an industry; `at`: when the message would be delivered, now when blank."""

    enterprise: Name
    subscriber: Subscriber
    category: Annotated[str, Meta(max_length=64)] = "marketing"
    at: Annotated[str, Meta(max_length=40)] = ""


class ConsentStanding(Struct, frozen=True):
    """Does the consent count, why, and what is on file. The subscriber is masked."""

    enterprise: str
    subscriber: str
    counts: bool
    reason: str
    on_file: list[dict[str, str]]


class RevokeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """An opt-out. `at`: when the subscriber said so, now when blank."""

    enterprise: Name
    subscriber: Subscriber
    source: Annotated[str, Meta(max_length=64)] = "api"
    at: Annotated[str, Meta(max_length=40)] = ""


class GrantRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """An opt-in. No `categories` are all of them; `expires_at` blank is no end."""

    enterprise: Name
    subscriber: Subscriber
    granted_at: Annotated[str, Meta(min_length=1, max_length=40)]
    source: Annotated[str, Meta(max_length=64)] = ""
    categories: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=80)] = []
    expires_at: Annotated[str, Meta(max_length=40)] = ""
    proof: Annotated[str, Meta(max_length=500)] = ""


class OnFile(Struct, frozen=True):
    """It is on the disk. `changed` is False when as much was on file already."""

    changed: bool


class ComplaintsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows as `portguard complaints import` reads them."""

    rows: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=10_000)]


class ComplaintsTaken(Struct, frozen=True):
    """How many rows had each result, and what is wrong with those that were refused (rows count from 1)."""

    results: dict[str, int]
    problems: list[str]
    revoked: int


class ComplaintsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest first; `since` and `until` bound when they were received."""

    since: Annotated[str, Meta(max_length=40)] = ""
    until: Annotated[str, Meta(max_length=40)] = ""
    port: Annotated[str, Meta(max_length=20, pattern="^[0-9]*$")] = ""
    signature: Annotated[str, Meta(max_length=64)] = ""
    limit: Limit = 100


# ---- the journal


class ViolationsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Only those of an `account`, a `rule` (its name), a registered `port`, a `signature`; blank is any."""

    account: Annotated[str, Meta(max_length=15)] = ""
    rule: Annotated[str, Meta(max_length=64)] = ""
    port: Annotated[str, Meta(max_length=20, pattern="^[0-9]*$")] = ""
    signature: Annotated[str, Meta(max_length=64)] = ""
    limit: Limit = 100


class Record(Struct, frozen=True):
    """A record of the journal; numbers go up and name it for ever."""

    number: int
    kind: str
    fields: dict[str, Any]


class Records(Struct, frozen=True):
    """Records of the journal."""

    items: list[Record]


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`kinds`, separated by commas: violation, alert, escalation, complaint, registry, audit, ...; blank is all but
    audit. `after`: from the record behind this one (Last-Event-ID does the same); blank is from now on. `per_second`:
    violations beyond it are left out, and counted in an event `left_out`."""

    kinds: Annotated[str, Meta(max_length=200, pattern="^[a-z_]*(?:,[a-z_]+)*$")] = ""
    after: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    per_second: Annotated[int, Meta(ge=0, le=1000)] = 20


# ---- judging


class ExplainRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A message to judge as it would be now (or at `at`), by its fields or as a whole `pdu` in hex."""

    account: Annotated[str, Meta(min_length=1, max_length=15)]
    source: Annotated[str, Meta(max_length=20)] = ""
    dest: Annotated[str, Meta(max_length=21)] = ""
    text: Annotated[str, Meta(max_length=20_000)] = ""
    data_coding: Annotated[int, Meta(ge=0, le=255)] = 8
    at: Annotated[str, Meta(max_length=40)] = ""
    pdu: Annotated[str, Meta(max_length=130_000, pattern="^(?:[0-9a-fA-F]{2})*$")] = ""


class ExplainedWord(Struct, frozen=True):
    """A word of the lexicon in the text; `counted` is False for one that is only part of a longer word."""

    word: str
    category: str
    weight: int
    counted: bool


class ExplainedRule(Struct, frozen=True):
    """What became of one rule: `state` fired, passed, off, not reached, not judged; `effect` of one that fired."""

    code: int
    rule: str
    state: str
    effect: str
    why: str


class Explanation(Struct, frozen=True):
    """The verdict, and why each rule did or did not fire. `rule` is "" and `code` 0 for allow; `template` is the one
    that decided the category; `at` is the time that it was judged for."""

    action: str
    rule: str
    code: int
    signature: str
    category: str
    industry: str
    revision: str
    status: str
    hits: list[str]
    at: str
    mode: str
    template: str
    words: list[ExplainedWord]
    trace: list[ExplainedRule]
