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
    """What a rule does when it fires. Blank keeps the catalogue's default; `status` is a name or a number."""

    action: Action | None = None
    status: str | int | None = None


class AccountOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of one account (`[policy.accounts.<system_id>]`), over the global ones."""

    mode: Mode | None = None
    rules: dict[str, RuleOptions] = {}


class FrequencyOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[policy.frequency.<category>]`: messages to one subscriber under one signature, by natural minute, hour and day
    of the node's zone; 0 is no limit."""

    minute: Messages = 0
    hour: Messages = 0
    day: Messages = 0


class ProfileOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from"}):
    """`[[policy.profiles]]`: settings that replace the ordinary ones for a time, like the weeks around Double Eleven.
    `from` and `until` are ISO dates or times, of the node's zone unless they name one; `until` as a date is inclusive.
    Of two that overlap the later in the file wins. What counts is the time a message is submitted."""

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
    """`[policy]`. Lengths are characters, `max_schedule_hours` bounds schedule_delivery_time.
    `max_validity_hours` is how long the SMSC keeps trying at most; a validity_period, up to that, must end within the
    dates on file."""

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
    """`[concat]`: how long parts of a long message wait for each other (milliseconds), how long one is remembered
    after its last part (seconds), and the octets that all of them may hold in memory."""

    hold_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    keep_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    max_held_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 64 << 20


class TagOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[tag]`: the vendor TLVs a tagged message carries (SMPP 3.4 §5.3.2: 0x1400-0x3FFF are the vendor's)."""

    verdict: VendorTag = 0x1D01
    reason: VendorTag = 0x1D02
    revision: VendorTag = 0x1D03
    category: VendorTag = 0x1D04
