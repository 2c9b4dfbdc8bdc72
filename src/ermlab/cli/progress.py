"""Shows how far a run is: a bar in a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from ermlab.loop.check import Check

if TYPE_CHECKING:
    import rich.progress

FIRST_S = 1.0  # own: shorter runs end before anyone reads a bar
BAR_EVERY_S = 0.1  # own: ten pictures a second look smooth
LINE_EVERY_S = 10.0  # own: a log file grows by a line now and then


class Progress:
    """Told of every check of a run; writes to the error stream. Use as a context manager."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()
        self._bar: rich.progress.Progress | None = None
        self._best = float("inf")
        self._title = ""

    def start(self, title: str) -> None:
        """Begin another run, which is shown with a title."""
        self._title, self._best = title, float("inf")

    def __enter__(self) -> "Progress":
        return self

    def show(self, check: Check, n_steps: int) -> None:
        """Show a check, unless another was shown a moment ago.

        Args:
            check: what was measured (trial 0 of it).
            n_steps: S, steps in all.
        """
        loss = check.values.get("valid_loss", check.values["train_loss"])
        self._best = min(self._best, float(loss[0]))
        now = time.monotonic()
        is_terminal = sys.stderr.isatty()
        if now - self._began < FIRST_S:
            return
        if now - self._shown < (BAR_EVERY_S if is_terminal else LINE_EVERY_S):
            return
        self._shown = now
        if is_terminal:
            self._draw(int(check.step[0]) + 1, n_steps)
        else:
            share = (int(check.step[0]) + 1) / n_steps
            title = f"{self._title}: " if self._title else ""
            sys.stderr.write(
                f"{title}step {int(check.step[0]) + 1} of {n_steps} ({share:.0%}), "
                f"lowest loss {self._best:.4g}, {now - self._began:.0f} s\n"
            )

    def _draw(self, done: int, n_steps: int) -> None:
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.add_task("training", total=n_steps, loss="")
            self._bar.start()
        task = self._bar.task_ids[0]
        self._bar.update(
            task,
            description=self._title or "training",
            total=n_steps,
            completed=done,
            loss=f"{self._best:.4g}",
            refresh=True,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _make_bar() -> "rich.progress.Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("step {task.completed:.0f} of {task.total:.0f}"),
        TextColumn("lowest loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,  # a thread beside the training loop would slow it
        transient=True,
    )
