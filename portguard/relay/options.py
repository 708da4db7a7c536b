"""The operator's settings of the relay: `[limits]`."""

from typing import Annotated, Literal

import msgspec

from portguard.policy.options import ConcatOptions

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class LimitsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Bounds of everything that grows on the path. Times are seconds.

    `max_pdu`: octets of the longest command_length taken. `max_outstanding`: forwarded messages of one link whose
    answer settles something (a cap, a later replacement); from the next power of two on one is forgotten for each.
    `originals`: messages remembered for a later replace_sm (0: every replace_sm is refused). `answers`: what the
    registry says of accounts' numbers and signatures, in 64 octets each that a worker takes from the beginning;
    `grants` and `refusals`: what does not fit into those, like signatures with templates or of more than 12 characters,
    in a kilobyte each, one a number with its first signature. `response_timeout`: an SMSC link that owes answers and
    stays silent this long is given up; `unbind_timeout`: how long an unbind may stay unanswered; `drain_timeout`: how
    long owed responses are waited for at the end of a link or of the process. `pass_commands`: command_ids outside the
    PDU table that are passed unread.
    `batch_us`: polls for data are kept this many microseconds apart, which saves CPU and delays a message by that much
    at the most, each way; 0: never; auto: 1000, or 3200 over many connections, while it saves a fifth of the CPU and
    slows no sender down.
    """

    max_pdu: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 65536
    max_outstanding: Positive = 10_000
    originals: NotNegative = 100_000
    answers: Annotated[int, msgspec.Meta(ge=0, le=16_000_000)] = 1_000_000
    grants: Positive = 130_000
    refusals: Positive = 20_000
    response_timeout: Seconds = 60.0
    unbind_timeout: Seconds = 5.0
    drain_timeout: Seconds = 10.0
    batch_us: Literal["auto"] | Annotated[int, msgspec.Meta(ge=0, le=10_000)] = "auto"
    pass_commands: list[Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFF)]] = []


_CONCAT = ConcatOptions()


class RelayOptions:
    """What the relay looks at on the path and in `tick`, copied once out of the settings. Times are seconds."""

    def __init__(
        self,
        limits: LimitsOptions,
        *,
        bind_timeout: float,
        idle_timeout: float,
        smsc_bind_timeout: float,
        tag_fallback: str = "allow",
        discard_receipt: bool = False,
        concat: ConcatOptions = _CONCAT,
    ) -> None:
        self.max_pdu = limits.max_pdu
        self.max_outstanding = limits.max_outstanding
        self.originals = limits.originals
        self.response_timeout = limits.response_timeout
        self.unbind_timeout = limits.unbind_timeout
        self.drain_timeout = limits.drain_timeout
        self.pass_commands = frozenset(limits.pass_commands)
        self.bind_timeout = bind_timeout
        self.idle_timeout = idle_timeout
        self.smsc_bind_timeout = smsc_bind_timeout
        self.tag_fallback = tag_fallback
        self.discard_receipt = discard_receipt
        self.hold = concat.hold_ms / 1000
        self.keep = float(concat.keep_seconds)
        self.max_held_bytes = concat.max_held_bytes
