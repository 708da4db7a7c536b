"""What is asked of the registry and what it answers, as types; `model` has the rest.

Nouns: a *row* is a row of a table with the fields that say something, as the table has them.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from portguard.registry.edit import Edit

Row = dict[str, Any]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Digest = Annotated[str, Meta(max_length=16, pattern="^[0-9a-f]*$", description="A revision, or the beginning of one.")]


class Rollback(Struct, frozen=True):
    """`revision` was brought back in place of `before`, which is what the registry folder held at that time."""

    revision: str
    before: str
    at: str
    why: str


class KeptRevision(Struct, frozen=True):
    """A revision whose image is kept, so that it can be brought back or compared. `served`: when it was last taken into
    service here, null for one that was only built."""

    revision: str
    serves: bool
    built: str
    served: str | None
    counts: dict[str, int]


class RegistryState(Struct, frozen=True):
    """`previous` is what a rollback would bring back, "" for nothing."""

    revision: str
    previous: str
    rollback: Rollback | None
    kept: list[KeptRevision]


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """One of `signature` (the whole text, or a part of it), `port` (a number: what covers it and what is under it),
    `account` (a system_id) and `enterprise` (an id)."""

    signature: Annotated[str, Meta(max_length=64)] = ""
    port: Annotated[str, Meta(max_length=20, pattern="^[0-9]*$")] = ""
    account: Annotated[str, Meta(max_length=15)] = ""
    enterprise: Annotated[str, Meta(max_length=64)] = ""
    limit: Limit = 100


class Chain(Struct, frozen=True):
    """How an enterprise comes to a number: `steps` are enterprises from the holder on. `permitted` when it may send on
    it now; `why` says what is in the way otherwise."""

    enterprise: str
    number: str
    port: str
    steps: list[str]
    permitted: bool
    why: str


class Found(Struct, frozen=True):
    """Rows of each table that have to do with what was looked for, at most `limit` of each; `truncated` names the
    tables of which there are more. `look_alikes`: registered signatures that look like the one asked for."""

    revision: str
    enterprises: list[Row] = []
    accounts: list[Row] = []
    ports: list[Row] = []
    subleases: list[Row] = []
    signatures: list[Row] = []
    scopes: list[Row] = []
    templates: list[Row] = []
    chains: list[Chain] = []
    look_alikes: list[str] = []
    truncated: list[str] = []


class EditRequest(Edit, frozen=True, forbid_unknown_fields=True):
    """Add, change or remove one row of a table. `where` names the row by values of its fields, `line` tells apart what
    they do not; `row` has the fields of a new row, or those to change. `dry_run` checks and writes nothing. `resume`:
    go on although a rollback is in force, which brings the whole folder into service."""

    dry_run: bool = False
    resume: bool = False


class EditResult(Struct, frozen=True):
    """The row in `line` of `file`, before and after. `serves` is False when it is on file and the folder cannot be
    served for another reason, which `errors` name; `revision` is what serves."""

    file: str
    line: int
    before: Row
    after: Row
    dry_run: bool
    serves: bool
    revision: str
    errors: list[str]
    warnings: list[str]


class ReloadResult(Struct, frozen=True):
    """success, unchanged or held (rolled back, and the folder has not changed since). `revision` is what serves."""

    result: str
    revision: str
    warnings: list[str]
    counts: dict[str, int]
    seconds: float


class RollbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`revision`: one that is kept; the one before the present when it is blank."""

    revision: Digest = ""
    why: Annotated[str, Meta(max_length=200)] = ""


class CompareRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Hold a candidate beside what serves: the registry folder when `revision` is blank, else one that is kept. The
    newest `messages` are judged under both."""

    revision: Digest = ""
    messages: Annotated[int, Meta(ge=0, le=1_000_000)] = 100_000
