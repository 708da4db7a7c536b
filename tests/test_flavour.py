"""The flavour is told by where Python finds the modules of the compile list."""

import importlib
import os

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
