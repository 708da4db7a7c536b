"""The operator's settings of the decision: `[policy]`, `[policy.rules.*]`, `[policy.accounts.*]`, `[tag]`.

Sealed at start. The engine does not read them on the path: they are copied once into native classes.
"""

from typing import Annotated, Literal

import msgspec

Action = Literal["allow", "tag", "reject", "discard", "monitor"]
Mode = Literal["enforce", "tag", "monitor"]
Messages = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
VendorTag = Annotated[int, msgspec.Meta(ge=0x1400, le=0x3FFF)]


class RuleOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a rule does when it fires; what is not set is as the table of rules has it. `action`: allow turns the rule
    off; monitor counts and records, and lets pass; tag adds TLVs; reject answers `status`, discard answers success and
    delivers nothing. `status` is a name like ESME_RSUBMITFAIL or a number."""

    action: Action | None = None
    status: str | int | None = None


class AccountOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of one account (`[policy.accounts.<system_id>]`), over the global ones: its `mode`, and `rules` by their
    names."""

    mode: Mode | None = None
    rules: dict[str, RuleOptions] = {}


class FrequencyOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Of each category: messages to one subscriber under one signature, by natural minute, hour and day
    of the node's zone; 0 is no limit."""

    minute: Messages = 0
    hour: Messages = 0
    day: Messages = 0


class ProfileOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from"}):
    """Settings that replace the ordinary ones for a time, like the weeks around Double Eleven.
    `from` and `until` are ISO dates or times, of the node's zone unless they name one; `until` as a date is inclusive.
    Of two that overlap the later in the file wins. What counts is the time a message is submitted. `mode`,
    `marketing_hours`, `unknown_category`, `disguise_own`, `frequency` and `rules` are as in `[policy]`."""

    name: str
    since: str
    until: str
    mode: Mode | None = None
    marketing_hours: str | None = None
    unknown_category: Literal["allow", "tag", "reject"] | None = None
    disguise_own: Literal["reject", "tag"] | None = None
    frequency: dict[str, FrequencyOptions] | None = None
    rules: dict[str, RuleOptions] = {}


class PolicyOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is decided, and what becomes of it.

    `mode`: enforce does what the rules' actions say; tag tags what would be refused; monitor counts and records it, and
    lets everything pass. `rules`, by name, set actions and statuses; `accounts`, by system_id, settings of one account;
    `profiles`, settings for a time. `on_error`: what becomes of a message when the decision itself fails; with allow,
    an account of which more than `on_error_limit` failed within a minute is refused nevertheless. `status_style`:
    vendor answers refusals with 0x0400 and the rule's place (SMPP 3.4 §5.1.3) instead of a standard status.

    `sublease_depth`: the links that a chain of subleases may have (103). `signature_position`: head finds 201 in a
    signature at the tail. `signature_min` and `signature_max`: its characters (201), which are hanzi, ASCII letters and
    digits, and those of `signature_characters`. `signature_case`: with fold, letters in another case are no disguise.
    `disguise_own`: tag tags instead of refusing (203) where a sender's own signature differs in brackets or width only.
    `unknown_category`: what becomes of content that cannot be told where kinds of content are limited (302, 306).

    `source_ton_npi`: the pairs [ton, npi] that a source_addr may have (106), any if empty. `default_msg_ids`: the
    sm_default_msg_id that are permitted (150), none if empty. `max_schedule_hours` bounds schedule_delivery_time.
    `max_validity_hours` is how long the SMSC keeps trying at most; a validity_period, up to that, must end within the
    dates on file.

    `tag_fallback`: what becomes of a message that is to be tagged where the SMSC takes no TLVs. `discard_id`: how
    message_ids of discarded messages are written, as the SMSC writes its own. `discard_receipt`: is a receipt
    (REJECTD) sent for them where one was asked for? `marketing_hours`: when marketing may be delivered (403), like
    "08:00-22:00", several with | between; any time if not set. `frequency`, by category: see below (308, which is to be
    given an action)."""

    mode: Mode = "monitor"
    on_error: Literal["reject", "allow"] = "reject"
    on_error_limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    status_style: Literal["standard", "vendor"] = "standard"
    sublease_depth: Annotated[int, msgspec.Meta(ge=0, le=16)] = 1
    signature_position: Literal["head", "head-or-tail"] = "head-or-tail"
    signature_min: Annotated[int, msgspec.Meta(ge=1, le=32)] = 2
    signature_max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 12
    signature_characters: str = ""
    signature_case: Literal["exact", "fold"] = "exact"
    disguise_own: Literal["reject", "tag"] = "reject"
    unknown_category: Literal["allow", "tag", "reject"] = "allow"
    source_ton_npi: list[tuple[int, int]] = []
    default_msg_ids: list[Annotated[int, msgspec.Meta(ge=1, le=255)]] = []
    max_schedule_hours: Annotated[int, msgspec.Meta(ge=1)] = 24 * 14
    max_validity_hours: Annotated[int, msgspec.Meta(ge=1)] = 24 * 3
    discard_receipt: bool = False
    tag_fallback: Literal["allow", "reject"] = "allow"
    discard_id: Literal["hex", "decimal"] = "hex"
    marketing_hours: str | None = None
    frequency: dict[str, FrequencyOptions] = {}
    rules: dict[str, RuleOptions] = {}
    accounts: dict[str, AccountOptions] = {}
    profiles: list[ProfileOptions] = []


class ConcatOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Parts of long messages. `hold_ms`: how long they wait for each other; `keep_seconds`: how long a message is
    remembered after its last part; `max_held_bytes`: the octets that all of them may hold in memory."""

    hold_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    keep_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    max_held_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 64 << 20


class TagOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The TLVs that a tagged message carries (SMPP 3.4 §5.3.2: 0x1400-0x3FFF are the vendor's). `verdict` (1 octet): 1
    tagged, 2 would be rejected, 3 would be discarded; `reason` (2): the rule's code; `revision` (8): of the registry;
    `category` (1): the kind of content."""

    verdict: VendorTag = 0x1D01
    reason: VendorTag = 0x1D02
    revision: VendorTag = 0x1D03
    category: VendorTag = 0x1D04
