"""Any bytes on either leg, in any state: an answer or a closed link, never an exception, never another pair's bytes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portguard.policy.options import PolicyOptions
from portguard.relay.outstanding import Originals
from portguard.smpp import constants as c
from portguard.smpp.encode import bind, enquire_link, replace_sm, response, unbind
from portguard.smpp.framing import Framer
from portguard.smpp.session import CLOSED
from tests.relay.stage import Actor, Stage, accepted, submit

LIMIT = 4096
Steps = list[tuple[str, list[bytes]]]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder: Path = tmp_path_factory.mktemp("any_bytes")
    return Stage(folder, PolicyOptions(mode="tag", discard_receipt=True), max_pdu=LIMIT)


def framed(command_id: int, status: int, seq: int, body: bytes) -> bytes:
    return response(command_id & 0x7FFFFFFF, 0, 0)[:0] + b"".join(
        number.to_bytes(4) for number in (16 + len(body), command_id, status, seq)
    ) + body


command_ids = st.one_of(st.sampled_from(sorted(c.COMMAND_NAME)), st.integers(0, 0xFFFFFFFF))
sequences = st.one_of(st.integers(0, 9), st.integers(0x7FFEFFFF, 0x80000001), st.integers(0, 0xFFFFFFFF))
loose = st.builds(framed, command_ids, st.integers(0, 0xFFFFFFFF), sequences, st.binary(max_size=80))
sound = st.sampled_from(
    [
        bind(c.BIND_TRANSCEIVER, 1, system_id=b"star"),
        bind(c.BIND_RECEIVER, 1, system_id=b"star"),
        submit(2),
        submit(3, "no signature", registered_delivery=1),
        enquire_link(4),
        unbind(5),
        response(c.UNBIND, 0, 5),
        response(c.BIND_TRANSCEIVER, 0, 1, b"smsc\0"),
        accepted(2),
        replace_sm(6, message_id=b"77aa", source_addr=b"1", short_message=b"x"),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound message with an octet or two changed behind the header."""
    pdu = bytearray(draw(st.sampled_from([submit(2), submit(3, tlvs=[(0x0424, b"\x30\x10"), (0x1D01, b"\1")])])))
    for _ in range(draw(st.integers(1, 3))):
        pdu[draw(st.integers(16, len(pdu) - 1))] = draw(st.integers(0, 255))
    return bytes(pdu)


chunks = st.lists(st.one_of(sound, loose, damaged(), st.binary(max_size=30)), max_size=8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("esme"), chunks),
        st.tuples(st.just("smsc"), chunks),
        st.tuples(st.sampled_from(["smsc_open", "smsc_lost", "smsc_failed", "esme_eof", "drain_one"]), st.just([])),
        st.tuples(st.just("later"), st.just([])),
    ),
    max_size=8,
)


def act(stage: Stage, actor: Actor, what: str, pdus: list[bytes], *, piecemeal: bool) -> None:
    relay, pair = stage.relay, actor.pair
    if what in ("esme", "smsc"):
        say = actor.esme if what == "esme" else actor.smsc
        if piecemeal:
            for octet in b"".join(pdus):
                say(bytes([octet]))
        else:
            say(*pdus)
    elif what == "later":
        stage.later(1.1)
    elif what == "drain_one":
        relay.end(pair, stage.now)
    elif what != "smsc_open" or pair.want_smsc:
        pair.want_smsc = False
        getattr(relay, what)(pair, stage.now)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(steps=steps, bound=st.booleans())
def test_nothing_escapes_and_nobody_else_is_hurt(stage: Stage, steps: Steps, bound: bool) -> None:
    neighbour = stage.actor()
    outcomes = []
    for piecemeal in (False, True):
        # Both start with the same numbers, caps and ids behind them, or the bytes could not be compared.
        stage.relay.originals = Originals(stage.relay.originals.most)
        actor = stage.actor(bound=bound)
        for what, pdus in steps:
            act(stage, actor, what, pdus, piecemeal=piecemeal)
        to_esme, to_smsc = actor.raw_to_esme(), actor.raw_to_smsc()
        Framer(1 << 20).feed(to_esme), Framer(1 << 20).feed(to_smsc)  # whole PDUs, whatever came in
        outcomes.append((actor.pair.state, actor.pair.close_esme, actor.pair.close_smsc))
        stage.relay.closed(actor.pair)
    assert outcomes[0] == outcomes[1]
    assert stage.relay.faults == []
    neighbour.raw_to_esme()
    if neighbour.pair.state != CLOSED:
        neighbour.esme(submit(9))
        neighbour.smsc(accepted(9, b"n"))
        assert neighbour.raw_to_esme() == accepted(9, b"n")
    stage.relay.closed(neighbour.pair)
    assert stage.relay.idle()
    stage.relay.dirty.clear()
