"""A pair: the state of one ESME link and its SMSC link, as native attributes.

Nouns: a *Pair*; a *Forwarded* message, whose answer is waited for; *Pieces*, the incomplete PDU at the end of a leg's
bytes.

Compiled. Holds state and small moves only: what happens when stands in `sessions` and `relay`.
"""

from typing import Final

from mypy_extensions import i64, mypyc_attr

from portguard.policy.grant import Account, Bucket
from portguard.smpp.session import OPEN

# Sequence numbers of portguard's own requests (DESIGN §5).
OWN_FIRST: Final = 0x7FFF0000
OWN_LAST: Final = 0x7FFFFFFF

NO_ACCOUNT: Final = Account("", Bucket())


class Pieces:
    """Bytes of a PDU that is not whole yet; joined only when it is, so one octet at a time stays linear."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.kept: i64 = 0
        self.need: i64 = 0

    def take(self, data: bytes) -> bytes:
        """The bytes to read now: `data` itself, or everything kept with it; b"" while the PDU is not whole."""
        if self.kept == 0:
            return data
        self.parts.append(data)
        self.kept += len(data)
        if self.kept < self.need:
            return b""
        whole = b"".join(self.parts)
        self.parts = []
        self.kept = 0
        return whole

    def keep(self, rest: bytes, need: i64) -> None:
        """Keep `rest` until `need` octets are there."""
        self.parts.append(rest)
        self.kept = len(rest)
        self.need = need


# Holds no object that could refer back to it: the garbage collector need not walk a window's worth of these.
@mypyc_attr(acyclic=True)
class Forwarded:
    """A message passed on: what the SMSC's answer settles (its cap, a sampled time), and what a later replace_sm of it
    lacks and needs. `destination` is dest_addr_ton, -npi and destination_addr, b"" when no replacement is possible."""

    def __init__(
        self,
        system_id: str,
        destination: bytes,
        data_coding: i64,
        esm_class: i64,
        content: i64,
        quota_key: str,
        quota_day: i64,
        quota_messages: i64,
        sent: float,
    ) -> None:
        self.system_id = system_id
        self.destination = destination
        self.data_coding = data_coding
        self.esm_class = esm_class
        self.content = content
        self.quota_key = quota_key
        self.quota_day = quota_day
        self.quota_messages = quota_messages
        self.sent = sent


NOTHING_FORWARDED: Final = Forwarded("", b"", 0, 0, 0, "", 0, 0, 0.0)


class Pair:
    """One ESME link and the SMSC link made for it.

    For `net`: write `to_esme` and `to_smsc` in order; `want_smsc` asks for the next SMSC (the present one, if any, has
    failed this bind); `close_esme` and `close_smsc` close a link once everything is written. `link` is net's own.
    """

    def __init__(self, peer: str, now: float) -> None:
        self.link: object = None
        self.peer = peer
        self.to_esme: list[bytes] = []
        self.to_smsc: list[bytes] = []
        self.want_smsc = False
        self.close_esme = False
        self.close_smsc = False
        self.dirty = False
        self.state: i64 = OPEN
        self.account = NO_ACCOUNT
        self.system_id = ""
        # The bind, until the SMSC has accepted it.
        self.bind = b""
        self.bind_command: i64 = 0
        self.bind_sequence: i64 = 0
        self.bind_attempts: i64 = 0
        self.version: i64 = 0x34
        # May tags be added for this SMSC; `tlv_auto` until its own stated version has a say too.
        self.tlvs = True
        self.tlv_auto = False
        self.smsc_up = False
        self.from_esme = Pieces()
        self.from_smsc = Pieces()
        self.opened = now
        self.bind_since = now
        self.smsc_since = now
        self.last_esme = now
        self.last_smsc = now
        # Requests passed on and not answered: the ESME's to the SMSC, the SMSC's to the ESME.
        self.owed: i64 = 0
        self.owed_since = now
        self.asked: i64 = 0
        self.pending: dict[int, Forwarded] = {}
        # portguard's own requests on either leg, and the others' that lie in the same range of numbers.
        self.own_to_esme: set[int] = set()
        self.own_to_smsc: set[int] = set()
        self.high_from_esme: set[int] = set()
        self.high_from_smsc: set[int] = set()
        self.own_next: i64 = OWN_FIRST
        # The end: no new messages are taken; unbound when nothing is owed, closed at the deadline.
        self.ending = False
        self.half_closed = False
        self.unbind_sent = False
        self.deadline = 0.0

    def own_sequence(self, taken: set[int], own: set[int]) -> i64:
        """The next sequence number of portguard's own that is free on a leg; it is noted in `own`."""
        number: i64 = self.own_next
        while number in taken or number in own:
            number = number + 1 if number < OWN_LAST else OWN_FIRST
        own.add(number)
        self.own_next = number + 1 if number < OWN_LAST else OWN_FIRST
        return number
