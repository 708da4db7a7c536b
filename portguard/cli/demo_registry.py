"""The demo's act about the registry: it is edited while messages flow, and each change is seen to work.

Noun: a *murmur*, the clean traffic of the other accounts that goes on meanwhile.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from portguard.cli.demo_crew import OwnClient
from portguard.cli.demo_stage import Row
from portguard.sim.esme import BindRefused
from portguard.sim.message import Message
from portguard.sim.mixes import MIXES
from portguard.smpp.constants import UNBIND

if TYPE_CHECKING:
    from portguard.cli.demo import Play

# Of the registry's changes: a signature that is suspended and restored, one that is registered, an account suspended.
KNOWN: Final = Message("freight01", "1069000014", "13805320201", "【云帆物流】您的快递正在派送中，请留意签收。")
NEW: Final = Message("school01", "1069000013", "13800100202", "【启明研学】周六活动的集合时间改为八点，请准时到场。")
NEW_ENTERPRISE: Final = "school"
LEAVING: Final = Message("shoe01", "1066000032", "13807910203", "【行远鞋服】您的验证码为553081，5分钟内有效。")


class RegistryAct:
    """A signature is suspended and restored, one is registered, an edit is broken, an account is suspended."""

    def __init__(self, play: "Play") -> None:
        self.play = play

    async def run(self) -> None:
        over = asyncio.Event()
        murmur = asyncio.create_task(self._murmur(over))
        try:
            await self._suspend_and_register()
            await self._break()
            await self._suspend_account()
        finally:
            over.set()
            sent = await murmur
        self.play.view.note(f"{sent} messages of the other accounts were sent meanwhile, and every one was answered")

    async def _suspend_and_register(self) -> None:
        ours, new = KNOWN.text.partition("】")[0][1:], NEW.text.partition("】")[0][1:]
        self.play.view.stage(f"Reload: 【{ours}】 is suspended, and 【{new}】 is registered, by editing tables")
        await self.play.show(KNOWN, "allow", "")
        await self.play.show(NEW, "reject", "signature_unregistered")

        def register(rows: list[Row]) -> None:
            _set_status(rows, "signature", ours, "suspended")
            rows.append({"signature": new, "enterprise": NEW_ENTERPRISE})

        scope = {"signature": new, "enterprise": NEW_ENTERPRISE, "port": NEW.source_addr, "provider": NEW_ENTERPRISE}
        await self._edited(signatures=register, scopes=lambda rows: rows.append(scope))
        await self.play.show(KNOWN, "reject", "signature_inactive")
        await self.play.show(NEW, "allow", "")
        await self._edited(signatures=lambda rows: _set_status(rows, "signature", ours, "active"))
        await self.play.show(KNOWN, "allow", "")

    async def _break(self) -> None:
        self.play.view.stage("Reload: a broken edit (a port of an enterprise that nobody knows)")
        revision, failed = await self.play.stage.revision(), await self._failed()
        self.play.stage.edit(ports=lambda rows: rows.append({"port": "10699999", "holder": "nobody"}))

        async def refused() -> bool:
            return await self._failed() > failed

        await self.play.stage.until("the broken edit to be refused", refused)
        if await self.play.stage.revision() != revision:
            self.play.problems.append("a broken registry was taken")
        self.play.view.note(f"refused, and revision {revision} goes on serving")
        await self.play.show(KNOWN, "allow", "")
        self.play.stage.edit(ports=lambda rows: rows.pop())

    async def _failed(self) -> float:
        """How many reloads were refused so far."""
        reloads = await self.play.stage.reloads()
        return sum(count for result, count in reloads.items() if result not in ("", "success"))

    async def _suspend_account(self) -> None:
        account = LEAVING.account
        self.play.view.stage(f"Reload: account {account} is suspended while it is bound")
        client = self.play.clients[account]
        assert isinstance(client, OwnClient)
        # An answer that the SMSC still owes keeps the link up, so that one can see what a message gets then.
        hold = self.play.stage.smsc.behaviour.hold
        hold.add(LEAVING.destination_addr)
        owed = asyncio.create_task(self.play.show(LEAVING, "allow", ""))
        await self._edited(accounts=lambda rows: _set_status(rows, "system_id", account, "suspended"))
        await self.play.show(LEAVING, "reject", "account_inactive")
        hold.clear()
        self.play.stage.smsc.release()
        await owed
        async with asyncio.timeout(10):
            await client.esme.ended()
        if not any(pdu.command_id == UNBIND for pdu in client.esme.received):
            self.play.problems.append(f"{account} was cut off without an unbind")
        again = OwnClient(self.play.stage.port, account, self.play.stage.passwords[account])
        try:
            await again.open()
            self.play.problems.append(f"{account} is suspended and could bind")
        except BindRefused as refused:
            self.play.view.note(f"{account} got the answer it was owed, was unbound, and may not come back: {refused}")
        finally:
            await again.close()

    async def _edited(self, **changes: Callable[[list[Row]], object]) -> None:
        """Edit tables and wait until the daemon serves what they say now."""
        before = await self.play.stage.revision()
        self.play.stage.edit(**changes)

        async def swapped() -> bool:
            return await self.play.stage.revision() not in ("", before)

        await self.play.stage.until("the edited registry to serve", swapped)
        self.play.view.note(f"revision {before} -> {await self.play.stage.revision()}")

    async def _murmur(self, over: asyncio.Event) -> int:
        """Clean traffic of the other accounts until it is over; the number of messages."""
        messages = [one for one in MIXES["clean"].messages if one.account not in (LEAVING.account, KNOWN.account)]
        sent = 0
        for message in itertools.cycle(messages):
            if over.is_set():
                break
            await self.play.send(message)
            sent += 1
            await asyncio.sleep(max(self.play.pause / 4, 0.02))
        return sent


def _set_status(rows: list[Row], key: str, value: str, status: str) -> None:
    """Set the status of every row whose `key` is `value`."""
    for row in rows:
        if row[key] == value:
            row["status"] = status
