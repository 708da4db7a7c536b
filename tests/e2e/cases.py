"""One message for each rule to break, and what the sender is told."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e import tables as t
from tests.e2e.peers.client import Message, text

ESME_RINVSRCADR, ESME_RSUBMITFAIL, ESME_RTHROTTLED = 0x0A, 0x45, 0x58

PLAIN = "您好，感谢您的支持"
VERIFICATION = "您的验证码是482913，5分钟内有效，请勿告诉他人"
MARKETING = "双十一大促开始啦，全场五折，满300减50，限时抢购优惠券，回T退订"


@dataclass(frozen=True, slots=True)
class Case:
    """A message of the account `star` that breaks `rule` and nothing judged before it. `needs`: see Client.lacks."""

    rule: str
    message: Message
    status: int = ESME_RSUBMITFAIL
    needs: str = ""
    before: tuple[Message, ...] = ()


def allowed(number: int = 0) -> Message:
    """A message that nothing is wrong with."""
    return text(t.OWN, t.NORTHERN, f"【{t.STAR}】{PLAIN} {number}")


def _signed(source: str, content: str = PLAIN, signature: str = t.STAR, to: str = t.NORTHERN) -> Message:
    return text(source, to, f"【{signature}】{content}")


_UDH = b"\x05\x00\x03\x2a\x01\x01"
_STAR_TEXT = f"【{t.STAR}】{PLAIN}".encode("utf-16-be")

CASES = (
    Case("port_unregistered", _signed(t.UNREGISTERED), ESME_RINVSRCADR),
    Case("port_not_assigned", _signed(t.FOREIGN), ESME_RINVSRCADR),
    Case("sublease_inactive", _signed(t.EXPIRED_SUBLEASE), ESME_RINVSRCADR),
    Case("sublease_depth", _signed(t.DEEP_SUBLEASE), ESME_RINVSRCADR),
    Case("port_inactive", _signed(t.SUSPENDED), ESME_RINVSRCADR),
    Case("extension_too_long", _signed(t.SHORT_EXTENSION + "123"), ESME_RINVSRCADR),
    Case("source_malformed", Message("STARMALL", t.NORTHERN, _STAR_TEXT, source_ton=5), ESME_RINVSRCADR),
    Case("enterprise_inactive", _signed(t.GONE_HOLDER), ESME_RINVSRCADR),
    Case("text_undecodable", Message(t.OWN, t.NORTHERN, _STAR_TEXT[:-1])),
    Case("text_undecodable", Message(t.OWN, t.NORTHERN, f"【{t.STAR}".encode("gbk")[:-1], data_coding=15), needs="gbk"),
    Case(
        "body_ambiguous", Message(t.OWN, t.NORTHERN, _STAR_TEXT, tlvs=((0x0424, "额外".encode("utf-16-be")),)),
        needs="two-bodies",
    ),
    Case(
        "body_ambiguous",
        Message(
            t.OWN, t.NORTHERN, _UDH + _STAR_TEXT, esm_class=0x40,
            tlvs=((0x020C, b"\0\1"), (0x020E, b"\2"), (0x020F, b"\1")),
        ),
        needs="tlv",
    ),
    Case("udh_malformed", Message(t.OWN, t.NORTHERN, b"\xf0\x00\x03\x2a\x02\x01" + _STAR_TEXT, esm_class=0x40)),
    Case("signature_missing", text(t.OWN, t.NORTHERN, PLAIN)),
    Case("signature_missing", text(t.OWN, t.NORTHERN, PLAIN * 20, payload=True)),
    Case("signature_malformed", _signed(t.OWN, signature="123456")),
    Case("signature_malformed", _signed(t.OWN, signature="")),
    Case("signature_multiple", text(t.OWN, t.NORTHERN, f"【{t.STAR}】{PLAIN}【{t.MOON}】")),
    Case("signature_disguised", _signed(t.OWN, signature="星\u200b辰商城")),
    Case("signature_disguised", text(t.OWN, t.NORTHERN, f"〖{t.STAR}〗{PLAIN}")),
    Case("signature_unregistered", _signed(t.OWN, signature=t.NOBODY)),
    Case("signature_inactive", _signed(t.OWN, signature=t.OLD)),
    Case("scope_port", _signed(t.OWN, signature=t.ELSEWHERE)),
    Case("scope_provider", _signed(t.OWN, signature=t.OTHER_PROVIDER)),
    Case("scope_category", _signed(t.OWN, MARKETING, t.VERIFYING)),
    Case("scope_region", _signed(t.OWN, signature=t.NORTH, to=t.SOUTHERN)),
    Case("scope_hours", _signed(t.OWN, signature=t.NIGHT)),
    Case("scope_quota", _signed(t.OWN, signature=t.CAPPED), before=(_signed(t.OWN, signature=t.CAPPED),)),
    Case("port_category", _signed(t.NO_MARKETING, MARKETING)),
)

# The innocent neighbours of the cases: each differs in little, and passes.
PERMITTED = (
    allowed(),
    _signed(t.OWN + "88"),
    _signed(t.SUBLEASED),
    _signed(t.SUBLEASED, signature=t.ELSEWHERE),
    _signed(t.SHORT_EXTENSION + "12"),
    text(t.FREE_TEXT, t.NORTHERN, PLAIN),
    text(t.OWN, t.NORTHERN, f"{PLAIN}【{t.STAR}】"),
    text(t.OWN, t.NORTHERN, f"【{t.STAR}】{PLAIN * 20}", payload=True),
    Message(t.OWN, t.NORTHERN, _UDH + _STAR_TEXT, esm_class=0x40),
    _signed(t.OWN, VERIFICATION, t.VERIFYING),
    _signed(t.OWN, signature=t.NORTH),
    _signed(t.NO_MARKETING, VERIFICATION),
)
