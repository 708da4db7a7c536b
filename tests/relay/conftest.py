from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portguard.policy.options import ConcatOptions, PolicyOptions
from tests.relay.stage import Stage


@pytest.fixture
def staged(tmp_path: Path) -> Callable[..., Stage]:
    """Makes a stage with the given policy settings."""

    def make(
        limits: dict[str, Any] | None = None, concat: ConcatOptions | None = None, **policy: Any
    ) -> Stage:
        policy.setdefault("mode", "enforce")
        return Stage(tmp_path, PolicyOptions(**policy), concat, **(limits or {}))

    return make


@pytest.fixture
def stage(staged: Callable[..., Stage]) -> Stage:
    """A stage that enforces, with everything else by default."""
    return staged()
