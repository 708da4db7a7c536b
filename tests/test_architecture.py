"""The house rules that a reader relies on: who may import whom, where asyncio may appear, what is compiled, how large.

The order of the rooms: smpp, sms, registry, policy, relay; then the adapters, which do not know each other; then daemon
and cli. `sim` stands apart and knows only smpp.
"""

import ast
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from portguard._compiled import COMPILED

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "portguard"

CORE = ["smpp", "sms", "registry", "policy", "relay"]
ADAPTERS = ["consent", "complaints", "evidence", "net", "telemetry", "mqtt", "admin", "settings"]
OUTSIDE = ["daemon", "cli"]
# What knows no room, and so may be asked by those that are not on the path of a message.
TOP = {"", "_compiled", "aside", "flavour"}

MAY_IMPORT: dict[str, set[str]] = {
    **{room: set(CORE[: place + 1]) for place, room in enumerate(CORE)},
    **{room: {*CORE, room} | TOP for room in ADAPTERS},
    "daemon": {*CORE, *ADAPTERS, "daemon"} | TOP,
    "cli": {*CORE, *ADAPTERS, *OUTSIDE, "sim"} | TOP,
    "sim": {"smpp", "sim"} | TOP,
    "__main__": {"cli"},
    "": set(),
    "_compiled": set(),
    "_build": set(),
    "aside": set(),
    "flavour": {"_compiled"},
}
IO_PACKAGES = {"asyncio", "uvloop", "socket", "ssl", "threading", "multiprocessing", "prometheus_client"}
NOT_COMPILED = {"msgspec", "dataclasses"} | IO_PACKAGES
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_COMPILED = 28


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its full name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def room(name: str) -> str:
    """The room of a module of portguard: the first name below the package, empty for the package itself."""
    return [*name.split("."), ""][1]


def imported(name: str, nodes: list[ast.stmt] | None = None) -> list[str]:
    """The full names that a module imports, anywhere in it or among `nodes`, modules named after `import` included."""
    found = []
    for top in tree(name).body if nodes is None else nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: imports are absolute"
                module = node.module or ""
                whole = [f"{module}.{alias.name}" for alias in node.names]
                found += [one if one in modules() else module for one in whole]
    return found


def test_rooms_import_only_what_stands_before_them() -> None:
    wrong = []
    for name in modules():
        for target in imported(name):
            if target.split(".")[0] != "portguard" or room(target) in MAY_IMPORT[room(name)]:
                continue
            # settings assembles what each room declares as its options
            if not (room(name) == "settings" and room(target) in ADAPTERS and target.endswith(".options")):
                wrong.append(f"{name} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known() -> None:
    assert {room(name) for name in modules()} <= set(MAY_IMPORT)


def test_the_core_performs_no_io() -> None:
    """asyncio appears only right of relay."""
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if room(name) in CORE
        for target in imported(name)
        if target.split(".")[0] in IO_PACKAGES
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {name: {t for t in _at_import(name) if t in modules()} - {name} for name in modules()}
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        for target in sorted(graph[name]):
            visit(target, [*path, name])
        done.add(name)

    for name in graph:
        visit(name, [])


def _at_import(name: str) -> list[str]:
    """What is imported when the module is, so not what its functions import or what only a type checker sees."""
    direct = [node for node in tree(name).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return imported(name, list(direct))


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_module_is_there_and_imports_nothing_that_does_not_compile(name: str) -> None:
    assert name in modules()
    wrong = {target for target in imported(name) if target.split(".")[0] in NOT_COMPILED}
    assert not wrong


def test_the_compile_list_is_short_and_has_the_bases_of_its_classes() -> None:
    assert len(COMPILED) <= MOST_COMPILED
    assert len(set(COMPILED)) == len(COMPILED)
    for name in COMPILED:
        from_module = {
            alias.asname or alias.name: node.module
            for node in tree(name).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in tree(name).body:
            if isinstance(node, ast.ClassDef):
                bases = {from_module.get(base.id) for base in node.bases if isinstance(base, ast.Name)} - {None}
                ours = {base for base in bases if base is not None and base.startswith("portguard.")}
                assert ours <= set(COMPILED), f"{name}.{node.name}: a base in {ours} is not compiled"


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name in modules() if not ast.get_docstring(tree(name))]
    assert not silent, "\n".join(silent)


def test_modules_and_functions_stay_small() -> None:
    large = []
    for name, path in modules().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            large.append(f"{name}: {lines} lines")
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    large.append(f"{name}.{node.name}: {length} lines")
    assert not large, "\n".join(large)


def test_names_say_something() -> None:
    vague = [name for name in modules() if set(name.split(".")) & VAGUE_NAMES]
    assert not vague


def test_the_compile_list_is_sorted_by_the_way_of_a_message() -> None:
    order = [CORE.index(room(name)) for name in COMPILED]
    assert all(a <= b for a, b in pairwise(order))
