"""What passes between the writer and its clients, over stream sockets on one machine.

    frame   u32 octets of the payload, u8 kind, u64 id (little-endian), payload

Every frame of a client after its HELLO has the next id. ACK says up to which of them everything is durable; what was
not acknowledged is sent again to the next writer, which knows from the journal what is there already: so each frame is
in the journal once, whoever is killed.
"""

from struct import Struct
from typing import Final, NamedTuple

import msgspec

from portguard.evidence.options import MOST_WAITING

HEAD: Final = Struct("<IBQ")
HEAD_OCTETS: Final = 13

# From a client. HELLO: msgpack [client, name]; RECORDS: records as `policy.record` packs them; EVENT: a rows.Event;
# LEFT_OUT: msgpack [[account, code, count], ...], CLIENT: from main alone, a name; a descriptor comes with it.
HELLO: Final = 0
RECORDS: Final = 1
EVENT: Final = 2
LEFT_OUT: Final = 3
CLIENT: Final = 4
# From the writer. ACK: an id; to main alone STATUS: a Status, and NOTE: a Note for the log.
ACK: Final = 16
STATUS: Final = 17
NOTE: Final = 18

OK: Final = "ok"
FULL: Final = "full"
FAILING: Final = "failing"


class WireError(Exception):
    """What came is no frame."""


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """`client` is 8 random octets, new for each process that begins to number its frames."""

    client: bytes
    name: str


class Status(msgspec.Struct, frozen=True):
    """How the journal is. `state` is OK, FULL (the disk) or FAILING, and `reason` says why; `queue` counts records that
    are not durable yet; `records` those written since the writer started; `number` is the last durable record's, and
    `head` its seal's hash in hex, worth noting elsewhere. `octets` are those of all segments."""

    state: str = OK
    reason: str = ""
    queue: int = 0
    records: int = 0
    number: int = 0
    head: str = ""
    segments: int = 0
    octets: int = 0


class Note(msgspec.Struct, frozen=True):
    """A line for the log: level info, warning or error."""

    level: str
    event: str
    fields: dict[str, str | int | float] = {}


class Frame(NamedTuple):
    kind: int
    id: int
    payload: bytes


encode: Final = msgspec.msgpack.Encoder().encode
read_hello: Final = msgspec.msgpack.Decoder(Hello).decode
read_status: Final = msgspec.msgpack.Decoder(Status).decode
read_note: Final = msgspec.msgpack.Decoder(Note).decode
read_left_out: Final = msgspec.msgpack.Decoder(list[tuple[str, int, int]]).decode


def pack(kind: int, id: int, payload: bytes) -> bytes:
    """A frame's octets."""
    return HEAD.pack(len(payload), kind, id) + payload


class Inbox:
    """Octets as they come, frames as they are whole."""

    def __init__(self, most: int = MOST_WAITING + HEAD_OCTETS) -> None:
        self._most = most
        self._octets = bytearray()
        self._needed = HEAD_OCTETS

    def feed(self, octets: bytes) -> list[Frame]:
        """The frames that these octets complete. Raises WireError; nothing after that can be understood."""
        buf = self._octets
        buf += octets
        found: list[Frame] = []
        if len(buf) < self._needed:
            return found
        pos = 0
        while len(buf) - pos >= HEAD_OCTETS:
            size, kind, id = HEAD.unpack_from(buf, pos)
            if size > self._most:
                raise WireError(f"a frame of {size} octets")
            end = pos + HEAD_OCTETS + size
            if end > len(buf):
                self._needed = end - pos
                break
            found.append(Frame(kind, id, bytes(memoryview(buf)[pos + HEAD_OCTETS : end])))
            pos = end
        else:
            self._needed = HEAD_OCTETS
        del buf[:pos]
        return found

    def rest(self) -> Frame | None:
        """What there is of a last frame that was never finished."""
        if len(self._octets) < HEAD_OCTETS:
            return None
        _, kind, id = HEAD.unpack_from(self._octets)
        return Frame(kind, id, bytes(self._octets[HEAD_OCTETS:]))
