"""node-smpp (npm) as the SMSC, in a process that can be stopped, killed and told how to answer."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from tests.e2e.peers import node
from tests.e2e.peers.lines import Event, octets
from tests.e2e.waiting import until


@dataclass(frozen=True, slots=True)
class Received:
    """A message that the SMSC received, and the message_id it gave."""

    session: int
    command: str
    sequence: int
    message_id: str
    fields: dict[str, Any]

    @property
    def source(self) -> str:
        """Its source_addr."""
        return str(self.fields["source_addr"])

    @property
    def body(self) -> bytes:
        """Its short_message, or message_payload."""
        body: bytes = self.fields["short_message"] or self.fields.get("message_payload", b"")
        return body


class NodeSmsc:
    """Listens on `port` of the loopback (any free one when 0). Its message_ids are eight hex digits from `first` on."""

    def __init__(self, port: int = 0, first: int = 0x1000) -> None:
        self.process = node.start("node_smsc.js", str(port), str(first))
        self.port: int = self.process.expect("listening")["port"]

    def received(self) -> list[Received]:
        """Every message that it has told of so far, in the order of arrival."""
        return [_received(event) for event in list(self.process.events) if event["event"] == "message"]

    def all_received(self) -> list[Received]:
        """Every message that it has received by now: none is still untold."""
        self._tell()
        return self.received()

    def events(self, name: str, **fields: Any) -> list[Event]:
        """Every event of that name whose fields are these."""
        wanted = {"event": name, **fields}
        return [event for event in list(self.process.events) if wanted.items() <= event.items()]

    def all_events(self, name: str, **fields: Any) -> list[Event]:
        """Every such event that has happened by now: none is still untold."""
        self._tell()
        return self.events(name, **fields)

    def wait_received(self, count: int, seconds: float = 10.0) -> list[Received]:
        """The messages, once there are `count`."""
        return until(lambda: (got := self.received())[count - 1 :] and got, f"{count} messages at the SMSC", seconds)

    def hold(self) -> None:
        """From now on every answer is held back."""
        self._told("hold", "holding")

    def release(self) -> None:
        """Gives the answers held back, and answers at once again."""
        self._told("release", "released")

    def answer_with(self, bind: int = 0, submit: int = 0) -> None:
        """Sets the command_status of its answers to binds and messages."""
        self._told("answers", "answering", bind=bind, submit=submit)

    def deliver(self, session: int, source: str, destination: str, body: bytes, esm_class: int = 0) -> None:
        """Sends a deliver_sm (data_coding 8) over the link `session`."""
        fields = {
            "source_addr": source, "destination_addr": destination, "short_message": octets(body),
            "data_coding": 8, "esm_class": esm_class,
        }
        self.process.say(do="deliver", session=session, fields=fields)

    def stop(self) -> None:
        """Hangs the process (SIGSTOP): connections stay, and its kernel still accepts new ones."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a hung process go on."""
        self.process.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends the process: its connections break, and its port refuses."""
        self.process.end()

    def _tell(self) -> None:
        """Returns once it has told of everything so far; it is asked, while it lives."""
        if self.process.running():
            self._told("tell", "told")

    def _told(self, order: str, reply: str, **more: Any) -> None:
        before = len(self.events(reply))
        self.process.say(do=order, **more)
        until(lambda: len(self.events(reply)) > before, f"the SMSC to say {reply}")


def _received(event: Event) -> Received:
    return Received(event["session"], event["command"], event["sequence"], event["message_id"], event["fields"])
