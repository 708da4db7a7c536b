"""An image of the registry that the tests of the decision have, built once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portguard.registry.image import Image
from tests.complaints.stage import Stage
from tests.policy.folder import image
from tests.policy.registry import TABLES


@pytest.fixture(scope="session")
def on_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    found = image(tmp_path_factory.mktemp("registry"), TABLES)
    yield found
    found.close()


@pytest.fixture
def stage(tmp_path: Path, on_file: Image) -> Iterator[Callable[..., Stage]]:
    """Makes a Stage with these options; again in the same test, it is the same file after a restart."""
    made: list[Stage] = []

    def make(**fields: Any) -> Stage:
        made.append(Stage(tmp_path / "complaints.sqlite", on_file, **fields))
        return made[-1]

    yield make
    for one in made:
        one.store.close()
