"""Who may bind from where: the networks of an account. Cold: once a bind."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


@lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def network_allowed(peer: str, networks: list[str]) -> bool:
    """True when `peer` (an IP address) lies in one of the networks, or none is set. IPv4 in IPv6 counts as IPv4."""
    if not networks:
        return True
    try:
        address = ip_address(peer.split("%", 1)[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in _network(text) for text in networks)
