"""What the messages say: JSON in UTF-8, described for whoever reads them in deploy/mqtt/README.md.

Noun: an *outgoing* message. Every payload names its `node`; what comes from the journal has the number of its record,
by which what came twice is told apart.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONTENT_TYPE: Final = "application/json"
# Raised when a field changes its meaning or goes; new fields may come without.
SCHEMA: Final = "1"

LONGEST_ODD: Final = 1_000

_NO_FORM: Final = (TypeError, ValueError, OverflowError, RecursionError)
_encoder: Final = msgspec.json.Encoder()


class Outgoing(msgspec.Struct, frozen=True):
    """A message to be published. `expiry`: seconds, 0 for a retained message that holds until it is replaced."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry: int = 0
    correlation: bytes = b""

    def properties(self, packet: int = PacketTypes.PUBLISH) -> Properties:
        """Those of MQTT 5."""
        found = Properties(packet)  # type: ignore[no-untyped-call]
        found.PayloadFormatIndicator = 1
        found.ContentType = CONTENT_TYPE
        found.UserProperty = ("schema", SCHEMA)
        if self.expiry:
            found.MessageExpiryInterval = self.expiry
        if self.correlation:
            found.CorrelationData = self.correlation
        return found


def encoded(fields: Mapping[str, Any]) -> bytes:
    """As JSON. What JSON has no form for is given as text, so that one odd value does not keep the rest back."""
    try:
        return _encoder.encode(fields)
    except _NO_FORM:
        return _encoder.encode({str(name): _plain(value) for name, value in fields.items()})


def _plain(value: object) -> object:
    try:
        _encoder.encode(value)
    except _NO_FORM as error:
        text = type(error).__name__ if isinstance(error, RecursionError) else repr(value)[:LONGEST_ODD]
        return text.encode("utf-8", "backslashreplace").decode()
    return value
