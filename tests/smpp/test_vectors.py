"""153 PDUs of other projects, read as five other decoders read them, or the difference is said.

The decoders are tshark, node-smpp, smpp.pdu3, smpplib and smpp34. A row is a line of smpp_pdus_decoded.jsonl, counted
from 0. READS_MORE and REFUSES are about whole PDUs, OTHERWISE about values, LEFT_OUT about names that a decoder does
not give; each names the rows and the reason, and a difference that is not in its table, or no longer there, fails.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from portguard.smpp import constants as c
from portguard.smpp.errors import FramingError, PduError, SmppError
from portguard.smpp.framing import Framer
from portguard.smpp.pdu import decode, encode

from . import readings
from .shared import shared_data

Rows = tuple[int, ...]

# What we refuse. The status is what the PDU is answered with.
REFUSED: dict[int, tuple[type[SmppError], int, str]] = {
    1: (FramingError, c.ESME_RINVCMDLEN, "command_length 4026531856"),
    3: (PduError, c.ESME_RINVMSGID, "message_id without its NUL"),
    4: (FramingError, c.ESME_RINVCMDLEN, "15 octets"),
    5: (PduError, c.ESME_RINVCMDID, "command_id 0x110"),
    6: (PduError, c.ESME_RINVCMDID, "command_id 0x80000110"),
    12: (FramingError, c.ESME_RINVCMDLEN, "one PDU and 15 octets of the next"),
    32: (PduError, c.ESME_RINVOPTPARSTREAM, "receipted_message_id says 65 octets, 5 are there"),
    44: (FramingError, c.ESME_RINVCMDLEN, "49 of 304 octets"),
    45: (PduError, c.ESME_RINVMSGLEN, "sm_length 16, 8 octets are there"),
    59: (PduError, c.ESME_RINVCMDID, "command_id 0x01020304"),
    88: (FramingError, c.ESME_RINVCMDLEN, "command_length 15"),
    89: (PduError, c.ESME_RINVOPTPARSTREAM, "an octet behind an unbind"),
    90: (FramingError, c.ESME_RINVCMDLEN, "29 of 253 octets"),
    91: (FramingError, c.ESME_RINVCMDLEN, "an octet more than command_length"),
    92: (PduError, c.ESME_RINVOPTPARSTREAM, "three octets of a TLV"),
    126: (PduError, c.ESME_RINVPASWD, "a password of 9 octets, where §5.2.2 permits 8"),
    128: (FramingError, c.ESME_RINVCMDLEN, "command_length 15"),
    129: (FramingError, c.ESME_RINVCMDLEN, "command_length 939524111"),
    130: (FramingError, c.ESME_RINVCMDLEN, "29 of 30 octets"),
    131: (FramingError, c.ESME_RINVCMDLEN, "an octet more than command_length"),
    132: (FramingError, c.ESME_RINVCMDLEN, "ten octets more than command_length"),
    150: (FramingError, c.ESME_RINVCMDLEN, "an octet more than command_length"),
}

READS_MORE: dict[str, tuple[Rows, str]] = {
    "tshark": ((3, 32, 45, 89, 92, 126), "shows what there is: it does not judge lengths, and stops where octets end"),
    "node_smpp": (
        (3, 12, 32, 45, 88, 89, 91, 92, 126, 128, 130, 131, 132, 150),
        "ignores command_length and what lies behind the last whole field, and slices beyond the end",
    ),
    "smpp_pdu3": ((12, 89, 91, 131, 132, 150), "reads one PDU and leaves the octets behind it"),
    "smpplib": (
        (1, 12, 32, 44, 45, 88, 90, 91, 128, 129, 130, 132, 150),
        "never looks at command_length while parsing, and slices beyond the end",
    ),
    "smpp34": ((3, 5, 6, 32, 59, 89, 92, 126), "leaves every body but submit_sm's and deliver_sm's unread"),
}

REFUSES: dict[tuple[str, str], tuple[Rows, str]] = {
    ("smpplib", "is not supported"): (
        (49, 51, 53, 54, 58, 113, 114, 115, 135, 136, 137, 138, 139, 140),
        "has no cancel_sm, replace_sm and submit_multi",
    ),
    ("smpp_pdu3", "Unknown source_addr_ton"): (
        (115, 118, 121, 122, 134, 136, 139, 140, 143),
        "closed enum; TON 0x1C is data",
    ),
    ("smpp_pdu3", "Unknown source_addr_npi"): ((152,), "closed enum; NPI 2 is data"),
    ("smpp_pdu3", "Unknown addr_npi"): ((27, 148), "closed enum; NPI 2 is data"),
    ("smpp_pdu3", "Unknown addr_ton"): ((105, 107, 109), "closed enum; TON 0x17 is data"),
    ("smpp_pdu3", "Unknown message_state"): ((133,), "closed enum; 0 is SCHEDULED in 5.0"),
    ("smpp_pdu3", "'no_unsuccess'"): ((137, 138), "a bug of its own with submit_multi_resp"),
    ("smpp_pdu3", "'sm_length'"): ((53,), "a bug of its own with replace_sm"),
    ("smpp_pdu3", "Unexpected EOF"): ((14, 18, 21), "wants the body of a response that left it out; SMSCs do so"),
    ("smpp_pdu3", "Field must be null"): ((16, 119), "wants deliver_sm_resp's message_id empty (§4.6.2); it is data"),
}

_NUL = "a C-octet string: it drops the NUL; we keep a TLV's octets as they are"
_DATE = "turned into a date"
_VENDOR = "drops tags that it does not know"
OTHERWISE: dict[tuple[str, str], tuple[Rows, str]] = {
    ("tshark", "registered_delivery"): (
        (118, 121, 122, 136, 139, 140, 143),
        "shows bits 0-4 of 0x53; bits 5-7 are reserved, and data",
    ),
    ("tshark", "schedule_delivery_time"): ((53,), _DATE),
    ("tshark", "validity_period"): ((69,), _DATE),
    ("node_smpp", "schedule_delivery_time"): ((53,), _DATE),
    ("node_smpp", "validity_period"): ((53, 69), _DATE),
    ("node_smpp", "short_message"): (
        (0, 30, 31, 33, 71, 72, 79, 98, 146),
        "decoded as GSM 03.38, whose @ and $ are other octets; in row 0 a UDHL beyond the body is cut short",
    ),
    ("node_smpp", "tlv_0424"): ((37, 63), "decoded as GSM 03.38"),
    ("node_smpp", "tlv_001e"): ((31, 42, 60, 62, 63, 67, 71, 72, 79, 152), _NUL),
    ("node_smpp", "tlv_060d"): ((67,), _NUL),
    ("smpplib", "tlv_001e"): ((31, 42, 60, 62, 63, 67, 71, 72, 79, 152), _NUL),
    ("smpplib", "tlv_0202"): ((68, 81), "takes it for a C-octet string and loses the last octet (§5.3.2.15: octets)"),
    ("smpplib", "tlv_0203"): ((81,), "takes it for a C-octet string and loses the last octet (§5.3.2.16: octets)"),
    ("smpp_pdu3", "command_status"): ((56, 70), "closed enum; 0x30 and 0x22 are data"),
    ("smpp_pdu3", "sequence_number"): ((8, 48, 77, 84, 85), "0 is shown as none"),
    ("smpp_pdu3", "tlv_001e"): ((31, 42, 60, 62, 63, 67, 71, 72, 79), _NUL),
    ("smpp_pdu3", "tlv_0202"): ((68, 81), "shown as type tag and value"),
    ("smpp_pdu3", "tlv_0203"): ((81,), "shown as type tag and value"),
    ("smpp_pdu3", "validity_period"): ((69,), _DATE),
}

_EMPTY = "shows no empty strings"
_COUNTED = "not shown: it is the length of short_message"
LEFT_OUT: dict[tuple[str, str], str] = {
    ("tshark", "command_status"): "shown for responses only",
    ("tshark", "schedule_delivery_time"): "an empty one is shown as 0 seconds",
    ("tshark", "validity_period"): "an empty or relative one is shown in seconds",
    ("tshark", "final_date"): _EMPTY,
    ("tshark", "message_id"): _EMPTY,
    ("tshark", "system_id"): _EMPTY,
    ("tshark", "system_type"): _EMPTY,
    ("tshark", "address_range"): _EMPTY,
    ("tshark", "short_message"): _EMPTY,
    ("tshark", "unsuccess_sme"): "shows no empty list",
    ("node_smpp", "sm_length"): _COUNTED,
    ("smpp34", "command_status"): "not shown for submit_sm and deliver_sm",
    ("smpp_pdu3", "sm_length"): _COUNTED,
    ("smpp_pdu3", "schedule_delivery_time"): _EMPTY,
    ("smpp_pdu3", "validity_period"): _EMPTY,
    ("smpp_pdu3", "final_date"): _EMPTY,
    ("smpp_pdu3", "error_code"): "shows no 0 there",
    ("smpp_pdu3", "message_id"): "not read behind an error status, nor in deliver_sm_resp",
    ("smpp_pdu3", "system_id"): "not read behind an error status",
    ("smpplib", "short_message"): "shows none when sm_length is 0 and the PDU ends there",
} | {
    (decoder, tag): _VENDOR
    for decoder in ("smpp_pdu3", "smpplib")
    for tag in ("tlv_060d", "tlv_060f", "tlv_1002", "tlv_1403", "tlv_1418", "tlv_1454")
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared_data("smpp")


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "smpp_pdus_decoded.jsonl").read_text().splitlines()
    assert len(lines) == 153
    return [json.loads(line) for line in lines]


def test_what_is_refused_and_with_which_status(rows: list[dict[str, Any]]) -> None:
    found = {}
    for number, row in enumerate(rows):
        try:
            decode(bytes.fromhex(row["hex"]))
        except SmppError as error:
            found[number] = (type(error), error.status)
    assert found == {number: (kind, status) for number, (kind, status, _) in REFUSED.items()}


def test_what_is_read_is_written_back_to_the_octet(rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows):
        if number not in REFUSED:
            octets = bytes.fromhex(row["hex"])
            assert encode(decode(octets)) == octets, number


def test_framer_finds_each_sound_pdu_one_octet_at_a_time(rows: list[dict[str, Any]]) -> None:
    sound = [bytes.fromhex(row["hex"]) for row in rows if row["well_framed"]]
    framer = Framer(65536)
    found = [pdu for octet in b"".join(sound) for pdu in framer.feed(bytes([octet]))]
    assert found == sound


def _reading(row: dict[str, Any], decoder: str) -> readings.Reading | str:
    octets = bytes.fromhex(row["hex"])
    try:
        if decoder == "ours":
            return readings.ours(octets)
        return readings.DECODERS[decoder](row[decoder], octets)
    except readings.Refused as refusal:
        return str(refusal)


@pytest.mark.parametrize("decoder", readings.DECODERS)
def test_whole_pdus_are_read_by_both_or_the_difference_is_said(rows: list[dict[str, Any]], decoder: str) -> None:
    reads_more = []
    refuses = defaultdict(list)
    for number, row in enumerate(rows):
        mine, theirs = _reading(row, "ours"), _reading(row, decoder)
        if isinstance(mine, str) and not isinstance(theirs, str):
            reads_more.append(number)
        if isinstance(theirs, str) and not isinstance(mine, str):
            cause = next((cause for who, cause in REFUSES if who == decoder and cause in theirs), theirs)
            refuses[decoder, cause].append(number)
    assert tuple(reads_more) == READS_MORE[decoder][0]
    expected = {key: found for key, (found, _) in REFUSES.items() if key[0] == decoder}
    assert {key: tuple(found) for key, found in refuses.items()} == expected


@pytest.mark.parametrize("decoder", readings.DECODERS)
def test_values_are_those_of_the_decoder_or_the_difference_is_said(rows: list[dict[str, Any]], decoder: str) -> None:
    otherwise = defaultdict(list)
    left_out = set()
    compared = 0
    for number, row in enumerate(rows):
        mine, theirs = _reading(row, "ours"), _reading(row, decoder)
        if isinstance(mine, str) or isinstance(theirs, str):
            continue
        for name in sorted(theirs):
            compared += 1
            if name not in mine or not readings.same(decoder, name, mine[name], theirs[name]):
                otherwise[decoder, name].append(number)
        if "body" not in theirs:
            left_out |= {(decoder, name) for name in mine if name not in theirs and name != "body"}
    assert compared > 350
    assert {key: tuple(found) for key, found in otherwise.items()} == {
        key: found for key, (found, _) in OTHERWISE.items() if key[0] == decoder
    }
    assert left_out == {key for key in LEFT_OUT if key[0] == decoder}
