"""What other decoders read in a PDU, brought into one form: {name: int or bytes}, or Refused.

Each reader takes a decoder's own JSON and the PDU's octets and gives only the names that this decoder reports; a name
is a field of `portguard.smpp.fields`, `command_status`, `sequence_number`, `body` (everything behind the header) or
`tlv_` and four hex digits. A number stays what it is on the wire; a TLV's number is its octets read as one.
"""

import re
from typing import Any

from portguard.smpp import constants as c
from portguard.smpp.errors import SmppError
from portguard.smpp.pdu import decode

Reading = dict[str, Any]


class Refused(Exception):
    """This decoder does not read the PDU."""


NODE_TLV_NAME = {"dest_port": "destination_port"}
NODE_CODEC = {8: "utf-16-be"}  # the others: Latin-1, and GSM, whose letters and digits are the same

# smpp.pdu3 turns numbers into enums of its own; these are the numbers of those that occur.
PDU3_NUMBERS = {
    "AddrTon.UNKNOWN": 0,
    "AddrTon.INTERNATIONAL": 1,
    "AddrTon.NATIONAL": 2,
    "AddrTon.SUBSCRIBER_NUMBER": 4,
    "AddrTon.ALPHANUMERIC": 5,
    "AddrNpi.UNKNOWN": 0,
    "AddrNpi.ISDN": 1,
    "AddrNpi.LAND_MOBILE": 6,
    "AddrNpi.PRIVATE": 9,
    "PriorityFlag.LEVEL_0": 0,
    "PriorityFlag.LEVEL_1": 1,
    "ReplaceIfPresentFlag.DO_NOT_REPLACE": 0,
    "MessageState.DELIVERED": 2,
    "MessageState.UNDELIVERABLE": 5,
    "MessageState.ACCEPTED": 6,
    "MessageState.UNKNOWN": 7,
    "NetworkType.GSM": 1,
    "MoreMessagesToSend.MORE_MESSAGES": 1,
    "MsAvailabilityStatus.DENIED": 1,
    "PrivacyIndicator.NOT_RESTRICTED": 0,
    "LanguageIndicator.ENGLISH": 1,
}
PDU3_FLAGS = {
    "EsmClassMode.STORE_AND_FORWARD": 0x03,
    "EsmClassType.SMSC_DELIVERY_RECEIPT": 0x04,
    "UDHI_INDICATOR_SET": 0x40,
    "SET_REPLY_PATH": 0x80,
    "Receipt.SMSC_DELIVERY_RECEIPT_REQUESTED": 0x01,
    "DataCodingDefault.IA5_ASCII": 0x01,
    "DataCodingDefault.OCTET_UNSPECIFIED_COMMON": 0x04,
    "DataCodingDefault.LATIN_1": 0x03,
    "DataCodingDefault.UCS2": 0x08,
    "GSM_MESSAGE_CLASS": 0xF0,
    "Coding.DATA_8BIT": 0x04,
    "Class.CLASS_1": 0x01,
    "Class.CLASS_2": 0x02,
}


def tlv_key(tag: int) -> str:
    return f"tlv_{tag:04x}"


def ours(octets: bytes) -> Reading:
    try:
        pdu = decode(octets)
    except SmppError as error:
        raise Refused(str(error)) from error
    reading: Reading = {
        "command_status": pdu.command_status,
        "sequence_number": pdu.sequence_number,
        "body": octets[16:],
    }
    for name, value in pdu.fields.items():
        reading[name] = [tuple(one) for one in value] if isinstance(value, list) else value
    if "short_message" in reading:
        reading["sm_length"] = len(reading["short_message"])
    return reading | {tlv_key(tag): value for tag, value in pdu.tlvs}


def same(decoder: str, name: str, mine: Any, theirs: Any) -> bool:
    """Whether one value is the other; a TLV may be the number that its octets are, for tshark it is its length."""
    if name.startswith("tlv_") and decoder == "tshark":
        return bool(len(mine) == theirs)
    if name.startswith("tlv_") and isinstance(theirs, int):
        return bool(int.from_bytes(mine, "big") == theirs)
    return bool(mine == theirs)


def _field_or_tlv(name: str, command: str) -> str:
    if name in c.TLV_BY_NAME and not (name == "message_state" and command == "query_sm_resp"):
        return tlv_key(c.TLV_BY_NAME[name])
    return name


def smpplib(given: Any, octets: bytes) -> Reading:
    if "error" in given:
        raise Refused(given["error"])
    reading: Reading = {"command_status": given["status"], "sequence_number": given["seq"]}
    for name, value in given["params"].items():
        octets_or_number = bytes.fromhex(value) if isinstance(value, str) else value
        reading[_field_or_tlv(name, given["id"])] = octets_or_number
    return reading


def smpp34(given: Any, octets: bytes) -> Reading:
    if "error" in given:
        raise Refused(given["error"])
    reading: Reading = {}
    for name, value in given.items():
        if name == "tlvs":
            for tag, numbers in re.findall(r"Tlv\(tag=0x([0-9a-f]{4}), value=\[([^]]*)\]\)", value):
                reading[tlv_key(int(tag, 16))] = bytes(int(one) for one in numbers.split(", ") if one)
        elif name in ("body", "short_message"):
            reading[name] = bytes.fromhex(value)
        elif name not in ("command_id", "command_length"):
            text = name.endswith(("_addr", "_time", "_period", "_type"))
            reading[name] = value.encode("latin-1") if text else int(value)
    return reading


def smpp_pdu3(given: Any, octets: bytes) -> Reading:
    if "error" in given:
        raise Refused(given["error"])
    status = given["status"].removeprefix("CommandStatus.")
    reading: Reading = {"command_status": c.STATUS_BY_NAME.get(status, status), "sequence_number": given["seq"]}
    command = given["id"].removeprefix("CommandId.")
    for name, value in given["params"].items():
        if name in ("esm_class", "registered_delivery", "data_coding"):
            number = sum(bits for flag, bits in PDU3_FLAGS.items() if flag in value)
            reading[name] = number
        elif name == "validity_period" and value:
            reading[name] = value  # a date of its own form
        elif value in PDU3_NUMBERS:
            reading[_field_or_tlv(name, command)] = PDU3_NUMBERS[value]
        elif value.startswith("Subaddress["):
            reading[_field_or_tlv(name, command)] = value
        elif name in (
            "interface_version",
            "protocol_id",
            "sm_default_msg_id",
            "sc_interface_version",
            "destination_port",
        ):
            reading[_field_or_tlv(name, command)] = int(value)
        else:
            reading[_field_or_tlv(name, command)] = bytes.fromhex(value)
    return reading


def node_smpp(given: Any, octets: bytes) -> Reading:
    if "error" in given:
        raise Refused(given["error"])
    if given["command"] == "unknown":
        raise Refused("unknown command")
    reading: Reading = {}
    for name, value in given.items():
        if name in ("command", "command_id", "command_length"):
            continue
        key = tlv_key(int(name)) if name.isdigit() else _field_or_tlv(NODE_TLV_NAME.get(name, name), given["command"])
        if name in ("short_message", "message_payload") and isinstance(value, dict):
            reading[key] = _node_message(value, given.get("data_coding", 0))
        elif name in ("dest_address", "unsuccess_sme"):
            reading[key] = [_node_recipient(one) for one in value]
        elif isinstance(value, dict):
            reading[key] = bytes.fromhex(value["hex"])
        elif isinstance(value, str):
            reading[key] = value.encode("latin-1")
        else:
            reading[key] = value
    return reading


def _node_message(value: Any, data_coding: int) -> bytes:
    if "hex" in value:
        return bytes.fromhex(value["hex"])
    text = value["message"]
    codec = NODE_CODEC.get(data_coding, "latin-1")
    message = bytes.fromhex(text["hex"]) if isinstance(text, dict) else text.encode(codec, errors="replace")
    if "udh" not in value:
        return message
    elements = b"".join(bytes.fromhex(one["hex"]) for one in value["udh"])
    return bytes([len(elements)]) + elements + message


def _node_recipient(one: Any) -> tuple[Any, ...]:
    if "dl_name" in one:
        return (one["dl_name"].encode(),)
    address = (one["dest_addr_ton"], one["dest_addr_npi"], one["destination_addr"].encode())
    return (*address, one["error_status_code"]) if "error_status_code" in one else address


def tshark(given: Any, octets: bytes) -> Reading:
    if given is None:
        raise Refused("no dissection")
    reading: Reading = {}
    for long_name, value in given.items():
        name = long_name.removeprefix("smpp.")
        if name in ("opt_params", "dlist", "dlist_resp", "data_coding_tree", "message_text"):
            continue
        if name in ("command_id", "command_length") or name.endswith("_time_r") or name.endswith("_period_r"):
            continue
        if name == "service_type" and value == "(Default)":
            reading[name] = b""
        elif name == "message":
            reading["short_message"] = bytes.fromhex(value.replace(":", ""))
        elif re.fullmatch(r"0x[0-9a-f]+", value):
            reading[name] = int(value, 16)
        elif name in (
            "sequence_number",
            "interface_version",
            "sm_default_msg_id",
            "sm_length",
            "message_state",
            "error_code",
        ):
            reading[name] = int(value)
        else:
            reading[name] = value.encode("latin-1")
    _tshark_flags(reading)
    for name, listed in (("dest_address", "smpp.dlist"), ("unsuccess_sme", "smpp.dlist_resp")):
        if listed in given:
            reading[name] = _tshark_recipients(given[listed])
    return reading | {tlv_key(tag): size for tag, size in _tshark_tlvs(given.get("smpp.opt_params"))}


def _tshark_recipients(given: Any) -> list[tuple[Any, ...]]:
    columns = [given[f"smpp.{one}"] for one in ("dest_addr_ton", "dest_addr_npi", "destination_addr")]
    columns += [given["smpp.error_status_code"]] if "smpp.error_status_code" in given else []
    many = [column if isinstance(column, list) else [column] for column in columns]
    found = [tuple(int(v, 16) if v.startswith("0x") else v.encode() for v in one) for one in zip(*many, strict=True)]
    return [*found, *((one.encode(),) for one in given.get("smpp.dl_name", []))]


def _tshark_flags(reading: Reading) -> None:
    if "esm.submit.msg_mode" in reading:
        mode, kind, features = (reading.pop(f"esm.submit.{one}") for one in ("msg_mode", "msg_type", "features"))
        reading["esm_class"] = mode | kind << 2 | features << 6
    if "regdel.receipt" in reading:
        receipt, acks, notif = (reading.pop(f"regdel.{one}") for one in ("receipt", "acks", "notif"))
        reading["registered_delivery"] = receipt | acks << 2 | notif << 4


def _tshark_tlvs(given: Any) -> list[tuple[int, int]]:
    if not given:
        return []
    one_or_many = given["smpp.opt_param"]
    many = one_or_many if isinstance(one_or_many, list) else [one_or_many]
    return [(int(one["smpp.opt_param_tag"], 16), int(one["smpp.opt_param_len"])) for one in many]


DECODERS = {"tshark": tshark, "node_smpp": node_smpp, "smpp_pdu3": smpp_pdu3, "smpplib": smpplib, "smpp34": smpp34}
