"""The two ways in which bytes can fail to be SMPP, each with the command_status to answer with.

Nouns: a *framing* error means that nobody knows where the next PDU starts; a *PDU* error means that one PDU is
ill-formed inside a sound frame. It is always the peer who erred.
"""

from portguard.smpp.constants import ESME_RINVCMDLEN


class SmppError(Exception):
    """What the peer sent is not SMPP; `status` is the command_status that says so on the wire."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class FramingError(SmppError):
    """The link is lost: answer generic_nack with `status` and `sequence_number`, then close (SMPP 3.4 §4.3).

    `sequence_number` is 0 when it could not be read; `pdus` are the whole PDUs that arrived in front of the bad one.
    """

    def __init__(
        self,
        message: str,
        status: int = ESME_RINVCMDLEN,
        sequence_number: int = 0,
        pdus: tuple[bytes, ...] = (),
    ) -> None:
        super().__init__(message, status)
        self.sequence_number = sequence_number
        self.pdus = pdus


class PduError(SmppError):
    """One PDU is ill-formed in a sound frame: answer it with `status`, do not pass it, and go on."""
