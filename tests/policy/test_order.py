"""The order of judgement: a message that breaks two rules is judged by the one that DESIGN puts first.

That a row breaks both is proved, not claimed: with the first rule off, the second one refuses the very same message.
"""

from dataclasses import replace
from itertools import pairwise

import pytest

from portguard.policy.reasons import CATALOGUE, RULE_BY_CODE
from tests.policy.asking import judged
from tests.policy.conftest import Office
from tests.policy.messages import BODY, CODE, LOAN, OK, SALE, SOUTH, Case
from tests.policy.wire import OWN_VERDICT, PAYLOAD, submit, ucs2

LIMITED = Case(305, "allow", 0, "uses the cap of two up", text="【星辰限量】" + CODE)


Pair = tuple[int, int, str, list[Case]]


def both(first: int, second: int, why: str, before: tuple[Case, ...] = (), **fields: object) -> Pair:
    """A message that breaks two rules, `before` it those that make it do so."""
    case = Case(first, "reject", first, why, **fields)  # type: ignore[arg-type]
    return first, second, why, [*before, case]


_NAMED = Case(600, "reject", 106, "two a second are permitted", account="slow", source="BANK")
_RATED = Case(600, "reject", 601, "the only one this second", account="slowoff")

NEIGHBOURS = [
    both(600, 601, "a suspended account beyond its rate", (_RATED,), account="slowoff"),
    both(601, 106, "a suspended account from a name", account="off", source="BANK"),
    both(106, 100, "a name that no port begins with", source="BANK"),
    both(100, 101, "a number of nobody", source="10770001"),
    both(101, 102, "an expired sublease of what was given away exclusively", account="second", source="1069001121"),
    both(102, 103, "two deep over an expired link", account="mall", source="106900111"),
    both(103, 104, "two deep on a suspended port", account="third", source="10690014"),
    both(104, 105, "three digits too many on a suspended port", source="10690002123"),
    both(105, 107, "three digits where the holder, suspended, has two", source="10690005123"),
    both(107, 150, "a suspended holder, and half a UCS-2 character", pdu=submit("106900051", BODY[:-1])),
    both(150, 151, "two bodies, the first of them broken", pdu=submit(OK, BODY[:-1], tlvs=[(PAYLOAD, BODY)])),
    both(151, 152, "two bodies and no header", pdu=submit(OK, BODY, udhi=True, tlvs=[(PAYLOAD, BODY)])),
    both(155, 203, "a TLV of portguard's own over a disguise",
         pdu=submit(OK, ucs2("〖星辰商城〗" + CODE), tlvs=[(OWN_VERDICT, b"\x01")])),
    both(201, 202, "one character at the head, a brand at the tail", text="【星】" + CODE + "【月光银行】"),
    both(202, 204, "not on file at the head, on file at the tail", text="【无名小店】" + CODE + "【月光银行】"),
    both(205, 300, "expired, and without a scope", text="【旧限商行】" + CODE),
    both(302, 303, "outside the scope's category and the port's regions", source="106900071",
         text="【验证专用】" + SALE, dest=SOUTH),
    both(303, 304, "outside the port's regions and the scope's hours", source="106900071",
         text="【星辰白天】" + CODE, dest=SOUTH, at="2026-11-11T12:00:00"),
    both(305, 306, "beyond its cap, with content that is not the port's", (LIMITED, LIMITED), source="106900061",
         text="【星辰限量】" + LOAN),
]  # fmt: skip

# Neighbours that no message can break together.
EXCLUSIVE = {
    (152, 153): "without a sound header a PDU is no part of anything",
    (153, 154): "a part that contradicts one that is there is refused at once and never waits",
    (154, 155): "of parts: tests/relay/test_long.py has the message that breaks both",
    (203, 200): "a disguise that is found is the message's signature, so none is missing",
    (200, 201): "a malformed signature is one between brackets at an end; 200 needs that there is none",
    (204, 205): "a registration that is out of force is still on file",
    (300, 301): "scopes narrow: 300 fires when no scope is left for 301 to look at",
    (301, 302): "likewise, no scope is left",
    (304, 305): "likewise, no scope is left",
    (306, 307): "of marketing: test_marketing.test_neighbours has the message that breaks both",
    (307, 308): "likewise",
    (308, 400): "likewise",
    (400, 401): "consent is missing or revoked, not both",
    (401, 402): "likewise in test_marketing, with 400 for 401",
    (402, 403): "likewise in test_marketing",
    (403, 500): "of restraints: tests/policy/test_restraints.py has the message that breaks both",
    (500, 501): "likewise",
}

FURTHER = [
    both(152, 155, "no header, and a TLV of portguard's own",
         pdu=submit(OK, BODY, udhi=True, tlvs=[(OWN_VERDICT, b"\x01")])),
    both(600, 106, "a name beyond the rate", (_NAMED, _NAMED), account="slow", source="BANK"),
    both(601, 100, "a suspended account on a number of nobody", account="off", source="10770001"),
    both(101, 107, "no sublease, and a suspended enterprise", account="frozen"),
    both(107, 205, "an enterprise that is not active, and dates that are over", account="frozen", source="106900051",
         text="【旧日商行】" + CODE),
    both(203, 201, "a zero-width space disguises and is malformed", text="【星辰\u200b商城】" + CODE),
    both(203, 202, "a disguised head before another enterprise's tail", text="【goodtea】" + CODE + "【月光银行】"),
    both(203, 205, "a disguise of what has expired", text="〖旧日商行〗" + CODE),
    both(200, 306, "no signature, and content that is not the port's", text=LOAN, source="10690015"),
    both(201, 204, "malformed and not on file", text="【无名 小店】" + CODE),
    both(204, 306, "not on file, and content that is not the port's", text="【无名小店】" + LOAN, source="106900061"),
    both(300, 303, "no scope, outside the port's regions", source="106900071", text="【无处商行】" + CODE, dest=SOUTH),
    both(301, 306, "through another provider, content that is not the port's", source="106900061",
         text="【星辰代发】" + LOAN),
    both(302, 306, "outside the scope's categories and the port's", source="106900061", text="【验证专用】" + LOAN),
]  # fmt: skip

JUDGED = [rule.code for rule in CATALOGUE]


def test_every_pair_of_neighbours_is_in_the_tables() -> None:
    pairs = list(pairwise(JUDGED))
    covered = [(first, second) for first, second, _, _ in NEIGHBOURS]
    assert sorted([*covered, *EXCLUSIVE]) == sorted(pairs)


@pytest.mark.parametrize(
    ("first", "second", "cases"), [pytest.param(f, s, c, id=f"{f}-{s}") for f, s, _, c in [*NEIGHBOURS, *FURTHER]]
)
def test_the_first_judged_is_named(office: Office, first: int, second: int, cases: list[Case]) -> None:
    refused = {"tag_spoofed": {"action": "reject"}}
    found = judged(office.desk(rules=refused), *cases, arrived=True)
    assert (found.action, found.code) == ("reject", first)
    off = {**refused, RULE_BY_CODE[first].name: {"action": "allow"}}
    found = judged(office.desk(rules=off), *cases, arrived=True)
    assert (found.action, found.code) == ("reject", second)


def test_monitored_and_tagged_hits_before_the_end_are_kept(office: Office) -> None:
    rules = {"signature_disguised": {"action": "tag"}, "scope_category": {"action": "monitor"}}
    case = replace(LIMITED, source="106900061", text="〖验证专用〗" + LOAN)
    found = judged(office.desk(rules=rules), case)
    assert (found.action, found.code) == ("reject", 306)
    assert found.hits == ["signature_disguised", "scope_category", "port_category"]
