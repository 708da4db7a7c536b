"""The operator's settings of the journal: `[evidence]`."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

# A client hands over what waits in one frame, so this is also the longest frame.
MOST_WAITING = 64 << 20


class EvidenceOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`path`: the journal's folder. `retention_days`: segments whose newest record is older are removed; 0 keeps all.

    `subscriber`: "hmac" keeps a keyed hash of the subscriber's number, "plain" the number in E.164. `segment_mb`: a
    segment ends at this size, or with the day. `records_per_second`: records of one account in a second, what is beyond
    is counted by rule. `high_water`: octets of records that may wait in each worker while the writer is away or the
    disk is full; above it a message that would be refused is throttled, and tag and monitor hits become counts.
    """

    path: Path = Path("evidence")
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 183
    subscriber: Literal["hmac", "plain"] = "hmac"
    segment_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    records_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1000
    high_water: Annotated[int, msgspec.Meta(ge=1 << 20, le=MOST_WAITING)] = 32 << 20
