"""The writer: a process of its own that takes what its clients send and puts it into the journal.

    python -P -m portguard.evidence.writer SETTINGS DESCRIPTOR

SETTINGS is a WriterSettings in JSON. DESCRIPTOR is main's stream socket, inherited; the workers' sockets come over it.
It ends when main's socket and those of the workers have closed, and heeds no signal but SIGKILL: a Ctrl-C or a stop of
the service reaches every process of the group, and the journal has to outlive those that write to it.

When the disk does not take a write, no socket is read until it does: the clients keep what they have.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Final

import msgspec

from portguard.evidence import wire
from portguard.evidence.facts import LATEST, Facts
from portguard.evidence.journal import JournalBusy
from portguard.evidence.keeper import Keeper
from portguard.evidence.keys import KeyMissing, make
from portguard.evidence.options import EvidenceOptions
from portguard.evidence.rows import LEFT_OUT, UNDECODABLE, Event
from portguard.policy.reasons import RULE_BY_CODE
from portguard.policy.record import RecordError, parse

# Half of what a kill may lose; the other half is how long a worker keeps its records.
WRITE_EVERY: Final = 0.05
RETRY_EVERY: Final = 1.0
STATUS_EVERY: Final = 1.0
# How long what is left may take once main has gone.
LAST_SECONDS: Final = 5.0
LOCK_SECONDS: Final = 10.0

_RECEIVED: Final = 1 << 18
_MOST_BATCH: Final = 8 << 20
_MOST_OUT: Final = 1 << 20
_HEARD: Final = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL
_read_event: Final = msgspec.msgpack.Decoder(Event).decode


class WriterSettings(msgspec.Struct, frozen=True):
    """What main tells the writer. `key` is the file of the journal's key."""

    evidence: EvidenceOptions
    node: str
    country: str
    key: Path


class Client:
    """One socket. `id` is the last of its frames in the batch or before, `acknowledged` the last it was told of."""

    def __init__(self, sock: socket.socket, name: str, *, main: bool = False) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.name = name
        self.main = main
        self.client = b""
        self.id = 0
        self.acknowledged = 0
        self.inbox = wire.Inbox()
        self.out = bytearray()

    def say(self, kind: int, id: int, payload: bytes = b"") -> None:
        """Queue a frame; one that listens to nothing gets no more."""
        if len(self.out) < _MOST_OUT:
            self.out += wire.pack(kind, id, payload)

    def flush(self) -> None:
        """Send what the socket takes."""
        with contextlib.suppress(OSError):
            while self.out:
                del self.out[: self.sock.send(self.out)]


class Writer:
    """The loop of the process: `run` until the clients have ended."""

    def __init__(self, keeper: Keeper, facts: Facts, main: socket.socket) -> None:
        self._keeper = keeper
        self._facts = facts
        self._main = Client(main, "main", main=True)
        self._clients = {main.fileno(): self._main}
        self._poll = select.poll()
        self._interests: dict[int, int] = {}
        self._since = 0.0
        self._octets = 0
        self._retry_at = 0.0
        self._status_at = 0.0
        self._state = ""
        self._ending = 0.0
        keeper.say = self._note

    def run(self) -> int:
        """Until main and the others have closed, or main has and LAST_SECONDS are over; how many records are lost."""
        while True:
            now = time.monotonic()
            if self._over(now):
                break
            self._turn(now)
        self._keeper.close(time.monotonic())
        lost = self._keeper.journal.waiting
        if lost:
            print(f"portguard: {lost} records are lost: {self._keeper.reason}", file=sys.stderr)
        return lost

    def _over(self, now: float) -> bool:
        if not self._ending:
            return False
        return now > self._ending or (not self._clients and not self._keeper.journal.dirty)

    def _turn(self, now: float) -> None:
        journal = self._keeper.journal
        self._listen()
        ready = self._poll.poll(self._patience(now) * 1000)
        for descriptor, mask in ready:
            client = self._clients.get(descriptor)
            if client is None:
                continue
            if mask & select.POLLOUT:
                client.flush()
            if journal.stuck:
                if mask & (select.POLLHUP | select.POLLERR):
                    self._deaf(client)
            elif mask & _HEARD:
                self._hear(client)
        now = time.monotonic()
        if journal.dirty:
            self._since = self._since or now
            due = now - self._since >= WRITE_EVERY or self._octets >= _MOST_BATCH or self._ending > 0
            if now >= self._retry_at if journal.stuck else due:
                self._write(now)
        if not journal.stuck:
            self._keeper.turn(now, idle=not ready)
        self._tell(now)

    def _patience(self, now: float) -> float:
        """Seconds until something has to be done without anybody asking."""
        journal = self._keeper.journal
        until = self._status_at
        if journal.stuck:
            until = min(until, self._retry_at)
        elif journal.dirty:
            until = min(until, (self._since or now) + WRITE_EVERY)
        elif self._keeper.busy:
            return 0.0
        if self._ending:
            until = min(until, self._ending)
        return max(until - now, 0.0)

    # ---- clients

    def _listen(self) -> None:
        """Ask for what may happen: nobody is read while the disk does not take what there is."""
        reading = 0 if self._keeper.journal.stuck else select.POLLIN
        for descriptor, client in self._clients.items():
            wanted = reading | (select.POLLOUT if client.out else 0)
            if self._interests.get(descriptor) != wanted:
                self._interests[descriptor] = wanted
                self._poll.register(descriptor, wanted)

    def _deaf(self, client: Client) -> None:
        """A client that ended while nobody is read: what it left is read later (`_listen` asks again), and its end must
        not be seen again and again meanwhile."""
        client.out.clear()
        if client.main and not self._ending:
            self._ending = time.monotonic() + LAST_SECONDS
        self._interests[client.sock.fileno()] = 0
        with contextlib.suppress(KeyError):
            self._poll.unregister(client.sock.fileno())

    def _hear(self, client: Client) -> None:
        try:
            if client.main:
                octets, descriptors, _, _ = socket.recv_fds(client.sock, _RECEIVED, 16)
                passed = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            else:
                octets, passed = client.sock.recv(_RECEIVED), []
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            octets, passed = b"", []
        for number, sock in enumerate(passed):
            self._clients[sock.fileno()] = Client(sock, f"worker {number}")
        if not octets:
            self._end(client)
            return
        self._octets += len(octets)
        try:
            for frame in client.inbox.feed(octets):
                self._take(client, frame)
        except wire.WireError as error:
            self._note("error", "a client of the journal is cut off", {"client": client.name, "reason": str(error)})
            self._end(client)

    def _end(self, client: Client) -> None:
        """A client has closed. Of a frame that it could not finish, the whole records are kept."""
        rest = client.inbox.rest()
        if rest is not None and rest.kind == wire.RECORDS and client.client and rest.id > client.id:
            self._records(rest.payload)
        descriptor = client.sock.fileno()
        if self._interests.pop(descriptor, 0):
            with contextlib.suppress(KeyError):
                self._poll.unregister(descriptor)
        del self._clients[descriptor]
        client.sock.close()
        if client.main and not self._ending:
            self._ending = time.monotonic() + LAST_SECONDS

    def _take(self, client: Client, frame: wire.Frame) -> None:
        """What a frame holds goes into the batch, unless it is there since an earlier life of this process. Whatever is
        wrong with it, it is taken: its sender would send it again for ever."""
        if frame.kind == wire.HELLO:
            with contextlib.suppress(*UNDECODABLE):
                hello = wire.read_hello(frame.payload)
                client.client, client.name = hello.client[:16], hello.name[:64]
                client.id = client.acknowledged = self._keeper.journal.taken.get(client.client, 0)
                client.say(wire.ACK, client.id)
            return
        if frame.kind == wire.CLIENT or frame.id <= client.id:
            return
        try:
            self._content(frame)
        except (msgspec.DecodeError, ValueError) as error:
            self._note("error", "a frame for the journal cannot be read", {"client": client.name, "reason": str(error)})
        except Exception:
            self._note("error", "a frame for the journal failed", {"client": client.name,
                                                                   "traceback": traceback.format_exc()})  # fmt: skip
        client.id = frame.id
        if client.client:
            self._keeper.journal.took(client.client, frame.id)

    def _content(self, frame: wire.Frame) -> None:
        journal = self._keeper.journal
        if frame.kind == wire.RECORDS:
            self._records(frame.payload)
        elif frame.kind == wire.EVENT:
            event = _read_event(frame.payload)
            at = event.at if 0 <= event.at < LATEST else time.time()
            journal.event(Event(event.kind[:64], at, event.fields))
        elif frame.kind == wire.LEFT_OUT:
            for account, code, count in wire.read_left_out(frame.payload):
                rule = RULE_BY_CODE.get(code)
                fields = {"account": account, "rule": rule.name if rule else "", "code": code, "count": count}
                journal.event(Event(LEFT_OUT, time.time(), fields))
        else:
            raise ValueError(f"kind {frame.kind}")

    def _records(self, octets: bytes) -> None:
        violation, row = self._keeper.journal.violation, self._facts.row
        try:
            for packed in parse(octets):
                violation(row(packed))
        except RecordError as error:
            self._note("error", "a violation record cannot be read", {"reason": str(error)})

    # ---- the disk

    def _write(self, now: float) -> None:
        if self._keeper.write():
            self._since = 0.0
            self._octets = 0
            for client in self._clients.values():
                if client.id > client.acknowledged:
                    client.acknowledged = client.id
                    client.say(wire.ACK, client.id)
                    client.flush()
        else:
            self._retry_at = now + RETRY_EVERY

    def _tell(self, now: float) -> None:
        """A status to main each second, and at once when the state is another."""
        state = self._keeper.state
        if now < self._status_at and state == self._state:
            return
        self._status_at = now + STATUS_EVERY
        self._state = state
        self._main.say(wire.STATUS, 0, wire.encode(self._keeper.status()))
        self._main.flush()

    def _note(self, level: str, event: str, fields: dict[str, str | int | float]) -> None:
        if self._ending:
            told = ", ".join(str(value) if name == "reason" else f"{name}={value}" for name, value in fields.items())
            print(f"portguard: {event}: {told}", file=sys.stderr)
        self._main.say(wire.NOTE, 0, wire.encode(wire.Note(level, event, fields)))


def main(arguments: list[str]) -> int:
    """The process. Exit code 1: it could not start, or has lost records; said on stderr."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    sock = socket.socket(fileno=int(arguments[1]))
    settings = msgspec.json.decode(arguments[0], type=WriterSettings, dec_hook=lambda kind, value: kind(value))
    try:
        keys = make(settings.key)
        keeper = Keeper(settings.evidence, keys, settings.node)
        keeper.open(LOCK_SECONDS)
    except (KeyMissing, JournalBusy, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            reason = f"{error.filename}: {error.strerror.lower()}"
        told = wire.Status(wire.FAILING, f"the journal cannot be opened: {reason}")
        with contextlib.suppress(OSError):
            sock.sendall(wire.pack(wire.STATUS, 0, wire.encode(told)))
        return 1
    facts = Facts(keys, settings.country, plain=settings.evidence.subscriber == "plain")
    gc.freeze()
    return 1 if Writer(keeper, facts, sock).run() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
