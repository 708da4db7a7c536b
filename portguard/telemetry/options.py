"""The operator's settings of the HTTP endpoint for the NOC: `[metrics]`."""

import msgspec


class MetricsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`address` serves /metrics, /healthz and /readyz; without the section nothing is served."""

    address: str = "127.0.0.1:9464"

    def errors(self) -> list[str]:
        """What the types cannot say, each as `metrics.key: message`."""
        host, colon, port = self.address.rpartition(":")
        if host and colon and port.isascii() and port.isdigit() and int(port) <= 65535:
            return []
        return [f"metrics.address: expected host:port, got {self.address!r}"]
