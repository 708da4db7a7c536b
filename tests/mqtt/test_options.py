"""[mqtt]: what is taken, and what is refused with a reason."""

from pathlib import Path
from typing import Any

import pytest

from portguard.mqtt.options import MqttOptions


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://127.0.0.1:1883", ("127.0.0.1", 1883)),
        ("mqtt://broker.example", ("broker.example", 1883)),
        ("mqtts://broker.example/", ("broker.example", 8883)),
        ("mqtts://[::1]:18883", ("::1", 18883)),
    ],
)
def test_urls(url: str, broker: tuple[str, int]) -> None:
    options = MqttOptions(url=url)
    assert options.errors() == []
    assert options.broker() == broker


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "tcp://broker"}, "mqtt.url: expected mqtt://host"),
        ({"url": "broker:1883"}, "mqtt.url: expected mqtt://host"),
        ({"url": "mqtt://"}, "mqtt.url: expected mqtt://host"),
        ({"url": "mqtt://broker/topic"}, "mqtt.url: expected mqtt://host"),
        ({"url": "mqtt://broker:99999"}, "mqtt.url: "),
        ({"url": "mqtt://broker:0"}, "mqtt.url: port 0"),
        ({"url": "mqtt://gw1:secret@broker"}, "mqtt.url: no user or password here"),
        ({"prefix": "a/+"}, "mqtt.prefix: "),
        ({"prefix": "$SYS"}, "mqtt.prefix: "),
        ({"prefix": "a//b"}, "mqtt.prefix: "),
        ({"prefix": "a/"}, "mqtt.prefix: "),
        ({"prefix": ""}, "mqtt.prefix: "),
        ({"password_env": "P"}, "mqtt.username: is missing"),
        ({"username": "u", "password_env": "P", "password_file": Path("p")}, "mqtt.password_env: "),
        ({"url": "mqtts://b", "certificate": Path("c")}, "mqtt.certificate: certificate and key belong together"),
        ({"ca": Path("c")}, "mqtt.url: certificates are for mqtts://"),
    ],
)
def test_errors(options: dict[str, Any], error: str) -> None:
    (found,) = MqttOptions(**options).errors()
    assert found.startswith(error)


def test_no_error_shows_a_password() -> None:
    for url in ("mqtt://gw1:secret@broker", "tcp://gw1:secret@broker", "mqtt://gw1:secret@broker/x"):
        assert "secret" not in " ".join(MqttOptions(url=url).errors())


def test_prefixes() -> None:
    for prefix in ("portguard", "operator/sms", "a b/c"):
        assert MqttOptions(prefix=prefix).errors() == []
