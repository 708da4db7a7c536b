"""Where the PDUs of other projects lie: beside the clone, or where PORTGUARD_SHARED_DATA says."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """The folder of that name; the test is skipped where there is none, but fails in CI."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("PORTGUARD_SHARED_DATA", beside)) / name
    if not folder.is_dir():
        missing = f"no evaluation data at {folder} (PORTGUARD_SHARED_DATA names another place)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return folder
