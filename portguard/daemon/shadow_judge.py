"""Recent traffic judged again: every message once under each of two revisions, by the same relay that serves.

Nouns: *traffic* is the chunks that ESMEs have sent (`orders.Chunk`) in the order of time, with their messages
numbered (the parts of a long one share a number), which stand in their sequence numbers and so come back in the
violation records; a *replay* is one pass of it through a fresh relay whose clock is the traffic's own.

State starts empty for both revisions, so rates, caps and frequencies come out alike where the rows do.
"""

import struct
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from portguard.admin.comparison import ShadowDiff
from portguard.consent.ledger import Ledger
from portguard.consent.options import ConsentOptions
from portguard.daemon.orders import Chunk, unpacked
from portguard.daemon.shadow_diff import ALLOWED, Differences, Judged, Sighting
from portguard.policy.assembly import build_engine, build_revision
from portguard.policy.counters import Records
from portguard.policy.options import ConcatOptions, PolicyOptions, TagOptions
from portguard.policy.record import Label, parse
from portguard.policy.restraint import Restraint, brakes
from portguard.registry.image import Image
from portguard.relay.discard import DiscardIds
from portguard.relay.options import LimitsOptions, RelayOptions
from portguard.relay.outstanding import Pending
from portguard.relay.pair import Pair
from portguard.relay.relay import Relay
from portguard.relay.tagging import Tagger
from portguard.smpp.constants import DATA_SM, ESM_UDHI, ESME_ROK, SUBMIT_MULTI, SUBMIT_SM
from portguard.smpp.scan import HEADER, Scan, scan_message
from portguard.smpp.session import BOUND_TRX, CLOSED
from portguard.sms.charset import decode
from portguard.sms.udh import concat, udh_length

TICK: Final = 0.1
_FOREVER: Final = 1e12
_ALL: Final = 1 << 60
_TAKEN_EVERY: Final = 256
_PDU: Final = struct.Struct(">IIII")
_PARTS_KEPT: Final = 50_000


class Task(msgspec.Struct, frozen=True):
    """Two images, the settings both are judged under, and the traffic as `orders.packed` has it. `seconds` is all the
    time there is."""

    old: Path
    new: Path
    timezone: str
    country: str
    policy: PolicyOptions = PolicyOptions()
    tag: TagOptions = TagOptions()
    limits: LimitsOptions = LimitsOptions()
    concat: ConcatOptions = ConcatOptions()
    consent: ConsentOptions | None = None
    restraints: list[Restraint] = []
    pages: list[bytes] = []
    most_messages: int = 100_000
    most_rows: int = 200
    seconds: float = 60.0


def judge(task: Task, old: Image, new: Image) -> ShadowDiff | None:
    """What changes for the task's traffic; None when there is no message in it. Raises ConsentError."""
    started = time.monotonic()
    traffic = Traffic(task)
    if not traffic.messages:
        return None
    ledger = Ledger(task.consent.path, task.consent, readonly=True) if task.consent is not None else None
    try:
        before, done = _Replay(task, old, ledger).run(traffic, len(traffic.chunks), started + task.seconds * 0.45)
        after, both = _Replay(task, new, ledger).run(traffic, done, started + task.seconds * 0.95)
    finally:
        if ledger is not None:
            ledger.close()
    messages = traffic.messages_before(both)
    differences = Differences(ZoneInfo(task.timezone))
    for number in range(messages):
        was, now = before.get(number, ALLOWED), after.get(number, ALLOWED)
        if differences.add(was, now):
            differences.show(was, now, traffic.sighting(number))
    return differences.result(
        messages, traffic.period(both), time.monotonic() - started, complete=both == len(traffic.chunks),
        left_out=traffic.left_out,
    )


class Traffic:
    """`chunks` are (account, epoch seconds, PDUs); the sequence number of a PDU is one more than its place in
    `message_of`, which has the number of its message."""

    def __init__(self, task: Task) -> None:
        self.chunks: list[tuple[str, float, bytes]] = []
        self.messages = 0
        self.left_out = 0
        self.message_of = array("I")
        tag = task.tag
        self._scan = Scan([tag.verdict, tag.reason, tag.revision, tag.category])
        # The numbers of long messages by account, addresses, reference and total, and which parts were seen.
        self._parts: dict[tuple[str, bytes, bytes, int, int, int], tuple[int, set[int]]] = {}
        # Of each message the chunk and the offset of its first PDU.
        self._first_chunk = array("I")
        self._first_offset = array("I")
        self._new_messages = array("I")
        chunks = [chunk for page in task.pages for chunk in unpacked(page)]
        for chunk in sorted(chunks, key=lambda chunk: chunk.at):
            if self.messages >= task.most_messages:
                break
            self._take(chunk)

    def _take(self, chunk: Chunk) -> None:
        """Number the messages of a chunk; what cannot be judged again is taken out."""
        kept = bytearray()
        data, pos, end = chunk.data, 0, len(chunk.data)
        while end - pos >= HEADER:
            length, command, _, _ = _PDU.unpack_from(data, pos)
            stop = pos + length
            if length < HEADER or stop > end:
                break
            if command in (SUBMIT_SM, DATA_SM, SUBMIT_MULTI):
                pdu = data[pos:stop]
                if scan_message(self._scan, pdu, 0, length, command) == ESME_ROK:
                    self._number(chunk.account, pdu, len(kept))
                    kept += _PDU.pack(length, command, 0, len(self.message_of)) + pdu[HEADER:]
                else:
                    self.left_out += 1
            elif command & 0x80000000 == 0:
                self.left_out += 1
            pos = stop
        if kept:
            self.chunks.append((chunk.account, chunk.at, bytes(kept)))
            self._new_messages.append(self.messages)

    def _number(self, account: str, pdu: bytes, offset: int) -> None:
        """Give the scanned PDU the number of its message, a new one unless it is a later part."""
        s = self._scan
        place = None
        if s.esm_class & ESM_UDHI:
            place = concat(pdu[s.body_start : s.body_end])
        elif s.sar_reference >= 0 and 1 <= s.sar_index <= s.sar_total:
            place = (int(s.sar_reference), 0, int(s.sar_total), int(s.sar_index))
        if place is not None and place[2] > 1:
            source, destination = pdu[s.source_start : s.source_end], pdu[s.dest_start : s.dest_end]
            key = account, source, destination, *place[:3]
            number, seen = self._parts.get(key, (-1, set()))
            if number >= 0 and place[3] not in seen:
                seen.add(place[3])
                self.message_of.append(number)
                return
            if len(self._parts) >= _PARTS_KEPT:
                self._parts.clear()
            self._parts[key] = self.messages, {place[3]}
        self.message_of.append(self.messages)
        self._first_chunk.append(len(self.chunks))
        self._first_offset.append(offset)
        self.messages += 1

    def messages_before(self, chunks: int) -> int:
        """How many messages begin in the first so many chunks."""
        return self._new_messages[chunks - 1] if chunks else 0

    def period(self, chunks: int) -> tuple[float, float]:
        """The times of the first and of the last of so many chunks."""
        return (self.chunks[0][1], self.chunks[chunks - 1][1]) if chunks else (0.0, 0.0)

    def sighting(self, number: int) -> Sighting:
        """The message for people, by its first PDU."""
        account, at, data = self.chunks[self._first_chunk[number]]
        start = self._first_offset[number]
        length, command, _, _ = _PDU.unpack_from(data, start)
        pdu, s = data[start : start + length], self._scan
        scan_message(s, pdu, 0, length, command)
        body = pdu[s.body_start : s.body_end]
        header = max(udh_length(body), 0) if s.esm_class & ESM_UDHI else 0
        text = decode(body[header:], int(s.data_coding), 0, header) or b""
        return Sighting(
            at, account, pdu[s.source_start : s.source_end].decode("latin-1"),
            pdu[s.dest_start : s.dest_end].decode("latin-1"), text.decode("utf-16-be", "replace"),
        )


class _Replay:
    """One relay under one revision, with a link for each account that is bound already."""

    def __init__(self, task: Task, image: Image, ledger: Ledger | None) -> None:
        self._now = 0.0
        self._pairs: dict[str, Pair] = {}
        self._labels: dict[Label, Label] = {}
        revision = build_revision(image, task.policy, task.timezone, task.country)
        engine = build_engine(revision, grants=task.limits.grants, refusals=task.limits.refusals)
        engine.records = Records(_ALL, _ALL)
        engine.brakes.put(brakes(task.restraints))
        engine.ledger = ledger
        limits = msgspec.structs.replace(task.limits, originals=0, response_timeout=_FOREVER)
        options = RelayOptions(
            limits, bind_timeout=_FOREVER, idle_timeout=_FOREVER, smsc_bind_timeout=_FOREVER,
            tag_fallback=task.policy.tag_fallback, concat=task.concat,
        )
        ids = DiscardIds(b"shadow" * 8, task.policy.discard_id)
        self._relay = Relay(engine, options, Tagger(task.tag), ids, wall=lambda: self._now)

    def run(self, traffic: Traffic, chunks: int, until: float) -> tuple[dict[int, Judged], int]:
        """The verdicts that are no plain allow, by message, and how many of the first `chunks` were judged before
        `until` (monotonic)."""
        relay, verdicts, ticked, done = self._relay, dict[int, Judged](), -_FOREVER, 0
        for account, at, data in traffic.chunks[:chunks]:
            self._now = at
            if at - ticked >= TICK:
                relay.tick(at)
                ticked = at
            pair = self._pairs.get(account)
            if pair is None or pair.state == CLOSED:
                pair = self._pairs[account] = self._bound(account, at)
            relay.esme_data(pair, data, at)
            done += 1
            if done % _TAKEN_EVERY == 0:
                self._settle(verdicts, traffic.message_of)
                if time.monotonic() > until:
                    break
        # What still waits for the rest of its message waits no longer.
        self._now += _SETTLED
        relay.tick(self._now)
        self._settle(verdicts, traffic.message_of)
        return verdicts, done

    def _bound(self, account: str, at: float) -> Pair:
        """A link that has been bound, whatever this revision says of the account: rule 601 is among the verdicts."""
        pair = self._relay.open("", at)
        pair.system_id = account
        pair.account = self._relay.engine.account(account)
        pair.state = BOUND_TRX
        pair.smsc_up = True
        return pair

    def _settle(self, verdicts: dict[int, Judged], message_of: Sequence[int]) -> None:
        """Take the records, and what the links would have written."""
        relay = self._relay
        for pair in relay.dirty:
            pair.dirty = False
            pair.to_esme.clear()
            pair.to_smsc.clear()
            pair.pending = Pending(1)
            pair.owed = 0
        relay.dirty.clear()
        labels = self._labels
        for found in parse(relay.engine.records.take()):
            number = message_of[_PDU.unpack_from(found.pdu)[3] - 1]
            known = verdicts.get(number)
            # Of the parts of a message the hardest verdict counts: it binds the others.
            if known is None or found.action > known.action:
                label = labels.setdefault(found.label, found.label)
                verdicts[number] = Judged(found.action, found.rule, found.content, label)


_SETTLED: Final = 3600.0
