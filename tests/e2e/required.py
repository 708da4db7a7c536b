"""Programs and packages that a test needs and a laptop may lack: there it is skipped, and in CI that fails."""

import importlib.util
import shutil
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skips the test for `reason`."""
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of a program, or `absent`."""
    path = shutil.which(name)
    if path is None:
        absent(f"{name} is not installed")
    return path


def package(name: str) -> None:
    """Makes sure that a Python package is importable, or `absent`."""
    if importlib.util.find_spec(name) is None:
        absent(f"the Python package {name} is not installed")
