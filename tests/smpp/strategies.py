"""Hypothesis strategies: well-formed PDUs of every layout, and damage."""

from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp import fields as f
from portguard.smpp.pdu import Pdu

octet = st.integers(0, 255)
words = st.integers(0, 0xFFFFFFFF)


def cstring(size: int) -> st.SearchStrategy[bytes]:
    """Bytes that fit a C-octet string of at most size octets, NUL included."""
    return st.binary(max_size=min(size - 1, 24)).map(lambda found: found.replace(b"\x00", b"0"))


_sme = st.builds(f.SmeAddress, octet, octet, cstring(21))
_list = st.builds(f.DistributionList, cstring(21))
_unsuccess = st.builds(f.UnsuccessSme, octet, octet, cstring(21), words)

tlv_lists = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=5)


def value(field: f.Field) -> st.SearchStrategy[f.Value]:
    if field.kind == f.INTEGER:
        return octet
    if field.kind == f.STRING:
        return cstring(field.size)
    if field.kind == f.MESSAGE:
        return st.binary(max_size=255)
    if field.kind == f.DESTINATIONS:
        return st.lists(st.one_of(_sme, _list), min_size=1, max_size=6)
    return st.lists(_unsuccess, max_size=6)


@st.composite
def pdus(draw: st.DrawFn, command_ids: tuple[int, ...] = tuple(sorted(f.LAYOUT))) -> Pdu:
    """Any well-formed PDU, one of command_ids."""
    command_id = draw(st.sampled_from(command_ids))
    pdu = Pdu(command_id, draw(words), draw(words))
    if command_id & c.RESP and draw(st.booleans()):
        return pdu  # a response without a body
    for field in f.LAYOUT[command_id]:
        pdu.fields[field.name] = draw(value(field))
    pdu.tlvs = draw(tlv_lists)
    return pdu
