"""The PROXY protocol header, version 1 and 2, in front of a connection that a balancer passes on.

`parse` is sans-IO: it is given what has arrived so far and says how long the header is and whom it names.
Reference: haproxy `doc/proxy-protocol.txt`, §2.1 (text) and §2.2 (binary).
"""

from dataclasses import dataclass
from ipaddress import ip_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_V1 = 107
LONGEST_V2 = 16 + 4096


class ProxyProtocolError(Exception):
    """What arrived is no PROXY protocol header."""


@dataclass(frozen=True, slots=True)
class Header:
    """`length` octets in all; `source` is the client's IP address, None where the balancer speaks for itself."""

    length: int
    source: str | None


def parse(data: bytes) -> Header | None:
    """The header at the start of `data`, None while it is incomplete. Raises ProxyProtocolError."""
    if data[:12] == SIGNATURE[: len(data)]:
        return _parse_v2(data) if len(data) >= 16 else None
    if data[:6] == b"PROXY "[: len(data)]:
        return _parse_v1(data)
    raise ProxyProtocolError("the connection does not begin with a PROXY protocol header")


def _parse_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise ProxyProtocolError("a version 1 header without its end")
        return None
    words = data[:end].decode("latin-1").split(" ")
    if len(words) >= 2 and words[1] == "UNKNOWN":
        return Header(end + 2, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyProtocolError("a version 1 header of unknown form")
    try:
        address = ip_address(words[2])
    except ValueError as error:
        raise ProxyProtocolError("a version 1 header with an unsound address") from error
    if address.version != int(words[1][3]):
        raise ProxyProtocolError("a version 1 header whose address is of the other family")
    return Header(end + 2, str(address))


def _parse_v2(data: bytes) -> Header | None:
    version, command, family = data[12] >> 4, data[12] & 0x0F, data[13]
    length = 16 + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise ProxyProtocolError("a version 2 header with an unknown version or command")
    if length > LONGEST_V2:
        raise ProxyProtocolError("a version 2 header that is too long")
    if len(data) < length:
        return None
    if command == 0:
        return Header(length, None)
    octets = {0x11: 4, 0x21: 16}.get(family)
    if octets is None:
        return Header(length, None)
    if length < 16 + 2 * octets + 4:
        raise ProxyProtocolError("a version 2 header shorter than its addresses")
    return Header(length, str(ip_address(data[16 : 16 + octets])))
