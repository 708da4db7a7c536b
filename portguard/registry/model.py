"""The rows of the registry's tables, field by field.

Nouns: a *row* Struct has the fields of one table, in the order in which DESIGN names them; `TABLES` maps a table's
name to its row. The type of a field is its syntax, and the `description` in it completes the sentence "... is not
...".

A blank field takes the default: no limit, or as the parent has it. Rows are frozen, and every file format gives the
same. Knows no file, no other row and no clock.
"""

import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

MAX_DIGITS: Final = 20
LONGEST_SIGNATURE: Final = 64

Identifier = Annotated[
    str,
    Meta(
        pattern=r"\A\w[\w.:@-]{0,63}\Z",
        description="an id of 1 to 64 letters, digits or _ . : @ - (beginning with a letter, a digit or _)",
    ),
]
SystemId = Annotated[
    str,
    Meta(
        pattern=r"\A[\x21-\x7e]{1,15}\Z",
        description="a system_id of 1 to 15 printable ASCII characters without spaces (SMPP 3.4 §5.2.1)",
    ),
]
Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z", description="a number of 1 to 20 digits")]
OptionalNumber = Annotated[str, Meta(pattern=r"\A[0-9]{0,20}\Z", description="a number of 1 to 20 digits, or blank")]
Prefix = Annotated[
    str,
    Meta(
        pattern=r"\A(?:\+|00)?[0-9]{1,15}\Z",
        description="the leading digits of a number (1 to 15, + or 00 may precede)",
    ),
]
Provider = Annotated[
    str,
    Meta(
        pattern=r"\A(?:\*|\w[\w.:@-]{0,63})?\Z",
        description="an enterprise's id, * for anyone, or blank for whoever may send on the scope's port",
    ),
]
SignatureText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_SIGNATURE,
        pattern=r"\A[^\[\]【】［］〖〗〔〕\s]+\Z",
        description="a signature of 1 to 64 characters without brackets or spaces (write it without 【】)",
    ),
]
Name = Annotated[str, Meta(max_length=200, description="a name of at most 200 characters")]
Filing = Annotated[str, Meta(max_length=200, description="a filing reference of at most 200 characters")]
TemplateText = Annotated[str, Meta(min_length=1, max_length=1000, description="a text of 1 to 1000 characters")]
Word = Annotated[str, Meta(min_length=1, max_length=32, description="a word of 1 to 32 characters")]
RegionName = Annotated[str, Meta(min_length=1, max_length=64, description="a region's name of at most 64 characters")]
Category = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="a category (verification, notification, marketing, personal; perhaps with /industry)",
    ),
]
Hours = Annotated[str, Meta(min_length=1, max_length=32, description="hours like 08:00-22:00")]
Network = Annotated[str, Meta(min_length=1, max_length=64, description="a network like 10.1.0.0/16 or an address")]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000, description="a whole number from 1, or blank for no limit")]
Extension = Annotated[
    int, Meta(ge=0, le=MAX_DIGITS, description="a whole number from 0 to 20, or blank for 20 digits in all")
]
Weight = Annotated[int, Meta(ge=-1000, le=1000, description="a whole number from -1000 to 1000")]
Date = Annotated[datetime.date, Meta(description="a date like 2026-12-31, or blank")]
Flag = Annotated[bool, Meta(description="true or false")]
Kind = Annotated[
    Literal["operator", "sp", "platform", "merchant"], Meta(description="one of operator, sp, platform, merchant")
]
Status = Annotated[
    Literal["active", "suspended", "revoked"], Meta(description="one of active, suspended, revoked (blank: active)")
]
Mode = Annotated[
    Literal["", "enforce", "tag", "monitor"],
    Meta(description="one of enforce, tag, monitor (blank: as portguard.toml says)"),
]
Charset = Annotated[
    Literal["gsm7", "gsm7-packed", "latin1", "ascii", "utf8", "gbk"],
    Meta(description="one of gsm7, gsm7-packed, latin1, ascii, utf8, gbk (blank: gsm7)"),
]


class EnterpriseRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A company that the operator knows. `platform` is given for a merchant, and only then."""

    id: Identifier
    name: Name = ""
    kind: Kind = "sp"
    platform: Annotated[Identifier | Literal[""], Meta(description="an enterprise's id, or blank")] = ""
    status: Status = "active"


class AccountRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An ESME's login. `binary` allows messages that are not text (SIM OTA, WAP push)."""

    system_id: SystemId
    enterprise: Identifier
    networks: tuple[Network, ...] = ()
    mode: Mode = ""
    max_binds: Count | None = None
    tps: Count | None = None
    charset: Charset = "gsm7"
    binary: Flag = False
    status: Status = "active"


class PortRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An SMS port number that the operator has assigned to an enterprise; covers what begins with it."""

    port: Number
    holder: Identifier
    categories: tuple[Category, ...] = ()
    regions: tuple[RegionName, ...] = ()
    extension_digits: Extension | None = None
    signature_required: Flag = False
    signature_per_extension: Flag = False
    valid_from: Date | None = None
    valid_until: Date | None = None
    status: Status = "active"


class SubleaseRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A filed grant of a port, or of a longer prefix under it, from lessor to lessee."""

    port: Number
    lessor: Identifier
    lessee: Identifier
    exclusive: Flag = False
    categories: tuple[Category, ...] = ()
    filing: Filing = ""
    valid_from: Date | None = None
    valid_until: Date | None = None
    status: Status = "active"


class SignatureRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A brand, without its brackets, registered to an enterprise."""

    signature: SignatureText
    enterprise: Identifier
    valid_from: Date | None = None
    valid_until: Date | None = None
    status: Status = "active"


class ScopeRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where an enterprise's signature may be used. A blank `port` is every number of the provider."""

    signature: SignatureText
    enterprise: Identifier
    port: OptionalNumber = ""
    categories: tuple[Category, ...] = ()
    regions: tuple[RegionName, ...] = ()
    hours: tuple[Hours, ...] = ()
    daily_cap: Count | None = None
    provider: Provider = ""
    valid_from: Date | None = None
    valid_until: Date | None = None
    status: Status = "active"


class TemplateRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A text that decides the category of what fits it; `{name}` marks a variable."""

    id: Identifier
    signature: SignatureText
    enterprise: Identifier
    category: Category
    text: TemplateText


class RegionRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The region of the subscribers whose number begins with `prefix`."""

    prefix: Prefix
    region: RegionName


class WordRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A word that speaks for a category, with a weight."""

    word: Word
    category: Category
    weight: Weight


Row = EnterpriseRow | AccountRow | PortRow | SubleaseRow | SignatureRow | ScopeRow | TemplateRow | RegionRow | WordRow

TABLES: Final[dict[str, type[Struct]]] = {
    "enterprises": EnterpriseRow,
    "accounts": AccountRow,
    "ports": PortRow,
    "subleases": SubleaseRow,
    "signatures": SignatureRow,
    "scopes": ScopeRow,
    "templates": TemplateRow,
    "regions": RegionRow,
    "words": WordRow,
}
REQUIRED_TABLES: Final = ("enterprises", "accounts", "ports")
