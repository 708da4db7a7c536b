"""Everything that can be asked of a node and done to it: one Protocol, for the HTTP API and the control socket alike.

Nouns: a `Caller` is who asks, and over what; a `Refusal` is why something is not done. What changes anything is put on
record by whoever implements this, with the caller and what came of it.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from portguard.admin import model, tables
from portguard.admin.comparison import Comparison

Kind = Literal["invalid", "absent", "conflict", "unavailable", "busy", "failed"]


class Caller(msgspec.Struct, frozen=True):
    """`who`: the token's name, or a user of the machine; `via`: http or control; `peer`, `request`: for the record."""

    who: str
    role: str
    via: str
    peer: str = ""
    request: str = ""


class Refusal(Exception):
    """Not done; nothing has changed. `kind`: invalid (what was asked), absent (no such thing), conflict (not as things
    stand), unavailable (the settings do not have it), busy (later), failed (the log says more). `field` names what of
    the request is at fault, `remedy` what to do; `errors` and `rows` are the details."""

    def __init__(
        self, kind: Kind, detail: str, *, field: str = "", remedy: str = "", errors: Sequence[str] = (),
        rows: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.kind: Kind = kind
        self.detail = detail
        self.field = field
        self.remedy = remedy
        self.errors = list(errors)
        self.rows = list(rows)


class Steering(Protocol):
    """Every method raises Refusal."""

    async def status(self) -> model.NodeStatus: ...
    async def metrics(self) -> list[model.Metric]: ...

    async def registry(self) -> tables.RegistryState: ...
    async def search(self, wanted: tables.Search) -> tables.Found: ...
    async def edit(self, caller: Caller, wanted: tables.EditRequest) -> tables.EditResult: ...
    async def reload(self, caller: Caller) -> tables.ReloadResult: ...
    async def compare(self, wanted: tables.CompareRequest) -> Comparison: ...
    async def rollback(self, caller: Caller, wanted: tables.RollbackRequest) -> tables.ReloadResult: ...

    async def sessions(self, wanted: model.SessionsQuery) -> list[model.SessionView]: ...
    async def close_session(self, caller: Caller, id: str) -> model.Closed: ...
    async def suspensions(self) -> list[model.Suspension]: ...
    async def suspend(self, caller: Caller, wanted: model.SuspendRequest) -> model.Suspension: ...
    async def lift(self, caller: Caller, target: model.TargetPath, why: str) -> model.Lifted: ...

    async def consent(self, wanted: model.ConsentQuery) -> model.ConsentStanding: ...
    async def revoke(self, caller: Caller, wanted: model.RevokeRequest) -> model.OnFile: ...
    async def grant(self, caller: Caller, wanted: model.GrantRequest) -> model.OnFile: ...
    async def take_complaints(self, caller: Caller, rows: list[dict[str, Any]]) -> model.ComplaintsTaken: ...
    async def complaints(self, wanted: model.ComplaintsQuery) -> list[tables.Row]: ...
    async def targets(self) -> list[tables.Row]: ...

    async def violations(self, wanted: model.ViolationsQuery) -> list[model.Record]: ...
    async def explain(self, wanted: model.ExplainRequest) -> model.Explanation: ...

    async def latest(self) -> int:
        """The number of the journal's last record."""

    async def records(self, after: int, limit: int) -> list[model.Record]:
        """Up to `limit` records of the journal behind a number, in order."""
