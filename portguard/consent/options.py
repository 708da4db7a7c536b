"""The operator's settings of the consent ledger: `[consent]`."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec


class ConsentOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`path`: the ledger's folder, shared by every process of the node. `accept_sources`: the sources of consent that
    count, whatever their case.

    `unstated_source`: does a grant count that names no source? Accepted unless set otherwise: a row on file is
    somebody's statement that there was an opt-in, and what does not count is a source that says it was none, like
    registration by default. An operator who wants the source of every consent stated says "refuse".

    `queue`: revocations that may wait for their commit; beyond them a revocation is refused, not lost. `remembered`:
    how many (number, subscriber) a worker remembers with who sent them marketing last, 16 octets each.
    """

    path: Path
    accept_sources: list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]] = msgspec.field(
        default_factory=lambda: ["opt-in", "request"]
    )
    unstated_source: Literal["accept", "refuse"] = "accept"
    queue: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    remembered: Annotated[int, msgspec.Meta(ge=4, le=1 << 28)] = 1 << 20
