"""Asking an SMSC that failed whether it lets connections in again, so that no bind has to find out.

A probe is a TCP (TLS) handshake and nothing more: it shows a refused or dead host to be back, and says nothing about
one that accepts and then hangs, whose back-off is therefore kept until it answers a bind.
"""

import asyncio
import logging
from time import monotonic

from portguard.net.exchange import Exchange
from portguard.net.link import describe
from portguard.net.upstream import Upstream

INTERVAL = 0.5

log = logging.getLogger("portguard.net")


async def keep_probing(exchange: Exchange) -> None:
    """Probe the SMSCs that are away whenever their back-off ends. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        now = monotonic()
        due = [upstream for upstream in exchange.upstreams.all if not upstream.sound and upstream.retry_at <= now]
        await asyncio.gather(*(_probe(exchange, upstream) for upstream in due))


async def _probe(exchange: Exchange, upstream: Upstream) -> None:
    try:
        transport = await upstream.connect(asyncio.Protocol)
        transport.close()
    except Exception as error:
        exchange.upstream_failed(upstream, describe(error))
        return
    if not upstream.sound:
        upstream.reachable()
        log.info("SMSC lets connections in again", extra={"smsc": upstream.name})
