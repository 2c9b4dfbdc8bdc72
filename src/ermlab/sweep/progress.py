"""Shows how far a sweep is: a bar in a terminal, a plain line now and then elsewhere."""

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ermlab.loop.check import Check
from ermlab.sweep.worker import Ended

if TYPE_CHECKING:
    import rich.progress

FIRST_S = 1.0  # own: shorter sweeps end before anyone reads a bar
BAR_EVERY_S = 0.2  # own: five pictures a second are enough for a number to be read
LINE_EVERY_S = 10.0  # own: a log file grows by a line now and then


class SweepProgress:
    """Counts the trials of a sweep, over all its launches; writes to the error stream.

    Args:
        objective: the column that the sweep optimizes; of an accuracy the highest is the best.
    """

    def __init__(self, objective: str) -> None:
        self._objective = objective
        self._sign = -1.0 if objective.endswith("accuracy") else 1.0
        self._total = self._finished = self._begun = self._diverged = self._failed = 0
        self._left = self._diverging = 0  # of the stack that trains in this process
        self._best = math.inf
        self._train_s = self._since = 0.0
        self._shown = 0.0
        self._bar: rich.progress.Progress | None = None

    @contextmanager
    def launch(self, total: int) -> Iterator[None]:
        """Show the progress while the block runs.

        Args:
            total: trials of the sweep in all, as far as is known now.
        """
        self._total = total
        self._since = self._shown = time.monotonic()
        is_terminal = sys.stderr.isatty()
        try:
            if is_terminal:
                self._bar = _make_bar()
                self._bar.add_task("sweep", total=total, note="")
                with self._bar, _log_above(self._bar):
                    yield
            else:
                yield
        finally:
            self._train_s += time.monotonic() - self._since
            self._bar = None

    def begin(self, n_trials: int) -> None:
        """Count trials that start."""
        self._begun += n_trials
        self._show()

    def see(self, check: Check) -> None:
        """Take in what was measured of the trials that train in this process."""
        measured = check.values.get(self._objective)
        if measured is not None:
            for value in measured[check.due].tolist():
                self._take(value)
        self._left = int((~check.active).sum())
        self._diverging += int(check.diverged.sum())
        self._show()

    def end(self, jobs: Sequence[Ended]) -> None:
        """Count trials that ended."""
        self._begun = max(0, self._begun - len(jobs))
        self._left = self._diverging = 0
        for job in jobs:
            self._finished += 1
            self._diverged += job.status == "diverged"
            self._failed += isinstance(job.value, Exception)
            if not isinstance(job.value, Exception):
                self._take(job.value[0] if isinstance(job.value, list) else job.value)
        self._show()

    def describe(self) -> str:
        """Say in one line how far the sweep is."""
        seconds = self._train_s + time.monotonic() - self._since
        parts = [f"{max(0, self._begun - self._left)} alive"]
        diverged = self._diverged + self._diverging
        parts += [f"{diverged} diverged"] if diverged else []
        parts += [f"{self._failed} failed"] if self._failed else []
        if math.isfinite(self._best):
            parts.append(f"best {self._objective} {self._sign * self._best:.4g}")
        if self._finished:
            parts.append(f"{self._finished / max(seconds, 1e-9):.3g} trials/s")
        return ", ".join(parts)

    def _take(self, value: float) -> None:
        if math.isfinite(value):
            self._best = min(self._best, self._sign * value)

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is not None:
            if now - self._shown >= BAR_EVERY_S or not self._begun:
                self._shown = now
                self._bar.update(
                    self._bar.task_ids[0],
                    completed=self._finished,
                    note=self.describe(),
                    refresh=True,
                )
        elif now - self._since >= FIRST_S and now - self._shown >= LINE_EVERY_S:
            self._shown = now
            done = f"{self._finished} of {self._total} trials"
            sys.stderr.write(f"{done}, {self.describe()}\n")
            sys.stderr.flush()


def _make_bar() -> "rich.progress.Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f} of {task.total:.0f} trials"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        auto_refresh=False,  # a thread beside the training loop would slow it
        transient=True,
    )


@contextmanager
def _log_above(bar: "rich.progress.Progress") -> Iterator[None]:
    """Let the log's lines go above the bar instead of through it.

    While it is drawn, rich has put a stream of its own in the place of sys.stdout; the log's
    handlers hold the one that was there before.
    """
    handlers = [
        each
        for each in logging.getLogger().handlers
        if isinstance(each, logging.StreamHandler) and each.stream is sys.__stdout__
    ]
    before = sys.__stdout__
    for handler in handlers:
        handler.setStream(sys.stdout)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(before)
