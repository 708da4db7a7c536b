"""All signs together: what they are fed with, what they know of the registry, and their memory in the store.

Nouns: the *cursor* is the number of the journal's record that was looked at last; it is kept with the memory, so that
after a crash the journal is read on from where the memory stands. Of the tallies, a crash loses what came since `save`.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import msgspec

from portguard.complaints.options import SignsOptions
from portguard.complaints.signs import spread, surge, turning
from portguard.complaints.signs.alert import Alert, Watched
from portguard.complaints.signs.growth import Growth
from portguard.complaints.signs.shape import Sampler
from portguard.complaints.signs.spread import Spread
from portguard.complaints.signs.surge import Surge
from portguard.complaints.signs.turning import Turning
from portguard.complaints.store import Store
from portguard.policy.tally import TallyRow
from portguard.registry.image import Image
from portguard.sms.category import unpacked
from portguard.sms.charset import CHARSET_BY_NAME

Record = tuple[int, str, dict[str, object]]

_CURSOR: Final = "signs.cursor"
_DRAWN: Final = "signs.drawn"
_FACTS_KEPT: Final = 50_000
# The mask of what is not watched at all.
_NOTHING: Final = 0xFFFFFFFF

log = logging.getLogger("portguard.complaints")


class _Memory(Protocol):
    def dump(self) -> bytes: ...
    def load(self, octets: bytes) -> None: ...


class _Watching(NamedTuple):
    """What a sign watches of one kind of names."""

    sign: str
    subject: str
    names: Watched[Any]


class _OnFile:
    """What the signs ask the registry, remembered for one image."""

    def __init__(self) -> None:
        self._image: Image | None = None
        self._charsets: dict[str, int] = {}
        self._categories: dict[str, list[str]] = {}

    def take(self, image: Image) -> None:
        self._image = image
        self._charsets.clear()
        self._categories.clear()

    def charset(self, account: str) -> int:
        """What data_coding 0 is for an account."""
        if account not in self._charsets:
            _make_room(self._charsets)
            record = self._image.account(account) if self._image is not None else None
            self._charsets[account] = CHARSET_BY_NAME.get(record.charset if record else "", 0)
        return self._charsets[account]

    def categories(self, port: str) -> list[str]:
        """The categories, without industries, that a registered port is for; [] for all."""
        if port not in self._categories:
            _make_room(self._categories)
            records = self._image.ports(port) if self._image is not None else []
            names = {name.partition("/")[0] for record in records[-1:] for name in unpacked(record.categories)}
            self._categories[port] = sorted(names)
        return self._categories[port]


def _make_room(facts: dict[str, object] | dict[str, int] | dict[str, list[str]]) -> None:
    if len(facts) >= _FACTS_KEPT:
        facts.clear()


class Signs:
    """Fed with sweeps and journal records; leaves alerts in the store's outbox. For the store's thread."""

    def __init__(self, options: SignsOptions, store: Store) -> None:
        self._store = store
        self._facts = facts = _OnFile()
        self._port_enterprises = Growth(
            options.port_enterprises, "port_enterprises", "port", "enterprises",
            lambda name, new, known, hours: f"Port {name} carries signatures of {new} more enterprises than the "
            f"{known} it had {_ago(hours)}, as if it were subleased.",
        )  # fmt: skip
        self._signature_accounts = Growth(
            options.signature_accounts, "signature_accounts", "signature", "accounts",
            lambda name, new, known, hours: f"Signature 【{name}】 is sent by {new} more accounts than the {known} of "
            f"{_ago(hours)}.",
        )  # fmt: skip
        self._signature_ports = Growth(
            options.signature_ports, "signature_ports", "signature", "ports",
            lambda name, new, known, hours: f"Signature 【{name}】 is sent from {new} more ports than the {known} of "
            f"{_ago(hours)}.",
        )  # fmt: skip
        self._spread = Spread(options.text_spread, Sampler(facts.charset), self._signature_ports.usual)
        self._surge = Surge(options.unregistered_surge)
        self._turning = Turning(options.verification_turned, facts.categories)
        self._memory: dict[str, _Memory] = {
            "port_enterprises": self._port_enterprises, "signature_accounts": self._signature_accounts,
            "signature_ports": self._signature_ports, spread.NAME: self._spread, surge.NAME: self._surge,
            turning.NAME: self._turning,
        }  # fmt: skip
        self._watched = [
            _Watching("port_enterprises", "port", self._port_enterprises.things),
            _Watching(turning.NAME, "port", self._turning.ports),
            _Watching("signature_accounts", "signature", self._signature_accounts.things),
            _Watching(turning.NAME, "number", self._turning.numbers),
            _Watching("signature_ports", "signature", self._signature_ports.things),
        ]
        self._halvings = 0
        self._draw()
        self._on = {name for name in self._memory if getattr(options, name).on}
        self.cursor = int(store.recall(_CURSOR) or b"0")
        for name, sign in self._memory.items():
            self._recall(name, sign)

    def know(self, image: Image) -> None:
        """Ask this image from now on; it stays open until the next."""
        self._facts.take(image)

    def tallies(self, rows: Sequence[TallyRow], now: float) -> list[Alert]:
        """A sweep of a worker, at epoch second `now`; returns what it gave rise to, which is in the outbox already."""
        found: list[Alert] = []
        on = self._on
        enterprises, accounts, ports = (
            sign.see if sign.name in on else None
            for sign in (self._port_enterprises, self._signature_accounts, self._signature_ports)
        )
        watched = self._watched_of(rows, now)
        for row in watched:
            port, signature, owner, passed = row.port, row.signature, row.owner, row.submitted - row.refused
            if enterprises is not None and passed > 0 and port and (owner or signature):
                alert = enterprises(port, owner or f"【{signature}】", passed, now)
                if alert is not None:
                    found.append(alert)
            if not signature or not (owner or passed > 0):
                continue
            if accounts is not None and (alert := accounts(signature, row.account, row.submitted, now)) is not None:
                found.append(alert)
            if ports is not None and port and (alert := ports(signature, port, row.submitted, now)) is not None:
                found.append(alert)
        if spread.NAME in on:
            found += self._spread.see(rows, now)
        if surge.NAME in on:
            self._surge.tallies(rows, now)
        if turning.NAME in on:
            found += self._turning.see(watched, now)
        self._admit_blindness()
        return self._say(found, now)

    def _watched_of(self, rows: Sequence[TallyRow], now: float) -> list[TallyRow]:
        """The rows that what is watched might be about: where more comes than can be remembered, few are."""
        masks = dict.fromkeys(("port", "number", "signature"), _NOTHING)
        for watching in self._watched:
            watching.names.relax(now)
            if watching.sign in self._on:
                masks[watching.subject] = min(masks[watching.subject], watching.names.mask)
        ports, numbers, signatures = masks.values()
        if not ports or not signatures:
            return [row for row in rows if row.submitted]
        looks_at_number, lot = self._turning.looks_at_number, self._watched[0].names.lot
        # One draw for all signs that ask about a name, and none of their own for most rows.
        return [
            row for row in rows if row.submitted and (
                not crc32(row.port.encode("utf-8", "replace"), lot) & ports
                or not crc32(row.signature.encode("utf-8", "replace"), lot) & signatures
                or (looks_at_number(row) and not crc32(row.number.encode("utf-8", "replace"), lot) & numbers)
            )
        ]  # fmt: skip

    def _admit_blindness(self) -> None:
        """Say what is not watched, each time that it is more than ever before."""
        sign, halvings = max(((one.sign, one.names.halvings) for one in self._watched), key=itemgetter(1))
        if halvings > self._halvings:
            self._halvings = halvings
            log.warning("more comes than a sign can remember: it watches a part", extra={
                "sign": sign, "part": f"1 in {1 << halvings}",
            })  # fmt: skip

    def journal(self, records: Iterable[Record], now: float) -> list[Alert]:
        """Records of the journal after the cursor, in order."""
        found: list[Alert] = []
        for number, kind, fields in records:
            if number <= self.cursor:
                continue
            self.cursor = number
            alert = self._surge.journal(kind, fields, now) if surge.NAME in self._on else None
            if alert is not None:
                found.append(alert)
        return self._say(found, now)

    # ---- memory

    def save(self) -> None:
        """Put everything that is remembered into the store. Raises ComplaintsError."""
        with self._store.transaction():
            for name in self._memory:
                self._remember(name)
            drawn = self._watched[0].names.lot, [one.names.halvings for one in self._watched]
            self._store.remember(_DRAWN, msgspec.msgpack.encode(drawn))

    def _say(self, alerts: list[Alert], now: float) -> list[Alert]:
        if not alerts:
            return alerts
        with self._store.transaction():
            for alert in alerts:
                self._store.say("alert", {**msgspec.to_builtins(alert), "at": now})
            # With the cool-down, so that a crash does not say it twice.
            for name in {alert.alert for alert in alerts}:
                self._remember(name)
        return alerts

    def _remember(self, name: str) -> None:
        self._store.remember(f"signs.{name}", self._memory[name].dump())
        if name == surge.NAME:
            self._store.remember(_CURSOR, str(self.cursor).encode())

    def _draw(self) -> None:
        """One lot for all, and which part of it each watches: those of before, or new ones."""
        lot, halvings = self._watched[0].names.lot, [0] * len(self._watched)
        if octets := self._store.recall(_DRAWN):
            with suppress(msgspec.DecodeError, msgspec.ValidationError):
                lot, halvings = msgspec.msgpack.decode(octets, type=tuple[int, list[int]])
        for one, times in zip(self._watched, halvings, strict=False):
            one.names.lot, one.names.halvings = lot, times

    def _recall(self, name: str, sign: _Memory) -> None:
        octets = self._store.recall(f"signs.{name}")
        try:
            if octets:
                sign.load(octets)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            log.warning("a sign begins to learn anew", extra={"sign": name, "reason": str(error)})


def _ago(hours: float) -> str:
    return f"{hours / 24:.0f} days ago" if hours >= 48 else f"{hours:.0f} hours ago" if hours >= 2 else "an hour ago"
