"""The progress bar of a long read, on stderr: share of the file, rows a second, and what became of the rows so far."""

from collections import Counter
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

# Longer names of files are cut at their beginning, to leave room for the counts.
_NAME = 16


class Bar:
    """A context manager; `size` is the input's in octets, 0 when nobody knows."""

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

    def at(self, octets: int, actions: Counter[str]) -> None:
        """So many octets are read, and these are the verdicts."""
        counts = ", ".join(f"{action} {count:,}" for action, count in sorted(actions.items()))
        self._progress.update(self._task, completed=octets, rows=actions.total(), actions=counts)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()
