"""Labels: whose a message was, in MessagePack, for its record (`record.Label`) and for a row of a sweep (`tally`).

By hand (fixarray, str, uint), since a sender may need a new one with every message, and a sweep has a hundred thousand.
A text is cut to 256 characters; what has no form in UTF-8, like half a surrogate pair, is "?" in it.

Compiled; used by `counters` and `engine`.
"""

from codecs import utf_16_be_decode
from typing import Final

from librt.strings import BytesWriter, read_i16_be, write_i64_be
from mypy_extensions import i64, u8

from portguard.policy.grant import Account, Grant, PortGrant

_CHARACTERS: Final = 256
_LABEL: Final = 0x98  # an array of eight


def label(
    account: str, enterprise: str, port: str, number: str, holder: str, signature: str, owner: str, charset: int = 0
) -> bytes:
    """The octets of a `record.Label`. Text from the wire may hold half a surrogate pair."""
    b = BytesWriter()
    b.append(_LABEL)
    b.write(label_head(account, enterprise))
    _pack_text(b, port)
    _pack_text(b, number)
    _pack_text(b, holder)
    _pack(b, signature[:_CHARACTERS].encode("utf-8", "replace"))
    _pack_text(b, owner)
    b.append(u8(charset))
    return b.getvalue()


def label_head(account: str, enterprise: str) -> bytes:
    """The octets of what all labels of an account begin with."""
    b = BytesWriter()
    _pack_text(b, account)
    _pack_text(b, enterprise)
    return b.getvalue()


def head_of(a: Account) -> bytes:
    """`label_head` of an account, made once."""
    if len(a.label_head) == 0:
        a.label_head = label_head(a.system_id, a.enterprise)
    return a.label_head


def label_of(a: Account, port: PortGrant, grant: Grant) -> bytes:
    """The label of an account's grant on a number, made once."""
    if len(grant.label) == 0:
        b = BytesWriter()
        b.append(_LABEL)
        b.write(head_of(a))
        pack_named(b, port.source, port.digits, port.holder, grant.name, grant.owner())
        b.append(u8(a.charset))
        grant.label = b.getvalue()
    return grant.label


def with_number(found: bytes, a: Account, number: str) -> bytes:
    """A label of no port and no number, with this number."""
    # Behind the array's octet and the head is that of no port, and then that of no number.
    start: i64 = len(head_of(a)) + 2
    b = BytesWriter()
    b.write(found[:start])
    _pack_text(b, number)
    b.write(found[start + 1 :])
    return b.getvalue()


def pack_named(b: BytesWriter, number: bytes, digits: i64, holder: str, name: bytes, owner: str) -> None:
    """A number's port, which is so many of its octets, the number, the port's holder, a signature (UTF-16BE), and whose
    that is."""
    _pack_address(b, number, digits)
    _pack_address(b, number, len(number))
    _pack_text(b, holder)
    _pack_units(b, name)
    _pack_text(b, owner)


def pack_number(b: BytesWriter, number: i64) -> None:
    """A whole number."""
    if 0 <= number < 128:
        b.append(u8(number))
    else:
        b.append(0xD3)
        write_i64_be(b, number)


def _pack_address(b: BytesWriter, address: bytes, size: i64) -> None:
    """The first octets of an address, each a character (latin-1)."""
    if not address.isascii():
        _pack(b, address[:size].decode("latin-1").encode())
        return
    if size >= len(address):
        _pack(b, address)
        return
    _pack_size(b, size)
    for pos in range(size):
        b.append(u8(address[pos]))


def _pack_text(b: BytesWriter, text: str) -> None:
    """A name from the registry or of latin-1 octets, which always has a form in UTF-8."""
    _pack(b, text[:_CHARACTERS].encode())


def _pack_units(b: BytesWriter, text: bytes) -> None:
    """A text in UTF-16BE, as UTF-8."""
    end: i64 = len(text)
    size: i64 = 0
    pos: i64 = 0
    while pos < end:
        unit: i64 = i64(read_i16_be(text, pos)) & 0xFFFF
        if unit & 0xF800 == 0xD800 or pos >= 2 * _CHARACTERS:
            whole = utf_16_be_decode(text, "surrogatepass", True)[0]
            _pack(b, whole[:_CHARACTERS].encode("utf-8", "replace"))
            return
        size += 1
        if unit >= 0x80:
            size += 1
        if unit >= 0x800:
            size += 1
        pos += 2
    _pack_size(b, size)
    pos = 0
    while pos < end:
        unit = i64(read_i16_be(text, pos)) & 0xFFFF
        if unit < 0x80:
            b.append(u8(unit))
        elif unit < 0x800:
            b.append(u8(0xC0 | unit >> 6))
            b.append(u8(0x80 | unit & 0x3F))
        else:
            b.append(u8(0xE0 | unit >> 12))
            b.append(u8(0x80 | unit >> 6 & 0x3F))
            b.append(u8(0x80 | unit & 0x3F))
        pos += 2


def _pack(b: BytesWriter, octets: bytes) -> None:
    _pack_size(b, len(octets))
    b.write(octets)


def _pack_size(b: BytesWriter, size: i64) -> None:
    """What stands before a text of so many octets."""
    if size < 32:
        b.append(u8(0xA0 | size))
    else:
        b.append(0xDA)
        b.append(u8(size >> 8))
        b.append(u8(size & 0xFF))
