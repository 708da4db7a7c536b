"""The simulated ESME: windows, rates, and links that end."""

import asyncio

import pytest

from portguard.sim.behaviour import Behaviour
from portguard.sim.esme import BindRefused, Esme, EsmeOptions, LinkLost, Outcome
from portguard.sim.message import Message
from portguard.sim.smsc import Smsc
from portguard.smpp import constants as c
from portguard.smpp.encode import enquire_link, generic_nack

HELLO = Message("any", "106900001", "13800000001", "【示例商城】您的订单已发货。")


async def test_the_window_is_never_exceeded() -> None:
    most = 0
    async with Smsc(Behaviour(delay=0.002)) as smsc, Esme(EsmeOptions(port=smsc.port, window=7)) as esme:

        def look(_: object) -> None:
            nonlocal most
            most = max(most, esme.unanswered)

        smsc.on_delivered(look)
        outcomes = await esme.send_all([HELLO] * 60)
    assert most == 7
    assert len({outcome.message_id for outcome in outcomes}) == 60


async def test_outcomes_keep_the_order_of_the_messages_and_are_told_as_they_come() -> None:
    messages = [Message("any", "1069", f"138{number:08}", "x", data_coding=1) for number in range(40)]
    told: list[Outcome] = []
    async with Smsc(Behaviour(jitter=0.01)) as smsc, Esme(EsmeOptions(port=smsc.port)) as esme:
        outcomes = await esme.send_all(messages, on_outcome=told.append)
    assert [outcome.message for outcome in outcomes] == messages
    assert set(told) == set(outcomes) and len(told) == 40


async def test_a_rate_spaces_messages_out() -> None:
    async with Smsc() as smsc, Esme(EsmeOptions(port=smsc.port)) as esme:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await esme.send_all([HELLO] * 11, rate=200.0)
        assert loop.time() - began >= 0.05  # ten gaps of 5 ms: a floor, which a busy machine cannot break


async def test_a_lost_link_ends_what_awaits_an_answer() -> None:
    async with Smsc(Behaviour(delay=60)) as smsc, Esme(EsmeOptions(port=smsc.port, window=5)) as esme:
        sending = asyncio.create_task(esme.send_all([HELLO] * 20))
        await smsc.wait_delivered(5)
        smsc.drop_links()
        with pytest.raises(LinkLost):
            await sending
        assert not esme.connected and esme.unanswered == 0
        with pytest.raises(LinkLost):
            await esme.enquire()
        with pytest.raises(LinkLost):
            await esme.wait_received(1)


async def test_a_half_closed_link_still_reads_its_answers() -> None:
    async with Smsc(Behaviour(mode="hang")) as smsc:
        esme = Esme(EsmeOptions(port=smsc.port))
        await esme.connect()
        answer = esme.send(enquire_link(0))
        esme.half_close()
        with pytest.raises(LinkLost):
            await answer
        await esme.close()


async def test_nobody_there_and_a_bind_refused() -> None:
    async with Smsc(Behaviour(bind_status={"any": c.ESME_RINVSYSID})) as smsc:
        with pytest.raises(BindRefused, match="ESME_RINVSYSID"):
            async with Esme(EsmeOptions(port=smsc.port, system_id="any")):
                pass
        smsc.kill()
        with pytest.raises(ConnectionRefusedError):
            await Esme(EsmeOptions(port=smsc.port)).connect()


async def test_sequence_numbers_may_be_chosen_and_an_answer_out_of_the_blue_is_kept() -> None:
    async with Smsc() as smsc, Esme(EsmeOptions(port=smsc.port)) as esme:
        assert (await esme.send(enquire_link(0), 0x7FFFFFFF)).sequence_number == 0x7FFFFFFF
        (link,) = smsc.links
        link.request(generic_nack(c.ESME_RINVCMDID, 0))
        await esme.enquire()
        assert [pdu.command_id for pdu in esme.nacks] == [c.GENERIC_NACK]


async def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(EsmeOptions(password="secret"))
    assert "secret" not in repr(Behaviour(passwords={"any": "secret"}))
