"""The consent ledger as the main process asks it: a thread of its own, so that the disk keeps nobody else waiting.

The workers have the ledger open for themselves; what is put on file here they see within a fraction of a second.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from zoneinfo import ZoneInfo

from portguard.consent.edit import Entry
from portguard.consent.ledger import Ledger
from portguard.consent.options import ConsentOptions
from portguard.consent.rows import ConsentRow, Masked, Reading
from portguard.consent.standing import Standing
from portguard.consent.store import ConsentError
from portguard.registry.load import Fields
from portguard.settings.node import NodeOptions

WAIT_SECONDS = 30.0

T = TypeVar("T")


class ConsentFault(ValueError):
    """What was asked cannot be: `field` and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Consents:
    """Opens the ledger when it is first asked. Methods raise ConsentError where the ledger cannot be used."""

    def __init__(self, options: ConsentOptions, node: NodeOptions) -> None:
        self._options = options
        self._country = node.country
        self._zone = ZoneInfo(node.timezone)
        self._thread = ThreadPoolExecutor(1, "consents")
        self._ledger: Ledger | None = None

    async def standing(
        self, enterprise: str, subscriber: str, content: int, at: float
    ) -> tuple[Standing, list[dict[str, str]]]:
        """Does a consent count (`content` is category * 16 + industry), and what is on file of the pair."""

        def ask() -> tuple[Standing, list[dict[str, str]]]:
            ledger = self._opened()
            ledger.tick(time.monotonic())
            found = [one.fields(self._zone) for one in ledger.look(enterprise, subscriber)]
            return ledger.why(enterprise, subscriber, content, at, self._zone), found

        return await self._run(ask)

    async def put(self, row: dict[str, object]) -> bool:
        """Put a row on file, an opt-in or an opt-out as an import has them; False when as much is there. Raises
        ConsentFault."""
        entry = self._entry(row)
        return await self._run(lambda: self._opened().put([entry]) > 0)

    async def revoke(self, rows: list[tuple[str, str, float, str]]) -> None:
        """Opt-outs as (enterprise, subscriber's E.164 digits, epoch second, source); on the disk when this returns.
        Raises ConsentError when they are not by then: they may be later, and may be asked for again."""

        def do() -> None:
            ledger = self._opened()
            for row in rows:
                ledger.revoke(*row)
            if not ledger.wait(ledger.queued, WAIT_SECONDS):
                raise ConsentError(f"the opt-outs are not on the disk after {WAIT_SECONDS:.0f} s; {ledger.error}")

        await self._run(do)

    def close(self) -> None:
        """Let go of the ledger."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def _opened(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self._options.path, self._options)
        return self._ledger

    def _entry(self, raw: dict[str, object]) -> Entry:
        """A row as the ledger takes it, by the rules of an import."""
        problems = Masked()
        row = Fields(ConsentRow).row(dict(raw), "", 0, problems)
        if isinstance(row, ConsentRow):
            sound = Reading(self._country, self._zone, time.time()).sound(row, "", 0, problems)
            if sound is not None:
                return Entry(row.enterprise, sound.subscriber, sound.attribute, sound.at, sound.expires, row.proof)
        first = problems.kept[0]
        raise ConsentFault(first.field, first.message)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


