"""The table: messages, and the action and rule that each is designed to get under `registry.TABLES`, mode "enforce".

`breaks(code, ...)` is a message that the rule refuses; `keeps(code, ...)` is its innocent twin, which comes as near to
breaking that rule and is allowed. Where a twin cannot be allowed the row says what it gets instead. The order matters
where something is counted: rates and daily caps.
"""

from __future__ import annotations

from dataclasses import dataclass

from portguard.smpp import encode
from portguard.smpp.fields import SmeAddress
from tests.policy.registry import AT
from tests.policy.wire import (
    CONCAT_HEADER,
    GUANGDONG,
    OWN_VERDICT,
    PAYLOAD,
    SAR,
    submit,
    ucs2,
)

CODE = "您的验证码是123456，5分钟内有效，请勿泄露给他人。"
PARCEL = "您的快递已到驿站，请凭取件码8866尽快领取。"
SALE = "双十一全场五折，满300减50，优惠券限时抢购，退订回T"
LOAN = "低息贷款，额度高达20万，最快三分钟到账，点击申请，退订回T"
UNKNOWN = "今日天气晴"

NORTH, EAST, SOUTH, ABROAD = "13910001234", "13916001234", "13918001234", "+85291234567"


@dataclass(frozen=True)
class Case:
    """A message and its designed verdict; `about` is the rule it is there for, `code` the one it gets (or 0)."""

    about: int
    action: str
    code: int
    why: str
    account: str = "first"
    source: str = "106900011"
    dest: str = NORTH
    text: str = "【星辰商城】" + CODE
    coding: int = 8
    at: str = AT
    pdu: bytes = b""


def breaks(about: int, why: str, **fields: object) -> Case:
    """Refused by the rule."""
    return Case(about, "reject", about, why, **fields)  # type: ignore[arg-type]


def keeps(about: int, why: str, **fields: object) -> Case:
    """As near as can be to the rule, and allowed."""
    return Case(about, "allow", 0, why, **fields)  # type: ignore[arg-type]


def gets(about: int, code: int, why: str, **fields: object) -> Case:
    """Does not break the rule, but another."""
    return Case(about, "reject", code, why, **fields)  # type: ignore[arg-type]


BODY = ucs2("【星辰商城】" + CODE)
OK = "106900011"

ACCOUNT = [
    keeps(600, "the first of two a second", account="slow"),
    keeps(600, "the second of two a second", account="slow"),
    breaks(600, "the third in the same second", account="slow"),
    keeps(600, "half a second later there is room for one", account="slow", at="2026-11-11T10:00:00.500"),
    breaks(600, "and for no other", account="slow", at="2026-11-11T10:00:00.600"),
    keeps(600, "a second later there is room again", account="slow", at="2026-11-11T10:00:02"),
    breaks(601, "suspended", account="off"),
    breaks(601, "revoked", account="over"),
    breaks(601, "not on file", account="nobody"),
    breaks(601, "system_ids are case-sensitive", account="First"),
    keeps(601, "active"),
]

NUMBER = [
    breaks(106, "no source_addr at all", source=""),
    breaks(106, "letters", source="BANK"),
    breaks(106, "digits and a letter", source="10690001a"),
    breaks(106, "a plus is no digit", source="+106900011"),
    breaks(106, "digits, but TON 5 says alphanumeric", pdu=submit(OK, BODY, source_ton=5)),
    breaks(106, "21 digits, which only data_sm can carry",
           pdu=encode.data_sm(1, source_addr=b"1" * 21, destination_addr=b"1", data_coding=8, tlvs=[(PAYLOAD, BODY)])),
    keeps(106, "TON 1 with digits", pdu=submit(OK, BODY, source_ton=1)),
    keeps(106, "20 digits", source="10690008123456789012"),
    breaks(100, "nothing registered begins so", source="10770001"),
    breaks(100, "shorter than any port", source="1069000"),
    keeps(100, "exactly a port", source="10690001"),
    breaks(101, "held by first, never leased to tea", account="tea"),
    breaks(101, "the carve-out belongs to bank alone", source="10690001991"),
    keeps(101, "bank on its carve-out", account="bank", source="10690001991"),
    keeps(101, "the number beside the carve-out", source="106900019"),
    breaks(101, "leased exclusively to tea, so first has it no more", source="1069000851"),
    keeps(101, "tea has it now", account="tea", source="1069000851"),
    keeps(101, "an exclusive sublease that is over takes nothing", source="1069000861"),
    breaks(101, "tea leases 106900085, not the port above it", account="tea", source="106900084"),
    keeps(101, "second leases the port", account="second"),
    breaks(102, "expired yesterday", account="second", source="106900111"),
    breaks(102, "begins tomorrow", account="third", source="106900111"),
    breaks(102, "suspended", account="bank", source="106900111"),
    breaks(102, "revoked", account="tea", source="106900111"),
    keeps(102, "a sublease on its last day", account="second", source="1069001131", at="2026-11-11T23:59:59"),
    breaks(102, "and a second later", account="second", source="1069001131", at="2026-11-12T00:00:00"),
    keeps(102, "the sublease that ended yesterday, the day before", account="second", source="106900111",
          at="2026-11-09T12:00:00"),
    breaks(102, "tried for two days, and the sublease ends today", account="second",
           pdu=submit("1069001131", BODY, validity=b"000002000000000R")),
    keeps(102, "tried until this evening", account="second",
          pdu=submit("1069001131", BODY, validity=b"000000120000000R")),
    breaks(103, "leased on once more than sublease_depth permits", account="third"),
    keeps(103, "the same number one link earlier", account="second", source="1069000112"),
    breaks(104, "suspended", source="106900021"),
    breaks(104, "revoked", source="10690012"),
    breaks(104, "ended yesterday", source="10690003"),
    keeps(104, "two days before, it had not", source="10690003", at="2026-11-09T10:00:00"),
    breaks(104, "begins tomorrow", source="10690004"),
    keeps(104, "tomorrow", source="10690004", at="2026-11-12T00:00:00"),
    keeps(104, "a single day, in the morning", source="10690013", at="2026-11-11T00:00:00"),
    breaks(104, "the evening before it", source="10690013", at="2026-11-10T23:59:59"),
    breaks(104, "valid for a day longer than the port", pdu=submit("10690013", BODY, validity=b"261112235959032+")),
    keeps(104, "valid as long as the port", pdu=submit("10690013", BODY, validity=b"261111235959032+")),
    breaks(104, "a time to live beyond the port's",
           pdu=encode.data_sm(1, source_addr=b"10690013", destination_addr=NORTH.encode(), data_coding=8,
                              tlvs=[(PAYLOAD, BODY), (0x0017, (86400).to_bytes(4))])),
    breaks(105, "five digits where four are allowed", source="1069000112345"),
    keeps(105, "four digits", source="106900011234"),
    breaks(105, "one digit where none is allowed", source="106900101"),
    keeps(105, "none", source="10690010"),
    keeps(105, "blank: up to 20 digits in all", source="106900081"),
    breaks(107, "the account's enterprise is suspended", account="frozen", source="106900051"),
    breaks(107, "the holder is suspended", source="106900051"),
    breaks(107, "the signature's enterprise is suspended", text="【冻结商行】" + CODE),
    keeps(107, "one of two registrations belongs to an active enterprise", text="【同名品牌】" + CODE),
]

BODIES = [
    breaks(150, "an odd number of octets under UCS-2", pdu=submit(OK, BODY[:-1])),
    breaks(150, "half a surrogate pair", pdu=submit(OK, BODY + b"\xd8\x3d")),
    breaks(150, "8-bit data without the allowance", pdu=submit(OK, b"\x01\x02", coding=4)),
    breaks(150, "the same in a general data coding group", pdu=submit(OK, b"\x01\x02", coding=0xF5)),
    breaks(150, "a reserved data_coding", pdu=submit(OK, BODY, coding=0x99)),
    breaks(150, "an octet that GSM 7-bit does not have", pdu=submit("106900081", b"caf\xc3", coding=0)),
    breaks(150, "a sm_default_msg_id that is not listed", pdu=submit("106900081", b"", default_msg_id=3)),
    breaks(150, "bad GBK", pdu=submit("106900081", b"\x81", coding=15)),
    breaks(150, "a byte order mark of the other order, which handsets heed",
           pdu=submit(OK, b"\xff\xfe" + ("【星辰商城】" + CODE).encode("utf-16-le"))),
    breaks(150, "an alphabet that is not read: the Hindi locking shift table",
           pdu=submit("106900081", b"\x03\x25\x01\x06" + b"hello", coding=0, udhi=True)),
    breaks(150, "a picture in the header", pdu=submit(OK, b"\x06\x12\x04\x01\x01\xff\x00" + BODY, udhi=True)),
    keeps(150, "the same from an account that may send binary", account="binary",
          pdu=submit(OK, b"\x06\x12\x04\x01\x01\xff\x00" + BODY, udhi=True)),
    keeps(150, "a header that names the default alphabet",
          pdu=submit("106900081", b"\x03\x24\x01\x00" + b"Your verification code is 123456", coding=0, udhi=True)),
    keeps(150, "an emoji is a whole surrogate pair", text="【星辰商城】" + CODE + "😀"),
    keeps(150, "a byte order mark in front", pdu=submit(OK, b"\xfe\xff" + BODY)),
    keeps(150, "8-bit data with the allowance", account="binary", pdu=submit(OK, b"\x01\x02", coding=4)),
    keeps(150, "GSM 7-bit", source="106900081", text="Your verification code is 123456", coding=0),
    keeps(150, "packed GSM 7-bit, as this account's", account="packed", source="106900081",
          text="Your verification code is 123456", coding=0),
    keeps(150, "GBK under 15", text="【星辰商城】" + CODE, coding=15),
    keeps(150, "GBK under 0, as this account's", account="gbk", text="【星辰商城】" + CODE, coding=0),
    keeps(150, "latin-1", source="106900081", text="Vérification: 123456", coding=3),
    breaks(151, "text in short_message and in message_payload", pdu=submit(OK, BODY, tlvs=[(PAYLOAD, BODY)])),
    breaks(151, "two message_payload", pdu=submit(OK, b"", tlvs=[(PAYLOAD, BODY), (PAYLOAD, BODY)])),
    breaks(151, "a header and SAR TLVs",
           pdu=submit(OK, CONCAT_HEADER + BODY, udhi=True, tlvs=[(SAR, b"\x00\x01")])),
    breaks(151, "SAR TLVs that say two things",
           pdu=submit(OK, BODY, tlvs=[(SAR, b"\x00\x01"), (0x020E, b"\x02"), (0x020F, b"\x01"), (0x020E, b"\x01")])),
    breaks(151, "two elements that make different parts of it",
           pdu=submit(OK, b"\x0a\x00\x03\x07\x02\x01\x00\x03\x08\x01\x01" + BODY, udhi=True)),
    breaks(151, "text beside a callback number", pdu=submit(OK, BODY, tlvs=[(0x0303, b"\x08" + ucs2("低息贷款"))])),
    keeps(151, "a callback number", pdu=submit(OK, BODY, tlvs=[(0x0381, b"\x01\x01\x01" + b"95588")])),
    keeps(151, "message_payload alone", pdu=submit(OK, b"", tlvs=[(PAYLOAD, BODY)])),
    keeps(151, "SAR TLVs alone", pdu=submit(OK, BODY, tlvs=[(SAR, b"\x00\x01")])),
    keeps(151, "data_sm, whose text is always in message_payload",
          pdu=encode.data_sm(1, source_addr=OK.encode(), destination_addr=NORTH.encode(), data_coding=8,
                             tlvs=[(PAYLOAD, BODY)])),
    breaks(152, "UDHI over plain text", pdu=submit(OK, BODY, udhi=True)),
    breaks(152, "a header longer than the body", pdu=submit(OK, b"\x09\x00\x03\x07", udhi=True)),
    breaks(152, "an element beyond its header", pdu=submit(OK, b"\x05\x00\x09\x07\x01\x01" + BODY, udhi=True)),
    breaks(152, "UDHI and no body", pdu=submit(OK, b"", udhi=True)),
    keeps(152, "a header of one element", pdu=submit(OK, CONCAT_HEADER + BODY, udhi=True)),
    keeps(152, "other elements first",
          pdu=submit(OK, b"\x0b\x05\x04\x00\x01\x00\x02\x00\x03\x07\x01\x01" + BODY, udhi=True)),
    keeps(152, "a header in message_payload", pdu=submit(OK, b"", udhi=True, tlvs=[(PAYLOAD, CONCAT_HEADER + BODY)])),
    Case(155, "tag", 155, "portguard's own verdict TLV", pdu=submit(OK, BODY, tlvs=[(OWN_VERDICT, b"\x00")])),
    Case(155, "tag", 155, "portguard's own category TLV, behind another",
         pdu=submit(OK, BODY, tlvs=[(0x1400, b"a"), (0x1D04, b"\x01")])),
    keeps(155, "somebody else's vendor TLVs", pdu=submit(OK, BODY, tlvs=[(0x1400, b"a"), (0x1D05, b"a")])),
]

SIGNATURE = [
    breaks(203, "zero-width space inside", text="【星辰\u200b商城】" + CODE),
    breaks(203, "bidi control inside", text="【\u202e星辰商城】" + CODE),
    breaks(203, "word joiner between bracket and text", text="\u2060【星辰商城\ufeff】" + CODE),
    breaks(203, "full-width letters", text="【Ａpple商店】" + CODE),
    breaks(203, "Cyrillic А", text="【Аpple商店】" + CODE),
    breaks(203, "Greek ο", text="【GοοdTea】" + CODE),
    breaks(203, "traditional characters", text="【雲端會議】" + CODE),
    breaks(203, "other brackets", text="〖星辰商城〗" + CODE),
    breaks(203, "square brackets under UCS-2", text="[星辰商城]" + CODE),
    breaks(203, "full-width square brackets", text="［星辰商城］" + CODE),
    breaks(203, "corner brackets at the tail", text=CODE + "「星辰商城」"),
    breaks(203, "a dot between the characters", text="【星.辰商城】" + CODE),
    breaks(203, "another case", text="【goodtea】" + CODE),
    breaks(203, "a sign in front of the bracket", text="★【星辰商城】" + CODE),
    breaks(203, "an emoji and a full stop in front", text="🎉。【太阳银行】" + CODE + "【星辰商城】"),
    breaks(203, "between bars", text="|太阳银行|" + CODE + "【星辰商城】"),
    breaks(203, "between brackets of another art", text="⦋太阳银行⦌" + CODE + "【星辰商城】"),
    breaks(203, "in parentheses", text="（太阳银行）" + CODE + "【星辰商城】"),
    breaks(203, "without its first bracket", text="太阳银行】" + CODE + "【星辰商城】"),
    breaks(203, "doubled brackets", text="【【太阳银行】】" + CODE),
    breaks(203, "turned around for the eye", text="\u202e【行银阳太】\u202c" + CODE + "【星辰商城】"),
    breaks(203, "turned around with all that follows", text="\u202e" + CODE[::-1] + "【行银阳太】\u202c【星辰商城】"),
    breaks(203, "turned around between its brackets", text="【\u202e行银阳太\u202c】" + CODE),
    keeps(203, "one's own name between ornaments is no disguise", text="★星辰商城★" + CODE + "【星辰商城】"),
    keeps(203, "signs around what is not on file", text="★重要通知★" + CODE + "【星辰商城】"),
    keeps(203, "a foreign name in the text", text="您的太阳银行卡：" + CODE + "【星辰商城】"),
    keeps(203, "a foreign name quoted in front", text="“太阳银行”已绑定：" + CODE + "【星辰商城】"),
    gets(203, 204, "in the order of its characters, which is nobody's", text="【行银阳太】" + CODE),
    keeps(203, "as it is on file", text="【Apple商店】" + CODE),
    keeps(203, "simplified, as it is on file", text="【云端会议】" + CODE),
    keeps(203, "brackets of another kind around what is not on file", source="106900081", text="「重要」" + CODE),
    keeps(203, "a word in corner brackets at the end, not on file", text="【星辰商城】" + CODE + "「重要」"),
    gets(203, 204, "one character from a signature on file, and no look-alike of it", text="【星辰商场】" + CODE),
    breaks(200, "no bracket anywhere", text=CODE),
    breaks(200, "in the middle is not at an end", text="您好【星辰商城】" + CODE),
    breaks(200, "an empty text", text=""),
    breaks(200, "a bracket that is never closed", text="【星辰商城" + CODE),
    breaks(200, "GSM text without brackets", text="Your code is 123456", coding=0),
    keeps(200, "at the head"),
    keeps(200, "at the head after white space", text="　 【星辰商城】" + CODE),
    keeps(200, "at the tail", text=CODE + "【星辰商城】"),
    keeps(200, "at the tail before white space", text=CODE + "【星辰商城】 \r\n"),
    keeps(200, "square brackets where the coding has no others", text="[GoodTea]Your verification code is 1234",
          coding=0),
    keeps(200, "the port asks for none", source="106900081", text=CODE),
    breaks(201, "empty brackets", text="【】" + CODE),
    breaks(201, "one character", text="【星】" + CODE),
    breaks(201, "thirteen characters", text="【" + "星" * 13 + "】" + CODE),
    breaks(201, "a space inside", text="【无名 小店】" + CODE),
    breaks(201, "an exclamation mark", text="【无名小店！】" + CODE),
    breaks(201, "digits only", text="【12345】" + CODE),
    gets(201, 204, "twelve characters are well formed, if unknown", text="【" + "星" * 12 + "】" + CODE),
    gets(201, 204, "letters and digits are well formed", text="【Shop24】" + CODE),
    breaks(202, "head and tail of two enterprises", text="【星辰商城】" + CODE + "【月光银行】"),
    breaks(202, "the tail in other brackets", text="【星辰商城】" + CODE + "「月光银行」"),
    breaks(202, "a foreign one right behind one's own", text="【星辰商城】【月光银行】" + CODE),
    breaks(202, "with a line and a sign between them", text="【星辰商城】\n★〖月光银行〗" + CODE),
    breaks(202, "a foreign one right before one's own at the tail", text=CODE + "【月光银行】【星辰商城】"),
    keeps(202, "what is on file to nobody, right behind it", text="【星辰商城】【物流通知】" + CODE),
    keeps(202, "a foreign name quoted right behind it", text="【星辰商城】「月光银行」卡已绑定，" + CODE),
    keeps(202, "a foreign one that ends a sentence, and one's own", text=CODE + "凭【月光银行】。【星辰商城】"),
    keeps(202, "twice the same", text="【星辰商城】" + CODE + "【星辰商城】"),
    keeps(202, "two of one enterprise", text="【星辰商城】" + CODE + "【Apple商店】"),
    keeps(202, "a tail that nobody has on file", text="【星辰商城】" + CODE + "【菜鸟】"),
    keeps(202, "another brand in the middle", text="【星辰商城】凭【月光银行】" + CODE),
    keeps(202, "a tail that shares an enterprise with the head", text="【星辰商城】" + CODE + "【同名品牌】"),
    breaks(204, "not on file", text="【无名小店】" + CODE),
    breaks(204, "not on file, at the tail", text=CODE + "【无名小店】"),
    breaks(204, "only a part of one on file", text="【星辰】" + CODE),
    breaks(204, "more than one on file", text="【星辰商城客服】" + CODE),
    breaks(204, "not on file, in GSM brackets", text="[GoodCoffee]Your verification code is 1234", coding=0),
    breaks(204, "not on file, although the port asks for none", source="106900081", text="【无名小店】" + CODE),
    keeps(204, "on file", text="【同名品牌】" + CODE),
    breaks(205, "ended yesterday", text="【旧日商行】" + CODE),
    breaks(205, "begins tomorrow", text="【未来商行】" + CODE),
    breaks(205, "suspended", text="【停用商行】" + CODE),
    breaks(205, "revoked", text="【注销商行】" + CODE),
    keeps(205, "one of two registrations is in force", text="【同名品牌】" + CODE),
    keeps(205, "on its only day, to the last second", text="【今日商行】" + CODE, at="2026-11-11T23:59:59"),
    breaks(205, "a second later", text="【今日商行】" + CODE, at="2026-11-12T00:00:00"),
    keeps(205, "ended yesterday, the day before", text="【旧日商行】" + CODE, at="2026-11-10T23:59:59"),
    breaks(205, "tried beyond its last day", pdu=submit(OK, ucs2("【今日商行】" + CODE), validity=b"000001000000000R")),
    keeps(205, "tried to the end of it", pdu=submit(OK, ucs2("【今日商行】" + CODE), validity=b"261111235959032+")),
    breaks(205, "scheduled for the day after its last",
           pdu=submit(OK, ucs2("【今日商行】" + CODE), schedule=b"261112000000032+")),
    keeps(205, "scheduled for when it begins",
          pdu=submit(OK, ucs2("【未来商行】" + CODE), schedule=b"000001000000000R")),
]

SCOPE = [
    breaks(300, "no scope at all", text="【无处商行】" + CODE),
    breaks(300, "scopes for other numbers only", text="【星辰专线】" + CODE),
    keeps(300, "its number", source="1069000812", text="【星辰专线】" + CODE),
    keeps(300, "a number that begins with its number", source="10690008121", text="【星辰专线】" + CODE),
    breaks(300, "a scope that is suspended", source="1069000813", text="【星辰专线】" + CODE),
    breaks(300, "a scope that is over", source="1069000814", text="【星辰专线】" + CODE),
    breaks(300, "the number is kept by the signature registered for it first", source="106900091"),
    keeps(300, "that signature on it", source="106900091", text="【云端会议】" + CODE),
    keeps(300, "a number of the same port that nobody keeps", source="106900093"),
    keeps(300, "kept by this signature", source="106900092"),
    breaks(301, "through second only", text="【星辰代发】" + CODE),
    keeps(301, "through second", account="second", text="【星辰代发】" + CODE),
    keeps(301, "blank provider: the holder of the scope's port", text="【星辰自营】" + CODE),
    keeps(301, "blank provider: a lessee of the scope's port", account="second", text="【星辰自营】" + CODE),
    breaks(301, "blank provider: bank has the number, but not the scope's port", account="bank", source="1069000199",
           text="【星辰自营】" + CODE),
    keeps(301, "*: anyone who may send there", account="bank", source="1069000199", text="【月光银行】" + CODE),
    breaks(302, "a verification signature carrying marketing", text="【验证专用】" + SALE),
    breaks(302, "a verification signature carrying a notice", text="【验证专用】" + PARCEL),
    breaks(302, "验证码 hung on marketing", text="【验证专用】验证码1234，" + SALE),
    keeps(302, "a verification signature carrying a code", text="【验证专用】" + CODE),
    keeps(302, "content that cannot be told", text="【验证专用】" + UNKNOWN),
    breaks(302, "marketing of another industry", text="【星辰零售】" + LOAN),
    keeps(302, "marketing of its industry", text="【星辰零售】" + SALE),
    keeps(302, "a template decides, whatever the words", text="【星辰模板】8866，请在页面上输入"),
    keeps(302, "no categories: all", text="【星辰商城】" + LOAN),
    breaks(303, "outside the scope's regions", text="【星辰北京】" + CODE, dest=SOUTH),
    keeps(303, "inside", text="【星辰北京】" + CODE, dest=NORTH),
    keeps(303, "inside, with the country's code", text="【星辰北京】" + CODE, dest="+86" + NORTH),
    breaks(303, "outside, with the country's code", text="【星辰北京】" + CODE, dest="86" + SOUTH),
    breaks(303, "outside, with 0086", text="【星辰北京】" + CODE, dest="0086" + SOUTH),
    keeps(303, "the longest prefix decides", text="【星辰北京】" + CODE, dest="13918009912"),
    keeps(303, "an unknown region never fires", text="【星辰北京】" + CODE, dest="13000000000"),
    keeps(303, "nor does one abroad", text="【星辰北京】" + CODE, dest=ABROAD),
    breaks(303, "outside the port's regions", source="106900071", dest=SOUTH),
    breaks(303, "outside the port's regions, without a signature", source="106900071", text=CODE, dest=SOUTH),
    keeps(303, "in one of the port's regions", source="106900071", dest=EAST),
    breaks(303, "both recipients are outside", pdu=encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰北京】" + CODE),
        dest_address=[SmeAddress(1, 1, GUANGDONG), SmeAddress(1, 1, GUANGDONG)])),
    keeps(303, "one recipient of two is outside: that one alone is taken out", pdu=encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰北京】" + CODE),
        dest_address=[SmeAddress(1, 1, NORTH.encode()), SmeAddress(1, 1, GUANGDONG)])),
    keeps(303, "both recipients are inside", pdu=encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰北京】" + CODE),
        dest_address=[SmeAddress(1, 1, NORTH.encode()), SmeAddress(1, 1, b"13910001235")])),
    breaks(304, "from 10:00 on it is too late", text="【星辰白天】" + CODE, at="2026-11-11T10:00:00"),
    keeps(304, "a minute before", text="【星辰白天】" + CODE, at="2026-11-11T09:59:59"),
    breaks(304, "before 08:00", text="【星辰白天】" + CODE, at="2026-11-11T07:59:59"),
    keeps(304, "its other hours", text="【星辰白天】" + CODE, at="2026-11-11T14:00:00"),
    keeps(304, "after midnight, in hours over midnight", text="【星辰夜间】" + CODE, at="2026-11-12T00:30:00"),
    keeps(304, "before midnight", text="【星辰夜间】" + CODE, at="2026-11-11T22:00:00"),
    breaks(304, "in the morning, when they are over", text="【星辰夜间】" + CODE, at="2026-11-11T06:00:00"),
    keeps(304, "the zone of the row counts", text="【星辰夜间】" + CODE, at="2026-11-11T15:00:00Z"),
    breaks(304, "sent in its hours for a time outside them",
           pdu=submit(OK, ucs2("【星辰夜间】" + CODE), schedule=b"261112120000032+"), at="2026-11-11T23:00:00"),
    keeps(304, "sent outside its hours for a time in them",
          pdu=submit(OK, ucs2("【星辰夜间】" + CODE), schedule=b"261111150000000+")),
    breaks(300, "tried beyond the scope's last day", at="2026-11-10T12:00:00",
           pdu=submit("1069000814", ucs2("【星辰专线】" + CODE), validity=b"000001000000000R")),
    keeps(300, "tried within it", at="2026-11-10T12:00:00",
          pdu=submit("1069000814", ucs2("【星辰专线】" + CODE), validity=b"000000110000000R")),
    keeps(305, "the first of two a day", text="【星辰限量】" + CODE),
    gets(305, 300, "a refused one is not counted", source="106900091", text="【星辰限量】" + CODE),
    keeps(305, "the second", text="【星辰限量】" + CODE, at="2026-11-11T23:59:00"),
    breaks(305, "the third on the same day", text="【星辰限量】" + CODE, at="2026-11-11T23:59:30"),
    keeps(305, "the next day", text="【星辰限量】" + CODE, at="2026-11-12T00:00:00"),
    keeps(305, "three recipients where one is left: that one alone", at="2026-11-12T00:00:00", pdu=encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰限量】" + CODE),
        dest_address=[SmeAddress(1, 1, b"1391000123%d" % n) for n in range(3)])),
    breaks(305, "three recipients where none is left", at="2026-11-12T00:00:00", pdu=encode.submit_multi(
        1, source_addr=OK.encode(), data_coding=8, short_message=ucs2("【星辰限量】" + CODE),
        dest_address=[SmeAddress(1, 1, b"1391000123%d" % n) for n in range(3)])),
    breaks(306, "marketing of another industry than the port's", source="106900061", text="【星辰商城】" + LOAN),
    breaks(306, "without a signature too", source="106900061", text=LOAN),
    keeps(306, "marketing of the port's industry", source="106900061", text="【星辰商城】" + SALE),
    keeps(306, "a category of the port", source="106900061"),
    keeps(306, "content that cannot be told", source="106900061", text="【星辰商城】" + UNKNOWN),
    breaks(306, "content outside the sublease", account="bank", source="106900081", text="【月光银行】" + PARCEL),
    keeps(306, "content inside the sublease", account="bank", source="106900081", text="【月光银行】" + CODE),
    keeps(306, "the same content by the holder", source="106900081", text="【月光银行】" + PARCEL),
]

CASES = [*ACCOUNT, *NUMBER, *BODIES, *SIGNATURE, *SCOPE]

RULES = {
    600, 601, 106, 100, 101, 102, 103, 104, 105, 107, 150, 151, 152, 155, 200, 201, 202, 203, 204, 205,
    300, 301, 302, 303, 304, 305, 306,
}
