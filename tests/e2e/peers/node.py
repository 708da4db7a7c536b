"""Where the npm package `smpp` lives, and how a node program starts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.e2e import required
from tests.e2e.peers.lines import Event, LineProcess

HERE = Path(__file__).parent
PACKAGE = HERE.parent
INSTALL_SECONDS = 120


def start(script: str, *arguments: str, heard: Callable[[Event], None] | None = None) -> LineProcess:
    """Starts a node program of this folder; the test is skipped with the reason where node or the package is absent."""
    node = required.program("node")
    _install()
    return LineProcess([node, str(HERE / script), *arguments], PACKAGE, heard)


def _install() -> None:
    """Installs what package-lock.json names, once a clone."""
    if (PACKAGE / "node_modules" / "smpp" / "package.json").exists():
        return
    command = [required.program("npm"), "ci", "--ignore-scripts", "--no-progress"]
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        required.absent(f"npm ci in tests/e2e failed: {done.stderr.strip()[-300:]}")
