"""Carries out a sweep that a study suggests, with any launcher: in batches, or without a barrier.

A launcher of ours takes trials one by one, as places become free (`stream`); any other is given a
batch and waited for. The account is kept in `ledger.py`.
"""

import math
import threading
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from ermlab.errors import ConfigError, TrialError
from ermlab.sweep.ledger import Ledger, Run, RunEnd
from ermlab.trial.reports import Report


def run_batches(ledger: Ledger, launcher: Launcher) -> None:
    """Carry out the trials that are left, as many at once as the options say.

    Raises:
        Exception: what hindered the trials, when too many failed, or all for one reason.
    """
    while (left := _next_batch(ledger)) is not None:
        while left:
            ends: dict[int, RunEnd] = {}
            # A launcher numbers its jobs in a row.
            for _, row in groupby(enumerate(left), lambda pair: pair[1].number - pair[0]):
                ends |= _launch(launcher, [run for _, run in row])
            left = [run for run in left if ledger.end(run, ends[run.number])]
        ledger.check_failures()


def _next_batch(ledger: Ledger) -> list[Run] | None:
    """The runs of trials that a stopped sweep left open, then of new ones; None after the last.

    A batch of which every run had ended before the sweep was stopped is empty, and not the last.
    """
    batch: list[Run] | None = None
    n_jobs, n_asked = ledger.options.n_jobs, ledger.study.n_asked
    n_stopped = len(ledger.study.open_trials)
    # A batch is asked for in full before its first trial is told, also after a stop.
    target = -(-n_asked // n_jobs) * n_jobs if n_stopped else n_asked + n_jobs
    while n_stopped or ledger.study.n_asked < target:
        runs = ledger.next_trial()
        if runs is None:
            break
        n_stopped = max(0, n_stopped - 1)
        batch = [*(batch or []), *runs]
    return batch


def _launch(launcher: Launcher, runs: Sequence[Run]) -> dict[int, RunEnd]:
    jobs = [list(run.overrides) for run in runs]
    returns = launcher.launch(jobs, initial_job_idx=runs[0].number)
    return {run.number: _read(run, done) for run, done in zip(runs, returns, strict=True)}


def _read(run: Run, done: JobReturn) -> RunEnd:
    assert done.hydra_cfg is not None, "a launcher sets it"
    run_dir = Path(str(done.hydra_cfg.hydra.runtime.output_dir))
    if done.status is not JobStatus.COMPLETED:
        error = done._return_value
        lost = TrialError(
            f"job {run.number} did not end", where=str(run_dir), fix="see its log there"
        )
        return RunEnd(run_dir=run_dir, values=error if isinstance(error, Exception) else lost)
    return RunEnd(run_dir=run_dir, values=read_values(done.return_value, run_dir))


def read_values(value: Any, run_dir: Path) -> Sequence[float] | Exception:
    """Read what a task returned: a number, or one for each objective; NaN counts as the worst."""
    try:
        values = [float(each) for each in (value if isinstance(value, list | tuple) else [value])]
    except (TypeError, ValueError):
        return ConfigError(
            f"the task returned {value!r}, which is no number",
            where=str(run_dir),
            fix="return a number, or a list of one for each direction",
        )
    return [math.inf if v != v else v for v in values]


class Trials:
    """Gives the runs of a sweep one by one, to a launcher that takes them as places become free.

    It may be used from several threads.

    Args:
        ledger: of the sweep.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._n_open = ledger.options.n_jobs
        self._waiting: list[Run] = []
        self._given: dict[int, Run] = {}
        self._lock = threading.RLock()
        # What a stack's clock showed when the runs began that a stop interrupted; until it shows
        # `decided`, who is pruned has been decided before.
        open_jobs = {
            trial * ledger.options.replicates + r
            for trial in ledger.study.open_trials
            for r in range(ledger.options.replicates)
        }
        starts = ledger.study.starts
        self.starts = {job: clock for job, clock in starts.items() if job in open_jobs}
        self.decided = ledger.study.clock

    @property
    def n_at_once(self) -> int:
        """Runs that there are at once at most."""
        return self._ledger.options.n_jobs * self._ledger.options.replicates

    def take(self, n_runs: int, *, is_new: bool) -> list[tuple[int, Sequence[str]]]:
        """Return the numbers and overrides of the next runs, at most so many; fewer at the end.

        Args:
            n_runs: how many.
            is_new: whether trials may be asked for, beside those that a stop interrupted.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        with self._lock:
            taken: list[Run] = []
            while len(taken) < n_runs:
                if self._waiting:
                    run = self._waiting.pop(0)
                    if not self._ledger.skip(run):
                        taken.append(run)
                    continue
                is_free = self._ledger.n_open < self._n_open
                runs = self._ledger.next_trial(is_new=is_new and is_free)
                if runs is None:
                    break
                self._waiting += runs
            self._given |= {run.number: run for run in taken}
            return [(run.number, run.overrides) for run in taken]

    def be_ahead(self, n_trials: int) -> None:
        """Let so many trials be asked for that wait until others have ended."""
        self._n_open = self._ledger.options.n_jobs + n_trials

    def started(self, number: int, clock: int) -> None:
        """Take in that a run began when the clock of the only stack showed so many steps."""
        with self._lock:
            self._ledger.study.start(number, clock)

    def ended(self, number: int, run_dir: Path, value: Any, clock: int | None) -> None:
        """Take in how a run ended: what its task returned, or the exception that hindered it.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        with self._lock:
            run = self._given.pop(number)
            values = value if isinstance(value, Exception) else read_values(value, run_dir)
            if self._ledger.end(run, RunEnd(run_dir=run_dir, values=values), clock=clock):
                self._waiting.insert(0, run)
            self._ledger.check_failures()

    def judge(self, reports: Sequence[Report], clock: int | None) -> list[bool]:
        """Return which runs train on."""
        pruning = self._ledger.pruning  # has a lock of its own: a sampler may be asked meanwhile
        if pruning is None:
            return [True] * len(reports)
        return pruning.judge(reports, spare=clock is not None and clock <= self.decided)

    @property
    def prunes(self) -> bool:
        """Whether runs are to be reported."""
        return self._ledger.pruning is not None
