"""The broker's sample configuration: it runs, over TLS, and its permissions keep nodes and others in their places."""

import shutil
from pathlib import Path

import aiomqtt
import pytest

from portguard.mqtt.link import Link, Refused
from portguard.mqtt.options import MqttOptions
from portguard.mqtt.payload import Outgoing
from tests.mqtt.broker import Broker, passwords
from tests.mqtt.stage import MemoryJournal, running
from tests.net.certificates import certificate
from tests.net.loopback import on_uvloop, until

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "mqtt"
NAMES = ("gw1", "gw2", "noc", "complaints")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def sample(folder: Path, crt: Path, key: Path) -> Broker:
    """The sample, with its paths and its port replaced."""
    acl = folder / "portguard.acl"
    shutil.copy(FOLDER / "mosquitto.acl", acl)
    acl.chmod(0o600)
    paths = {
        "/etc/mosquitto/certs/ca.crt": crt, "/etc/mosquitto/certs/broker.crt": crt,
        "/etc/mosquitto/certs/broker.key": key, "/etc/mosquitto/portguard.acl": acl,
        "/etc/mosquitto/portguard.passwords": passwords(folder, **{name: f"of {name}" for name in NAMES}),
    }
    broker = Broker(folder / "broker", scheme="mqtts")
    lines = []
    for line in (FOLDER / "mosquitto.conf").read_text(encoding="utf-8").splitlines():
        setting, _, value = line.partition(" ")
        if setting == "listener":
            line = f"listener {broker.port} 127.0.0.1"
        elif value in paths:
            line = f"{setting} {paths[value]}"
        if line and not line.startswith("#"):
            lines.append(line)
    return broker.configured(*lines)


@pytest.mark.slow
def test_who_may_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crt, key = certificate(tmp_path)
    for name in NAMES:
        monkeypatch.setenv(f"PASSWORD_{name}", f"of {name}")
    broker = sample(tmp_path, crt, key)
    journal = MemoryJournal()
    asked: list[str] = []

    async def reload(arguments: dict[str, object]) -> dict[str, object]:
        asked.append(str(arguments["by"]))
        return {}

    def options(name: str) -> MqttOptions:
        return MqttOptions(url=broker.url, username=name, password_env=f"PASSWORD_{name}", ca=crt)

    async def publish(name: str, topic: str, payload: bytes = b"{}") -> None:
        link = Link(options(name), f"{name}-test", Outgoing("portguard/none", b""), awaits=False)
        await link.open()
        try:
            await link.send(Outgoing(topic, payload))
        finally:
            await link.close()

    async def main() -> None:
        async with running(
            broker, tmp_path / "mqtt", journal, {"reload": reload, "complaints": reload}, username="gw1",
            password_env="PASSWORD_gw1", ca=crt, commands=["reload", "complaints"], fleet=True,
        ) as client:
            journal.violation(1.0)
            journal.add("alert", at=2.0, alert="surge")
            journal.add("escalation", at=3.0, name="1069")
            client.state("restraints", {"restraints": []})
            client.state("registry", {"revision": "r"})
            await until(lambda: client.feeds["violations"].backlog == 0 and client.feeds["events"].backlog == 0)
            await publish("noc", "portguard/gw1/command/reload", b'{"by": "noc"}')
            await publish("noc", "portguard/all/command/reload", b'{"by": "noc to all"}')
            await publish("complaints", "portguard/gw1/command/complaints", b'{"by": "the feed"}')
            await until(lambda: len(asked) == 3)
            for name, topic in (
                ("gw2", "portguard/gw1/violations"), ("gw2", "portguard/gw1/restraints"),
                ("gw2", "portguard/gw1/command/reload"), ("complaints", "portguard/gw1/command/reload"),
                ("noc", "portguard/gw1/status"), ("gw1", "portguard/gw2/alerts"),
            ):
                with pytest.raises(Refused, match="not authorized"):
                    await publish(name, topic)
        assert sorted(asked) == ["noc", "noc to all", "the feed"]

    broker.start()
    try:
        on_uvloop(main())
    finally:
        broker.kill()


def test_nobody_without_a_password(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    broker = sample(tmp_path, crt, key)

    async def main() -> None:
        link = Link(MqttOptions(url=broker.url, ca=crt), "x", Outgoing("portguard/none", b""), awaits=False)
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            await link.open()

    broker.start()
    try:
        on_uvloop(main())
    finally:
        broker.kill()
