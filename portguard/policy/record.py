"""The layout of a violation record as the path packs it (`counters.Records`) and the journal's writer reads it.

Little-endian: u32 octets in all, f64 time (epoch seconds), u64 hits (one bit a rule, in the order of judgement), 8
octets of revision, u32 command_status answered, u8 action, u8 ordinal of the rule (255: none, the decision failed), u8
category * 16 + industry, u8 command_id; then u16, u32 and u32 octets of what follows: the label, the PDU, and the whole
text (UTF-16BE) of a message that came in parts or is a replace_sm, which has no data_coding of its own. The PDU of a
replace_sm is followed by dest_addr_ton, dest_addr_npi and destination_addr of its original.

Noun: a *label* names whose message it was, one bytes object prepared once a grant (`labels`): a `Label` in
MessagePack.
"""

from collections.abc import Iterator
from struct import Struct, error
from typing import Final, NamedTuple

import msgspec

_HEAD: Final = Struct("<IdQ8sIBBBBHII")
HEAD_OCTETS: Final = 46
NO_RULE: Final = 0xFF


class RecordError(ValueError):
    """Octets that are no records; the message says where."""


class Label(msgspec.Struct, array_like=True, frozen=True):
    """`port` is the registered prefix, `number` the source_addr; `owner` the enterprise whose signature it is;
    `charset` what the account means by data_coding 0 (`sms.charset`)."""

    account: str = ""
    enterprise: str = ""
    port: str = ""
    number: str = ""
    holder: str = ""
    signature: str = ""
    owner: str = ""
    charset: int = 0


class Violation(NamedTuple):
    """One record. `revision` is 16 hex digits, `rule` an ordinal or NO_RULE."""

    at: float
    hits: int
    revision: str
    status: int
    action: int
    rule: int
    content: int
    command: int
    label: Label
    pdu: bytes
    text: bytes


_decode: Final = msgspec.msgpack.Decoder(Label).decode


def read_label(octets: bytes) -> Label:
    """The Label of its octets. Raises RecordError."""
    try:
        return _decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RecordError(f"no label: {problem}") from problem


def parse(octets: bytes) -> Iterator[Violation]:
    """The records in `octets`, which hold whole ones. Raises RecordError where that is not so."""
    pos = 0
    while pos < len(octets):
        try:
            size, at, hits, revision, status, action, rule, content, command, named, sent, said = _HEAD.unpack_from(
                octets, pos
            )
        except error:
            raise RecordError(f"a record at octet {pos} is cut off") from None
        start = pos + HEAD_OCTETS
        if size != HEAD_OCTETS + named + sent + said or pos + size > len(octets):
            raise RecordError(f"a record at octet {pos} does not add up")
        pdu = start + named
        text = pdu + sent
        pos += size
        yield Violation(
            at, hits, revision.hex(), status, action, rule, content, command, read_label(octets[start:pdu]),
            octets[pdu:text], octets[text:pos],
        )
