"""Where PDUs begin and end in a stream of bytes (SMPP 3.4 §3.2).

Nouns: a *frame* is command_length octets from the header on. `frame_length` finds it in a buffer without copying,
for the relay; `Framer` keeps what is incomplete and hands out whole PDUs, for everybody else. Neither reads anything
of a PDU but its length.
"""

from mypy_extensions import i64

from portguard.smpp.constants import HEADER_LENGTH
from portguard.smpp.errors import FramingError
from portguard.smpp.scan import be32


def frame_length(buf: bytes, pos: i64, end: i64, max_pdu: i64) -> i64:
    """The octets of the whole PDU at pos in buf[pos:end]; 0 while it is incomplete, -1 when framing is lost.

    Framing is lost when command_length is under 16 or over max_pdu; that is seen as soon as its four octets are there.
    Requires 0 <= pos and end <= len(buf).
    """
    if end - pos < 4:
        return 0
    length = be32(buf, pos)
    if length < HEADER_LENGTH or length > max_pdu:
        return -1
    if end - pos < length:
        return 0
    return length


class Framer:
    """Cuts a stream of bytes into whole PDUs.

    Bytes of an incomplete PDU are joined only when it is whole, so that one octet at a time costs no more than a
    constant per octet; at most max_pdu octets are kept.
    """

    def __init__(self, max_pdu: i64) -> None:
        self._max_pdu: i64 = max_pdu
        self._kept = bytearray()
        self._need: i64 = 4

    def feed(self, data: bytes) -> list[bytes]:
        """The whole PDUs that end in data, in order; FramingError (with those in front of it) once framing is lost."""
        buf = data
        if self._kept:
            self._kept += data
            if len(self._kept) < self._need:
                return []
            buf = bytes(self._kept)
            self._kept.clear()
        whole: list[bytes] = []
        pos: i64 = 0
        end: i64 = len(buf)
        length = frame_length(buf, pos, end, self._max_pdu)
        while length > 0:
            whole.append(buf[pos : pos + length])
            pos += length
            length = frame_length(buf, pos, end, self._max_pdu)
        if length < 0:
            raise self._lost(buf, pos, end, whole)
        self._need = 4 if end - pos < 4 else be32(buf, pos)
        if pos < end:
            self._kept += buf[pos:]
        return whole

    def _lost(self, buf: bytes, pos: i64, end: i64, whole: list[bytes]) -> FramingError:
        sequence_number: i64 = 0
        if end - pos >= HEADER_LENGTH:
            sequence_number = be32(buf, pos + 12)
        self._kept += buf[pos : pos + HEADER_LENGTH]  # whatever is fed from now on, the same error follows
        self._need = 4
        return FramingError(
            f"command_length {be32(buf, pos)} is outside {HEADER_LENGTH}..{self._max_pdu}",
            sequence_number=sequence_number,
            pdus=tuple(whole),
        )
