"""What reached the SMSC, as tshark reads it.

Nouns: a *capture* takes the octets that go to an SMSC's port; `decoded` gives every PDU in them as tshark dissects it.
A `LiveCapture` is dumpcap on the loopback; where the user may not capture, a `Tap` passes the octets on and keeps them,
and `pcap` writes them down as if they had been captured.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.e2e import required
from tests.e2e.peers.client import ADDRESS
from tests.e2e.waiting import until

TSHARK_SECONDS = 30
CHUNK = 32_768


@dataclass(frozen=True, slots=True)
class Dissected:
    """A PDU as tshark shows it: its fields by name, and its TLVs by tag."""

    command_id: int
    fields: dict[str, str]
    tlvs: dict[int, bytes]


class Capture(Protocol):
    """`port` is where portguard should find the SMSC."""

    port: int

    def decoded(self) -> list[Dissected]:
        """Every whole PDU that went to the SMSC so far."""

    def end(self) -> None:
        """Stops capturing."""


def capture(folder: Path, port: int) -> Capture:
    """A capture of what goes to the SMSC on `port`, by dumpcap if that may capture here."""
    required.program("tshark")
    return LiveCapture(folder, port) if may_capture() else Tap(folder, port)


def may_capture() -> bool:
    """True when dumpcap is there and can open the loopback."""
    if shutil.which("dumpcap") is None:
        return False
    done = subprocess.run(
        ["dumpcap", "-q", "-i", "lo", "-a", "duration:0", "-w", "/dev/null"], capture_output=True, check=False
    )
    return done.returncode == 0


class LiveCapture:
    """dumpcap on the loopback, filtered to one port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._file = folder / f"smsc-{port}.pcapng"
        command = ["dumpcap", "-q", "-i", "lo", "-f", f"tcp dst port {port}", "-w", str(self._file)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        while not (line := self._process.stderr.readline()).startswith("File:"):
            assert line, "dumpcap ended"

    def decoded(self) -> list[Dissected]:
        return dissect(self._file, self.port)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=TSHARK_SECONDS)


class Tap:
    """Stands before the SMSC, passes octets both ways, and keeps those that go to the SMSC."""

    def __init__(self, folder: Path, port: int) -> None:
        self._smsc = port
        self._file = folder / f"smsc-{port}.pcap"
        self._kept: list[bytearray] = []
        self._sockets = [socket.create_server((ADDRESS, 0))]
        self._ended = False
        self.port: int = self._sockets[0].getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept, self._sockets[0])

    def decoded(self) -> list[Dissected]:
        self._file.write_bytes(b"".join(pcap(self._kept, self._smsc)))
        return dissect(self._file, self._smsc)

    def taken(self) -> list[bytes]:
        """What went to the SMSC, a connection each that carried anything."""
        return [bytes(kept) for kept in self._kept if kept]

    def end(self) -> None:
        self._ended = True
        # The first thread may still start others; what it does after this it ends by itself.
        _shut(self._sockets[0])
        self._threads[0].join()
        for each in self._sockets:
            _shut(each)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, name="tap", daemon=True))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._ended:
            try:
                esme, _ = listener.accept()
            except OSError:
                return
            self._sockets.append(esme)
            try:
                smsc = socket.create_connection((ADDRESS, self._smsc))
            except OSError:
                _shut(esme)
                continue
            self._sockets.append(smsc)
            kept = bytearray()
            self._kept.append(kept)
            self._start(_pass, esme, smsc, kept)
            self._start(_pass, smsc, esme, bytearray())


def _pass(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    try:
        while data := source.recv(CHUNK):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        _shut(source)
        _shut(target)


def _shut(each: socket.socket) -> None:
    """Wakes whoever reads from it or waits for connections; the descriptor stays open."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def pcap(streams: list[bytearray], port: int) -> Iterator[bytes]:
    """A pcap file (raw IPv4, link type 101) of one TCP stream a connection, all of them going to `port`."""
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, stream in enumerate(streams):
        for offset in range(0, len(stream), CHUNK):
            data = bytes(stream[offset : offset + CHUNK])
            # PSH and ACK, no checksums: tshark does not look at them unless asked.
            tcp = struct.pack(">HHIIBBHHH", 40_000 + number, port, 1 + offset, 1, 5 << 4, 0x18, 65535, 0, 0)
            loopback = bytes((127, 0, 0, 1))
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), number, 0, 64, 6, 0, loopback, loopback)
            packet = ip + tcp + data
            yield struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet


def dissect(file: Path, port: int) -> list[Dissected]:
    """Every SMPP PDU in a capture file, in order, as tshark reads it."""
    command = ["tshark", "-n", "-r", str(file), "-d", f"tcp.port=={port},smpp", "-Y", "smpp", "-T", "pdml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TSHARK_SECONDS, check=False)
    # A file that is still written may end in mid-packet; tshark then says so and shows what came before.
    if not done.stdout.strip():
        return []
    text = done.stdout if "</pdml>" in done.stdout else done.stdout + "</pdml>"
    return [_dissected(proto) for proto in ElementTree.fromstring(text).iter("proto") if proto.get("name") == "smpp"]


def _dissected(proto: ElementTree.Element) -> Dissected:
    fields = {field.get("name", ""): field.get("show", "") for field in proto.iter("field")}
    tlvs = {}
    for option in proto.iter("field"):
        if option.get("name") == "smpp.opt_param":
            tag, _length, *value = list(option)
            tlvs[int(tag.get("value", ""), 16)] = bytes.fromhex(value[0].get("value", "")) if value else b""
    return Dissected(int(fields["smpp.command_id"], 16), fields, tlvs)


def wait_decoded(taken: Capture, count: int, like: Callable[[Dissected], bool]) -> list[Dissected]:
    """The PDUs like this that went to the SMSC, once there are `count`; dumpcap writes with a delay."""

    def found() -> list[Dissected]:
        wanted = [each for each in taken.decoded() if like(each)]
        return wanted if len(wanted) >= count else []

    return until(found, f"{count} PDUs in the capture", TSHARK_SECONDS)
