"""The flavour is told by where Python finds the modules of the compile list."""

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from portguard import flavour
from portguard._compiled import COMPILED


def test_it_is_what_the_modules_are() -> None:
    suffixes = {str(importlib.import_module(name).__file__).endswith(".so") for name in COMPILED}
    assert suffixes == {flavour.flavour() == flavour.COMPILED_FLAVOUR}


def test_it_is_mixed_where_some_modules_are_compiled_and_some_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flavour, "is_compiled", lambda name: name == COMPILED[0])
    assert flavour.flavour.__wrapped__() == flavour.MIXED_FLAVOUR


def test_a_pure_module_is_not_compiled() -> None:
    assert not flavour.is_compiled("portguard.flavour")
    assert flavour.is_compiled("_bisect") or os.name != "posix"


@pytest.mark.parametrize("found", [flavour.COMPILED_FLAVOUR, flavour.MIXED_FLAVOUR])
@pytest.mark.parametrize("library", ["portguard__mypyc", "portguard_trained__mypyc"])
def test_it_is_trained_where_all_of_it_is_in_that_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: str, library: str
) -> None:
    (tmp_path / f"{library}{EXTENSION_SUFFIXES[0]}").touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    importlib.invalidate_caches()
    monkeypatch.setattr(flavour, "flavour", lambda: found)
    assert flavour.is_trained.__wrapped__() == (found == "compiled" and library.startswith("portguard_trained"))
