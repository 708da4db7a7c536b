"""The description held against the running thing: whatever it permits is answered as it says, and nothing crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from portguard.admin.openapi import document
from tests.admin.running import Node

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("node"), wrong_tokens=1_000_000) as running:
        assert isinstance(running, Node)
        yield running


# What fits the description is never answered 400, and what does not always is; 422 is for what cannot be although it
# fits. A stream does not end by itself; test_stream has it.
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
    "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "413", "415"]},
}
described = schemathesis.openapi.from_dict(
    json.loads(document()), config=SchemathesisConfig.from_dict({"checks": CHECKS})
).exclude(path="/v1/events")


def test_it_is_what_a_caller_gets(node: Node) -> None:
    assert node.ok("GET", "/openapi.json", token=None) == json.loads(document())


@described.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation(case: schemathesis.Case[Any], node: Node) -> None:
    base = f"http://127.0.0.1:{node.port}"
    case.call_and_validate(base_url=base, headers={"Authorization": f"Bearer {node.admin}"})
    assert not node.ended()
