"""`portguard top` beside a running daemon: what it says of real traffic, and how it leaves a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from portguard.daemon.control import ask
from portguard.smpp import constants as c
from tests.e2e import raw
from tests.e2e import tables as t
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, environment, portguard_command, run_portguard
from tests.e2e.peers.client import text
from tests.e2e.raw import RawSmsc
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

SIZE = (24, 80)
# What a terminal does with what it is sent, as far as a test needs it.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>78]")


@pytest.fixture
def daemon(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> Daemon:
    """One that serves, behind an SMSC that answers binds alone."""
    made = make_daemon(raw_smsc.port)
    made.start()
    return made


class Traffic:
    """A link with a message that the SMSC does not answer, and on which one after the other is refused, until the
    end."""

    def __init__(self, daemon: Daemon, smsc: RawSmsc) -> None:
        self._link = raw.bind(daemon.port, "star")
        self._link.send(raw.submit(2, text(t.OWN, t.NORTHERN, f"【{t.STAR}】您好")))
        smsc.link().expect(c.SUBMIT_SM)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        sequence = 10
        while not self._end.wait(0.02):
            self._link.send(raw.submit(sequence, text(t.OWN, t.NORTHERN, f"【{t.NOBODY}】您好")))
            self._link.expect(c.SUBMIT_SM_RESP, c.ESME_RSUBMITFAIL)
            sequence += 1

    def end(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def traffic(daemon: Daemon, raw_smsc: RawSmsc) -> Iterator[Traffic]:
    made = Traffic(daemon, raw_smsc)
    yield made
    made.end()


class Terminal:
    """A terminal of 80x24 with a `portguard top` on it."""

    def __init__(self, daemon: Daemon, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, SIZE)
        self.theirs = theirs
        self.before = termios.tcgetattr(theirs)
        command = portguard_command("top", "-c", str(daemon.settings), "--interval", "1", *arguments)
        self.process = subprocess.Popen(
            command, cwd=daemon.folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**environment(), "TERM": "xterm-256color"},
        )
        self._written = ""
        self._seen = 0

    def written(self) -> str:
        """All that came so far, control sequences included."""
        while select.select([self._ours], [], [], 0)[0]:
            self._written += os.read(self._ours, 1 << 16).decode("utf-8", "replace")
        return self._written

    def shows(self, wanted: str) -> bool:
        """Has it been written since `forget`?"""
        return wanted in CONTROL.sub("", self.written()[self._seen :])

    def wait_for(self, wanted: str) -> None:
        until(lambda: self.shows(wanted), f"{wanted!r} on the terminal", 20)

    def forget(self) -> None:
        """From now on only what comes."""
        self._seen = len(self.written())

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        termios.tcsetwinsize(self.theirs, (lines, columns))
        # Not its controlling terminal, so that the kernel does not tell.
        self.process.send_signal(signal.SIGWINCH)

    def end(self) -> int:
        """Its exit code; the terminal is as it was before."""
        until(lambda: (self.written(), self.process.poll() is not None)[1], "its end", 20)
        # The alternate screen is left, the cursor shown, and keys are read by lines and seen again.
        assert self.written().rindex("\x1b[?1049l") > self.written().index("\x1b[?1049h")
        assert self.written().rindex("\x1b[?25h") > self.written().rindex("\x1b[?25l")
        assert termios.tcgetattr(self.theirs) == self.before
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)


@pytest.fixture
def terminal(daemon: Daemon, traffic: Traffic) -> Iterator[Terminal]:
    made = Terminal(daemon)
    yield made
    made.close()


def top(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_portguard("top", "-c", str(daemon.settings), "--interval", "1", *arguments, folder=daemon.folder)


def test_once_as_json(daemon: Daemon, traffic: Traffic) -> None:
    until(lambda: daemon.metric("portguard_evidence_number") > 20, "some refusals in the journal")
    done = top(daemon, "--once", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    said: dict[str, Any] = json.loads(line)
    assert (said["node"], said["mode"], said["registry"]["revision"]) == ("e2e", "enforce", daemon.revision())
    assert said["pid"] == daemon.pid
    # One permitted message is owed an answer; what is refused is counted by rule and goes on.
    assert [one["count"] for one in said["messages"] if one["action"] == "allow"] == [1]
    pace = said["pace"]
    assert pace["seconds"] >= 1.0
    assert pace["messages"]["reject"] > 0
    assert [(one["rule"], one["action"]) for one in pace["rules"]] == [("signature_unregistered", "reject")]
    assert pace["rules"][0]["per_second"] == pace["messages"]["reject"]
    assert pace["decision"]["count"] > 0
    assert (said["owed"], said["links_in_all"], said["accounts_in_all"]) == (1, 1, 1)
    (link,) = said["links"]
    assert (link["account"], link["owed"], link["peer"], link["smsc"]) == ("star", 1, "127.0.0.1", "smsc1")
    assert said["accounts"][0]["account"] == "star"
    assert said["smscs"] == [{"name": "smsc1", "state": "up", "links": 1, "owed": 1}]
    names = [one["name"] for one in said["processes"]]
    assert (names[0], names[-1]) == ("main", "journal")
    assert [one["pid"] for one in said["processes"][1:-1]] == daemon.workers()
    for one in said["processes"]:
        assert one["serving"] and one["resident_bytes"] > 1e6 and one["cpu_seconds"] > 0
    assert said["journal"]["state"] == "ok"
    assert said["mqtt"] is None
    violation = said["violations"][0]
    assert (violation["account"], violation["rule"], violation["code"]) == ("star", "signature_unregistered", 204)
    assert t.NORTHERN not in line


def test_the_sweep_of_tallies_fills_the_minute(daemon: Daemon, traffic: Traffic) -> None:
    def swept() -> bool:
        (one,) = json.loads(top(daemon, "--once", "--json").stdout)["accounts"]
        return bool(one["submitted"] > one["refused"] > 0)

    until(swept, "the first sweep", 20)


def test_no_terminal_is_one_plain_page(daemon: Daemon, traffic: Traffic) -> None:
    for arguments in ([], ["--once"]):
        done = top(daemon, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        assert done.stdout.startswith("portguard e2e  enforce")
        assert "star" in done.stdout


def test_a_screen_that_ends_on_q(terminal: Terminal) -> None:
    terminal.wait_for("portguard e2e")
    terminal.wait_for("refused ")
    terminal.wait_for("204 signature_unregistered")
    assert not terminal.shows(t.NORTHERN)
    terminal.press("l")
    terminal.wait_for("PEER")
    terminal.press("s")
    terminal.wait_for("s sort by refused")
    terminal.press("\x1b[A")
    terminal.forget()
    terminal.resize(40, 140)
    terminal.wait_for("q quit")
    terminal.press("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_the_terminal_as_it_was(terminal: Terminal, number: signal.Signals) -> None:
    terminal.wait_for("portguard e2e")
    terminal.process.send_signal(number)
    assert terminal.end() == 0


def test_a_suspended_screen_comes_back(terminal: Terminal) -> None:
    terminal.wait_for("portguard e2e")
    terminal.process.send_signal(signal.SIGTSTP)
    os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert termios.tcgetattr(terminal.theirs) == terminal.before
    terminal.forget()
    terminal.process.send_signal(signal.SIGCONT)
    terminal.wait_for("portguard e2e")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_daemon_that_goes_and_comes_back(daemon: Daemon, traffic: Traffic, terminal: Terminal) -> None:
    terminal.wait_for("portguard e2e")
    traffic.end()
    for link in raw.OPEN:
        link.close()
    daemon.stop()
    terminal.wait_for("not heard of since")
    assert terminal.shows("no portguard runs")
    terminal.forget()
    daemon.start()
    terminal.wait_for("q quit")
    terminal.press("q")
    assert terminal.end() == 0


def test_lines_as_long_as_somebody_reads(daemon: Daemon, traffic: Traffic) -> None:
    command = portguard_command("top", "-c", str(daemon.settings), "--interval", "1", "--json")
    running = subprocess.Popen(command, cwd=daemon.folder, env=environment(), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = [json.loads(running.stdout.readline()) for _ in range(2)]
    assert said[0]["clock"] < said[1]["clock"]
    assert said[0]["pace"] and said[1]["pace"]
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    running.stdout.close()


def test_many_who_look_cost_no_more_than_one(daemon: Daemon, traffic: Traffic) -> None:
    """Snapshots are made at most once a second."""
    began = time.monotonic()
    clocks = {ask(daemon.folder / "state", "top")["clock"] for _ in range(50)}
    # The first may be that of somebody who looked before.
    assert len(clocks) <= 2 + (time.monotonic() - began)
