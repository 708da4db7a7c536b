"""The mandatory parameters of every PDU, as one table, and the reader and writer that walk it (SMPP 3.4 §4, 5.0 §4).

Nouns: a *field* is one mandatory parameter: name, kind, size and the command_status that refuses it when it is too
long or the PDU ends within it; a *layout* is a command's fields in order. Lengths and counts (sm_length,
number_of_dests, no_unsuccess) are not fields of their own: they are those of the bytes and lists they announce. Values
are judged for their form only, never for their meaning: a data_coding or a TON of any number is data. TLVs are `tlv`'s.
"""

from struct import Struct
from typing import Final, NamedTuple

from portguard.smpp import constants as c
from portguard.smpp.errors import PduError

_WORD32 = Struct(">I")


class SmeAddress(NamedTuple):
    """A recipient of submit_multi (SMPP 3.4 §4.5.1.1)."""

    ton: int
    npi: int
    addr: bytes


class DistributionList(NamedTuple):
    """A distribution list as a recipient of submit_multi (SMPP 3.4 §4.5.1.2)."""

    dl_name: bytes


class UnsuccessSme(NamedTuple):
    """A recipient that submit_multi_resp reports as refused (SMPP 3.4 §4.5.2.1)."""

    ton: int
    npi: int
    addr: bytes
    error_status_code: int


Destination = SmeAddress | DistributionList
Value = int | bytes | list[Destination] | list[UnsuccessSme]

INTEGER: Final = 0  # one octet
STRING: Final = 1  # C-octet string of at most size octets, NUL included
MESSAGE: Final = 2  # an octet of length, then that many
DESTINATIONS: Final = 3
UNSUCCESS: Final = 4


class Field(NamedTuple):
    """One mandatory parameter: size is the longest C-octet string, NUL included, or the most recipients."""

    name: str
    kind: int = INTEGER
    size: int = 1
    status: int = c.ESME_RINVMSGLEN


Layout = tuple[Field, ...]


def _string(name: str, size: int, status: int = c.ESME_RINVPARLEN) -> Field:
    return Field(name, STRING, size, status)


def _address(prefix: str, addr: str, size: int, status: int) -> Layout:
    ton, npi = (Field(f"{prefix}_{what}", status=status) for what in ("ton", "npi"))
    return ton, npi, _string(addr, size, status)


_SERVICE_TYPE = _string("service_type", 6, c.ESME_RINVSERTYP)
_MESSAGE_ID = _string("message_id", 65, c.ESME_RINVMSGID)
_SYSTEM_ID = _string("system_id", 16, c.ESME_RINVSYSID)
_PASSWORD = _string("password", 9, c.ESME_RINVPASWD)
_SCHEDULE = _string("schedule_delivery_time", 17, c.ESME_RINVSCHED)
_VALIDITY = _string("validity_period", 17, c.ESME_RINVEXPIRY)
_SHORT_MESSAGE = Field("short_message", MESSAGE, 255, c.ESME_RINVMSGLEN)
_SOURCE = _address("source_addr", "source_addr", 21, c.ESME_RINVSRCADR)
_DESTINATION = _address("dest_addr", "destination_addr", 21, c.ESME_RINVDSTADR)

_BIND: Layout = (
    _SYSTEM_ID,
    _PASSWORD,
    _string("system_type", 13, c.ESME_RINVSYSTYP),
    Field("interface_version"),
    *_address("addr", "address_range", 41, c.ESME_RINVPARLEN),
)
_AFTER_ADDRESSES: Layout = (
    Field("esm_class"),
    Field("protocol_id"),
    Field("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    Field("registered_delivery"),
    Field("replace_if_present_flag"),
    Field("data_coding"),
    Field("sm_default_msg_id"),
    _SHORT_MESSAGE,
)
_SUBMIT: Layout = (_SERVICE_TYPE, *_SOURCE, *_DESTINATION, *_AFTER_ADDRESSES)

# command_id -> its mandatory parameters in order. 3.3 has the same ones; its param_retrieve, query_last_msgs and
# query_msg_details, which 3.4 withdrew, are unknown commands here.
LAYOUT: Final[dict[int, Layout]] = {
    c.BIND_RECEIVER: _BIND,
    c.BIND_TRANSMITTER: _BIND,
    c.BIND_TRANSCEIVER: _BIND,
    c.BIND_RECEIVER_RESP: (_SYSTEM_ID,),
    c.BIND_TRANSMITTER_RESP: (_SYSTEM_ID,),
    c.BIND_TRANSCEIVER_RESP: (_SYSTEM_ID,),
    c.OUTBIND: (_SYSTEM_ID, _PASSWORD),
    c.UNBIND: (),
    c.UNBIND_RESP: (),
    c.GENERIC_NACK: (),
    c.ENQUIRE_LINK: (),
    c.ENQUIRE_LINK_RESP: (),
    c.SUBMIT_SM: _SUBMIT,
    c.SUBMIT_SM_RESP: (_MESSAGE_ID,),
    c.DELIVER_SM: _SUBMIT,
    c.DELIVER_SM_RESP: (_MESSAGE_ID,),
    c.SUBMIT_MULTI: (
        _SERVICE_TYPE,
        *_SOURCE,
        Field("dest_address", DESTINATIONS, 254, c.ESME_RINVDSTADR),
        *_AFTER_ADDRESSES,
    ),
    c.SUBMIT_MULTI_RESP: (_MESSAGE_ID, Field("unsuccess_sme", UNSUCCESS, 255, c.ESME_RINVDSTADR)),
    c.DATA_SM: (
        _SERVICE_TYPE,
        *_address("source_addr", "source_addr", 65, c.ESME_RINVSRCADR),
        *_address("dest_addr", "destination_addr", 65, c.ESME_RINVDSTADR),
        Field("esm_class"),
        Field("registered_delivery"),
        Field("data_coding"),
    ),
    c.DATA_SM_RESP: (_MESSAGE_ID,),
    c.QUERY_SM: (_MESSAGE_ID, *_SOURCE),
    c.QUERY_SM_RESP: (
        _MESSAGE_ID,
        _string("final_date", 17),
        Field("message_state"),
        Field("error_code"),
    ),
    c.CANCEL_SM: (_SERVICE_TYPE, _MESSAGE_ID, *_SOURCE, *_DESTINATION),
    c.CANCEL_SM_RESP: (),
    c.REPLACE_SM: (
        _MESSAGE_ID,
        *_SOURCE,
        _SCHEDULE,
        _VALIDITY,
        Field("registered_delivery"),
        Field("sm_default_msg_id"),
        _SHORT_MESSAGE,
    ),
    c.REPLACE_SM_RESP: (),
    c.ALERT_NOTIFICATION: (
        *_address("source_addr", "source_addr", 65, c.ESME_RINVSRCADR),
        *_address("esme_addr", "esme_addr", 65, c.ESME_RINVDSTADR),
    ),
    c.BROADCAST_SM: (
        _SERVICE_TYPE,
        *_SOURCE,
        _MESSAGE_ID,
        Field("priority_flag"),
        _SCHEDULE,
        _VALIDITY,
        Field("replace_if_present_flag"),
        Field("data_coding"),
        Field("sm_default_msg_id"),
    ),
    c.BROADCAST_SM_RESP: (_MESSAGE_ID,),
    c.QUERY_BROADCAST_SM: (_MESSAGE_ID, *_SOURCE),
    c.QUERY_BROADCAST_SM_RESP: (_MESSAGE_ID,),
    c.CANCEL_BROADCAST_SM: (_SERVICE_TYPE, _MESSAGE_ID, *_SOURCE),
    c.CANCEL_BROADCAST_SM_RESP: (),
}


def layout(command_id: int) -> Layout:
    """The mandatory parameters of command_id; PduError ESME_RINVCMDID for a number that is none of the protocol's."""
    found = LAYOUT.get(command_id)
    if found is None:
        raise PduError(f"command_id {c.command_name(command_id)} is unknown", c.ESME_RINVCMDID)
    return found


class Reader:
    """Walks the fields of one PDU; `pos` is the octet that comes next. Every method may raise PduError."""

    def __init__(self, pdu: bytes, pos: int = c.HEADER_LENGTH) -> None:
        self.pdu = pdu
        self.pos = pos

    def value(self, field: Field) -> Value:
        """The next value, as field says."""
        if field.kind == INTEGER:
            return self.octet(field.name, field.status)
        if field.kind == STRING:
            return self.string(field.name, field.size, field.status)
        if field.kind == MESSAGE:
            return self.octets(self.octet("sm_length", field.status), field)
        if field.kind == UNSUCCESS:
            return [self.unsuccess(field) for _ in range(self.octet("no_unsuccess", c.ESME_RINVMSGLEN))]
        count = self.octet("number_of_dests", c.ESME_RINVMSGLEN)
        if not 1 <= count <= field.size:
            raise PduError(f"number_of_dests {count} is outside 1..{field.size}", c.ESME_RINVNUMDESTS)
        return [self.destination(field) for _ in range(count)]

    def octet(self, name: str, status: int) -> int:
        if self.pos >= len(self.pdu):
            raise PduError(f"the PDU ends before {name}", status)
        self.pos += 1
        return self.pdu[self.pos - 1]

    def string(self, name: str, size: int, status: int) -> bytes:
        nul = self.pdu.find(0, self.pos, self.pos + size)
        if nul < 0:
            if len(self.pdu) - self.pos < size:
                raise PduError(f"the PDU ends before the NUL of {name}", status)
            raise PduError(f"{name} is longer than {size - 1} octets", status)
        found = self.pdu[self.pos : nul]
        self.pos = nul + 1
        return found

    def octets(self, length: int, field: Field) -> bytes:
        end = self.pos + length
        if end > len(self.pdu):
            raise PduError(f"{field.name} of {length} octets goes beyond the PDU", field.status)
        found = self.pdu[self.pos : end]
        self.pos = end
        return found

    def destination(self, field: Field) -> Destination:
        flag = self.octet("dest_flag", field.status)
        if flag == c.DEST_SME:
            return SmeAddress(*self._address(field))
        if flag == c.DEST_LIST:
            return DistributionList(self.string("dl_name", 21, c.ESME_RINVDLNAME))
        raise PduError(f"dest_flag {flag} is neither {c.DEST_SME} nor {c.DEST_LIST}", c.ESME_RINVDESTFLAG)

    def unsuccess(self, field: Field) -> UnsuccessSme:
        ton, npi, addr = self._address(field)
        if len(self.pdu) - self.pos < 4:
            raise PduError("the PDU ends before error_status_code", c.ESME_RINVMSGLEN)
        self.pos += 4
        return UnsuccessSme(ton, npi, addr, _WORD32.unpack_from(self.pdu, self.pos - 4)[0])

    def _address(self, field: Field) -> tuple[int, int, bytes]:
        ton, npi = (self.octet(name, field.status) for name in ("dest_addr_ton", "dest_addr_npi"))
        return ton, npi, self.string("destination_addr", 21, field.status)


def end(pdu: bytes) -> int:
    """Where the mandatory parameters of a whole PDU end and its TLVs begin; PduError when there is no telling.

    The body of a response may be left out (SMPP 3.4 §4.4.2); then both begin and end behind the header.
    """
    command_id = _WORD32.unpack_from(pdu, 4)[0]
    fields = layout(command_id)
    reader = Reader(pdu)
    if not (command_id & c.RESP and len(pdu) == c.HEADER_LENGTH):
        for field in fields:
            reader.value(field)
    return reader.pos


def write(field: Field, value: Value) -> bytes:
    """The octets of one field; ValueError when value does not fit it."""
    if field.kind == INTEGER and isinstance(value, int):
        return _octet(field.name, value)
    if field.kind == STRING and isinstance(value, bytes):
        return _cstring(field.name, value, field.size)
    if field.kind == MESSAGE and isinstance(value, bytes):
        return _octet("sm_length", len(value)) + value
    if field.kind in (DESTINATIONS, UNSUCCESS) and isinstance(value, list):
        if len(value) > field.size or (field.kind == DESTINATIONS and not value):
            raise ValueError(f"{field.name} cannot hold {len(value)} recipients")
        return _octet(field.name, len(value)) + b"".join(_recipient(one) for one in value)
    raise ValueError(f"{field.name} cannot be {type(value).__name__}")


def _octet(name: str, value: int) -> bytes:
    if not 0 <= value <= 255:
        raise ValueError(f"{name} {value} does not fit into one octet")
    return bytes((value,))


def _cstring(name: str, value: bytes, size: int) -> bytes:
    if 0 in value:
        raise ValueError(f"{name} holds a NUL")
    if len(value) >= size:
        raise ValueError(f"{name} is longer than {size - 1} octets")
    return value + b"\x00"


def _recipient(one: Destination | UnsuccessSme) -> bytes:
    if isinstance(one, DistributionList):
        return bytes((c.DEST_LIST,)) + _cstring("dl_name", one.dl_name, 21)
    address = (
        _octet("dest_addr_ton", one.ton) + _octet("dest_addr_npi", one.npi) + _cstring("destination_addr", one.addr, 21)
    )
    if isinstance(one, SmeAddress):
        return bytes((c.DEST_SME,)) + address
    return address + _WORD32.pack(one.error_status_code)
