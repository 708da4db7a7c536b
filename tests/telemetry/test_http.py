"""The HTTP endpoint over real sockets."""

import asyncio
import socket
from typing import NoReturn

import pytest
import uvloop

from portguard.telemetry import http
from portguard.telemetry.collector import Metrics
from portguard.telemetry.http import Endpoint


def request(payload: bytes, reason: str = "") -> bytes:
    """What the endpoint answers on one connection until it closes it."""

    async def main() -> bytes:
        endpoint = Endpoint(Metrics(build={"version": "1"}).registry(), lambda: reason)
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        await endpoint.start([sock])
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            async with asyncio.timeout(10):
                writer.write(payload)
                return await reader.read()
        finally:
            writer.close()
            endpoint.close()
            sock.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def test_metrics() -> None:
    answer = request(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'portguard_build_info{version="1"} 1.0' in answer


def test_openmetrics_where_it_is_asked_for() -> None:
    answer = request(b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n")
    assert b"Content-Type: application/openmetrics-text" in answer
    assert answer.endswith(b"# EOF\n")


def test_health_and_readiness() -> None:
    assert request(b"GET /healthz HTTP/1.1\r\n\r\n", "draining").startswith(b"HTTP/1.1 200")
    assert request(b"GET /readyz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
    refused = request(b"GET /readyz HTTP/1.1\r\n\r\n", "draining")
    assert refused.startswith(b"HTTP/1.1 503")
    assert refused.endswith(b"draining\n")


def test_head_has_no_body() -> None:
    answer = request(b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x00\x00\x00\x10\r\n\r\n", b"400"),
        (b"GET /" + b"x" * (http.LONGEST_REQUEST + 10) + b" HTTP/1.1\r\n\r\n", b"400"),
    ],
)
def test_other_requests(payload: bytes, status: bytes) -> None:
    assert request(payload).split(b" ")[1] == status


def test_slow_client_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.1)
    assert request(b"GET /metrics") == b""


def test_source_that_fails_is_an_error_and_not_the_end() -> None:
    def broken() -> NoReturn:
        raise ValueError("broken")

    metrics = Metrics(build={"version": "1"})
    metrics.gauge("broken", "x", (), broken)
    endpoint = Endpoint(metrics.registry(), lambda: "")
    assert endpoint.respond(b"GET /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 500")
    assert endpoint.respond(b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
