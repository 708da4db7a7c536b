"""What a record says: the payloads of VIOLATION and EVENT frames, and their fields by name.

Numbers are those that are frozen elsewhere: rules by their code, actions and categories by their place in
`policy.reasons.ACTION_NAMES` and `sms.category`.
"""

from typing import Any, Final

import msgspec

from portguard.policy.reasons import ACTION_NAMES, RULE_BY_CODE
from portguard.smpp.constants import command_name, status_name
from portguard.sms.category import CATEGORY_NAMES, INDUSTRY_NAMES

VIOLATION: Final = "violation"
LEFT_OUT: Final = "left_out"
# What the journal has to say of itself: segments removed, a tail cut off, records that are missing.
JOURNAL: Final = "journal"

Fields = dict[str, object]
# What msgspec raises for octets that are no msgpack, or not of the wanted shape; text that is no UTF-8 is its own case.
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)


class Violation(msgspec.Struct, array_like=True):
    """A refused, tagged or monitored message.

    `port` is the registered prefix of `number`, which is source_addr; `owner` the enterprise whose `signature` it is.
    `content` is category * 16 + industry; `code` 0 when the decision failed. `digest` is SHA-256 of the text in UTF-8,
    or of the octets where they are no text, b"" where there are none. `folded` names what the canonical form folded.
    `fault` says what of the message could not be read.
    """

    at: float
    account: str
    enterprise: str
    port: str
    number: str
    holder: str
    signature: str
    owner: str
    content: int
    code: int
    action: int
    hits: list[int]
    revision: bytes
    digest: bytes
    subscriber: str
    sequence_number: int
    command: int
    status: int
    data_coding: int
    recipients: int = 1
    folded: list[str] = []
    fault: str = ""


class Event(msgspec.Struct, array_like=True):
    """Anything else that happened."""

    kind: str
    at: float
    fields: dict[str, Any]


encode: Final = msgspec.msgpack.Encoder().encode
decode_violation: Final = msgspec.msgpack.Decoder(Violation).decode
decode_event: Final = msgspec.msgpack.Decoder(Event).decode


def action_name(action: int) -> str:
    """reject, discard, tag, monitor or allow."""
    return ACTION_NAMES[action] if 0 <= action < len(ACTION_NAMES) else str(action)


def rule_name(code: int) -> str:
    """The rule of a code; "" of 0, which is a decision that failed."""
    rule = RULE_BY_CODE.get(code)
    return rule.name if rule is not None else str(code or "")


def content_names(content: int) -> tuple[str, str]:
    """(category, industry) of `content`."""
    category = content >> 4
    return CATEGORY_NAMES[category] if category < len(CATEGORY_NAMES) else str(category), INDUSTRY_NAMES[content & 15]


def violation_fields(row: Violation, node: str) -> Fields:
    """A violation by its fields' names, JSON-able."""
    category, industry = content_names(row.content)
    fields: Fields = {
        "at": row.at, "node": node, "account": row.account, "enterprise": row.enterprise, "port": row.port,
        "number": row.number, "holder": row.holder, "signature": row.signature, "owner": row.owner,
        "category": category, "industry": industry, "rule": rule_name(row.code), "code": row.code,
        "action": action_name(row.action), "hits": row.hits, "revision": row.revision.hex(),
        "digest": row.digest.hex(), "subscriber": row.subscriber, "recipients": row.recipients,
        "sequence_number": row.sequence_number, "command": command_name(row.command),
        "status": status_name(row.status), "data_coding": row.data_coding,
        "folded": row.folded,
    }  # fmt: skip
    if row.fault:
        fields["fault"] = row.fault
    return fields


def event_fields(event: Event, node: str) -> Fields:
    """An event's fields with `at` and `node`."""
    return {"at": event.at, "node": node, **event.fields}
