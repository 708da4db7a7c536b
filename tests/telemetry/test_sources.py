"""Readings of several processes added up."""

import msgspec

from portguard.telemetry.sources import Reading, Sources, add_up, lasting


def process(messages: float, sessions: float, up: float, decisions: list[int]) -> list[Reading]:
    """What one process counts; `up` of two SMSCs, the second always up."""
    sources = Sources()
    sources.counter("messages", "m", ("action",), lambda: [(("allow",), messages), (("tag",), 1)])
    sources.gauge("sessions", "s", (), lambda: [((), sessions)])
    sources.gauge("smsc_up", "u", ("smsc",), lambda: [(("a",), up), (("b",), 1)], fold="min")
    sources.gauge("since", "t", (), lambda: [((), sessions)], fold="max")
    sources.histogram("decision_seconds", "d", lambda: ([0.1, 1.0], decisions, float(sum(decisions))))
    return sources.read()


def rows(readings: list[Reading]) -> dict[str, object]:
    return {
        reading.name.removeprefix("portguard_"): reading.observed if reading.kind == "histogram" else dict(reading.rows)
        for reading in readings
    }


def test_every_kind_is_added_in_its_own_way() -> None:
    assert rows(add_up([process(5, 2, 1, [1, 2, 3]), process(7, 3, 0, [10, 20, 30])])) == {
        "messages": {("allow",): 12, ("tag",): 2},
        "sessions": {(): 5},
        "smsc_up": {("a",): 0, ("b",): 1},
        "since": {(): 3},
        "decision_seconds": ([0.1, 1.0], [11, 22, 33], 66.0),
    }


def test_labels_that_only_one_has_are_kept() -> None:
    one, other = process(1, 0, 1, [0, 0, 0]), process(1, 0, 1, [0, 0, 0])
    other[0] = msgspec.structs.replace(other[0], rows=[(("reject",), 4.0)])
    assert dict(add_up([one, other])[0].rows) == {("allow",): 1, ("tag",): 1, ("reject",): 4}


def test_what_ended_counts_on_and_is_no_longer_there() -> None:
    before = lasting(process(5, 2, 0, [1, 1, 1]))
    found = rows(add_up([before, process(1, 1, 1, [0, 0, 1])]))
    assert found["messages"] == {("allow",): 6, ("tag",): 2}
    assert found["sessions"] == {(): 1}
    assert found["smsc_up"] == {("a",): 1, ("b",): 1}
    assert found["decision_seconds"] == ([0.1, 1.0], [1, 1, 2], 4.0)
    assert add_up([[], []]) == []


def test_a_reading_survives_the_wire() -> None:
    said = process(5, 2, 1, [1, 2, 3])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=list[Reading]) == said
