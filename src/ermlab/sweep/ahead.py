"""Asks a sampler for trials while others train: a thread beside the lanes of other processes.

A suggestion of TPE takes as long as a small trial trains. The thread is told what has ended and
asks for the next trials before a lane wants them: no lane waits while the sampler keeps up. What is
ready has been asked for a little earlier than it had to be, by at most `n_ahead` runs.
"""

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ermlab.sweep.desk import Source
from ermlab.trial.reports import Report

Run = tuple[int, Sequence[str]]
End = tuple[int, Path, Any]


class Ahead:
    """A `Source` that is ahead of who takes from it. Use as a context manager.

    Args:
        source: where the runs come from; used by one thread at a time, its `judge` aside.
        n_ahead: runs that are ready at most, >= 1.
    """

    def __init__(self, source: Source, *, n_ahead: int) -> None:
        self._source, self._n_ahead = source, n_ahead
        self.starts, self.clock, self.last = source.starts, source.clock, source.last
        self._prunes, self._n_at_once = source.prunes, source.n_at_once
        self._ready: deque[Run] = deque()
        self._ends: deque[End] = deque()
        self._is_idle = self._is_closed = False  # idle: the source has no more until a run ends
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Ahead":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until all that has ended is told."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def n_at_once(self) -> int:
        """Runs that there are at once at most."""
        return self._n_at_once

    @property
    def prunes(self) -> bool:
        """Whether runs are to be reported."""
        return self._prunes

    def take(self, n_runs: int, *, is_new: bool) -> list[Run]:
        """Return runs that are ready, at most so many; none when the source has no more.

        Raises:
            Exception: what the source has raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_idle or self._error)
            self.check()
            taken = [self._ready.popleft() for _ in range(min(n_runs, len(self._ready)))]
            self._changed.notify_all()
            return taken

    def be_ahead(self, n_trials: int) -> None:
        """Nothing to do: the source has been told."""

    def started(self, number: int, clock: int) -> None:
        """Nothing to do: several lanes have no clock in common."""

    def ended(self, number: int, run_dir: Path, value: Any, clock: int | None) -> None:
        """Take in how a run ended; the source is told a little later.

        Raises:
            Exception: what the source has raised.
        """
        with self._changed:
            self.check()
            self._ends.append((number, run_dir, value))
            self._is_idle = False
            self._changed.notify_all()

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return which runs train on."""
        return self._source.judge(reports)

    def check(self) -> None:
        """Raise what the source has raised, if anything."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while self._do_next():
                pass
        except Exception as error:  # noqa: BLE001  # raised where it is asked for
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _do_next(self) -> bool:
        """Tell what has ended, or ask for a run; return False when that is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ends or self._is_closed or not (self._is_idle or self._is_full())
            )
            ends = list(self._ends)
            self._ends.clear()
            if self._is_closed and not ends:
                return False
        for number, run_dir, value in ends:
            self._source.ended(number, run_dir, value, None)
        if not ends:
            runs = self._source.take(1, is_new=True)
            with self._changed:
                self._ready.extend(runs)
                self._is_idle = not runs and not self._ends
                self._changed.notify_all()
        return True

    def _is_full(self) -> bool:
        return len(self._ready) >= self._n_ahead
