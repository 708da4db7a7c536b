"""The life of a pair: bind, unbind, loss, timeouts and the end of the process.

Noun: *ending*, the one way a pair is brought to its end from this side: no new messages are taken, what is owed is
waited for up to a deadline, then both legs are unbound and closed.

Compiled; `messages` and `relay` build on it. State names are `smpp.session`'s.
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from portguard.policy.engine import Engine
from portguard.policy.revision import Revision
from portguard.relay.admission import network_allowed
from portguard.relay.options import RelayOptions
from portguard.relay.pair import NO_ACCOUNT, Pair
from portguard.smpp.constants import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    ESME_RBINDFAIL,
    ESME_RINVMSGLEN,
    ESME_RINVPASWD,
    ESME_RINVSYSID,
    ESME_ROK,
    ESME_RUNKNOWNERR,
    VERSION_34,
)
from portguard.smpp.encode import response, unbind
from portguard.smpp.scan import HEADER, cstring_end
from portguard.smpp.session import BINDING, BOUND_RX, BOUND_TRX, BOUND_TX, CLOSED, OPEN, STATE_NAME, UNBINDING

_BIND_ATTEMPTS: Final = 3
_BIND_RESULTS: Final = 64
_SWEEP: Final = 1.0
# Some SMSCs answer with more than the 16 octets that there are (SMPP 3.4 §4.1.2).
_SYSTEM_ID: Final = 21


class Sessions:
    """Every open pair of a process, and what moves each from bind to end. `wall` tells epoch seconds; `serves` says of
    an enterprise whether it is this process that serves it, where there are several."""

    def __init__(self, engine: Engine, options: RelayOptions, wall: Callable[[], float]) -> None:
        self.engine = engine
        self.options = options
        self.wall = wall
        self.pairs: dict[Pair, bool] = {}
        self.dirty: list[Pair] = []
        self.bound: dict[str, dict[Pair, bool]] = {}
        self.bind_results: dict[int, int] = {}
        # Binds sent to an SMSC by command_id: one more for each SMSC that is tried.
        self.binds_sent: dict[int, int] = {}
        self.draining = False
        self.swept = -1.0
        self.serves: Callable[[str], bool] | None = None

    # ---- what net tells

    def open(self, peer: str, now: float) -> Pair:
        """A new ESME link from `peer` (IP address)."""
        pair = Pair(peer, now)
        pair.pending.most = self.options.max_outstanding
        self.pairs[pair] = True
        return pair

    def touch(self, pair: Pair) -> None:
        """Have net look at the pair after this call."""
        if not pair.dirty:
            pair.dirty = True
            self.dirty.append(pair)

    def smsc_open(self, pair: Pair, now: float, tlv: str = "auto") -> None:
        """A link to an SMSC is up: send it the bind. `tlv`: auto, always or never, may tags be added for this SMSC."""
        pair.smsc_up = True
        pair.smsc_since = now
        pair.last_smsc = now
        pair.tlv_auto = tlv == "auto"
        pair.tlvs = tlv == "always" or (pair.tlv_auto and pair.version >= VERSION_34)
        pair.from_smsc.forget()
        if pair.state == BINDING:
            pair.to_smsc.append(pair.bind)
            self.binds_sent[pair.bind_command] = self.binds_sent.get(pair.bind_command, 0) + 1
            self.touch(pair)

    def smsc_failed(self, pair: Pair, now: float) -> None:
        """No SMSC is left to try: the bind fails and the ESME's link ends."""
        if pair.state == BINDING:
            self.refuse_bind(pair, ESME_RBINDFAIL)
        self.finish(pair)

    def smsc_lost(self, pair: Pair, now: float) -> None:
        """The SMSC's link ended. In a bind the next SMSC is tried; later the ESME's link is closed, and what was
        forwarded and not answered stays unanswered: an answer of ours would invite doubles."""
        pair.smsc_up = False
        if pair.state == BINDING:
            pair.want_smsc = True
            self.touch(pair)
        elif pair.state != OPEN or pair.ending:
            self.finish(pair)

    def esme_eof(self, pair: Pair, now: float) -> None:
        """The ESME half-closed: it sends no more, and still reads what it is owed."""
        pair.half_closed = True
        if pair.state == OPEN or pair.state == CLOSED:
            self.finish(pair)
        elif not pair.ending:
            self.end(pair, now)
        elif pair.unbind_sent:
            # It hung up rather than answer our unbind, and is owed nothing: many clients do.
            self.finish(pair)

    def esme_lost(self, pair: Pair, now: float) -> None:
        """The ESME's link is gone for good."""
        self.finish(pair)

    def closed(self, pair: Pair) -> None:
        """Both links are closed: forget the pair."""
        self.unbook(pair)
        pair.state = CLOSED
        if pair in self.pairs:
            del self.pairs[pair]

    # ---- bind

    def esme_bind(self, pair: Pair, buf: bytes, pos: i64, end: i64, command: i64, sequence: i64, now: float) -> None:
        """bind_* in state OPEN (SMPP 3.4 §4.1): account, network and number of binds, then the SMSC decides."""
        pair.bind_command = command
        pair.bind_sequence = sequence
        pair.bind_attempts += 1
        status = self.read_bind(pair, buf, pos + HEADER, end)
        if status == ESME_ROK:
            status = self.admit(pair)
        if status != ESME_ROK:
            self.refuse_bind(pair, status)
            if pair.bind_attempts >= _BIND_ATTEMPTS or self.elsewhere(pair.system_id):
                self.finish(pair)
            return
        pair.bind = buf[pos:end]
        pair.state = BINDING
        pair.bind_since = now
        pair.owed = 0
        self.book(pair)
        pair.want_smsc = True
        self.touch(pair)

    def read_bind(self, pair: Pair, buf: bytes, pos: i64, end: i64) -> i64:
        """system_id, password, system_type, interface_version (§4.1.1); a command_status when the body is unsound."""
        stop = cstring_end(buf, pos, end, 16)
        if stop < 0:
            return ESME_RINVSYSID
        pair.system_id = buf[pos:stop].decode("latin-1")
        stop = cstring_end(buf, stop + 1, end, 9)
        if stop < 0:
            return ESME_RINVPASWD
        stop = cstring_end(buf, stop + 1, end, 13)
        if stop < 0 or stop + 4 > end or cstring_end(buf, stop + 4, end, 41) < 0:
            return ESME_RINVMSGLEN
        pair.version = i64(buf[stop + 1])
        return ESME_ROK

    def admit(self, pair: Pair) -> i64:
        """May this account bind from there, once more?"""
        if self.draining:
            return ESME_RBINDFAIL
        account = self.engine.account(pair.system_id)
        if not account.active:
            return ESME_RINVSYSID
        if self.elsewhere(pair.system_id) or not network_allowed(pair.peer, account.networks):
            return ESME_RBINDFAIL
        if account.max_binds > 0 and len(self.bound.get(pair.system_id, {})) >= account.max_binds:
            return ESME_RBINDFAIL
        pair.account = account
        return ESME_ROK

    def elsewhere(self, system_id: str) -> bool:
        """Does another process serve this account? A bind that was refused may be followed by one of somebody else's,
        and a new revision may give an account to another enterprise: their next connection finds its way."""
        return self.serves is not None and not self.serves(self.engine.account(system_id).enterprise or system_id)

    def refuse_bind(self, pair: Pair, status: i64) -> None:
        """Answer the bind with a status of our own."""
        pair.to_esme.append(response(pair.bind_command, status, pair.bind_sequence))
        self.count_bind(status)
        self.unbook(pair)
        pair.state = OPEN
        pair.bind = b""
        self.touch(pair)

    def bind_answered(self, pair: Pair, status: i64, now: float) -> None:
        """The SMSC's answer to the bind, which passes to the ESME as it is."""
        self.count_bind(status)
        pair.bind = b""
        pair.answered = True
        if status != ESME_ROK:
            self.unbook(pair)
            pair.state = OPEN
            pair.close_smsc = True
            if pair.ending or pair.half_closed or pair.bind_attempts >= _BIND_ATTEMPTS:
                self.finish(pair)
            return
        if pair.bind_command == BIND_TRANSMITTER:
            pair.state = BOUND_TX
        elif pair.bind_command == BIND_RECEIVER:
            pair.state = BOUND_RX
        else:
            pair.state = BOUND_TRX
        if pair.ending:
            self.advance(pair, now)

    def count_bind(self, status: i64) -> None:
        """Count a bind by its answer; an SMSC that answers with ever new statuses fills one row."""
        if len(self.bind_results) >= _BIND_RESULTS and status not in self.bind_results:
            status = ESME_RUNKNOWNERR
        self.bind_results[status] = self.bind_results.get(status, 0) + 1

    def book(self, pair: Pair) -> None:
        """Count the pair as one of its account's binds."""
        self.bound.setdefault(pair.system_id, {})[pair] = True

    def unbook(self, pair: Pair) -> None:
        of_account = self.bound.get(pair.system_id)
        if of_account is not None and pair in of_account:
            del of_account[pair]
            if not of_account:
                del self.bound[pair.system_id]
        pair.account = NO_ACCOUNT

    def swap(self, revision: Revision, now: float) -> None:
        """Serve another registry revision. Pairs whose account it lacks, has not active or has elsewhere are brought to
        an end."""
        self.engine.swap(revision)
        self.engine.set_clock(now, self.wall())
        for pair in list(self.pairs):
            if pair.account is not NO_ACCOUNT:
                pair.account = self.engine.account(pair.system_id)
                # One that is off file too: what is cached for it stays bounded as long as its links last.
                self.engine.accounts[pair.system_id] = pair.account
                if not pair.account.active or self.elsewhere(pair.system_id):
                    self.end(pair, now)

    # ---- the end

    def end(self, pair: Pair, now: float) -> None:
        """Bring the pair to its end without losing an answer that is owed."""
        if pair.ending:
            return
        pair.ending = True
        pair.deadline = now + self.options.drain_timeout
        if pair.state == OPEN:
            self.finish(pair)
        else:
            self.advance(pair, now)

    def advance(self, pair: Pair, now: float) -> None:
        """One step of an ending: unbind once nothing is owed, close once that is answered or late."""
        if now >= pair.deadline:
            self.finish(pair)
        elif pair.state == BINDING or pair.state == CLOSED or pair.unbind_sent or pair.owed > 0:
            return
        elif pair.half_closed:
            self.finish(pair)
        elif pair.asked <= 0 and pair.state != UNBINDING:
            pair.unbind_sent = True
            pair.state = UNBINDING
            pair.deadline = now + self.options.unbind_timeout
            pair.to_esme.append(unbind(pair.own_sequence(pair.high_from_smsc, pair.own_to_esme)))
            self.touch(pair)

    def finish(self, pair: Pair) -> None:
        """Close both links after what stands in their buffers; the SMSC is unbound first if it was bound."""
        if pair.state != CLOSED:
            if pair.smsc_up and BOUND_TX <= pair.state <= UNBINDING:
                pair.to_smsc.append(unbind(pair.own_sequence(pair.high_from_esme, pair.own_to_smsc)))
            self.unbook(pair)
            pair.state = CLOSED
        pair.want_smsc = False
        pair.close_esme = True
        pair.close_smsc = True
        self.touch(pair)

    def over(self, pair: Pair) -> None:
        """Both sides have unbound: nothing is left to say."""
        self.unbook(pair)
        pair.state = CLOSED
        self.finish(pair)

    def drain(self, now: float) -> None:
        """The process ends: no new binds or messages, every pair is brought to its end."""
        self.draining = True
        for pair in list(self.pairs):
            self.end(pair, now)

    def idle(self) -> bool:
        """True when no pair is left."""
        return len(self.pairs) == 0

    # ---- time

    def tick(self, now: float) -> None:
        """Called every 100 ms: the engine's clock, endings, and once a second the timeouts."""
        wall = self.wall()
        self.engine.set_clock(now, wall)
        sweep = now - self.swept >= _SWEEP
        if sweep:
            self.swept = now
        for pair in list(self.pairs):
            if pair.ending:
                if pair.state != CLOSED:
                    self.advance(pair, now)
            elif sweep or pair.state == BINDING:
                self.sweep(pair, now)

    def sweep(self, pair: Pair, now: float) -> None:
        """Timeouts of one pair."""
        options = self.options
        if pair.state == OPEN:
            if now - pair.opened > options.bind_timeout:
                self.finish(pair)
        elif pair.state == BINDING:
            if now - pair.bind_since > options.bind_timeout:
                self.smsc_failed(pair, now)
            elif pair.smsc_up and now - pair.smsc_since > options.smsc_bind_timeout:
                pair.smsc_up = False
                pair.want_smsc = True
                self.touch(pair)
        elif pair.state == UNBINDING:
            if now - pair.last_esme > options.unbind_timeout and now - pair.last_smsc > options.unbind_timeout:
                self.finish(pair)
        elif pair.owed > 0 and now - max(pair.last_smsc, pair.owed_since) > options.response_timeout:
            pair.lost = "response_timeout"
            self.finish(pair)
        elif now - pair.last_esme > options.idle_timeout:
            self.end(pair, now)

    def sessions(self) -> list[tuple[str, int]]:
        """(state, number of pairs) for every state."""
        found: dict[int, int] = {}
        for pair in self.pairs:
            state: int = pair.state
            found[state] = found.get(state, 0) + 1
        return [(name, found.get(state, 0)) for state, name in STATE_NAME.items()]


def stated_version(buf: bytes, pos: i64, end: i64) -> i64:
    """sc_interface_version of the bind_resp body at `pos` (SMPP 3.4 §4.1.2, §5.3.2.25), -1 when it is not stated."""
    at = cstring_end(buf, pos, end, _SYSTEM_ID)
    if at < 0:
        return -1
    pos = at + 1
    while pos + 4 < end:
        if buf[pos] == 0x02 and buf[pos + 1] == 0x10:
            return i64(buf[pos + 4])
        pos += 4 + (i64(buf[pos + 2]) << 8 | i64(buf[pos + 3]))
    return -1
