"""`portguard sim smsc` and `sim esme` as two processes that talk to each other."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIM = [sys.executable, "-m", "portguard", "sim"]


@contextmanager
def smsc(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A simulated SMSC on a free port: its address and process."""
    command = [*SIM, "smsc", "--address", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:\d+", said)
        assert found, said + process.stderr.read()
        try:
            yield found[0], process
        finally:
            process.kill()


def esme(address: str, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SIM, "esme", "--address", address, *arguments], capture_output=True, text=True,
        env={**os.environ, "PORTGUARD_SIM_PASSWORD": password},
    )


def test_the_two_ends_talk_and_the_smsc_ends_in_order() -> None:
    with smsc("--print", "--id-format", "decimal") as (address, process):
        done = esme(address, "--mix", "clean", "--json", "--system-id", "bank01")
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate()
    assert (done.returncode, process.returncode) == (0, 0)
    answered = [json.loads(line) for line in done.stdout.splitlines()]
    arrived = [json.loads(line) for line in printed.splitlines()]
    assert answered.pop() == {"sent": 5, "statuses": {"ESME_ROK": 5}, "unexpected": 0, "failures": []}
    assert {row["message_id"] for row in answered} == {row["message_id"] for row in arrived}
    assert all(row["message_id"].isdigit() for row in arrived)
    assert "accepted=5" in said


def test_what_is_not_as_designed_is_said_and_counted() -> None:
    with smsc() as (address, _):
        done = esme(address, "--mix", "violations", "--system-id", "game01")
    assert done.returncode == 1
    assert "expected reject enterprise_inactive, got ESME_ROK: game01" in done.stdout


@pytest.mark.slow
def test_passwords_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    table, single, many = tmp_path / "table", tmp_path / "single", tmp_path / "many"
    table.write_text("bank01 right\ngame01 other\n", "utf-8")
    single.write_text("right\n", "utf-8")
    many.write_text("game01 other\nbank01 right\n", "utf-8")
    with smsc("--passwords", str(table)) as (address, _):
        chosen = ("--mix", "load", "--count", "3")
        assert esme(address, *chosen, password="right").returncode == 0
        assert esme(address, *chosen, "--password-file", str(single)).returncode == 0
        assert esme(address, *chosen, "--password-file", str(many)).returncode == 0
        refused = esme(address, *chosen, password="wrong")
    assert refused.returncode == 1 and "bank01: bind refused: ESME_RINVPASWD" in refused.stderr


@pytest.mark.parametrize("arguments", [("smsc", "--passwords"), ("esme", "--password-file")])
def test_passwords_that_are_no_utf8(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_bytes(b"bank01 \xff")
    done = subprocess.run([*SIM, *arguments, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"Error: {path}: is not in UTF-8\n")


@pytest.mark.parametrize(
    "arguments,said",
    [(("esme", "--address", "nowhere"), "is not host:port"),
     (("smsc", "--address", "127.0.0.1:99999"), "is not host:port"),
     (("smsc", "--delay", "nan"), "'nan' is not a finite number"),
     (("smsc", "--throttle", "nan"), "'nan' is not a finite number"),
     (("esme", "--rate", "inf"), "'inf' is not a finite number"),
     (("smsc", "--address", "192.0.2.1:1"), "cannot listen on 192.0.2.1:1"),
     (("smsc", "--address", "127.0.0.1:²"), "is not host:port"),
     (("esme", "--address", "\udcff:1"), "is not host:port"),
     (("esme", "--system-id", "nobody"), "mix clean has no messages of account nobody")],
)
def test_mistakes_are_said_plainly(arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run([*SIM, *arguments], capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert said in done.stderr and "Traceback" not in done.stderr
