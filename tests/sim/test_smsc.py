"""The simulated SMSC, driven by the simulated ESME over real sockets."""

import asyncio
import json
from io import StringIO

import pytest
import uvloop

from portguard.sim.behaviour import Behaviour
from portguard.sim.esme import BindRefused, Esme, EsmeOptions, LinkLost
from portguard.sim.message import Message
from portguard.sim.smsc import Smsc, json_lines
from portguard.smpp import constants as c
from portguard.smpp.encode import cancel_sm, query_sm, replace_sm, submit_multi
from portguard.smpp.fields import SmeAddress, UnsuccessSme

HELLO = Message("any", "106900001", "13800000001", "【示例商城】您的订单已发货。")


def options(smsc: Smsc, **others: object) -> EsmeOptions:
    chosen = EsmeOptions(port=smsc.port, system_id="any")
    for name, value in others.items():
        setattr(chosen, name, value)
    return chosen


async def test_a_message_arrives_as_it_was_sent() -> None:
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        outcome = await esme.submit(HELLO)
    assert outcome.status == 0
    (delivery,) = smsc.delivered
    assert delivery.message_id == outcome.message_id
    assert (delivery.system_id, delivery.source_addr, delivery.destination_addr, delivery.text) == (
        "any", HELLO.source_addr, HELLO.destination_addr, HELLO.text,
    )
    assert delivery.octets[16:] == HELLO.pdu()[16:]
    assert delivery.tags is None


@pytest.mark.parametrize("data_coding,text", [(0, "[SHOP] 5€ off"), (1, "plain"), (3, "café"), (15, "【商城】你好")])
@pytest.mark.parametrize("via", ["submit_sm", "data_sm"])
@pytest.mark.parametrize("carrier", ["short_message", "message_payload"])
async def test_text_is_read_in_every_coding_and_carrier(data_coding: int, text: str, via: str, carrier: str) -> None:
    message = Message("any", "1069", "13800000001", text, data_coding=data_coding, via=via, carrier=carrier)  # type: ignore[arg-type]
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        assert (await esme.submit(message)).status == 0
    assert smsc.delivered[0].text == text


@pytest.mark.parametrize(
    "id_format,first,second",
    [("hex", "a1b2c300", "a1b2c301"), ("hex-upper", "A1B2C300", "A1B2C301"), ("decimal", "2712847104", "2712847105"),
     ("hex-padded", "00000000a1b2c300", "00000000a1b2c301"), ("decimal-padded", "002712847104", "002712847105")],
)
async def test_message_ids_come_in_the_format_asked_for(id_format: str, first: str, second: str) -> None:
    async with Smsc(Behaviour(id_format=id_format)) as smsc, Esme(options(smsc)) as esme:  # type: ignore[arg-type]
        outcomes = await esme.send_all([HELLO, HELLO])
    assert [outcome.message_id for outcome in outcomes] == [first, second]


async def test_binds_are_refused_with_the_status_that_fits() -> None:
    behaviour = Behaviour(passwords={"any": "right", "barred": "x"}, bind_status={"barred": c.ESME_RBINDFAIL})
    async with Smsc(behaviour) as smsc:
        for system_id, password, status in (
            ("any", "wrong", c.ESME_RINVPASWD), ("nobody", "", c.ESME_RINVSYSID), ("barred", "x", c.ESME_RBINDFAIL),
        ):
            with pytest.raises(BindRefused) as refused:
                async with Esme(options(smsc, system_id=system_id, password=password)):
                    pass
            assert refused.value.status == status
        async with Esme(options(smsc, password="right")) as esme:
            assert (await esme.enquire()).command_status == 0
            with pytest.raises(BindRefused) as refused:
                await esme.bind()
            assert refused.value.status == c.ESME_RALYBND
    assert (smsc.stats.binds, smsc.stats.binds_refused) == (1, 3)


async def test_a_receiver_may_not_submit() -> None:
    async with Smsc() as smsc, Esme(options(smsc, bind="receiver")) as esme:
        assert (await esme.submit(HELLO)).status == c.ESME_RINVBNDSTS
    assert not smsc.delivered


async def test_receipts_go_to_any_receiving_link_and_may_use_another_base() -> None:
    asked = Message("any", "1069", "13800000001", "hello", data_coding=1, registered_delivery=1)
    lost = Message("any", "1069", "13800000002", "hello", data_coding=1, registered_delivery=2)
    fine = Message("any", "1069", "13800000003", "hello", data_coding=1, registered_delivery=2)
    behaviour = Behaviour(receipt_id_format="decimal", undeliverable=frozenset({"13800000002"}))
    async with (
        Smsc(behaviour) as smsc,
        Esme(options(smsc, bind="receiver")) as receiver,
        Esme(options(smsc, bind="transmitter")) as sender,
    ):
        outcomes = await sender.send_all([asked, fine, lost])
        receipts = await receiver.wait_received(2)
    assert [receipt.integer("esm_class") for receipt in receipts] == [c.ESM_RECEIPT] * 2
    first, second = (receipt.octets("short_message").decode() for receipt in receipts)
    assert first.startswith(f"id:{int(outcomes[0].message_id, 16)} ") and "stat:DELIVRD" in first
    assert "stat:UNDELIV" in second
    assert receipts[0].tlv(c.TLV_MESSAGE_STATE) == bytes((c.STATE_DELIVERED,))
    assert receipts[0].octets("source_addr") == b"13800000001"
    assert smsc.stats.receipts == 2


async def test_query_replace_and_cancel_follow_the_state() -> None:
    later = Message("any", "1069", "13800000001", "first", data_coding=1, deliver_at="03:00")
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        name = (await esme.submit(later)).message_id.encode()
        done = (await esme.submit(HELLO)).message_id.encode()
        port = HELLO.source_addr.encode()

        async def status(pdu: bytes) -> int:
            return (await esme.request(pdu)).command_status

        assert (await esme.request(query_sm(0, message_id=name, source_addr=b"1069"))).integer("message_state") == 1
        assert (await esme.request(query_sm(0, message_id=done, source_addr=port))).integer("message_state") == 2
        assert await status(query_sm(0, message_id=name, source_addr=b"1068")) == c.ESME_RQUERYFAIL
        assert await status(replace_sm(0, message_id=name, source_addr=b"1069", short_message=b"second")) == 0
        assert smsc.delivered[0].text == "second"
        assert await status(replace_sm(0, message_id=done, source_addr=port)) == c.ESME_RREPLACEFAIL
        assert await status(replace_sm(0, message_id=b"none", source_addr=port)) == c.ESME_RREPLACEFAIL
        assert await status(cancel_sm(0, message_id=name, source_addr=b"1069")) == 0
        assert await status(cancel_sm(0, message_id=name, source_addr=b"1069")) == c.ESME_RCANCELFAIL
        await esme.submit(later)
        by_address = cancel_sm(0, message_id=b"", source_addr=b"1069", destination_addr=b"13800000001")
        assert await status(by_address) == 0
        assert await status(by_address) == c.ESME_RCANCELFAIL


async def test_submit_multi_reports_the_recipients_that_fail_alone() -> None:
    behaviour = Behaviour(message_status={"13800000002": c.ESME_RINVDSTADR})
    both = [SmeAddress(1, 1, b"13800000001"), SmeAddress(1, 1, b"13800000002")]
    async with Smsc(behaviour) as smsc, Esme(options(smsc)) as esme:
        some = await esme.request(submit_multi(0, source_addr=b"1069", dest_address=both, short_message=b"x"))
        none = await esme.request(submit_multi(0, source_addr=b"1069", dest_address=both[1:], short_message=b"x"))
    assert some.fields["unsuccess_sme"] == [UnsuccessSme(0, 0, b"13800000002", c.ESME_RINVDSTADR)]
    assert none.command_status == c.ESME_RINVDSTADR
    assert [delivery.destinations for delivery in smsc.delivered] == [["13800000001", "13800000002"]]


async def test_throttling_takes_its_share() -> None:
    async with Smsc(Behaviour(throttle=0.5)) as smsc, Esme(options(smsc, window=50)) as esme:
        outcomes = await esme.send_all([HELLO] * 200)
    throttled = [outcome.status for outcome in outcomes].count(c.ESME_RTHROTTLED)
    assert throttled == smsc.stats.throttled and 60 < throttled < 140
    assert len(smsc.delivered) == 200 - throttled


async def test_held_answers_wait_for_their_release() -> None:
    other = Message("any", "1069", "13800000009", "x", data_coding=1)
    async with Smsc(Behaviour(hold={HELLO.destination_addr})) as smsc, Esme(options(smsc)) as esme:
        waiting = await esme.start(HELLO)
        assert (await esme.submit(other)).status == 0
        assert not waiting.done() and len(smsc.delivered) == 2
        smsc.release()
        assert (await waiting).message_id == smsc.delivered[0].message_id


async def test_a_full_window_is_refused() -> None:
    async with Smsc(Behaviour(window=3, delay=0.01)) as smsc, Esme(options(smsc, window=5)) as esme:
        outcomes = await esme.send_all([HELLO] * 5)
    assert sorted(outcome.status for outcome in outcomes) == [0, 0, 0, c.ESME_RMSGQFUL, c.ESME_RMSGQFUL]


async def test_mobile_originated_messages_reach_the_esme() -> None:
    async with Smsc() as smsc:
        with pytest.raises(LookupError):
            await smsc.send_mo("13800000001", "1069", "退订")
        async with Esme(options(smsc)) as esme:
            assert await smsc.send_mo("13800000001", "1069", "退订", system_id="any") == 0
            (pdu,) = await esme.wait_received(1)
    assert pdu.octets("short_message").decode("utf-16-be") == "退订"


async def test_a_hanging_smsc_answers_nothing_and_a_deaf_one_reads_nothing() -> None:
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        smsc.set_mode("deaf")
        unheard = await esme.start(HELLO)
        octets = smsc.stats.octets
        smsc.set_mode("serve")
        assert (await unheard).status == 0
        assert smsc.stats.octets > octets
        smsc.set_mode("hang")
        unanswered = await esme.start(HELLO)
        smsc.drop_links()
        with pytest.raises(LinkLost):
            await unanswered


async def test_a_refusing_smsc_and_a_killed_one() -> None:
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        smsc.behaviour.mode = "refuse"
        with pytest.raises(ConnectionError):
            async with Esme(options(smsc)):
                pass
        smsc.kill()
        await esme.ended()
        with pytest.raises(ConnectionRefusedError):
            async with Esme(options(smsc)):
                pass
        smsc.behaviour.mode = "serve"
        await smsc.start()
        async with Esme(options(smsc)) as again:
            assert (await again.submit(HELLO)).status == 0


async def test_a_slow_reader_reads_it_all_in_the_end() -> None:
    async with Smsc(Behaviour(read_rate=1_000_000)) as smsc, Esme(options(smsc, window=100)) as esme:
        assert len(await esme.send_all([HELLO] * 300)) == 300
    assert len(smsc.delivered) == 300


async def test_answering_from_the_header_alone() -> None:
    async with Smsc(Behaviour(record=False)) as smsc, Esme(options(smsc, window=100)) as esme:
        outcomes = await esme.send_all([HELLO] * 300)
    assert len({outcome.message_id for outcome in outcomes}) == 300
    assert (smsc.stats.accepted, len(smsc.delivered)) == (300, 0)


async def test_what_is_kept_is_bounded() -> None:
    async with Smsc(Behaviour(keep=10)) as smsc, Esme(options(smsc)) as esme:
        outcomes = await esme.send_all([HELLO] * 30)
        oldest = query_sm(0, message_id=outcomes[0].message_id.encode(), source_addr=HELLO.source_addr.encode())
        assert (await esme.request(oldest)).command_status == c.ESME_RQUERYFAIL
    assert [delivery.message_id for delivery in smsc.delivered] == [one.message_id for one in outcomes[-10:]]


async def test_tags_are_shown_in_the_json_lines() -> None:
    out = StringIO()
    tagged = Message(
        "any", "1069", "13800000001", "【商城】大促",
        tlvs=((0x1D01, b"\x02"), (0x1D02, (302).to_bytes(2, "big")), (0x1D03, bytes(range(8))), (0x1D04, b"\x03")),
    )
    async with Smsc() as smsc, Esme(options(smsc)) as esme:
        smsc.on_delivered(json_lines(out))
        await esme.submit(tagged)
    row = json.loads(out.getvalue())
    assert row["tags"] == {
        "verdict": "would be rejected", "reason": 302, "revision": "0001020304050607", "category": "marketing",
    }
    assert (row["text"], row["command"], smsc.stats.tagged) == ("【商城】大促", "submit_sm", 1)


async def test_the_smsc_asks_whether_the_link_lives_and_unbinds() -> None:
    heard = asyncio.Event()
    async with Smsc(Behaviour(enquire_interval=0.01)) as smsc, Esme(options(smsc)) as esme:
        esme.on_request = lambda pdu: heard.set() if pdu.command_id == c.ENQUIRE_LINK else None
        await heard.wait()
        await smsc.unbind_all()
        await esme.ended()
    assert esme.received[-1].command_id == c.UNBIND


@pytest.mark.parametrize("version,stated", [(c.VERSION_33, None), (c.VERSION_34, b"\x34")])
async def test_a_3_3_peer_sees_no_tlv(version: int, stated: bytes | None) -> None:
    async with Smsc() as smsc:
        esme = Esme(options(smsc, version=version))
        await esme.connect()
        assert (await esme.bind()).tlv(c.TLV_SC_INTERFACE_VERSION) == stated
        await esme.close()


def test_both_ends_run_on_uvloop() -> None:
    async def run() -> None:
        async with Smsc() as smsc, Esme(options(smsc)) as esme:
            smsc.set_mode("deaf")
            smsc.set_mode("deaf")
            unheard = await esme.start(HELLO)
            smsc.set_mode("serve")
            assert (await unheard).status == 0
            assert await smsc.send_mo("13800000001", "1069", "退订") == 0

    uvloop.run(run())
