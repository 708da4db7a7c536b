"""The simulated SMSC: an asyncio server of links, for tests and for trying portguard out.

`async with Smsc(Behaviour(...)) as smsc` listens on `smsc.port`; `smsc.delivered` holds what was accepted. Behaviour
may be changed while it runs through `smsc.behaviour`, and through `set_mode` for the mode.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from typing import Self, TextIO

from portguard.sim.behaviour import Behaviour, Mode, Stats
from portguard.sim.coding import encode
from portguard.sim.link import Link, Office
from portguard.sim.mailbox import Delivery
from portguard.smpp.encode import deliver_sm


class Smsc:
    """An SMSC on one TCP port; port 0 takes a free one."""

    def __init__(self, behaviour: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.behaviour = Behaviour() if behaviour is None else behaviour
        self.host = host
        self.port = port
        self._office = Office(self.behaviour)
        self._server: asyncio.Server | None = None
        self._arrival = asyncio.Event()
        self._office.mailbox.listeners.append(lambda _: self._arrival.set())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """host:port, once started."""
        return f"{self.host}:{self.port}"

    @property
    def delivered(self) -> deque[Delivery]:
        """The messages accepted so far, oldest first; at most `behaviour.keep` of them."""
        return self._office.mailbox.delivered

    @property
    def stats(self) -> Stats:
        """What was counted so far."""
        return self._office.stats

    @property
    def links(self) -> set[Link]:
        """The connections that are up."""
        return self._office.links

    def on_delivered(self, listener: Callable[[Delivery], None]) -> None:
        """Call `listener` with each message as it is accepted."""
        self._office.mailbox.listeners.append(listener)

    # -- life

    async def start(self) -> None:
        """Listen; OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.behaviour.receive_buffer:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.behaviour.receive_buffer)
            listening.bind((self.host, self.port))
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Link(self._office), sock=listening, backlog=1024, ssl=self.behaviour.tls
            )
        except BaseException:
            listening.close()
            raise
        self.port = listening.getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every link; `start` may follow, on the same port."""
        self._close_listener()
        links = list(self.links)
        for link in links:
            link.close()
        await asyncio.sleep(0)
        for link in links:
            link.abort()
        await asyncio.gather(*(link.ended for link in links))

    def kill(self) -> None:
        """What a crash looks like from outside: nobody listens and every link is reset, in mid-PDU if need be."""
        self._close_listener()
        self.drop_links()

    def drop_links(self) -> None:
        """Reset every link, and go on listening."""
        for link in list(self.links):
            link.abort()

    def set_mode(self, mode: Mode) -> None:
        """Change the mode; it holds for the links that are up as well."""
        self.behaviour.mode = mode
        for link in list(self.links):
            link.listen(mode != "deaf")

    def release(self) -> None:
        """Answer the messages that were held; later ones to the same destinations are held again."""
        held, self._office.held = self._office.held, []
        for answer in held:
            answer()

    def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # -- towards the ESMEs

    async def send_mo(
        self, source_addr: str, destination_addr: str, text: str, *, system_id: str = "", data_coding: int = 8
    ) -> int:
        """A subscriber's message to a service number, over a receiving link of system_id (any, if empty).

        The command_status of the ESME's answer; LookupError without such a link, ConnectionError when it ends first.
        """
        link = self._office.receiver(system_id)
        if link is None:
            raise LookupError(f"no receiving link of {system_id or 'anyone'}")
        self.stats.mobile_originated += 1
        pdu = deliver_sm(
            0, source_addr=source_addr.encode(), destination_addr=destination_addr.encode(),
            short_message=encode(text, data_coding), data_coding=data_coding,
        )
        return (await link.request(pdu)).command_status

    async def unbind_all(self) -> None:
        """Ask every ESME to unbind and await their answers."""
        await asyncio.gather(*(link.unbind() for link in list(self.links)), return_exceptions=True)

    async def wait_delivered(self, count: int) -> list[Delivery]:
        """Return once `count` messages are in `delivered`."""
        while len(self.delivered) < count:
            self._arrival.clear()
            await self._arrival.wait()
        return list(self.delivered)


def json_lines(out: TextIO) -> Callable[[Delivery], None]:
    """A listener that writes each message as one line of JSON."""

    def write(delivery: Delivery) -> None:
        out.write(json.dumps(delivery.as_row(), ensure_ascii=False) + "\n")
        out.flush()

    return write
