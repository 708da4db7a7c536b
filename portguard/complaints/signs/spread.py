"""One text spread over many ports and accounts, a little on each.

Nouns: a *text* is all samples that are alike, whatever their signature; its *owners*, *ports* and *accounts* are who
sent it, and its *places* the ports on which its signature was not seen before. A sweep has one sample of each account,
number, signature and kind of content, so that what is sent thinly is seen as well as what is sent by the million. A
brand's own campaign has one owner, on its usual ports; a template that many use has had them for long, or comes from
the one or two accounts of whoever offers it.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from portguard.complaints.options import TextOptions
from portguard.complaints.signs.alert import HOUR, NAMED, Alert, Kept, quiet
from portguard.complaints.signs.shape import Sampler, alike, keys_of, letters, sketch_of
from portguard.policy.tally import TallyRow
from portguard.sms.category import MARKETING, UNKNOWN

NAME: Final = "text_spread"
# Some 2 KB a text.
MOST_TEXTS: Final = 10_000
MOST_OF_ONE: Final = 200

_DAY: Final = 86400.0
_MOST_SECONDS: Final = 60.0
_SHOWN: Final = 120

# (signature, port, epoch second) -> was the signature on the port before?
Usual = Callable[[str, str, float], bool]


class Text(Struct, array_like=True, gc=False):
    """Names with the time they were seen last; `owners` with the first and the last; `messages` by account and port, as
    far as the samples stand for them."""

    sketch: list[int]
    sample: str
    owners: dict[str, list[float]]
    ports: dict[str, float]
    accounts: dict[str, float]
    places: dict[str, float]
    messages: dict[str, int]
    quiet_until: float = 0.0


class Spread:
    """`begun`: when the watch over all traffic began, for the time it takes to know what is usual."""

    def __init__(self, options: TextOptions, sampler: Sampler, usual: Usual) -> None:
        self.options = options
        self.begun: float | None = None
        self._sampler = sampler
        self._usual = usual
        self._texts: Kept[Text] = Kept(MOST_TEXTS)
        self._keys: dict[int, str] = {}
        self._next = 0
        self._looked = 0.0
        self._turn = 0

    def see(self, rows: Sequence[TallyRow], now: float) -> list[Alert]:
        """The rows of a sweep."""
        if self.begun is None or now < self.begun:
            self.begun = now
        wanted = [row for row in rows if row.sample and row.category in (UNKNOWN, MARKETING)]
        seconds = min(max(now - self._looked, 1.0), _MOST_SECONDS)
        self._looked = now
        # What is too much is left out here and there, elsewhere each time.
        step = -(-len(wanted) // max(int(seconds * self.options.samples_per_second), 1)) or 1
        self._turn = (self._turn + 1) % step
        found = [self._look(row, now) for row in wanted[self._turn :: step]]
        return [alert for alert in found if alert is not None]

    def _look(self, row: TallyRow, now: float) -> Alert | None:
        sample = self._sampler.text(row.sample, row.account)
        plain = letters(sample)
        if len(plain) < self.options.letters:
            return None
        text = self._text(plain, sample)
        owner = row.owner or (f"【{row.signature}】" if row.signature else f"account {row.account}")
        carrier = f"{row.account} {row.port}"
        if len(text.owners) < MOST_OF_ONE:
            text.owners.setdefault(owner, [now, now])[1] = now
        for names, name in ((text.ports, row.port), (text.accounts, row.account)):
            if name in names or len(names) < MOST_OF_ONE:
                names[name] = now
        if len(text.places) < MOST_OF_ONE and not self._usual(row.signature, row.port, now):
            text.places[row.port] = now
        if carrier in text.messages or len(text.messages) < MOST_OF_ONE:
            text.messages[carrier] = text.messages.get(carrier, 0) + row.submitted
        return self._judge(text, now)

    def _text(self, plain: str, sample: str) -> Text:
        """The text that this is a sample of, a new one when there is none."""
        sketch = sketch_of(plain)
        keys = keys_of(sketch)
        for key in keys:
            id = self._keys.get(key, "")
            text = self._texts.get(id)
            if text is not None and alike(text.sketch, sketch):
                self._texts.move_to_end(id)
                return text
        text = Text(sketch, sample[:_SHOWN], {}, {}, {}, {}, {})
        self._next += 1
        self._add(str(self._next), text)
        return text

    def _add(self, id: str, text: Text) -> None:
        if len(self._texts) >= MOST_TEXTS:
            gone, old = self._texts.popitem(last=False)
            for key in keys_of(old.sketch):
                if self._keys.get(key) == gone:
                    del self._keys[key]
        self._texts.add(id, text)
        for key in keys_of(text.sketch):
            self._keys[key] = id

    def _judge(self, text: Text, now: float) -> Alert | None:
        options = self.options
        if len(text.owners) < options.owners and len(text.places) < options.places:
            return None
        if quiet(text.quiet_until, now, options.cool_down_hours):
            return None
        self._forget(text, now)
        window = options.window_hours * HOUR
        new = [owner for owner, (first, _) in text.owners.items() if now - window < first <= now]
        known = len(text.owners) - len(new)
        learning = 1 + options.learn_hours * HOUR / max(now - (self.begun or 0.0), 1.0)
        wide = len(text.accounts) >= options.accounts or len(text.ports) >= options.ports
        shared = wide and len(new) >= max(options.owners, known) * learning
        if not shared and len(text.places) < options.places * learning:
            return None
        text.quiet_until = now + options.cool_down_hours * HOUR
        return self._alert(text, new, known)

    def _forget(self, text: Text, now: float) -> None:
        before = now - self.options.window_hours * HOUR
        for names in (text.ports, text.accounts, text.places):
            for name in [name for name, seen in names.items() if seen < before]:
                del names[name]
        before = now - self.options.forget_days * _DAY
        for owner in [owner for owner, (_, last) in text.owners.items() if last < before]:
            del text.owners[owner]

    def _alert(self, text: Text, new: list[str], known: int) -> Alert:
        each = median(text.messages.values())
        evidence: dict[str, object] = {
            "text": text.sample, "new_owners": len(new), "known_owners": known, "owners": new[:NAMED],
            "ports_count": len(text.ports), "ports": list(text.ports)[:NAMED], "accounts_count": len(text.accounts),
            "accounts": list(text.accounts)[:NAMED], "unusual_ports": len(text.places), "messages_each": round(each, 1),
            "hours": self.options.window_hours,
        }  # fmt: skip
        summary = (
            f"One text came up under signatures of {len(new)} owners on {len(text.ports)} ports, "
            f"{len(text.places)} of them new to its signatures, and {len(text.accounts)} accounts; about {each:,.0f} "
            "messages on each."
        )
        return Alert(NAME, "warning", {"text": text.sample}, summary, evidence)

    # ---- memory

    def dump(self) -> bytes:
        """The memory, for `load`."""
        return msgspec.msgpack.encode((self.begun, list(self._texts.values())))

    def load(self, octets: bytes) -> None:
        """Remember what was dumped. Raises msgspec.DecodeError or ValidationError."""
        self.begun, texts = msgspec.msgpack.decode(octets, type=tuple[float | None, list[Text]])
        for text in texts[-MOST_TEXTS:]:
            self._next += 1
            self._add(str(self._next), text)
