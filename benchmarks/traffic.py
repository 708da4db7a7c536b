"""Who sends in the benchmark, and what is around the messages: accounts, ports, signatures, binds, sizes.

The messages themselves are in `reels`, what is on file for them in `on_file`.
"""

import os
from struct import Struct

from portguard.smpp.constants import (
    BIND_TRANSCEIVER,
    BIND_TRANSCEIVER_RESP,
    UNBIND,
    UNBIND_RESP,
)
from portguard.smpp.encode import bind

HEADER = Struct(">IIII")
PDU_OCTETS = 172
# Messages of a reel: far more than the widest window, and more texts than are remembered. Tests that measure nothing
# ask for fewer, since to make them takes seconds of each run.
RING = int(os.environ.get("PORTGUARD_BENCH_RING", 1 << 14))
ACCOUNTS = 8
SIGNATURES = 8  # of an account

PREFIXES = {"13800": "北京", "13801": "上海", "13902": "广东", "15003": "浙江", "18604": "四川", "17705": "湖北"}


def system_id(account: int) -> str:
    """The login of an account by its number, 0 to ACCOUNTS - 1."""
    return f"bench{account}"


def enterprise(account: int) -> str:
    """Whose account it is."""
    return f"ent{account}"


def port(account: int) -> str:
    """The registered prefix from which an account sends."""
    return f"1069{account:02}0000"


def signature(account: int, number: int) -> str:
    """One of an account's signatures."""
    return "晨云青海星松金江"[account] + "山水风花竹月川原"[number] + "商城"


def subscriber(number: int) -> str:
    """The recipient of an account's message by the message's number."""
    return f"86{list(PREFIXES)[number % len(PREFIXES)]}{number * 7919 % 1_000_000:06}"


def filling_port(row: int) -> str:
    """The port of a row that only the traffic `wide` meets."""
    return f"1065{row:08}"


def filling_signature(row: int) -> str:
    """Its signature."""
    return f"商户{row:07}"


def filling_account(row: int) -> int:
    """The account whose enterprise it belongs to."""
    return row % ACCOUNTS


def bind_request(account: int, kind: str, about: str = "") -> bytes:
    """The bind_transceiver with which an account begins. `kind` and `about` tell the sink what to expect."""
    return bind(
        BIND_TRANSCEIVER, 1, system_id=system_id(account).encode(), password=b"secret",
        system_type=kind.encode(), address_range=about.encode(),
    )


def bind_of(pdu: bytes) -> tuple[int, str, str]:
    """(account, kind, about) of a whole bind request. Raises ValueError when it is none of the benchmark's."""
    fields = pdu[16:].split(b"\0", 2)
    system_type, _, rest = fields[2].partition(b"\0")
    if not fields[0].startswith(b"bench"):
        raise ValueError(f"not a bind of the benchmark: {pdu.hex()}")
    # interface_version, addr_ton and addr_npi stand before address_range (SMPP 3.4 §4.1.5).
    return int(fields[0][5:]), system_type.decode(), rest[3:].rstrip(b"\0").decode()


def bind_answer(sequence: int = 1) -> bytes:
    """The sink's answer to any bind."""
    body = b"SMSC\x00"
    return HEADER.pack(16 + len(body), BIND_TRANSCEIVER_RESP, 0, sequence) + body


# A number that no reel reaches.
UNBIND_REQUEST = HEADER.pack(16, UNBIND, 0, 0x7FFE0000)
UNBIND_ANSWER = HEADER.pack(16, UNBIND_RESP, 0, 0x7FFE0000)
