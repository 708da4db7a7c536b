"""Progress bars on stderr: of a long read, and of a revision that is built."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from portguard.registry import progress

# Longer names of files are cut at their beginning, to leave room for the counts.
_NAME = 16


class Bar:
    """A context manager: share of the file, rows a second, and what became of the rows so far. `size` is the input's in
    octets, 0 when nobody knows."""

    def __init__(self, name: str, size: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TaskProgressColumn(show_speed=False),
            TextColumn("{task.fields[rows]:,} rows"),
            TextColumn("{task.fields[actions]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        shown = Path(name).name
        shown = shown if len(shown) <= _NAME else f"...{shown[-_NAME:]}"
        self._task = self._progress.add_task(shown, total=size or None, rows=0, actions="")

    def at(self, octets: int, actions: Counter[str], of: int | None = None) -> None:
        """So many octets are read, and these are the verdicts. `of`: the size, where it was not known before."""
        counts = ", ".join(f"{action} {count:,}" for action, count in sorted(actions.items()))
        if of is not None:
            self._progress.update(self._task, total=of)
        self._progress.update(self._task, completed=octets, rows=actions.total(), actions=counts)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()


@contextmanager
def building() -> Iterator[progress.Progress]:
    """What `registry.build` tells how far it is: a bar where stderr is a terminal, and only for a build that takes long
    enough to wonder. Nothing of it is left afterwards."""
    if not sys.stderr.isatty():
        yield progress.UNSEEN
        return
    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TaskProgressColumn()
    bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=1.0)

    def tell(share: float, what: str) -> None:
        bar.update(task, completed=share, description=what)
        # Again and again, which is only once: what is done before there is anything to say leaves the terminal alone.
        bar.start()

    try:
        yield progress.Progress(tell)
    finally:
        if bar.live.is_started:
            bar.stop()
