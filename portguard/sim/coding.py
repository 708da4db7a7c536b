"""Text to octets and back, by data_coding, as the two simulated ends need it.

Decoding never fails: what does not decode is shown with U+FFFD, since a simulator reports what arrived. The proxy's
own, strict reading of text is none of this module's business.
"""

from typing import Final

GSM7: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED: Final = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}
_GSM7_OCTETS: Final = {character: bytes((octet,)) for octet, character in enumerate(GSM7)} | {
    character: bytes((0x1B, octet)) for character, octet in GSM7_EXTENDED.items()
}
_GSM7_EXTENDED_BACK: Final = {octet: character for character, octet in GSM7_EXTENDED.items()}
_CODECS: Final = {1: "ascii", 3: "latin-1", 8: "utf-16-be", 15: "gbk"}


def encode(text: str, data_coding: int) -> bytes:
    """`text` as octets under `data_coding` (SMPP 3.4 §5.2.19): 0 GSM 7-bit unpacked, 1, 3, 8, or 15 (GBK by practice).

    Raises ValueError naming the coding when the text cannot be carried in it.
    """
    if data_coding == 0:
        missing = [character for character in text if character not in _GSM7_OCTETS]
        if missing:
            raise ValueError(f"data_coding 0 (GSM 7-bit) cannot carry {missing[0]!r}")
        return b"".join(_GSM7_OCTETS[character] for character in text)
    codec = _CODECS.get(data_coding)
    if codec is None:
        raise ValueError(f"data_coding {data_coding} carries no text here (0, 1, 3, 8 and 15 do)")
    return text.encode(codec)


def decode(body: bytes, data_coding: int) -> str:
    """The text in `body` (user data header already removed); octets that carry no text come out as hexadecimal."""
    if data_coding == 0:
        return _decode_gsm7(body)
    codec = _CODECS.get(data_coding)
    return body.hex() if codec is None else body.decode(codec, "replace")


def user_data(body: bytes, udhi: bool) -> bytes:
    """`body` after its user data header (3GPP TS 23.040 §9.2.3.24); all of it when there is none, or an unsound one."""
    if udhi and body and body[0] < len(body):
        return body[1 + body[0] :]
    return body


def _decode_gsm7(body: bytes) -> str:
    text: list[str] = []
    escaped = False
    for octet in body:
        if escaped:
            text.append(_GSM7_EXTENDED_BACK.get(octet, "\ufffd"))
            escaped = False
        elif octet == 0x1B:
            escaped = True
        else:
            text.append(GSM7[octet] if octet < len(GSM7) else "\ufffd")
    return "".join(text)
