"""The HTTP side: connections, authority, what comes in and what goes out. Imported only where [admin] is set.

Every answer carries its request's id and the headers that keep browsers from doing anything with it; there is no CORS,
and no cookie. A token is checked before the path is looked at, and compared in constant time. What is wrong is counted;
wrong tokens are put on record, up to a bound a minute and address.
"""

import asyncio
import logging
import re
import secrets
import socket
import ssl
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from portguard.admin.openapi import document
from portguard.admin.options import AdminOptions
from portguard.admin.problems import MEDIA_TYPE, Fault, Problem, faulty, problem_of
from portguard.admin.routes import ROUTES, Call, Nothing, Route, find
from portguard.admin.steering import Caller, Refusal, Steering
from portguard.admin.stream import Streams
from portguard.admin.tokens import Token, Tokens, TokensError

Emit = Callable[[str, dict[str, object]], None]

JSON: Final = "application/json"
PEERS_KEPT: Final = 1024
END_SECONDS: Final = 2.0

_HEADERS: Final = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin", "Server": "portguard",
}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger("portguard.admin")


class Api:
    """Serves `steering`. `answered` counts answers by (operation, status), `wrong` refusals by reason."""

    def __init__(self, options: AdminOptions, steering: Steering, tokens: Tokens, emit: Emit) -> None:
        self.answered: Counter[tuple[str, str]] = Counter()
        self.wrong: Counter[str] = Counter()
        self._options = options
        self._steering = steering
        self._tokens = tokens
        self._emit = emit
        self._streams = Streams(steering, options.streams)
        # Wrong tokens by address: since when, and how many.
        self._peers: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._server: _Server | None = None
        self._listening: list[asyncio.Server] = []
        self._tls = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams.open

    async def start(self, sockets: list[socket.socket], context: ssl.SSLContext | None) -> None:
        """Serve on listening sockets, which are the API's from now on."""
        loop = asyncio.get_running_loop()
        self._tls = context is not None
        self._server = _Server(
            self._handle, self._options.connections, self._malformed, request_factory=self._request, access_log=None,
            keepalive_timeout=self._options.timeout, lingering_time=1.0,
        )
        for sock in sockets:
            self._listening.append(await loop.create_server(self._server.protocol, sock=sock, ssl=context))

    async def close(self) -> None:
        """Take no more, and end what is under way soon."""
        for listening in self._listening:
            listening.close()
        self._streams.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(END_SECONDS)

    # ---- one request

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=self._options.max_body
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        name, headers = "", {}
        try:
            if request.raw_path.partition("?")[0] == "/openapi.json":
                name = "openapi"
                if request.method != "GET":
                    raise Fault(405, "GET is taken here", headers={"Allow": "GET"})
                return self._response(200, document(), JSON, id, name)
            token = self._authority(request)
            route, values = _route(request)
            name = route.name
            if route.role == "admin" and token.role != "admin":
                self.wrong["role"] += 1
                raise Fault(403, f"{token.name} is a {token.role}'s token", remedy="use one of an admin")
            caller = Caller(token.name, token.role, "http", request.remote or "", id)
            call = await self._call(request, route, values, caller)
            if route.stream:
                return await self._stream(request, call, id, name)
            answer = msgspec.json.encode(await route.handle(call))
            return self._response(200, answer, JSON, id, name)
        except Fault as fault:
            problem, headers = fault.problem, fault.headers
        except Refusal as refusal:
            problem = problem_of(refusal)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a request failed", extra={"request": id, "operation": name})
            problem = Problem(500, "That failed", "the log of the proxy says why", remedy="look for the request's id")
        return self._problem(problem, id, name, headers)

    def _malformed(self, peer: str, why: str) -> web.Response:
        """The answer to what is no HTTP. Anybody can send that: one line of the log, and only where all is wanted."""
        log.debug("a malformed request", extra={"peer": peer, "reason": why})
        return self._problem(Fault(400, f"that is no HTTP request: {why}").problem, secrets.token_hex(8), "", {})

    def _problem(self, problem: Problem, id: str, name: str, headers: dict[str, str]) -> web.Response:
        body = msgspec.json.encode(msgspec.structs.replace(problem, instance=f"urn:portguard:request:{id}"))
        return self._response(problem.status, body, MEDIA_TYPE, id, name, headers)

    def _response(
        self, status: int, body: bytes, kind: str, id: str, name: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        self.answered[name, str(status)] += 1
        return web.Response(status=status, body=body, content_type=kind, headers=self._common(id) | (headers or {}))

    def _common(self, id: str) -> dict[str, str]:
        more = {"Strict-Transport-Security": "max-age=31536000"} if self._tls else {}
        return {**_HEADERS, **more, "X-Request-Id": id}

    # ---- authority

    def _authority(self, request: web.BaseRequest) -> Token:
        """The token of the request. Raises Fault."""
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        challenge = {"WWW-Authenticate": 'Bearer realm="portguard"'}
        if scheme.lower() != "bearer" or not presented.strip():
            self.wrong["none"] += 1
            raise Fault(401, "there is no bearer token", remedy="send Authorization: Bearer <token>", headers=challenge)
        try:
            token = self._tokens.whose(presented.strip())
        except TokensError as error:
            log.error("the tokens cannot be read", extra={"reason": str(error)})
            raise Fault(503, "no token can be checked at present; the log says why") from error
        if token is not None:
            return token
        self.wrong["token"] += 1
        peer = request.remote or ""
        if self._too_many(peer):
            raise Fault(429, "too many wrong tokens came from there", headers={**challenge, "Retry-After": "60"})
        self._emit("audit", {
            "who": "unknown", "role": "", "what": "token", "target": request.path[:200], "outcome": "refused",
            "peer": peer,
        })
        log.warning("a wrong token", extra={"peer": peer, "path": request.path[:200]})
        raise Fault(401, "there is no such token", remedy="portguard admin token list", headers=challenge)

    def _too_many(self, peer: str) -> bool:
        """Count a wrong token; True for those beyond the bound of this minute."""
        now = time.monotonic()
        since, count = self._peers.pop(peer, (now, 0))
        if now - since >= 60.0:
            since, count = now, 0
        self._peers[peer] = since, count + 1
        while len(self._peers) > PEERS_KEPT:
            self._peers.popitem(last=False)
        return count >= self._options.wrong_tokens

    # ---- what comes in

    async def _call(
        self, request: web.BaseRequest, route: Route, values: dict[str, str], caller: Caller
    ) -> Call:
        """The request as the route's types. Raises Fault."""
        query = _query(request, route)
        try:
            path = msgspec.convert(values, route.path)
        except msgspec.ValidationError as error:
            raise faulty(error, base="path") from error
        body: Any = None
        if route.body is not None:
            body = _decoded(await self._body(request), route.body)
        elif request.can_read_body:
            raise Fault(400, "no body is taken here")
        return Call(self._steering, caller, path, query, body)

    async def _body(self, request: web.BaseRequest) -> bytes:
        if request.content_length is not None and request.content_length > self._options.max_body:
            raise self._too_large()
        if request.can_read_body and request.content_type != JSON:
            raise Fault(415, f"the body's type is {request.content_type}", remedy="send Content-Type: application/json")
        try:
            async with asyncio.timeout(self._options.timeout):
                return await request.read()
        except TimeoutError:
            raise Fault(408, f"the body did not come within {self._options.timeout:g} s") from None
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None

    def _too_large(self) -> Fault:
        most = self._options.max_body
        return Fault(413, f"the body is larger than {most:,} octets", remedy="send less at once, or set admin.max_body")

    # ---- streams

    async def _stream(self, request: web.BaseRequest, call: Call, id: str, name: str) -> web.StreamResponse:
        last = request.headers.get("Last-Event-ID", "")
        if last and not (last.isascii() and last.isdigit() and len(last) < 19):
            raise Fault(400, f"{last[:60]!r} is no event's id", field="Last-Event-ID")
        after = int(last) if last else call.query.after
        if after is None:
            after = await call.steering.latest()
        response = web.StreamResponse(
            headers={**self._common(id), "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        stream = self._streams.begin(call.query, call.caller, after)
        self.answered[name, "200"] += 1
        try:
            await response.prepare(request)
            await stream.run(_Answer(request, response))
        except (ConnectionResetError, TimeoutError):
            log.debug("a stream was left", extra={"request": id})
        finally:
            self._streams.end(stream)
        return response


class _Answer:
    """The answer of a stream, as `stream.Sink`."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self._request = request
        self.write = response.write

    @property
    def gone(self) -> bool:
        return self._request.transport is None or self._request.transport.is_closing()


class _Server(web.Server):
    """Beyond `most` connections a further one is closed unanswered; `malformed` answers what is no HTTP."""

    def __init__(self, handler: Any, most: int, malformed: Callable[[str, str], web.Response], **how: Any) -> None:
        request_factory = how.pop("request_factory")
        super().__init__(handler, request_factory=request_factory)
        self._most = most
        self._malformed = malformed
        self._how = how

    def protocol(self) -> asyncio.Protocol:
        """What serves a new connection."""
        if len(self.connections) >= self._most:
            return _Closing()
        return _Connection(self, self._malformed, asyncio.get_running_loop(), **self._how)


class _Connection(web.RequestHandler):
    """A connection whose malformed requests are no errors of ours, and no tracebacks."""

    def __init__(
        self, server: web.Server, malformed: Callable[[str, str], web.Response], loop: asyncio.AbstractEventLoop,
        **how: Any,
    ) -> None:
        super().__init__(server, loop=loop, **how)
        self._malformed = malformed

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what cannot be parsed or handled; the connection ends with it."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        why = (message or "").partition("\n")[0].rstrip(": ")[:100]
        response = self._malformed(request.remote or "", why or "it cannot be parsed")
        response.force_close()
        return response


class _Closing(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _route(request: web.BaseRequest) -> tuple[Route, dict[str, str]]:
    """The route and the values in its path. Raises Fault."""
    path = request.raw_path.partition("?")[0]
    try:
        route, values, allowed = find(request.method, path)
    except UnicodeDecodeError as error:
        raise Fault(400, "the path is not UTF-8") from error
    if route is not None:
        return route, values
    if allowed:
        methods = ", ".join(allowed)
        raise Fault(405, f"{request.method} is not taken here; {methods} is", headers={"Allow": methods})
    raise Fault(404, "there is no such path", remedy=f"the {len(ROUTES)} there are stand in /openapi.json")


def _query(request: web.BaseRequest, route: Route) -> Any:
    """The query as the route's type. Raises Fault."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Fault(400, "the parameter is there twice", field=name)
        given[name] = value
    try:
        return msgspec.convert(given, route.query, strict=False)
    except msgspec.ValidationError as error:
        raise faulty(error) from error


def _decoded(octets: bytes, kind: type[msgspec.Struct]) -> Any:
    """A body as its type; none at all is an empty object where that is enough. Raises Fault."""
    if not octets and kind is Nothing:
        octets = b"{}"
    try:
        return msgspec.convert(_whole(msgspec.json.decode(octets)), kind)
    except msgspec.ValidationError as error:
        raise faulty(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(400, f"the body is no JSON: {error}") from error
    except RecursionError:
        raise Fault(400, "the body is nested too deeply") from None


def _whole(value: Any) -> Any:
    """A JSON value in which 75.0 is 75, as JSON schemas have it."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value
