"""What is owed on either side: an answer pays for what it answers, and one that nobody waits for pays for nothing."""

import pytest

from portguard.smpp import constants as c
from portguard.smpp.encode import deliver_sm, enquire_link, generic_nack, message_resp, response
from portguard.smpp.session import UNBINDING
from tests.relay.stage import PHONE, PORT, Stage, accepted, submit


def mo(seq: int) -> bytes:
    return deliver_sm(seq, source_addr=PHONE, destination_addr=PORT, short_message=b"hi")


STRAYS = {
    "again": accepted(2),
    "to nothing": accepted(77),
    "of another kind": message_resp(c.DATA_SM, 0, 2, message_id=b"1"),
    "nack": generic_nack(c.ESME_RSYSERR, 0),
    "enquire_link_resp": response(c.ENQUIRE_LINK, 0, 99),
}


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS.keys())
def test_a_stray_answer_does_not_end_a_drained_link_that_is_owed(stage: Stage, stray: bytes) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    actor.smsc(accepted(2), stray, stray)
    assert actor.pair.owed == 0
    actor.esme(submit(3), submit(4))
    actor.smsc(stray)
    assert actor.pair.owed == 2
    stage.relay.drain(stage.now)
    actor.raw_to_esme()
    actor.smsc(accepted(3), stray)
    assert not actor.pair.unbind_sent
    actor.smsc(accepted(4))
    assert [pdu.command_id for pdu in actor.to_esme][-2:] == [c.SUBMIT_SM_RESP, c.UNBIND]


def test_a_silent_smsc_is_given_up_though_it_answered_twice_before(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    actor.smsc(accepted(2), accepted(2))
    actor.esme(submit(3))
    stage.later(61)
    assert actor.pair.close_esme


def test_requests_without_text_are_owed_an_answer_too(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(enquire_link(2), submit(3))
    actor.smsc(accepted(3), response(c.ENQUIRE_LINK, 0, 2), response(c.ENQUIRE_LINK, 0, 2))
    assert actor.pair.owed == 0


def test_more_messages_than_are_remembered_are_all_owed(stage: Stage) -> None:
    actor = stage.actor()
    actor.pair.pending.most = 1
    actor.esme(*(submit(2) for _ in range(40)))
    assert actor.pair.owed == 40 > actor.pair.pending.count
    actor.smsc(*(accepted(2) for _ in range(40)))
    assert actor.pair.owed == 0


def test_an_esme_that_answers_twice_is_still_waited_for(stage: Stage) -> None:
    actor = stage.actor()
    actor.smsc(mo(2))
    actor.esme(*(message_resp(c.DELIVER_SM, 0, 2, message_id=b"") for _ in range(3)))
    actor.smsc(mo(3))
    stage.relay.drain(stage.now)
    assert actor.pair.state != UNBINDING, "its answer to the second is waited for"


@pytest.mark.parametrize("command", [c.ALERT_NOTIFICATION, c.OUTBIND])
def test_what_has_no_response_is_not_waited_for(stage: Stage, command: int) -> None:
    actor = stage.actor()
    told = b"\x00\x00\x00\x10" + command.to_bytes(4) + bytes(4) + (0x7FFF0000).to_bytes(4)
    actor.smsc(told)
    assert actor.raw_to_esme() == told
    assert not actor.pair.high_from_smsc, "nobody will answer under its number"
    stage.relay.drain(stage.now)
    assert [pdu.command_id for pdu in actor.to_esme] == [c.UNBIND]


def test_an_unbind_resp_that_nobody_asked_for_ends_nothing(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    stray = response(c.UNBIND, 0, 2)
    actor.smsc(stray)
    assert actor.raw_to_esme() == stray
    assert not actor.pair.close_esme
    stage.relay.drain(stage.now)
    actor.smsc(accepted(2))
    assert [pdu.command_id for pdu in actor.to_esme] == [c.SUBMIT_SM_RESP, c.UNBIND]
    actor.smsc(stray)
    assert not actor.pair.close_esme, "it is the ESME's answer that is waited for"
