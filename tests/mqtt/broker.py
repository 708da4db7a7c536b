"""A Mosquitto of our own on a free port of the loopback, with passwords, permissions and TLS where a test wants it."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from portguard.sim.ports import free_port

PROGRAM = "mosquitto"
START_SECONDS = 10.0


def program() -> str:
    """The path of Mosquitto, which Debian keeps out of a user's PATH; skips the test where there is none."""
    found = shutil.which(PROGRAM, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("mosquitto is not installed")
    return found


class Broker:
    """`settings` are lines of mosquitto.conf. `stop` and `start` keep the port and what is retained."""

    def __init__(self, folder: Path, *settings: str, scheme: str = "mqtt") -> None:
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self.configured(*settings)

    def configured(self, *settings: str) -> "Broker":
        """With these lines of mosquitto.conf; what they do not say is said here."""
        named = {line.partition(" ")[0] for line in settings}
        own = {
            "listener": f"{self.port} 127.0.0.1", "allow_anonymous": str("password_file" not in named).lower(),
            "persistence": "true", "persistence_location": f"{self._folder}/", "max_queued_messages": "0",
            "log_type": "all", **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        lines = [f"{name} {value}" for name, value in own.items() if name not in named]
        self._config.write_text("\n".join([*lines, *settings, ""]))
        return self

    def start(self) -> None:
        """Run it, and return when it listens."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([program(), "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.01)

    def stop(self) -> None:
        """End it as an operator does: it takes leave of its clients and stores what is retained."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(START_SECONDS)
            self._process = None

    def log(self) -> str:
        """What it wrote."""
        return (self._folder / "mosquitto.log").read_text("utf-8", "replace")


def passwords(folder: Path, **users: str) -> Path:
    """A password file with these users."""
    path = folder / "passwords"
    path.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
    path.chmod(0o600)
    made = shutil.which("mosquitto_passwd")
    if made is None:
        pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([made, "-U", str(path)], check=True, capture_output=True, timeout=30)
    return path
