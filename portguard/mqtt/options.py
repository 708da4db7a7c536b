"""The operator's settings of the MQTT client: `[mqtt]`."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
CommandName = Literal["complaints", "reload", "suspend", "resume"]

_LEVELS: Final = re.compile(r"[^+#/$\x00-\x1f][^+#/\x00-\x1f]*(/[^+#/\x00-\x1f]+)*")


class MqttOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`url`: mqtt://host[:1883], or mqtts://host[:8883] for TLS. Topics are `<prefix>/<node>/...`.

    `client_id` is "portguard-<node>" unless set; no two clients of a broker may share one. `keepalive`: seconds after
    which a silent broker is given up. Where it asks for a `username`, the password is the first line of
    `password_file`, or in the environment variable that `password_env` names. `ca` replaces the system's authorities;
    `certificate` and `key` are this client's own.

    `violations_per_second`: of each rule, account and port; the rest is counted. `publish_per_second` bounds the
    violations that are published in all, so also how fast an outage is caught up. `qos` is that of violations: with 0
    some are lost when a connection is. `message_expiry`: seconds after which a broker drops what nobody has fetched.

    `commands`: those that may come over the broker; whoever may publish to its command topics there gives them.
    `command_bytes`: a longer payload is refused. `session_expiry`: seconds for which a broker keeps commands while
    this node is away. `fleet`: take commands to `<prefix>/all/command/...` too. `follow`: the restraints of other
    nodes count here as well.
    """

    url: str = "mqtt://127.0.0.1:1883"
    prefix: Annotated[str, msgspec.Meta(max_length=200)] = "portguard"
    client_id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    username: str = ""
    password_file: Path | None = None
    password_env: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 30
    qos: Literal[0, 1] = 1
    violations_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    publish_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    message_expiry: Annotated[int, msgspec.Meta(ge=60, le=31_536_000)] = 86_400
    commands: list[CommandName] = []
    command_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=67_108_864)] = 1_048_576
    session_expiry: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = 86_400
    fleet: bool = False
    follow: bool = False

    @property
    def tls(self) -> bool:
        return self.url.startswith("mqtts://")

    def broker(self) -> tuple[str, int]:
        """(host, port). The url must be sound."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or PORTS[parts.scheme]

    def errors(self) -> list[str]:
        """What the types cannot say, each as `mqtt.key: message`."""
        found = _url_errors(self.url)
        if not _LEVELS.fullmatch(self.prefix):
            found.append(f"mqtt.prefix: {self.prefix!r} is no topic of levels between slashes, without + and #")
        if self.password_file is not None and self.password_env:
            found.append("mqtt.password_env: there is a password_file already; one of the two")
        if (self.password_file is not None or self.password_env) and not self.username:
            found.append("mqtt.username: is missing; a password needs one")
        if (self.certificate is None) != (self.key is None):
            found.append("mqtt.certificate: certificate and key belong together")
        if not found and not self.tls and (self.ca or self.certificate):
            found.append(f"mqtt.url: certificates are for mqtts://, and this is {self.url}")
        return found


def _url_errors(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return [f"mqtt.url: {error}"]
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        return [f"mqtt.url: expected mqtt://host[:port] or mqtts://host[:port], got {_without_user(url)!r}"]
    if parts.username is not None or parts.password is not None:
        return ["mqtt.url: no user or password here; there are username and password_file or password_env"]
    return ["mqtt.url: port 0 cannot be connected to"] if port == 0 else []


def _without_user(url: str) -> str:
    """The url fit for an error message: whatever stands before an @ may be a password."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://...@{tail}" if at else url
