"""The operator's settings of the admin API: `[admin]`."""

from pathlib import Path
from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class AdminTlsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """TLS towards callers: `certificate` and `key` are PEM files. With `client_ca` a caller also has to show a
    certificate that it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class AdminOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`address`: where it listens; another host than the loopback needs `tls`, or `plain = true` where TLS ends in
    front. `tokens`: the file of tokens (mode 0600), in the state folder unless set; `portguard admin token` writes it.

    `max_body`: octets of the longest request body. `timeout`: seconds in which a request has to have come.
    `wrong_tokens`: a minute and address, after which further ones are answered 429 and not written to the audit log.
    `connections` and `streams`: how many there may be at once.
    """

    address: str = "127.0.0.1:9465"
    tls: AdminTlsOptions | None = None
    plain: bool = False
    tokens: Path | None = None
    max_body: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 4 << 20
    timeout: Seconds = 30.0
    wrong_tokens: Annotated[int, msgspec.Meta(ge=1)] = 10
    connections: Annotated[int, msgspec.Meta(ge=1)] = 100
    streams: Annotated[int, msgspec.Meta(ge=0)] = 16

    def errors(self) -> list[str]:
        """What the types cannot say, each as `admin.key: message`."""
        host, colon, port = self.address.rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
            return [f"admin.address: expected host:port, got {self.address!r}"]
        loopback = host == "localhost" or host.startswith("127.") or host in ("::1", "[::1]")
        if not loopback and self.tls is None and not self.plain:
            return [
                f"admin.address: {host} is not the loopback, and tokens would cross the network as they are: set "
                "admin.tls, or admin.plain = true where TLS ends in front"
            ]
        return []
