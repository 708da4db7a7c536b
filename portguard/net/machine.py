"""What the sockets need of the relay: its calls, stated as types so that the relay stays free of sockets.

Every call is synchronous, takes bytes and the monotonic clock, and leaves the pairs with something to do on `dirty`.
"""

from typing import Any, Protocol


class Pair(Protocol):
    """One ESME connection and the SMSC connection opened for it, as the relay sees them.

    `to_esme` and `to_smsc` are written in order and cleared by the exchange. `want_smsc` asks for the next SMSC, also
    when the present one did not answer the bind; `answered` says that it did. `close_*` closes that leg once what is in
    `to_*` has been written, with `lost` for the reason where a bound SMSC has failed. The link clears each flag when it
    acts on it; `asks` while one of them is set. `bound` is what the loss of an SMSC's link would end in mid-session.
    """

    link: Any
    to_esme: list[bytes]
    to_smsc: list[bytes]
    want_smsc: bool
    close_esme: bool
    close_smsc: bool
    answered: bool
    lost: str
    dirty: bool

    @property
    def asks(self) -> bool: ...
    @property
    def bound(self) -> bool: ...


class Machine(Protocol):
    """The relay: bytes in, and on `dirty` the pairs that have bytes out."""

    dirty: list[Any]

    def open(self, peer: str, now: float, /) -> Any: ...
    def esme_data(self, pair: Any, data: bytes, now: float, /) -> None: ...
    def smsc_data(self, pair: Any, data: bytes, now: float, /) -> None: ...
    def smsc_open(self, pair: Any, now: float, tlv: str, /) -> None: ...
    def smsc_failed(self, pair: Any, now: float, /) -> None: ...
    def smsc_lost(self, pair: Any, now: float, /) -> None: ...
    def esme_eof(self, pair: Any, now: float, /) -> None: ...
    def esme_lost(self, pair: Any, now: float, /) -> None: ...
    def drain(self, now: float, /) -> None: ...
    def closed(self, pair: Any, /) -> None: ...
    def tick(self, now: float, /) -> None: ...
    def idle(self) -> bool: ...
