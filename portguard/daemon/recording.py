"""A worker's side of the journal: what the path recorded is handed to the writer's socket every few milliseconds.

The path itself only appends (`policy.counters.Records`). While there is no writer, or none that can write, records wait
here, and how many octets wait is what the path's high water is about.
"""

import asyncio
import logging
import socket
from typing import Final

from portguard.evidence.client import RecordsDoor
from portguard.evidence.options import EvidenceOptions
from portguard.policy.counters import Counters, Records
from portguard.telemetry.sources import Sources

# With the writer's own fiftieth of a second this is what a kill may lose at most.
EVERY: Final = 0.05
LAST_SECONDS: Final = 2.0

log = logging.getLogger("portguard.daemon")


class Recording:
    """`records` is for the engine. `attach` a socket whenever there is a new writer; `keep` hands over until cancelled,
    `close` once more at the end."""

    def __init__(self, options: EvidenceOptions) -> None:
        self.records = Records(options.high_water, options.records_per_second)
        self._door = RecordsDoor("worker")

    def attach(self, sock: socket.socket) -> None:
        """Go on with a new writer: what no writer has acknowledged is sent to it."""
        self._door.attach(sock)

    async def keep(self) -> None:
        """Hand over what there is, again and again."""
        while True:
            self._hand_over()
            await asyncio.sleep(EVERY)

    def close(self) -> None:
        """Hand over the rest and wait for the disk, a short time."""
        self._hand_over()
        if not self._door.finish(LAST_SECONDS):
            log.error("records of violations may be lost", extra={"octets": self._door.waiting})
        self._door.detach()

    @property
    def waiting(self) -> int:
        """Octets that are not durable yet."""
        return self._door.waiting

    def _hand_over(self) -> None:
        self._door.records(self.records.take())
        self._door.left_out(self.records.take_left_out())
        self.records.waiting = self._door.turn()


def recording_metrics_of(recording: Recording, counters: Counters, metrics: Sources) -> None:
    """Add what is known of the records on their way."""
    metrics.gauge(
        "evidence_waiting_bytes", "Octets of records in the workers that are not durable yet", (),
        lambda: [((), float(recording.waiting))],
    )
    metrics.counter(
        "evidence_unrecorded", "Messages throttled since no record of their refusal could be kept", (),
        lambda: [((), float(counters.unrecorded))],
    )
