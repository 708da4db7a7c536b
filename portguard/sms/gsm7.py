"""The GSM 7-bit default alphabet with its extension table (3GPP TS 23.038 §6.2.1), unpacked and packed.

Septets are octets below 0x80 here; packing (§6.1.2.1) is a separate step, since SMPP peers mostly do not pack. Knows
nothing of data_coding.
"""

from codecs import charmap_decode
from typing import Final

ESCAPE: Final = 0x1B
ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
_SEPTETS: Final = {character: bytes((septet,)) for septet, character in enumerate(ALPHABET) if septet != ESCAPE} | {
    character: bytes((ESCAPE, septet)) for septet, character in EXTENSION.items()
}


def decode(septets: bytes) -> str | None:
    """The text of unpacked septets; None when an octet is above 0x7F.

    An escape that the extension table does not know shows the character of the main table, and an escape at the end or
    before another escape shows a space: what a handset displays (§6.2.1.1) is what has to be judged.
    """
    if not septets.isascii():
        return None
    if ESCAPE not in septets:
        return charmap_decode(septets, "strict", ALPHABET)[0]
    text: list[str] = []
    escaped = False
    for septet in septets:
        if escaped:
            text.append(" " if septet == ESCAPE else EXTENSION.get(septet, ALPHABET[septet]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            text.append(ALPHABET[septet])
    if escaped:
        text.append(" ")
    return "".join(text)


def encode(text: str) -> bytes:
    """Unpacked septets of `text`; ValueError names the first character the alphabet lacks."""
    octets: list[bytes] = []
    for character in text:
        septets = _SEPTETS.get(character)
        if septets is None:
            raise ValueError(f"the GSM 7-bit alphabet has no {character!r} (U+{ord(character):04X})")
        octets.append(septets)
    return b"".join(octets)


def unpack(octets: bytes, fill: int = 0) -> bytes:
    """Septets of packed `octets`, after `fill` bits that align them behind a user data header.

    A last septet that ends with the last octet is padding when it is a carriage return, which §6.1.2.3.1 asks for, or
    when it is zero, which is seen as often.
    """
    count = max(0, (len(octets) * 8 - fill) // 7)
    septets = bytearray(count)
    window = 0
    for index in range(count):
        # Shifting the whole number for every septet would be quadratic; eight septets are one 56-bit block.
        block, within = divmod(index, 8)
        if within == 0:
            start = block * 7
            window = int.from_bytes(octets[start : start + 8], "little") >> fill
        septets[index] = window >> (within * 7) & 0x7F
    if count and septets[-1] in b"\r\x00" and (len(octets) * 8 - fill) % 7 == 0:
        del septets[-1]
    return bytes(septets)


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Packed octets of `septets`, after `fill` zero bits.

    A carriage return is added where seven bits would be left over, or where the text itself ends with one there.
    """
    total = len(septets) * 7 + fill
    if total % 8 == 1 or (total % 8 == 0 and septets[-1:] == b"\r"):
        septets += b"\r"
        total += 7
    bits = 0
    packed = bytearray()
    held = fill
    for septet in septets:
        bits |= septet << held
        held += 7
        while held >= 8:
            packed.append(bits & 0xFF)
            bits >>= 8
            held -= 8
    if held:
        packed.append(bits & 0xFF)
    return bytes(packed)
