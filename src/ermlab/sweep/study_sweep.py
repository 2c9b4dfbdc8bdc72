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
from ermlab.sweep.ledger import Ledger
from ermlab.sweep.runs import Offer, Run, RunEnd
from ermlab.trial.reports import Report


def run_batches(ledger: Ledger, launcher: Launcher) -> None:
    """Carry out the trials that are left, as many at once as the options say.

    Raises:
        Exception: what hindered the trials, when too many failed, or all for one reason.
    """
    while (batch := _next_batch(ledger)) is not None:
        # Those that had ended are told with the others: a pruner compares with what it was told.
        left, ends = list(batch.runs), dict(batch.ended)
        while left:
            jobs = [run for run in left if run.number not in ends]
            # A launcher numbers its jobs in a row.
            for _, row in groupby(enumerate(jobs), lambda pair: pair[1].number - pair[0]):
                ends |= _launch(launcher, [run for _, run in row])
            left = [run for run in left if ledger.end(run, ends.pop(run.number))]
        ledger.check_failures()


def _next_batch(ledger: Ledger) -> Offer | None:
    """The trials that a stopped sweep left open, then new ones; None at the end.

    There may be no run to train: those of the trials may have ended before the sweep was stopped.
    """
    runs: list[Run] = []
    ended: dict[int, RunEnd] = {}
    n_jobs = ledger.options.n_jobs
    n_stopped = len(ledger.study.open_trials)
    # A batch is asked for in full before its first trial is told, also after a stop.
    n_new = -ledger.study.n_asked % n_jobs if n_stopped else n_jobs
    ledger.reserve(n_new)
    for n_given in range(n_stopped + n_new):
        offer = ledger.next_trial()
        if offer is None:
            return Offer(runs=runs, ended=ended) if n_given else None
        runs += offer.runs
        ended |= offer.ended
    return Offer(runs=runs, ended=ended)


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
        # What the stack's clock showed when the runs began that a stop interrupted, and when the
        # last one ended before it.
        self.clock = ledger.study.clock
        while self._find_trial(is_new=False):
            pass
        starts = ledger.study.starts
        left = [run.number for run in self._waiting]
        self.starts = {number: starts[number] for number in left if number in starts}
        self._waiting.sort(key=lambda run: self.starts.get(run.number, math.inf))
        last = ledger.last_begun()
        self.last = None if last is None else (last.number, last.overrides)

    @property
    def n_at_once(self) -> int:
        """Runs that there are at once at most."""
        return self._ledger.options.n_jobs * self._ledger.options.replicates

    def take(self, n_runs: int, *, is_new: bool) -> list[tuple[int, Sequence[str]]]:
        """Return the numbers and overrides of the next runs, at most so many; fewer at the end.

        Args:
            n_runs: how many.
            is_new: whether others than those that a stop interrupted may be among them.

        Raises:
            Exception: what hindered the trials, when too many failed, or all for one reason.
        """
        with self._lock:
            taken: list[Run] = []
            while len(taken) < n_runs:
                if self._waiting:
                    if not is_new and self._waiting[0].number not in self.starts:
                        break
                    run = self._waiting.pop(0)
                    if not self._ledger.skip(run):
                        taken.append(run)
                    continue
                is_free = self._ledger.n_open < self._n_open
                if not self._find_trial(is_new=is_new and is_free):
                    break
            self._given |= {run.number: run for run in taken}
            return [(run.number, run.overrides) for run in taken]

    def _find_trial(self, *, is_new: bool) -> bool:
        """Let the runs of the next trial wait; return whether there is one."""
        offer = self._ledger.next_trial(is_new=is_new)
        if offer is None:
            return False
        for run in offer.runs:
            end = offer.ended.get(run.number)
            if end is None:
                self._waiting.append(run)
            else:
                self.clock = max(self.clock, end.clock or 0)
                self._ledger.end(run, end)
        return True

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
            if self._ledger.end(run, RunEnd(run_dir=run_dir, values=values, clock=clock)):
                self._waiting.insert(0, run)
            self._ledger.check_failures()

    def judge(self, reports: Sequence[Report]) -> list[bool]:
        """Return which runs train on."""
        pruning = self._ledger.pruning  # has a lock of its own: a sampler may be asked meanwhile
        if pruning is None:
            return [True] * len(reports)
        return pruning.judge(reports)

    @property
    def prunes(self) -> bool:
        """Whether runs are to be reported."""
        return self._ledger.pruning is not None
