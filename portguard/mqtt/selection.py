"""Which records of the journal are published, where, and in what words."""

from collections.abc import Mapping
from typing import Final, Protocol

from portguard.mqtt.early import Early
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing, encoded
from portguard.mqtt.sampling import Key, Sampler
from portguard.mqtt.topics import Topics

Fields = Mapping[str, object]

# A longer message is published without its details: brokers have limits, and one that it never takes would keep all
# that follows.
LONGEST: Final = 65_536
KEPT_OF_LONG: Final = ("record", "event", "id", "at", "alert", "severity")

EVENT_TOPICS: Final = {"alert": "alerts", "escalation": "escalations"}


def when(fields: Fields) -> float:
    """The time of a record, epoch seconds; 0 where it has none."""
    at = fields.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


class Selection(Protocol):
    """Pure but for its own memory: the same records give the same messages, however often they are asked for."""

    topic: str

    def copy(self) -> "Selection":
        """One that goes its own way from here."""

    def take(self, number: int, kind: str, fields: Fields) -> Outgoing | None:
        """The message of a record, None when none is due."""

    def overdue(self, now: float) -> list[Outgoing]:
        """What is due by `now` (epoch seconds, of the records) without a further record."""

    def left_out(self) -> list[tuple[Key, int]]:
        """The counts not said yet."""

    def missing(self, first: int, last: int) -> Outgoing:
        """Says that the records from `first` to `last` will not come."""


class _Words:
    """What every message has."""

    def __init__(self, topics: Topics, options: MqttOptions) -> None:
        self._topics = topics
        self._options = options

    def message(self, topic: str, fields: Fields, qos: int = 1) -> Outgoing:
        payload = encoded({"node": self._topics.node, **fields})
        if len(payload) > LONGEST:
            short = {name: fields[name] for name in KEPT_OF_LONG if name in fields}
            payload = encoded({"node": self._topics.node, **short, "too_long": len(payload)})
        return Outgoing(self._topics.of(topic), payload, qos=qos, expiry=self._options.message_expiry)

    def missing(self, topic: str, first: int, last: int) -> Outgoing:
        return self.message(
            topic, {"event": "missing", "first": first, "last": last, "count": last - first + 1}
        )


class Events:
    """Alerts and escalations, all of them but the alerts that were published early. Has no memory of its own."""

    topic = "alerts"

    def __init__(self, topics: Topics, options: MqttOptions, early: Early) -> None:
        self._words = _Words(topics, options)
        self._early = early

    def copy(self) -> "Events":
        return self

    def take(self, number: int, kind: str, fields: Fields) -> Outgoing | None:
        topic = EVENT_TOPICS.get(kind)
        if kind == "alert":
            id = fields.get("id")
            if self._early.is_said(id):
                return None
            self._early.leave(id)
        # An escalation has a `kind` of its own, port or signature; so what it is stands in `event`.
        return None if topic is None else self._words.message(topic, {"record": number, "event": kind, **fields})

    def early(self, fields: Fields) -> None:
        """An alert that the journal cannot take yet: it is published without the number of a record."""
        self._early.put(str(fields.get("id", "")), self._words.message(self.topic, {"event": "alert", **fields}))

    def overdue(self, now: float) -> list[Outgoing]:
        return []

    def left_out(self) -> list[tuple[Key, int]]:
        return []

    def missing(self, first: int, last: int) -> Outgoing:
        return self._words.missing(self.topic, first, last)


class Violations:
    """Violations, sampled. `left_out` (a kind of the journal) are counts of those that have no record at all."""

    topic = "violations"

    def __init__(
        self, topics: Topics, options: MqttOptions, left_out: list[tuple[Key, int]] | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self._topics, self._options = topics, options
        self._words = _Words(topics, options)
        self._sampler = sampler or Sampler(options.violations_per_second, left_out or [])

    def copy(self) -> "Violations":
        return Violations(self._topics, self._options, sampler=self._sampler.copy())

    def take(self, number: int, kind: str, fields: Fields) -> Outgoing | None:
        if kind == "left_out":
            return self._words.message(self.topic, {"record": number, "event": kind, "by": "limit", **fields})
        if kind != "violation":
            return None
        key = (str(fields.get("rule", "")), str(fields.get("account", "")), str(fields.get("port", "")))
        left_out = self._sampler.take(key, when(fields))
        if left_out < 0:
            return None
        said = {"record": number, "event": kind, **fields, "left_out": left_out}
        return self._words.message(self.topic, said, self._options.qos)

    def overdue(self, now: float) -> list[Outgoing]:
        return [
            self._words.message(
                self.topic,
                {"event": "left_out", "by": "sampling", "rule": rule, "account": account, "port": port, "count": count},
            )
            for (rule, account, port), count in self._sampler.overdue(now)
        ]

    def left_out(self) -> list[tuple[Key, int]]:
        return self._sampler.left_out()

    def missing(self, first: int, last: int) -> Outgoing:
        return self._words.missing(self.topic, first, last)
