"""Processes that use a ledger for the tests: `python -m tests.consent.processes COMMAND FOLDER ...`.

revoke   revokes number after number without end, and prints each once it is committed
watch    prints what it sees of one pair whenever that changes, until it sees a revocation
hold     holds the write lock until its input ends
"""

import subprocess
import sys
from pathlib import Path
from typing import IO

import portguard
from portguard.consent.edit import Edit
from portguard.consent.ledger import Ledger
from portguard.consent.options import ConsentOptions
from portguard.consent.store import Store
from portguard.policy.ledger import REVOKED

ROOT = Path(__file__).parent.parent.parent
MAP = 1 << 20


def start(command: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start one of these; it has said "ready" when this returns."""
    path = f"{Path(portguard.__file__).parent.parent}:{ROOT}"
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, command, str(folder), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": path},
    )  # fmt: skip
    assert output(process).readline() == "ready\n"
    return process


def output(process: subprocess.Popen[str]) -> IO[str]:
    """A process's stdout."""
    assert process.stdout is not None
    return process.stdout


def number(n: int) -> str:
    """The nth subscriber."""
    return f"86139{n:08}"


def revoke(folder: Path) -> None:
    """Several outstanding at any time, so that a kill falls in the middle of a commit."""
    ledger = Ledger(folder, ConsentOptions(folder, remembered=4), map_size=MAP)
    print("ready", flush=True)
    said = n = 0
    while True:
        while ledger.queued - ledger.committed < 50:
            n += 1
            ledger.revoke("brand", number(n), 200, "reply")
        ledger.wait(ledger.committed + 1, 10)
        if said < (committed := ledger.committed):
            said = committed
            print(said, flush=True)


def watch(folder: Path, subscriber: str) -> None:
    """Looks as the proxy does, every tick."""
    ledger = Ledger(folder, ConsentOptions(folder, remembered=4), readonly=True, map_size=MAP)
    print("ready", flush=True)
    seen, now = -1, 0.0
    while seen != REVOKED:
        now += 0.1
        ledger.tick(now)
        answer = ledger.judge("brand", subscriber, 48, 300)
        if answer != seen:
            seen = answer
            print(seen, flush=True)


def hold(folder: Path) -> None:
    """As an import does for a moment, for as long as the test wants."""
    with Edit(Store(folder, map_size=MAP)):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(Path(sys.argv[2]), sys.argv[3])
    else:
        {"revoke": revoke, "hold": hold}[sys.argv[1]](Path(sys.argv[2]))
