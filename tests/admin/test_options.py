"""[admin]: what is refused before anything listens."""

from pathlib import Path

import pytest

from portguard.admin.options import AdminOptions, AdminTlsOptions

TLS = AdminTlsOptions(Path("c"), Path("k"))


@pytest.mark.parametrize("address", ["127.0.0.1:9465", "localhost:0", "[::1]:9465", "127.9.9.9:1"])
def test_the_loopback_needs_nothing(address: str) -> None:
    assert AdminOptions(address=address).errors() == []


@pytest.mark.parametrize("address", ["0.0.0.0:9465", "[::]:9465", "10.0.0.1:9465", "steer.example:9465"])
def test_tokens_do_not_cross_a_network_in_plain(address: str) -> None:
    (error,) = AdminOptions(address=address).errors()
    assert error.startswith("admin.address: ")
    assert "set admin.tls, or admin.plain = true" in error
    assert AdminOptions(address=address, tls=TLS).errors() == []
    assert AdminOptions(address=address, plain=True).errors() == []


@pytest.mark.parametrize("address", ["", "9465", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
def test_no_addresses(address: str) -> None:
    assert AdminOptions(address=address).errors() == [f"admin.address: expected host:port, got {address!r}"]
