"""A relay that passes bytes: the first chunk of an ESME is its bind, the SMSC's first chunk the answer to it.

Enough of the relay's manners (order of calls, flags, dirty list) to drive `portguard.net` over real sockets.
"""

from collections.abc import Callable

LARGE = 200_000
BOOM = b"boom"
QUIT = b"quit"
# What an SMSC may say before it answers the bind: neither is an answer.
AHEAD = b"enquire"
GARBAGE = b"garbage"
# What ends a bound link for a reason that the relay names.
LOST = b"lost"


class Pair:
    def __init__(self, peer: str, now: float) -> None:
        self.link: object = None
        self.peer = peer
        self.system_id = "test"
        self.to_esme: list[bytes] = []
        self.to_smsc: list[bytes] = []
        self.want_smsc = False
        self.close_esme = False
        self.close_smsc = False
        self.answered = False
        self.lost = ""
        self.dirty = False
        self.bind = b""
        self.bound = False
        self.received = 0
        self.eof = False

    @property
    def asks(self) -> bool:
        return self.want_smsc or self.close_smsc or self.close_esme or self.answered


class Passthrough:
    """`calls` has the name of every call but data and ticks."""

    def __init__(self) -> None:
        self.dirty: list[Pair] = []
        self.pairs: list[Pair] = []
        self.calls: list[str] = []
        self.tlvs: list[str] = []
        self.draining = False
        self.owes_after_eof = False
        self.owes_after_loss = False
        self.chunks: list[tuple[Pair, int]] = []
        self.at_large_chunk: Callable[[], object] | None = None

    def touch(self, pair: Pair) -> None:
        if not pair.dirty:
            pair.dirty = True
            self.dirty.append(pair)

    def open(self, peer: str, now: float) -> Pair:
        self.calls.append("open")
        pair = Pair(peer, now)
        self.pairs.append(pair)
        return pair

    def esme_data(self, pair: Pair, data: bytes, now: float) -> None:
        pair.received += len(data)
        self.chunks.append((pair, len(data)))
        if self.at_large_chunk is not None and len(data) >= LARGE:
            at_large_chunk, self.at_large_chunk = self.at_large_chunk, None
            at_large_chunk()
        if data == BOOM:
            raise RuntimeError("boom")
        if data.startswith(QUIT):
            pair.to_esme.append(b"bye")
            self.finish(pair)
        elif not pair.bind:
            pair.bind = data
            pair.want_smsc = True
        else:
            pair.to_smsc.append(data)
        self.touch(pair)

    def smsc_data(self, pair: Pair, data: bytes, now: float) -> None:
        if data == GARBAGE:
            pair.want_smsc = True
        elif data == LOST:
            pair.lost = "framing"
            self.finish(pair)
        elif data != AHEAD:
            pair.answered = pair.answered or not pair.bound
            pair.bound = True
            pair.to_esme.append(data)
        self.touch(pair)

    def smsc_open(self, pair: Pair, now: float, tlv: str = "auto") -> None:
        self.calls.append("smsc_open")
        self.tlvs.append(tlv)
        pair.to_smsc.append(pair.bind)
        self.touch(pair)

    def smsc_failed(self, pair: Pair, now: float) -> None:
        self.calls.append("smsc_failed")
        pair.to_esme.append(b"bind failed")
        self.finish(pair)

    def smsc_lost(self, pair: Pair, now: float) -> None:
        self.calls.append("smsc_lost")
        if pair.bound:
            self.finish(pair)
        else:
            pair.want_smsc = True
            self.touch(pair)

    def esme_eof(self, pair: Pair, now: float) -> None:
        self.calls.append("esme_eof")
        pair.eof = True
        if not self.owes_after_eof:
            self.finish(pair)

    def esme_lost(self, pair: Pair, now: float) -> None:
        self.calls.append("esme_lost")
        if not self.owes_after_loss:
            self.finish(pair)

    def drain(self, now: float) -> None:
        self.calls.append("drain")
        self.draining = True
        for pair in self.pairs:
            pair.to_esme.append(b"draining")
            self.finish(pair)

    def finish(self, pair: Pair) -> None:
        pair.want_smsc = False
        pair.close_esme = pair.close_smsc = True
        self.touch(pair)

    def closed(self, pair: Pair) -> None:
        self.calls.append("closed")
        self.pairs.remove(pair)

    def tick(self, now: float) -> None:
        pass

    def idle(self) -> bool:
        return not self.pairs
