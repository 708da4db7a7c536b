"""mosquitto_sub as the one who listens, and mosquitto_pub as the one who speaks: other people's MQTT clients."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.peers.client import ADDRESS
from tests.e2e.required import program
from tests.e2e.waiting import until


class Ear:
    """Everything under portguard/, in the order in which it came. Its session outlives the broker's absence."""

    def __init__(self, folder: Path, port: int) -> None:
        self._heard = folder / "heard"
        with self._heard.open("wb") as file:
            self._process = subprocess.Popen(
                ["stdbuf", "-oL", program("mosquitto_sub"), "-V", "5", "-h", ADDRESS, "-p", str(port), "-q", "1",
                 "-t", "portguard/#", "-i", "ear", "-c", "-x", "600", "-d", "-F", "%J"],
                stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(lambda: b"Subscribed" in self._heard.read_bytes(), "the subscription")

    def messages(self) -> Iterator[dict[str, Any]]:
        """As mosquitto_sub gives them: topic, payload, retain, properties, ..."""
        for line in self._heard.read_bytes().splitlines(keepends=True):
            # The last may still be being written.
            if line.startswith(b"{") and line.endswith(b"\n"):
                yield json.loads(line)

    def on(self, topic: str) -> list[dict[str, Any]]:
        """The payloads of a topic."""
        return [found["payload"] for found in self.messages() if found["topic"] == topic]

    def close(self) -> None:
        """Stop listening."""
        # Not terminated: on SIGTERM mosquitto_sub now and then waits for a lock that it has itself.
        self._process.kill()
        self._process.wait(10)


def say(port: int, topic: str, payload: str) -> None:
    """Publish a message, and return when the broker has it."""
    subprocess.run(
        [program("mosquitto_pub"), "-V", "5", "-h", ADDRESS, "-p", str(port), "-q", "1", "-t", topic, "-m", payload],
        check=True, timeout=30,
    )
