"""From bind to end: who is let in, what is answered before, and how nothing that is owed is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from portguard.smpp import constants as c
from portguard.smpp.encode import bind, bind_resp, deliver_sm, enquire_link, generic_nack, response, unbind
from portguard.smpp.session import BOUND_TRX, CLOSED, OPEN, UNBINDING
from tests.relay.stage import PHONE, PORT, TABLES, Actor, Stage, accepted, submit

Staged = Callable[..., Stage]


def trx(seq: int = 1, system_id: bytes = b"star") -> bytes:
    return bind(c.BIND_TRANSCEIVER, seq, system_id=system_id, password=b"secret")


def statuses(actor: Actor) -> list[int]:
    return [pdu.command_status for pdu in actor.to_esme]


@pytest.mark.parametrize(
    ("system_id", "peer", "status"),
    [
        (b"nobody", "127.0.0.1", c.ESME_RINVSYSID),
        (b"off", "127.0.0.1", c.ESME_RINVSYSID),
        (b"few", "192.168.0.1", c.ESME_RBINDFAIL),
        (b"few", "::ffff:10.1.2.3", None),
        (b"few", "10.1.2.3", None),
    ],
)
def test_who_may_bind(stage: Stage, system_id: bytes, peer: str, status: int | None) -> None:
    actor = Actor(stage, stage.relay.open(peer, stage.now))
    actor.esme(trx(system_id=system_id))
    assert actor.pair.want_smsc == (status is None)
    assert statuses(actor) == ([] if status is None else [status])
    assert not actor.pair.close_esme


def test_max_binds_counts_binds_in_progress_and_frees_them(stage: Stage) -> None:
    first, second = (Actor(stage, stage.relay.open("10.1.2.3", stage.now)) for _ in range(2))
    first.esme(trx(system_id=b"few"))
    second.esme(trx(system_id=b"few"))
    assert statuses(second) == [c.ESME_RBINDFAIL]
    stage.relay.esme_lost(first.pair, stage.now)
    stage.relay.closed(first.pair)
    second.esme(trx(2, b"few"))
    assert second.pair.want_smsc


def test_before_the_bind_only_enquire_link_is_answered(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(enquire_link(7), submit(8))
    assert statuses(actor) == [0, c.ESME_RINVBNDSTS]
    actor.esme(trx(9), enquire_link(10), submit(11), trx(12))
    assert statuses(actor) == [0, c.ESME_RINVBNDSTS, c.ESME_RALYBND]
    assert actor.to_smsc == []


def test_the_bind_passes_byte_for_byte_and_so_does_its_answer(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx(0x1234))
    stage.relay.smsc_open(actor.pair, stage.now)
    assert actor.raw_to_smsc() == trx(0x1234)
    answer = bind_resp(c.BIND_TRANSCEIVER, 0, 0x1234, system_id=b"SMSC-7")
    actor.smsc(answer)
    assert actor.raw_to_esme() == answer
    assert actor.pair.state == BOUND_TRX


def test_a_second_bind_is_refused(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(trx(5))
    assert statuses(actor) == [c.ESME_RALYBND]


@pytest.mark.parametrize(
    "answer", [response(c.BIND_TRANSCEIVER, c.ESME_RINVPASWD, 1), generic_nack(c.ESME_RSYSERR, 1)]
)
@pytest.mark.parametrize("more", [b"", unbind(7), enquire_link(7) + b"\0\0", b"\0\0\0\1"])
def test_the_smsc_refuses_the_bind_and_the_esme_may_try_again(stage: Stage, answer: bytes, more: bytes) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    stage.relay.smsc_open(actor.pair, stage.now)
    actor.raw_to_smsc()
    actor.smsc(answer + more)
    assert actor.raw_to_esme() == answer
    assert (actor.pair.state, actor.pair.close_smsc, actor.pair.close_esme) == (OPEN, True, False)
    actor.pair.close_smsc = False
    stage.relay.smsc_lost(actor.pair, stage.now)
    actor.bind()


def test_an_smsc_that_does_not_answer_the_bind_is_given_up_for_the_next(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    actor.pair.want_smsc = False
    stage.relay.smsc_open(actor.pair, stage.now)
    assert actor.raw_to_smsc() == trx()
    stage.later(2.5)
    assert actor.pair.want_smsc
    actor.pair.want_smsc = False
    stage.relay.smsc_open(actor.pair, stage.now)
    assert actor.raw_to_smsc() == trx(), "the next SMSC gets the same bind"


def test_an_smsc_lost_during_the_bind_is_given_up_for_the_next(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    actor.pair.want_smsc = False
    stage.relay.smsc_open(actor.pair, stage.now)
    stage.relay.smsc_lost(actor.pair, stage.now)
    assert actor.pair.want_smsc and not actor.pair.close_esme


def test_an_smsc_that_answers_the_bind_with_no_pdu_is_given_up_for_the_next(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    actor.pair.want_smsc = False
    stage.relay.smsc_open(actor.pair, stage.now)
    actor.smsc(enquire_link(1), b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.BIND_TRANSCEIVER, c.ENQUIRE_LINK_RESP, c.GENERIC_NACK]
    assert actor.pair.want_smsc and not actor.pair.close_esme and not actor.pair.answered
    assert actor.to_esme == []
    stage.relay.smsc_open(actor.pair, stage.now)
    assert actor.raw_to_smsc() == trx()
    actor.smsc(bind_resp(c.BIND_TRANSCEIVER, 0, 1, system_id=b"smsc"))
    assert actor.pair.answered and actor.pair.state == BOUND_TRX


@pytest.mark.parametrize("status", [c.ESME_ROK, c.ESME_RINVPASWD])
def test_net_is_told_when_the_bind_is_answered_and_not_before(stage: Stage, status: int) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    stage.relay.smsc_open(actor.pair, stage.now)
    answer = bind_resp(c.BIND_TRANSCEIVER, status, 1, system_id=b"smsc")
    actor.smsc(enquire_link(1), answer[:10])
    assert not actor.pair.answered
    actor.smsc(answer[10:])
    assert actor.pair.answered and actor.pair.asks


def test_no_smsc_left_fails_the_bind(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    stage.relay.smsc_failed(actor.pair, stage.now)
    assert statuses(actor) == [c.ESME_RBINDFAIL]
    assert actor.pair.close_esme


def test_a_bind_is_answered_in_time_whatever_the_smscs_do(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    stage.later(5.1)
    assert statuses(actor) == [c.ESME_RBINDFAIL]
    assert actor.pair.close_esme and not actor.pair.want_smsc


def test_a_link_that_never_binds_is_closed(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    stage.later(4.0)
    assert not actor.pair.close_esme
    stage.later(2.0)
    assert actor.pair.close_esme


def test_unbind_passes_and_both_links_close_after_the_answer(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), unbind(3), submit(4))
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [2, 3]
    assert statuses(actor) == [c.ESME_RINVBNDSTS]
    actor.smsc(accepted(2), response(c.UNBIND, 0, 3))
    assert [pdu.command_id for pdu in actor.to_esme] == [c.SUBMIT_SM_RESP, c.UNBIND_RESP]
    assert (actor.pair.state, actor.pair.close_esme, actor.pair.close_smsc) == (CLOSED, True, True)
    assert actor.to_smsc == [], "no second unbind"


def test_the_smscs_unbind_passes_and_its_answer_closes(stage: Stage) -> None:
    actor = stage.actor()
    actor.smsc(unbind(77))
    assert [pdu.command_id for pdu in actor.to_esme] == [c.UNBIND]
    actor.esme(response(c.UNBIND, 0, 77))
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.UNBIND_RESP]
    assert actor.pair.close_esme and actor.pair.close_smsc


def test_a_half_closed_esme_gets_what_it_is_owed(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), submit(3))
    stage.relay.esme_eof(actor.pair, stage.now)
    assert not actor.pair.close_esme
    actor.smsc(accepted(2))
    assert not actor.pair.close_esme
    actor.smsc(accepted(3))
    assert [pdu.sequence_number for pdu in actor.to_esme] == [2, 3]
    assert actor.pair.close_esme and actor.pair.close_smsc
    assert [pdu.command_id for pdu in actor.to_smsc][-1] == c.UNBIND


def test_a_half_closed_esme_is_not_waited_for_longer_than_set(staged: Staged) -> None:
    stage = staged(limits={"drain_timeout": 3.0})
    actor = stage.actor()
    actor.esme(submit(2))
    stage.relay.esme_eof(actor.pair, stage.now)
    stage.later(2.0)
    assert not actor.pair.close_esme
    stage.later(1.5)
    assert actor.pair.close_esme


def test_the_smsc_lost_in_mid_session_closes_the_esme_and_invents_no_answers(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), submit(3))
    actor.smsc(accepted(2))
    stage.relay.smsc_lost(actor.pair, stage.now)
    assert [pdu.sequence_number for pdu in actor.to_esme] == [2]
    assert actor.pair.close_esme


def test_drain_waits_for_answers_then_unbinds(stage: Stage) -> None:
    actor, idle = stage.actor(), stage.actor(bound=False)
    actor.esme(submit(2))
    stage.relay.drain(stage.now)
    assert idle.pair.close_esme
    actor.esme(submit(3))
    assert statuses(actor) == [c.ESME_RTHROTTLED]
    actor.smsc(accepted(2))
    answer, ours = actor.to_esme
    assert (answer.sequence_number, ours.command_id) == (2, c.UNBIND)
    assert actor.pair.state == UNBINDING and not actor.pair.close_esme
    actor.esme(response(c.UNBIND, 0, ours.sequence_number))
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.SUBMIT_SM, c.UNBIND]
    assert actor.pair.close_esme and actor.pair.close_smsc
    for one in (actor, idle):
        stage.relay.closed(one.pair)
    assert stage.relay.idle()


def test_an_esme_that_hangs_up_on_our_unbind_is_not_waited_for(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    stage.relay.drain(stage.now)
    actor.smsc(accepted(2))
    assert [pdu.command_id for pdu in actor.to_esme] == [c.SUBMIT_SM_RESP, c.UNBIND]
    stage.relay.esme_eof(actor.pair, stage.now)
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.SUBMIT_SM, c.UNBIND]
    assert actor.pair.close_esme and actor.pair.close_smsc


def test_drain_ends_though_nobody_answers(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    stage.relay.drain(stage.now)
    stage.later(10.1)
    assert actor.pair.close_esme and actor.pair.close_smsc


def test_an_esme_that_unbinds_while_it_is_unbound(stage: Stage) -> None:
    actor = stage.actor()
    stage.relay.drain(stage.now)
    actor.raw_to_esme()
    actor.esme(unbind(9))
    assert [(pdu.command_id, pdu.command_status) for pdu in actor.to_esme] == [(c.UNBIND_RESP, 0)]
    assert actor.pair.close_esme


def test_a_link_on_which_a_pdu_trickles_in_is_idle(stage: Stage) -> None:
    actor = stage.actor()
    for octet in submit(2)[:-1]:
        stage.later(stage.relay.options.idle_timeout / 20)
        actor.esme(bytes([octet]))
        if actor.raw_to_esme():
            break
    assert actor.pair.state == UNBINDING


def test_idle_links_are_unbound(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(299)
    assert actor.to_esme == []
    actor.esme(enquire_link(5))
    actor.smsc(response(c.ENQUIRE_LINK, 0, 5))
    stage.later(299)
    actor.raw_to_esme()
    stage.later(2)
    assert [pdu.command_id for pdu in actor.to_esme] == [c.UNBIND]


def test_an_smsc_that_owes_and_is_silent_is_given_up(stage: Stage) -> None:
    actor = stage.actor()
    stage.later(100)
    actor.esme(submit(2))
    stage.later(59)
    assert not actor.pair.close_esme, "silence is counted from the first unanswered request"
    stage.later(2)
    assert actor.pair.close_esme and actor.pair.lost == "response_timeout"


def test_an_account_taken_off_file_is_unbound_after_the_reload(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    accounts = [row for row in TABLES["accounts"] if row["system_id"] != "star"]
    stage.swap({**TABLES, "accounts": accounts})
    actor.raw_to_esme()
    actor.esme(submit(3))
    assert statuses(actor) == [c.ESME_RINVSYSID]
    actor.smsc(accepted(2))
    assert [pdu.command_id for pdu in actor.to_esme] == [c.SUBMIT_SM_RESP, c.UNBIND]
    again = stage.actor(bound=False)
    again.esme(trx())
    assert statuses(again) == [c.ESME_RINVSYSID]


def test_the_next_message_obeys_the_new_revision(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    stage.swap({**TABLES, "signatures": [{"signature": "星辰商城", "enterprise": "star", "status": "revoked"}],
                "scopes": TABLES["scopes"][:1]})
    actor.esme(submit(3))
    assert [pdu.sequence_number for pdu in actor.to_smsc] == [2]
    assert statuses(actor) == [c.ESME_RSUBMITFAIL]


def test_framing_lost_by_the_esme(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2), b"\x00\x00\x00\x0f" + bytes(8) + b"\x00\x00\x00\x2a" + b"junk")
    assert [(p.command_id, p.command_status, p.sequence_number) for p in actor.to_esme] == [
        (c.GENERIC_NACK, c.ESME_RINVCMDLEN, 42)
    ]
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.SUBMIT_SM, c.UNBIND]
    assert actor.pair.close_esme and actor.pair.close_smsc


def test_framing_lost_by_the_smsc(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(submit(2))
    actor.smsc(accepted(2), b"\xff\xff\xff\xff")
    assert [pdu.sequence_number for pdu in actor.to_esme] == [2]
    assert actor.pair.close_esme and actor.pair.close_smsc
    assert actor.pair.lost == "framing"


@pytest.mark.parametrize("command", [c.BROADCAST_SM, 0x77, 0x12345])
def test_unknown_commands_are_nacked_and_the_link_lives(stage: Stage, command: int) -> None:
    actor = stage.actor()
    unknown = b"\x00\x00\x00\x10" + command.to_bytes(4) + bytes(4) + (5).to_bytes(4)
    actor.esme(unknown, enquire_link(6))
    assert [(p.command_id, p.command_status, p.sequence_number) for p in actor.to_esme] == [
        (c.GENERIC_NACK, c.ESME_RINVCMDID, 5)
    ]
    assert actor.raw_to_smsc() == enquire_link(6)


def test_a_pass_list_lets_an_unknown_command_through(staged: Staged) -> None:
    actor = staged(limits={"pass_commands": [0x77]}).actor()
    unknown = b"\x00\x00\x00\x10" + (0x77).to_bytes(4) + bytes(4) + (5).to_bytes(4)
    actor.esme(unknown)
    assert actor.raw_to_smsc() == unknown


def test_the_smscs_enquire_link_during_the_bind_is_answered(stage: Stage) -> None:
    actor = stage.actor(bound=False)
    actor.esme(trx())
    stage.relay.smsc_open(actor.pair, stage.now)
    actor.raw_to_smsc()
    actor.smsc(enquire_link(3))
    assert [pdu.command_id for pdu in actor.to_smsc] == [c.ENQUIRE_LINK_RESP]
    assert actor.to_esme == []


def mo(seq: int, text: str, **fields: Any) -> bytes:
    return deliver_sm(
        seq,
        source_addr=PHONE,
        destination_addr=PORT,
        data_coding=8,
        short_message=text.encode("utf-16-be"),
        **fields,
    )


def test_short_messages_of_subscribers_are_heard_and_pass(stage: Stage) -> None:
    heard: list[tuple[str, str, str]] = []
    stage.relay.heard = lambda number, subscriber, text: heard.append((number, subscriber, text))
    actor = stage.actor()
    pdus = [
        mo(1, "T"),
        mo(2, "退订", source_addr_ton=1),
        mo(3, "x" * 100),
        mo(4, "id:1 stat:DELIVRD", esm_class=c.ESM_RECEIPT),
    ]
    actor.smsc(*pdus)
    assert actor.raw_to_esme() == b"".join(pdus)
    number, subscriber = PORT.decode(), "86" + PHONE.decode()
    assert heard == [(number, subscriber, "T"), (number, subscriber, "退订")]


def test_what_comes_behind_the_last_word_is_not_heard(stage: Stage) -> None:
    actor = stage.actor()
    actor.esme(unbind(5))
    actor.smsc(response(c.UNBIND, 0, 5), unbind(9), accepted(7))
    assert actor.pair.state == CLOSED
    assert [pdu.command_id for pdu in actor.to_esme] == [c.UNBIND_RESP]


def test_a_bind_is_counted_where_it_goes_out(stage: Stage) -> None:
    def counted() -> list[int]:
        rows = {(leg, command): count for leg, command, count in stage.relay.pdus()}
        return [rows[leg, "bind_transceiver"] for leg in ("esme_in", "smsc_out")]

    refused, actor = stage.actor(bound=False), stage.actor(bound=False)
    refused.esme(trx(system_id=b"nobody"))
    actor.esme(trx())
    assert counted() == [2, 0]
    stage.relay.smsc_open(actor.pair, stage.now)
    assert counted() == [2, 1]
    stage.relay.smsc_lost(actor.pair, stage.now)
    stage.relay.smsc_open(actor.pair, stage.now)
    assert counted() == [2, 2]
