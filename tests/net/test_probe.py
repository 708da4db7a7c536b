"""Probing an SMSC that failed."""

import asyncio

import pytest

from portguard.net.probe import keep_probing
from tests.net.loopback import on_uvloop, proxy, refusing, silent, smsc, until


@pytest.mark.slow
def test_probe_finds_an_smsc_back_without_a_bind() -> None:
    async def main() -> None:
        async with smsc(silent) as back, proxy(back, refusing()) as running:
            first, second = running.exchange.upstreams.all
            probing = asyncio.create_task(keep_probing(running.exchange))
            for upstream in (first, second):
                upstream.failed("refused", -100.0)
            await until(lambda: first.sound)
            await until(lambda: second.failures > 1)
            assert not second.sound
            probing.cancel()

    on_uvloop(main())
