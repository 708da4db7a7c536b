"""The traffic: submit_sm PDUs that the benchmark's registry permits, encoded once and known to both ends.

Nouns: a *reel* is an account's endless traffic, a ring of PDUs of one length whose sequence numbers run from 1; its
answers are a ring too. Load and sink compare every byte that comes with its reel, so a proxy that loses, doubles,
reorders or changes anything is found out, at the price of one memcmp.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from struct import Struct

from portguard.smpp.constants import (
    BIND_TRANSCEIVER,
    BIND_TRANSCEIVER_RESP,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
)
from portguard.smpp.encode import bind, submit_sm

HEADER = Struct(">IIII")
PDU_OCTETS = 172
RING = 2048  # more than the widest window, so that no sequence number is outstanding twice
ACCOUNTS = 8
SIGNATURES = 8  # of an account
UCS2 = 8

PREFIXES = {"13800": "北京", "13801": "上海", "13902": "广东", "15003": "浙江", "18604": "四川", "17705": "湖北"}

_FILLER = "，如有疑问请联系在线客服，我们将竭诚为您服务，感谢您一直以来的支持与信任，祝您生活愉快工作顺利"
# The text of each category: beginning and end, filled up in between.
_TEXTS = (
    ("您的验证码是{code}，五分钟内有效，请勿泄露给他人，如非本人操作请忽略", "。"),
    ("您的订单{code}已发货，包裹预计明日送达，请凭取件码领取", "。"),
    ("秋季新品上市，全场满三百减五十，会员专享优惠券{code}，限时抢购", "，拒收请回复R"),
)


def system_id(account: int) -> str:
    """The login of an account by its number, 0 to ACCOUNTS - 1."""
    return f"bench{account}"


def port(account: int) -> str:
    """The registered prefix from which an account sends."""
    return f"1069{account:02}0000"


def signature(account: int, number: int) -> str:
    """One of an account's signatures."""
    return "晨云青海星松金江"[account] + "山水风花竹月川原"[number] + "商城"


@dataclass(frozen=True)
class Reel:
    """`requests` and `answers` are RING PDUs each, joined; a request has `PDU_OCTETS`, an answer `answer_octets`."""

    requests: bytes
    answers: bytes
    answer_octets: int


def bind_request(account: int) -> bytes:
    """The bind_transceiver with which an account begins."""
    return bind(BIND_TRANSCEIVER, 1, system_id=system_id(account).encode(), password=b"secret")


def bind_answer() -> bytes:
    """The sink's answer to any bind."""
    body = b"SMSC\x00"
    return HEADER.pack(16 + len(body), BIND_TRANSCEIVER_RESP, 0, 1) + body


UNBIND_REQUEST = HEADER.pack(16, UNBIND, 0, RING + 1)
UNBIND_ANSWER = HEADER.pack(16, UNBIND_RESP, 0, RING + 1)


@cache
def reel(account: int) -> Reel:
    """The traffic of an account; the same in every process."""
    requests = list(_requests(account))
    assert {len(pdu) for pdu in requests} == {PDU_OCTETS}
    answers = [_answer(sequence) for sequence in range(1, RING + 1)]
    return Reel(b"".join(requests), b"".join(answers), len(answers[0]))


def _requests(account: int) -> Iterator[bytes]:
    prefixes = list(PREFIXES)
    for number in range(RING):
        sign = number % SIGNATURES
        source = port(account) + f"{sign:02}"
        destination = f"86{prefixes[number % len(prefixes)]}{number * 7919 % 1_000_000:06}"
        fields = 16 + 1 + (2 + len(source) + 1) + (2 + len(destination) + 1) + 10
        characters = (PDU_OCTETS - fields) // 2
        text = message_text(account, sign, number, characters)
        yield submit_sm(
            number + 1,
            source_addr=source.encode(),
            destination_addr=destination.encode(),
            source_addr_npi=1,
            dest_addr_ton=1,
            dest_addr_npi=1,
            data_coding=UCS2,
            short_message=text.encode("utf-16-be"),
        )


def message_text(account: int, sign: int, number: int, characters: int) -> str:
    """A text of exactly that many characters, in a category that changes with its number."""
    begin, end = _TEXTS[number // SIGNATURES % len(_TEXTS)]
    head = f"【{signature(account, sign)}】" + begin.format(code=100_000 + number * 7 % 900_000)
    return (head + _FILLER)[: characters - len(end)] + end


def _answer(sequence: int) -> bytes:
    body = f"{0x5A000000 + sequence:08x}\x00".encode()
    return HEADER.pack(16 + len(body), SUBMIT_SM_RESP, 0, sequence) + body


