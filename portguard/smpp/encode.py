"""PDUs of portguard's own making: responses, binds and messages, as bytes.

Nouns: a *response form* is the body that goes with a command_status other than 0. Builders take wire values (bytes
and ints) by the specification's names and check only what would break the frame: a C-octet string's NUL and length,
an integer's range; what does not fit is a ValueError. They are for answers, simulators, tests and tools; what passes
through is never re-encoded.
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import TypedDict, Unpack, cast

from portguard.smpp import constants as c
from portguard.smpp.fields import Destination, UnsuccessSme, Value
from portguard.smpp.pdu import Pdu, encode

_HEADER = Struct(">IIII")

# 3.4 §4.1.2 and §4.4.2 say that a response with an error has no body. For binds that is fatal to clients that look
# for the system_id's NUL whatever the status, so those get an empty system_id; all others accept both.
_ERROR_BODY = {
    c.BIND_RECEIVER_RESP: b"\x00",
    c.BIND_TRANSMITTER_RESP: b"\x00",
    c.BIND_TRANSCEIVER_RESP: b"\x00",
}

Tlvs = Sequence[tuple[int, bytes]]


class DataFields(TypedDict, total=False):
    """What a data_sm may say beside its addresses; integers are 0, strings empty and NPIs 1 (ISDN) when absent."""

    service_type: bytes
    source_addr_ton: int
    source_addr_npi: int
    dest_addr_ton: int
    dest_addr_npi: int
    esm_class: int
    registered_delivery: int
    data_coding: int
    tlvs: Tlvs


class MessageFields(DataFields, total=False):
    """What a submit_sm, submit_multi or deliver_sm may say beside its addresses; submit_multi has no dest_addr_*."""

    protocol_id: int
    priority_flag: int
    schedule_delivery_time: bytes
    validity_period: bytes
    replace_if_present_flag: int
    sm_default_msg_id: int
    short_message: bytes


_MESSAGE_DEFAULTS: dict[str, Value] = {
    "service_type": b"",
    "source_addr_ton": 0,
    "source_addr_npi": c.NPI_ISDN,
    "dest_addr_ton": 0,
    "dest_addr_npi": c.NPI_ISDN,
    "esm_class": 0,
    "protocol_id": 0,
    "priority_flag": 0,
    "schedule_delivery_time": b"",
    "validity_period": b"",
    "registered_delivery": 0,
    "replace_if_present_flag": 0,
    "data_coding": 0,
    "sm_default_msg_id": 0,
    "short_message": b"",
}
_DATA_NAMES = (
    "service_type",
    "source_addr_ton",
    "source_addr_npi",
    "dest_addr_ton",
    "dest_addr_npi",
    "esm_class",
    "registered_delivery",
    "data_coding",
)


def header(command_id: int, status: int, seq: int, body_length: int) -> bytes:
    """The 16 octets in front of a body of body_length octets (SMPP 3.4 §3.2)."""
    return _HEADER.pack(c.HEADER_LENGTH + body_length, command_id, status, seq)


def response(command_id: int, status: int, seq: int, body: bytes = b"") -> bytes:
    """The response to the request command_id; with an error status and no body, the form every peer accepts.

    command_id may be the request's or the response's own.
    """
    command_id |= c.RESP
    if status and not body:
        body = _ERROR_BODY.get(command_id, b"")
    return header(command_id, status, seq, len(body)) + body


def generic_nack(status: int, seq: int) -> bytes:
    """generic_nack (SMPP 3.4 §4.3.1); seq 0 when the offender's could not be read."""
    return header(c.GENERIC_NACK, status, seq, 0)


def enquire_link(seq: int) -> bytes:
    """enquire_link (SMPP 3.4 §4.11.1)."""
    return header(c.ENQUIRE_LINK, 0, seq, 0)


def unbind(seq: int) -> bytes:
    """unbind (SMPP 3.4 §4.2.1)."""
    return header(c.UNBIND, 0, seq, 0)


def _pdu(command_id: int, seq: int, fields: dict[str, Value], tlvs: Tlvs = (), status: int = 0) -> bytes:
    return encode(Pdu(command_id, status, seq, fields, list(tlvs)))


def bind(
    command_id: int,
    seq: int,
    *,
    system_id: bytes,
    password: bytes = b"",
    system_type: bytes = b"",
    interface_version: int = c.VERSION_34,
    addr_ton: int = 0,
    addr_npi: int = 0,
    address_range: bytes = b"",
    tlvs: Tlvs = (),
) -> bytes:
    """bind_receiver, bind_transmitter or bind_transceiver, as command_id says (SMPP 3.4 §4.1)."""
    fields: dict[str, Value] = {
        "system_id": system_id,
        "password": password,
        "system_type": system_type,
        "interface_version": interface_version,
        "addr_ton": addr_ton,
        "addr_npi": addr_npi,
        "address_range": address_range,
    }
    return _pdu(command_id, seq, fields, tlvs)


def outbind(seq: int, *, system_id: bytes, password: bytes = b"") -> bytes:
    """outbind (SMPP 3.4 §4.1.7.1)."""
    return _pdu(c.OUTBIND, seq, {"system_id": system_id, "password": password})


def submit_sm(seq: int, *, source_addr: bytes, destination_addr: bytes, **rest: Unpack[MessageFields]) -> bytes:
    """submit_sm (SMPP 3.4 §4.4.1); a text over 254 octets goes into the TLV message_payload."""
    return _message(c.SUBMIT_SM, seq, source_addr, destination_addr, rest)


def deliver_sm(seq: int, *, source_addr: bytes, destination_addr: bytes, **rest: Unpack[MessageFields]) -> bytes:
    """deliver_sm (SMPP 3.4 §4.6.1); a receipt has esm_class ESM_RECEIPT and the text of `receipt_text`."""
    return _message(c.DELIVER_SM, seq, source_addr, destination_addr, rest)


def submit_multi(
    seq: int, *, source_addr: bytes, dest_address: Sequence[Destination], **rest: Unpack[MessageFields]
) -> bytes:
    """submit_multi to 1-254 recipients (SMPP 3.4 §4.5.1)."""
    fields = dict(_MESSAGE_DEFAULTS)
    del fields["dest_addr_ton"], fields["dest_addr_npi"]
    fields |= {"source_addr": source_addr, "dest_address": list(dest_address)}
    return _filled(c.SUBMIT_MULTI, seq, fields, rest)


def data_sm(seq: int, *, source_addr: bytes, destination_addr: bytes, **rest: Unpack[DataFields]) -> bytes:
    """data_sm (SMPP 3.4 §4.7.1); its text is the TLV message_payload."""
    fields = {name: _MESSAGE_DEFAULTS[name] for name in _DATA_NAMES}
    fields |= {"source_addr": source_addr, "destination_addr": destination_addr}
    return _filled(c.DATA_SM, seq, fields, rest)


def replace_sm(
    seq: int,
    *,
    message_id: bytes,
    source_addr: bytes,
    source_addr_ton: int = 0,
    source_addr_npi: int = c.NPI_ISDN,
    schedule_delivery_time: bytes = b"",
    validity_period: bytes = b"",
    registered_delivery: int = 0,
    sm_default_msg_id: int = 0,
    short_message: bytes = b"",
    tlvs: Tlvs = (),
) -> bytes:
    """replace_sm (SMPP 3.4 §4.10.1); TLVs are 5.0's (§4.5.3.1)."""
    fields: dict[str, Value] = {
        "message_id": message_id,
        "source_addr_ton": source_addr_ton,
        "source_addr_npi": source_addr_npi,
        "source_addr": source_addr,
        "schedule_delivery_time": schedule_delivery_time,
        "validity_period": validity_period,
        "registered_delivery": registered_delivery,
        "sm_default_msg_id": sm_default_msg_id,
        "short_message": short_message,
    }
    return _pdu(c.REPLACE_SM, seq, fields, tlvs)


def query_sm(
    seq: int, *, message_id: bytes, source_addr: bytes, source_addr_ton: int = 0, source_addr_npi: int = c.NPI_ISDN
) -> bytes:
    """query_sm (SMPP 3.4 §4.8.1)."""
    fields: dict[str, Value] = {
        "message_id": message_id,
        "source_addr_ton": source_addr_ton,
        "source_addr_npi": source_addr_npi,
        "source_addr": source_addr,
    }
    return _pdu(c.QUERY_SM, seq, fields)


def cancel_sm(
    seq: int,
    *,
    message_id: bytes,
    source_addr: bytes,
    destination_addr: bytes = b"",
    service_type: bytes = b"",
    source_addr_ton: int = 0,
    source_addr_npi: int = c.NPI_ISDN,
    dest_addr_ton: int = 0,
    dest_addr_npi: int = c.NPI_ISDN,
) -> bytes:
    """cancel_sm: one message by its id, or with an empty id all that match the rest (SMPP 3.4 §4.9.1)."""
    fields: dict[str, Value] = {
        "service_type": service_type,
        "message_id": message_id,
        "source_addr_ton": source_addr_ton,
        "source_addr_npi": source_addr_npi,
        "source_addr": source_addr,
        "dest_addr_ton": dest_addr_ton,
        "dest_addr_npi": dest_addr_npi,
        "destination_addr": destination_addr,
    }
    return _pdu(c.CANCEL_SM, seq, fields)


def bind_resp(
    command_id: int,
    status: int,
    seq: int,
    *,
    system_id: bytes = b"",
    sc_interface_version: int | None = c.VERSION_34,
) -> bytes:
    """The answer to the bind command_id (SMPP 3.4 §4.1.2); sc_interface_version None for a 3.3 peer."""
    if status:
        return response(command_id, status, seq)
    version = () if sc_interface_version is None else ((c.TLV_SC_INTERFACE_VERSION, bytes([sc_interface_version])),)
    return _pdu(command_id | c.RESP, seq, {"system_id": system_id}, version)


def message_resp(command_id: int, status: int, seq: int, *, message_id: bytes = b"", tlvs: Tlvs = ()) -> bytes:
    """The answer to submit_sm, data_sm, deliver_sm or broadcast_sm (SMPP 3.4 §4.4.2, §4.7.2, §4.6.2)."""
    if status and not message_id and not tlvs:
        return response(command_id, status, seq)
    return _pdu(command_id | c.RESP, seq, {"message_id": message_id}, tlvs, status)


def submit_multi_resp(
    status: int, seq: int, *, message_id: bytes = b"", unsuccess_sme: Sequence[UnsuccessSme] = ()
) -> bytes:
    """The answer to submit_multi, with the recipients that failed (SMPP 3.4 §4.5.2)."""
    if status and not message_id and not unsuccess_sme:
        return response(c.SUBMIT_MULTI, status, seq)
    fields: dict[str, Value] = {"message_id": message_id, "unsuccess_sme": list(unsuccess_sme)}
    return _pdu(c.SUBMIT_MULTI_RESP, seq, fields, status=status)


def query_sm_resp(
    status: int, seq: int, *, message_id: bytes = b"", final_date: bytes = b"", message_state: int, error_code: int = 0
) -> bytes:
    """The answer to query_sm (SMPP 3.4 §4.8.2); with an error status it is `response`."""
    if status:
        return response(c.QUERY_SM, status, seq)
    fields: dict[str, Value] = {
        "message_id": message_id,
        "final_date": final_date,
        "message_state": message_state,
        "error_code": error_code,
    }
    return _pdu(c.QUERY_SM_RESP, seq, fields)


def receipt_text(
    message_id: bytes,
    stat: bytes,
    *,
    submit_date: bytes,
    done_date: bytes,
    error: bytes = b"000",
    text: bytes = b"",
) -> bytes:
    """The short_message of a delivery receipt, dates as YYMMDDhhmm, stat as DELIVRD or REJECTD (SMPP 3.4 appendix B).

    The form is the SMSC vendor's choice; this is the one that the specification describes and every client reads.
    """
    delivered = b"001" if stat == b"DELIVRD" else b"000"
    return b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:%b" % (
        message_id,
        delivered,
        submit_date,
        done_date,
        stat,
        error,
        text[:20],
    )


def _message(command_id: int, seq: int, source_addr: bytes, destination_addr: bytes, rest: MessageFields) -> bytes:
    fields = dict(_MESSAGE_DEFAULTS)
    fields |= {"source_addr": source_addr, "destination_addr": destination_addr}
    return _filled(command_id, seq, fields, rest)


def _filled(command_id: int, seq: int, fields: dict[str, Value], rest: Mapping[str, object]) -> bytes:
    tlvs: Tlvs = ()
    for name, value in rest.items():
        if name == "tlvs":
            tlvs = cast(Tlvs, value)
        else:
            fields[name] = cast(Value, value)
    return _pdu(command_id, seq, fields, tlvs)
