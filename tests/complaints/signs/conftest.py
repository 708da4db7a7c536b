"""Five ordinary days that the signs have seen, made once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.complaints.signs.watching import Watch
from tests.complaints.signs.world import World

DAYS = 5


@pytest.fixture(scope="session")
def five_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a watch over DAYS of ordinary traffic, in which there was no sign."""
    path = tmp_path_factory.mktemp("signs") / "complaints.sqlite"
    watch = Watch(path, World())
    assert watch.run(0, DAYS) == []
    watch.signs.save()
    watch.store.close()
    return path


@pytest.fixture
def after(five_days: Path, tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    """Makes a Watch that goes on after the five days, or, again in the same test, where the last one was saved."""
    made: list[Watch] = []

    def make(**world: Any) -> Watch:
        path = tmp_path / "complaints.sqlite"
        if not path.exists():
            shutil.copy(five_days, path)
        made.append(Watch(path, World(**world)))
        return made[-1]

    yield make
    for watch in made:
        watch.store.close()
