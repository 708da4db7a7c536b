"""The table of everything that can be called: from it come the dispatch, the checks of what comes in, the description.

Nouns: a *route* is a method, a path with {names}, the role it takes, and the types of its path, query, body and answer;
a *call* is one request with all of that as values.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from portguard.admin import model, tables
from portguard.admin.comparison import Comparison
from portguard.admin.steering import Caller, Steering
from portguard.admin.tokens import Role

VERSION: Final = "/v1"

T = TypeVar("T")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Call:
    """`path`, `query` and `body` are of the route's types."""

    steering: Steering
    caller: Caller
    path: Any = NOTHING
    query: Any = NOTHING
    body: Any = NOTHING


@dataclass(frozen=True, slots=True)
class Route:
    """`handle` gives a value of type `answer`; a `stream` answers with server-sent events instead."""

    method: str
    template: str
    role: Role
    name: str
    summary: str
    handle: Callable[[Call], Awaitable[Any]]
    answer: Any
    path: type[msgspec.Struct] = Nothing
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    stream: bool = False
    group: str = "node"

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The values of the path's names where it fits, percent-encoding undone. Raises UnicodeDecodeError."""
        own = self.template.split("/")
        if len(own) != len(segments):
            return None
        found = {}
        for mine, given in zip(own, segments, strict=True):
            if mine.startswith("{"):
                found[mine[1:-1]] = unquote(given, errors="strict")
            elif mine != given:
                return None
        return found


async def _items(items: Awaitable[list[T]]) -> dict[str, list[T]]:
    """A list as an answer, which other fields may come to stand beside."""
    return {"items": await items}


async def _no_stream(call: Call) -> None:
    raise NotImplementedError("a stream is served by `stream`")


def _reads(
    template: str, name: str, summary: str, handle: Callable[[Call], Awaitable[Any]], answer: Any, group: str,
    *, query: type[msgspec.Struct] = Nothing,
) -> Route:
    return Route("GET", VERSION + template, "reader", name, summary, handle, answer, query=query, group=group)


def _asks(
    template: str, role: Role, name: str, summary: str, handle: Callable[[Call], Awaitable[Any]],
    body: type[msgspec.Struct], answer: Any, group: str,
) -> Route:
    return Route("POST", VERSION + template, role, name, summary, handle, answer, body=body, group=group)


ROUTES: Final[tuple[Route, ...]] = (
    _reads("/status", "status", "How the node is.", lambda c: c.steering.status(), model.NodeStatus, "node"),
    _reads(
        "/metrics", "metrics", "What it counts, as numbers.", lambda c: _items(c.steering.metrics()),
        model.Metrics, "node",
    ),
    _reads(
        "/registry", "registry", "The revision that serves and those that are kept.", lambda c: c.steering.registry(),
        tables.RegistryState, "registry",
    ),
    _reads(
        "/registry/search", "search", "Look a signature, a port, an account or an enterprise up, in what serves.",
        lambda c: c.steering.search(c.query), tables.Found, "registry", query=tables.Search,
    ),
    _asks(
        "/registry/edits", "admin", "edit", "Add, change or remove one row, in the tables and in service.",
        lambda c: c.steering.edit(c.caller, c.body), tables.EditRequest, tables.EditResult, "registry",
    ),
    _asks(
        "/registry/reload", "admin", "reload", "Take the registry folder into service as it is now.",
        lambda c: c.steering.reload(c.caller), Nothing, tables.ReloadResult, "registry",
    ),
    _asks(
        "/registry/compare", "admin", "compare", "What a reload or a rollback would change: rows, and recent traffic.",
        lambda c: c.steering.compare(c.body), tables.CompareRequest, Comparison, "registry",
    ),
    _asks(
        "/registry/rollback", "admin", "rollback", "Bring a revision that was kept back into service.",
        lambda c: c.steering.rollback(c.caller, c.body), tables.RollbackRequest, tables.ReloadResult, "registry",
    ),
    _reads(
        "/sessions", "sessions", "The links of ESMEs.", lambda c: _items(c.steering.sessions(c.query)),
        model.Sessions, "sessions", query=model.SessionsQuery,
    ),
    Route(
        "DELETE", f"{VERSION}/sessions/{{id}}", "admin", "close_session", "End a link, owed answers delivered first.",
        lambda c: c.steering.close_session(c.caller, c.path.id), model.Closed, model.SessionPath, group="sessions",
    ),
    _reads(
        "/suspensions", "suspensions", "What ports and signatures stand at.",
        lambda c: _items(c.steering.suspensions()), model.Suspensions, "suspensions",
    ),
    _asks(
        "/suspensions", "admin", "suspend", "Put a port or a signature at a level, in place of what complaints say.",
        lambda c: c.steering.suspend(c.caller, c.body), model.SuspendRequest, model.Suspension, "suspensions",
    ),
    Route(
        "DELETE", f"{VERSION}/suspensions/{{kind}}/{{name}}", "admin", "lift",
        "Lift what is on a port or a signature, and forgive the complaints so far.",
        lambda c: c.steering.lift(c.caller, c.path, c.query.why), model.Lifted, model.TargetPath, model.LiftQuery,
        group="suspensions",
    ),
    _asks(
        "/consent/check", "reader", "check_consent", "Does a consent count, and what is on file?",
        lambda c: c.steering.consent(c.body), model.ConsentQuery, model.ConsentStanding, "consent",
    ),
    _asks(
        "/consent/revoke", "admin", "revoke_consent", "Put an opt-out on file; it counts at once.",
        lambda c: c.steering.revoke(c.caller, c.body), model.RevokeRequest, model.OnFile, "consent",
    ),
    _asks(
        "/consent/grant", "admin", "grant_consent", "Put an opt-in on file.",
        lambda c: c.steering.grant(c.caller, c.body), model.GrantRequest, model.OnFile, "consent",
    ),
    _reads(
        "/complaints", "complaints", "Complaints, the newest first.", lambda c: _items(c.steering.complaints(c.query)),
        model.Rows, "complaints", query=model.ComplaintsQuery,
    ),
    _asks(
        "/complaints", "admin", "take_complaints", "Take complaints in, each accepted or refused by itself.",
        lambda c: c.steering.take_complaints(c.caller, c.body.rows), model.ComplaintsRequest, model.ComplaintsTaken,
        "complaints",
    ),
    _reads(
        "/complaints/targets", "targets", "Complaints and rates by port and signature.",
        lambda c: _items(c.steering.targets()), model.Rows, "complaints",
    ),
    _reads(
        "/violations", "violations", "Recent violations, the newest first.",
        lambda c: _items(c.steering.violations(c.query)), model.Records, "violations",
        query=model.ViolationsQuery,
    ),
    _asks(
        "/explain", "reader", "explain", "Judge one message and say why, rule by rule.",
        lambda c: c.steering.explain(c.body), model.ExplainRequest, model.Explanation, "violations",
    ),
    Route(
        "GET", f"{VERSION}/events", "reader", "events", "The journal's records as they come, as server-sent events.",
        _no_stream, model.Record, query=model.EventsQuery, stream=True, group="violations",
    ),
)


def find(method: str, raw_path: str) -> tuple[Route | None, dict[str, str], list[str]]:
    """The route of a request and the values in its path; without one, the methods that the path would take."""
    segments, allowed = raw_path.split("/"), []
    for route in ROUTES:
        values = route.match(segments)
        if values is not None:
            if route.method == method:
                return route, values, []
            allowed.append(route.method)
    return None, {}, allowed
