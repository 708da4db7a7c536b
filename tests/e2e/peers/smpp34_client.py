"""smpp34 (PyPI, a Rust engine) as an ESME, in a process of its own: what is native in it must not take the tests down.

The library keeps sequence numbers to itself and matches by them, and it does not say how a bind was refused.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from tests.e2e import required
from tests.e2e.peers.client import TLV_MESSAGE_PAYLOAD, Message
from tests.e2e.peers.line_client import LineClient
from tests.e2e.peers.lines import LineProcess

PROGRAM = Path(__file__).with_name("smpp34_program.py")


class Smpp34Client(LineClient):
    """See `client.Client`."""

    name: ClassVar[str] = "smpp34"

    def _begin_process(self) -> LineProcess:
        required.package("smpp34")
        return LineProcess([sys.executable, str(PROGRAM)], PROGRAM.parent, self._heard)

    def _fields(self, message: Message) -> dict[str, Any]:
        tlvs = [*message.tlvs, (TLV_MESSAGE_PAYLOAD, message.body)] if message.payload else message.tlvs
        return {
            "short_message": "" if message.payload else message.body.hex(),
            "source_addr": message.source,
            "source_addr_ton": message.source_ton,
            "source_addr_npi": 1,
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": message.destination,
            "esm_class": message.esm_class,
            "data_coding": message.data_coding,
            "registered_delivery": message.registered_delivery,
            "tlvs": [(tag, value.hex()) for tag, value in tlvs],
        }
