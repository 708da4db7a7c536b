"""Addresses as text."""

import pytest

from portguard.net.address import format_address, parse_address, plain_ip


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:2775", "127.0.0.1", 2775),
        ("[::1]:2775", "::1", 2775),
        ("smsc.example:1", "smsc.example", 1),
        ("*:2775", "0.0.0.0", 2775),
        ("0.0.0.0:0", "0.0.0.0", 0),
    ],
)
def test_sound(text: str, host: str, port: int) -> None:
    assert parse_address(text) == (host, port)
    if host != "0.0.0.0":
        assert format_address(host, port) == text


@pytest.mark.parametrize("text", ["", "2775", "127.0.0.1", ":2775", "::1:2775", "a:65536", "a:-1", "a:x", "a:", "a:١"])
def test_unsound(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_address(text)


def test_plain_ip() -> None:
    assert plain_ip("::ffff:10.1.2.3") == "10.1.2.3"
    assert plain_ip("fe80::1%eth0") == "fe80::1"
    assert plain_ip("10.1.2.3") == "10.1.2.3"
