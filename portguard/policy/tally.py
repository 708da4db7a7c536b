"""What was sent, by whom and as what: the rows of a sweep of `counters.Tallies`, for statistics off the path."""

from typing import Final

import msgspec


class TallyRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Messages (counted in recipients) of one account, number, signature and kind of content since the last sweep.

    `port` is the registered prefix of `number`; `owner` the enterprise whose signature it is. Of those `submitted`,
    `refused` and `tagged` were; `delivered` is what the SMSC answered with status 0, of those `failed` have a receipt
    that says so. `sample` is the first PDU of the sweep of what may be marketing, b"" of the rest. Written by hand in
    `Tallies.take`.
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


_decode: Final = msgspec.msgpack.Decoder(list[TallyRow]).decode


def rows(octets: bytes) -> list[TallyRow]:
    """The rows of a part of a sweep, of b"" none. Raises msgspec.DecodeError for what is no sweep's."""
    return _decode(octets) if octets else []
