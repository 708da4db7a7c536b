"""The operator's settings of the sockets: `[listen]` and `[[smsc]]`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from portguard.net.address import parse_address

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class ServerTlsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """TLS towards ESMEs: `certificate` and `key` are PEM files. With `client_ca` an ESME has to show a certificate that
    it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class ClientTlsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """TLS towards an SMSC. `ca` replaces the system's; `certificate` and `key` are ours; `server_name` is the name the
    SMSC's certificate must carry (the host of its address unless set); `verify = false` takes any certificate."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    verify: bool = True


class ListenOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where ESMEs connect: `address`, which is host:port, with `tls` or in the clear. Times are seconds.

    `proxy_protocol`: the networks whose connections begin with a PROXY protocol header (v1 or v2), or true for all.
    `max_connections`: further connections are closed unanswered. `bind_timeout`: from the connection to its bind;
    `idle_timeout`: without a PDU from the ESME; `write_timeout`: without the ESME reading what is there for it.
    `backlog`: connections that the kernel keeps until they are accepted.
    """

    address: str = "0.0.0.0:2775"
    tls: ServerTlsOptions | None = None
    proxy_protocol: bool | list[str] = False
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 5_000
    bind_timeout: Seconds = 10.0
    idle_timeout: Seconds = 300.0
    write_timeout: Seconds = 30.0
    backlog: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1024

    def errors(self) -> list[str]:
        """What the types cannot say, each as `listen.key: message`."""
        found = _address_errors("listen.address", self.address)
        if isinstance(self.proxy_protocol, list):
            for network in self.proxy_protocol:
                try:
                    ip_network(network)
                except ValueError as error:
                    found.append(f"listen.proxy_protocol: {error}")
        return found


class SmscOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One SMSC, a section each: its `name` in logs and metrics, its `address` (host:port), and `tls`: false, true, or a
    section. Those with a `weight` share new binds in proportion; those without take over in the order written.

    Times are seconds. `connect_timeout`: for the TCP and TLS handshake; `bind_timeout`: from then to the answer to the
    bind, after which the next SMSC is tried; `write_timeout`: without the SMSC reading what is there for it. `tlv`: may
    messages to it carry tags (auto: unless the bind states a version below 3.4).
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    address: str
    tls: bool | ClientTlsOptions = False
    weight: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    connect_timeout: Seconds = 3.0
    bind_timeout: Seconds = 5.0
    write_timeout: Seconds = 30.0
    tlv: Literal["auto", "always", "never"] = "auto"

    def errors(self, place: str) -> list[str]:
        """What the types cannot say, each as `place.key: message`."""
        found = _address_errors(f"{place}.address", self.address)
        if not found and parse_address(self.address)[1] == 0:
            found.append(f"{place}.address: {self.address!r} has no port to connect to")
        if isinstance(self.tls, ClientTlsOptions) and (self.tls.certificate is None) != (self.tls.key is None):
            found.append(f"{place}.tls: certificate and key belong together")
        return found


def smsc_errors(smscs: list[SmscOptions]) -> list[str]:
    """What is wrong with the list of SMSCs, each as `smsc[n].key: message`, n counting from 1."""
    found = [] if smscs else ["smsc: at least one [[smsc]] is needed"]
    names: set[str] = set()
    for number, smsc in enumerate(smscs, 1):
        found += smsc.errors(f"smsc[{number}]")
        if smsc.name in names:
            found.append(f"smsc[{number}].name: {smsc.name!r} is used twice")
        names.add(smsc.name)
    return found


def _address_errors(place: str, address: str) -> list[str]:
    try:
        parse_address(address)
    except ValueError as error:
        return [f"{place}: {error}"]
    return []
