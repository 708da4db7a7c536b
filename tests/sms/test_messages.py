"""The shipped words on messages composed by rule: notices of every trade are no offers, and offers are."""

from portguard.sms.category import MARKETING, NOTIFICATION, VERIFICATION, load_default
from portguard.sms.lexicon import Lexicon
from tests.sms.corpus import Message, notices, offers

LEXICON = Lexicon(load_default())
# What a sender may put behind a notice without making it an offer.
APPENDED = ["退订回T", " 回复TD退订", " 详情点击 http://t.cn/Abc1 拒收请回复R"]


def category(text: str) -> int:
    return int(LEXICON.classify(text.encode("utf-16-be"))) // 16


def test_there_are_enough_of_them_and_of_every_trade() -> None:
    found = notices()
    assert len({message.text for message in found}) >= 400
    assert len({message.template for message in found}) >= 150
    assert len({message.group for message in found}) >= 15
    assert len({message.template for message in offers()}) >= 150


def test_notices_are_not_taken_for_offers() -> None:
    found = notices()
    wrong = [message.text for message in found if category(message.text) == MARKETING]
    assert len(wrong) <= 0.005 * len(found), wrong


def test_offers_are_told() -> None:
    found = offers()
    missed = [message.text for message in found if category(message.text) != MARKETING]
    assert len(missed) <= 0.03 * len(found), missed


def test_verification_codes_are_told() -> None:
    found = [message for message in notices() if message.category == "verification"]
    missed = [message.text for message in found if category(message.text) not in (VERIFICATION, NOTIFICATION)]
    assert len(missed) <= 0.1 * len(found), missed


def test_an_opt_out_phrase_and_a_link_make_no_offer_of_a_notice() -> None:
    found = [Message(one.text + more, *one[1:]) for one in notices(1) for more in APPENDED]
    wrong = [message.text for message in found if category(message.text) == MARKETING]
    assert len(wrong) <= 0.02 * len(found), wrong
