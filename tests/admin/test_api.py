"""The API of a running node: what it does, and what it refuses."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.admin.running import Node, read
from tests.daemon.processes import until

# Left out by `make quick`.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that the module's tests share; each leaves it as it was."""
    with Node(tmp_path_factory.mktemp("node")) as running:
        assert isinstance(running, Node)
        yield running


# ---- authority


def test_without_a_token_nothing_is_answered_but_the_description(node: Node) -> None:
    for path in ("/v1/status", "/v1/registry/search", "/v1/nothing", "/", "/v1/events"):
        problem = node.problem(401, "GET", path, token=None)
        assert problem["remedy"] == "send Authorization: Bearer <token>"
    answer = node.call("GET", "/v1/status", token=None)
    assert answer.headers["www-authenticate"] == 'Bearer realm="portguard"'
    assert node.ok("GET", "/openapi.json", token=None)["openapi"] == "3.1.0"
    node.problem(405, "POST", "/openapi.json", {}, token=None)


def test_wrong_tokens_are_refused_counted_and_bounded(node: Node) -> None:
    before = node.ok("GET", "/v1/metrics")["items"]
    for scheme in ("Basic abc", "Bearer", "Bearer ", "bearer\t", "Token x"):
        assert node.call("GET", "/v1/status", token=None, headers={"Authorization": scheme}).status == 401
    found = [node.call("GET", "/v1/status", token="pg_wrong").status for _ in range(8)]
    assert found == [401] * 5 + [429] * 3
    assert node.call("GET", "/v1/status", token="pg_wrong").headers["retry-after"] == "60"
    # Whoever has the right one is not kept out by those who have not.
    assert node.ok("GET", "/v1/status", token=node.reader)["node"] == "test"
    after = node.ok("GET", "/v1/metrics")["items"]
    assert refused(after, "token") - refused(before, "token") == 9
    assert "event=\"a wrong token\" peer=127.0.0.1 path=/v1/status" in node.said()
    assert "pg_wrong" not in node.said()


@pytest.mark.parametrize("request_", [
    "GET /v1/registry/search?signature=远山 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    b"\x16\x03\x01\x00\xa5\x01\0\0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer pg_secret\r\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer pg_secret\x01\r\n\r\n",
])  # fmt: skip
def test_what_is_no_http_is_answered_and_leaves_no_traceback(node: Node, request_: bytes) -> None:
    before = node.said()
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as link:
        link.sendall(request_)
        answer = HTTPResponse(link)
        answer.begin()
        status, headers, body = read(answer)
        if status == 400:
            assert link.recv(1) == b""
    assert (status in (400, 401), headers["content-type"]) == (True, "application/problem+json")
    assert body["instance"] == f"urn:portguard:request:{headers['x-request-id']}"
    if status == 400:
        assert body["detail"].startswith("that is no HTTP request: ")
        assert "pg_secret" not in body["detail"], "the log may have it, too"
    node.ok("GET", "/v1/status")
    said = node.said().removeprefix(before)
    assert "Traceback" not in said
    assert "level=error" not in said
    assert "pg_secret" not in said


def refused(metrics: list[dict[str, Any]], reason: str) -> float:
    found = [one["value"] for one in metrics if one["labels"] == {"reason": reason}]
    return float(found[0]) if found else 0.0


def test_a_reader_changes_nothing(node: Node) -> None:
    for method, path in (
        ("POST", "/v1/registry/reload"), ("POST", "/v1/registry/rollback"), ("POST", "/v1/registry/edits"),
        ("POST", "/v1/registry/compare"), ("DELETE", "/v1/sessions/1-1"), ("POST", "/v1/consent/revoke"),
        ("POST", "/v1/consent/grant"), ("POST", "/v1/suspensions"), ("POST", "/v1/complaints"),
        ("DELETE", "/v1/suspensions/port/1069?why=x"),
    ):
        problem = node.problem(403, method, path, {} if method == "POST" else None, token=node.reader)
        assert problem["detail"] == "watcher is a reader's token"


def test_a_token_ends_when_it_is_removed_and_works_when_it_is_added(node: Node) -> None:
    made = node.tokens.add("short", "reader")
    assert node.call("GET", "/v1/status", token=made).status == 200
    node.tokens.remove("short")
    assert node.call("GET", "/v1/status", token=made).status in (401, 429)


def test_a_damaged_file_of_tokens_lets_nobody_in(node: Node) -> None:
    path = node.state / "tokens.json"
    kept = path.read_bytes()
    path.write_bytes(b"[")
    assert node.problem(503, "GET", "/v1/status")["detail"] == "no token can be checked at present; the log says why"
    path.write_bytes(kept)
    assert node.call("GET", "/v1/status").status == 200


# ---- what goes over the wire


def test_headers_of_every_answer(node: Node) -> None:
    for path, token in (("/v1/status", ""), ("/v1/nothing", ""), ("/v1/status", None)):
        answer = node.call("GET", path, token=token)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["server"] == "portguard"
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_request_ids(node: Node) -> None:
    assert node.call("GET", "/v1/status", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for odd in ("", "a b", "x" * 65, "a\u00e9"):
        given = node.call("GET", "/v1/status", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert len(given) == 16
    ids = {node.call("GET", "/v1/status").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_no_browser_gets_in_from_elsewhere(node: Node) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    answer = node.call("OPTIONS", "/v1/status", headers=headers)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/nothing", 404, None), ("GET", "/", 404, None), ("GET", "/v1/status/", 404, None),
        ("GET", "/v1/../v1/status", 404, None), ("POST", "/v1/status", 405, "GET"),
        ("PUT", "/v1/suspensions", 405, "GET, POST"), ("GET", "/v1/sessions/%ff", 400, None),
        ("HEAD", "/v1/status", 405, "GET"), ("TRACE", "/v1/status", 405, "GET"),
    ],
)
def test_paths_and_methods(node: Node, method: str, path: str, status: int, allow: str | None) -> None:
    connection = node.connection()
    node.send(connection, method, path)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert (response.status, response.getheader("Allow")) == (status, allow)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", {}, 400, "the body is no JSON"), (b"\xff", {}, 400, "the body is no JSON"), (b"", {}, 400, "no JSON"),
        (b"[" * 50_000, {}, 400, "nested too deeply"), (b"[]", {}, 400, "expected `object`"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "the body's type is text/plain"),
        (b" " * 70_000, {}, 413, "the body is larger than 65,536 octets"),
        (b'{"enterprise": "hub", "subscriber": "139"}', {}, 400, "matching regex"),
        (b'{"enterprise": "hub", "subscriber": "13910001234", "more": 1}', {}, 400, "unknown field `more`"),
        (b'{"enterprise": 1, "subscriber": "13910001234"}', {}, 400, "expected `str`, got `int`"),
    ],
)
def test_bodies_that_are_none(node: Node, body: bytes, headers: dict[str, str], status: int, said: str) -> None:
    problem = node.problem(status, "POST", "/v1/consent/check", body, headers=headers)
    assert said in problem["detail"]


def test_a_body_that_is_nested_too_deeply(node: Node) -> None:
    body = b'{"rows": [{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}]}"
    assert "nested too deeply" in node.problem(400, "POST", "/v1/complaints", body)["detail"]


def test_a_problem_names_the_field(node: Node) -> None:
    problem = node.problem(400, "POST", "/v1/consent/check", {"enterprise": "hub", "subscriber": "139"})
    assert (problem["field"], problem["remedy"]) == ("subscriber", "see /openapi.json for what is taken")
    assert node.problem(400, "GET", "/v1/registry/search?limit=0")["field"] == "limit"
    assert node.problem(400, "GET", "/v1/registry/search?limit=1&limit=2")["field"] == "limit"
    assert "unknown field" in node.problem(400, "GET", "/v1/status?x=1")["detail"]
    node.problem(400, "GET", "/v1/status", b"{}")


def test_a_body_without_length_is_bounded_too(node: Node) -> None:
    connection = node.connection()
    connection.putrequest("POST", "/v1/explain")
    for name, value in (("Authorization", f"Bearer {node.admin}"), ("Content-Type", "application/json"),
                        ("Transfer-Encoding", "chunked")):  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for _ in range(30):
            connection.send(b"1000\r\n" + b" " * 4096 + b"\r\n")
    except OSError:
        pass
    answer = read(connection.getresponse())
    connection.close()
    assert answer.status == 413


def test_who_sends_too_slowly_is_let_go(node: Node) -> None:
    """2 s for a request, whatever of it is missing."""
    started = time.monotonic()
    head = socket.create_connection(("127.0.0.1", node.port), 20)
    head.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthor")
    idle = socket.create_connection(("127.0.0.1", node.port), 20)
    body = socket.create_connection(("127.0.0.1", node.port), 20)
    body.sendall(
        f"POST /v1/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {node.admin}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
    )
    assert b"408" in body.recv(4096)
    for connection in (head, idle, body):
        while connection.recv(4096):
            pass
        connection.close()
    assert time.monotonic() - started < 20


def test_more_connections_than_there_may_be(node: Node) -> None:
    kept = [socket.create_connection(("127.0.0.1", node.port), 20) for _ in range(20)]
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        node.call("GET", "/v1/status")
    for connection in kept:
        connection.close()
    until(lambda: _answers(node), "the node to answer again")


def _answers(node: Node) -> bool:
    try:
        return node.call("GET", "/v1/status").status == 200
    except OSError:
        return False


# ---- the node


def test_status_and_metrics(node: Node) -> None:
    status = node.ok("GET", "/v1/status", token=node.reader)
    assert (status["node"], status["mode"], status["draining"], status["rollback"]) == ("test", "enforce", False, None)
    assert status["revision"] == node.revision()
    assert status["workers"][0]["serving"]
    names = {metric["name"] for metric in node.ok("GET", "/v1/metrics")["items"]}
    assert {
        "portguard_sessions", "portguard_decision_seconds_count", "portguard_registry_info",
        "portguard_admin_requests_total",
    } <= names


def test_sessions(node: Node) -> None:
    address = node.ok("GET", "/v1/status")["listen"][0]
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as link:
        sessions = until(lambda: node.ok("GET", "/v1/sessions")["items"], "the session to be seen")
        assert [(one["account"], one["state"], one["peer"]) for one in sessions] == [("", "open", "127.0.0.1")]
        assert node.ok("GET", "/v1/sessions?account=hub01")["items"] == []
        assert node.ok("DELETE", f"/v1/sessions/{sessions[0]['id']}") == {"id": sessions[0]["id"]}
        assert link.recv(100) == b""
    assert node.problem(404, "DELETE", f"/v1/sessions/{sessions[0]['id']}")["field"] == "id"


# ---- explain and consent


def test_explain(node: Node) -> None:
    found = node.ok("POST", "/v1/explain", {
        "account": "hub01", "source": "10690000161", "dest": "13910001234", "text": "【恒讯短信】您的验证码是123456",
    }, token=node.reader)
    assert (found["action"], found["code"], found["revision"]) == ("reject", 101, node.revision())
    assert {line["state"] for line in found["trace"]} >= {"fired", "not reached"}
    assert node.problem(422, "POST", "/v1/explain", {"account": "a", "source": "é"})["field"] == "source"
    assert node.problem(422, "POST", "/v1/explain", {"account": "a", "pdu": "00"})["field"] == "pdu"
    assert node.problem(400, "POST", "/v1/explain", {"account": "a", "pdu": "0"})["field"] == "pdu"
    assert node.problem(422, "POST", "/v1/explain", {"account": "a", "at": "noon"})["field"] == "at"


def test_consent_is_granted_looked_at_and_revoked(node: Node) -> None:
    who = {"enterprise": "tea", "subscriber": "13910001234"}
    assert not node.ok("POST", "/v1/consent/check", who)["counts"]
    grant = {**who, "granted_at": "2026-01-01T00:00:00", "source": "opt-in", "categories": ["marketing/food"]}
    assert node.ok("POST", "/v1/consent/grant", grant) == {"changed": True}
    assert node.ok("POST", "/v1/consent/grant", grant) == {"changed": False}
    found = node.ok("POST", "/v1/consent/check", {**who, "category": "marketing/food"}, token=node.reader)
    assert (found["counts"], found["subscriber"]) == (True, "86139****1234")
    assert found["on_file"] == [
        {"granted_at": "2026-01-01T00:00:00+08:00", "source": "opt-in", "categories": "marketing/food"}
    ]
    assert node.ok("POST", "/v1/consent/revoke", who) == {"changed": True}
    assert not node.ok("POST", "/v1/consent/check", {**who, "category": "marketing/food"})["counts"]
    assert node.problem(422, "POST", "/v1/consent/grant", {**who, "granted_at": "then"})["field"] == "granted_at"
    assert node.problem(422, "POST", "/v1/consent/check", {**who, "category": "food"})["field"] == "category"
    assert "13910001234" not in node.said()


# ---- the registry


def test_search(node: Node) -> None:
    found = node.ok("GET", "/v1/registry/search?signature=%E9%9D%92%E8%8A%BD%E8%8C%B6%E4%B8%9A", token=node.reader)
    assert {row["signature"] for row in found["signatures"]} == {"青芽茶业"}
    assert found["scopes"]
    assert {row["id"] for row in found["enterprises"]} == {"tea"}
    found = node.ok("GET", "/v1/registry/search?signature=%E5%B1%B1%E6%B5%B7")
    assert {"山海商城", "山海优选"} <= {row["signature"] for row in found["signatures"]}
    found = node.ok("GET", "/v1/registry/search?port=10690000155")
    assert {row["port"] for row in found["ports"]} >= {"106900001"}
    chains = {chain["enterprise"]: chain for chain in found["chains"]}
    assert chains["hub"]["steps"] == ["hub"]
    assert chains["river"]["steps"] == ["hub", "river"]
    assert chains["river"]["permitted"]
    assert chains["tea"]["steps"] == ["hub", "river", "tea"]
    assert chains["tea"]["why"] == "the chain is 2 deep, 1 is permitted (rule 103)"
    found = node.ok("GET", "/v1/registry/search?account=river01")
    assert [row["system_id"] for row in found["accounts"]] == ["river01"]
    found = node.ok("GET", "/v1/registry/search?enterprise=hub&limit=2")
    assert (len(found["subleases"]), "subleases" in found["truncated"]) == (2, True)
    assert node.ok("GET", "/v1/registry/search?port=99")["ports"] == []
    for query, status in (("", 422), ("?port=1&account=a", 422), ("?port=1x", 400), ("?signature=" + "x" * 65, 400)):
        node.problem(status, "GET", f"/v1/registry/search{query}")


def test_an_edit_appears_in_the_table_and_serves(node: Node) -> None:
    before, table = node.revision(), node.registry / "signatures.csv"
    kept = table.read_bytes()
    row = {"signature": "青芽新茶", "enterprise": "tea"}
    edit = {"action": "add", "table": "signatures", "row": row}
    dry = node.ok("POST", "/v1/registry/edits", {**edit, "dry_run": True})
    assert (dry["dry_run"], table.read_bytes(), node.revision()) == (True, kept, before)
    found = node.ok("POST", "/v1/registry/edits", edit)
    assert (found["serves"], found["revision"], found["after"]) == (True, node.revision(), row)
    assert found["revision"] == dry["revision"] != before
    assert table.read_bytes() == kept + "青芽新茶,tea,,,\n".encode()
    assert node.ok("GET", "/v1/registry/search?signature=%E9%9D%92%E8%8A%BD%E6%96%B0%E8%8C%B6")["signatures"] == [
        {**row, "status": "active"}
    ]
    # Once more is a double, which the registry's own check refuses.
    problem = node.problem(409, "POST", "/v1/registry/edits", edit)
    assert problem["type"] == "urn:portguard:problem:conflict"
    assert any(line.startswith("signatures.csv:") for line in problem["errors"])
    node.ok("POST", "/v1/registry/edits", {"action": "remove", "table": "signatures", "where": row})
    assert (table.read_bytes(), node.revision()) == (kept, before)


@pytest.mark.parametrize(
    ("edit", "status", "field"),
    [
        ({"action": "add", "table": "brands", "row": {"a": "b"}}, 422, "table"),
        ({"action": "add", "table": "signatures", "row": {"signature": "a b"}}, 422, "row.enterprise"),
        ({"action": "drop", "table": "signatures"}, 400, "action"),
        ({"action": "remove", "table": "signatures"}, 422, "where"),
        ({"action": "remove", "table": "signatures", "where": {"signature": "nobody's"}}, 404, "where"),
        ({"action": "change", "table": "accounts", "where": {"enterprise": "bank"}, "row": {"tps": 1}}, 409, "where"),
        (
            {"action": "change", "table": "accounts", "where": {"system_id": "bank03"}, "row": {"status": "suspended"}},
            409, "",
        ),
        ({"action": "remove", "table": "enterprises", "where": {"id": "bank"}}, 409, ""),
    ],
)
def test_edits_that_cannot_be(node: Node, edit: dict[str, Any], status: int, field: str) -> None:
    before = {path.name: path.read_bytes() for path in node.registry.iterdir()}
    problem = node.problem(status, "POST", "/v1/registry/edits", edit)
    assert problem.get("field", "") == field
    assert problem["remedy"]
    if status == 409 and field == "where":
        assert len(problem["rows"]) == 3
    assert {path.name: path.read_bytes() for path in node.registry.iterdir()} == before


def test_reload_compare_and_rollback(node: Node) -> None:
    before = node.revision()
    assert node.ok("POST", "/v1/registry/reload")["result"] == "unchanged"
    node.edit("accounts.csv", "bank01,bank", "bank01,hub")
    found = node.ok("POST", "/v1/registry/compare", {})
    assert found["registry"]["counts"] == {"accounts": {"added": 0, "removed": 0, "changed": 1}}
    assert found["registry"]["changes"][0]["line"] == "accounts: changed bank01: enterprise bank -> hub"
    assert (found["traffic"], node.revision()) == (None, before)
    after = node.ok("POST", "/v1/registry/reload")["revision"]
    assert after == node.revision() == found["registry"]["new"] != before

    state = node.ok("GET", "/v1/registry", token=node.reader)
    assert (state["revision"], state["previous"], state["rollback"]) == (after, before, None)
    assert {one["revision"] for one in state["kept"]} >= {before, after}
    assert node.ok("POST", "/v1/registry/compare", {"revision": before[:8]})["registry"]["new"] == before

    back = node.ok("POST", "/v1/registry/rollback", {"why": "calls from the bank"})
    assert (back["revision"], node.revision()) == (before, before)
    held = node.ok("GET", "/v1/status")["rollback"]
    assert (held["revision"], held["before"], held["why"]) == (
        before, after, "console (http): calls from the bank"
    )
    edit = {"action": "change", "table": "accounts", "where": {"system_id": "bank01"}, "row": {"tps": 7}}
    problem = node.problem(409, "POST", "/v1/registry/edits", edit)
    assert problem["field"] == "resume"
    node.restore("accounts.csv")
    assert node.ok("POST", "/v1/registry/reload")["result"] == "unchanged"
    assert node.ok("GET", "/v1/status")["rollback"] is None

    problem = node.problem(409, "POST", "/v1/registry/rollback", {"revision": "0000"})
    assert "no revision '0000' is kept" in problem["detail"]
    node.edit("accounts.csv", "active", "awake")
    problem = node.problem(409, "POST", "/v1/registry/compare", {})
    assert problem["errors"][0].startswith("accounts.csv:2: status:")
    problem = node.problem(409, "POST", "/v1/registry/reload")
    assert problem["errors"][0].startswith("accounts.csv:2: status:")
    node.restore("accounts.csv")


def test_what_changes_something_is_in_the_log_with_who(node: Node) -> None:
    node.ok("POST", "/v1/registry/reload")
    assert "event=audit who=console what=reload" in node.said()


def test_a_human_suspends_and_lifts(node: Node) -> None:
    assert node.ok("GET", "/v1/suspensions")["items"] == []
    wanted = {"kind": "signature", "name": "云帆物流", "why": "until it is clear", "hours": 2}
    held = node.ok("POST", "/v1/suspensions", wanted)
    assert (held["level"], held["by"], held["reason"]) == ("suspend", "console", "until it is clear")
    (stands,) = node.ok("GET", "/v1/suspensions", token=node.reader)["items"]
    assert (stands["kind"], stands["name"], stands["level"]) == ("signature", "云帆物流", "suspend")
    assert stands["by"] == "console"
    lifted = node.ok("DELETE", f"/v1/suspensions/signature/{quote('云帆物流')}?why=clear")
    assert lifted == {"kind": "signature", "name": "云帆物流", "before": "suspend"}
    assert node.ok("GET", "/v1/suspensions")["items"] == []


def test_complaints_are_taken_and_shown(node: Node) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    good = {"id": "c1", "received_at": at, "subscriber": "13910001234", "number": "1069000014", "signature": "云帆物流"}
    taken = node.ok("POST", "/v1/complaints", {"rows": [good, {**good, "id": "c2", "number": "nobody's"}]})
    assert (taken["results"]["accepted"], len(taken["problems"])) == (1, 1)
    assert taken["problems"][0].startswith("row 2: number: ")
    (shown,) = node.ok("GET", "/v1/complaints", token=node.reader)["items"]
    assert (shown["id"], shown["number"]) == ("c1", "1069000014")
    assert "13910001234" not in str(shown)
    assert {row["name"] for row in node.ok("GET", "/v1/complaints/targets")["items"]} >= {"云帆物流"}


def test_the_description_is_sound(node: Node) -> None:
    found = node.ok("GET", "/openapi.json", token=None)
    references = {piece.split('"')[0] for piece in json.dumps(found).split('"$ref": "')[1:]}
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in found["components"]["schemas"]
    operations = [one["operationId"] for path in found["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations)) == 22


def test_a_daemon_without_admin_has_no_aiohttp(tmp_path: Path) -> None:
    from tests.daemon.processes import Daemon

    with Daemon(tmp_path) as daemon:
        maps = Path(f"/proc/{daemon.ask('status')['pid']}/maps").read_text()
        assert "aiohttp" not in maps
        assert daemon.ask("registry")["revision"] == daemon.revision()
