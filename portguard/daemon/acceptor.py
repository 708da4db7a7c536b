"""Letting ESMEs in for several workers: each connection goes to the worker of the enterprise that binds.

Lives in the main process: a bind may wait a moment there, a message never does. A worker that is being started again is
waited for, within the time that a connection has for its bind. What TLS hides cannot be told apart: those connections
go by the client's address, so that a client at least meets itself.
"""

import socket
from collections.abc import Callable

from portguard.daemon.shards import shard
from portguard.daemon.workers import Workers
from portguard.net.listener import Full, Listener
from portguard.net.options import ListenOptions
from portguard.net.sorter import Sorter


class Acceptor:
    """`enterprise_of` knows the registry in service: an account's enterprise, "" when it is not on file. At most
    `most` connections in all, `most_each` on one worker."""

    def __init__(
        self, workers: Workers, options: ListenOptions, enterprise_of: Callable[[str], str], most: int, most_each: int,
    ) -> None:
        self._workers = workers
        self._enterprise_of = enterprise_of
        self._most_each = most_each
        self.sorter = Sorter(self._give, peeks=options.tls is None)
        self.listener = Listener(options, most, self.sorter.take)
        workers.on_gone = self.listener.gone

    async def _give(self, system_id: str, peer: str, sock: socket.socket) -> None:
        name = (self._enterprise_of(system_id) or system_id) if system_id else peer
        member = self._workers.members[shard(name, len(self._workers.members)) - 1]
        await member.up.wait()
        if member.given >= self._most_each:
            raise Full(f"{member.given} connections are open on {member.name}")
        member.give(peer, sock)
