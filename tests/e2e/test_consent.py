"""Consent on the wire: a T to a number that five brands share stops the right one's marketing, and nobody else's."""

from __future__ import annotations

import json

import pytest

from portguard.smpp import constants as c
from portguard.smpp import encode
from portguard.smpp.pdu import Pdu
from tests.e2e import raw
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import WORKERS, Daemon, run_portguard
from tests.e2e.peers.client import text
from tests.e2e.raw import RawLink, RawSmsc
from tests.e2e.tables import Tables
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

NUMBER = "1069000188"
BRANDS = ["春山", "夏河", "秋原", "冬岭", "晴川"]
PHONE, OTHER = "13910001234", "13910005678"
OFFER = "双十一全场五折，满300减50，优惠券限时抢购，退订回T"
CONSENT = '\n[consent]\npath = "consent"\n'


def shared() -> Tables:
    """A number of a hub's, from which five enterprises' brands are sent."""
    owners = [f"brand{n}" for n in range(len(BRANDS))]
    return {
        "enterprises": [{"id": "hub", "kind": "sp"}, *({"id": owner, "kind": "sp"} for owner in owners)],
        "accounts": [{"system_id": "hub", "enterprise": "hub"}],
        "ports": [{"port": NUMBER, "holder": "hub", "signature_required": "true"}],
        "signatures": [{"signature": b, "enterprise": o} for b, o in zip(BRANDS, owners, strict=True)],
        "scopes": [
            {"signature": b, "enterprise": o, "port": NUMBER, "provider": "hub"}
            for b, o in zip(BRANDS, owners, strict=True)
        ],
    }


@pytest.fixture
def daemon(raw_smsc: RawSmsc, make_daemon: MakeDaemon) -> Daemon:
    """Every brand has both subscribers' opt-in, imported by the command."""
    made = make_daemon(raw_smsc.port, more=CONSENT, registry=shared())
    rows = made.folder / "consents.jsonl"
    rows.write_text(
        "".join(
            json.dumps(
                {"enterprise": f"brand{n}", "subscriber": phone, "granted_at": "2026-01-01", "source": "opt-in"}
            )
            + "\n"
            for n in range(len(BRANDS))
            for phone in (PHONE, OTHER)
        ),
        encoding="utf-8",
    )
    imported = run_portguard("consent", "import", "-c", str(made.settings), str(rows), folder=made.folder)
    assert imported.returncode == 0, imported.stderr
    made.start()
    return made


class Sender:
    """An ESME link and the SMSC's end of it."""

    def __init__(self, daemon: Daemon, smsc: RawSmsc, number: int) -> None:
        self.esme: RawLink = raw.bind(daemon.port, "hub")
        self.smsc = smsc.link(number)
        self._sequence = 10

    def offer(self, brand: str, phone: str = PHONE) -> int:
        """The status of an offer: the SMSC's own where it was passed on."""
        self._sequence += 1
        self.esme.send(raw.submit(self._sequence, text(NUMBER, phone, f"【{brand}】{OFFER}")))
        if brand not in self.refused:
            pdu = self.smsc.expect(c.SUBMIT_SM)
            self.smsc.send(encode.message_resp(c.SUBMIT_SM, 0, pdu.sequence_number, message_id=b"1"))
        answer = self.esme.pdu()
        assert answer is not None and answer.command_id == c.SUBMIT_SM_RESP
        return answer.command_status

    refused: frozenset[str] = frozenset()

    def reply(self, words: str, phone: str = PHONE) -> Pdu:
        """A subscriber's message to the number, as the ESME sees it."""
        self.smsc.send(
            encode.deliver_sm(
                77, source_addr=phone.encode(), destination_addr=NUMBER.encode(), data_coding=8,
                short_message=words.encode("utf-16-be"),
            )
        )
        heard: Pdu = self.esme.expect(c.DELIVER_SM)
        self.esme.send(encode.message_resp(c.DELIVER_SM, 0, 77))
        self.smsc.expect(c.DELIVER_SM_RESP)
        return heard


def test_a_t_stops_whoever_sent_last(daemon: Daemon, raw_smsc: RawSmsc) -> None:
    first, second = Sender(daemon, raw_smsc, 0), Sender(daemon, raw_smsc, 1)
    assert [first.offer(brand) for brand in (BRANDS[0], BRANDS[1], BRANDS[2])] == [0, 0, 0]
    assert second.reply("我想问一下").fields["short_message"] == "我想问一下".encode("utf-16-be")
    assert second.offer(BRANDS[2]) == 0, "a question is no refusal"
    assert second.reply(" Ｔ。").fields["destination_addr"] == NUMBER.encode(), "the reply passes all the same"
    first.refused = second.refused = frozenset([BRANDS[2]])
    if WORKERS > 1:
        until(lambda: daemon.metric("portguard_consent_optouts_total") == 1, "the workers to have asked each other")
    assert first.offer(BRANDS[2]) == c.ESME_RSUBMITFAIL, "on another connection, at once"
    assert [first.offer(brand) for brand in (BRANDS[0], BRANDS[1], BRANDS[3], BRANDS[4])] == [0, 0, 0, 0]
    first.refused = frozenset()
    assert first.offer(BRANDS[2], OTHER) == 0, "another subscriber"
    assert daemon.metric("portguard_messages_total", rule="consent_revoked") == 1
    until(lambda: daemon.metric("portguard_consent_uncommitted") == 0, "the opt-out to be on disk")
    checked = run_portguard(
        "consent", "check", "-c", str(daemon.settings), "brand2", PHONE, folder=daemon.folder
    )
    assert "reply" in checked.stdout, checked.stdout + checked.stderr


def test_where_nobody_is_remembered_it_stops_all_that_may_send_from_there(
    daemon: Daemon, raw_smsc: RawSmsc
) -> None:
    sender = Sender(daemon, raw_smsc, 0)
    sender.reply("退订")
    until(lambda: daemon.metric("portguard_consent_optouts_total") == 1, "the opt-out to be heard")
    until(lambda: daemon.metric("portguard_consent_uncommitted") == 0, "the opt-outs to be on disk")
    sender.refused = frozenset(BRANDS)
    until(lambda: sender.offer(BRANDS[4]) == c.ESME_RSUBMITFAIL, "the scopes to be looked through")
    assert {sender.offer(brand) for brand in BRANDS} == {c.ESME_RSUBMITFAIL}


def test_marketing_without_consent_is_refused_and_other_content_is_not(
    daemon: Daemon, raw_smsc: RawSmsc
) -> None:
    sender = Sender(daemon, raw_smsc, 0)
    sender.refused = frozenset(BRANDS)
    assert sender.offer(BRANDS[0], "13800138000") == c.ESME_RSUBMITFAIL
    assert daemon.metric("portguard_messages_total", rule="consent_missing") == 1
    code = text(NUMBER, "13800138000", f"【{BRANDS[0]}】您的验证码是482913，5分钟内有效，请勿泄露。")
    sender.esme.send(raw.submit(99, code))
    assert sender.smsc.expect(c.SUBMIT_SM).sequence_number == 99
