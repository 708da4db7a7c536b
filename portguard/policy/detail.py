"""How the answers of a revision came about, for `explain`: a `PortDetail` and a `GrantDetail`."""

from dataclasses import dataclass, field

from portguard.policy.chains import Chain
from portguard.registry.records import PortRecord, ScopeRecord, SignatureRecord, SubleaseRecord


@dataclass(slots=True)
class PortDetail:
    """How a PortGrant came about."""

    number: str
    record: PortRecord | None = None
    chain: Chain | None = None
    taken_by: SubleaseRecord | None = None
    inactive: list[str] = field(default_factory=list)


@dataclass(slots=True)
class GrantDetail:
    """How a Grant came about."""

    text: str
    form_error: str = ""
    on_file: list[str] = field(default_factory=list)
    registrations: list[SignatureRecord] = field(default_factory=list)
    covering: list[ScopeRecord] = field(default_factory=list)
    kept_by: str = ""
    inactive: list[str] = field(default_factory=list)
