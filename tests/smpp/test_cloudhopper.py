"""58 expectations of cloudhopper-smpp's own decoder tests: what it reads, we read, or a table says why not.

Its getters and Java constants are translated by two tables; a PDU goes through the Framer, as it would from a socket.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from portguard.smpp import constants as c
from portguard.smpp.errors import FramingError, PduError
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import Pdu, decode, encode

from .shared import shared_data

GETTERS = {
    "getCommandId()": "command_id",
    "getCommandStatus()": "command_status",
    "getSequenceNumber()": "sequence_number",
    "getMessageId()": "message_id",
    "getSystemId()": "system_id",
    "getPassword()": "password",
    "getSystemType()": "system_type",
    "getInterfaceVersion()": "interface_version",
    "getAddressRange().getTon()": "addr_ton",
    "getAddressRange().getNpi()": "addr_npi",
    "getAddressRange().getAddress()": "address_range",
    "getServiceType()": "service_type",
    "getSourceAddress().getTon()": "source_addr_ton",
    "getSourceAddress().getNpi()": "source_addr_npi",
    "getSourceAddress().getAddress()": "source_addr",
    "getSourceAddress()": "source_addr",
    "getDestAddress().getTon()": "dest_addr_ton",
    "getDestAddress().getNpi()": "dest_addr_npi",
    "getDestAddress().getAddress()": "destination_addr",
    "getDestinationAddress()": "destination_addr",
    "getEsmeAddress().getAddress()": "esme_addr",
    "getEsmClass()": "esm_class",
    "getProtocolId()": "protocol_id",
    "getPriority()": "priority_flag",
    "getScheduleDeliveryTime()": "schedule_delivery_time",
    "getValidityPeriod()": "validity_period",
    "getRegisteredDelivery()": "registered_delivery",
    "getReplaceIfPresent()": "replace_if_present_flag",
    "getDataCoding()": "data_coding",
    "getDefaultMsgId()": "sm_default_msg_id",
    "getShortMessage()": "short_message",
    "getFinalDate()": "final_date",
    "getMessageState()": "message_state",
    "getErrorCode()": "error_code",
}
JAVA = {"CMD_ID_": "", "STATUS_INVMSGLEN": "ESME_RINVMSGLEN"}
TAGS = {"TAG_RECEIPTED_MSG_ID": c.TLV_RECEIPTED_MESSAGE_ID, "TAG_MSG_STATE": c.TLV_MESSAGE_STATE}

# Its exception -> what ours is.
REFUSALS = {
    "UnknownCommandIdException": (PduError, c.ESME_RINVCMDID),
    "UnrecoverablePduException": (FramingError, c.ESME_RINVCMDLEN),
    "TerminatingNullByteNotFoundException": (PduError, c.ESME_RINVMSGID),
}
# Tests of which we hold something else, and why.
OTHERWISE = {
    "decodeTooBigSequenceNumber": "takes sequence number 0x80000000 for a lost frame; others read larger ones",
    "decodeDeliverSmNetforsDeliveryReceiptTriggeredErrorInLegacySmppLibrary": "cuts a TLV to what there is",
    "decodeDeliverSMWithCorrectTotalByteLengthButInvalidShortMessageLength": "its refusal is not part of the table",
}
_NO_FIELD = "data_sm has no such field; its class has it, as 0"
VALUES_OTHERWISE = {
    ("decodeDeliveryReceipt0", "getShortMessage()"): "110 octets, those of the test before it; sm_length says 144",
    ("decodeDataSM", "getProtocolId()"): _NO_FIELD,
    ("decodeDataSM", "getPriority()"): _NO_FIELD,
    ("decodeDataSM", "getReplaceIfPresent()"): _NO_FIELD,
    ("decodeDataSM", "getDefaultMsgId()"): _NO_FIELD,
}
# What a test of its own adds before its last look.
REST = {"decodeTwoEnquireLinkRespButWithReadRequiredInBetween": b"\xf1"}


def _cases() -> list[Any]:
    return list(json.loads((shared_data("smpp") / "cloudhopper_decoder_expected.json").read_text()))


def _java(expression: str) -> int | bytes | None:
    text = expression.removeprefix("(byte)")
    if text == "null":
        return None
    if text.startswith("hex:"):
        return bytes.fromhex(text[4:])
    if text.startswith("SmppConstants."):
        name = text.removeprefix("SmppConstants.")
        for java, ours in JAVA.items():
            name = name.replace(java, ours)
        return int(getattr(c, name))
    if re.fullmatch(r"-?[0-9]+|0x[0-9a-fA-F]+", text):
        return int(text, 0) & 0xFFFFFFFF
    return text.encode()


def _value(pdu: Pdu, name: str) -> object:
    return getattr(pdu, name) if hasattr(pdu, name) else pdu.fields.get(name)


def _same(pdu: Pdu, getter: str, expression: str) -> bool:
    expected = _java(expression)
    if getter in ("isRequest()", "isResponse()"):
        return bool(pdu.command_id & c.RESP) is ((getter == "isResponse()") is (expression == "true"))
    if getter == "getCommandLength()":
        return len(encode(pdu)) == expected
    if getter in ("getOptionalParameters().size()", "getOptionalParameterCount()"):
        return len(pdu.tlvs) == expected
    if getter == "getOptionalParameters()":
        return not pdu.tlvs
    if getter in ("getShortMessage().length", "getShortMessageLength()"):
        return len(pdu.octets("short_message")) == expected
    found = _value(pdu, GETTERS[getter])
    if isinstance(found, bytes) and isinstance(expected, int):
        expected = expression.encode()  # digits of an address or id
    return found == expected or (expected is None and found == b"")


def _outcome(octets: bytes) -> tuple[list[Pdu], list[tuple[type[Exception], int]]]:
    read: list[Pdu] = []
    refused: list[tuple[type[Exception], int]] = []
    try:
        for pdu in Framer(65536).feed(octets):
            try:
                read.append(decode(pdu))
            except PduError as error:
                refused.append((PduError, error.status))
    except FramingError as error:
        refused.append((FramingError, error.status))
    return read, refused


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    return _cases()


def test_what_cloudhopper_expects(cases: list[Any]) -> None:
    assert len(cases) == 58
    failures: list[tuple[object, ...]] = []
    otherwise = set()
    for case in cases:
        if case["test"] in OTHERWISE:
            continue
        read, refused = _outcome(bytes.fromhex(case["hex"]) + REST.get(case["test"], b""))
        if refused != [REFUSALS[name] for name in case["exception"] or ()]:
            failures.append((case["test"], refused))
        if not read:
            continue
        for getter, expression in case["expect"].items():
            if not _same(read[-1], getter, expression):
                otherwise.add((case["test"], getter))
        tags = [TAGS.get(tag) or getattr(c, tag.replace("TAG_", "TLV_")) for tag in case["tlvs"]]
        if tags and sorted(tag for tag, _ in read[-1].tlvs) != sorted(tags):
            failures.append((case["test"], tags))
    assert failures == []
    assert otherwise == set(VALUES_OTHERWISE)


def test_what_we_hold_otherwise(cases: list[Any]) -> None:
    found = {case["test"]: _outcome(bytes.fromhex(case["hex"])) for case in cases if case["test"] in OTHERWISE}
    big, cut, short = (found[name] for name in OTHERWISE)
    assert [pdu.sequence_number for pdu in big[0]] == [0x80000000]
    assert cut == ([], [(PduError, c.ESME_RINVOPTPARSTREAM)])
    assert short == ([], [(PduError, c.ESME_RINVMSGLEN)])


def test_nothing_is_read_before_it_is_there(cases: list[Any]) -> None:
    short = [case for case in cases if len(case["hex"]) < 32]
    assert short
    for case in short:
        assert _outcome(bytes.fromhex(case["hex"])) == ([], []), case["test"]


def test_the_folder_is_the_one_meant() -> None:
    assert (Path(shared_data("smpp")) / "PROVENANCE.txt").is_file()
