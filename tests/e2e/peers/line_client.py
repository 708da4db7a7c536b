"""An ESME in a process of its own, driven by JSON lines: the common interface over orders and events."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.e2e.peers.client import ANSWER_SECONDS, Answer, BindRefused, Delivery, LinkLost, Message, Mode
from tests.e2e.peers.lines import Event, LineProcess
from tests.e2e.waiting import until


@dataclass
class _Batch:
    """Requests on their way."""

    count: int
    future: Future[list[Event]] = field(default_factory=Future)
    answers: dict[int, Event] = field(default_factory=dict)


class LineClient(ABC):
    """See `client.Client`. A subclass says how the process starts and how it wants a submit_sm written."""

    name: ClassVar[str]
    lacks: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self._batches: dict[int, _Batch] = {}
        self._ids = itertools.count(1)
        self._process = self._begin_process()

    @abstractmethod
    def _begin_process(self) -> LineProcess:
        """Starts the process, with `self._heard` to listen."""

    @abstractmethod
    def _fields(self, message: Message) -> dict[str, Any]:
        """The fields of a submit_sm as the process wants them."""

    def bind(self, port: int, system_id: str, mode: Mode = "transceiver", window: int = 10) -> None:
        self._window = window
        number = next(self._ids)
        self._process.say(do="bind", id=number, port=port, mode=mode, system_id=system_id)
        event = until(
            lambda: self._process.find("bound", id=number) or self._process.find("close", id=number),
            "an answer to the bind", ANSWER_SECONDS,
        )
        if event["event"] == "close":
            raise ConnectionError("closed before a bind_resp")
        if event["status"]:
            raise BindRefused(event["status"])

    def start(self, messages: Sequence[Message]) -> Future[list[Answer]]:
        answers: Future[list[Answer]] = Future()

        def finished(events: Future[list[Event]]) -> None:
            error = events.exception()
            if error is None:
                answers.set_result([_answer(event) for event in events.result()])
            else:
                answers.set_exception(error)

        self.begin([("submit_sm", self._fields(message)) for message in messages]).add_done_callback(finished)
        return answers

    def begin(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> Future[list[Event]]:
        """Begins to send any requests; the answers have `command`, `status`, `sequence` and `fields`."""
        number = next(self._ids)
        batch = self._batches[number] = _Batch(len(requests))
        listed = [{"command": command, "fields": fields} for command, fields in requests]
        self._process.say(do="requests", id=number, window=self._window, list=listed)
        return batch.future

    def request(self, command: str, **fields: Any) -> Event:
        """Sends one request and waits for its answer."""
        return self.begin([(command, fields)]).result(ANSWER_SECONDS)[0]

    def deliveries(self) -> list[Delivery]:
        return [_delivery(event["fields"]) for event in list(self._process.events) if event["event"] == "deliver_sm"]

    def closed(self) -> bool:
        """True once the other side has closed the link."""
        return self._process.find("close") is not None

    def unbind(self) -> None:
        number = next(self._ids)
        self._process.say(do="unbind", id=number)
        self._process.expect("unbound", id=number, status=0)
        self._process.expect("close")
        self.close()

    def close(self) -> None:
        self._process.end()

    def _heard(self, event: Event) -> None:
        if event["event"] == "answer":
            batch = self._batches[event["id"]]
            batch.answers[event["index"]] = event
            if len(batch.answers) == batch.count:
                batch.future.set_result([batch.answers[index] for index in range(batch.count)])
        elif event["event"] == "close":
            for batch in self._batches.values():
                if not batch.future.done():
                    batch.future.set_exception(LinkLost({at: _answer(each) for at, each in batch.answers.items()}))


def _answer(event: Event) -> Answer:
    return Answer(event["status"], event["fields"].get("message_id", ""), event["sequence"])


def _delivery(fields: dict[str, Any]) -> Delivery:
    return Delivery(
        fields["source_addr"], fields["destination_addr"], fields["esm_class"],
        fields.get("message_payload") or fields["short_message"],
    )
