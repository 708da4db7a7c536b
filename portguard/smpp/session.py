"""Bind states: what a link may carry, and how it comes to carry it, as literal tables (SMPP 3.4 §2.2, §2.3).

A pair of links has one state, for an ESME's link and the SMSC's link behind it live and die together. It begins OPEN.
A bind on its way to the SMSC makes it BINDING; the SMSC's answer makes it BOUND_TX, BOUND_RX or BOUND_TRX, or OPEN
again. An unbind from either side makes it UNBINDING, in which only what is owed still passes, and the unbind_resp, or
the loss of the link at any time, makes it CLOSED.

Nouns: a *state*, an *event* (what moves a pair to another state), a *leg* (whose PDU is judged: the ESME's by
FROM_ESME, the SMSC's by FROM_SMSC). Reading a table never raises for anything that a peer can send: `refusal` answers
for every number. Only EVENTS is partial: a pair that it lacks cannot happen, and asking for it is a bug of the caller.
This module keeps no state itself and knows no timeouts.
"""

from typing import Final

from portguard.smpp import constants as c

OPEN: Final = 0
BINDING: Final = 1
BOUND_TX: Final = 2
BOUND_RX: Final = 3
BOUND_TRX: Final = 4
UNBINDING: Final = 5
CLOSED: Final = 6

STATE_NAME: Final[dict[int, str]] = {
    OPEN: "open",
    BINDING: "binding",
    BOUND_TX: "bound_tx",
    BOUND_RX: "bound_rx",
    BOUND_TRX: "bound_trx",
    UNBINDING: "unbinding",
    CLOSED: "closed",
}
BOUND: Final = frozenset({BOUND_TX, BOUND_RX, BOUND_TRX})

EVENT_BIND: Final = 0
EVENT_BOUND_TX: Final = 1
EVENT_BOUND_RX: Final = 2
EVENT_BOUND_TRX: Final = 3
EVENT_REFUSED: Final = 4
EVENT_UNBIND: Final = 5
EVENT_UNBOUND: Final = 6
EVENT_LOST: Final = 7

EVENT_NAME: Final[dict[int, str]] = {
    EVENT_BIND: "bind",
    EVENT_BOUND_TX: "bound as transmitter",
    EVENT_BOUND_RX: "bound as receiver",
    EVENT_BOUND_TRX: "bound as transceiver",
    EVENT_REFUSED: "bind refused",
    EVENT_UNBIND: "unbind",
    EVENT_UNBOUND: "unbind_resp",
    EVENT_LOST: "link lost",
}

EVENTS: Final[dict[tuple[int, int], int]] = {
    (OPEN, EVENT_BIND): BINDING,
    (OPEN, EVENT_LOST): CLOSED,
    (BINDING, EVENT_BOUND_TX): BOUND_TX,
    (BINDING, EVENT_BOUND_RX): BOUND_RX,
    (BINDING, EVENT_BOUND_TRX): BOUND_TRX,
    (BINDING, EVENT_REFUSED): OPEN,
    (BINDING, EVENT_UNBIND): UNBINDING,
    (BINDING, EVENT_LOST): CLOSED,
    (BOUND_TX, EVENT_UNBIND): UNBINDING,
    (BOUND_TX, EVENT_LOST): CLOSED,
    (BOUND_RX, EVENT_UNBIND): UNBINDING,
    (BOUND_RX, EVENT_LOST): CLOSED,
    (BOUND_TRX, EVENT_UNBIND): UNBINDING,
    (BOUND_TRX, EVENT_LOST): CLOSED,
    (UNBINDING, EVENT_UNBIND): UNBINDING,  # both sides asked at once
    (UNBINDING, EVENT_UNBOUND): CLOSED,
    (UNBINDING, EVENT_LOST): CLOSED,
    (CLOSED, EVENT_LOST): CLOSED,  # the second link of the pair
}

# The event that an accepted bind is.
BOUND_EVENT: Final[dict[int, int]] = {
    c.BIND_TRANSMITTER: EVENT_BOUND_TX,
    c.BIND_RECEIVER: EVENT_BOUND_RX,
    c.BIND_TRANSCEIVER: EVENT_BOUND_TRX,
}

BINDS: Final = frozenset({c.BIND_TRANSMITTER, c.BIND_RECEIVER, c.BIND_TRANSCEIVER})

# What either side may send at any time while there is a link, and what ends or answers it.
_LIVENESS: Final = frozenset({c.ENQUIRE_LINK, c.ENQUIRE_LINK_RESP, c.GENERIC_NACK})
_UNBINDS: Final = frozenset({c.UNBIND, c.UNBIND_RESP})
# Either side, in every bound state (table 2-1).
_DATA: Final = frozenset({c.DATA_SM, c.DATA_SM_RESP})
# What an ESME sends as a transmitter (table 2-1), and what answers it. The broadcasts are 5.0's, and so is replace_sm
# for a transceiver: 3.4 names BOUND_TX alone for it, which no SMSC holds to.
_SUBMITS: Final = frozenset(
    {
        c.SUBMIT_SM,
        c.SUBMIT_MULTI,
        c.QUERY_SM,
        c.CANCEL_SM,
        c.REPLACE_SM,
        c.BROADCAST_SM,
        c.QUERY_BROADCAST_SM,
        c.CANCEL_BROADCAST_SM,
    }
)
_SUBMIT_RESPS: Final = frozenset(command_id | c.RESP for command_id in _SUBMITS)
# What an SMSC sends to a receiver, and what answers it; alert_notification has no answer.
_DELIVERS: Final = frozenset({c.DELIVER_SM, c.ALERT_NOTIFICATION})
_DELIVER_RESPS: Final = frozenset({c.DELIVER_SM_RESP})
_BIND_RESPS: Final = frozenset(command_id | c.RESP for command_id in BINDS)

# state -> command_ids that the ESME may send.
FROM_ESME: Final[dict[int, frozenset[int]]] = {
    OPEN: BINDS | _LIVENESS,
    BINDING: _LIVENESS,
    BOUND_TX: _SUBMITS | _DATA | _UNBINDS | _LIVENESS,
    BOUND_RX: _DELIVER_RESPS | _DATA | _UNBINDS | _LIVENESS,
    BOUND_TRX: _SUBMITS | _DELIVER_RESPS | _DATA | _UNBINDS | _LIVENESS,
    UNBINDING: _DELIVER_RESPS | {c.DATA_SM_RESP} | _UNBINDS | _LIVENESS,
    CLOSED: frozenset(),
}
PERMITTED: Final = FROM_ESME

# state -> command_ids that the SMSC may send.
FROM_SMSC: Final[dict[int, frozenset[int]]] = {
    OPEN: _LIVENESS | {c.OUTBIND},
    BINDING: _BIND_RESPS | _UNBINDS | _LIVENESS,
    BOUND_TX: _SUBMIT_RESPS | _DATA | _UNBINDS | _LIVENESS,
    BOUND_RX: _DELIVERS | _DATA | _UNBINDS | _LIVENESS,
    BOUND_TRX: _SUBMIT_RESPS | _DELIVERS | _DATA | _UNBINDS | _LIVENESS,
    UNBINDING: _SUBMIT_RESPS | _DELIVERS | _DATA | _UNBINDS | _LIVENESS,
    CLOSED: frozenset(),
}

# Requests of the protocol: any other number without the response bit is an unknown command.
REQUESTS: Final = BINDS | _SUBMITS | _DELIVERS | {c.DATA_SM, c.ENQUIRE_LINK, c.UNBIND, c.OUTBIND}
# Requests that have no response to refuse them with.
_UNANSWERED: Final = frozenset({c.OUTBIND, c.ALERT_NOTIFICATION})

DROP: Final = -1


def refusal(permitted: dict[int, frozenset[int]], state: int, command_id: int) -> int:
    """What becomes of command_id in this state, where permitted is FROM_ESME or FROM_SMSC.

    0: permitted. Above 0: the command_status to refuse it with, in its own response, or in a generic_nack when it is
    ESME_RINVCMDID (the number is none of the protocol's). DROP: it is out of place and nothing may answer it.
    """
    if command_id in permitted[state]:
        return 0
    if state == CLOSED or command_id & c.RESP or command_id in _UNANSWERED:
        return DROP
    if command_id not in REQUESTS:
        return c.ESME_RINVCMDID
    if command_id in BINDS and state != OPEN:
        return c.ESME_RALYBND
    return c.ESME_RINVBNDSTS
