"""What was sent, by whom and as what: the rows of a sweep of `counters.Tallies`, for statistics off the path."""

from collections.abc import Iterable

import msgspec

from portguard.policy.record import read_label

Swept = tuple[bytes, int, int, int, int, int, int, bytes]


class TallyRow(msgspec.Struct, frozen=True):
    """Messages (counted in recipients) of one account, number, signature and kind of content since the last sweep.

    `port` is the registered prefix of `number`; `owner` the enterprise whose signature it is. Of those `submitted`,
    `refused` and `tagged` were; `delivered` is what the SMSC answered with status 0, of those `failed` have a receipt
    that says so. `sample` is the first PDU of the sweep of what may be marketing, b"" of the rest.
    """

    account: str
    enterprise: str
    port: str
    number: str
    holder: str
    signature: str
    owner: str
    category: int
    industry: int
    submitted: int = 0
    refused: int = 0
    tagged: int = 0
    delivered: int = 0
    failed: int = 0
    sample: bytes = b""


def rows(swept: Iterable[Swept]) -> list[TallyRow]:
    """The rows in names. Raises `record.RecordError` for what is no sweep's."""
    found = []
    for octets, content, submitted, refused, tagged, delivered, failed, sample in swept:
        named = read_label(octets)
        found.append(TallyRow(
            named.account, named.enterprise, named.port, named.number, named.holder, named.signature, named.owner,
            content >> 4, content & 15, submitted, refused, tagged, delivered, failed, sample,
        ))
    return found
