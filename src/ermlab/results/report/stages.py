"""Shows how far a long report is: a bar in a terminal, a plain line for each stage elsewhere."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

LONG = 300  # own; a report of so many runs takes more than two seconds


class Stages:
    """Told of each stage of a report; writes to the error stream. Use as a context manager.

    Args:
        n_stages: how many there will be.
        n_runs: fewer than LONG runs are done before anyone reads a bar, and show none.
    """

    def __init__(self, n_stages: int, *, n_runs: int) -> None:
        self._n_stages = n_stages
        self._n_runs = n_runs
        self._n_begun = 0
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> "Stages":
        if self._n_runs >= LONG and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (TextColumn("report: {task.description}"), BarColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("", total=self._n_stages)
            self._bar.start()
        return self

    def begin(self, title: str) -> None:
        """Begin the next stage."""
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, description=title, completed=self._n_begun, refresh=True)
        elif self._n_runs >= LONG:
            sys.stderr.write(f"report: {title} ({self._n_begun + 1} of {self._n_stages})\n")
        self._n_begun += 1

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
