"""The messages of the benchmark, encoded once and known to both ends.

Nouns: a *Message* is one submit_sm with what must become of it; a *reel* is an account's endless traffic of one kind, a
ring of messages of one length whose sequence numbers run from 1. Load and sink compare every octet that comes with the
reel, so a proxy that loses, doubles, reorders or changes anything is found out, at the price of one memcmp.

The kinds: `permitted`, no rule fires; `mixed`, a day as it may be: of 80 messages 4 are refused, 3 tagged, and 8 are
parts of long ones; `hostile`, all refused, the same offences again and again; `fresh`, all refused, and no two alike;
`wide`, permitted, over signatures and ports drawn from the whole registry.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, islice
from struct import pack

from portguard.policy.desk import submit_sm_of
from portguard.smpp.constants import ESM_UDHI, ESME_RINVSRCADR, ESME_RSUBMITFAIL, SUBMIT_SM_RESP
from portguard.smpp.encode import submit_sm
from ring import Tape
from traffic import (
    ACCOUNTS,
    HEADER,
    PDU_OCTETS,
    RING,
    SIGNATURES,
    filling_account,
    filling_port,
    filling_signature,
    port,
    signature,
    subscriber,
)

KINDS = ("permitted", "mixed", "hostile", "fresh", "wide")
FRESH = 2 * RING
WIDE = 1 << 17
UCS2 = 8

_FILLER = "，如有疑问请联系在线客服，我们将竭诚为您服务，感谢您一直以来的支持与信任，祝您生活愉快工作顺利"
# The text of each category: beginning and end, filled up in between.
_TEXTS = (
    ("您的验证码是{code}，五分钟内有效，请勿泄露给他人，如非本人操作请忽略", "。"),
    ("{name}您好，您的订单{code}已发货，包裹预计明日送达，请凭取件码领取", "。"),
    ("秋季新品上市，全场满三百减五十，会员专享优惠券{code}，限时抢购", "，拒收请回复R"),
)
_OFFER = "秋季新品上市，全场满三百减五十，会员专享优惠券{code}，限时抢购"
_LOAN = "低息贷款极速放款，无需抵押，额度最高五十万，利率低至三厘，申请码{code}，拒收请回复R"


@dataclass(frozen=True, slots=True)
class Message:
    """`sent` by the ESME; `passed` is what the SMSC must get, b"" when it is refused; `answer` what must come back."""

    sent: bytes
    passed: bytes
    answer: bytes


@dataclass(frozen=True)
class Reel:
    """An account's traffic. `answers` are the SMSC's, to what passed; `refusals` are portguard's own; `passes` says of
    each message which of the two it gets."""

    requests: Tape
    passed: Tape
    answers: Tape
    refusals: Tape
    passes: bytes


@cache
def reel(account: int, kind: str = "permitted", about: str = "") -> Reel:
    """The traffic of an account; the same in every process. `about`: of `mixed` the revision in force, in hex (tags
    name it); of `wide` how many rows are on file and how they are drawn, as in "1000000 zipf"."""
    makers: dict[str, Callable[[int, str], Iterator[Message]]] = {
        "permitted": _permitted, "mixed": _mixed, "hostile": _hostile, "fresh": _fresh, "wide": _wide,
    }
    messages = list(makers[kind](account, about))
    assert {len(message.sent) for message in messages} == {PDU_OCTETS}
    requests = Tape(message.sent for message in messages)
    unchanged = all(message.passed is message.sent for message in messages)
    return Reel(
        requests,
        requests if unchanged else Tape(message.passed for message in messages if message.passed),
        Tape(message.answer for message in messages if message.passed),
        Tape(message.answer for message in messages if not message.passed),
        bytes(1 if message.passed else 0 for message in messages),
    )


def _permitted(account: int, about: str) -> Iterator[Message]:
    for number in range(RING):
        yield _passing(_pdu(number, _source(account, number), message_text(account, number)))


def _hostile(account: int, about: str) -> Iterator[Message]:
    for number in range(RING):
        yield _offence(account, number, number)


def _mixed(account: int, about: str) -> Iterator[Message]:
    revision = bytes.fromhex(about)
    for number in range(RING):
        place = number % 80
        if place % 20 == 7:
            yield _offence(account, number, number // 20)
        elif place in (35, 55, 75):
            text = f"【{signature(account, 0)}】" + _OFFER.format(code=100_000 + number) + _FILLER
            pdu = _pdu(number, port(account) + "00", text[: _characters(12)])
            yield Message(pdu, _tagged(pdu, 1, 402, 3, revision), _answer(number))
        elif place % 20 in (10, 11):
            yield _passing(_part(account, number, place % 20 - 9))
        else:
            yield _passing(_pdu(number, _source(account, number), message_text(account, number)))


def _fresh(account: int, about: str) -> Iterator[Message]:
    for number in range(FRESH):
        unheard = chr(0x4E00 + number % 20_000) + chr(0x4E00 + (number * 7919 + account) % 20_000)
        if number % 2:
            text = f"【{unheard}{number % 1000:03}】" + message_text(account, number)
            yield _refused(_pdu(number, _source(account, number), text[: _characters(12)]), ESME_RSUBMITFAIL)
        else:
            source = f"1099{account}{number:07}"
            yield _refused(_pdu(number, source, message_text(account, number)), ESME_RINVSRCADR)


def _wide(account: int, about: str) -> Iterator[Message]:
    count, _, how = about.partition(" ")
    rows = [row for row in range(int(count)) if filling_account(row) == account]
    random.Random(account).shuffle(rows)
    weights = list(accumulate(1.0 / rank if how == "zipf" else 1.0 for rank in range(1, len(rows) + 1)))
    draw = random.Random(ACCOUNTS + account).random
    tail = message_text(account, 1)[6:]
    for number in range(max(RING, min(WIDE, len(rows) * ACCOUNTS))):
        row = rows[bisect(weights, draw() * weights[-1])]
        text = f"【{filling_signature(row)}】{tail}"
        yield _passing(_pdu(number, filling_port(row), text[: _characters(12)]))


# ---- one message


def _offence(account: int, number: int, which: int) -> Message:
    """A message that breaks a rule: one of six, in turn."""
    source, text = _source(account, number), message_text(account, number)
    sign = signature(account, number % SIGNATURES)
    end, body = _characters(len(source)), text[len(sign) + 2 :]
    if which % 6 == 0:  # 101: another account's port
        return _refused(_pdu(number, _source((account + 1) % ACCOUNTS, number), text), ESME_RINVSRCADR)
    if which % 6 == 1:  # 100: nobody's port
        return _refused(_pdu(number, f"1099{number % 100:08}", text), ESME_RINVSRCADR)
    if which % 6 == 2:  # 204: not on file
        text = f"【未登记的品牌{number % 10}】{body}"
    elif which % 6 == 3:  # 200: no signature
        text = body + _FILLER
    elif which % 6 == 4:  # 203: other brackets and a zero-width space
        text = f"〖{sign[0]}\u200b{sign[1:]}〗{body}"
    else:  # 302: another industry than the scope has
        odd = number % SIGNATURES | 1
        source = _source(account, odd)
        text = f"【{signature(account, odd)}】{_LOAN.format(code=100_000 + number)}"
    return _refused(_pdu(number, source, (text + _FILLER)[:end]), ESME_RSUBMITFAIL)


def _source(account: int, number: int) -> str:
    return port(account) + f"{number % SIGNATURES:02}"


def _characters(source: int) -> int:
    """How many characters of text make up PDU_OCTETS, with a source_addr of so many digits."""
    return (PDU_OCTETS - (16 + 1 + (2 + source + 1) + (2 + 13 + 1) + 10)) // 2


def message_text(account: int, number: int) -> str:
    """A permitted text that fills a PDU: a code, an order of somebody by name, or an offer. No two are alike, those of
    the same signature and kind in their digits only, but for the names."""
    begin, end = _TEXTS[number // SIGNATURES % len(_TEXTS)]
    begin = begin.format(code=100_000 + number * 7 % 900_000, name=name_of(account, number))
    head = f"【{signature(account, number % SIGNATURES)}】{begin}"
    return (head + _FILLER)[: _characters(12) - len(end)] + end


def name_of(account: int, number: int) -> str:
    """A name of three characters that hardly anybody else has."""
    rest = number * ACCOUNTS + account
    return "王李张刘陈杨赵黄周吴"[rest % 10] + chr(0x4E00 + rest // 10 % 2000) + chr(0x5E00 + rest // 3 % 2000)


def _pdu(number: int, source: str, text: str) -> bytes:
    pdu = submit_sm_of(0, source.encode(), 1, subscriber(number).encode(), UCS2, text.encode("utf-16-be"))
    return pdu[:12] + pack(">I", number + 1) + pdu[16:]


def _part(account: int, number: int, index: int) -> bytes:
    """Part 1 or 2 of a message in two parts (3GPP TS 23.040 §9.2.3.24.1); to one subscriber, from one number."""
    first = number - index + 1
    text = message_text(account, first).rstrip("。") + "，" + _FILLER + _FILLER + _FILLER
    each = _characters(12) - 3
    part = text[(index - 1) * each : index * each]
    header = bytes((5, 0, 3, first // 2 & 0xFF, 2, index))
    return submit_sm(
        number + 1,
        source_addr=_source(account, first).encode(),
        destination_addr=subscriber(first).encode(),
        dest_addr_ton=1,
        esm_class=ESM_UDHI,
        data_coding=UCS2,
        short_message=header + part.encode("utf-16-be"),
    )


def _tagged(pdu: bytes, verdict: int, code: int, category: int, revision: bytes) -> bytes:
    """The PDU as portguard tags it by default (DESIGN §5)."""
    tlvs = pack(">HHBHHHHH", 0x1D01, 1, verdict, 0x1D02, 2, code, 0x1D03, len(revision)) + revision
    tlvs += pack(">HHB", 0x1D04, 1, category)
    return pack(">I", len(pdu) + len(tlvs)) + pdu[4:] + tlvs


def _passing(pdu: bytes) -> Message:
    return Message(pdu, pdu, _answer(int.from_bytes(pdu[12:16]) - 1))


def _refused(pdu: bytes, status: int) -> Message:
    return Message(pdu, b"", HEADER.pack(16, SUBMIT_SM_RESP, status, int.from_bytes(pdu[12:16])))


def _answer(number: int) -> bytes:
    body = f"{0x5A000000 + number + 1:08x}\x00".encode()
    return HEADER.pack(16 + len(body), SUBMIT_SM_RESP, 0, number + 1) + body


def pdus(reel_: Reel, count: int) -> list[bytes]:
    """The first requests of a reel, one by one."""
    octets = reel_.requests.octets
    return [octets[at : at + PDU_OCTETS] for at in islice(range(0, len(octets), PDU_OCTETS), count)]
