"""Loading portguard.toml: every error at once, each as `file: section.key: message`.

msgspec stops at the first error, so the file is converted key by key: `problems` walks a table beside its Struct type
and converts the leaves. Only a file without problems is converted as a whole.
"""

import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from portguard.admin.options import AdminOptions
from portguard.complaints.options import ComplaintsOptions
from portguard.mqtt.options import MqttOptions
from portguard.net.options import ListenOptions, smsc_errors
from portguard.policy.options import TagOptions
from portguard.policy.rules import policy_errors
from portguard.settings.node import NodeOptions
from portguard.settings.schema import Settings
from portguard.telemetry.options import MetricsOptions


class SettingsError(Exception):
    """The settings cannot be used. `errors` has every reason, each a line of its own."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def load(path: Path) -> Settings:
    """The settings in a file, its relative paths taken from the file's folder. Raises SettingsError."""
    tables = _read(path)
    found = list(problems(Settings, tables, ""))
    found += cross_errors(tables)
    if found:
        raise SettingsError([f"{path}: {line}" for line in found])
    settings = msgspec.convert(tables, Settings, dec_hook=_path_from_text)
    return typing.cast(Settings, _rebased(settings, path.absolute().parent))


def cross_errors(tables: dict[str, object]) -> list[str]:
    """What is wrong although each key by itself is sound; the keys that are not are left out of the question."""
    found = []
    for field in msgspec.structs.fields(Settings):
        check = _CHECKS.get(field.name)
        part = None if check is None or field.name not in tables else _sound(field.type, tables[field.name])
        if check is not None and part is not None:
            found += check(part)
    return found


def _tag_errors(options: TagOptions) -> list[str]:
    tags = msgspec.structs.asdict(options)
    found = []
    for name, tag in tags.items():
        others = [other for other in tags if other != name and tags[other] == tag]
        if others:
            found.append(f"tag.{name}: 0x{tag:04X} is also the tag of {', '.join(others)}")
    return found


_CHECKS: typing.Final[dict[str, Callable[[Any], list[str]]]] = {
    "node": NodeOptions.errors,
    "listen": ListenOptions.errors,
    "smsc": smsc_errors,
    "policy": policy_errors,
    "tag": _tag_errors,
    "complaints": ComplaintsOptions.errors,
    "mqtt": MqttOptions.errors,
    "metrics": MetricsOptions.errors,
    "admin": AdminOptions.errors,
}


def _sound(kind: Any, value: object) -> object:
    """The value converted, without those keys of its table that have problems; None when the rest is not enough."""
    struct, _ = _shape(kind, value)
    if struct is not None and isinstance(value, dict):
        types = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        sound = {key: item for key, item in value.items() if key in types and not any(problems(types[key], item, key))}
        value, kind = sound, struct
    try:
        return msgspec.convert(value, kind, dec_hook=_path_from_text)
    except msgspec.ValidationError:
        return None


def problems(kind: Any, value: object, place: str) -> Iterator[str]:
    """Every way in which a value read from TOML does not fit a type, each as `place.key: message`."""
    struct, items = _shape(kind, value)
    if struct is not None:
        yield from _table_problems(struct, value, place)
    elif items is not None and isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from problems(items, item, f"{place}[{number}]")
    elif items is not None and isinstance(value, dict):
        for key, item in value.items():
            yield from problems(items, item, f"{place}.{key}")
    else:
        yield from _leaf_problems(kind, value, place)


def _table_problems(struct: type[msgspec.Struct], value: object, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: expected a table, got {_toml_name(value)}"
        return
    before = f"{place}." if place else ""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        if key in fields:
            yield from problems(fields[key].type, item, before + key)
        else:
            near = get_close_matches(key, fields, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(fields)}"
            yield f"{before}{key}: unknown {'key' if place else 'section'}{hint}"
    for name, field in fields.items():
        if field.required and name not in value:
            yield f"{before}{name}: is missing"


def _leaf_problems(kind: Any, value: object, place: str) -> Iterator[str]:
    try:
        msgspec.convert(value, kind, dec_hook=_path_from_text)
    except msgspec.ValidationError as error:
        arms = _arms(kind)
        choices = [arm for arm in arms if typing.get_origin(arm) is typing.Literal]
        if choices and isinstance(value, str):
            names = ", ".join(str(choice) for arm in choices for choice in typing.get_args(arm))
            number = ", or a number" if int in arms or float in arms else ""
            yield f"{place}: expected one of {names}{number}; got {value!r}"
            return
        message, _, inner = str(error).partition(" - at `$")
        message = message.replace("`", "")
        yield f"{place}{inner.rstrip('`')}: {message[:1].lower()}{message[1:]}"


def _shape(kind: Any, value: object) -> tuple[type[msgspec.Struct] | None, Any]:
    """(Struct, None) where the value should be a table, (None, item type) where it holds Structs, else (None, None)."""
    for arm in _arms(kind):
        table = isinstance(arm, type) and issubclass(arm, msgspec.Struct)
        if table and (isinstance(value, dict) or len(_arms(kind)) == 1):
            return arm, None
        origin, arguments = typing.get_origin(arm), typing.get_args(arm)
        if (origin is list and isinstance(value, list)) or (origin is dict and isinstance(value, dict)):
            return None, arguments[-1]
    return None, None


def _arms(kind: Any) -> list[Any]:
    """The alternatives of a type, None and annotations aside."""
    if typing.get_origin(kind) is typing.Annotated:
        return _arms(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [arm for part in typing.get_args(kind) if part is not type(None) for arm in _arms(part)]
    return [kind]


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return {name: _undated(value) for name, value in tomllib.load(file).items()}
    except OSError as error:
        raise SettingsError([f"{path}: {(error.strerror or str(error)).lower()}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: {error}"]) from error


def _undated(value: object) -> object:
    """TOML's own dates and times as the ISO text that the settings take."""
    if isinstance(value, dict):
        return {name: _undated(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_undated(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _path_from_text(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        if not value or "\0" in value:
            raise ValueError("expected a path")
        return Path(value)
    raise ValueError(f"expected a path, got {_toml_name(value)}")


def _rebased(value: object, folder: Path) -> object:
    """A copy in which every relative Path starts in `folder`."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, list):
        return [_rebased(item, folder) for item in value]
    if isinstance(value, msgspec.Struct):
        moved = {name: _rebased(getattr(value, name), folder) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **moved)
    return value


def _toml_name(value: object) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
