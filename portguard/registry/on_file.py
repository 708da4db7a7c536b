"""Records of an image as the rows they came from: for people, who know dates and hours and leave blanks blank."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from portguard.registry import model
from portguard.registry.hours import format_span
from portguard.registry.records import NO_LIMIT, PortRecord, ScopeRecord, SignatureRecord, SubleaseRecord
from portguard.sms.category import unpacked


def on_file(fields: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The fields of a record that say something, as a table has them; dates are days of `zone`."""
    found = {}
    for name, value in fields.items():
        written = _written(name, value, zone)
        if written not in (None, "", [], False):
            found[name] = written
    return found


_ROWS: Final[dict[type, type[Struct]]] = {
    PortRecord: model.PortRow,
    SubleaseRecord: model.SubleaseRow,
    SignatureRecord: model.SignatureRow,
    ScopeRecord: model.ScopeRow,
}


def readable(record: Any) -> dict[str, Any]:
    """The fields of a record as its table names and orders them: lists of names, spans as pairs of minutes."""
    row = _ROWS.get(type(record))
    if row is None:
        return structs.asdict(record)
    fields = {name: getattr(record, name) for name in row.__struct_fields__}
    if "categories" in fields:
        fields["categories"] = unpacked(record.categories)
    if "regions" in fields:
        fields["regions"] = record.regions.split("|") if record.regions else []
    return fields


def _written(name: str, value: Any, zone: ZoneInfo) -> Any:
    if name == "valid_from":
        return datetime.fromtimestamp(value, zone).date().isoformat() if value else None
    if name == "valid_until":
        # The record has the second after the last: a second earlier is the date that stands on file.
        return None if value >= NO_LIMIT else datetime.fromtimestamp(value - 1, zone).date().isoformat()
    if name == "hours":
        return [format_span(span) for span in value]
    if name == "extension_digits":
        return None if value < 0 else value
    if name in ("daily_cap", "max_binds", "tps"):
        return value or None
    return list(value) if isinstance(value, tuple) else value
