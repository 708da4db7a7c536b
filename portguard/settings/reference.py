"""Every setting on one page, `config/REFERENCE.md`, made from the options themselves:

    python -m portguard.settings.reference > config/REFERENCE.md
"""

import sys
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec import inspect

from portguard.policy.reasons import ACTION_NAMES, CATALOGUE
from portguard.settings.schema import Settings
from portguard.smpp.constants import status_name

_HEAD: Final = """# portguard.toml: every setting

Made from the code by `python -m portguard.settings.reference`; a test holds that it is up to date. `listen`, `smsc` and
`registry` are needed, every other section may be left out; an unknown key is an error. Paths are relative to the file,
times without a zone in `node.timezone`. `portguard check` names what is wrong. A change of portguard.toml takes a
restart; the registry does not.
"""
_RULES: Final = """## The rules

In the order of judgement, with what `[policy.rules.<name>]` may change. The number is the rule's code, which never
changes.

| code | name | fires when | action | status |
|---|---|---|---|---|"""
# The sections that may be left out with what they are about, and what then is not there.
_OPTIONAL: Final = ("consent", "mqtt", "metrics", "admin")
_WORDS: Final = {"str": "text", "bool": "true, false", "float": "number", "int": "whole number", "Path": "path"}


def reference() -> str:
    """The page, in Markdown."""
    lines, told = [_HEAD], dict[type, str]()
    for field in _struct(Settings).fields:
        lines += _section(field.encode_name, field.type, told, optional=field.encode_name in _OPTIONAL)
    lines += [_RULES]
    for rule in CATALOGUE:
        lines.append(
            f"| {rule.code} | `{rule.name}` | {rule.fires_when} | {ACTION_NAMES[rule.action]} |"
            f" {status_name(rule.status)} |"
        )
    return "\n".join([*lines, ""])


def _section(name: str, kind: inspect.Type, told: dict[type, str], *, optional: bool = False) -> Iterator[str]:
    """Heading, words and table of a section, and those of the sections in it; `told` has those that were before."""
    found = _inner(kind)
    assert found is not None
    heading = told[found.cls] = f"[[{name}]]" if isinstance(kind, inspect.ListType) else f"[{name}]"
    yield f"## `{heading}`\n"
    if optional:
        yield "Without this section there is none of it.\n"
    yield _words(found.cls) + "\n"
    rows, below = [], []
    for field in found.fields:
        inner = None if _is_value(field.type) else _inner(field.type)
        if inner is None:
            rows.append(f"| `{field.encode_name}` | {_values(field.type)} | {_default(field)} |")
        elif inner.cls in told:
            rows.append(f"| `{field.encode_name}` | as `{told[inner.cls]}` | |")
        else:
            below.append((field.encode_name, field.type))
    if rows:
        yield from ["| key | values | unless set |", "|---|---|---|", *rows, ""]
    for key, inside in below:
        named = f"{name}.{key}.<name>" if isinstance(inside, inspect.DictType) else f"{name}.{key}"
        yield from _section(named, inside, told)


def _is_value(kind: inspect.Type) -> bool:
    """Is a struct written in one line, as complaints' thresholds are?"""
    inner = _inner(kind)
    return inner is not None and len(inner.fields) <= 2 and isinstance(kind, inspect.UnionType)


def _inner(kind: inspect.Type) -> inspect.StructType | None:
    """The struct in a type, None where there is none."""
    match kind:
        case inspect.StructType():
            return kind
        case inspect.ListType():
            return _inner(kind.item_type)
        case inspect.DictType():
            return _inner(kind.value_type)
        case inspect.UnionType():
            return next((found for one in kind.types if (found := _inner(one)) is not None), None)
    return None


def _values(kind: inspect.Type) -> str:
    """What a key takes, in words."""
    match kind:
        case inspect.LiteralType():
            return ", ".join(map(str, kind.values))
        case inspect.UnionType():
            return " or ".join(_values(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.ListType():
            return f"list of {_values(kind.item_type)}"
        case inspect.TupleType():
            return f"[{', '.join(map(_values, kind.item_types))}]"
        case inspect.StructType():
            pairs = (f"{field.encode_name} = {_values(field.type)}" for field in kind.fields)
            return f"{{ {', '.join(pairs)} }}"
        case inspect.IntType() | inspect.FloatType():
            return _number(kind)
        case inspect.StrType() if kind.pattern and "|" in kind.pattern:
            return kind.pattern.strip("^$()").replace("|", ", ")
        case inspect.CustomType():
            return _WORDS[kind.cls.__name__]
    return _WORDS[type(kind).__name__.removesuffix("Type").lower()]


def _number(kind: inspect.IntType | inspect.FloatType) -> str:
    what = "whole number" if isinstance(kind, inspect.IntType) else "number"
    if kind.ge is not None and kind.le is not None:
        return f"{kind.ge:g} to {kind.le:g}" if isinstance(kind, inspect.FloatType) else f"{kind.ge} to {kind.le}"
    least = f", at least {kind.ge}" if kind.ge is not None else f", more than {kind.gt}" if kind.gt is not None else ""
    return what + least + (f", at most {kind.le:g}" if kind.le is not None else "")


def _default(field: inspect.Field) -> str:
    if field.required:
        return "*needed*"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if value is None else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | PurePath():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{}"
        case msgspec.Struct():
            pairs = (f"{name} = {_toml(getattr(value, name))}" for name in value.__struct_fields__)
            return f"{{ {', '.join(pairs)} }}"
    return str(value)


def _words(cls: type) -> str:
    """A docstring as a paragraph or more."""
    return "\n".join(line.strip() for line in (cls.__doc__ or "").strip().splitlines())


def _struct(cls: type[msgspec.Struct]) -> inspect.StructType:
    found = inspect.type_info(cls)
    assert isinstance(found, inspect.StructType)
    return found


if __name__ == "__main__":
    sys.stdout.write(reference())
