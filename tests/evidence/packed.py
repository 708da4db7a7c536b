"""Violations as the path packs them, and a journal's writer as a process."""

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

import portguard
from portguard.evidence import wire
from portguard.evidence.client import RecordsDoor
from portguard.evidence.options import EvidenceOptions
from portguard.evidence.writer import WriterSettings
from portguard.policy.counters import Records
from portguard.policy.desk import submit_sm_of
from portguard.policy.labels import label
from portguard.policy.reasons import ORDINAL, REJECT
from portguard.smpp.constants import SUBMIT_SM

NOON = 1_700_000_000.0
REVISION = bytes(range(8))


def pdu(text: str = "【星辰商城】验证码1234", destination: bytes = b"13900000001", sequence: int = 1) -> bytes:
    """A submit_sm in UCS-2."""
    octets = bytearray(submit_sm_of(0, b"106900010", 0, destination, 8, text.encode("utf-16-be")))
    octets[12:16] = sequence.to_bytes(4, "big")
    return bytes(octets)


def named(account: str = "acct", signature: str = "星辰商城", **fields: Any) -> bytes:
    """A label."""
    usual = {"enterprise": "north", "port": "1069", "number": "106900010", "holder": "holder", "owner": "owner"}
    return label(account=account, signature=signature, **{**usual, **fields})


def packed(
    octets: bytes | None = None, *, at: float = NOON, code: int = 204, hits: int = 0, action: int = REJECT,
    content: int = 0x32, command: int = SUBMIT_SM, label: bytes | None = None, text: bytes = b"",
    sequence: int = 1,
) -> bytes:  # fmt: skip
    """One violation record."""
    records = Records(1 << 30, 1)
    rule = ORDINAL[code] if code else -1
    hits = hits or (1 << rule if code else 0)
    octets = pdu(sequence=sequence) if octets is None else octets
    whose = named() if label is None else label
    records.pack(at, hits, REVISION, 0x45, action, rule, content, command, whose, octets, text)
    return records.take()


def options(folder: Path, **changes: Any) -> EvidenceOptions:
    """The settings of a journal in `folder`/evidence."""
    return EvidenceOptions(path=folder / "evidence", **changes)


def settings(folder: Path, **changes: Any) -> WriterSettings:
    """What main tells a writer."""
    return WriterSettings(options(folder, **changes), "gw1", "86", folder / "evidence.key")


class WriterProcess:
    """The writer as a process, and main's end of its socket, without an event loop."""

    def __init__(self, folder: Path, *, command: list[str] | None = None, **changes: Any) -> None:
        self.sock, theirs = socket.socketpair()
        told = json.dumps(msgspec.to_builtins(settings(folder, **changes), enc_hook=str))
        path = f"{Path(portguard.__file__).parent.parent}{os.pathsep}{Path(__file__).parent.parent.parent}"
        self.process = subprocess.Popen(
            [*(command or [sys.executable, "-P", "-m", "portguard.evidence.writer"]), told, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        theirs.close()
        self.doors: list[RecordsDoor] = []
        self.inbox = wire.Inbox()
        self.notes: list[wire.Note] = []
        self.status = wire.Status()
        self.sock.settimeout(30)
        self.sock.sendall(wire.pack(wire.HELLO, 0, wire.encode(wire.Hello(os.urandom(8), "main"))))

    def door(self, door: RecordsDoor | None = None) -> RecordsDoor:
        """A worker's door to this writer; one that was at another writer goes on here."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self.sock, [wire.pack(wire.CLIENT, 0, b"worker")], [theirs.fileno()])
        theirs.close()
        door = door or RecordsDoor("worker")
        door.attach(ours)
        self.doors.append(door)
        return door

    def hear(self) -> None:
        """Wait for the writer to say something."""
        octets = self.sock.recv(65536)
        assert octets, "the writer has ended"
        for frame in self.inbox.feed(octets):
            if frame.kind == wire.STATUS:
                self.status = wire.read_status(frame.payload)
            elif frame.kind == wire.NOTE:
                self.notes.append(wire.read_note(frame.payload))

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self._ended()

    def stop(self) -> str:
        """Close main's socket and the workers', and wait for the end; what it said on stderr."""
        for door in self.doors:
            door.detach()
        self.sock.close()
        return self._ended()

    def clean(self) -> None:
        """Leave nothing behind."""
        for door in self.doors:
            door.detach()
        self.kill()

    def _ended(self) -> str:
        assert self.process.stderr is not None
        said = "" if self.process.stderr.closed else self.process.stderr.read()
        self.process.stderr.close()
        self.process.wait(30)
        self.sock.close()
        return said


def wait_for(door: RecordsDoor, id: int) -> None:
    """Turn until a frame is durable."""
    while door.acknowledged < id:
        door.turn()
        assert door.attached, "the writer is gone"
        if door.acknowledged < id:
            _wait(door)


def _wait(door: RecordsDoor) -> None:
    poll = select.poll()
    poll.register(door.fileno(), select.POLLIN | (select.POLLOUT if door.blocked else 0))
    assert poll.poll(30_000), "the writer says nothing"
