"""Labels: who sent a message, from which number and under which signature, as octets of msgpack (`record.Label`).

Written by hand, since a sender may need a new one with every message.

Compiled; used by `counters` and `engine`.
"""

from librt.strings import BytesWriter, write_i64_be
from mypy_extensions import i64, u8

from portguard.policy.grant import Account, Grant, PortGrant


def label(
    account: str, enterprise: str, port: str, number: str, holder: str, signature: str, owner: str, charset: int = 0
) -> bytes:
    """The octets of a `record.Label`. Texts are cut to 256 characters; those of the wire may hold half a pair."""
    return _labelled(
        label_head(account, enterprise), port.encode(), number.encode(), holder, signature, owner, charset
    )


def label_head(account: str, enterprise: str) -> bytes:
    """The octets that all labels of an account begin with."""
    b = BytesWriter()
    b.append(0x98)
    _pack_text(b, account)
    _pack_text(b, enterprise)
    return b.getvalue()


def _labelled(
    head: bytes, port: bytes, number: bytes, holder: str, signature: str, owner: str, charset: i64
) -> bytes:
    b = BytesWriter()
    b.write(head)
    pack_named(b, port, number, holder, signature, owner)
    b.append(u8(charset))
    return b.getvalue()


def pack_named(b: BytesWriter, port: bytes, number: bytes, holder: str, signature: str, owner: str) -> None:
    """Append the texts of a label from the port on."""
    _pack(b, port)
    _pack(b, number)
    _pack_text(b, holder)
    _pack(b, signature[:256].encode("utf-8", "replace"))
    _pack_text(b, owner)


def written(octets: bytes) -> bytes:
    """The octets of an address as text."""
    return octets if octets.isascii() else octets.decode("latin-1").encode()


def _pack_text(b: BytesWriter, text: str) -> None:
    """A name from the registry or of latin-1 octets, which always has a form in UTF-8."""
    _pack(b, text[:256].encode())


def _pack(b: BytesWriter, octets: bytes) -> None:
    size: i64 = len(octets)
    if size < 32:
        b.append(u8(0xA0 | size))
    else:
        b.append(0xDA)
        b.append(u8(size >> 8))
        b.append(u8(size & 0xFF))
    b.write(octets)


def pack_number(b: BytesWriter, number: i64) -> None:
    """Append an int."""
    if 0 <= number < 128:
        b.append(u8(number))
    else:
        b.append(0xD3)
        write_i64_be(b, number)


def label_of(a: Account, port: PortGrant, grant: Grant) -> bytes:
    """The label of an account's grant on a number, made once."""
    if len(grant.label) == 0:
        grant.label = _labelled(
            head_of(a), written(port.source[: port.digits]), written(port.source), port.holder, grant.signature,
            grant.owner(), a.charset,
        )  # fmt: skip
    return grant.label


def head_of(a: Account) -> bytes:
    """What an account's labels begin with, made once."""
    if len(a.label_head) == 0:
        a.label_head = label_head(a.system_id, a.enterprise)
    return a.label_head


def with_number(found: bytes, a: Account, number: str) -> bytes:
    """A label of no port and no number, with this number."""
    # Behind the head is the octet of no port, and then that of no number.
    start: i64 = len(head_of(a)) + 1
    b = BytesWriter()
    b.write(found[:start])
    _pack_text(b, number)
    b.write(found[start + 1 :])
    return b.getvalue()
