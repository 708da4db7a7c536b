"""A verification port that turns to marketing.

Nouns: a *channel* is a number, or a registered port with all its numbers. Its last hours stand in bins; what leaves
them goes into the baseline, which fades by half in a week. What a channel is used for is known from a registration for
verification alone, or from a day of its traffic.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from portguard.complaints.options import TurningOptions
from portguard.complaints.signs.alert import HOUR, Alert, Watched, quiet
from portguard.policy.tally import TallyRow
from portguard.sms.category import MARKETING, NOTIFICATION, UNKNOWN, VERIFICATION

NAME: Final = "verification_turned"
# Some 1 KB a channel.
MOST_CHANNELS: Final = 20_000
# A number that sends fewer in a sweep is not looked at by itself: there are extensions for every subscriber.
LEAST_IN_A_SWEEP: Final = 2

_BINS: Final = 6
_HALF_LIFE: Final = 7 * 86400.0

# port -> the categories it is registered for, by their names without industries; [] for all.
Registered = Callable[[str], list[str]]


class Channel(Struct, array_like=True, gc=False):
    """Bins by number and the baseline, each counts by category; `quiet_until` is the end of the cool-down. Numbers of
    a port are quiet with it, until `alerted_until`."""

    since: float
    bins: dict[int, list[int]]
    usual: list[float]
    updated: float
    quiet_until: float = 0.0
    alerted_until: float = 0.0
    touched: float = 0.0


class Turning:
    """Fed with tallies."""

    def __init__(self, options: TurningOptions, registered: Registered) -> None:
        self.options = options
        self._registered = registered
        self._bin = options.window_hours * HOUR / _BINS
        # The two are apart so that numbers by the million do not push out ports.
        self.ports: Watched[Channel] = Watched(MOST_CHANNELS)
        self.numbers: Watched[Channel] = Watched(MOST_CHANNELS)

    def see(self, rows: Iterable[TallyRow], now: float) -> list[Alert]:
        """The rows of a sweep."""
        touched: dict[tuple[str, str], TallyRow] = {}
        for row in rows:
            if not row.submitted or not row.port:
                continue
            self._count(self.ports, "port", row.port, row, now, touched)
            if self.looks_at_number(row):
                self._count(self.numbers, "number", row.number, row, now, touched)
        # Ports first.
        found = [self._judge(*channel, touched[channel], now) for channel in sorted(touched, reverse=True)]
        return [alert for alert in found if alert is not None]

    def looks_at_number(self, row: TallyRow) -> bool:
        """Might the row's number be a channel beside its port?"""
        number = row.number
        return number != row.port and (row.submitted >= LEAST_IN_A_SWEEP or number in self.numbers)

    def _count(
        self, channels: Watched[Channel], kind: str, name: str, row: TallyRow, now: float,
        touched: dict[tuple[str, str], TallyRow],
    ) -> None:
        counts = self._counts(channels, name, now)
        if counts is not None:
            counts[row.category] += row.submitted
            if row.category == MARKETING:
                touched[kind, name] = row

    def _counts(self, channels: Watched[Channel], name: str, now: float) -> list[int] | None:
        """Those of the present bin; None of a channel that is not watched."""
        channel = channels.get(name)
        if channel is None:
            if not channels.wants(name):
                return None
            channel = Channel(now, {}, [0.0] * 5, now, touched=now)
            channels.watch(name, channel, now)
        channel.touched = now
        number = int(now // self._bin)
        found = channel.bins.get(number)
        if found is None:
            found = channel.bins[number] = [0] * 5
            if len(channel.bins) > _BINS:
                self._learn(channel, number, now)
        return found

    def _learn(self, channel: Channel, number: int, now: float) -> None:
        fade = 0.5 ** (max(now - channel.updated, 0.0) / _HALF_LIFE)
        channel.usual = [count * fade for count in channel.usual]
        channel.updated = now
        for bin in [bin for bin in channel.bins if not number - _BINS < bin <= number]:
            for category, count in enumerate(channel.bins.pop(bin)):
                channel.usual[category] += count

    def _judge(self, kind: str, name: str, row: TallyRow, now: float) -> Alert | None:
        options = self.options
        channel = (self.ports if kind == "port" else self.numbers).get(name)
        if channel is None:
            # More channels than are kept were in this sweep.
            return None
        last = int(now // self._bin)
        recent = [counts for bin, counts in channel.bins.items() if last - _BINS < bin <= last]
        marketing, sent = sum(counts[MARKETING] for counts in recent), sum(map(sum, recent))
        if marketing < max(options.least, options.marketing * sent):
            return None
        if quiet(max(channel.quiet_until, channel.alerted_until), now, options.cool_down_hours):
            return None
        registered = self._registered(row.port)
        if "marketing" in registered or not (registered == ["verification"] or self._known(channel, now)):
            return None
        whole = self.ports.get(row.port) if kind == "number" else None
        if whole is not None and quiet(whole.alerted_until, now, options.cool_down_hours):
            return None
        # One alert for a port and for the number that it is about.
        channel.alerted_until = now + options.cool_down_hours * HOUR
        if whole is not None:
            whole.quiet_until = channel.alerted_until
        evidence: dict[str, object] = {
            "marketing": marketing, "messages": sent, "hours": options.window_hours,
            "before": {
                "verification": round(channel.usual[VERIFICATION]), "notification": round(channel.usual[NOTIFICATION]),
                "marketing": round(channel.usual[MARKETING]), "unknown": round(channel.usual[UNKNOWN]),
            },
            "registered_for": registered, "holder": row.holder, "signature": row.signature,
        }  # fmt: skip
        why = "is registered for verification alone" if registered == ["verification"] else "sent verifications so far"
        summary = (
            f"{kind.capitalize()} {name} of {row.holder} {why}; {marketing:,} of its last {sent:,} messages are "
            "marketing."
        )
        return Alert(NAME, "warning", {kind: name}, summary, evidence)

    def _known(self, channel: Channel, now: float) -> bool:
        """Is it known to be used for verification?"""
        options, usual = self.options, channel.usual
        known = usual[VERIFICATION] + usual[NOTIFICATION] + usual[MARKETING]
        return (
            now - channel.since >= options.learn_hours * HOUR
            and known >= options.messages
            and usual[VERIFICATION] >= options.verification * known
            and usual[MARKETING] <= options.usual * known
        )

    # ---- memory

    def dump(self) -> bytes:
        """The memory, for `load`."""
        return msgspec.msgpack.encode((list(self.ports.items()), list(self.numbers.items())))

    def load(self, octets: bytes) -> None:
        """Remember what was dumped. Raises msgspec.DecodeError or ValidationError."""
        kinds = tuple[list[tuple[str, Channel]], list[tuple[str, Channel]]]
        ports, numbers = msgspec.msgpack.decode(octets, type=kinds)
        for channels, pairs in ((self.ports, ports), (self.numbers, numbers)):
            for name, channel in pairs[-MOST_CHANNELS:]:
                channels[name] = channel
