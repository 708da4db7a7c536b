"""The admin API under TLS, with and without the caller's own certificate."""

import ssl
from pathlib import Path

import pytest

from tests.admin.running import Node
from tests.net.certificates import certificate

# Left out by `make quick`.
pytestmark = pytest.mark.slow


def test_tls(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    with Node(tmp_path, f'tls = {{ certificate = "{chain}", key = "{key}" }}\n') as node:
        assert isinstance(node, Node)
        node.context = ssl.create_default_context(cafile=str(chain))
        answer = node.call("GET", "/v1/status")
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        node.context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            node.call("GET", "/v1/status")
