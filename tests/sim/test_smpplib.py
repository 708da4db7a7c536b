"""Another project's client against the simulated SMSC: what passes here is not only our own idea of SMPP."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from portguard.sim.behaviour import Behaviour
from portguard.sim.smsc import Smsc

smpplib_client = pytest.importorskip("smpplib.client")
smpplib_consts = pytest.importorskip("smpplib.consts")
smpplib_exceptions = pytest.importorskip("smpplib.exceptions")


def against(behaviour: Behaviour, client: Callable[[int], None]) -> Smsc:
    """Run a blocking client in a thread against a simulator; the simulator afterwards."""

    async def run() -> Smsc:
        async with Smsc(behaviour) as smsc:
            await asyncio.to_thread(client, smsc.port)
        return smsc

    return asyncio.run(run())


def connect(port: int) -> Any:
    client = smpplib_client.Client("127.0.0.1", port, timeout=10, allow_unknown_opt_params=True)
    client.connect()
    return client


def test_bind_submit_receipt_and_unbind() -> None:
    sent: list[bytes] = []
    received: list[Any] = []

    def talk(port: int) -> None:
        client = connect(port)
        client.set_message_sent_handler(lambda pdu: sent.append(pdu.message_id))
        client.set_message_received_handler(lambda pdu: received.append(pdu))
        client.bind_transceiver(system_id="any", password="secret")
        client.send_message(
            source_addr_ton=0, source_addr_npi=1, source_addr="106900001", dest_addr_ton=0, dest_addr_npi=1,
            destination_addr="13800000001", short_message="【示例商城】您好".encode("utf-16-be"), data_coding=8,
            registered_delivery=True,
        )
        while not received:
            client.read_once()
        client.unbind()
        client.disconnect()

    smsc = against(Behaviour(passwords={"any": "secret"}), talk)
    assert [delivery.text for delivery in smsc.delivered] == ["【示例商城】您好"]
    assert sent == [smsc.delivered[0].message_id.encode()]
    assert received[0].receipted_message_id == sent[0]
    assert f"id:{sent[0].decode()} ".encode() in received[0].short_message


def test_a_refused_bind_is_understood() -> None:
    def talk(port: int) -> None:
        client = connect(port)
        with pytest.raises(smpplib_exceptions.PDUError) as refused:
            client.bind_transmitter(system_id="any", password="wrong")
        assert refused.value.args[1] == smpplib_consts.SMPP_ESME_RINVPASWD
        client.disconnect()

    against(Behaviour(passwords={"any": "secret"}), talk)
