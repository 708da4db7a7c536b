"""/metrics, /healthz and /readyz over HTTP/1.1, for Prometheus, balancers and Kubernetes.

Small on purpose: GET and HEAD, one answer a connection, a bounded request within a bounded time.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry

LONGEST_REQUEST = 16 * 1024
REQUEST_SECONDS = 5.0
REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error",
    503: "Service Unavailable",
}

log = logging.getLogger("portguard.telemetry")


class Endpoint:
    """`not_ready` returns why the node should get no traffic, "" while it should; `refresh` is awaited before
    /metrics is read, and must bound its own time."""

    def __init__(
        self, registry: CollectorRegistry, not_ready: Callable[[], str],
        refresh: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._registry = registry
        self._not_ready = not_ready
        self._refresh = refresh
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve on listening sockets, which are the endpoint's from now on."""
        for sock in sockets:
            self._servers.append(await asyncio.start_server(self._serve, sock=sock, limit=LONGEST_REQUEST))

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                if self._refresh is not None and b"/metrics" in head.partition(b"\r\n")[0]:
                    await self._refresh()
                writer.write(self.respond(head))
                await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_response(400, "text/plain", b"the request is too long\n"))
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    def respond(self, head: bytes) -> bytes:
        """The whole response to a request's head."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response(400, "text/plain", b"this is no HTTP/1 request\n")
        method, path = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response(405, "text/plain", b"only GET and HEAD\n")
        try:
            status, kind, body = self._page(path, _header(lines, "accept"))
        except Exception:
            log.exception("page failed", extra={"path": path})
            status, kind, body = 500, "text/plain", b"this page failed; the log says why\n"
        return _response(status, kind, body, headers_only=method == "HEAD")

    def _page(self, path: str, accept: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            encode, kind = choose_encoder(accept)
            return 200, kind, encode(self._registry)
        if path == "/healthz":
            return 200, "text/plain", b"alive\n"
        if path == "/readyz":
            reason = self._not_ready()
            return (503, "text/plain", f"{reason}\n".encode()) if reason else (200, "text/plain", b"ready\n")
        return 404, "text/plain", b"here are /metrics, /healthz and /readyz\n"


def _header(lines: list[str], name: str) -> str:
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == name:
            return value.strip()
    return ""


def _response(status: int, kind: str, body: bytes, *, headers_only: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if headers_only else body)
