"""Whole PDUs for what fields of a row cannot say: bodies, headers, TLVs, times and recipients of every shape."""

from portguard.smpp import encode
from portguard.smpp.constants import ESM_UDHI, TLV_MESSAGE_PAYLOAD, TLV_SAR_MSG_REF_NUM

BEIJING = b"13910001234"
GUANGDONG = b"13918001234"

CONCAT_HEADER = b"\x05\x00\x03\x07\x01\x01"
PAYLOAD = TLV_MESSAGE_PAYLOAD
SAR = TLV_SAR_MSG_REF_NUM
OWN_VERDICT = 0x1D01


def ucs2(text: str) -> bytes:
    """Octets of a text under data_coding 8."""
    return text.encode("utf-16-be")


def submit(
    source: str, body: bytes, *, coding: int = 8, tlvs: list[tuple[int, bytes]] | None = None, udhi: bool = False,
    schedule: bytes = b"", validity: bytes = b"", destination: bytes = BEIJING, source_ton: int = 0,
    default_msg_id: int = 0,
) -> bytes:
    """A submit_sm."""
    return encode.submit_sm(
        1, source_addr=source.encode(), source_addr_ton=source_ton, destination_addr=destination, data_coding=coding,
        esm_class=ESM_UDHI if udhi else 0, schedule_delivery_time=schedule, validity_period=validity,
        sm_default_msg_id=default_msg_id, short_message=body, tlvs=tlvs or [],
    )
