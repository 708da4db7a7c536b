"""Writers that are gone after a test, whatever became of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.evidence.packed import WriterProcess

Start = Callable[..., WriterProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts writers; each is killed at the end of the test, if it is still there."""
    started: list[WriterProcess] = []

    def begin(*arguments: Any, **changes: Any) -> WriterProcess:
        started.append(WriterProcess(*arguments, **changes))
        return started[-1]

    yield begin
    for one in started:
        one.clean()
