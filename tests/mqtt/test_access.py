"""Passwords and TLS: with a real Mosquitto that asks for them, and files that cannot be used."""

import logging
import shutil
from pathlib import Path

import pytest

from portguard.mqtt.access import AccessError, password, tls_context, warnings
from portguard.mqtt.options import MqttOptions
from tests.mqtt.broker import passwords
from tests.mqtt.conftest import MakeBroker
from tests.mqtt.stage import MemoryJournal, running
from tests.net.certificates import certificate
from tests.net.loopback import on_uvloop, until

# Left out by `make quick`.
pytestmark = pytest.mark.slow

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(getattr(record, "reason", "")) for record in caplog.records)


def test_a_wrong_password_is_said_and_one_that_was_put_right_counts(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(f"password_file {passwords(tmp_path, gw1='right')}")
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")

    async def main() -> None:
        async with running(
            broker, tmp_path / "mqtt", journal, connected=False, username="gw1", password_file=secret
        ) as client:
            await until(lambda: "Not authorized" in reasons(caplog))
            secret.write_text("right\n")
            await until(lambda: client.connected)

    with caplog.at_level(logging.DEBUG):
        on_uvloop(main())
    assert "wrong" not in caplog.text
    assert not any("wrong" in str(vars(record)) for record in caplog.records)


@needs_openssl
def test_tls_with_a_client_certificate_and_a_password(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    crt, key = certificate(tmp_path)
    broker = make_broker(
        f"password_file {passwords(tmp_path, gw1='right')}", f"certfile {crt}", f"keyfile {key}", f"cafile {crt}",
        "require_certificate true", scheme="mqtts",
    )
    broker.start()
    monkeypatch.setenv("BROKER_PASSWORD", "right")

    async def main() -> None:
        async with running(
            broker, tmp_path / "mqtt", journal, username="gw1", password_env="BROKER_PASSWORD", ca=crt,
            certificate=crt, key=key,
        ) as client:
            for number in range(300):
                journal.violation(float(number))
            await until(lambda: client.feeds["violations"].backlog == 0)
            broker.stop()
            await until(lambda: not client.connected)
            broker.start()
            await until(lambda: client.connected)

    on_uvloop(main())


@needs_openssl
def test_a_broker_with_a_foreign_certificate_gets_no_password(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    crt, key = certificate(tmp_path)
    other, _ = certificate(tmp_path, "other")
    broker = make_broker(f"certfile {crt}", f"keyfile {key}", scheme="mqtts")
    broker.start()

    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal, connected=False, ca=other):
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in reasons(caplog))

    on_uvloop(main())


def test_a_broker_without_tls_is_said(
    make_broker: MakeBroker, tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(scheme="mqtts")
    broker.start()

    async def main() -> None:
        async with running(broker, tmp_path / "mqtt", journal, connected=False):
            await until(lambda: "no broker" in caplog.text)

    on_uvloop(main())


def test_files_and_variables_that_cannot_be_used(tmp_path: Path) -> None:
    absent, empty, binary = tmp_path / "absent", tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    assert password(MqttOptions()) is None
    with pytest.raises(AccessError, match="absent: no such file"):
        password(MqttOptions(password_file=absent))
    with pytest.raises(AccessError, match="expected a password"):
        password(MqttOptions(password_file=empty))
    with pytest.raises(AccessError, match="UTF-8"):
        password(MqttOptions(password_file=binary))
    with pytest.raises(AccessError, match="no environment variable PORTGUARD_NONE"):
        password(MqttOptions(password_env="PORTGUARD_NONE"))
    with pytest.raises(AccessError, match="absent: no such file"):
        tls_context(MqttOptions(url="mqtts://broker", ca=absent))
    with pytest.raises(AccessError, match="no usable CA"):
        tls_context(MqttOptions(url="mqtts://broker", ca=empty))
    with pytest.raises(AccessError, match="no usable certificate"):
        tls_context(MqttOptions(url="mqtts://broker", certificate=empty, key=empty))
    assert tls_context(MqttOptions()) is None


def test_what_works_and_is_unwise(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    found = warnings(MqttOptions(url="mqtt://broker.example", username="gw1", password_file=secret))
    assert [line.partition(":")[0] for line in found] == ["mqtt.password_file", "mqtt.url"]
    secret.chmod(0o600)
    assert warnings(MqttOptions(url="mqtts://broker.example", username="gw1", password_file=secret)) == []
    assert warnings(MqttOptions(username="gw1")) == []
