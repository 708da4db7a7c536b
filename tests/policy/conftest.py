"""Fixtures: images of tables, each built once a session, and desks over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portguard.policy.desk import Desk
from portguard.policy.revision import Revision
from portguard.registry.image import Image
from tests.policy import folder
from tests.policy.folder import OWN_TAGS, Tables
from tests.policy.registry import TABLES


class Office:
    """Revisions and desks over tables (those of `registry` unless others are given) under a `[policy]`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._images: dict[str, Image] = {}

    def revision(self, tables: Tables = TABLES, **policy: Any) -> Revision:
        """A revision; mode "enforce" unless set."""
        key = json.dumps(tables, ensure_ascii=False)
        if key not in self._images:
            self._images[key] = folder.image(self._place / str(len(self._images)), tables)
        return folder.revision(self._images[key], policy)

    def desk(self, tables: Tables = TABLES, **policy: Any) -> Desk:
        """A Desk with nothing used up."""
        return Desk(self.revision(tables, **policy), OWN_TAGS)

    def close(self) -> None:
        """Unmap the images."""
        for image in self._images.values():
            image.close()


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The session's Office."""
    place = Office(tmp_path_factory.mktemp("revisions"))
    yield place
    place.close()
