"""What subscribers answer: an opt-out that comes in on the wire revokes consent (DESIGN §8).

Noun: a *reply*, a short mobile-originated message to a port. It revokes for whoever last sent this subscriber
marketing from that number; where nobody is remembered, for every enterprise with a marketing scope covering it. The
message itself passes to the ESME whatever comes of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import time

from portguard.consent.ledger import Ledger
from portguard.consent.reply import reply_is_optout
from portguard.registry.image import Image
from portguard.registry.records import ScopeRecord
from portguard.relay.relay import Relay
from portguard.sms.category import MARKETING, permits

SOURCE = "reply"

Ask = Callable[[str, str], Awaitable[str]]

log = logging.getLogger("portguard.daemon")


class Replies:
    """Hears what the relay passes on. `optouts` counts the replies that were opt-outs; `ask` knows what the other
    workers remember, where there are any, and raises nothing: what it does not know is ""."""

    def __init__(self, ledger: Ledger, relay: Relay, ask: Ask | None = None) -> None:
        self._ledger = ledger
        self._relay = relay
        self._ask = ask
        self._searches: set[asyncio.Task[None]] = set()
        self.optouts = 0

    def heard(self, number: str, subscriber: str, text: str) -> None:
        """A message of `subscriber` (E.164 digits) to `number`."""
        if not reply_is_optout(text):
            return
        enterprise = self._ledger.last_sender(number, subscriber)
        if enterprise and self._ask is None:
            self.optouts += 1
            self._revoke(enterprise, subscriber)
            return
        search = asyncio.get_running_loop().create_task(self._find(number, subscriber, enterprise))
        self._searches.add(search)
        search.add_done_callback(self._searches.discard)

    async def _find(self, number: str, subscriber: str, here: str) -> None:
        """Whoever sent last, through whichever worker; `here` is what this one remembers."""
        enterprise = (await self._ask(number, subscriber) if self._ask is not None else "") or here
        self.optouts += 1
        if enterprise:
            self._revoke(enterprise, subscriber)
        else:
            await self._revoke_all(number, subscriber)

    async def _revoke_all(self, number: str, subscriber: str) -> None:
        """Nobody is remembered: the scopes are looked through, off the path, for who may send marketing from there."""
        # A reader of its own: the one in service belongs to the path, and may be closed by a reload meanwhile.
        image = Image(self._relay.engine.revision.image.path)
        try:
            for enterprise in await asyncio.to_thread(marketing_enterprises, image, number):
                self._revoke(enterprise, subscriber)
        finally:
            image.close()

    def _revoke(self, enterprise: str, subscriber: str) -> None:
        try:
            self._ledger.revoke(enterprise, subscriber, time(), SOURCE)
        except Exception:
            log.exception("an opt-out could not be taken to the ledger", extra={"enterprise": enterprise})


def marketing_enterprises(image: Image, number: str) -> list[str]:
    """The enterprises with an active scope for marketing whose port covers the number."""
    return sorted({row.enterprise for _, rows in image.records("scopes") for row in rows if _is_for(row, number)})


def _is_for(row: ScopeRecord, number: str) -> bool:
    if row.status != "active" or not row.port or not number.startswith(row.port):
        return False
    marketing = MARKETING << 4
    return any(permits(row.categories)[marketing : marketing + 16])
