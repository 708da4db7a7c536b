"""Octets to text and back, by data_coding (SMPP 3.4 §5.2.19, 3GPP TS 23.038 §4).

Text is UTF-16BE octets everywhere in this package. What data_coding 0 means is each account's own agreement with the
operator, so it is an argument: one of the CHARSET numbers. Knows nothing of PDUs: the caller has removed the user data
header.
"""

from codecs import utf_16_be_encode
from typing import Final

from portguard.sms import gsm7

CHARSET_GSM7: Final = 0
CHARSET_GSM7_PACKED: Final = 1
CHARSET_LATIN1: Final = 2
CHARSET_ASCII: Final = 3
CHARSET_UTF8: Final = 4
CHARSET_GBK: Final = 5
CHARSET_BY_NAME: Final = {
    "gsm7": CHARSET_GSM7,
    "gsm7-packed": CHARSET_GSM7_PACKED,
    "latin1": CHARSET_LATIN1,
    "ascii": CHARSET_ASCII,
    "utf8": CHARSET_UTF8,
    "gbk": CHARSET_GBK,
}

_GSM7: Final = CHARSET_GSM7
_UCS2: Final = 6
_BINARY: Final = 7
_NOT_TEXT: Final = 8
_CODEC: Final = {CHARSET_LATIN1: "latin-1", CHARSET_ASCII: "ascii", CHARSET_UTF8: "utf-8", CHARSET_GBK: "gbk"}
_BOM: Final = b"\xfe\xff"
_SWAPPED: Final = b"\xff\xfe"


def _group(data_coding: int) -> int:
    """What a data_coding other than 0 says its octets are: a CHARSET number, _UCS2, _BINARY or _NOT_TEXT."""
    if data_coding < 0x10:
        return {1: CHARSET_ASCII, 2: _BINARY, 3: CHARSET_LATIN1, 4: _BINARY, 8: _UCS2, 15: CHARSET_GBK}.get(
            data_coding, _NOT_TEXT
        )
    group = data_coding >> 4
    if group == 0x1:
        return (_GSM7, _BINARY, _UCS2, _NOT_TEXT)[data_coding >> 2 & 3]
    if group in (0xC, 0xD):
        return _GSM7
    if group == 0xE:
        return _UCS2
    if group == 0xF:
        return _BINARY if data_coding & 4 else _GSM7
    return _NOT_TEXT


_GROUP: Final = (_NOT_TEXT, *(_group(data_coding) for data_coding in range(1, 256)))


def _meaning(data_coding: int, charset: int) -> int:
    if data_coding == 0:
        return charset
    meaning = _GROUP[data_coding] if 0 < data_coding < 256 else _NOT_TEXT
    return CHARSET_GSM7_PACKED if meaning == _GSM7 and charset == CHARSET_GSM7_PACKED else meaning


def decode(body: bytes, data_coding: int, charset: int, udh: int = 0) -> bytes | None:
    """`body` (after its user data header of `udh` octets) as UTF-16BE, or None when it is no text under that coding.

    Not text: an odd length, a lone surrogate or the byte order mark of the other order (which handsets heed) under
    UCS-2, an octet above 0x7F under GSM 7-bit or ASCII, unsound UTF-8 or GBK, binary and reserved codings. One leading
    byte order mark under UCS-2 is dropped. `udh` matters only to packed GSM septets, which begin on a septet boundary
    after it.
    """
    if data_coding == 8:
        return _ucs2(body)
    meaning = _meaning(data_coding, charset)
    try:
        if meaning <= CHARSET_GSM7_PACKED:
            text = gsm7.decode(gsm7.unpack(body, _fill(udh)) if meaning == CHARSET_GSM7_PACKED else body)
            return None if text is None else utf_16_be_encode(text)[0]
        if meaning == _UCS2:
            return _ucs2(body)
        if meaning >= _BINARY:
            return None
        return utf_16_be_encode(body.decode(_CODEC[meaning]))[0]
    except UnicodeDecodeError:
        return None


def _ucs2(body: bytes) -> bytes | None:
    if body[:2] == _SWAPPED or not _is_sound(body):
        return None
    return body[2:] if body[:2] == _BOM else body


def encode(text: str, data_coding: int, charset: int, udh: int = 0) -> bytes:
    """Octets of `text` under `data_coding`, the inverse of `decode`; ValueError names what cannot be carried."""
    meaning = _meaning(data_coding, charset)
    if meaning >= _BINARY:
        raise ValueError(f"data_coding {data_coding:#04x} carries no text")
    if meaning <= CHARSET_GSM7_PACKED:
        septets = gsm7.encode(text)
        return gsm7.pack(septets, _fill(udh)) if meaning == CHARSET_GSM7_PACKED else septets
    codec = _CODEC.get(meaning, "utf-16-be")
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise ValueError(f"{codec} cannot carry {character!r} (U+{ord(character):04X})") from None


def ascii_brackets(data_coding: int, charset: int) -> bool:
    """Whether the coding cannot carry 【】, so that [ ] is a signature's bracket: GSM 7-bit, ASCII and latin-1."""
    return _meaning(data_coding, charset) <= CHARSET_ASCII


def octets_join(data_coding: int, charset: int) -> bool:
    """Whether the octets of parts may be joined before they are decoded: not packed septets, which begin anew, and not
    GBK, where half a character at the seam would shift all that follows for who reads the parts one by one."""
    return _meaning(data_coding, charset) not in (CHARSET_GSM7_PACKED, CHARSET_GBK)


def begins_anew(body: bytes, data_coding: int, charset: int) -> bool:
    """Whether a part reads alike by itself and behind the one before it: whole UCS-2 units, in the usual order."""
    return _meaning(data_coding, charset) != _UCS2 or (len(body) % 2 == 0 and body[:2] != _SWAPPED)


def is_binary(data_coding: int) -> bool:
    """Whether data_coding declares 8-bit data: 2, 4, and the 8-bit alphabets of the groups 0x1x and 0xFx."""
    return 0 < data_coding < 256 and _GROUP[data_coding] == _BINARY


def _fill(udh: int) -> int:
    return -udh * 8 % 7


def _is_sound(raw: bytes) -> bool:
    """Whether octets are UTF-16BE: an even number of them, and every surrogate in its pair."""
    try:
        raw.decode("utf-16-be")
    except UnicodeDecodeError:
        return False
    return True
