"""A broker for each test that asks for one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mqtt.broker import Broker
from tests.mqtt.stage import MemoryJournal

MakeBroker = Callable[..., Broker]


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Makes brokers that are not started yet, with lines of mosquitto.conf."""
    made: list[Broker] = []

    def make(*settings: str, scheme: str = "mqtt") -> Broker:
        made.append(Broker(tmp_path / f"broker{len(made)}", *settings, scheme=scheme))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    """Runs, and takes anybody."""
    running = make_broker()
    running.start()
    return running


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()
