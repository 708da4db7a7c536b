"""The office of steering: commands of the control socket, and the admin API where [admin] is set.

A command's arguments are the fields of what the API takes in its place; its answer is what the API answers, with "ok",
or "error" and what a problem would have.
"""

import contextlib
import pwd
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from portguard.admin import model, tables
from portguard.admin.options import AdminOptions
from portguard.admin.steering import Caller, Refusal
from portguard.admin.tokens import Tokens
from portguard.daemon.control import Command, Request
from portguard.daemon.desk import Desk
from portguard.daemon.state import StateError
from portguard.daemon.steering import NodeSteering
from portguard.net.listener import ListenError, bound_sockets, listen
from portguard.net.options import ServerTlsOptions
from portguard.net.tls import TlsError, server_context
from portguard.settings.schema import Settings

if TYPE_CHECKING:
    from portguard.admin.server import Api

BACKLOG: Final = 64


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command without arguments."""


@contextlib.asynccontextmanager
async def administering(desk: Desk) -> AsyncIterator[None]:
    """Open while people may steer the node."""
    steering = NodeSteering(desk)
    desk.commands.update(commands_of(steering))
    desk.reloader.changed = lambda before, why, outcome: desk.journal.emit("registry", {
        "revision": outcome.revision, "before": before, "why": why, "counts": outcome.counts,
    })
    options = desk.settings.admin
    try:
        if options is None:
            yield
            return
        api = await _open(desk, options, steering)
        try:
            yield
        finally:
            await api.close()
    finally:
        steering.close()


async def _open(desk: Desk, options: AdminOptions, steering: NodeSteering) -> "Api":
    """The API on its address. Raises StateError."""
    # aiohttp is of no use to a node without an admin API.
    from portguard.admin.server import Api

    context: ssl.SSLContext | None = None
    try:
        if options.tls is not None:
            tls = options.tls
            context = server_context(ServerTlsOptions(tls.certificate, tls.key, tls.client_ca))
        sockets = bound_sockets("admin.address", options.address)
        listen("admin.address", sockets, BACKLOG)
    except (ListenError, TlsError) as error:
        raise StateError(str(error)) from error
    api = Api(options, steering, Tokens(tokens_of(desk.settings)), desk.journal.emit)
    desk.metrics.counter(
        "admin_requests", "Answers of the admin API", ("operation", "status"),
        lambda: ((labels, float(count)) for labels, count in api.answered.items()),
    )
    desk.metrics.counter(
        "admin_refused", "Calls of the admin API without authority", ("reason",),
        lambda: (((reason,), float(count)) for reason, count in api.wrong.items()),
    )
    desk.metrics.gauge("admin_streams", "Open event streams", (), lambda: [((), float(api.streams))])
    await api.start(sockets, context)
    return api


def tokens_of(settings: Settings) -> Path:
    """The file of tokens."""
    options = settings.admin or AdminOptions()
    return options.tokens or settings.node.state / "tokens.json"


def commands_of(steering: NodeSteering) -> dict[str, Command]:
    """What of steering the control socket has, by name."""
    s = steering

    def asks(kind: type[Any], ask: Callable[[Any], Awaitable[Any]]) -> Command:
        return _command(kind, lambda caller, wanted: ask(wanted))

    return {
        "registry": asks(Nothing, lambda _: s.registry()),
        "compare": asks(tables.CompareRequest, s.compare),
        "search": asks(tables.Search, s.search),
        "edit": _command(tables.EditRequest, s.edit),
        "rollback": _command(tables.RollbackRequest, s.rollback),
        "sessions": asks(model.SessionsQuery, s.sessions),
        "close_session": _command(model.SessionPath, lambda caller, wanted: s.close_session(caller, wanted.id)),
        "explain": asks(model.ExplainRequest, s.explain),
        "violations": asks(model.ViolationsQuery, s.violations),
    }


def _command(kind: type[Any], act: Callable[[Caller, Any], Awaitable[Any]]) -> Command:
    async def command(request: Request) -> dict[str, Any]:
        try:
            wanted = msgspec.convert(request.arguments, kind)
            answer = msgspec.to_builtins(await act(caller_of(request), wanted))
        except msgspec.ValidationError as error:
            return {"ok": False, "error": str(error)}
        except Refusal as refusal:
            return {
                "ok": False, "error": refusal.detail, "kind": refusal.kind, "field": refusal.field,
                "remedy": refusal.remedy, "errors": refusal.errors, "rows": refusal.rows,
            }
        return {"ok": True, **(answer if isinstance(answer, dict) else {"items": answer})}

    return command


def caller_of(request: Request) -> Caller:
    """The user of the machine who asks over the control socket, which only the daemon's own and root may."""
    try:
        who = pwd.getpwuid(request.user).pw_name
    except KeyError:
        who = f"uid {request.user}"
    return Caller(who, "admin", "control")
