"""node-smpp (npm) as an ESME. Beyond the common interface it can send any request that SMPP 5.0 names."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.e2e.peers import node
from tests.e2e.peers.client import Message
from tests.e2e.peers.line_client import LineClient
from tests.e2e.peers.lines import LineProcess, octets

TLV_NAMES = {
    0x020C: "sar_msg_ref_num",
    0x020E: "sar_total_segments",
    0x020F: "sar_segment_seqnum",
    0x0424: "message_payload",
    0x1D01: "portguard_verdict",
    0x1D02: "portguard_reason",
    0x1D03: "portguard_revision",
    0x1D04: "portguard_category",
}
NUMBERS = frozenset({0x020C, 0x020E, 0x020F})


class NodeClient(LineClient):
    """See `client.Client`."""

    name: ClassVar[str] = "node-smpp"

    def _begin_process(self) -> LineProcess:
        return node.start("node_client.js", heard=self._heard)

    def _fields(self, message: Message) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "source_addr_ton": message.source_ton,
            "source_addr_npi": 1,
            "source_addr": message.source,
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": message.destination,
            "esm_class": message.esm_class,
            "data_coding": message.data_coding,
            "registered_delivery": message.registered_delivery,
            "short_message": octets(b"" if message.payload else message.body),
        }
        if message.payload:
            fields["message_payload"] = octets(message.body)
        for tag, value in message.tlvs:
            fields[TLV_NAMES[tag]] = int.from_bytes(value, "big") if tag in NUMBERS else octets(value)
        return fields
