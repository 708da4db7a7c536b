"""Named traffic mixes over the sample registry in config/.

Noun: a *mix* is a name, what it is about, and its messages with their designed outcome under the sample's
portguard.toml. The messages are data, in mixes.jsonl: the fields of `Message`, one message a line. Texts, numbers and
companies are invented. Where hours matter a message says when it is to be delivered, so that a mix means the same by
day and by night.
"""

import itertools
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Final

from portguard.sim.message import Message


@dataclass(frozen=True, slots=True)
class Mix:
    """`exact` False: outcomes depend on rate or on what was sent before, and the designed ones are only typical."""

    name: str
    about: str
    messages: tuple[Message, ...]
    exact: bool = True


def by_account(messages: Iterable[Message]) -> dict[str, list[Message]]:
    """The messages of each account, in order."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.account, []).append(message)
    return found


def messages_of(mix: str, count: int | None = None, account: str | None = None) -> dict[str, list[Message]]:
    """The messages of a mix by account: the mix once, or over and over up to `count`; only `account`'s when given."""
    messages = [message for message in MIXES[mix].messages if account in (None, message.account)]
    return by_account(messages if count is None else itertools.islice(itertools.cycle(messages), count))


def message_of(row: dict[str, Any]) -> Message:
    """A row of mixes.jsonl; octets are hexadecimal, TLVs a table by hexadecimal tag, and a rule alone means reject."""
    row = dict(row)
    if "rule" in row:
        row.setdefault("action", "reject")
    row.setdefault("text", "")
    if "body" in row:
        row["body"] = bytes.fromhex(row["body"])
    if "tlvs" in row:
        row["tlvs"] = tuple((int(tag, 16), bytes.fromhex(value)) for tag, value in row["tlvs"].items())
    return Message(**row)


def _read() -> list[Message]:
    lines = files("portguard.sim").joinpath("mixes.jsonl").read_text("utf-8").splitlines()
    return [message_of(json.loads(line)) for line in lines]


def _day(messages: list[Message]) -> tuple[Message, ...]:
    """Ordinary traffic, twice over, with every violation somewhere in it; always in the same order."""
    mixed = messages + [message for message in messages if not message.rule]
    random.Random(12321).shuffle(mixed)
    return tuple(mixed)


def _numbered(message: Message, count: int) -> list[Message]:
    """The same message to `count` subscribers whose numbers follow each other; {} in the text is the count."""
    first = int(message.destination_addr)
    return [
        replace(message, destination_addr=str(first + number), text=message.text.replace("{}", f"{number:06}"))
        for number in range(count)
    ]


def _mixes() -> dict[str, Mix]:
    messages = _read()
    code = Message("bank01", "1069000018", "13800100000", "【远山银行】您的验证码为{}，5分钟内有效，请勿向任何人泄露。")
    login = Message("slow01", "106900001", "13803710000", "【江河云信】您的登录验证码为{}，5分钟内有效，请勿泄露。")
    offer = Message("tea01", "1066000031", "13805710000", "【青芽茶业】秋茶上新，满200减30，点击领取，退订回T。")
    above_rate = [replace(message, action="reject", rule="account_rate") for message in _numbered(login, 15)]
    offers = _numbered(offer, 23)
    above_cap = [replace(message, action="reject", rule="scope_quota") for message in offers[20:]]
    mixes = [
        Mix("clean", "what the sample registry permits", tuple(one for one in messages if not one.rule)),
        Mix("violations", "each kind of violation", tuple(one for one in messages if one.rule)),
        Mix("day", "ordinary traffic with each kind of violation in it", _day(messages)),
        Mix("burst", "one account above its rate of 5 a second", tuple(above_rate), exact=False),
        Mix("quota", "marketing beyond a daily cap of 20", (*offers[:20], *above_cap), exact=False),
        Mix("load", "verification codes of one account, for throughput", tuple(_numbered(code, 1000))),
    ]
    return {mix.name: mix for mix in mixes}


MIXES: Final[dict[str, Mix]] = _mixes()
