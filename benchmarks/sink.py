"""The SMSC of the benchmark: takes every message at once, and checks that each came as it should.

It compares what comes with what the account's reel lets through and answers with slices of a prepared buffer, so it
parses nothing but the bind: at any window it needs less CPU than the cheapest proxy. A proxy that numbers messages anew
is given a kind of its own, `reworded`, and is compared message by message.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from portguard.smpp.constants import SUBMIT_SM, UNBIND, UNBIND_RESP
from reels import reel
from ring import Mismatch, Ring
from traffic import HEADER, UNBIND_ANSWER, UNBIND_REQUEST, bind_answer, bind_of

REWORDED = "reworded"


class Expected:
    """What a link must bring: a stream of octets, and an unbind at its end."""

    def __init__(self, account: int, kind: str, about: str) -> None:
        found = reel(account, kind, about)
        self._coming, self._answers = Ring(found.passed), Ring(found.answers)
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """The answers to what became whole with `data`."""
        data = self._held + data
        self._held = b""
        before = self._coming.pdus
        if not self._coming.matches(data):
            self._take_end(data)
        answers = self._answers.take(self._coming.pdus - before)
        return answers + UNBIND_ANSWER if self._held == UNBIND_REQUEST else answers

    def _take_end(self, data: bytes) -> None:
        """`data` ends with an unbind, or its beginning."""
        for held in range(1, len(UNBIND_REQUEST) + 1):
            at = len(data) - held
            if at >= 0 and UNBIND_REQUEST.startswith(data[at:]) and self._coming.matches(data[:at]):
                self._held = data[at:]
                return
        raise Mismatch("what came through is not what was sent", data)


class Reworded:
    """What a proxy brings that keeps neither sequence numbers nor order: bodies of the reel, each with its answer. That
    none is lost or doubled is seen by the ESMEs."""

    def __init__(self, account: int) -> None:
        found = reel(account)
        sent, answers = Ring(found.passed), Ring(found.answers)
        self._answers = {sent.take(1)[16:]: answers.take(1) for _ in found.passes}
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """The answers to what became whole with `data`, under the numbers it came with."""
        data, pos, answers = self._held + data, 0, []
        while len(data) - pos >= HEADER.size:
            length, command, _, sequence = HEADER.unpack_from(data, pos)
            if pos + length > len(data):
                break
            answer = self._answers.get(data[pos + 16 : pos + length])
            if command == UNBIND:
                answers.append(HEADER.pack(16, UNBIND_RESP, 0, sequence))
            elif command == SUBMIT_SM and answer is not None:
                answers.append(answer[:12] + data[pos + 12 : pos + 16] + answer[16:])
            else:
                raise Mismatch("what came through is not what was sent", data[pos : pos + length])
            pos += length
        self._held = data[pos:]
        return b"".join(answers)


class Sink(asyncio.Protocol):
    """One link. `failed` is told what should not have come."""

    def __init__(self, failed: Callable[[Mismatch], None]) -> None:
        self._failed = failed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._begun = b""
        self._expected: Expected | Reworded | None = None

    def data_received(self, data: bytes) -> None:
        if self._expected is None:
            self._bind(data)
            return
        try:
            answers = self._expected.take(data)
        except Mismatch as error:
            self._failed(error)
            self._transport.abort()
            return
        if answers:
            self._transport.write(answers)

    def _bind(self, data: bytes) -> None:
        self._begun += data
        if len(self._begun) < 4 or len(self._begun) < int.from_bytes(self._begun[:4]):
            return
        account, kind, about = bind_of(self._begun)
        self._expected = Reworded(account) if kind == REWORDED else Expected(account, kind, about)
        self._transport.write(bind_answer(int.from_bytes(self._begun[12:16])))
