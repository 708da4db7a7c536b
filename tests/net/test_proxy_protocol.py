"""The PROXY protocol header: forms, damage, and any bytes at all."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.net.proxy_protocol import SIGNATURE, Header, ProxyProtocolError, parse

V4 = ipaddress.ip_address("203.0.113.7")
V6 = ipaddress.ip_address("2001:db8::7")


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([0x20 | command, family]) + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (b"PROXY TCP4 203.0.113.7 203.0.113.1 5000 2775\r\n", "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 2775\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::1 1 2\r\n", None),
        (v2(1, 0x11, V4.packed * 2 + b"\x13\x88\x0a\xd7"), "203.0.113.7"),
        (v2(1, 0x21, V6.packed * 2 + b"\x13\x88\x0a\xd7"), "2001:db8::7"),
        (v2(1, 0x11, V4.packed * 2 + b"\x13\x88\x0a\xd7" + b"\x04\x00\x01x"), "203.0.113.7"),
        (v2(0, 0x00, b""), None),
        (v2(1, 0x31, bytes(216)), None),
    ],
)
def test_sound_headers(header: bytes, source: str | None) -> None:
    assert parse(header + b"rest") == Header(len(header), source)
    for end in range(1, len(header)):
        assert parse(header[:end]) is None


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x10\x00\x00\x00\x15",
        b"PROXY TCP4 nobody 203.0.113.1 5000 2775\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 5000 2775\r\n",
        b"PROXY TCP4 203.0.113.7\r\n",
        b"PROXY UDP4 203.0.113.7 203.0.113.1 5000 2775\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        v2(2, 0x11, bytes(12)),
        v2(1, 0x11, bytes(4)),
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(12),
    ],
)
def test_unsound_headers(header: bytes) -> None:
    with pytest.raises(ProxyProtocolError):
        parse(header)


STARTS = st.sampled_from([b"", SIGNATURE, b"PROXY TCP4 ", b"PROXY UNKNOWN"])


@given(st.tuples(STARTS, st.binary(max_size=200)).map(b"".join))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        header = parse(data)
    except ProxyProtocolError:
        return
    assert header is None or 0 < header.length <= len(data)
