"""The vendor TLVs of a tagged message (DESIGN §5, `[tag]`): put on, and a sender's own imitations taken off."""

from portguard.policy.options import TagOptions
from portguard.smpp.tlv import append, strip


class Tagger:
    """Patches one PDU: command_length and TLVs, nothing else. `tags` are verdict, reason, revision and category."""

    def __init__(self, options: TagOptions) -> None:
        self.tags = [options.verdict, options.reason, options.revision, options.category]

    def stripped(self, pdu: bytes, tlv_start: int) -> bytes:
        """The PDU without any TLV that is portguard's own."""
        return strip(pdu, self.tags, tlv_start)

    def tagged(self, pdu: bytes, tlv_start: int, verdict: int, code: int, revision: bytes, category: int) -> bytes:
        """The PDU with the four TLVs: verdict (1 octet), reason code (2), revision (8), category (1)."""
        values = (bytes([verdict]), code.to_bytes(2), revision, bytes([category]))
        return append(self.stripped(pdu, tlv_start), zip(self.tags, values, strict=True))
