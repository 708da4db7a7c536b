"""The catalogue of rules: data from which settings, metrics labels, `explain`, documentation and tests all come.

A rule's `code` and `position` are identities: stable on the wire and in evidence, never reused. The order of the rows
is the order of judgement; a rule's place in it is its *ordinal*, and its hit is bit `1 << ordinal`.
"""

from dataclasses import dataclass
from typing import Final

from portguard.smpp.constants import (
    ESME_RINVSRCADR,
    ESME_RINVSYSID,
    ESME_RSUBMITFAIL,
    ESME_RTHROTTLED,
)

ALLOW: Final = 0
MONITOR: Final = 1
TAG: Final = 2
DISCARD: Final = 3
REJECT: Final = 4

ACTION_NAMES: Final[tuple[str, ...]] = ("allow", "monitor", "tag", "discard", "reject")
ACTION_BY_NAME: Final[dict[str, int]] = {name: number for number, name in enumerate(ACTION_NAMES)}

VENDOR_STATUS: Final = 0x400


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `position` is its place in the vendor range of command_status."""

    code: int
    name: str
    position: int
    action: int
    status: int
    fires_when: str


def _rule(
    code: int,
    name: str,
    position: int,
    fires_when: str,
    *,
    action: int = REJECT,
    status: int = ESME_RSUBMITFAIL,
) -> Rule:
    return Rule(code, name, position, action, status, fires_when)


_SRC: Final = ESME_RINVSRCADR

# In the order of judgement (600 and 601 first of all, 106 before 100, 203 before 200).
CATALOGUE: Final[tuple[Rule, ...]] = (
    _rule(600, "account_rate", 35, "the account's submit rate is exceeded", status=ESME_RTHROTTLED),
    _rule(601, "account_inactive", 36, "the account is suspended or taken off file while bound", status=ESME_RINVSYSID),
    _rule(106, "source_malformed", 6, "source_addr is empty, not digits, or alphanumeric", status=_SRC),
    _rule(100, "port_unregistered", 0, "no registered prefix covers source_addr", status=_SRC),
    _rule(101, "port_not_assigned", 1, "the account's enterprise neither holds the port nor subleases it", status=_SRC),
    _rule(102, "sublease_inactive", 2, "a link of its sublease chain is not in force", status=_SRC),
    _rule(103, "sublease_depth", 3, "its sublease chain is longer than permitted", status=_SRC),
    _rule(104, "port_inactive", 4, "the port is suspended, revoked or out of its dates", status=_SRC),
    _rule(105, "extension_too_long", 5, "source_addr has more digits than the port allows", status=_SRC),
    _rule(107, "enterprise_inactive", 7, "the account's, holder's or brand's enterprise is not active", status=_SRC),
    _rule(150, "text_undecodable", 8, "the text does not decode under its data_coding"),
    _rule(151, "body_ambiguous", 9, "the PDU carries more than one body"),
    _rule(152, "udh_malformed", 10, "UDHI is set without a sound user data header"),
    _rule(153, "concat_orphan", 11, "parts whose message was never complete enough to judge"),
    _rule(154, "concat_conflict", 12, "parts that contradict each other"),
    _rule(155, "tag_spoofed", 13, "the sender set a TLV that is portguard's own", action=TAG),
    _rule(203, "signature_disguised", 17, "only the canonical form of the text finds a registered signature"),
    _rule(200, "signature_missing", 14, "there is no signature and the port requires one"),
    _rule(201, "signature_malformed", 15, "the signature's form or place is outside the operator's limits"),
    _rule(202, "signature_multiple", 16, "head and tail carry signatures of different enterprises"),
    _rule(204, "signature_unregistered", 18, "the signature is not on file"),
    _rule(205, "signature_inactive", 19, "every registration of the signature is out of force"),
    _rule(300, "scope_port", 20, "the signature is not registered for this port"),
    _rule(301, "scope_provider", 21, "the signature may not be used through this provider"),
    _rule(302, "scope_category", 22, "this kind of content is outside the signature's scope"),
    _rule(303, "scope_region", 23, "the recipient's region is outside the scope or the port"),
    _rule(304, "scope_hours", 24, "the time is outside the scope's hours"),
    _rule(305, "scope_quota", 25, "the scope's daily cap is used up"),
    _rule(306, "port_category", 26, "this kind of content is not registered for the port or its sublease"),
    _rule(307, "template_mismatch", 27, "the signature has templates for this category and none fits", action=TAG),
    _rule(308, "subscriber_frequency", 28, "too many to this subscriber in a minute, an hour or a day", action=ALLOW),
    _rule(400, "consent_missing", 29, "marketing without an opt-in that counts (where there is a ledger)"),
    _rule(401, "consent_revoked", 30, "marketing after an opt-out (where there is a ledger)"),
    _rule(402, "optout_hint_missing", 31, "marketing that does not tell how to refuse", action=TAG),
    _rule(403, "quiet_hours", 32, "marketing outside marketing_hours"),
    _rule(500, "complaint_throttled", 33, "complaints reduced the port's or signature's rate", status=ESME_RTHROTTLED),
    _rule(501, "complaint_suspended", 34, "complaints suspended the port or signature"),
)

CODES: Final[tuple[int, ...]] = tuple(rule.code for rule in CATALOGUE)
RULE_BY_NAME: Final[dict[str, Rule]] = {rule.name: rule for rule in CATALOGUE}
RULE_BY_CODE: Final[dict[int, Rule]] = {rule.code: rule for rule in CATALOGUE}
ORDINAL: Final[dict[int, int]] = {rule.code: ordinal for ordinal, rule in enumerate(CATALOGUE)}


def vendor_status(rule: Rule) -> int:
    """The command_status under `status_style = "vendor"` (SMPP 3.4 §5.1.3: 0x0400-0x04FF are the vendor's)."""
    return VENDOR_STATUS + rule.position


def rule_of_vendor_status(status: int) -> Rule | None:
    """The rule behind a vendor command_status, or None."""
    return _BY_POSITION.get(status - VENDOR_STATUS)


def rules_of(hits: int) -> list[Rule]:
    """The rules whose bits are set, in the order of judgement."""
    found = []
    while hits:
        first = hits & -hits
        found.append(CATALOGUE[first.bit_length() - 1])
        hits ^= first
    return found


_BY_POSITION: Final[dict[int, Rule]] = {rule.position: rule for rule in CATALOGUE}
