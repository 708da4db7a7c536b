"""Bind states: every state with every command and every event has an answer, the specification's."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portguard.smpp import constants as c
from portguard.smpp import session as s

STATES = sorted(s.STATE_NAME)
TABLES = {"esme": s.FROM_ESME, "smsc": s.FROM_SMSC}
commands = st.one_of(st.sampled_from(sorted(c.COMMAND_NAME)), st.integers(0, 0xFFFFFFFF))


@given(st.sampled_from(sorted(TABLES)), st.sampled_from(STATES), commands)
def test_every_state_has_an_answer_to_every_number(leg: str, state: int, command_id: int) -> None:
    found = s.refusal(TABLES[leg], state, command_id)
    if command_id in TABLES[leg][state]:
        assert found == 0
    elif command_id & c.RESP or state == s.CLOSED:
        assert found == s.DROP
    elif command_id not in c.COMMAND_NAME:
        assert found == c.ESME_RINVCMDID
    else:
        assert found in (s.DROP, c.ESME_RINVBNDSTS, c.ESME_RALYBND)


@pytest.mark.parametrize(
    ("state", "command_id", "status"),
    [
        (s.OPEN, c.BIND_TRANSCEIVER, 0),
        (s.OPEN, c.ENQUIRE_LINK, 0),
        (s.OPEN, c.SUBMIT_SM, c.ESME_RINVBNDSTS),
        (s.OPEN, c.UNBIND, c.ESME_RINVBNDSTS),
        (s.OPEN, c.DELIVER_SM_RESP, s.DROP),
        (s.BINDING, c.ENQUIRE_LINK, 0),
        (s.BINDING, c.SUBMIT_SM, c.ESME_RINVBNDSTS),
        (s.BINDING, c.BIND_RECEIVER, c.ESME_RALYBND),
        (s.BOUND_TX, c.SUBMIT_SM, 0),
        (s.BOUND_TX, c.REPLACE_SM, 0),
        (s.BOUND_TX, c.BIND_TRANSMITTER, c.ESME_RALYBND),
        (s.BOUND_TX, c.DELIVER_SM_RESP, s.DROP),
        (s.BOUND_RX, c.SUBMIT_SM, c.ESME_RINVBNDSTS),
        (s.BOUND_RX, c.SUBMIT_MULTI, c.ESME_RINVBNDSTS),
        (s.BOUND_RX, c.QUERY_SM, c.ESME_RINVBNDSTS),
        (s.BOUND_RX, c.DATA_SM, 0),
        (s.BOUND_RX, c.DELIVER_SM_RESP, 0),
        (s.BOUND_TRX, c.REPLACE_SM, 0),
        (s.BOUND_TRX, c.DELIVER_SM, c.ESME_RINVBNDSTS),
        (s.BOUND_TRX, c.ALERT_NOTIFICATION, s.DROP),
        (s.BOUND_TRX, c.OUTBIND, s.DROP),
        (s.BOUND_TRX, 0x00000110, c.ESME_RINVCMDID),
        (s.BOUND_TRX, 0x80000110, s.DROP),
        (s.UNBINDING, c.SUBMIT_SM, c.ESME_RINVBNDSTS),
        (s.UNBINDING, c.DELIVER_SM_RESP, 0),
        (s.UNBINDING, c.UNBIND_RESP, 0),
        (s.CLOSED, c.ENQUIRE_LINK, s.DROP),
    ],
)
def test_what_an_esme_may_send(state: int, command_id: int, status: int) -> None:
    assert s.refusal(s.FROM_ESME, state, command_id) == status


# SMPP 3.4 table 2-1, as it is printed: command, states, issued by the ESME, issued by the SMSC. Two rows are wider in
# ours: replace_sm is BOUND_TX alone there, and enquire_link and generic_nack are not for OPEN.
_TX, _RX, _TRX = {s.BOUND_TX}, {s.BOUND_RX}, {s.BOUND_TRX}
TABLE_2_1 = [
    ("bind_transmitter", {s.OPEN}, True, False),
    ("bind_receiver", {s.OPEN}, True, False),
    ("bind_transceiver", {s.OPEN}, True, False),
    ("outbind", {s.OPEN}, False, True),
    ("unbind", _TX | _RX | _TRX, True, True),
    ("unbind_resp", _TX | _RX | _TRX, True, True),
    ("submit_sm", _TX | _TRX, True, False),
    ("submit_sm_resp", _TX | _TRX, False, True),
    ("submit_multi", _TX | _TRX, True, False),
    ("submit_multi_resp", _TX | _TRX, False, True),
    ("data_sm", _TX | _RX | _TRX, True, True),
    ("data_sm_resp", _TX | _RX | _TRX, True, True),
    ("deliver_sm", _RX | _TRX, False, True),
    ("deliver_sm_resp", _RX | _TRX, True, False),
    ("query_sm", _TX | _TRX, True, False),
    ("query_sm_resp", _TX | _TRX, False, True),
    ("cancel_sm", _TX | _TRX, True, False),
    ("cancel_sm_resp", _TX | _TRX, False, True),
    ("replace_sm", _TX | _TRX, True, False),
    ("replace_sm_resp", _TX | _TRX, False, True),
    ("enquire_link", {s.OPEN} | _TX | _RX | _TRX, True, True),
    ("enquire_link_resp", {s.OPEN} | _TX | _RX | _TRX, True, True),
    ("alert_notification", _RX | _TRX, False, True),
    ("generic_nack", {s.OPEN} | _TX | _RX | _TRX, True, True),
]


@pytest.mark.parametrize(("command", "states", "by_esme", "by_smsc"), TABLE_2_1)
def test_the_specification_s_table(command: str, states: set[int], by_esme: bool, by_smsc: bool) -> None:
    command_id = c.COMMAND_BY_NAME[command]
    for state in (s.OPEN, *s.BOUND):
        assert (command_id in s.FROM_ESME[state]) is (by_esme and state in states)
        assert (command_id in s.FROM_SMSC[state]) is (by_smsc and state in states)


def test_every_state_is_in_every_table() -> None:
    for table in TABLES.values():
        assert sorted(table) == STATES
        assert all(command_id in c.COMMAND_NAME for permitted in table.values() for command_id in permitted)
    assert {state for state, _ in s.EVENTS} | set(s.EVENTS.values()) == set(STATES)
    assert {event for _, event in s.EVENTS} == set(s.EVENT_NAME)


def test_a_link_can_be_lost_in_every_state_and_closed_is_for_good() -> None:
    for state in STATES:
        assert s.EVENTS[state, s.EVENT_LOST] == s.CLOSED
    assert {found for (state, _), found in s.EVENTS.items() if state == s.CLOSED} == {s.CLOSED}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, sorted(s.EVENT_NAME))))
def test_every_state_and_event(state: int, event: int) -> None:
    found = s.EVENTS.get((state, event))
    if event in s.BOUND_EVENT.values():
        assert (found in s.BOUND) is (state == s.BINDING)
    elif event == s.EVENT_BIND:
        assert found == (s.BINDING if state == s.OPEN else None)
    elif event == s.EVENT_UNBIND:
        assert found == (s.UNBINDING if state in {s.BINDING, s.UNBINDING, *s.BOUND} else None)


def test_every_bound_state_is_reached_by_its_bind_and_left_by_unbind() -> None:
    for event in s.BOUND_EVENT.values():
        state = s.OPEN
        for step in (s.EVENT_BIND, event, s.EVENT_UNBIND, s.EVENT_UNBOUND, s.EVENT_LOST):
            state = s.EVENTS[state, step]
        assert state == s.CLOSED
    assert s.EVENTS[s.EVENTS[s.OPEN, s.EVENT_BIND], s.EVENT_REFUSED] == s.OPEN
