"""A daemon with an admin API, as a process of its own, and calls to it."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

from portguard.admin.tokens import Tokens
from portguard.sim.ports import free_port
from tests.daemon.processes import DEADLINE, SETTINGS, Daemon

ADMIN = """
[policy]
mode = "enforce"
[consent]
path = "consent"
[admin]
address = "127.0.0.1:{port}"
max_body = 65536
timeout = 2.0
wrong_tokens = {wrong_tokens}
connections = 20
streams = 2
"""


class Answer(NamedTuple):
    """An answer; `body` is its JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class Node(Daemon):
    """`admin` and `reader` are tokens."""

    def __init__(self, folder: Path, more: str = "", settings: str = SETTINGS, wrong_tokens: int = 5) -> None:
        self.port = free_port()
        super().__init__(folder, settings + ADMIN.format(port=self.port, wrong_tokens=wrong_tokens) + more)
        self.state.mkdir(mode=0o700)
        self.tokens = Tokens(self.state / "tokens.json")
        self.admin = self.tokens.add("console", "admin")
        self.reader = self.tokens.add("watcher", "reader")
        self.context: ssl.SSLContext | None = None

    def connection(self) -> HTTPConnection:
        """A new one."""
        if self.context is not None:
            return HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE, context=self.context)
        return HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call with a token: the admin's unless another is given, None for none."""
        connection = self.connection()
        try:
            self.send(connection, method, path, body, token=token, headers=headers)
            return read(connection.getresponse())
        finally:
            connection.close()

    def send(
        self, connection: HTTPConnection, method: str, path: str, body: Any = None, *, token: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send a request."""
        given = dict(headers or {})
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token or self.admin}")
        octets: bytes | None = None
        if body is not None:
            octets = body if isinstance(body, bytes) else json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        connection.request(method, path, octets, given)

    def ok(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """What a call that is answered 200 gives."""
        answer = self.call(method, path, body, **how)
        assert answer.status == 200, answer
        return answer.body

    def problem(self, status: int, method: str, path: str, body: Any = None, **how: Any) -> dict[str, Any]:
        """The problem that a call ends in."""
        answer = self.call(method, path, body, **how)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
        found: dict[str, Any] = answer.body
        assert found["status"] == status
        assert found["title"]
        assert found["detail"]
        assert found["instance"] == f"urn:portguard:request:{answer.headers['x-request-id']}"
        return found


def read(response: HTTPResponse) -> Answer:
    """The whole answer."""
    octets = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, json.loads(octets) if octets else None)
