"""Addresses of TCP endpoints as text: `host:port`, `[v6]:port`."""

from ipaddress import IPv6Address, ip_address


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of "127.0.0.1:2775", "[::1]:2775", "smsc.example:2775" or "*:2775".

    Raises ValueError, which says what is wrong.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"expected host:port, got {text!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"expected [v6-address]:port, got {text!r}")
    if not host:
        raise ValueError(f"expected host:port, got {text!r}; for every address write 0.0.0.0 or [::]")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"expected a port between 0 and 65535, got {port!r} in {text!r}")
    return ("0.0.0.0" if host == "*" else host), int(port)


def format_address(host: str, port: int) -> str:
    """The inverse of `parse_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_ip(host: str) -> str:
    """An IP address without zone, and IPv4 that came through an IPv6 socket as IPv4."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
