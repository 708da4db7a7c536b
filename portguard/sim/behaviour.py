"""How the simulated SMSC behaves, and what it counts. Both may be looked at, and behaviour changed, while it runs."""

import ssl
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from portguard.smpp.constants import ESME_RINVPASWD, ESME_RINVSYSID, ESME_ROK

Mode = Literal["serve", "hang", "deaf", "refuse"]
MODES: Final[tuple[Mode, ...]] = ("serve", "hang", "deaf", "refuse")
IdFormat = Literal["hex", "hex-upper", "hex-padded", "decimal", "decimal-padded"]
ID_FORMATS: Final[dict[str, str]] = {
    "hex": "{:x}", "hex-upper": "{:X}", "hex-padded": "{:016x}", "decimal": "{}", "decimal-padded": "{:012d}",
}


@dataclass(slots=True)
class Behaviour:
    """Everything that can be asked of the simulated SMSC.

    `mode`: "serve" answers; "hang" reads and never answers; "deaf" stops reading; "refuse" closes each connection as
    it comes. `passwords` maps system_id to password (None: anyone may bind), `bind_status` a system_id to the status
    that its binds get, `message_status` a destination_addr to the status that messages to it get. Messages to a
    destination_addr in `hold` are accepted, and answered only when the simulator's `release` is called.

    Times are seconds. An answer waits `delay` plus up to `jitter`; a message is delivered, and its receipt sent,
    `deliver_after` after its answer. `throttle` is the share (0-1) of messages answered ESME_RTHROTTLED; `window` the
    number of unanswered messages of one link beyond which ESME_RMSGQFUL is the answer (0: none). `read_rate` limits
    reading to octets per second and link (0: none). `record` False answers messages from their header alone: nothing
    is decoded or kept, for measuring what stands in front.
    """

    mode: Mode = "serve"
    system_id: str = "SIMSMSC"
    version: int | None = 0x34
    passwords: dict[str, str] | None = field(default=None, repr=False)
    bind_status: dict[str, int] = field(default_factory=dict)
    message_status: dict[str, int] = field(default_factory=dict)
    hold: set[str] = field(default_factory=set)
    id_format: IdFormat = "hex"
    receipt_id_format: IdFormat | None = None
    first_id: int = 0xA1B2C300
    delay: float = 0.0
    jitter: float = 0.0
    deliver_after: float = 0.0
    undeliverable: frozenset[str] = frozenset()
    throttle: float = 0.0
    window: int = 0
    read_rate: int = 0
    receive_buffer: int = 0
    enquire_interval: float = 0.0
    max_pdu: int = 65536
    record: bool = True
    keep: int = 100_000
    seed: int = 1
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def status_of_bind(self, system_id: str, password: str) -> int:
        """The command_status for a bind."""
        if system_id in self.bind_status:
            return self.bind_status[system_id]
        if self.passwords is None:
            return ESME_ROK
        if system_id not in self.passwords:
            return ESME_RINVSYSID
        return ESME_ROK if self.passwords[system_id] == password else ESME_RINVPASWD


@dataclass(slots=True)
class Stats:
    """Counts since the start."""

    connections: int = 0
    binds: int = 0
    binds_refused: int = 0
    messages: int = 0
    accepted: int = 0
    refused: int = 0
    throttled: int = 0
    tagged: int = 0
    receipts: int = 0
    mobile_originated: int = 0
    other_requests: int = 0
    malformed: int = 0
    octets: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)
