"""Payloads: JSON whatever is in them, and the properties of MQTT 5."""

from typing import Any

import msgspec
import pytest

from portguard.mqtt.payload import Outgoing, encoded


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("签名", "签名"),
        (10**30, 10**30),
        (float("nan"), None),
        (["\ud800"], "['\\ud800']"),
        (object, "<class 'object'>"),
        ({1: 2}, {"1": 2}),
        (nested(5000), "RecursionError"),
    ],
)
def test_one_odd_value_does_not_keep_the_rest_back(value: object, said: object) -> None:
    assert msgspec.json.decode(encoded({"odd": value, "record": 7})) == {"odd": said, "record": 7}


def test_properties_are_those_that_are_meant() -> None:
    plain = Outgoing("t", b"{}").properties().json()  # type: ignore[no-untyped-call]
    assert (plain["ContentType"], plain["PayloadFormatIndicator"]) == ("application/json", 1)
    assert {"MessageExpiryInterval", "CorrelationData"}.isdisjoint(plain)
    full = Outgoing("t", b"{}", expiry=60, correlation=b"c").properties().json()  # type: ignore[no-untyped-call]
    assert (full["MessageExpiryInterval"], full["CorrelationData"]) == (60, b"c".hex())
